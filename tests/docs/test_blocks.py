from pathlib import Path
from textwrap import dedent

import pytest

from publishing import blocks
from publishing.blocks import expand, source
from stages.shared.errors import UserError


def test_a_fence_is_filled_with_a_function_of_a_file() -> None:
    page = expand('``` {.python source="stages/shared/errors.py" object="run"}\n```\n', "page.md")
    assert page.startswith(
        '``` {.python .listing title="stages/shared/errors.py · run"}\n'
        "def run(main: Callable[[], None]) -> None:\n    if "
    )
    assert page.endswith('        sys.exit("interrupted")\n```\n')


def test_a_class_has_its_decorators_and_a_method_no_indentation() -> None:
    assert source("stages/nn/initializers.py", "He").startswith("@dataclass(frozen=True)\nclass He:\n")
    method = source("stages/nn/initializers.py", "He.__call__")
    assert method.startswith("def __call__(self, units: int")
    assert "\n    return np.sqrt(2 / inputs)" in method


def test_docstrings_are_left_out_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "ROOT", tmp_path)
    (tmp_path / "a.py").write_text(
        dedent("""\
            class A:
                '''One.

                Two.
                '''

                @property
                def b(self):
                    '''Three.'''

                    # why
                    return '''Four.'''

                def c(self):
                    '''All that is here.'''
            """),
        encoding="utf-8",
    )
    assert source("a.py", "A") == dedent("""\
        class A:
            @property
            def b(self):
                # why
                return '''Four.'''

            def c(self):
                '''All that is here.'''
        """)


def test_a_table_of_a_file_is_found_with_a_type_or_without() -> None:
    assert source("stages/claims/verdicts.py", "HOLDS") == 'HOLDS = "holds"\n'
    assert source("stages/nn/schedules.py", "SCHEDULES").startswith("SCHEDULES: dict[str, type[Schedule]] = {")


@pytest.mark.parametrize(
    ("fence", "reason"),
    [
        ('{.python source="stages/nothing.py" object="run"}', "stages/nothing.py is not there"),
        ('{.python source="stages/shared/errors.py" object="walk"}', "stages/shared/errors.py has no walk"),
        ('{.python source="stages/shared/errors.py"}', "needs an object"),
        ('{.python source="stages/shared/errors.py" object="run" .exec}', "needs an object, and is not executed"),
        ('{.python source="stages/shared/errors.py" objekt="run"}', "must have .python and may have"),
        ('{source="stages/shared/errors.py" object="run"}', "must have .python"),
    ],
)
def test_a_fence_that_cannot_be_filled_is_an_error_with_its_line(fence: str, reason: str) -> None:
    with pytest.raises(UserError) as error:
        expand(f"# Title\n\n``` {fence}\n```\n", "docs/page.md", line=4)
    assert str(error.value).startswith("docs/page.md, line 6: ")
    assert reason in str(error.value)


AFFINE = '``` {{.python source="stages/nn/affine.py" object="Affine.forward"}}\n{}\n```\n'


def test_a_line_that_is_an_equation_gets_its_label() -> None:
    page = expand(AFFINE.format("np.matmul(W, X  # @eq:a\n\nself._Z += b  # @eq:b-2 @eq:c"), "page.md")
    assert (
        "\n    np.matmul(W, X, out=self._Z)  # @eq:a\n    self._Z += b  # @eq:b-2 @eq:c\n    return self._Z\n" in page
    )
    assert page.count("@eq:") == 3
    assert expand(AFFINE.format(""), "page.md") == page.replace("  # @eq:a", "").replace("  # @eq:b-2 @eq:c", "")


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("self._Z += c  # @eq:a", "self._Z += c is in 0 lines of what is shown, and must be in one"),
        ("self._Z  # @eq:a", "self._Z is in 4 lines"),
        ("Return Z = W X + b  # @eq:a", "is in 0 lines"),  # the docstring is not shown
        ("self._Z += b", "holds a piece of a line and its equation, x += 1  # @eq:name, not self._Z += b"),
        ("self._Z += b  # eq:a", "not self._Z += b  # eq:a"),
        ("# @eq:a", "not # @eq:a"),
    ],
)
def test_a_tag_that_fits_no_line_is_an_error_with_its_line(tag: str, reason: str) -> None:
    with pytest.raises(UserError) as error:
        expand(AFFINE.format(tag), "docs/page.md", line=7)
    assert str(error.value).startswith("docs/page.md, line 7: ")
    assert reason in str(error.value)


