"""The statements of docs/derivations/averaged_weights.md: its sums on symbols, and the cloud by simulation."""

import numpy as np
import pytest
import sympy

from stages.nn.averaging import Average
from stages.nn.initializers import Uniform
from tests.networks import build

rho, c, eta, sigma, curvature = sympy.symbols("rho c eta sigma gamma", positive=True)
T = 6
FACTOR = (1 - rho) / (1 + rho) * (1 + rho * c) / (1 - rho * c)


def test_the_recursion_is_the_sum() -> None:
    thetas = sympy.symbols(f"theta1:{T + 1}")
    average = sympy.symbols("theta0")  # in which nothing of the start is left
    for t in range(1, T + 1):
        average = sympy.cancel(average + (1 - rho) / (1 - rho**t) * (thetas[t - 1] - average))
        by_sum = (1 - rho) / (1 - rho**t) * sum(rho**j * thetas[t - 1 - j] for j in range(t))
        assert sympy.cancel(average - by_sum) == 0
    assert sympy.cancel(sum(sympy.diff(average, theta) for theta in thetas)) == 1


def test_the_code_is_the_recursion() -> None:
    network = build([2, 3], None, Uniform(), np.random.default_rng(0), dtype=np.float64)
    parameters, gradients = np.empty(network.size), np.zeros(network.size)
    network.bind(parameters, gradients)
    average, rng = Average(network, 0.7, parameters, gradients), np.random.default_rng(1)
    history = []
    for t in range(1, T + 1):
        parameters[...] = rng.standard_normal(network.size)
        history.append(parameters.copy())
        average.update(t)
        expected = np.average(history, axis=0, weights=[0.7**j for j in reversed(range(t))])
        found = np.concatenate([theta.ravel() for theta in average.network.parameters.values()])
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


def test_the_mean_age() -> None:
    share = sympy.Rational(9, 10)
    j = sympy.symbols("j", integer=True, nonnegative=True)
    age = (1 - share) * sympy.summation(j * share**j, (j, 0, sympy.oo))
    assert age == share / (1 - share) == 9


def test_the_cloud_is_the_fixed_point_of_the_variance() -> None:
    variance = eta * sigma**2 / (curvature * (2 - eta * curvature))
    assert sympy.simplify((1 - eta * curvature) ** 2 * variance + eta**2 * sigma**2 - variance) == 0


def test_the_sum_over_all_pairs() -> None:
    k = sympy.symbols("k", integer=True, positive=True)
    at = {rho: sympy.Rational(2, 3), c: sympy.Rational(3, 4)}
    pairs = 1 + 2 * sympy.summation((at[rho] * at[c]) ** k, (k, 1, sympy.oo))
    assert sympy.simplify((1 - at[rho]) ** 2 / (1 - at[rho] ** 2) * pairs - FACTOR.subs(at)) == 0
    powers = np.arange(400)
    weights = (1 / 3) * (2 / 3) ** powers
    double = weights @ 0.75 ** np.abs(powers[:, np.newaxis] - powers) @ weights
    assert double == pytest.approx(float(FACTOR.subs(at)), rel=1e-12)


def test_the_limits_of_the_factor() -> None:
    share = sympy.symbols("share", positive=True)  # 1 - rho
    steep = sympy.limit(FACTOR.subs(rho, 1 - share) / share, share, 0)
    assert sympy.simplify(steep - (1 + c) / (2 * (1 - c))) == 0
    assert sympy.simplify(steep.subs(c, 1 - eta) - (2 - eta) / (2 * eta)) == 0
    assert sympy.limit(FACTOR, c, 1) == 1


def test_which_direction_is_halved() -> None:
    at = (3 * rho - 1) / (rho * (3 - rho))
    assert sympy.simplify(FACTOR.subs(c, at) - sympy.Rational(1, 2)) == 0


def test_without_noise() -> None:
    t = 5
    average = (1 - rho) / (1 - rho**t) * sum(rho**j * c ** (t - j) for j in range(t))
    formula = (1 - rho) / (1 - rho**t) * c * (c**t - rho**t) / (c - rho)
    assert sympy.cancel(average - formula) == 0


@pytest.mark.parametrize("gamma", [0.2, 4.0, 17.0])
@pytest.mark.parametrize("decay", [0.8, 0.95])
def test_the_cloud_by_simulation(gamma: float, decay: float) -> None:
    runs, rate, noise = 10_000, 0.1, 0.7
    rng, contraction = np.random.default_rng(0), 1 - rate * gamma
    h, average = np.zeros(runs), np.zeros(runs)
    for t in range(1, 501):
        h = h - rate * (gamma * h + noise * rng.standard_normal(runs))
        average += (1 - decay) / (1 - decay**t) * (h - average)
    cloud = rate * noise**2 / (gamma * (2 - rate * gamma))
    factor = float(FACTOR.subs({rho: decay, c: contraction}))
    error = 4 * np.sqrt(2 / runs)
    assert h.var() == pytest.approx(cloud, rel=error)
    assert average.var() == pytest.approx(cloud * factor, rel=error)


def test_the_average_of_variances_is_too_large_by_the_noise_of_the_weights() -> None:
    C = sympy.Matrix(2, 2, sympy.symbols("C00 C01 C01 C11"))
    rows = [sympy.Matrix(1, 2, sympy.symbols(f"w{k}0 w{k}1")) for k in range(3)]
    shares = [sympy.Rational(1, 2), sympy.Rational(1, 3), sympy.Rational(1, 6)]
    mean = sum((share * row for share, row in zip(shares, rows, strict=True)), sympy.zeros(1, 2))

    def averaged(of: list[sympy.Matrix]) -> sympy.Expr:
        return sum(share * (row * C * row.T)[0] for share, row in zip(shares, of, strict=True))

    excess = averaged([row - mean for row in rows])
    assert sympy.expand(averaged(rows) - (mean * C * mean.T)[0] - excess) == 0
