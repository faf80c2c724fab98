"""The identities of docs/derivations/weight_decay.md, proved in all entries, and the steps of the code."""

from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.arrays import Array
from stages.nn.initializers import Uniform
from stages.nn.optimizers import Adam, GradientDescent, Momentum, Optimizer
from stages.nn.schedules import Constant
from stages.nn.training import Trainer
from tests.networks import build

lam, eta, mu, h = sympy.symbols("lambda eta mu h", positive=True)


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


def test_minimum_of_a_penalized_parabola() -> None:
    first, second = sympy.symbols("h1 h2", positive=True)
    Q = sympy.Matrix([[3, -4], [4, 3]]) / 5
    H = Q * sympy.diag(first, second) * Q.T
    w, best = sympy.Matrix(sympy.symbols("w:2")), sympy.Matrix(sympy.symbols("c:2"))
    loss = ((w - best).T * H * (w - best))[0] / 2 + lam / 2 * (w.T * w)[0]
    minimum = (H + lam * sympy.eye(2)).inv() * H * best
    at_minimum = sympy.Matrix(loss.diff(w)).subs(dict(zip(w, minimum, strict=True)))
    assert at_minimum.applyfunc(sympy.cancel) == sympy.zeros(2, 1)
    shrunk = sympy.diag(first / (first + lam), second / (second + lam)) * Q.T * best
    assert (Q.T * minimum - shrunk).applyfunc(sympy.cancel) == sympy.zeros(2, 1)


def unused_weights(optimizer: Optimizer, updates: int, decay: float) -> tuple[Array, Array]:
    """Return the weights of a feature that is always 0, before and after training with the rate 0.01."""
    network = build([3, 4, 3], "tanh", Uniform(), np.random.default_rng(0), dtype=np.float64)
    X = np.random.default_rng(1).standard_normal((3, 10))
    X[0] = 0
    start = network.parameters["W1"][:, 0].copy()
    trainer = Trainer(network, optimizer, 0.01, Constant(), updates, decay)
    for _ in range(updates):
        trainer.step(X, np.arange(10) % 3)
    return start, network.parameters["W1"][:, 0]


def test_gradient_descent_decays_unused_weights_geometrically() -> None:
    start, end = unused_weights(GradientDescent(), 10, 0.5)
    np.testing.assert_allclose(end, (1 - 0.01 * 0.5) ** 10 * start, rtol=1e-13)


def test_momentum_decays_them_more() -> None:
    start, end = unused_weights(Momentum(0.9), 2, 0.5)
    after_one = (1 - 0.01 * 0.5) * start
    np.testing.assert_allclose(end, after_one - 0.01 * 0.5 * (after_one + 0.9 * start), rtol=1e-13)


@pytest.mark.parametrize("decay", [0.001, 0.5])
def test_first_step_of_adam_hardly_depends_on_weight_and_lambda(decay: float) -> None:
    start, end = unused_weights(Adam(epsilon=1e-8), 1, decay)
    np.testing.assert_allclose(end - start, -0.01 * start / (np.abs(start) + 1e-8 / decay), rtol=1e-9)
    np.testing.assert_allclose(end - start, -0.01 * np.sign(start), rtol=1e-3)
