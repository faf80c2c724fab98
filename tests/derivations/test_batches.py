"""The moments of docs/derivations/batches.md: exactly, over all batches of symbolic gradients, and by simulation."""

from collections.abc import Iterable
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import sympy
from numpy.typing import NDArray

from stages.nn.arrays import Array, Labels
from stages.nn.batches import epoch_batches
from stages.nn.initializers import Normal
from stages.nn.network import Network
from stages.nn.optimizers import GradientDescent
from stages.nn.parts import loss_and_gradients
from stages.nn.schedules import Constant
from stages.nn.training import Trainer, fit
from tests.networks import build

N = 4
SINGLE = [sympy.Matrix(sympy.symbols(f"g{i}_:2")) for i in range(N)]


def mean(values: list[Any]) -> Any:
    return sum(values[1:], values[0]) / len(values)


def square(g: Any) -> Any:
    return (g.T * g)[0]


def batch_gradients(batches: Iterable[tuple[int, ...]]) -> list[Any]:
    return [mean([SINGLE[i] for i in batch]) for batch in batches]


g = mean(SINGLE)
trace = mean([square(single - g) for single in SINGLE])


@pytest.mark.parametrize("m", [1, 2, 3])
def test_with_replacement(m: int) -> None:
    drawn = batch_gradients(product(range(N), repeat=m))
    assert sympy.expand(mean(drawn) - g) == sympy.zeros(2, 1)
    assert sympy.expand(mean([square(each) for each in drawn]) - square(g) - trace / m) == 0


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_without_replacement(m: int) -> None:
    drawn = batch_gradients(combinations(range(N), m))
    correction = sympy.Rational(N - m, N - 1)
    assert sympy.expand(mean(drawn) - g) == sympy.zeros(2, 1)
    assert sympy.expand(mean([square(each) for each in drawn]) - square(g) - correction * trace / m) == 0


def test_covariance_of_two_different_examples() -> None:
    pairs = [((SINGLE[i] - g).T * (SINGLE[j] - g))[0] for i in range(N) for j in range(N) if i != j]
    assert sympy.expand(mean(pairs) + trace / (N - 1)) == 0


@pytest.mark.parametrize("m", [1, 2, 4])
def test_steps_of_an_epoch_add_up_to_more_for_smaller_batches(m: int) -> None:
    for order in ((0, 1, 2, 3), (2, 0, 3, 1)):
        steps = batch_gradients(order[start : start + m] for start in range(0, N, m))
        assert sympy.expand(sum(steps[1:], steps[0]) - sympy.Rational(N, m) * g) == sympy.zeros(2, 1)


@pytest.mark.parametrize("m", [2, 5, 20])
def test_way_of_an_epoch_of_training(m: int) -> None:
    rng = np.random.default_rng(0)
    network = build([3, 4, 3], "tanh", Normal(0.7), rng, dtype=np.float64)
    X, y = rng.standard_normal((3, 20)), rng.integers(0, 3, 20)
    whole = gradient(network, X, y)
    before = np.concatenate([theta.ravel() for theta in network.parameters.values()])
    rate = 1e-7
    trainer = Trainer(network, GradientDescent(), rate, Constant(), 20 // m)
    list(fit(trainer, X, y, m, rng))
    after = np.concatenate([theta.ravel() for theta in network.parameters.values()])
    np.testing.assert_allclose((after - before) / rate, -20 / m * whole, rtol=0, atol=1e-4)


def gradient(network: Network, X: Array, y: Labels) -> NDArray[np.float64]:
    loss_and_gradients(network, X, y)
    return np.concatenate([part.ravel() for part in network.gradients.values()])


def test_first_batch_of_an_epoch_of_a_network() -> None:
    rng = np.random.default_rng(0)
    examples, m, draws = 20, 6, 2000
    network = build([3, 4, 3], "tanh", Normal(0.7), rng, dtype=np.float64)
    X, y = rng.standard_normal((3, examples)), rng.integers(0, 3, examples)
    whole = gradient(network, X, y)
    noise = np.mean([np.square(gradient(network, X[:, [i]], y[[i]]) - whole).sum() for i in range(examples)])

    drawn = [next(epoch_batches(examples, m, rng)) for _ in range(draws)]
    errors = np.array([gradient(network, X[:, chosen], y[chosen]) - whole for chosen in drawn])
    squares = np.square(errors).sum(axis=1)
    formula = noise / m * (examples - m) / (examples - 1)
    assert abs(squares.mean() - formula) < 5 * squares.std(ddof=1) / np.sqrt(draws)
    assert np.all(np.abs(errors.mean(axis=0)) < 5 * errors.std(axis=0, ddof=1) / np.sqrt(draws))
