import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from publishing.blocks import ROOT, outputs
from publishing.executing import execute

notebooks: Any = pytest.importorskip("publishing.notebooks", reason="`make docs` installs what the site needs")

PAGE = """\
# A page

By @eq:a, (@eq:b) and [@glorot2010, p. 3] of [another](relu.md#code), [above](#a-page) or [elsewhere](https://example.org).

$$
a = b
\\label{eq:a}
$$

!!! note "Seen"

    In $a$.

    More.

``` {.python source="stages/nn/affine.py" object="Affine.forward"}
self._Z += b  # @eq:a
```

## Check

``` {.python .exec}
print(1 + 1)
```

``` {.python .exec figure="A line."}
figure.subplots().plot([1, 2])
```

## Exercises

??? success "Answer"

    Yes, by (@eq:b).

    No.
"""


def notebook(page: str = PAGE) -> str:
    printed = outputs(page, "docs/derivations/page.md")
    numbers = {"eq:a": "3.1", "eq:b": "4.2"}
    return str(
        notebooks.notebook(page, "docs/derivations/page.md", printed, numbers.__getitem__, "https://example.org/c")
    )


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    whole = json.loads(notebook())
    assert whole.keys() == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert (whole["nbformat"], whole["nbformat_minor"]) == (4, 5)
    found: list[dict[str, Any]] = whole["cells"]
    return found


def test_a_page_is_cells_of_text_and_code_in_its_order(cells: list[dict[str, Any]]) -> None:
    assert [cell["cell_type"] for cell in cells] == ["markdown", "markdown", "code", "code", "markdown", "markdown"]
    common = {"cell_type", "id", "metadata", "source"}
    for cell in cells:
        assert cell.keys() == (common if cell["cell_type"] == "markdown" else {*common, "execution_count", "outputs"})
    assert len({cell["id"] for cell in cells}) == len(cells)
    code, figure = cells[2:4]
    assert code["source"] == "print(1 + 1)"
    assert code["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "2\n"}]
    assert [code["execution_count"], figure["execution_count"]] == [1, 2]
    assert figure["outputs"][0]["data"]["image/svg+xml"].startswith("<svg ")
    assert figure["outputs"][0]["data"]["text/plain"] == "A line."


def test_text_is_what_jupyter_understands(cells: list[dict[str, Any]]) -> None:
    text, answers, works = (cells[n]["source"] for n in (1, 4, 5))
    assert text.startswith("# A page\n\nBy (3.1), (4.2) and [<a ")
    assert ", p. 3</a>] of [another](docs/derivations/relu.md#code), [above](#a-page) or [elsewhere](https://" in text
    assert "$$\na = b\n\\tag{3.1}\n$$" in text
    assert "**Seen.** In $a$.\n\nMore.\n\n`stages/nn/affine.py · Affine.forward`\n\n``` python\ndef forward(" in text
    assert "    self._Z += b  # (3.1)\n" in text
    assert answers == ("## Exercises\n\n<details><summary>Answer</summary>\n\nYes, by (4.2).\n\nNo.\n\n</details>")
    assert works.startswith("## References\n\n<ol ")
    assert "Glorot" in works


def test_a_figure_is_drawn_and_shown_by_its_cell(cells: list[dict[str, Any]]) -> None:
    code = cells[3]["source"]
    program = f"{code.removesuffix('figure')}print(figure._repr_svg_())"
    shown = subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert shown.strip() == cells[3]["outputs"][0]["data"]["image/svg+xml"]


def test_the_first_cell_says_what_it_needs(cells: list[dict[str, Any]]) -> None:
    needs = cells[0]["source"]
    assert "git clone https://example.org/c chainrule\ncd chainrule\nmake .venv/.dev\n" in needs
    assert "-m notebook page.ipynb\n" in needs
    made = subprocess.run(["make", "--dry-run", ".venv/.dev"], check=False, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


def test_the_same_page_gives_the_same_bytes() -> None:
    assert notebook() == notebook()


@pytest.mark.slow
def test_the_cells_of_every_notebook_run_in_the_folder_of_the_project(site: Path) -> None:
    found = sorted(site.glob("derivations/*.ipynb"))
    assert [path.stem for path in found] == sorted(path.stem for path in (ROOT / "docs/derivations").glob("*.md"))
    for path in found:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        assert code, path
        program = "\n".join(cell["source"] for cell in code)
        printed = "".join(part.get("text", "") for cell in code for part in cell["outputs"])
        assert execute(path.name, [(0, program, False)]) == [printed], path
