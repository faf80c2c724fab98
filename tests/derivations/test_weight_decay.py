"""The identities of docs/derivations/weight_decay.md, proved in all entries, and the steps of the code."""

from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.arrays import Array
from stages.nn.cross_entropy import cross_entropy
from stages.nn.initializers import Uniform
from stages.nn.optimizers import Adam, GradientDescent, Momentum, Nesterov, Optimizer
from stages.nn.parts import loss_and_gradients
from stages.nn.schedules import Constant
from stages.nn.training import Trainer
from tests.networks import affine, build, network_of

lam, eta, mu = sympy.symbols("lambda eta mu", positive=True)


def test_gradient_of_the_penalty() -> None:
    W = sympy.Matrix(2, 3, sympy.symbols("w:2:3"))
    penalty = lam / 2 * (W.T * W).trace()
    assert sympy.expand(sympy.Matrix(penalty.diff(W)) - lam * W) == sympy.zeros(2, 3)


def test_forms_coincide_for_gradient_descent_and_not_for_momentum() -> None:
    w, g1, g2 = sympy.symbols("w g1 g2")
    coupled = decoupled = w
    v_coupled = v_decoupled = sympy.Integer(0)
    weights: list[Any] = []
    for g in (g1, g2):
        assert sympy.expand(coupled - eta * (g + lam * coupled) - ((1 - eta * lam) * coupled - eta * g)) == 0
        weights.insert(0, coupled)
        v_coupled, v_decoupled = mu * v_coupled + g + lam * coupled, mu * v_decoupled + g
        decay = lam * sum(mu**j * past for j, past in enumerate(weights))
        assert sympy.expand(v_coupled - v_decoupled - decay) == 0
        coupled, decoupled = coupled - eta * v_coupled, (1 - eta * lam) * decoupled - eta * v_decoupled
    assert sympy.expand(coupled - decoupled + eta * lam * mu * w) == 0


def test_decay_of_momentum_and_nesterov_in_weights_of_the_past() -> None:
    past, nine_tenths = sympy.symbols("w0:4"), sympy.Rational(9, 10)
    optimizers: list[Optimizer] = [Momentum(nine_tenths), Nesterov(nine_tenths)]
    states = [optimizer.start(np.array([sympy.Integer(0)])) for optimizer in optimizers]
    for t, latest in enumerate(past, 1):
        weighted = lam * sum(nine_tenths**j * past[t - 1 - j] for j in range(t))
        expected = (weighted, lam * latest + nine_tenths * weighted)
        for optimizer, state, decay in zip(optimizers, states, expected, strict=True):
            theta = np.array([sympy.Integer(0)])
            optimizer.step(theta, np.array([lam * latest]), state, 1, t)
            assert sympy.expand(theta[0] + decay) == 0


def test_minimum_of_a_parabola_whose_weights_are_penalized() -> None:
    first, second = sympy.symbols("gamma1 gamma2", positive=True)
    Q = sympy.Matrix([[3, -4], [4, 3]]) / 5
    curvature = Q * sympy.diag(first, second) * Q.T  # of the weights when the biases follow
    # two biases that only their difference matters for, as behind a softmax: their block has no inverse
    block, cross = sympy.Matrix([[2, -2], [-2, 2]]), sympy.Matrix([[1, -1], [3, -3]])
    weights = curvature + cross * block.pinv() * cross.T
    whole = sympy.Matrix.vstack(sympy.Matrix.hstack(weights, cross), sympy.Matrix.hstack(cross.T, block))
    w, b = sympy.Matrix(sympy.symbols("w:2")), sympy.Matrix(sympy.symbols("b:2"))
    w_best, b_best = sympy.Matrix(sympy.symbols("c:2")), sympy.Matrix(sympy.symbols("d:2"))
    moved = sympy.Matrix.vstack(w - w_best, b - b_best)
    loss = (moved.T * whole * moved)[0] / 2 + lam / 2 * (w.T * w)[0]

    w_found = (curvature + lam * sympy.eye(2)).inv() * curvature * w_best
    b_found = b_best - block.pinv() * cross.T * (w_found - w_best)
    at = dict(zip([*w, *b], [*w_found, *b_found], strict=True))
    for theta in (w, b):
        assert sympy.Matrix(loss.diff(theta)).subs(at).applyfunc(sympy.cancel) == sympy.zeros(2, 1)
    shrunk = sympy.diag(first / (first + lam), second / (second + lam)) * Q.T * w_best
    assert (Q.T * w_found - shrunk).applyfunc(sympy.cancel) == sympy.zeros(2, 1)
    # with the biases penalized the minimum is another
    both = (whole + lam * sympy.eye(4)).subs({first: 1, second: 2, lam: 1}).inv() * whole.subs({first: 1, second: 2})
    biases_too = (both * sympy.Matrix.vstack(w_best, b_best))[:2, :]
    assert sympy.expand(biases_too - w_found.subs({first: 1, second: 2, lam: 1})) != sympy.zeros(2, 1)


def test_all_last_biases_may_be_shifted() -> None:
    network = build([4, 5, 3], "tanh", Uniform(), np.random.default_rng(0), dtype=np.float64)
    X, y = np.random.default_rng(1).standard_normal((4, 6)), np.arange(6) % 3
    before = cross_entropy(network.forward(X), y, 6)
    network.parameters["2.b"][...] += 7.0
    assert cross_entropy(network.forward(X), y, 6) == pytest.approx(before, rel=1e-13)


