"""The statements of docs/derivations/batch_mean.md: on symbols, by the code, and for sums that are rounded."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from numpy.typing import NDArray

from stages.nn.arrays import Array, Labels
from stages.nn.initializers import Normal
from stages.nn.network import Network
from stages.nn.parts import loss_and_gradients
from tests.networks import build

CLASSES, EXAMPLES = 2, 3
Z = sympy.Matrix(CLASSES, EXAMPLES, sympy.symbols("z:6", real=True))
LABELS = [0, 1, 1]


def losses(columns: Iterable[int]) -> Any:
    """Return the sum of the losses of some columns of Z."""
    return sum(sympy.log(sum(sympy.exp(z) for z in Z[:, k])) - Z[LABELS[k], k] for k in columns)


def test_the_factor_is_in_the_gradient_by_the_logits() -> None:
    J = losses(range(EXAMPLES)) / EXAMPLES
    for k in range(EXAMPLES):
        for i in range(CLASSES):
            a = sympy.exp(Z[i, k]) / sum(sympy.exp(z) for z in Z[:, k])
            assert sympy.simplify(sympy.diff(J, Z[i, k]) - (a - int(LABELS[k] == i)) / EXAMPLES) == 0


def test_blocks_with_the_factor_of_the_whole_add_up_and_their_own_means_with_their_shares() -> None:
    J = losses(range(EXAMPLES)) / EXAMPLES
    blocks = [[0], [1, 2]]
    assert sympy.expand(J - sum(losses(block) / EXAMPLES for block in blocks)) == 0
    means = [losses(block) / len(block) for block in blocks]
    assert (
        sympy.expand(J - sum(sympy.Rational(len(b), EXAMPLES) * mean for b, mean in zip(blocks, means, strict=True)))
        == 0
    )
    assert sympy.expand(J - sum(means) / 2) != 0


def gradient(network: Network, X: Array, y: Labels) -> NDArray[np.float64]:
    loss_and_gradients(network, X, y)
    return np.concatenate([part.ravel() for part in network.gradients.values()])


@pytest.mark.parametrize("block", [1, 3, 7])
def test_blocks_of_a_batch_add_up_to_the_mean_of_the_single_gradients(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    rng = np.random.default_rng(0)
    network = build([3, 4, 3], "tanh", Normal(0.7), rng, dtype=np.float64)
    X, y = rng.standard_normal((3, 7)), rng.integers(0, 3, 7)
    singles = np.array([gradient(network, X[:, [i]], y[[i]]) for i in range(7)])
    monkeypatch.setattr("stages.nn.parts.BLOCK", block)
    np.testing.assert_allclose(gradient(network, X, y), singles.mean(axis=0), rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [2, 3, 8, 100])
def test_any_order_of_a_sum_is_within_its_bound(count: int, dtype: type[np.floating[Any]]) -> None:
    rng = np.random.default_rng(count)
    u = Fraction(float(np.finfo(dtype).eps)) / 2
    for _ in range(200):
        terms = (rng.standard_normal(count) * 10.0 ** rng.integers(-4, 4, count)).astype(dtype)
        exact = sum(map(Fraction, terms.tolist()))
        bound = ((1 + u) ** (count - 1) - 1) * sum(abs(Fraction(term)) for term in terms.tolist())
        for order in (np.arange(count), np.arange(count)[::-1], rng.permutation(count)):
            total = terms[order[0]]
            for index in order[1:]:
                total = total + terms[index]
            assert abs(Fraction(float(total)) - exact) <= bound
