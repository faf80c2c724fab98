import re
from typing import Any

import pytest

from publishing import listings

markdown: Any = pytest.importorskip("markdown", reason="`make docs` installs what the site needs")


def _page(code: str) -> str:
    html = markdown.markdown(
        f"``` {{.python .listing}}\n{code}\n```\n",
        extensions=["attr_list", "pymdownx.highlight", "pymdownx.superfences"],
    )
    return listings.with_lines(html)


def _reference(anchor: str, label: str) -> str:
    return f'<a class="equation-reference" id="{anchor}" data-label="{label}"></a>'


def test_each_line_is_an_element_with_its_indentation() -> None:
    page = _page("if a < b:\n\n    c = 1")
    assert page.count('<span class="line" style="--indent: 0ch">') == 2
    assert '<span class="line" style="--indent: 0ch">\n</span><span class="line" style="--indent: 4ch">    <' in page
    assert page.endswith("\n</span></code></pre></div>")


def test_a_mark_becomes_references_with_anchors_of_their_own() -> None:
    page = _page("a = 1  # @eq:a\nb = 2  # fast  # @eq:a @eq:b")
    assert f"</span>{_reference('line-a-1', 'eq:a')}\n" in page
    assert f"# fast</span>{_reference('line-a-2', 'eq:a')}{_reference('line-b-1', 'eq:b')}\n" in page
    assert "@" not in page


def test_a_long_line_may_be_broken_behind_a_bracket_and_a_dot() -> None:
    page = _page("a = b.step(c[0])")
    assert re.sub("<(?!wbr).*?>", "", page).strip() == "a = b.<wbr>step(<wbr>c[<wbr>0])"


def test_an_arrow_is_one_word() -> None:
    assert '<span class="o arrow">-&gt;</span>' in _page("def f(a: A) -> B: ...")


def test_what_is_no_mark_stays() -> None:
    assert "# see @eq:a for this" in _page("a = 1  # see @eq:a for this")
    assert "equation-reference" not in _page("a = '# @eq:a'")
    assert listings.with_lines("<pre><code>a</code></pre>") == "<pre><code>a</code></pre>"
