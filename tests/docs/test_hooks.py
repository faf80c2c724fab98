import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from publishing.blocks import ROOT
from tests.networks import layer_rows

Write = Callable[[Path, Mapping[str, Any]], None]

pytestmark = pytest.mark.usefixtures("mkdocs")

CONFIGURATION = """
site_name: test
theme: mkdocs
plugins: []
hooks: [{hook}]
markdown_extensions:
  - pymdownx.arithmatex: {{generic: true}}
  - pymdownx.superfences
  - attr_list
  - tables
nav: [index.md, derivations/one.md, derivations/two.md]
"""

TWO = """\
# Two

$$
b \\label{eq:b}
$$

``` {.python source="stages/shared/errors.py" object="run"}
sys.exit("interrupted")  # @eq:b
```

## Check

``` {.python .exec}
print(1 + 1)
```
"""


def _build(folder: Path, index: str, settings: str = "") -> "subprocess.CompletedProcess[str]":
    """Build a site of three pages strictly."""
    hook = ROOT / "publishing" / "site.py"
    (folder / "mkdocs.yml").write_text(CONFIGURATION.format(hook=hook) + settings, encoding="utf-8")
    (folder / "docs" / "derivations").mkdir(parents=True)
    (folder / "docs" / "index.md").write_text(index, encoding="utf-8")
    (folder / "docs" / "derivations" / "one.md").write_text("# One\n\n$$\na\n\\label{eq:a}\n$$\n", encoding="utf-8")
    (folder / "docs" / "derivations" / "two.md").write_text(TWO, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        check=False,
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
    )


@pytest.mark.usefixtures("npm")
def test_derivations_are_numbered_chapters_and_references_lead_to_their_equations(tmp_path: Path) -> None:
    process = _build(tmp_path, "See @eq:b.\n")
    assert process.returncode == 0, process.stderr
    index = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'href="derivations/two/#eq:b">(2.1)</a>' in index
    two = (tmp_path / "site" / "derivations" / "two" / "index.html").read_text(encoding="utf-8")
    assert ">2. Two</h1>" in two
    assert 'id="eq:b"' in two
    assert '<a class="equation-reference" id="line-b-1" href="./#eq:b">(2.1)</a>\n</span>' in two
    assert 'href="./#line-b-1" aria-label="Equation 2.1 in the code">code</a>' in two


@pytest.mark.usefixtures("npm")
def test_a_page_with_a_check_is_a_notebook_too(tmp_path: Path) -> None:
    process = _build(tmp_path, "# Index\n")
    assert process.returncode == 0, process.stderr
    two = (tmp_path / "site/derivations/two/index.html").read_text(encoding="utf-8")
    assert '<h2 id="check">Check</h2>\n<p><a href="../two.ipynb">' in two
    assert [path.name for path in (tmp_path / "site").rglob("*.ipynb")] == ["two.ipynb"]
    cells = json.loads((tmp_path / "site/derivations/two.ipynb").read_text(encoding="utf-8"))["cells"]
    assert "# 2. Two\n\n$$\nb \\tag{2.1}\n$$" in cells[1]["source"]
    assert cells[2]["outputs"][0]["text"] == "2\n"


@pytest.mark.usefixtures("npm")
@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ("", "https://example.org/chainrule.git"),
        ("extra: {repository: ''}\n", "https://example.org/chainrule.git"),
        ("extra: {repository: https://example.net/fork}\n", "https://example.net/fork"),
    ],
)
def test_pages_and_notebooks_have_the_address_of_the_setting(settings: str, address: str, tmp_path: Path) -> None:
    process = _build(tmp_path, "``` sh\ngit clone {{ repository }} chainrule\n```\n", settings)
    assert process.returncode == 0, process.stderr
    index = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert f"git clone {address} chainrule" in html.unescape(re.sub("<[^>]+>", "", index))
    assert f"git clone {address} chainrule" in (tmp_path / "site/derivations/two.ipynb").read_text(encoding="utf-8")


def test_every_clone_is_of_the_address_of_the_setting() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in pages}
    clone = re.compile(r"git clone (.+) \w+$", re.MULTILINE)
    clones = {(name, address) for name, text in texts.items() for address in clone.findall(text)}
    assert {name for name, _ in clones} >= {"docs/contributing.md", "docs/sharing.md", "docs/tutorial.md"}
    assert {address for _, address in clones} == {"{{ repository }}"}
    assert [name for name, text in texts.items() if "<address of" in text] == []


@pytest.mark.usefixtures("npm")
def test_a_picture_has_a_box_to_scroll_in_and_a_number_keeps_its_sign(tmp_path: Path) -> None:
    text = "[![A picture](https://example.org/a.png)](https://example.org/a.svg)\n\n"
    text += "Of 5 % or\n1 %, 8 \N{MULTIPLICATION SIGN} 9, < 1, ± 1, `5 % 2`, $0 < 1$.\n"
    process = _build(tmp_path, f"{text}\n```\n7 % 2\n```\n")
    assert process.returncode == 0, process.stderr
    index = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert '<div class="image" tabindex="0" role="group" aria-label="Picture"><a href=' in index
    index = index.replace("\N{NO-BREAK SPACE}", "_")
    assert "Of 5_% or\n1_%, 8_\N{MULTIPLICATION SIGN}_9, &lt;_1, ±_1, <code>5 % 2</code>" in index
    assert "0 &lt; 1</annotation>" in index
    assert "7 % 2" in html.unescape(re.sub("<[^>]+>", "", index))


