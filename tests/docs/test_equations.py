from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

equations: Any = pytest.importorskip("publishing.equations", reason="`make docs` installs what the site needs")
markdown: Any = pytest.importorskip("markdown")


def _html(text: str) -> str:
    html = markdown.markdown(
        text,
        extensions=["pymdownx.arithmatex", "pymdownx.superfences", "tables", equations.References()],
        extension_configs={"pymdownx.arithmatex": {"generic": True}},
    )
    return str(html)


def _relative(url: str) -> str:
    return f"../{url}"


FIRST = _html("$$\na = b\n\\label{eq:first}\n$$\n\nText.\n\n$$\nc\n$$\n\n$$\nd \\label{eq:second}\n$$\n")


def test_equations_with_a_label_are_numbered_in_their_chapter() -> None:
    site = equations.Equations()
    assert site.collect(FIRST, "one/", "3.") == []
    linked, problems = site.link(_html("By @eq:first and (@eq:second)."), _relative)
    assert problems == []
    assert linked == (
        '<p>By <a class="equation-reference" href="../one/#eq:first">(3.1)</a> and '
        '<a class="equation-reference" href="../one/#eq:second">(3.2)</a>.</p>'
    )


def test_an_unknown_label_and_a_label_given_twice_are_named() -> None:
    site = equations.Equations()
    site.collect(FIRST, "one/", "1.")
    assert site.collect(FIRST, "two/", "2.") == [
        "the label eq:first is on one/ too",
        "the label eq:second is on one/ too",
    ]
    assert site.link(_html("See @eq:third."), _relative) == (
        "<p>See eq:third.</p>",
        ["no equation has the label eq:third"],
    )


def test_a_label_given_twice_on_one_page_is_named() -> None:
    twice = _html("$$\na \\label{eq:x}\n$$\n\n$$\nb \\label{eq:x}\n$$\n")
    assert equations.Equations().collect(twice, "one/", "") == ["the label eq:x is on one/ too"]


def test_code_keeps_what_looks_like_a_reference() -> None:
    assert _html("`@eq:first`") == "<p><code>@eq:first</code></p>"


def test_formulas_are_drawn_with_their_numbers(npm: Path) -> None:
    page = FIRST + _html("With $\\alpha < \\beta$, ($x$) and $y$")
    assert equations.render_formulas({"page": page}) == []
    site = equations.Equations()
    site.collect(page, "one/", "3.")
    drawn, problems = site.draw(page, _relative)
    assert problems == []
    assert drawn.count('class="katex"') == 6
    assert drawn.count("<math ") == 6
    assert '<div class="equation" id="eq:first"><div class="formula" tabindex="0" role="group"' in drawn
    assert 'aria-label="Equation 3.1"' in drawn
    assert '</div><a href="#eq:first">(3.1)</a></div>' in drawn
    assert "arithmatex" not in drawn
    assert r"\label" not in drawn


def _marked(anchor: str, label: str) -> str:
    return f'<a class="equation-reference" id="{anchor}" data-label="{label}"></a>'


def test_a_marked_line_leads_to_its_equation_and_the_equation_to_the_first_line_of_its_page(npm: Path) -> None:
    first = FIRST + _marked("line-1", "eq:first") + _marked("line-2", "eq:first")
    other = _marked("line-3", "eq:first") + _marked("line-4", "eq:second")
    equations.render_formulas({"page": first})
    site = equations.Equations()
    site.collect(other, "another/", "")
    site.collect(first, "one/", "3.")
    linked, problems = site.link(first, _relative)
    assert problems == []
    assert '<a class="equation-reference" id="line-2" href="../one/#eq:first">(3.1)</a>' in linked
    drawn, _ = site.draw(linked, _relative)
    to_line = '<a class="in-code" href="../{}" aria-label="Equation {} in the code">code</a></div>'
    assert '<a href="#eq:first">(3.1)</a>' + to_line.format("one/#line-1", "3.1") in drawn
    assert '<a href="#eq:second">(3.2)</a>' + to_line.format("another/#line-4", "3.2") in drawn
    assert drawn.count("in-code") == 2
    assert site.link(_marked("line-1", "eq:third"), _relative)[1] == ["no equation has the label eq:third"]


