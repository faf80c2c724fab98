"""What may differ between two machines, with the allowed ranges worked by hand."""

from math import inf
from typing import Any

import pytest

from reviewing.judging import Allowed, Difference, differences, parsed
from reviewing.significance import Spread
from stages.claims.verdicts import Quantity, summary
from stages.shared.errors import UserError

PART = {"accuracy": 0.96, "interval": [0.95, 0.97], "cross_entropy": 0.2, "recall": [0.9, 0.8]}
MEAN = {"quantity": "gain", "seeds": 5, "mean": 0.5, "sd": 0.02, "verdict": "holds"}


def unmeasured(part: str) -> None:
    return None


def judge(before: Any, after: Any, spread_of: Any = unmeasured) -> dict[str, str]:
    return {found.place: found.verdict for found in differences(before, after, spread_of)}


def test_the_same_has_no_differences() -> None:
    assert differences({"test": PART, "validation": None}, {"test": PART, "validation": None}, unmeasured) == []


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"accuracy": 0.951}, "within"),
        ({"accuracy": 0.949}, "beyond"),
        ({"accuracy": "0.96"}, "beyond"),
        ({"cross_entropy": 0.2049}, "within"),
        ({"cross_entropy": 0.1949}, "beyond"),
        ({"cross_entropy": None}, "beyond"),
    ],
)
def test_without_a_spread_the_interval_of_an_accuracy_and_a_tolerance_decide(
    change: dict[str, Any], verdict: str
) -> None:
    assert judge({"test": PART}, {"test": PART | change}) == {f"test.{next(iter(change))}": verdict}


def test_a_large_cross_entropy_may_differ_by_as_much_of_its_size() -> None:
    before = {"test": PART | {"cross_entropy": 10.0}}
    assert judge(before, {"test": PART | {"cross_entropy": 10.049}}) == {"test.cross_entropy": "within"}
    assert judge(before, {"test": PART | {"cross_entropy": 10.051}}) == {"test.cross_entropy": "beyond"}


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.9986, "within"), (0.9994, "beyond"), (0.9206, "beyond")])
def test_the_spread_of_the_same_part_comes_first(accuracy: float, verdict: str) -> None:
    asked = []

    def spread_of(part: str) -> Spread:
        asked.append(part)
        return Spread(0.01, 5, 750)  # 2.776 * sqrt(2) * 0.01 = 0.03926

    assert judge({"held_out": PART}, {"held_out": PART | {"accuracy": accuracy}}, spread_of) == {
        "held_out.accuracy": verdict
    }
    assert asked == ["held_out"]


@pytest.mark.parametrize(
    ("change", "verdict"),
    [  # 2.776 * sqrt(2) * 0.02 / sqrt(5) = 0.03512
        ({"mean": 0.535}, "within"),
        ({"mean": 0.5353}, "beyond"),
        ({"mean": 0.57, "sd": 0.04}, "within"),  # the larger of both spreads
        ({"verdict": "does not hold"}, "beyond"),
        ({"verdict": "cannot be decided by this"}, "not judged"),
    ],
)
def test_a_mean_over_seeds_and_its_verdict(change: dict[str, Any], verdict: str) -> None:
    before = {"claims": [{"id": "W2.4", "finding": "one", "measured": [MEAN]}]}
    after = {"claims": [{"id": "W2.4", "finding": "two", "measured": [MEAN | change]}]}
    found = judge(before, after)
    assert found.pop(f"claims.W2.4.measured.gain.{next(iter(change))}") == verdict
    assert set(found.values()) <= {"not judged"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"dataset": "MNIST"}, {"dataset": "5,000 digits"}, {"dataset": "beyond"}),
        (
            {"rows": [{"id": "E1", "shown": True}]},
            {"rows": [{"id": "E1", "shown": False}]},
            {"rows.E1.shown": "beyond"},
        ),
        ({"test": PART}, {}, {f"test.{key}": "beyond" for key in ("accuracy", "cross_entropy")}),
        ({"test": PART}, {"test": PART | {"recall": [0.9, 0.81]}}, {"test.recall.1": "not judged"}),
        ({"end": "NaN at update 20"}, {"end": "NaN at update 21"}, {"end": "not judged"}),
        ({"a": 1}, None, {"a": "beyond", "": "beyond"}),
    ],
)
def test_words_parts_and_what_has_no_spread(before: Any, after: Any, expected: dict[str, str]) -> None:
    assert expected.items() <= judge(before, after).items()


def test_runs_that_are_all_alike_on_one_machine_need_not_be_on_another() -> None:
    values = [0.7] * 5
    before, after = (summary(Quantity("share", of, region=(0.5, inf)), None) for of in (values, [*values[:4], 0.7333]))
    assert set(judge(before, after).values()) <= {"within", "not judged"}


def test_what_is_no_number_is_an_error_that_says_where() -> None:
    with pytest.raises(UserError, match=r"^test: not numbers where they belong"):
        differences({"test": PART | {"interval": "wide"}}, {"test": PART}, unmeasured)


def test_a_difference_says_from_where_to_where() -> None:
    (found,) = differences({"test": PART}, {"test": PART | {"accuracy": 0.955}}, unmeasured)
    assert found == Difference("test.accuracy", 0.96, 0.955, Allowed(0.95, 0.97, "95 % interval"), "within")


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff"])
def test_what_is_no_json_is_nothing(content: bytes | None) -> None:
    assert parsed(content) is None
