"""The optimizers against steps worked by hand."""

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from stages.nn.optimizers import OPTIMIZERS, Adam, GradientDescent, Momentum, Nesterov, Optimizer, RMSProp

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def steps(optimizer: Optimizer, gradients: list[float], rate: float) -> list[float]:
    """Return theta after each gradient, from theta = 0."""
    theta = np.zeros((1, 1))
    state = optimizer.start(theta)
    path = []
    for t, g in enumerate(gradients, 1):
        optimizer.step(theta, np.full((1, 1), g), state, rate, t)
        path.append(float(theta[0, 0]))
    return path


def test_each_is_found_by_its_name_in_params_yaml() -> None:
    by_name = {"momentum": Momentum, "nesterov": Nesterov, "rmsprop": RMSProp, "adam": Adam}
    assert OPTIMIZERS == {"gradient-descent": GradientDescent, **by_name}


def test_gradient_descent_by_hand() -> None:
    assert steps(GradientDescent(), [2.0, -1.0], rate=0.5) == [-1.0, -0.5]


def test_momentum_by_hand() -> None:
    # v: 2, 0.5 * 2 + 4 = 5, 0.5 * 5 + 0 = 2.5
    assert steps(Momentum(0.5), [2.0, 4.0, 0.0], rate=0.25) == [-0.5, -1.75, -2.375]


def test_nesterov_by_hand() -> None:
    # v as with momentum; steps along g + 0.5 v: 2 + 1, 4 + 2.5, 0 + 1.25
    assert steps(Nesterov(0.5), [2.0, 4.0, 0.0], rate=0.25) == [-0.75, -2.375, -2.6875]


def test_rmsprop_by_hand() -> None:
    # s: 0.25 * 4² = 4, 0.75 * 4 + 0.25 * 2² = 4; steps g / (2 + 2)
    assert steps(RMSProp(decay=0.75, epsilon=2.0), [4.0, -2.0], rate=0.5) == [-0.5, -0.25]


def test_adam_by_hand() -> None:
    # v: 0.5 * 4 = 2, 0.5 * 2 + 0 = 1; s: 0.25 * 16 = 4, 0.75 * 4 + 0 = 3
    # step 1: (2 / 0.5) / (sqrt(4 / 0.25) + 1) = 4/5; step 2: (1 / 0.75) / (sqrt(3 / 0.4375) + 1)
    first, second = 4 / 5, (4 / 3) / (np.sqrt(48 / 7) + 1)
    path = steps(Adam(beta1=0.5, beta2=0.75, epsilon=1.0), [4.0, 0.0], rate=0.5)
    assert path == pytest.approx([-first / 2, -(first + second) / 2], rel=1e-14)


@pytest.mark.parametrize("optimizer", [Momentum(0.0), Nesterov(0.0)])
def test_without_momentum_it_is_gradient_descent(optimizer: Optimizer) -> None:
    gradients = [0.3, -1.7, 2.2]
    assert steps(optimizer, gradients, 0.1) == steps(GradientDescent(), gradients, 0.1)


@pytest.mark.parametrize("g", [1e-3, 1.0, -1e3])
def test_the_first_step_of_adam_is_as_long_as_the_rate(g: float) -> None:
    assert steps(Adam(), [g], rate=0.1) == pytest.approx([-0.1 * np.sign(g)], rel=1e-4)


@every_optimizer
def test_no_gradient_no_step(name: str) -> None:
    assert steps(OPTIMIZERS[name](), [0.0, 0.0], 0.1) == [0, 0]


@every_optimizer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_works_in_place_and_keeps_the_dtype(name: str, dtype: type[np.floating[Any]]) -> None:
    optimizer = OPTIMIZERS[name]()
    theta = np.ones((2, 3), dtype)
    state = optimizer.start(theta)
    for t in (1, 2):
        optimizer.step(theta, np.ones((2, 3), dtype), state, 0.1, t)
    assert (theta < 1).all()
    assert all(array.dtype == dtype and array.shape == theta.shape for array in state)
    fresh = optimizer.start(theta)
    assert not any(array.any() for array in fresh)


@every_optimizer
def test_each_entry_is_on_its_own(name: str) -> None:
    optimizer = OPTIMIZERS[name]()
    gradients = np.random.default_rng(0).normal(size=(3, 4, 5))
    together = np.zeros((4, 5))
    state = optimizer.start(together)
    for t, g in enumerate(gradients, 1):
        optimizer.step(together, g.copy(), state, 0.1, t)
    alone = [steps(optimizer, [float(g) for g in path], 0.1)[-1] for path in gradients.reshape(3, -1).T]
    np.testing.assert_allclose(together.ravel(), alone, rtol=1e-13)


@every_optimizer
def test_finds_the_minimum_of_a_parabola(name: str) -> None:
    optimizer = OPTIMIZERS[name]()
    theta, minimum = np.zeros(2), np.array([1.0, -2.0])
    state = optimizer.start(theta)
    for t in range(1, 501):
        optimizer.step(theta, 2 * (theta - minimum), state, 0.1 / np.sqrt(t), t)
    np.testing.assert_allclose(theta, minimum, atol=0.02)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("momentum", {"momentum": 1.0}, "momentum must be at least 0 and less than 1, not 1.0"),
        ("nesterov", {"momentum": -0.1}, "momentum must be"),
        ("rmsprop", {"decay": 1.0}, "decay must be"),
        ("rmsprop", {"epsilon": 0.0}, "epsilon must be above 0, not 0.0"),
        ("adam", {"beta1": 1.0}, "beta1 must be"),
        ("adam", {"beta2": float("nan")}, "beta2 must be"),
        ("adam", {"epsilon": -1e-8}, "epsilon must be"),
    ],
)
def test_impossible_options(name: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OPTIMIZERS[name](**options)


@every_optimizer
def test_hyperparameters_are_fixed(name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        OPTIMIZERS[name]().momentum = 0.5  # type: ignore[attr-defined] # it is frozen: that is tested


def test_the_defaults_are_those_that_are_published() -> None:
    assert Adam() == Adam(beta1=0.9, beta2=0.999, epsilon=1e-8)  # Kingma and Ba 2015, algorithm 1
    assert RMSProp() == RMSProp(decay=0.99, epsilon=1e-8)
    assert (Momentum(), Nesterov()) == (Momentum(0.9), Nesterov(0.9))