def test_an_equation_of_one_line_may_be_broken_at_its_wide_spaces(npm: Path) -> None:
    matrix = "\\begin{pmatrix} a \\quad b \\end{pmatrix}"
    page = _html(f"$$\na \\quad b \\qquad c\n$$\n\n$$\n{matrix}\n$$\n\n$$\n{matrix} \\quad {matrix}\n$$\n")
    equations.render_formulas({"page": page})
    drawn, _ = equations.Equations().draw(page, _relative)
    assert [formula.count('class="katex-base"') for formula in drawn.split('class="equation"')[1:]] == [3, 1, 2]


def test_punctuation_is_in_one_box_with_its_formula(npm: Path) -> None:
    page = _html("($x + y$).")
    equations.render_formulas({"page": page})
    drawn, _ = equations.Equations().draw(page, _relative)
    first, _, last = drawn.rpartition('<span class="katex-base">')
    assert '<span class="katex-base"><span class="punctuation">(</span>' in first
    assert last.endswith('<span class="punctuation">).</span></span></span></span></p>')


def _boxes(drawn: str) -> ET.Element:
    """Return what a formula is drawn in, with the boxes of its lines."""
    found = ET.fromstring(drawn).find(".//*[@class='katex-html']")  # noqa: S314 (what the build of this test has drawn)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("tex", "kept"),  # the boxes between which a line may end, each with how many it holds that stay together
    [
        ("f(x - y, z) = a + b", [2, 1, 1]),
        ("a = (1 - \\rho)^2 x", [1, 2]),
        ("\\{x_k \\mid k \\in [1, m)\\} \\subset S", [3, 1]),
        ("\\lVert x + y \\rVert \\le 1", [2, 1]),
        ("\\frac{1}{2} + \\left(a + b\\right) + \\sqrt{(c)}", [1, 1, 1]),
        ("[a = b", [2]),
    ],
)
def test_a_line_ends_at_an_operator_outside_of_brackets(npm: Path, tex: str, kept: list[int]) -> None:
    page = _html(f"(${tex}$).")
    equations.render_formulas({"page": page})
    drawn, _ = equations.Equations().draw(page, _relative)
    boxes = _boxes(drawn)
    assert [len(box.findall("*[@class='katex-base']")) or 1 for box in boxes] == kept
    assert "".join(boxes[-1].itertext()).endswith(").")


def test_an_equation_is_broken_at_its_wide_spaces_first(npm: Path) -> None:
    tex = "a = b + c, \\quad d = (e - f) g, \\qquad h"
    page = _html(f"$$\n{tex}\n$$\n\nText ${tex}$\n")
    equations.render_formulas({"page": page})
    drawn, _ = equations.Equations().draw(page, _relative)
    displayed, inline = drawn.split("<p>")
    boxes = _boxes(displayed)
    assert [box.get("class") for box in boxes] == ["part", "part", "katex-base"]
    assert [[box.get("class") for box in part] for part in boxes[:2]] == [
        3 * ["katex-base"],
        ["katex-base", "brackets"],
    ]
    assert 'class="brackets"' in inline
    assert 'class="part"' not in inline


@pytest.mark.parametrize("tex", ["\\unknown", "\\frac{1}", "ä"])
def test_what_katex_cannot_draw_is_named_with_its_page(npm: Path, tex: str) -> None:
    page = _html(f"Text ${tex}$ text")
    (problem,) = equations.render_formulas({"docs/page.md": page})
    assert problem.startswith("docs/page.md: ")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Text\n$$\na\n$$\n", "$$"),
        ("A \\frac{1}{2} in the text", "\\frac{"),
        ("A label \\label{eq:x}", "\\label{"),
        ("mail@eq:", "@eq:"),
        ("| a |\n| - |\n| $\\lvert x | y \\rvert$ |\n", "\\lvert "),
    ],
)
def test_tex_that_was_left_as_text_is_found(text: str, left: str) -> None:
    _, problems = equations.Equations().draw(_html(text), _relative)
    assert f"left as text: {left}" in problems


def test_tex_in_code_is_left_as_it_is() -> None:
    page = _html("`$$ \\frac{1}{2}`\n\n```\n$$ \\label{eq:x}\n```\n")
    assert equations.Equations().draw(page, _relative)[1] == []


def test_the_search_takes_up_the_tex() -> None:
    assert equations.searchable(_html("So ($a_1 < b$) holds.")) == "<p>So (a_1 &lt; b) holds.</p>"
