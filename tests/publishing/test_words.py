"""The words that README, site and paper have in common."""

from collections.abc import Sequence

import pytest

from publishing import words
from publishing.measurements import Answer, Measured, Metrics, Quantity
from stages.shared.parameters import Model
from tests.networks import layer_rows

PART = Measured(accuracy=0.875, interval=(0.85, 0.9), cross_entropy=0.25)


@pytest.mark.parametrize(("parts", "shown"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_words_are_listed(parts: Sequence[str], shown: str) -> None:
    assert words.listed(parts) == shown


@pytest.mark.parametrize(("length", "shown"), [({"updates": 1500}, "1,500 updates"), ({"epochs": 3}, "3 epochs")])
def test_the_length_of_a_training_has_its_unit(length: dict[str, int], shown: str) -> None:
    row = {"split": "a", "layers": layer_rows(10), "learning_rate": 0.1, "seed": 0}
    assert words.length(Model.model_validate(row | length)) == shown


def test_the_results_of_a_model_are_its_accuracies_and_its_cross_entropy() -> None:
    metrics = Metrics(dataset="a", train=PART, held_out=None, test=PART)
    accuracy = "87.5% (85.0\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}90.0)"
    assert words.results(metrics, "%") == [accuracy, "-", accuracy, "0.250"]
    assert words.results(metrics.model_copy(update={"test": None}))[2:] == ["-", "-"]


def test_data_and_notes_are_named_once() -> None:
    assert words.data(["a", "b", "a"], ["One.", "Two.", "One."]) == "Data: a; b. One. Two."


def test_the_most_frequent_verdict_is_counted_first() -> None:
    answer = {"id": "", "kind": "", "claim": "", "alone": "", "finding": "", "measured": []}
    verdicts = ("does not hold", "holds", "holds", "holds in part", "holds in part", "holds in part")
    answers = [Answer.model_validate({**answer, "verdict": verdict}) for verdict in verdicts]
    same = Answer.model_validate({**answer, "verdict": "does not hold", "same_as": "W1.1"})
    assert words.verdict_counts([*answers, same]) == ["3 hold in part", "2 hold", "1 does not hold"]


@pytest.mark.parametrize(
    ("alone", "verdict", "shown"),
    [
        ("holds", "holds", "holds"),
        ("holds", "cannot be decided by this", "cannot be decided by this (alone: holds)"),
        (None, None, ""),
    ],
)
def test_an_uncorrected_verdict_stands_beside_another_one(alone: str | None, verdict: str | None, shown: str) -> None:
    of = {"quantity": "", "unit": "", "seeds": 2, "mean": 0, "sd": 0, "min": 0, "interval": [0, 0]}
    of |= {"p": None, "corrected": None}
    assert words.verdict(Quantity.model_validate({**of, "alone": alone, "verdict": verdict})) == shown


@pytest.mark.parametrize(
    ("p", "shown"), [(None, ""), (0.0, "<\u00a00.0001"), (0.00009, "<\u00a00.0001"), (0.01234, "0.0123")]
)
def test_a_chance_has_four_decimals(p: float | None, shown: str) -> None:
    assert words.chance(p) == shown
