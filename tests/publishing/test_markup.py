"""Texts that hold markup of every kind, in Markdown: what is read is what was written."""

import html
import io
import re
from typing import Any

import pypandoc
import pytest
import typst
from pypdf import PdfReader

from publishing.markup import escaped, literal, table, typeset, unbroken

NASTY = r"a <b>&|*_$x_{$ [c](d) `e` @eq:f [@g] ~~h~~ ^i^ {#j} \k &amp; :l: $$ <!-- m --> https://n.org __o__ ![p](q)"
TYPOGRAPHY = "\"r\" 's' -- --- ... it's a-? /* t */ // u"


def test_the_paper_shows_the_characters_that_were_written() -> None:
    text = f"{NASTY} {TYPOGRAPHY}"
    table = f"| a | b |\n|---|---|\n| 1 | {literal(text)} |\n\n: C {literal(text)}.\n"
    source: Any = pypandoc.convert_text(f"({literal(text)}.)\n\n{table}", "typst-smart", format="markdown").encode()
    page = b'#set page(width: 60cm)\n#set text(hyphenate: false, font: "Libertinus Serif")\n' + source
    pdf = PdfReader(io.BytesIO(typst.compile(page, ignore_system_fonts=True)))
    assert " ".join(pdf.pages[0].extract_text().split()).count(text) == 3


def test_pandoc_reads_the_characters_that_were_written() -> None:
    text = pypandoc.convert_text(escaped(NASTY), "plain", format="markdown-smart", extra_args=["--wrap=none"])
    assert text.strip() == NASTY


def test_in_github_s_markdown_nothing_is_markup_in_a_cell_and_in_the_text_of_an_image() -> None:
    table = f"| a | b |\n|---|---|\n| {escaped(NASTY)} | ![{escaped(NASTY)}](x.png) |\n"
    page = pypandoc.convert_text(table, "html", format="gfm+tex_math_dollars+emoji", extra_args=["--wrap=none"])
    first, second = re.findall(r"<td>(.*?)</td>", page, re.DOTALL)
    plain = re.sub(r"<a href[^>]*>(.*?)</a>", r"\1", first)  # an address may lead somewhere
    assert html.unescape(plain) == NASTY
    assert html.unescape(re.findall(r'alt="(.*?)"', second)[0]) == NASTY


def test_the_site_shows_the_characters_that_were_written() -> None:
    markdown: Any = pytest.importorskip("markdown")
    extensions = ["attr_list", "footnotes", "md_in_html", "tables", "pymdownx.arithmatex", "pymdownx.superfences"]
    table = f"| a | b |\n|---|---|\n| {escaped(NASTY)} | [![{escaped(NASTY)}](x.png)](x.svg) |\n\n{escaped(NASTY)}\n"
    page = markdown.markdown(table, extensions=extensions)
    first, _ = re.findall(r"<td>(.*?)</td>", page, re.DOTALL)
    (paragraph,) = re.findall(r"<p>(.*?)</p>", page, re.DOTALL)
    (alternative,) = re.findall(r'alt="(.*?)"', page)
    assert [html.unescape(text) for text in (first, paragraph, alternative)] == [NASTY] * 3


def test_a_text_stays_on_its_line() -> None:
    assert escaped(" a\n\n# b\t c ") == "a &#35; b c"


def test_no_line_begins_with_a_percent_sign() -> None:
    assert unbroken("97 % of a % b") == "97\N{NO-BREAK SPACE}% of a % b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b [c] 5 %", "a&#95;b &#91;c&#93; 5\N{NO-BREAK SPACE}%"),
        ("-0.5 to -log(2), at -a", "\N{MINUS SIGN}0.5 to \N{MINUS SIGN}log(2), at \N{MINUS SIGN}a"),
        ("A - Y, 2A - Y2 and Scratch - Just", "A \N{MINUS SIGN} Y, 2A \N{MINUS SIGN} Y2 and Scratch - Just"),
        ("784-10-10, mini-batch", "784-10-10, mini-batch"),
        ("less than 1e-12", "less than $10^{-12}$"),
    ],
)
def test_a_text_is_escaped_and_its_signs_are_set(text: str, shown: str) -> None:
    assert typeset(text) == shown


def test_a_table_has_a_mark_for_each_column_and_no_space_in_an_empty_cell() -> None:
    assert table(["", "b"], [["1", "2"], ["3", ""]]) == "| | b |\n|---|---|\n| 1 | 2 |\n| 3 | |"
    assert table(["a", "b", "c"], [], "---", "--:") == "| a | b | c |\n|---|--:|--:|"
