"""Early stopping, followed by hand."""

import numpy as np
import pytest

from stages.nn.early_stopping import EarlyStopping


def stops(patience: int, losses: list[float]) -> list[bool]:
    """Return after each loss whether patience is exhausted."""
    stopping = EarlyStopping(patience)
    answers = []
    for loss in losses:
        stopping.observe(loss, {"W1": np.zeros(1)})
        answers.append(stopping.exhausted)
    return answers


@pytest.mark.parametrize(
    ("patience", "losses", "answers"),
    [
        (1, [3, 2, 2.5], [False, False, True]),
        (2, [3, 4, 2, 2.5, 2.1], [False, False, False, False, True]),
        (2, [3, 4, 2, 2.5, 1.9, 1.8], [False] * 6),
        (1, [3, 3], [False, True]),
        (2, [3, np.nan, np.nan], [False, False, True]),
        (2, [np.inf, np.nan], [False, True]),
    ],
    ids=[
        "first-failure",
        "a-lower-loss-counts-anew",
        "never",
        "an-equal-loss-is-not-lower",
        "nan-is-not-lower",
        "never-finite",
    ],
)
def test_when_it_stops(patience: int, losses: list[float], answers: list[bool]) -> None:
    assert stops(patience, losses) == answers


def test_goes_back_to_the_parameters_of_the_lowest_loss() -> None:
    stopping = EarlyStopping(5)
    W, b = np.zeros((2, 2)), np.zeros((2, 1))
    for value, loss in enumerate([3.0, 1.0, 2.0, 1.0], 1):
        W[...], b[...] = value, -value
        stopping.observe(loss, {"W1": W, "b1": b})
    stopping.restore({"W1": W, "b1": b})
    np.testing.assert_array_equal(W, np.full((2, 2), 2))
    np.testing.assert_array_equal(b, np.full((2, 1), -2))


def test_leaves_the_parameters_where_no_loss_was_seen() -> None:
    W = np.ones((2, 2))
    EarlyStopping(1).restore({"W1": W})
    np.testing.assert_array_equal(W, np.ones((2, 2)))
