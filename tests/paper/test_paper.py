"""The paper as a document, built in a folder that has only what dvc.yaml names as its dependencies."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import numpy as np
import pypandoc
import pytest
import typst
from numpy.typing import NDArray
from PIL import Image
from pypdf import PdfReader
from pypdf.generic import DictionaryObject
from ruamel.yaml import YAML

from publishing import paper
from tests.lock import write_lock

if TYPE_CHECKING:
    from tests.paper.conftest import Copy

ROOT = Path(__file__).parents[2]
SECTIONS = [
    "Abstract",
    "1 Introduction",
    "2 The derivations",
    "3 The experiment",
    "4 Numerical evidence",
    "5 Results",
    "6 The write-ups tested",
    "7 The ladder",
    "8 Ablations",
    "9 Performance",
    "10 Limits",
    "11 Reproducibility",
    "References",
]
DERIVATIONS = sorted((ROOT / "docs/derivations").glob("*.md"))
DOTS_PER_CM = 20
MARGINS = {"x": 2.4, "top": 2.4, "bottom": 2.6}  # in cm, as in paper/template.typ
PUNCTUATION = 0.15  # cm by which a comma or a hyphen may hang over the edge


@pytest.fixture(scope="module")
def document(built: "Copy") -> PdfReader:
    """Return the paper."""
    return PdfReader(built.pdf)


@pytest.fixture(scope="module")
def pages(document: PdfReader) -> list[str]:
    """Return the text of each page, without the places where a word may break."""
    return [page.extract_text().replace("\u200b", "") for page in document.pages]


def unbroken(text: str) -> str:
    """Return a text without spaces, as a line may end anywhere beside a sign, and with hyphens for soft ones.

    Both are one glyph of a font, and a PDF has one sign for a glyph: that of its first use.
    """
    return "".join(text.replace("\xad", "-").split())


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


def test_its_metadata_names_it(document: PdfReader) -> None:
    information = document.metadata
    assert information is not None
    assert information.title == "Backpropagation, derived and reproduced"
    assert information.author == "the chainrule authors"
    assert "backpropagation" in str(information["/Keywords"])
    assert information.creation_date is None


def elements(node: Any) -> Iterator[DictionaryObject]:
    """Yield all elements of the structure of a document."""
    node = node.get_object()
    if isinstance(node, list):
        for child in node:
            yield from elements(child)
    elif isinstance(node, DictionaryObject):
        yield node
        if "/K" in node:
            yield from elements(node["/K"])


def test_it_is_accessible_and_every_equation_and_figure_has_an_alternative_text(
    built: "Copy", document: PdfReader
) -> None:
    assert b"<pdfuaid:part>1</pdfuaid:part>" in built.pdf.read_bytes()
    found = [element for element in elements(document.root_object["/StructTreeRoot"]) if "/S" in element]
    source = built.typst.read_text(encoding="utf-8")
    formulas, figures = ([e for e in found if e["/S"] == kind] for kind in ("/Formula", "/Figure"))
    assert len(formulas) >= len(re.findall(r"#(?:formula|display)\(", source)) > 1000
    measured, drawn = source.count('#figure(image("'), source.count("#figure(image(bytes(")
    assert len(figures) == measured + drawn
    assert measured == 5
    assert drawn == sum(page.read_text(encoding="utf-8").count(".exec figure=") for page in DERIVATIONS)
    assert all(str(element.get("/Alt", "")).strip() for element in formulas + figures)


def test_its_figures_are_vector_graphics(built: "Copy") -> None:
    images = re.findall(r'image\("([^"]+)"', built.typst.read_text(encoding="utf-8"))
    assert len(images) == 5
    assert all(path.startswith("/figures/") and path.endswith(".svg") for path in images)


def test_the_first_page_names_the_data_and_says_if_they_are_a_substitute(built: "Copy", pages: list[str]) -> None:
    first = re.sub(r"\s+", " ", pages[0])
    metrics = built.read(f"metrics/{built.shown_model}.json")
    assert unbroken(f"The data set is {metrics['dataset']}.") in unbroken(first)
    assert all(note in first for note in metrics["notes"])
    assert ("No mirror was in reach" in first) == ("fallback" in metrics["dataset"])


def test_no_reference_is_unresolved_and_no_markup_is_left(pages: list[str]) -> None:
    text = "".join(pages)
    for trace in ("??", "@eq:", "@sec:", "@tbl:", "[@", "$$", "\\label", "\\text", ":::", "!!!", "```", "#ref"):
        assert trace not in text


def test_the_references_are_the_works_cited_in_the_order_of_their_citation(built: "Copy", pages: list[str]) -> None:
    library = (ROOT / "docs/references.bib").read_text(encoding="utf-8")
    keys = "|".join(re.findall(r"^@\w+\{(\w+),$", library, re.MULTILINE))
    cited = list(dict.fromkeys(re.findall(rf"@({keys})\b", built.typst.read_text(encoding="utf-8"))))
    references = re.sub(r"\s+", " ", " ".join(pages)).rpartition(" References ")[2]
    listed = re.split(r"\[(\d+)\] ", references)[1:]
    assert listed[::2] == [str(number) for number in range(1, len(cited) + 1)]
    assert len(cited) > 20
    for key, reference in zip(cited, listed[1::2], strict=True):
        entry = library.partition(f"{{{key},\n")[2].partition("\n}")[0]
        surname, year = (re.search(rf"{field} *= \{{([^,}}]+)", entry) for field in ("author", "year"))
        assert surname
        assert year
        assert surname[1] in reference
        assert year[1] in reference


def test_markup_in_a_measured_text_is_only_text(substitute: "Copy", built: "Copy", pages: list[str]) -> None:
    if built is not substitute:
        pytest.skip("what was measured here has no markup")
    assert "[a_b] <c> *d* $e$" in "".join(pages)
    text = unbroken("".join(pages))
    assert unbroken(f"Data: {substitute.read(f'metrics/{substitute.shown_model}.json')['dataset']}.") in text
    assert unbroken("_a_: 42,000 of own/_b_`$c$.csv, shuffled") in text


def pictures(text: str, root: Path, folder: Path) -> list[NDArray[np.uint8]]:
    """Return each page of a document in Typst, with figures below `root`, as a picture in gray."""
    folder.mkdir()
    source: Any = text.encode()
    output, ppi = str(folder / "{0p}.png"), DOTS_PER_CM * 2.54
    typst.compile(source, output=output, root=root, format="png", ppi=ppi, ignore_system_fonts=True)
    return [np.asarray(Image.open(path).convert("L")) for path in sorted(folder.iterdir())]


def overflowing(images: list[NDArray[np.uint8]]) -> list[int]:
    """Return the numbers of the pages with something in a margin, the page's number in the middle of its foot aside."""
    found = []
    for number, image in enumerate(images, 1):
        margin = {side: round(DOTS_PER_CM * (width - PUNCTUATION)) for side, width in MARGINS.items()}
        empty = image.copy()
        empty[margin["top"] : -margin["bottom"], margin["x"] : -margin["x"]] = 255
        middle = image.shape[1] // 2
        empty[-margin["bottom"] :, middle - DOTS_PER_CM : middle + DOTS_PER_CM] = 255
        if empty.min() < 255:
            found.append(number)
    return found


