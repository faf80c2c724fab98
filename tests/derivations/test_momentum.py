"""The statements of docs/derivations/momentum.md: the roots and their bound on symbols, and the rules of the code."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.arrays import Array
from stages.nn.optimizers import GradientDescent, Momentum, Optimizer

eta, mu, curvature, c, c0 = sympy.symbols("eta mu gamma c c0", positive=True)
a, b = sympy.symbols("a b", positive=True)  # the roots of the smallest and the largest eigenvalue
RATIO = (b - a) / (b + a)


def quadratic(at: Any, eigenvalue: Any = curvature) -> Any:
    """Return f at a number, as the first form of the page has it."""
    return at**2 - (1 + mu - eta * eigenvalue) * at + mu


def test_both_forms_of_the_polynomial_are_that_of_the_matrix() -> None:
    C = sympy.Matrix([[1 + mu - eta * curvature, -mu], [1, 0]])
    assert sympy.expand((c * sympy.eye(2) - C).det() - quadratic(c)) == 0
    assert sympy.expand(quadratic(c) - ((c - 1) * (c - mu) + eta * curvature * c)) == 0


def test_the_matrix_takes_the_heavy_ball_a_step_further() -> None:
    momentum, rate, eigenvalue = sympy.Rational(4, 5), sympy.Rational(1, 7), sympy.Rational(3, 2)
    C = sympy.Matrix([[1 + momentum - rate * eigenvalue, -momentum], [1, 0]])
    theta = np.array([sympy.Integer(1)])
    state, optimizer, points = [np.array([sympy.Integer(0)])], Momentum(momentum), [theta[0], theta[0]]
    for t in range(1, 6):
        optimizer.step(theta, eigenvalue * theta, state, rate, t)
        assert sympy.Matrix([theta[0], points[-1]]) == C * sympy.Matrix(points[:-3:-1])
        points.append(theta[0])


def test_gradient_descent_is_best_where_both_ends_are_equal() -> None:
    rate = 2 / (a**2 + b**2)
    ends = [1 - rate * a**2, rate * b**2 - 1]
    factor = (b**2 / a**2 - 1) / (b**2 / a**2 + 1)
    assert all(sympy.simplify(end - factor) == 0 for end in ends)
    assert [sympy.sign(end.diff(eta)) for end in (1 - eta * a**2, eta * b**2 - 1)] == [-1, 1]


def test_the_conditions_bound_the_ratio_of_the_eigenvalues() -> None:
    below = sympy.expand(quadratic(c0) - (eta * curvature * c0 - (1 - c0) * (c0 - mu)))
    above = sympy.expand(quadratic(-c0) - ((1 + c0) * (c0 + mu) - eta * curvature * c0))
    assert below == above == 0
    quotient = (1 + c0) * (c0 + mu) / ((1 - c0) * (c0 - mu))
    slope = sympy.factor(quotient.diff(mu))
    assert sympy.simplify(slope - 2 * c0 * (1 + c0) / ((1 - c0) * (c0 - mu) ** 2)) == 0  # positive
    assert sympy.simplify(quotient.subs(mu, c0**2) - ((1 + c0) / (1 - c0)) ** 2) == 0


def test_the_best_values_give_double_roots_at_both_ends() -> None:
    at = {mu: RATIO**2, eta: 4 / (a + b) ** 2}
    for eigenvalue, sign in ((a**2, 1), (b**2, -1)):
        polynomial = sympy.simplify(quadratic(c, eigenvalue).subs(at))
        assert sympy.simplify(polynomial - (c - sign * RATIO) ** 2) == 0
    between = sympy.symbols("between", positive=True)
    discriminant = ((1 + mu - eta * between) ** 2 - 4 * mu).subs(at)
    product = 16 * (between - a**2) * (between - b**2) / (a + b) ** 4  # negative between the ends
    assert sympy.simplify(discriminant - product) == 0


def factor_of(optimizer: Optimizer, rate: float, curvatures: Array, early: int, late: int) -> float:
    """Return by which factor an update brings the parameters nearer, in the mean from one update to another."""
    theta = np.ones_like(curvatures)
    state, lengths = optimizer.start(theta), [np.linalg.norm(theta)]
    for t in range(1, late + 1):
        optimizer.step(theta, curvatures * theta, state, rate, t)
        lengths.append(np.linalg.norm(theta))
    return float((lengths[late] / lengths[early]) ** (1 / (late - early)))


@pytest.mark.parametrize("ratio", [4.0, 100.0, 400.0])
def test_the_rules_of_the_code_have_the_factors(ratio: float) -> None:
    curvatures = np.linspace(0.3, 0.3 * ratio, 30)
    small, large = np.sqrt([0.3, 0.3 * ratio])
    descent = factor_of(GradientDescent(), 2 / (small**2 + large**2), curvatures, 100, 200)
    assert descent == pytest.approx((ratio - 1) / (ratio + 1), rel=1e-3)
    best = (large - small) / (large + small)
    momentum = factor_of(Momentum(best**2), 4 / (small + large) ** 2, curvatures, 200, 300)
    assert best < momentum < 1.006 * best  # of two equal roots the powers are multiplied by the number of the update


def test_momentum_stays_bounded_up_to_its_largest_rate_and_no_further() -> None:
    curvatures, momentum = np.array([0.1, 1.0]), Momentum(0.9)
    assert factor_of(momentum, 2 * 1.9 * 0.999, curvatures, 1000, 4000) < 1
    assert factor_of(momentum, 2 * 1.9 * 1.001, curvatures, 1000, 4000) > 1
    assert factor_of(GradientDescent(), 2 * 1.001, curvatures, 1000, 4000) > 1


def test_no_pair_of_a_fine_grid_has_a_smaller_largest_root() -> None:
    rates, momenta = np.linspace(1e-3, 0.5, 200)[:, np.newaxis], np.linspace(-0.9, 0.99, 190)
    worst = np.zeros((200, 190))
    for eigenvalue in (1.0, 9.0):
        total = 1 + momenta - rates * eigenvalue
        root = np.sqrt((total**2 - 4 * momenta).astype(complex))
        worst = np.maximum(worst, np.maximum(abs(total + root), abs(total - root)) / 2)
    assert 0.5 <= worst.min() < 0.51  # (3 - 1) / (3 + 1)


def test_how_many_updates_a_factor_e_takes() -> None:
    ratio = sympy.symbols("ratio", positive=True)
    series = sympy.series(sympy.log((1 + ratio) / (1 - ratio)), ratio, 0, 5).removeO()  # of 1 / kappa
    assert sympy.expand(series - 2 * (ratio + ratio**3 / 3)) == 0
    counts = [1 / np.log((k + 1) / (k - 1)) for k in (10.0, 100.0, 1000.0)]
    assert counts == pytest.approx([5, 50, 500], rel=0.01)
    assert all(second > first for first, second in pairwise(counts))
