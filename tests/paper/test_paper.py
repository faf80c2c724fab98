"""The papers as documents, built in a folder that has only what dvc.yaml names as their dependencies."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pypdfium2 as pdfium
import pytest
import typst
from pypdf import PdfReader
from pypdf.generic import DictionaryObject
from ruamel.yaml import YAML

from publishing import measurements
from tests.lock import write_lock

if TYPE_CHECKING:
    from tests.paper.conftest import Copy

ROOT = Path(__file__).parents[2]
NOTES, PAPER, SUPPLEMENT = NAMES = [path.stem for path in measurements.PAPERS]
SECTIONS = [
    "Abstract",
    "1 Introduction",
    "2 Related work",
    "3 The write-ups",
    "4 Method",
    "5 Results",
    "6 The ladder",
    "7 Cost",
    "8 Limits",
    "9 Conclusion",
    "10 The commands",
    "11 Data and code",
    "References",
]
DERIVATIONS = sorted((ROOT / "docs/derivations").glob("*.md"))
CM = 72 / 2.54
WIDTH, HEIGHT = 21.0, 29.7  # in cm
MARGINS = {"x": 2.4, "top": 2.2, "bottom": 2.4}  # in cm, as in paper/template.typ
SLACK = 0.15  # cm by which a comma or an accent may hang over the edge
FOOT = 0.9  # cm above and below the middle of the foot, where the number of the page is
FILLED, FILLED_AT_LAST = 0.5, 0.15  # of a page must have something on it, and of the last


@pytest.fixture(scope="module")
def documents(built: "Copy") -> dict[str, PdfReader]:
    """Return the papers."""
    return {name: PdfReader(built.pdf(name)) for name in NAMES}


@pytest.fixture(scope="module")
def pages(built: "Copy") -> dict[str, list[str]]:
    """Return the text of each page of the papers as a browser copies it, without the places where a word may break."""
    return {name: [text.replace("\u200b", "") for text in texts(built.pdf(name))] for name in NAMES}


def texts(path: Path) -> list[str]:
    with pdfium.PdfDocument(path) as document:
        return [page.get_textpage().get_text_bounded() for page in document]


def unbroken(text: str) -> str:
    """Return a text without spaces, as a line may end anywhere beside a sign."""
    return "".join(text.split())


def test_the_paper_has_every_section_in_order_and_eight_to_twelve_pages(pages: dict[str, list[str]]) -> None:
    lines = [line.strip() for page in pages[PAPER] for line in page.splitlines()]
    found = [lines.index(section) for section in SECTIONS]
    assert found == sorted(found)
    assert 8 <= len(pages[PAPER]) <= 12


def test_every_derivation_is_a_section_of_the_notes_with_the_number_it_has_on_the_site(
    pages: dict[str, list[str]],
) -> None:
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    names = re.findall(r"derivations/(\w+)\.md", listed)
    assert sorted(names) == [page.stem for page in DERIVATIONS]
    lines = [line.strip() for page in pages[NOTES][2:] for line in page.splitlines()]
    for number, name in enumerate(names, 1):
        title, text = (ROOT / f"docs/derivations/{name}.md").read_text(encoding="utf-8").split("\n", 1)
        heading = f"{number} {title.removeprefix('# ')}"
        assert lines.count(heading) == 2  # the section, and the answers to its exercises
        first = text.split("\\label{eq:")[1:] != []
        assert not first or f"({number}.1)" in "".join(lines)


def test_the_contents_and_the_index_name_the_pages(pages: dict[str, list[str]]) -> None:
    contents = re.findall(r"^(\S.*?) ?(?:\. ?)+\s*(\d+)\s*$", pages[NOTES][1], re.MULTILINE)
    assert len(contents) >= len(DERIVATIONS) + 6
    for title, number in contents:
        assert unbroken(title) in unbroken(pages[NOTES][int(number) - 1])
    index = re.sub(r"\s+", " ", " ".join(pages[NOTES])).rpartition(" Index ")[2]
    for term in ("adjoint", "heavy ball", "null space", "ReLU", "softmax", "spectral norm"):
        listed = re.search(rf"\b{term}, ((?:\d+(?:, )?)+)", index)
        assert listed, term
        for number in re.findall(r"\d+", listed[1]):
            assert unbroken(term).lower() in unbroken(pages[NOTES][int(number) - 1]).lower(), (term, number)
    own = {re.sub(r"^\d+ (?:The )?", "", title): number for title, number in contents}
    listed_chapters = {
        title: [pages.split(", ") for pages in re.findall(rf"(?i)\b{re.escape(title)}, (\d+(?:, \d+)*)", index)]
        for title in own
    }
    assert sum(map(bool, listed_chapters.values())) > 15
    for title, found in listed_chapters.items():
        assert not found or any(own[title] in numbers for numbers in found), title


def test_each_exercise_has_its_answer_at_the_end(pages: dict[str, list[str]]) -> None:
    text = "\n".join(pages[NOTES])
    exercises, _, answers = text.rpartition("A Answers to the exercises")
    for page in DERIVATIONS:
        source = page.read_text(encoding="utf-8")
        title = source.partition("\n")[0].removeprefix("# ")
        numbers = re.findall(r"^\*\*(\d+)\.\*\*", source.partition("## Exercises")[2], re.MULTILINE)
        assert numbers
        part = re.split(rf"^\d+ {re.escape(title)}\s*$", answers, flags=re.MULTILINE)[1]
        assert re.findall(r"^(\d)\. \S", part, re.MULTILINE)[: len(numbers)] == numbers
    assert "Answer" not in exercises.partition("1 Notation and shapes")[2].replace("Answers", "")


def test_the_metadata_name_the_papers(documents: dict[str, PdfReader]) -> None:
    for name, document in documents.items():
        head = YAML(typ="safe").load((ROOT / f"paper/{name}.md").read_text(encoding="utf-8").split("---")[1])
        information = document.metadata
        assert information is not None
        assert information.title == head["title"]
        assert information.author == "the chainrule contributors"
        assert str(information["/Keywords"]).split(", ") == head["keywords"]
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


def test_they_are_accessible_and_every_equation_and_figure_has_an_alternative_text(
    built: "Copy", documents: dict[str, PdfReader]
) -> None:
    counts = {NOTES: 0, PAPER: 3, SUPPLEMENT: 2}
    for name, document in documents.items():
        assert b"<pdfuaid:part>1</pdfuaid:part>" in built.pdf(name).read_bytes()
        found = [element for element in elements(document.root_object["/StructTreeRoot"]) if "/S" in element]
        source = built.typst(name)
        formulas, figures = ([e for e in found if e["/S"] == kind] for kind in ("/Formula", "/Figure"))
        assert len(formulas) >= len(re.findall(r"#(?:formula|display)\(", source)) > 5
        drawn = source.count("#figure(image(bytes(")
        assert len(figures) == counts[name] + drawn
        assert all(str(element.get("/Alt", "")).strip() for element in formulas + figures)
    assert built.typst(NOTES).count("#figure(image(bytes(") == sum(
        page.read_text(encoding="utf-8").count(".exec figure=") for page in DERIVATIONS
    )


def test_the_figures_are_vector_graphics(built: "Copy") -> None:
    images = [path for name in NAMES for path in re.findall(r'image\("([^"]+)"', built.typst(name))]
    assert len(images) == 5
    assert all(path.startswith("/figures/") and path.endswith(".svg") for path in images)


def test_the_first_page_names_the_data_and_says_if_they_are_a_substitute(
    built: "Copy", pages: dict[str, list[str]]
) -> None:
    first = pages[PAPER][0]
    metrics = built.read(f"metrics/{built.shown_model}.json")
    assert unbroken(f"The data set is {metrics['dataset']}.") in unbroken(first)
    assert all(unbroken(note) in unbroken(first) for note in metrics["notes"])
    assert ("No mirror was in reach" in re.sub(r"\s+", " ", first)) == ("fallback" in metrics["dataset"])


def test_no_reference_is_unresolved_and_no_markup_is_left(pages: dict[str, list[str]]) -> None:
    text = "".join(page for name in NAMES for page in pages[name])
    for trace in (
        "??",
        "@eq:",
        "@sec:",
        "@tbl:",
        "[@",
        "$$",
        "\\label",
        "\\text",
        ":::",
        "!!!",
        "```",
        "#ref",
        "<!--",
        "#index",
    ):
        assert trace not in text


def test_a_line_that_is_an_equation_shows_its_number(pages: dict[str, list[str]]) -> None:
    listed = re.findall(r"derivations/(\w+)\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    text = "".join("".join(pages[NOTES]).split())
    assert f"dW+=dZ@self._X.T#({listed.index('affine') + 1}.1)" in text
    assert "@eq:" not in text


def test_a_hyphen_is_found_as_a_hyphen(built: "Copy", pages: dict[str, list[str]]) -> None:
    for name in NAMES:
        assert "\xad" not in "".join(pages[name])
        assert "\xad" not in "".join(page.extract_text() for page in PdfReader(built.pdf(name)).pages)
    assert "write-ups" in pages[PAPER][0]
    assert "cross-entropy" in "".join(pages[NOTES])


def test_a_hyphen_is_one_after_a_line_that_ends_within_a_long_word(built: "Copy", tmp_path: Path) -> None:
    head = built.typst(PAPER).partition("#align(center, {")[0]
    words = "#block(width: 4cm)[Differentiation of incomprehensibilities notwithstanding.] Five write-ups."
    source: Any = f"{head}\n{words}".encode()
    (tmp_path / "a.pdf").write_bytes(typst.compile(source, ignore_system_fonts=True))
    text = PdfReader(tmp_path / "a.pdf").pages[0].extract_text()
    assert "\xad" not in text
    assert "write-ups" in text


def test_the_notes_show_code_where_it_is_the_formula_and_no_more(built: "Copy", pages: dict[str, list[str]]) -> None:
    text = "".join(pages[NOTES])
    assert "__post_init__" not in text
    assert '"""' not in text
    listings = re.findall(r"#listing\(.*?\n\] <lst:", built.typst(NOTES), re.DOTALL)
    assert len(listings) > 30
    for listing in listings:
        assert listing.count("\n") < 25
        assert not re.search(r"^ *class \w+.*:$|__post_init__", listing, re.MULTILINE)


