import re
from functools import cache
from pathlib import Path

import pytest

from publishing.blocks import ROOT, expand

PAGES = sorted((ROOT / "docs" / "derivations").glob("*.md"))
SECTIONS = ["Statement", "Derivation", "Shapes", "Code", "Check", "Exercises"]

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def _sections(page: Path) -> dict[str, str]:
    """Return the text of each section of a page, fences and all, by its title."""
    text = page.read_text(encoding="utf-8")
    outside = re.sub(
        r"^ *(`{3,}).*?^ *\1 *$",
        lambda fence: re.sub(r"^#", " ", fence[0], flags=re.MULTILINE),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
    starts = list(re.finditer(r"^## (.+)$", outside, flags=re.MULTILINE))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return {start[1]: text[start.end() : end] for start, end in zip(starts, ends, strict=True)}


@cache
def _expanded(page: Path) -> str:
    return expand(page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix())


@pages
def test_every_block_of_a_page_runs(page: Path) -> None:
    assert "{.text .output}" in _expanded(page)


LINE = 459  # points, of the paper, which paper/filter.lua gives a picture of seven inches
SMALLEST = 8  # points, of type that can be read


@pages
def test_the_words_of_a_picture_can_be_read_on_paper(page: Path) -> None:
    for picture in re.findall(r"\{\.svg .*\n(<svg .*</svg>)\n", _expanded(page)):
        width = re.search(r'<svg [^>]*width="([\d.]+)pt"', picture)
        sizes = re.findall(r"scale\((0\.\d+) -0\.\d+\)", picture)  # of glyphs, which are 100 units high
        assert width
        assert 100 * min(map(float, sizes)) * min(LINE / (7 * 72), LINE / float(width[1])) >= SMALLEST


@pages
def test_a_page_has_its_parts(page: Path) -> None:
    sections = _sections(page)
    assert list(sections) == SECTIONS
    assert sections["Statement"].count("\n$$\n") == 2
    assert "\n| --- |" in sections["Shapes"]
    assert re.search(
        r'^``` \{\.python source="stages/nn/\w+\.py" object="[\w.]+"\}$', sections["Code"], flags=re.MULTILINE
    )
    assert "``` {.python .exec}" in sections["Check"]
    assert re.search(r"^ *assert ", sections["Check"], flags=re.MULTILINE)
    exercises = len(re.findall(r"^\*\*\d+\.\*\*", sections["Exercises"], flags=re.MULTILINE))
    assert 2 <= exercises == sections["Exercises"].count('\n??? success "Answer"\n')


def test_every_page_has_a_picture() -> None:
    assert [page.stem for page in PAGES if "\n``` {.python .exec figure=" not in page.read_text(encoding="utf-8")] == []


@pages
def test_a_marked_line_of_code_is_an_equation_that_is_there(page: Path) -> None:
    labels = {
        label for each in PAGES for label in re.findall(r"\\label\{(eq:[\w-]+)\}", each.read_text(encoding="utf-8"))
    }
    expanded = expand(page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix(), executed=[""] * 99)
    marked = set(re.findall(r"# @(eq:[\w-]+)", expanded))
    assert marked or page.stem == "batches"  # whose code draws, and computes no equation
    assert marked <= labels


@pages
def test_a_page_has_its_proof(page: Path) -> None:
    proof = ROOT / "tests" / "derivations" / f"test_{page.stem.replace('-', '_')}.py"
    text = proof.read_text(encoding="utf-8")
    assert f"docs/derivations/{page.name}" in text.partition("\n")[0]
    assert "import sympy" in text
    assert "\ndef test_" in text


GREEK = (
    r"\\((?:alpha|beta|[gG]amma|[dD]elta|(?:var)?epsilon|zeta|eta|theta|iota|kappa|[lL]ambda|mu|nu|[xX]i|[pP]i|rho|"
    r"[sS]igma|tau|(?:var)?phi|Phi|chi|[pP]si|[oO]mega|ell)(?![A-Za-z]))"
)


def _letters(text: str) -> set[str]:
    """Return the letters of the formulas of a text, without names of functions and code."""
    text = re.sub(r"^ *(`{3,}).*?^ *\1 *$|`[^`]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    formulas = " ".join(re.findall(r"\$\$.*?\$\$|\$[^$]*\$", text, flags=re.DOTALL))
    styled = {f"\\math{style}{{{letter}}}" for style, letter in re.findall(r"\\math(cal|sf)\{(\w)\}", formulas)}
    formulas = re.sub(
        r"\\(label|operatorname|text|begin|end|mathrm|mathsf|mathbb|mathcal)\{[^}]*\}|\\mathsf T", " ", formulas
    )
    latin = re.findall(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", " ", formulas))
    return {*latin, *re.findall(GREEK, formulas), *styled}


@pages
def test_a_letter_has_the_one_meaning_that_the_notation_page_gives_it(page: Path) -> None:
    shapes = _sections(ROOT / "docs" / "derivations" / "notation.md")["Shapes"]
    first, others = shapes.split("**One letter, one meaning.**")
    known = _letters("".join(line.split(" | ")[0] for line in first.splitlines() if line.startswith("| $")))
    known |= {"m"}
    rows = re.findall(r"^\| (\$.+?) \| .+ \| ([^|]+) \|$", others, flags=re.MULTILINE)
    meanings = [(_letters(letters), where.split(", ")) for letters, where in rows]
    titles = {each.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# "): each for each in PAGES}
    for _, where in meanings:
        assert {"all"} == set(where) or set(where) <= titles.keys()
    for letters, where in meanings:
        if "all" in where or page in map(titles.get, where):
            known |= letters
    everywhere = [letter for letters, _ in meanings for letter in letters]
    assert len(everywhere) == len(set(everywhere))
    text = page.read_text(encoding="utf-8")
    if page.stem == "notation":
        text = text.replace(others, "")
    assert _letters(text) <= known


def test_every_page_is_in_the_navigation_in_one_order() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = re.findall(r"derivations/(\S+)\.md", navigation)
    assert sorted(listed) == [page.stem for page in PAGES]
