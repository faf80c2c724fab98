"""The statements of docs/derivations/optimizers.md: exact on symbols where the rules are rational, else in float64."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy
from numpy.typing import NDArray

from stages.nn.arrays import Array
from stages.nn.cross_entropy import cross_entropy
from stages.nn.initializers import Normal
from stages.nn.network import Network
from stages.nn.optimizers import Adam, GradientDescent, Momentum, Nesterov, Optimizer, RMSProp
from stages.nn.parts import loss_and_gradients
from stages.nn.schedules import Cosine, Steps
from tests.networks import affine, build, network_of

T = 5
eta, h, c, theta_0 = sympy.symbols("eta h c theta_0")
gradients = sympy.symbols(f"g1:{T + 1}")
mu: Any = sympy.Rational(9, 10)


def weighted(values: Any, factor: Any, t: int) -> Any:
    """Return the sum of factor^j values[t - j] over j = 0 to t - 1, with values counted from 1."""
    return sum(factor**j * values[t - 1 - j] for j in range(t))


def run(optimizer: Optimizer, gradient: Any, start: Any, rate: Any, steps: int = T) -> list[Any]:
    """Return the parameter, one number, before and after each step; `gradient` is a function of it and of t."""
    theta = np.array([start])
    state = optimizer.start(theta)
    points = [theta[0]]
    for t in range(1, steps + 1):
        optimizer.step(theta, np.array([gradient(theta[0], t)]), state, rate, t)
        points.append(theta[0])
    return points


def test_descent_on_a_parabola_meets_the_bound() -> None:
    after = run(GradientDescent(), lambda theta, t: h * theta, theta_0, eta, 1)[-1]
    fall = h * theta_0**2 / 2 - h * after**2 / 2
    assert sympy.expand(fall - eta * (1 - h * eta / 2) * (h * theta_0) ** 2) == 0


def test_momentum_is_a_weighted_sum() -> None:
    points = run(Momentum(mu), lambda theta, t: gradients[t - 1], theta_0, eta)
    for t in range(1, T + 1):
        assert sympy.expand(points[t] - points[t - 1] + eta * weighted(gradients, mu, t)) == 0


def test_momentum_is_a_heavy_ball() -> None:
    points = run(Momentum(mu), lambda theta, t: h * (theta - c), theta_0, eta)
    for before, now, after in zip(points, points[1:], points[2:], strict=False):
        assert sympy.expand(after - now - mu * (now - before) + eta * h * (now - c)) == 0


@pytest.mark.parametrize(("sign", "divisor"), [(1, 1 - mu), (-1, 1 + mu)], ids=["persistent", "alternating"])
def test_momentum_of_geometric_gradients(sign: int, divisor: Any) -> None:
    points = run(Momentum(mu), lambda theta, t: sympy.Integer(sign) ** t, theta_0, eta)
    for t in range(1, T + 1):
        expected = sign**t * (1 - (sign * mu) ** t) / divisor
        assert sympy.expand(points[t] - points[t - 1] + eta * expected) == 0


def test_nesterov_is_the_look_ahead_form() -> None:
    points = run(Nesterov(mu), lambda theta, t: h * (theta - c), theta_0, eta)
    phi, u = theta_0, sympy.Integer(0)
    for point in points[1:]:
        u = mu * u - eta * h * (phi + mu * u - c)
        phi = phi + u
        assert sympy.expand(point - (phi + mu * u)) == 0


def test_weights_of_an_exponential_mean_add_up() -> None:
    beta = sympy.Symbol("beta")
    for t in range(1, T + 1):
        assert sympy.expand((1 - beta) * weighted([1] * t, beta, t) - (1 - beta**t)) == 0


def test_rmsprop_and_adam_are_weighted_sums() -> None:
    g = np.random.default_rng(0).standard_normal(T)
    rmsprop = run(RMSProp(0.8, 1e-3), lambda theta, t: g[t - 1], 1.0, 0.1)
    adam = run(Adam(0.7, 0.8, 1e-3), lambda theta, t: g[t - 1], 1.0, 0.1)
    for t in range(1, T + 1):
        root = np.sqrt(0.2 * weighted(g**2, 0.8, t))
        assert rmsprop[t - 1] - rmsprop[t] == pytest.approx(0.1 * g[t - 1] / (root + 1e-3), rel=1e-12)
        mean = weighted(g, 0.7, t) / weighted(np.ones(t), 0.7, t)
        mean_square = weighted(g**2, 0.8, t) / weighted(np.ones(t), 0.8, t)
        assert adam[t - 1] - adam[t] == pytest.approx(0.1 * mean / (np.sqrt(mean_square) + 1e-3), rel=1e-12)


@pytest.mark.parametrize("t", [1, 3, 20])
def test_adam_corrects_the_bias_of_its_moments(t: int) -> None:
    rng = np.random.default_rng(0)
    optimizer, theta = Adam(), np.zeros(20_000)
    state = optimizer.start(theta)
    for update in range(1, t + 1):
        optimizer.step(theta, 0.3 + rng.standard_normal(theta.shape), state, 0.1, update)
    for moment, beta, expected in zip(state, (optimizer.beta1, optimizer.beta2), (0.3, 1 + 0.3**2), strict=True):
        corrected = moment / (1 - beta**t)
        error = corrected.std(ddof=1) / np.sqrt(len(theta))
        assert abs(corrected.mean() - expected) < 5 * error
        assert abs(moment.mean() - expected) > 5 * error


def test_factors_of_the_schedules() -> None:
    steps, cosine = Steps([3, 5], 0.5), Cosine(2)
    assert [steps(update, 6) for update in range(1, 7)] == [1, 1, 1, 0.5, 0.5, 0.25]
    expected = [
        sympy.Rational(1, 2),
        1,
        *((1 + sympy.cos(sympy.pi * sympy.Rational(done, 4))) / 2 for done in range(4)),
    ]
    assert [cosine(update, 6) for update in range(1, 7)] == pytest.approx([float(factor) for factor in expected])


def softmax_regression() -> tuple[Network, Array, NDArray[np.int64], float]:
    """Return a network of one layer, its data, and the Lipschitz constant of its gradient."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2, 4)), np.array([0, 1, 2, 0])
    network = network_of(affine(rng.standard_normal((3, 2)), np.zeros((3, 1))))
    with_ones = np.vstack([X, np.ones((1, 4))])
    return network, X, y, float(np.linalg.eigvalsh(with_ones @ with_ones.T)[-1]) / (2 * 4)