def test_the_references_are_the_works_cited_in_the_order_of_their_citation(
    built: "Copy", pages: dict[str, list[str]]
) -> None:
    library = (ROOT / "docs/references.bib").read_text(encoding="utf-8")
    keys = "|".join(re.findall(r"^@\w+\{(\w+),$", library, re.MULTILINE))
    for name, least in ((NOTES, 20), (PAPER, 15), (SUPPLEMENT, 1)):
        cited = list(dict.fromkeys(re.findall(rf"@({keys})\b", built.typst(name))))
        references = re.sub(r"\s+", " ", " ".join(pages[name])).rpartition(" References ")[2]
        listed = re.split(r"\[(\d+)\] ", references)[1:]
        assert listed[::2] == [str(number) for number in range(1, len(cited) + 1)]
        assert len(cited) >= least
        for key, reference in zip(cited, listed[1::2], strict=True):
            entry = library.partition(f"{{{key},\n")[2].partition("\n}")[0]
            surname, year = (re.search(rf"{field} *= \{{([^,}}]+)", entry) for field in ("author", "year"))
            assert surname
            assert year
            assert surname[1] in reference
            assert year[1] in reference


def test_markup_in_a_measured_text_is_only_text(substitute: "Copy", built: "Copy", pages: dict[str, list[str]]) -> None:
    if built is not substitute:
        pytest.skip("what was measured here has no markup")
    text = unbroken("".join(page for name in NAMES for page in pages[name]))
    assert unbroken("[a_b] <c> *d* $e$") in text
    assert unbroken(f"Data: {substitute.read(f'metrics/{substitute.shown_model}.json')['dataset']}.") in text
    assert unbroken("_a_: 42,000 of own/_b_`$c$.csv, shuffled") in text


