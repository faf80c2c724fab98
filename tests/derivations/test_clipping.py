"""The statements of docs/derivations/clipping.md: on symbols, on random points, and by the code."""

from itertools import pairwise

import numpy as np
import pytest
import sympy

from stages.nn.clipping import clip
from stages.nn.initializers import Uniform
from stages.nn.optimizers import GradientDescent, Momentum
from stages.nn.schedules import Constant
from stages.nn.training import Trainer
from tests.networks import build


def test_norm_and_product_of_the_clipped_gradient() -> None:
    g = sympy.Matrix(sympy.symbols("g:3", real=True))
    r = sympy.symbols("r", positive=True)
    norm = sympy.sqrt(g.dot(g))
    clipped = r / norm * g
    assert sympy.simplify(clipped.dot(clipped) - r**2) == 0
    assert sympy.simplify(g.dot(clipped) - norm * r) == 0


@pytest.mark.parametrize("size", [0.3, 1.0, 5.0])
def test_it_is_the_nearest_point_of_the_ball_and_brings_none_farther_apart(size: float) -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((20_000, 3))
    points *= rng.random((20_000, 1)) / np.linalg.norm(points, axis=1, keepdims=True)
    for _ in range(20):
        g, other = size * rng.standard_normal((2, 3))
        clipped, clipped_other = g.copy(), other.copy()
        clip(clipped, 1.0)
        clip(clipped_other, 1.0)
        assert np.linalg.norm(clipped - g) <= np.linalg.norm(points - g, axis=1).min()
        assert np.linalg.norm(clipped - clipped_other) <= np.linalg.norm(g - other) * (1 + 1e-12)
        assert ((points - clipped) @ (g - clipped)).max() < 1e-12


def test_the_mean_of_clipped_gradients_is_not_the_clipped_mean() -> None:
    values, shares = sympy.Matrix([4, -1]), sympy.Matrix([sympy.Rational(1, 4), sympy.Rational(3, 4)])
    clipped = values.applyfunc(lambda g: g * sympy.Min(1, 1 / abs(g)))
    assert (shares.dot(values), shares.dot(clipped)) == (sympy.Rational(1, 4), -sympy.Rational(1, 2))
    drawn = np.where(np.random.default_rng(0).random((50_000, 1)) < 0.25, 4.0, -1.0)
    for g in drawn:
        clip(g, 1.0)
    assert abs(drawn.mean() + 0.5) < 4 * np.sqrt(3) / 2 / np.sqrt(50_000)


def fourth_power(start: float, rate: float, limit: float, updates: int) -> list[float]:
    """Return the loss before each update of gradient descent on the fourth power, divided by 4."""
    theta, losses = np.array([start]), []
    for t in range(1, updates + 1):
        losses.append(theta.item() ** 4 / 4)
        g = theta**3
        clip(g, limit)
        GradientDescent().step(theta, g, [], rate, t)
        if losses[-1] > 1e12:
            break
    return losses


@pytest.mark.parametrize("start", [5.0, -30.0])
def test_clipping_tames_a_rate_that_diverges(start: float) -> None:
    limit, rate = 20.0, 0.09
    assert rate * limit ** (2 / 3) < 2 < rate * start**2
    assert fourth_power(start, rate, np.inf, 100)[-1] > 1e12
    losses = fourth_power(start, rate, limit, 100)
    assert all(later < earlier for earlier, later in pairwise(losses))
    assert losses[-1] < 1e-2


def test_the_descent_lemma_with_the_shorter_rate() -> None:
    rng, K = np.random.default_rng(0), 7.0
    curvatures = np.array([0.2, 3.0, K])
    for _ in range(50):
        theta = 10 * rng.standard_normal(3)
        g = curvatures * theta
        rate, clipped = 1.5 / K, g.copy()
        norm = clip(clipped, 4.0)
        short = rate * min(1, 4.0 / norm)
        before, after = (float(curvatures @ np.square(at)) / 2 for at in (theta, theta - rate * clipped))
        assert after <= before - short * (1 - K * short / 2) * norm**2 + 1e-9


def test_no_step_of_momentum_is_longer_than_the_sum_allows() -> None:
    network = build([4, 5, 3], "tanh", Uniform(-2, 2), np.random.default_rng(0), dtype=np.float64)
    rng = np.random.default_rng(1)
    trainer = Trainer(network, Momentum(0.9), 0.5, Constant(), 100, clip_norm=0.01)
    for _ in range(100):
        before = trainer.parts.parameters.copy()
        trainer.step(rng.standard_normal((4, 8)), rng.integers(0, 3, 8))
        step = np.linalg.norm(trainer.parts.parameters - before)
        assert step <= 0.5 * 0.01 / (1 - 0.9) * (1 + 1e-9)
    assert step > 0.5 * 0.01  # longer than one of gradient descent
