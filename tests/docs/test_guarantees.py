"""Each line of the page on guarantees names a test that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/guarantees.md"
ROWS = [
    line
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("|") and not re.match(r"\| (Guarantee|---) \|", line)
]


def test_every_section_has_guarantees() -> None:
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    assert sections
    assert all(
        re.search(r"^\| Guarantee \| Test \|\n\| --- \| --- \|\n\| ", section, re.MULTILINE) for section in sections
    )


@pytest.mark.parametrize("row", ROWS)
def test_a_guarantee_names_a_test_that_is_there(row: str) -> None:
    named = re.fullmatch(r"\| [^|]+\. \| `(tests/[\w/]+\.py)` `(test_\w+)` \|", row)
    assert named, row
    path, name = named.groups()
    functions = [node for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)]
    assert name in [function.name for function in functions]
