from pathlib import Path

from stages.claims.demonstrations.measuring import rounded, rows
from stages.claims.demonstrations.table import DEMONSTRATIONS

ROOT = Path(__file__).parents[3]


def test_floats_are_rounded_and_what_is_not_finite_is_said_in_words() -> None:
    measured: dict[str, float | int | str] = {
        "a": 0.123456,
        "b": float("nan"),
        "c": float("inf"),
        "d": 123456,
        "e": "text",
    }
    assert rounded(measured) == {"a": 0.1235, "b": "NaN", "c": "infinity", "d": 123456, "e": "text"}


def test_every_error_and_warning_has_a_demonstration_and_a_page() -> None:
    found = rows()
    assert [row["id"] for row in found] == list(DEMONSTRATIONS)
    assert [row["id"] for row in found if row["group"] == "warnings"] == ["W3.3", "W3.4", "W3.5", "W3.6", "W3.7"]
    for row in found:
        assert (ROOT / row["page"]).is_file(), row["page"]
