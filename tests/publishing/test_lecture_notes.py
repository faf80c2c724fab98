"""What becomes of a page of the site in the lecture notes."""

import re
from pathlib import Path

import pypandoc
import pytest

from publishing import lecture_notes, paper
from publishing.blocks import ADMONITION, FENCE, expand, source
from stages.shared.errors import UserError

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs/derivations").glob("*.md")}


def typst(markdown: str) -> str:
    options = [f"--lua-filter={ROOT / paper.FILTER}", "--wrap=none", "--fail-if-warnings"]
    return str(pypandoc.convert_text(markdown, "typst-smart", format=paper.FORMAT, extra_args=options))


def test_the_parts_of_a_page_are_its_sections_and_a_heading_in_a_fence_is_none() -> None:
    page = "# Title\n\nText.\n\n## Code\n\n``` python\n## Check\n```\n\n## Check\n\nA.\n"
    parts = list(lecture_notes.sections(page))
    assert [title for title, _ in parts] == ["", "Code", "Check"]
    assert "".join(text for _, text in parts) == page


def test_a_section_that_a_paper_shows_and_a_page_lacks_is_named() -> None:
    assert lecture_notes.section("docs/ladder.md", "Run it").startswith(":::::: site\n``` sh\nmake ladder")
    with pytest.raises(UserError, match=r"^docs/ladder\.md: has no section “Walk it”"):
        lecture_notes.section("docs/ladder.md", "Walk it")


def test_answers_leave_their_exercises_and_take_the_numbers_along() -> None:
    first = '**1.** What?\n\n??? success "Answer"\n\n    This.\n\n    And that.\n\n'
    text = f'## Exercises\n\n{first}**2.** Why?\n\n??? success "Answer"\n\n    So.\n'
    exercises, answers = lecture_notes.without_answers(text)
    assert exercises == "## Exercises\n\n**1.** What?\n\n**2.** Why?\n\n"
    assert answers == "**1.** This.\n\nAnd that.\n\n**2.** So.\n"


def test_code_is_shown_where_it_is_the_formula_and_named_where_it_is_more() -> None:
    fence = '``` {{.python source="{}" object="{}"}}\n```\n'
    momentum = fence.format("stages/nn/optimizers.py", "Momentum")
    assert lecture_notes.with_formulas(momentum) == fence.format("stages/nn/optimizers.py", "Momentum.step")
    two = "\n".join(fence.format("stages/nn/attention.py", f"Attention.{name}") for name in ("forward", "backward"))
    assert (
        lecture_notes.with_formulas(f"{two}\nText.\n")
        == "`Attention.forward`, `Attention.backward` in `stages/nn/attention.py`.\n\nText.\n"
    )


def test_the_equation_of_a_line_stays_with_it() -> None:
    head = '``` {.python source="stages/nn/optimizers.py" object="Momentum'
    tags = "v += g  # @eq:one\nmomentum: float = 0.9  # @eq:two\n"
    assert lecture_notes.with_formulas(f'{head}"}}\n{tags}```\n') == f'{head}.step"}}\nv += g  # @eq:one\n```\n'


def test_every_formula_is_on_a_page() -> None:
    shown = {name for text in PAGES.values() for name in re.findall(r'source="[^"]+" object="([^"]+)"', text)}
    for formula in lecture_notes.FORMULAS:
        assert {formula, formula.partition(".")[0]} & shown, formula


def test_an_admonition_is_a_remark_or_an_example_and_its_list_stays_a_list() -> None:
    note = '!!! note "A title"\n\n    First.\n\n    - one\n      more\n    - two\n\n'
    text = f'{note}!!! example "By hand"\n\n    $2$\n\nAfter.\n'
    remark = '::: {.remark title="A title"}\nFirst.\n\n- one\n  more\n- two\n:::\n\n'
    found = ADMONITION.sub(lecture_notes.as_division, text)
    assert found == remark + '::: {.example title="By hand"}\n$2$\n:::\n\nAfter.\n'
    assert '#example("By hand")[' in typst(found)