def boxes(page: Any) -> Iterator[tuple[str, float, float, float, float]]:
    """Yield each character of a page with its left, top, right and lower end, in cm from the left upper corner."""
    text = page.get_textpage()
    for number in range(text.count_chars()):
        character = chr(pdfium.raw.FPDFText_GetUnicode(text, number))  # half a letter of a formula is a letter
        if character > " " and not character.isspace():
            left, bottom, right, top = (length / CM for length in text.get_charbox(number))
            yield character, left, HEIGHT - top, right, HEIGHT - bottom


def overflowing(path: Path) -> list[tuple[int, str]]:
    """Return characters that are in a margin, each with its page; the numbers of the pages are none."""
    found = []
    with pdfium.PdfDocument(path) as document:
        for number, page in enumerate(document, 1):
            for character, left, top, right, bottom in boxes(page):
                in_foot = top > HEIGHT - MARGINS["bottom"] and abs((left + right) - WIDTH) / 2 < FOOT
                inside = (
                    left > MARGINS["x"] - SLACK
                    and right < WIDTH - MARGINS["x"] + SLACK
                    and top > MARGINS["top"] - SLACK
                    and bottom < HEIGHT - MARGINS["bottom"] + SLACK
                )
                if not inside and not in_foot:
                    found.append((number, character))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_no_text_reaches_into_a_margin(name: str, built: "Copy") -> None:
    assert overflowing(built.pdf(name)) == []