@pytest.mark.slow
def test_nothing_reaches_into_a_margin(built: "Copy", pages: list[str], tmp_path: Path) -> None:
    images = pictures(built.typst.read_text(encoding="utf-8"), built.folder, tmp_path / "pages")
    assert len(images) == len(pages)
    assert all(image.min() < 128 for image in images)
    assert overflowing(images) == []


WIDE = {
    "equation": '#display("a", numbered: true)[$ ' + "a + " * 60 + "a $ <eq:wide>];",
    "equation in the text": '#formula("a")[$' + "x " * 100 + "$];",
    "code": "`" + "x" * 110 + "`",
    "table": "#table(columns: 1, [" + "x" * 110 + "])",
    "code block": "#block(width: 30cm, fill: red)[a]",
}


@pytest.mark.parametrize("wide", WIDE)
def test_what_is_too_wide_is_found(wide: str, built: "Copy", tmp_path: Path) -> None:
    head = built.typst.read_text(encoding="utf-8").partition("#align(center, {")[0]
    text = f"{head}\n= A section\nText.\n\n"
    assert overflowing(pictures(text, tmp_path, tmp_path / "right")) == []
    assert overflowing(pictures(text + WIDE[wide], tmp_path, tmp_path / "wide")) == [1]


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes_anywhere(built: "Copy", tmp_path: Path) -> None:
    again = built.again(tmp_path / "another folder")
    surroundings = {"TZ": "Asia/Kolkata", "LC_ALL": "C", "PYTHONHASHSEED": "4711", "OPENBLAS_NUM_THREADS": "2"}
    done = again.run("-m", "publishing.paper", **surroundings)
    assert done.returncode == 0, done.stderr
    assert again.pdf.read_bytes() == built.pdf.read_bytes()


