"""The navigation: four ways in beside the home page, groups that an eye takes in, and an order to read in."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
NAVIGATION = YAML(typ="safe").load((ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2])


def groups(entries: list[Any]) -> list[list[Any]]:
    """Return a list of entries and those within it."""
    within = [value for entry in entries if isinstance(entry, dict) for value in entry.values()]
    return [entries, *(group for value in within if isinstance(value, list) for group in groups(value))]


def pages(entries: list[Any]) -> list[str]:
    """Return the pages in their order."""
    values = [value for entry in entries for value in (entry.values() if isinstance(entry, dict) else [entry])]
    return [page for value in values for page in (pages(value) if isinstance(value, list) else [value])]


def test_there_are_four_tabs_beside_the_home_page() -> None:
    assert [name for entry in NAVIGATION for name in entry] == ["Home", "Learn", "Run", "Review", "Reference"]


def test_no_list_is_longer_than_an_eye_takes_in() -> None:
    assert all(len(group) <= 12 for group in groups(NAVIGATION))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("one_hot", "cross_entropy"),
        ("softmax", "cross_entropy"),
        ("batch_mean", "batches"),
        ("batches", "optimizers"),
        ("optimizers", "momentum"),
        ("residual", "transformer"),
        ("attention", "positions"),
    ],
)
def test_what_a_page_builds_on_comes_before_it(first: str, then: str) -> None:
    listed = pages(NAVIGATION)
    assert listed.index(f"derivations/{first}.md") < listed.index(f"derivations/{then}.md")
