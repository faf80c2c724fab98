import numpy as np
import pytest

from stages.claims import as_printed
from stages.claims.demonstrations.common import PATIENCE, RIGHT, Curve, Setup, Trial, accuracy_curve, below, train


def test_a_small_trial_by_hand() -> None:
    network: as_printed.Parameters = [(np.eye(2), np.zeros((2, 1))), (np.log(3) * np.eye(10, 2), np.zeros((10, 1)))]
    X, y = np.eye(2), np.array([0, 9])
    trial = train(network, X, y, RIGHT, updates=1)
    # every column has the logits ln 3 once and 0 nine times
    assert trial.accuracies[0] == 0.5
    assert trial.losses[0] == pytest.approx(np.log(12) - np.log(3) / 2)
    assert trial.plotted[0] == pytest.approx(0, abs=1e-15)
    assert (len(trial.accuracies), trial.updates, trial.dead, trial.nan_share, trial.stuck) == (2, 1, 0, 0, False)


def test_a_trial_ends_at_the_first_nan(setup: Setup) -> None:
    X = setup.X_part.copy()
    X[:, 7] = np.nan
    trial = train(setup.start, X, setup.y_part, RIGHT, updates=5)
    assert (trial.updates, trial.accuracies) == (0, [])
    assert trial.nan_share == 1 / X.shape[1]
    assert trial.ending == "NaN at update 0"
    assert trial.measured() == {"end": "NaN at update 0"}


def test_a_trial_ends_when_every_image_keeps_getting_one_class(setup: Setup) -> None:
    (W1, b1), (W2, b2) = setup.start
    always_three = [(0 * W1, 0 * b1), (0 * W2, b2 + 100 * np.eye(10, dtype=np.float32)[:, 3:4])]
    trial = train(always_three, setup.X_part, setup.y_part, RIGHT, updates=200)
    assert trial.stuck
    assert trial.updates == PATIENCE - 1
    assert trial.dead == 10
    share = (setup.y_part == 3).mean()
    assert trial.accuracies == [pytest.approx(share)] * PATIENCE
    assert trial.ending == f"one class for every image from update 0 on ({share:.1%})"


def test_an_ending_as_planned_names_accuracy_and_update() -> None:
    trial = Trial([], accuracies=[0.1, 0.2, 0.345])
    assert trial.ending == "34.5% after 2 updates"
    assert trial.measured("x: ") == {
        "x: accuracy at update 0": 0.1,
        "x: accuracy at update 2": 0.345,
        "x: end": "34.5% after 2 updates",
    }


def test_a_curve_ends_with_a_mark_only_where_nan_ended_the_trial() -> None:
    trial = Trial([], accuracies=[0.1, 0.2], nan_share=0.5)
    assert accuracy_curve("a", "wrong", trial).stop == 2
    assert accuracy_curve("a", "wrong", trial, 0) == Curve("a", "wrong", range(1), [0.1], None)
    assert accuracy_curve("a", "right", Trial([], accuracies=[0.1])).stop is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "less than 1e-12"),
        (2e-12, "less than 1e-9"),
        (5e-7, "less than 1e-6"),
        (2e-4, "less than 1e-3"),
        (0.5, 0.5),
    ],
)
def test_rounding_errors_are_given_as_bounds(value: float, said: float | str) -> None:
    assert below(value) == said
