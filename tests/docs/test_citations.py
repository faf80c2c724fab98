from pathlib import Path
from typing import Any

import pytest

from publishing.blocks import ROOT

citations: Any = pytest.importorskip("publishing.citations", reason="`make docs` installs what the site needs")
markdown: Any = pytest.importorskip("markdown")

BIBTEX = """
@book{young, author = {Young, Ann}, title = {Second}, publisher = {Press}, year = 2001}
@article{able, author = {Able, Bo}, title = {First}, journal = {Journal of Things}, volume = 3, year = 1999}
"""


@pytest.fixture
def _bibliography(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "works.bib").write_text(BIBTEX, encoding="utf-8")
    monkeypatch.setattr(citations, "BIBLIOGRAPHY", tmp_path / "works.bib")


def _html(text: str) -> str:
    return str(markdown.markdown(text, extensions=[citations.Citations()]))


@pytest.mark.usefixtures("_bibliography")
def test_a_citation_is_a_link_with_the_number_of_its_work() -> None:
    assert _html("So [@able].") == '<p>So [<a class="citation" href="#ref-able">1</a>].</p>'


@pytest.mark.usefixtures("_bibliography")
def test_several_works_and_a_place_in_one() -> None:
    assert _html("[@young, p. 534; @able]") == (
        '<p>[<a class="citation" href="#ref-young">2, p. 534</a>], [<a class="citation" href="#ref-able">1</a>]</p>'
    )


@pytest.mark.usefixtures("_bibliography")
def test_works_are_listed_in_their_order_and_with_their_numbers() -> None:
    keys = citations.cited(_html("[@young] and [@able] and [@young]"))
    assert keys == ["able", "young"]
    items = citations.reference_list(["young"])
    assert items.startswith(
        '<ol class="references"><li id="ref-young" value="2">Young, Ann. 2001. <em>Second</em>. Press.'
    )


@pytest.mark.usefixtures("_bibliography")
def test_an_unknown_key_is_found() -> None:
    html = _html("[@baker; @able]")
    assert '<a class="citation" href="#ref-baker">?</a>' in html
    assert citations.cited(html) == ["baker", "able"]


@pytest.mark.usefixtures("_bibliography")
@pytest.mark.parametrize("text", ["`[@able]`", "    [@able]", "a@able", "[able]", "[text @able](page.md)"])
def test_other_text_is_no_citation(text: str) -> None:
    assert "citation" not in _html(text)


def test_every_work_of_the_bibliography_is_cited_on_some_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    text += "".join(page.read_text(encoding="utf-8") for page in (ROOT / "paper").rglob("*.md"))
    text += (ROOT / "docs/literature.yaml").read_text(encoding="utf-8").replace("source: ", "@")
    assert [key for key in citations.entries() if f"@{key}" not in text] == []
