"""The marks for the index of the lecture notes."""

from pathlib import Path

import pytest

from publishing import index
from publishing.blocks import ROOT
from stages.shared import schema

TERMS = """
null space:
softmax:
layer: {match: "layers?", pages: [affine]}
layer normalization:
"""
NOTATION = """
| Letter | Meaning | Pages |
| --- | --- | --- |
| $G$, $g$ | a gradient: of a matrix; of a column | all |
| $E$ | a map | The affine layer |
| $\\mathsf{Q}$ | queries | Layer normalization, Attention |

After.
"""


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> index.Marks:
    (tmp_path / "index.yaml").write_text(TERMS, encoding="utf-8")
    (tmp_path / "notation.md").write_text(NOTATION, encoding="utf-8")
    monkeypatch.setattr(index, "ROOT", tmp_path)
    monkeypatch.setattr(index, "NOTATION", Path("notation.md"))
    monkeypatch.setattr(index, "TERMS", tmp_path / "index.yaml")
    return index.Marks()


def term(name: str) -> str:
    return f'`#index("{name}");`{{=typst}}'


def symbol(number: int) -> str:
    return f'`#symbol("{number}");`{{=typst}}'


def test_a_term_is_marked_in_a_heading_or_where_it_stands_first_under_it(marks: index.Marks) -> None:
    text = "## One\n\nSoftmaxes, the softmax and softmax.\n\n## Softmax\n\nA softmax.\n\n## Two\n\nA softmax.\n"
    mark = term("softmax")
    assert marks.set("relu", text) == (
        f"## One\n\nSoftmaxes, the softmax{mark} and softmax.\n\n## Softmax{mark}\n\nA softmax.\n\n"
        f"## Two\n\nA softmax{mark}.\n"
    )


def test_the_marks_of_a_heading_stand_before_its_attributes(marks: index.Marks) -> None:
    found = marks.set("affine", "# Layers and null spaces {#sec:softmax}\n\nText.\n")
    assert found == f"# Layers and null spaces{term('layer')}{term('null space')} {{#sec:softmax}}\n\nText.\n"


def test_the_longer_term_comes_first_and_a_term_has_its_pages(marks: index.Marks) -> None:
    text = "Layer normalization of layers."
    assert marks.set("relu", text) == f"Layer normalization{term('layer normalization')} of layers."
    assert marks.set("affine", text) == (f"Layer normalization{term('layer normalization')} of layers{term('layer')}.")


@pytest.mark.parametrize(
    "text",
    [
        "$\\operatorname{softmax}$",
        "$$\nsoftmax\n$$",
        "`softmax`",
        "[@softmax]",
        "@eq:softmax",
        "| softmax |",
        "[a](softmax.md)",
    ],
)
def test_what_is_no_prose_is_passed(text: str, marks: index.Marks) -> None:
    assert marks.set("relu", text) == text


def test_a_symbol_is_marked_once_where_it_stands_first_on_its_pages(marks: index.Marks) -> None:
    assert marks.set("relu", "$x$, $E$ and $G^{\\mathsf T}$, $g$") == f"$x$, $E$ and {symbol(0)}$G^{{\\mathsf T}}$, $g$"
    assert marks.set("affine", "$\\mathbb{E}[G]$, $E$, $E$") == f"$\\mathbb{{E}}[G]$, {symbol(1)}$E$, $E$"
    assert marks.set("attention", "$Q$ and $\\mathsf{Q}$") == f"$Q$ and {symbol(2)}$\\mathsf{{Q}}$"


def test_a_symbol_is_marked_in_a_displayed_formula_and_in_a_table_too(marks: index.Marks) -> None:
    text = "$$\n\\text{is E and } E = 1\n\\label{eq:G}\n$$\n\n| $x$, $G$ | $E$ |\n"
    assert marks.set("affine", text) == (
        f"$$\\symbol{{1}}\n\\text{{is E and }} E = 1\n\\label{{eq:G}}\n$$\n\n| $x$, {symbol(0)}$G$ | $E$ |\n"
    )
    assert marks.set("attention", "$\\text{\\mathsf{Q}}$") == "$\\text{\\mathsf{Q}}$"


def test_the_table_that_names_the_letters_has_no_marks(marks: index.Marks) -> None:
    assert marks.set("affine", NOTATION) == NOTATION
    assert marks.set("affine", f"{NOTATION}\n$E$") == f"{NOTATION}\n{symbol(1)}$E$"


def test_every_symbol_has_a_row_and_a_page(marks: index.Marks) -> None:
    rows = index.symbols_table().splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["$G$, $g$", "$E$", "$\\mathsf{Q}$"]
    assert '`#symbol-page("2");`{=typst}' in rows[2]


def test_every_term_of_the_index_is_in_the_derivations() -> None:
    terms = schema.validate(index.Terms, schema.read(index.TERMS)).root
    marked = ""
    found = index.Marks()
    for path in sorted((ROOT / "docs/derivations").glob("*.md")):
        marked += found.set(path.stem, path.read_text(encoding="utf-8"))
    for name, of in terms.items():
        assert f'#index("{name}");' in marked, name
        assert {f"{page}.md" for page in (of.pages if of else [])} <= {
            path.name for path in (ROOT / "docs/derivations").iterdir()
        }
