"""The marks for the index of the lecture notes."""

from pathlib import Path

import pytest

from publishing import index
from stages.shared import schema

ROOT = Path(__file__).parents[2]

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
| $E$ | a map | affine |
| $\\mathsf{Q}$ | queries | layer normalization, attention |

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


def test_a_term_is_marked_where_it_stands_first_under_a_heading(marks: index.Marks) -> None:
    text = "## One\n\nSoftmaxes, the softmax and softmax.\n\n## Softmax\n\nA softmax.\n"
    assert marks.set("relu", text) == (
        f"## One\n\nSoftmaxes, the softmax{term('softmax')} and softmax.\n\n## Softmax\n\nA softmax{term('softmax')}.\n"
    )


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
