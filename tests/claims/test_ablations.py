from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.claims import ablations, as_printed
from stages.claims.ablations import (
    DEMONSTRATIONS,
    PATIENCE,
    RIGHT,
    Curve,
    Experiment,
    Lengths,
    Run,
    below,
    overflow,
    train,
)
from stages.nn.arrays import Array, Labels
from stages.nn.softmax import softmax


@pytest.fixture(autouse=True)
def _overflow_is_meant() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


def few_nines(digits: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> tuple[Array, Labels]:
    """Return real digits as a split has them, with so few nines that some mini-batch of 32 has none."""
    images, labels = digits
    kept = np.flatnonzero((labels < 9) | (np.cumsum(labels == 9) <= 20))
    return np.asfortranarray((images[kept] / np.float32(255)).T), labels[kept].astype(np.intp)


@pytest.fixture(scope="module")
def experiment(digits: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> Experiment:
    """Return an experiment on these that takes seconds."""
    return Experiment(*few_nines(digits), Lengths(columns=500, updates=30, short=25, overflow=300, draws=4))


@pytest.mark.parametrize("row", DEMONSTRATIONS)
def test_each_row_is_shown_by_its_own_measurements(experiment: Experiment, row: str) -> None:
    found = DEMONSTRATIONS[row](experiment)
    assert found.shown
    assert found.with_it
    assert found.without
    assert found.with_it != found.without
    assert "nan" not in found.finding


@pytest.mark.parametrize(
    ("row", "module", "name", "mended"),
    [
        ("E2", as_printed, "plotted_loss", lambda Y, A: float(-(Y * np.log(A)).sum())),
        ("E3", as_printed, "softmax", softmax),
        ("E4", as_printed, "one_hot", as_printed.one_hot_of_ten),
        ("E5", as_printed, "softmax_of_whole_maximum", softmax),
        ("E6", as_printed, "tanh", np.tanh),
        ("E9", ablations, "labels_minus_probabilities", np.subtract),
        ("W3.3", as_printed, "softmax", softmax),
        ("W3.4", as_printed, "softmax_over_everything", softmax),
        ("W3.5", as_printed, "softmax", softmax),
        ("W3.6", ablations, "labels_as_they_are", as_printed.one_hot_of_ten),
    ],
)
def test_without_the_error_nothing_is_shown(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, row: str, module: Any, name: str, mended: Any
) -> None:
    monkeypatch.setattr(module, name, mended)
    assert not DEMONSTRATIONS[row](experiment).shown


def test_the_scalar_bias_gradient_leaves_output_biases_where_they_began(experiment: Experiment) -> None:
    found = DEMONSTRATIONS["E1"](experiment)
    assert found.with_it["relative error of db2"] == pytest.approx(1)
    assert str(found.with_it["largest change of an output bias"]).startswith("less than")
    assert float(found.without["largest change of an output bias"]) > 0.01


def test_the_limits_of_the_exponential_are_those_of_the_number_format(experiment: Experiment) -> None:
    first_overflow = {dtype: int(np.log(np.finfo(dtype).max)) + 1 for dtype in (np.float64, np.float32)}
    for row in ("E3", "E6"):
        with_it = DEMONSTRATIONS[row](experiment).with_it
        for dtype, n in first_overflow.items():
            assert [v for name, v in with_it.items() if name.endswith(dtype.__name__)] == [n]


def test_gradients_of_random_batches_spread_as_one_over_the_root_of_their_size(experiment: Experiment) -> None:
    deviations = list(DEMONSTRATIONS["E13"](experiment).without.values())
    sizes = np.array([8, 32, 128, 512, 2048])
    slope = np.polyfit(np.log(sizes), np.log(np.array(deviations, float)), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.1)


def test_a_small_run_by_hand() -> None:
    network: as_printed.Parameters = [(np.eye(2), np.zeros((2, 1))), (np.log(3) * np.eye(10, 2), np.zeros((10, 1)))]
    X, y = np.eye(2), np.array([0, 9])
    run = train(network, X, y, RIGHT, updates=1)
    # every column has the logits ln 3 once and 0 nine times
    assert run.accuracies[0] == 0.5
    assert run.losses[0] == pytest.approx(np.log(12) - np.log(3) / 2)
    assert run.plotted[0] == pytest.approx(0, abs=1e-15)
    assert (len(run.accuracies), run.updates, run.dead, run.nan_share, run.stuck) == (2, 1, 0, 0, False)


def test_a_run_ends_at_the_first_nan(experiment: Experiment) -> None:
    X = experiment.X_part.copy()
    X[:, 7] = np.nan
    run = train(experiment.start, X, experiment.y_part, RIGHT, updates=5)
    assert (run.updates, run.accuracies) == (0, [])
    assert run.nan_share == 1 / X.shape[1]
    assert run.ending == "NaN at update 0"
    assert run.measured() == {"end": "NaN at update 0"}


def test_a_run_ends_when_every_image_keeps_getting_one_class(experiment: Experiment) -> None:
    (W1, b1), (W2, b2) = experiment.start
    always_three = [(0 * W1, 0 * b1), (0 * W2, b2 + 100 * np.eye(10, dtype=np.float32)[:, 3:4])]
    run = train(always_three, experiment.X_part, experiment.y_part, RIGHT, updates=200)
    assert run.stuck
    assert run.updates == PATIENCE - 1
    assert run.dead == 10
    share = (experiment.y_part == 3).mean()
    assert run.accuracies == [pytest.approx(share)] * PATIENCE
    assert run.ending == f"one class for every image from update 0 on ({share:.1%})"


def test_an_ending_as_planned_names_accuracy_and_update() -> None:
    run = Run([], accuracies=[0.1, 0.2, 0.345])
    assert run.ending == "34.5% after 2 updates"
    assert run.measured("x: ") == {
        "x: accuracy at update 0": 0.1,
        "x: accuracy at update 2": 0.345,
        "x: end": "34.5% after 2 updates",
    }


def test_overflow_finds_the_smallest_whole_number() -> None:
    def fails(limit: float) -> Callable[[Array], Array]:
        return lambda Z: np.where(Z >= limit, np.nan, Z)

    def brighter(k: float) -> Array:
        return np.array([[k, 2 * k]])

    found = overflow(fails(300), fails(np.inf), lambda n: [[n]], brighter, "number", "title")
    assert found.shown
    name = "images with NaN, pixels up to 255"
    smallest = [f"smallest number that gives NaN, {dtype}" for dtype in ("float64", "float32")]
    assert found.with_it == dict.fromkeys(smallest, 300) | {name: 0.5}
    assert found.without == dict.fromkeys(smallest, "none up to 1,000") | {name: 0.0}


def test_a_curve_ends_with_a_mark_only_where_nan_ended_the_run() -> None:
    run = Run([], accuracies=[0.1, 0.2], nan_share=0.5)
    assert ablations.accuracy_curve("a", "wrong", run).stop == 2
    assert ablations.accuracy_curve("a", "wrong", run, 0) == Curve("a", "wrong", range(1), [0.1], None)
    assert ablations.accuracy_curve("a", "right", Run([], accuracies=[0.1])).stop is None


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