def separable(decay: float, updates: int, start: float) -> tuple[float, float]:
    """Return the loss and the squared norm of the weights of a softmax regression of examples that a line separates."""
    X, y = np.array([[-2.0, -1.0, 1.0, 3.0]]), np.array([0, 0, 1, 1])
    network = network_of(affine(start * np.array([[-1.0], [1.0]]), np.zeros((2, 1))))
    trainer = Trainer(network, GradientDescent(), 0.1, Constant(), updates, decay)
    for _ in range(updates):
        trainer.step(X, y)
    return loss_and_gradients(network, X, y)[0], float(np.square(network.parameters["0.W"]).sum())


def test_separable_examples_have_no_minimum_without_decay() -> None:
    losses = [separable(0.0, 0, start)[0] for start in (1.0, 3.0, 10.0)]
    assert losses[0] > 10 * losses[1] > 100 * losses[2] > 0
    grown = [separable(0.0, updates, 1.0)[1] for updates in (0, 100, 1000)]
    assert grown[0] < grown[1] < grown[2]


@pytest.mark.parametrize("decay", [0.01, 0.1, 1.0])
def test_decay_bounds_the_weights_by_the_loss_of_no_weights(decay: float) -> None:
    assert separable(decay, 3000, 1.0)[1] < 2 / decay * np.log(2)
    from_far = separable(decay, 3000, 10.0)
    from_near = separable(decay, 3000, 0.1)
    if decay > 0.01:  # the one minimum has been reached
        assert from_far[1] == pytest.approx(from_near[1], rel=1e-6)


def unused_weights(optimizer: Optimizer, updates: int, decay: float, decoupled: bool = False) -> tuple[Array, Array]:
    """Return the weights of a feature that is always 0, before and after training with the rate 0.01."""
    network = build([3, 4, 3], "tanh", Uniform(), np.random.default_rng(0), dtype=np.float64)
    X = np.random.default_rng(1).standard_normal((3, 10))
    X[0] = 0
    start = network.parameters["0.W"][:, 0].copy()
    trainer = Trainer(network, optimizer, 0.01, Constant(), updates, decay, decoupled_decay=decoupled)
    for _ in range(updates):
        trainer.step(X, np.arange(10) % 3)
    return start, network.parameters["0.W"][:, 0]


def test_gradient_descent_decays_unused_weights_geometrically() -> None:
    start, end = unused_weights(GradientDescent(), 10, 0.5)
    np.testing.assert_allclose(end, (1 - 0.01 * 0.5) ** 10 * start, rtol=1e-13)


def test_momentum_decays_them_more() -> None:
    start, end = unused_weights(Momentum(0.9), 2, 0.5)
    after_one = (1 - 0.01 * 0.5) * start
    np.testing.assert_allclose(end, after_one - 0.01 * 0.5 * (after_one + 0.9 * start), rtol=1e-13)


@pytest.mark.parametrize(("optimizer", "factor"), [(GradientDescent(), 1), (Momentum(0.9), 1), (Nesterov(0.9), 1.9)])
def test_first_decay(optimizer: Optimizer, factor: float) -> None:
    start, end = unused_weights(optimizer, 1, 0.5)
    np.testing.assert_allclose(end, (1 - 0.01 * 0.5 * factor) * start, rtol=1e-13)


@pytest.mark.parametrize("optimizer", [Momentum(0.9), Nesterov(0.9)])
def test_momentum_and_nesterov_decay_ten_times_faster_in_the_end(optimizer: Optimizer) -> None:
    earlier, later = (unused_weights(optimizer, updates, 1e-3)[1] for updates in (200, 201))
    np.testing.assert_allclose(1 - later / earlier, 10 * 0.01 * 1e-3, rtol=0.01)


def test_decoupled_weights_come_below_the_bound() -> None:
    c, before = sympy.symbols("c w", positive=True)
    after = (1 - eta * lam) * before + eta * c
    assert sympy.simplify(after - c / lam - (1 - eta * lam) * (before - c / lam)) == 0
    start, end = unused_weights(Adam(), 50, 0.5, decoupled=True)
    np.testing.assert_allclose(end, (1 - 0.01 * 0.5) ** 50 * start, rtol=1e-12)


def test_the_largest_entry_of_a_step_of_adam() -> None:
    beta1, beta2, updates = 0.9, 0.999, 400
    bound = (1 - beta1) / np.sqrt((1 - beta2) * (1 - beta1**2 / beta2))
    # the gradients with which Cauchy and Schwarz is an equality, the last one first
    gradients = ((beta1 / beta2) ** np.arange(updates))[::-1]
    v, s = 0.0, 0.0
    for g in gradients:
        v, s = beta1 * v + (1 - beta1) * g, beta2 * s + (1 - beta2) * g**2
    assert bound == pytest.approx(7.27, abs=0.01)
    assert v / np.sqrt(s) == pytest.approx(bound, rel=1e-6)
    corrections = [np.sqrt(1 - beta2**t) / (1 - beta1**t) for t in range(1, 10_000)]
    assert max(corrections) <= 1


@pytest.mark.parametrize("decay", [0.001, 0.5])
def test_first_step_of_adam_hardly_depends_on_weight_and_lambda(decay: float) -> None:
    start, end = unused_weights(Adam(epsilon=1e-8), 1, decay)
    np.testing.assert_allclose(end - start, -0.01 * start / (np.abs(start) + 1e-8 / decay), rtol=1e-9)
    np.testing.assert_allclose(end - start, -0.01 * np.sign(start), rtol=1e-3)