@pytest.mark.usefixtures("npm")
def test_every_fault_of_a_page_fails_a_strict_build(tmp_path: Path) -> None:
    page = "# Page\n\nText\n$$\nx\n$$\n\n$\\unknown$ and @eq:c and [@nobody1900].\n\n$$\nb \\label{eq:b}\n$$\n"
    page += '\n``` {.python source="stages/shared/errors.py" object="run"}\nsys.exit("interrupted")  # @eq:d\n```\n'
    process = _build(tmp_path, page)
    assert process.returncode != 0
    assert "index.md: KaTeX parse error: Undefined control sequence: \\unknown" in process.stderr
    assert "index.md: no equation has the label eq:c" in process.stderr
    assert "index.md: no equation has the label eq:d" in process.stderr
    assert "index.md: docs/references.bib has no entry nobody1900" in process.stderr
    assert "index.md: left as text: $$" in process.stderr
    assert "the label eq:b is on " in process.stderr


def test_a_block_that_raises_fails_a_build_with_its_page_and_line(tmp_path: Path) -> None:
    process = _build(tmp_path, "---\ntitle: Page\n---\n\n# Page\n\n``` {.python .exec}\n1 / 0\n```\n")
    assert process.returncode != 0
    assert f'File "{tmp_path}/docs/index.md", line 8, in <module>' in process.stderr
    assert "ZeroDivisionError" in process.stderr


@pytest.mark.usefixtures("npm")
def test_a_picture_stands_in_its_page_with_its_words(tmp_path: Path) -> None:
    figure = '``` {.python .exec figure="1 < 2 in a line"}\nfigure.subplots().plot([1, 2], color="#0072b2")\n```\n'
    process = _build(
        tmp_path, f"# Page\n\n{figure}\n- An item\n\n    {figure.replace(chr(10), chr(10) + '    ').strip()}\n"
    )
    assert process.returncode == 0, process.stderr
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    head = 'rem" tabindex="0" role="img" aria-label="1 &lt; 2 in a line"><svg '
    assert page.count(head) == page.count("</svg></div>") == 2
    assert re.findall(r'stroke: ([^;"]*)#0072b2', page) == 2 * ["var(--drawing-blue, "]
    assert page.index("<li>") < page.rindex(head) < page.index("</li>", page.rindex(head))


@pytest.mark.usefixtures("npm")
def test_a_guarantee_names_its_test_and_shows_no_listing(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    row = "| It holds. | `tests/publishing/test_readme.py` `test_everything_else_stays` |\n"
    source = "# Guarantees\n\n| Guarantee | Test |\n| --- | --- |\n" + 2 * row
    (tmp_path / "docs/page.md").write_text(source, encoding="utf-8")
    process = _build(tmp_path, "# Index\n")
    assert process.returncode == 0, process.stderr
    page = (tmp_path / "site/page/index.html").read_text(encoding="utf-8")
    content = page.partition('role="main"')[2]
    shown = ["tests/publishing/test_readme.py", "test_everything_else_stays"]
    codes = [re.sub("<[^>]+>", "", code) for code in re.findall("<code>(.*?)</code>", content)]
    assert codes == 2 * shown
    assert "readme.update" not in page


NASTY = r"a <b>&|*_$x_{$ [c](d) `e` @eq:f [@g] $$"
SHOWN = """# Index

``` {{.python .exec output="markdown"}}
import os

os.chdir({project!r})
from publishing import results

print(results.models())
print()
print(results.figure_of_shown_model("predictions.png", "digits"))
print()
print(results.data(results.Reproductions))
```
"""


@pytest.mark.usefixtures("npm")
def test_names_are_shown_as_they_stand(tmp_path: Path, write_parameters: Write) -> None:
    row = {"split": "kaggle", "layers": layer_rows(), "learning_rate": 1, "updates": 9, "seed": 0}
    part = {"accuracy": 0.5, "interval": [0.4, 0.6], "cross_entropy": 1}
    head = {"dataset": NASTY, "notes": [NASTY]}
    project = tmp_path / "project"
    for name, text in (
        ("metrics/_a_.json", json.dumps({**head, "train": part, "held_out": None, "test": part})),
        ("metrics/reproductions.json", json.dumps({**head, "claims": []})),
        ("figures/_a_/predictions.png", ""),
        ("docs/figures/_a_/predictions.png", ""),
    ):
        path = (tmp_path if name.startswith("docs") else project) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    write_parameters(project, {"models": {"_a_": row}})
    process = _build(tmp_path, SHOWN.format(project=str(project)))
    assert process.returncode == 0, process.stderr
    page = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    (alternative,) = re.findall(r'<img alt="([^"]*)"', page)
    text = html.unescape(re.sub("<[^>]*>", "", page))
    assert html.unescape(alternative) == "_a_: digits"
    assert text.count(NASTY) == 4


@pytest.mark.usefixtures("npm")
def test_a_mixture_of_runs_fails_a_build_and_names_the_command(tmp_path: Path, write_parameters: Write) -> None:
    project = tmp_path / "project"
    (project / "metrics").mkdir(parents=True)
    (project / "metrics/reproductions.json").write_text("{}", encoding="utf-8")
    write_parameters(project, {})
    (project / "hook.py").write_text(
        "from pathlib import Path\nfrom publishing import blocks\n"
        f"blocks.ROOT = Path({str(project)!r})\nfrom publishing.site import on_pre_build\n",
        encoding="utf-8",
    )
    (project / "mkdocs.yml").write_text("site_name: a\nplugins: []\nhooks: [hook.py]\n", encoding="utf-8")
    (project / "docs").mkdir()
    (project / "docs/index.md").write_text("# A\n", encoding="utf-8")
    process = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build"],
        check=False,
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
    )
    assert process.returncode != 0
    assert "metrics/reproductions.json: dvc.lock has no stage that made it\n" in process.stderr
    assert "`dvc repro` makes it so" in process.stderr
    assert not (project / "site/index.html").exists()
