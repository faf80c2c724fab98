from dataclasses import replace

import numpy as np
import pytest

from stages.claims import as_printed
from stages.claims.demonstrations import collapse
from stages.claims.demonstrations.collapse import (
    gradient_norm,
    largest_weight,
    no_mean,
    one_sum_for_all,
    pixels_not_divided,
)
from stages.claims.demonstrations.common import RIGHT, Setup, Trial, train


def test_the_plain_and_the_stable_softmax_are_told_apart(setup: Setup) -> None:
    found = pixels_not_divided(setup)
    X = setup.X * np.float32(255)
    plain = replace(RIGHT, softmax=as_printed.softmax)
    stable = train(setup.start, X, setup.y, RIGHT, setup.lengths.short)
    assert found.without["plain softmax: end"] == train(setup.start, X, setup.y, plain, 1).ending == "NaN at update 0"
    assert found.without["stable softmax: end"] == stable.ending
    assert found.without["stable softmax: units zero on every image"] == stable.dead
    grown = largest_weight(stable.parameters) / largest_weight(setup.start)
    assert found.without["stable softmax: largest weight, times that at the start"] == pytest.approx(grown)
    assert found.parts == {"NaN within a few iterations": True, "the weights explode": grown >= 10}


def test_weights_explode_that_become_ten_times_as_large(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    for factor, explode in ((9.9, False), (10.1, True)):
        trial = Trial([(np.array([[-factor, 1.0]]), np.zeros((1, 1)))], [0.1], nan_share=0.5)
        fixed = collapse.Collapse(trial, trial, trial, pixels_not_divided(setup))
        monkeypatch.setattr(collapse, "collapse", lambda *_, of=fixed, **__: of)
        one = Setup(setup.X_part, setup.y_part, setup.lengths)
        one.start = [(np.array([[1.0, -0.5]]), np.zeros((1, 1)))]
        assert pixels_not_divided(one).parts["the weights explode"] is explode
        monkeypatch.undo()


def test_one_sum_for_all_is_a_failure_where_both_trainings_fail(setup: Setup) -> None:
    assert one_sum_for_all(setup).parts == {"one sum for all ruins the training": True}
    good, bad, nan = Trial([], [0.1, 0.9]), Trial([], [0.1, 0.2]), Trial([], [0.1], nan_share=1.0)
    assert [trial.ruined(good) for trial in (good, bad, nan)] == [False, True, True]
    shown = pixels_not_divided(setup)
    ended = [(good, good), (good, nan), (bad, good), (bad, nan)]
    assert [collapse.Collapse(*both, good, shown).ruined for both in ended] == [False, False, False, True]


def test_the_gradient_keeps_its_size_with_the_mean_and_grows_with_the_images_without(setup: Setup) -> None:
    found, what = no_mean(setup), "gradient on all images, times that on a tenth"
    m = len(setup.y)
    tenth = gradient_norm(setup.start, setup.X[:, : m // 10], setup.y[: m // 10], RIGHT)
    growth = gradient_norm(setup.start, setup.X, setup.y, RIGHT) / tenth
    assert found.with_it[what] == pytest.approx(growth)
    assert found.without[what] == pytest.approx(growth * m / (m // 10), rel=1e-3)
    assert found.parts == {"the gradients keep their size": True, "training needs it": True}


def test_the_norm_is_that_of_all_gradients_together(setup: Setup) -> None:
    pairs = as_printed.backward(setup.start, *as_printed.forward(setup.start, setup.X_part, RIGHT), setup.y_part, RIGHT)
    whole = np.concatenate([array.ravel() for pair in pairs for array in pair])
    assert gradient_norm(setup.start, setup.X_part, setup.y_part, RIGHT) == pytest.approx(np.linalg.norm(whole))