def test_a_chapter_speaks_of_sections_and_not_of_pages_and_has_no_check() -> None:
    chapter = lecture_notes.chapter("softmax")
    assert chapter.text.startswith("# Softmax {#sec:softmax}\n\nThis section derives ")
    assert chapter.title == "Softmax"
    assert "## Check" not in chapter.text
    assert "## Exercises" in chapter.text
    assert "def softmax(" in chapter.text
    assert source("stages/nn/softmax.py", "softmax").splitlines()[-1] in chapter.text
    for text in (chapter.text, chapter.answers):
        assert not re.search(r"\bpages?\b|\bon (this|these|the|\[the)\s+section", text)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_no_chapter_speaks_of_what_the_notes_lack(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lecture_notes, "expand", lambda text, page: expand(text, page, executed=[""] * 99))
    of = lecture_notes.chapter(name)
    for text in (of.text, of.answers):
        prose = FENCE.sub("", text).replace("gradient check", "")
        assert not re.search(r"\bpages?\b|\b[Oo]n\s+\[?\w+\s+sections?\b", prose)
        checks = re.findall(r".*\b(?:[Tt]he|a)\s+(?:\w+\s+)?check\b(?! on the site)", prose)
        assert not checks or name == "gradient_check", checks


def test_the_notation_card_speaks_of_sections_too() -> None:
    card = lecture_notes.notation_card()
    assert "A letter has one meaning in all sections" in card
    assert "page" not in card


def test_a_picture_is_a_figure_with_its_words() -> None:
    text = lecture_notes.chapter("momentum").text
    assert text.count('\n``` {.svg alt="') == PAGES["momentum"].count(".exec figure=")
    found = re.findall(
        r'#figure\(image\(bytes\("(<svg .*?</svg>)"\), format: "svg", width: (\d+)%, alt: "(.+?)"\)', typst(text)
    )
    assert found[0][1:][1].startswith("Gradient descent and momentum in a long valley. Left:")


def test_a_caption_is_the_first_sentence_of_what_a_picture_shows() -> None:
    for alt, caption in (
        ("Rates of 0.5 to 2. Left: one. Right: two.", "Rates of 0.5 to 2."),
        ("A line that rises.", "A line that rises."),
        ("A line", "A line"),
    ):
        found = typst(f'``` {{.svg alt="{alt}"}}\n<svg width="504pt"/>\n```\n')
        assert f'caption: "{caption}")' in found


def test_a_paragraph_stays_with_the_picture_or_with_what_its_colon_announces() -> None:
    picture = '``` {.svg alt="A line."}\n<svg width="504pt"/>\n```\n'
    code = '``` {.python title="one"}\n1\n```\n'
    for led in (f"Text.\n\n{picture}", f"Text:\n\n{code}", "Text:\n\n`a` in `b`.\n", "Text.\n\n$$\n1\n$$\n"):
        assert "#lead[Text" in typst(led)
    for alone in (f"Text.\n\n{code}", "Text.\n\nText:\n"):
        assert "#lead[" not in typst(alone)


def test_a_listing_that_has_been_shown_is_named_in_a_sentence() -> None:
    code = '``` {.python title="one"}\n1\n```\n'
    see = "ee #ref(<lst:one>);."
    for before, found in (("Again.", f"Again. S{see}"), ("Again:", f"Again: s{see}"), ("## Two", f"S{see}")):
        assert found in typst(f"{code}\n{before}\n\n{code}")


def test_marks_come_out_of_headings_and_displayed_formulas() -> None:
    mark = '`#index("x");`{=typst}'
    assert typst(f"# A{mark} {{#sec:a}}\n\nText.\n").startswith('= A\n<sec:a>\n#index("x");\nText.')
    found = typst("Text\n\n$$\\symbol{1}\\symbol{12}\nx \\label{eq:a}\n$$\n")
    assert '#lead[Text]\n\n#symbol("1");#symbol("12");#display("x", numbered: true)[$ x $ <eq:a>];' in found


def test_a_table_goes_on_on_the_next_page_if_its_division_says_so() -> None:
    table = "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    assert "#whole[" in typst(table)
    assert "#whole(long: true)[" in typst(f"::: breakable\n{table}:::\n")


def test_a_link_names_the_section_of_a_page_that_is_there() -> None:
    links = "[it](affine.md), [its part](affine.md#part), [the rest](../ladder.md), [there](https://x.org)"
    assert (
        'See it~(#ref(<sec:affine>)), its part~(#ref(<sec:affine>)), the rest, #link("https://x.org")[there].'
        in typst(f"# A {{#sec:affine}}\n\nSee {links}.\n")
    )
