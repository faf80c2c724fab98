"""The statements of docs/derivations/dropout.md: exact, over all masks of three inputs, and by simulation."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.dropout import Dropout
from stages.nn.layer import Start

p = sympy.Symbol("p", positive=True)
A = sympy.Matrix(sympy.symbols("a:3"))
W = sympy.Matrix(2, 3, sympy.symbols("w:2:3"))
b = sympy.Matrix(sympy.symbols("b:2"))
MASKS = [
    (sympy.prod([1 - p if keep else p for keep in kept]), sympy.Matrix(kept) / (1 - p))
    for kept in product((0, 1), repeat=3)
]


def expectation(function: Callable[[Any], Any]) -> Any:
    terms = [probability * function(mask) for probability, mask in MASKS]
    return sum(terms[1:], terms[0])


def is_zero(*entries: Any) -> bool:
    return all(sympy.cancel(entry) == 0 for entry in entries)


def dropped(mask: Any) -> Any:
    return A.multiply_elementwise(mask)


def squares(matrix: Any) -> Any:
    return matrix.applyfunc(lambda entry: entry**2)


def test_mean_and_variance() -> None:
    assert is_zero(expectation(lambda mask: 1) - 1)
    assert is_zero(*(expectation(dropped) - A))
    variance = expectation(lambda mask: squares(dropped(mask) - A))
    assert is_zero(*(variance - p / (1 - p) * squares(A)))


def test_next_affine_layer() -> None:
    mean = W * A + b
    assert is_zero(*(expectation(lambda mask: W * dropped(mask) + b) - mean))
    variance = expectation(lambda mask: squares(W * dropped(mask) + b - mean))
    assert is_zero(*(variance - p / (1 - p) * squares(W) * squares(A)))


def test_gradient_steps_of_the_two_forms_differ_by_a_square() -> None:
    eta = sympy.Symbol("eta")
    zeros_and_ones = sympy.Matrix(sympy.symbols("k:3"))
    original = sympy.Matrix(2, 3, sympy.symbols("v:2:3"))  # W'

    def loss(z: Any) -> Any:
        return z[0] ** 3 + z[0] * z[1] ** 2

    z_inverted = W * dropped(zeros_and_ones / (1 - p)) + b
    z_original = original * dropped(zeros_and_ones) + b
    same = dict(zip(original, W / (1 - p), strict=True))
    assert is_zero(*(z_original.subs(same) - z_inverted))
    gradient = sympy.Matrix(loss(z_inverted).diff(W))
    by_original = sympy.Matrix(loss(z_original).diff(original)).subs(same)
    after = (1 - p) * (W / (1 - p) - eta * by_original)
    assert is_zero(*(after - (W - eta * (1 - p) ** 2 * gradient)))
    assert not is_zero(*(after - (W - eta * gradient)))
    assert is_zero(*(sympy.Matrix(loss(z_original).diff(b)).subs(same) - sympy.Matrix(loss(z_inverted).diff(b))))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3, 0.5, 0.7, 0.999])
def test_probability_of_a_zero_is_the_rate_to_24_bits(rate: float) -> None:
    multiples = np.arange(2**24, dtype=np.float32) / np.float32(2**24)
    assert abs((multiples < rate).mean() - rate) < 2**-24
    drawn = np.random.default_rng(0).random(10_000, np.float32)
    np.testing.assert_array_equal(drawn * 2**24 % 1, 0)
    assert (drawn * 2**24 % 2).any()


def test_squared_error_becomes_weight_decay() -> None:
    y = sympy.Matrix(sympy.symbols("y:2"))
    error = expectation(lambda mask: sum(squares(y - W * dropped(mask))))
    decay = p / (1 - p) * sum(A[j] ** 2 * sum(squares(W[:, j])) for j in range(3))
    assert is_zero(error - sum(squares(y - W * A)) - decay)


def test_gradient_is_masked_alike() -> None:
    mask = sympy.Matrix(sympy.symbols("m:3"))
    D = sympy.Matrix(sympy.symbols("d:3"))
    loss = sympy.sin((W * D)[0]) * (W * D)[1] ** 2
    at = dict(zip(D, dropped(mask), strict=True))
    derived = sympy.Matrix(loss.diff(D)).subs(at).multiply_elementwise(mask)
    assert sympy.expand(sympy.Matrix(loss.subs(at).diff(A)) - derived) == sympy.zeros(3, 1)


def test_prediction_is_the_geometric_mean_of_a_softmax_layer() -> None:
    mean = W * A + b
    # the log-ratio of two softmax probabilities is the difference of their logits
    ratio = expectation(lambda mask: (W * dropped(mask) + b)[0] - (W * dropped(mask) + b)[1])
    assert is_zero(ratio - (mean[0] - mean[1]))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layer_has_this_mean_and_mean_square(rate: float, dtype: type[np.floating[Any]]) -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((4, 1)).astype(dtype)
    draws = 40_000
    layer = Dropout((4,), Start(rng), rate=rate)
    D = layer.forward(np.repeat(a, draws, axis=1), rng).astype(np.float64)
    for sample, expected in ((D, a), (D**2, a**2 / (1 - rate))):
        error = sample.std(axis=1, ddof=1) / np.sqrt(draws)
        assert np.all(np.abs(sample.mean(axis=1) - expected[:, 0]) < 5 * error)
    # the gradient is scaled where the entry was kept, and 0 where it was not
    dA = layer.backward(np.ones_like(a, shape=D.shape))
    assert dA is not None
    np.testing.assert_allclose(dA, np.where(D == 0, 0, 1 / (1 - rate)), rtol=1e-6)