def test_largest_curvature_of_the_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    for concentration in (0.1, 1.0, 10.0):
        for a in rng.dirichlet(np.full(4, concentration), 200):
            assert np.linalg.eigvalsh(np.diag(a) - np.outer(a, a))[-1] <= 0.5 + 1e-12
    half = sympy.Matrix([sympy.Rational(1, 2), sympy.Rational(1, 2), 0])
    assert max((sympy.diag(*half) - half * half.T).eigenvals()) == sympy.Rational(1, 2)


@pytest.mark.parametrize(
    ("activation", "slope", "bias"),
    [(sympy.tanh, 1, 0), (lambda z: 1 / (1 + sympy.exp(-z)), sympy.Rational(1, 4), -c / 2), (lambda z: z, 1, 0)],
    ids=["tanh", "sigmoid", "linear"],
)
def test_no_constant_for_a_network_with_a_hidden_layer(activation: Any, slope: Any, bias: Any) -> None:
    w, x = sympy.symbols("w x", real=True)
    logit = c * activation(w * x) + bias
    loss = sympy.log(sympy.exp(logit) + sympy.exp(-logit)) - logit
    curvature = sympy.simplify(loss.diff(w, 2).subs(w, 0))
    assert sympy.expand(curvature - (c * slope * x) ** 2) == 0
    assert sympy.limit(curvature.subs(x, 1), c, sympy.oo) == sympy.oo


def test_step_that_one_constant_allows_raises_the_loss_where_the_curvature_is_larger() -> None:
    for last, falls in ((1.0, True), (100.0, False)):
        network = build([1, 1, 2], "tanh", Normal(0), np.random.default_rng(0), dtype=np.float64)
        w = network.parameters["0.W"]
        w[...], network.parameters["2.W"][...] = 0.01, [[last], [-last]]
        X, y = np.array([[1.0, -1.0, 1.0]]), np.array([0, 1, 1])  # not all right for any w
        before, _ = loss_and_gradients(network, X, y)
        w -= 0.5 * network.gradients["0.W"]
        after, _ = loss_and_gradients(network, X, y)
        assert (after < before) == falls


@pytest.mark.parametrize("share", [0.5, 1.0, 1.9])
def test_expected_loss_after_a_step_with_a_mini_batch(share: float) -> None:
    network, X, y, K = softmax_regression()
    rate, m = share / K, 2
    start = {name: theta.copy() for name, theta in network.parameters.items()}

    def gradient(chosen: list[int]) -> NDArray[np.float64]:
        loss_and_gradients(network, X[:, chosen], y[chosen])
        return np.concatenate([g.ravel() for g in network.gradients.values()])

    g = gradient([0, 1, 2, 3])
    before = cross_entropy(network.forward(X), y, 4)
    trace = np.mean([np.square(gradient([i]) - g).sum() for i in range(4)])
    after = []
    for batch in product(range(4), repeat=m):
        gradient(list(batch))
        for name, theta in network.parameters.items():
            np.subtract(theta, rate * network.gradients[name], out=theta)
        after.append(cross_entropy(network.forward(X), y, 4))
        for name, theta in network.parameters.items():
            theta[...] = start[name]
    bound = before - rate * (1 - share / 2) * g @ g + K * rate**2 / 2 * trace / m
    assert np.mean(after) <= bound