def test_a_missing_file_ends_the_build_with_one_message(substitute: "Copy", tmp_path: Path) -> None:
    copy = substitute.again(tmp_path / "copy")
    (copy.folder / "metrics/ablations.json").unlink()
    done = copy.run("-m", "publishing.paper")
    assert done.returncode == 1
    assert done.stderr == "error: metrics/ablations.json: not there; run `dvc repro`, which makes it\n"
    assert not copy.pdf.exists()


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


def test_a_picture_of_a_derivation_is_a_figure_with_its_words() -> None:
    text = paper.derivation("momentum")
    assert text.count('\n``` {.svg alt="') == 1
    options = [f"--lua-filter={ROOT / paper.FILTER}", "--fail-if-warnings"]
    converted = pypandoc.convert_text(text, "typst-smart", format=paper.FORMAT, extra_args=options)
    [found] = re.findall(
        r'#figure\(image\(bytes\("(<svg .*</svg>)"\), format: "svg", width: (\d+)%, alt: "(.+?)"\)', converted
    )
    assert (found[1], found[2][:13]) == ("100", "Two pictures.")


def test_an_admonition_is_a_remark_and_its_list_stays_a_list() -> None:
    text = '!!! note "A title"\n\n    First.\n\n    - one\n      more\n    - two\n\nAfter.\n'
    remark = '::: {.remark title="A title"}\nFirst.\n\n- one\n  more\n- two\n:::\n\n'
    assert paper.ADMONITION.sub(paper.as_division, text) == remark + "After.\n"


def test_a_derivation_speaks_of_sections_and_not_of_pages() -> None:
    assert paper.derivation("softmax").startswith(
        ":::::: derivation\n# Softmax {#sec:softmax}\n\nThis section derives "
    )
    for name in paper.navigation():
        text = paper.derivation(name)
        assert "## Check" not in text
        assert not re.search(r"\bpages?\b|\bon (this|these|the|\[the)\s+section", text)


def test_the_source_of_a_function_is_in_its_derivation() -> None:
    assert "def softmax(" in paper.derivation("softmax")


def test_the_citation_file_is_of_this_project_and_of_the_paper() -> None:
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert citation["cff-version"] == "1.2.0"
    assert f'version = "{citation["version"]}"' in project
    assert f'license = "{citation["license"]}"' in project
    assert citation["authors"] == [{"name": "the chainrule authors"}]
    head = YAML(typ="safe").load((ROOT / "paper/paper.md").read_text(encoding="utf-8").split("---")[1])
    assert citation["preferred-citation"]["title"] == head["title"]
    assert [author["name"] for author in citation["preferred-citation"]["authors"]] == head["author"]
    assert citation["keywords"] == head["keywords"]


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("this run", "](paper/chainrule.pdf)"),
        (
            "another run",
            "`paper/chainrule.pdf` is of another run than this page, and so not shown; `dvc repro` makes it",
        ),
        ("none", "`paper/chainrule.pdf` is not there yet; `make paper` makes it."),
    ],
)
def test_the_site_links_to_the_paper_or_says_which_command_makes_it(
    state: str, shown: str, real: "Copy", tmp_path: Path
) -> None:
    copy = real.again(tmp_path / "copy")
    of_the_site = ("charts", "glance", "home", "ladder_chart", "networks", "results")
    for name in ("docs/index.md", *(f"publishing/{module}.py" for module in of_the_site)):
        copy.write(name, (ROOT / name).read_text(encoding="utf-8"))
    if state != "none":
        copy.write("paper/chainrule.pdf", state)
    if state != "another run":
        write_lock(copy.folder)
    done = copy.run(
        "-c",
        "from pathlib import Path; from publishing.blocks import expand;"
        "print(expand(Path('docs/index.md').read_text(encoding='utf-8'), 'docs/index.md'))",
    )
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout
    assert ("](paper/chainrule.pdf)" in done.stdout) == (state == "this run")