def test_blocks_run_in_order_share_names_and_are_followed_by_what_they_print() -> None:
    page = '``` {.python .exec}\na = 20\n```\n\nText.\n\n``` {.python .exec title="Sum"}\nprint(a + 1)\n```\n'
    assert expand(page, "page.md") == (
        "``` {.python .listing}\na = 20\n```\n\nText.\n\n"
        '``` {.python .listing title="Sum"}\nprint(a + 1)\n```\n\n``` {.text .output}\n21\n```\n'
    )


def test_an_indented_block_keeps_its_indentation() -> None:
    page = dedent("""\
        !!! note

            ``` {.python .exec}
            if True:
                print("a\\nb")
            ```
        """)
    assert expand(page, "page.md").endswith("\n\n    ``` {.text .output}\n    a\n    b\n    ```\n")


def test_markdown_output_takes_the_place_of_its_block() -> None:
    page = '``` {.python .exec output="markdown"}\nprint("**bold**")\n```\n'
    assert expand(page, "page.md").strip() == "**bold**"


def test_an_exception_names_the_line_of_the_page() -> None:
    with pytest.raises(UserError) as error:
        expand("Text.\n\n``` {.python .exec}\na = 0\n1 / a\n```\n", "docs/page.md", line=11)
    assert 'File "docs/page.md", line 15, in <module>' in str(error.value)
    assert "ZeroDivisionError" in str(error.value)


def test_code_that_does_not_parse_names_the_line_of_the_page() -> None:
    with pytest.raises(UserError, match=r'File "docs/page\.md", line 3\n'):
        expand("\n``` {.python .exec}\n1 +\n```\n", "docs/page.md")


def test_other_fences_and_fences_that_a_page_shows_stay_as_they_are() -> None:
    page = "``` python\n1 / 0\n```\n\n```` markdown\n``` {.python .exec}\n1 / 0\n```\n````\n"
    assert expand(page, "page.md") == page


def test_what_depends_on_hashes_is_printed_alike_each_time() -> None:
    page = "``` {.python .exec}\nprint(set('abcdefgh'))\n```\n"
    assert expand(page, "page.md") == expand(page, "page.md")


def test_a_block_runs_as_a_program_does() -> None:
    page = '``` {.python .exec output="markdown"}\nif __name__ == "__main__":\n    print("main")\n```\n'
    assert expand(page, "page.md").strip() == "main"


DRAWN = '``` {.python .exec figure="A line, rising."}\nfigure.subplots().plot([1, 2])\n```\n'


def test_a_picture_takes_the_place_of_the_block_that_draws_it() -> None:
    page = "``` {.python .exec}\na = 3\n```\n\n" + DRAWN.replace("[1, 2]", "[a, a]") + "\nText.\n"
    expanded = expand(page, "page.md")
    assert expanded.startswith('``` {.python .listing}\na = 3\n```\n\n``` {.svg alt="A line, rising."}\n<svg ')
    assert expanded.endswith("</svg>\n```\n\nText.\n")
    assert "plot" not in expanded
    assert expand(page, "page.md") == expanded


def test_each_picture_of_a_page_is_drawn_on_a_figure_of_its_own() -> None:
    other = DRAWN.replace("plot([1, 2])", "text(0.5, 0.5, 'word')")
    first, both = expand(DRAWN, "page.md"), expand(DRAWN + "\n" + other + "\n" + DRAWN, "page.md")
    assert both.startswith(first)
    assert both.count("<svg ") == 3
    assert both.count(first.strip()) == 2


def test_an_exception_of_a_block_that_draws_names_the_line_of_the_page() -> None:
    with pytest.raises(UserError, match=r'File "docs/page\.md", line 2, in <module>'):
        expand('``` {.python .exec figure="Nothing."}\nfigure.draw_nothing()\n```\n', "docs/page.md")