WIDE = {
    "equation": '#display("a", numbered: true)[$ ' + "a + " * 60 + "a $ <eq:wide>];",
    "equation in the text": '#formula("a")[$' + "x " * 100 + "$];",
    "code": "`" + "x" * 110 + "`",
    "table": "#table(columns: 1, [" + "x" * 110 + "])",
    "foot": "#place(bottom, dy: 1.5cm)[below]",
}


@pytest.mark.parametrize("wide", WIDE)
def test_what_is_too_wide_is_found(wide: str, built: "Copy", tmp_path: Path) -> None:
    head = built.typst(PAPER).partition("#align(center, {")[0]
    text = f"{head}\n= A section\nText.\n\n"
    for content, pages in ((text, set()), (text + WIDE[wide], {1})):
        source: Any = content.encode()
        (tmp_path / "a.pdf").write_bytes(typst.compile(source, ignore_system_fonts=True))
        assert {number for number, _ in overflowing(tmp_path / "a.pdf")} == pages


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_no_page_is_half_empty_and_no_line_alone_on_the_last(name: str, real: "Copy", built: "Copy") -> None:
    if built is not real:
        pytest.skip("the stand-in for figures and models leaves room")
    with pdfium.PdfDocument(built.pdf(name)) as document:
        last = len(document)
        for number, page in enumerate(document, 1):
            image = page.render(scale=1).to_numpy()[: round((HEIGHT - MARGINS["bottom"]) * CM)]
            lowest = (image.min(axis=(1, 2)) < 255).nonzero()[0].max() / CM
            filled = (lowest - MARGINS["top"]) / (HEIGHT - MARGINS["top"] - MARGINS["bottom"])
            assert filled > (FILLED if number < last else FILLED_AT_LAST), f"page {number}"


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes_anywhere(built: "Copy", tmp_path: Path) -> None:
    again = built.again(tmp_path / "another folder")
    surroundings = {"TZ": "Asia/Kolkata", "LC_ALL": "C", "PYTHONHASHSEED": "4711", "OPENBLAS_NUM_THREADS": "2"}
    done = again.run("-m", "publishing.paper", **surroundings)
    assert done.returncode == 0, done.stderr
    for name in NAMES:
        assert again.pdf(name).read_bytes() == built.pdf(name).read_bytes()


def test_a_missing_file_ends_the_build_with_one_message(substitute: "Copy", tmp_path: Path) -> None:
    copy = substitute.again(tmp_path / "copy")
    (copy.folder / "metrics/ablations.json").unlink()
    done = copy.run("-m", "publishing.paper")
    assert done.returncode == 1
    assert done.stderr == "error: metrics/ablations.json: not there; run `dvc repro`, which makes it\n"
    assert not any(copy.pdf(name).exists() for name in NAMES)


def test_the_citation_file_is_of_this_project_and_of_the_paper() -> None:
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert citation["cff-version"] == "1.2.0"
    assert f'version = "{citation["version"]}"' in project
    assert f'license = "{citation["license"]}"' in project
    head = YAML(typ="safe").load((ROOT / "paper/reproduction.md").read_text(encoding="utf-8").split("---")[1])
    assert citation["authors"] == [{"name": name} for name in head["author"]]
    assert citation["preferred-citation"]["title"] == f"{head['title']}: {head['subtitle']}"
    assert citation["preferred-citation"]["authors"] == citation["authors"]


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("this run", "](paper/{}.pdf)"),
        ("another run", "`paper/{}.pdf` is of another run than this page, and so not shown; `dvc repro` makes it"),
        ("none", "`paper/{}.pdf` is not there yet; `make paper` makes it."),
    ],
)
def test_the_site_links_to_the_papers_or_says_which_command_makes_them(
    state: str, shown: str, real: "Copy", tmp_path: Path
) -> None:
    copy = real.again(tmp_path / "copy")
    of_the_site = ("charts", "glance", "home", "ladder_chart", "networks", "results")
    for name in ("docs/index.md", "docs/draw.md", *(f"publishing/{module}.py" for module in of_the_site)):
        copy.write(name, (ROOT / name).read_text(encoding="utf-8"))
    if state != "none":
        for name in NAMES:
            copy.write(f"paper/{name}.pdf", state)
    if state != "another run":
        write_lock(copy.folder)
    done = copy.run(
        "-c",
        "from pathlib import Path; from publishing.blocks import expand;"
        "print(expand(Path('docs/index.md').read_text(encoding='utf-8'), 'docs/index.md'))",
    )
    assert done.returncode == 0, done.stderr
    for name in NAMES:
        assert shown.format(name) in done.stdout
        assert (f"](paper/{name}.pdf)" in done.stdout) == (state == "this run")
