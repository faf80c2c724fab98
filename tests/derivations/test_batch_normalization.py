"""The identities of docs/derivations/batch_normalization.md, for rows of three and four numbers in all entries."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.batch_normalization import BatchNormalization
from stages.nn.layer import Start

w, b, epsilon, c, d = sympy.symbols("w b epsilon c d", positive=True)
x = sympy.Matrix(sympy.symbols("x:3", real=True))
g = sympy.Matrix(sympy.symbols("g:3", real=True))
ONES = sympy.ones(3, 1)
Q = sympy.eye(3) - ONES * ONES.T / 3
# numbers at which a root is rational, so that identities between roots are decided exactly: deviations 2, -1, -1
NUMBERS = {x[0]: 7, x[1]: 4, x[2]: 4}


def normalized(chi: Any, added: Any = epsilon) -> tuple[Any, Any]:
    """Return the normalized numbers and sigma, of a column of any length."""
    n = len(chi)
    centered = chi - sympy.ones(n, 1) * sum(chi) / n
    sigma = sympy.sqrt(sum(entry**2 for entry in centered) / n + added)
    return centered / sigma, sigma


N, sigma = normalized(x)
P = Q - N * N.T / 3


def is_zero(matrix: Any) -> bool:
    """Return whether all entries are 0 for all x and epsilon, in which epsilon is expressed by sigma, a free symbol."""
    s = sympy.Symbol("s", positive=True)
    return all(sympy.expand(sympy.sympify(entry).subs(epsilon, s**2 - sigma**2 + epsilon)) == 0 for entry in matrix)


def test_centering_is_a_symmetric_projection_without_the_ones() -> None:
    assert Q == Q.T == Q * Q
    assert Q * ONES == sympy.zeros(3, 1)


def test_the_differential_is_the_projection_over_sigma() -> None:
    assert is_zero(sympy.Matrix([sigma]).jacobian(x) - N.T / 3)
    assert is_zero(N.jacobian(x) - P / sigma)


def test_the_norm_and_the_mean_of_the_normalized_numbers() -> None:
    assert is_zero([sum(N), sum(entry**2 for entry in N) - 3 * (1 - epsilon / sigma**2)])


def test_what_it_does_to_the_ones_and_to_the_normalized_numbers() -> None:
    assert is_zero(P * ONES)
    assert is_zero(P * N - epsilon / sigma**2 * N)
    assert P == P.T


def test_without_epsilon_it_is_an_orthogonal_projection_of_rank_two_less() -> None:
    for numbers in ([7, 4, 4], [1, 2, 3], [1, 2, 4, 9]):
        chi = sympy.Matrix(numbers)
        n = len(numbers)
        hat, _ = normalized(chi, 0)
        projection = sympy.eye(n) - sympy.ones(n, n) / n - hat * hat.T / n
        assert (projection * projection - projection).applyfunc(sympy.nsimplify) == sympy.zeros(n, n)
        assert projection.trace() == n - 2  # of a projection, the rank


def test_with_epsilon_it_is_the_identity_across_both() -> None:
    across = sympy.Matrix([0, 1, -1])  # at a right angle to the ones, and to 2, -1, -1
    assert (P * across - across).subs(NUMBERS).applyfunc(sympy.simplify) == sympy.zeros(3, 1)


def test_without_epsilon_neither_a_shift_nor_a_factor_is_seen() -> None:
    changed = c * x + d * ONES
    assert (Q * changed - c * Q * x).expand() == sympy.zeros(3, 1)
    assert sympy.expand((changed.T * Q * changed)[0] - c**2 * (x.T * Q * x)[0]) == 0
    at = NUMBERS | {c: 5, d: -3}
    assert normalized(changed, 0)[0].subs(at) == normalized(x, 0)[0].subs(at)


def test_the_gradient_by_input_scale_and_shift() -> None:
    z = w * N + b * ONES
    free = sympy.Matrix(sympy.symbols("z:3", real=True))
    loss = free[0] * free[1] + free[2] ** 2 + (g.T * free)[0]
    at = dict(zip(free, z, strict=True))
    J, gradient = loss.subs(at), sympy.Matrix(loss.diff(free)).subs(at)
    by_scale, by_shift = (N.T * gradient)[0], sum(gradient)
    assert is_zero([J.diff(w) - by_scale, J.diff(b) - by_shift])
    projected = w / sigma * P * gradient
    assert is_zero(projected - w / sigma * (gradient - (by_shift * ONES + by_scale * N) / 3))
    assert is_zero(sympy.Matrix(J.diff(x)) - projected)


def test_backward_of_the_code_run_on_symbols() -> None:
    layer = BatchNormalization((1,), Start(np.random.default_rng(0)))
    layer.parameters = {"gamma": np.array([[w]]), "beta": np.array([[b]])}
    layer._N, layer._scale, layer._count = np.array(N.T), np.array([[1 / sigma]]), 3
    dX = layer.backward(np.array(g.T))
    assert dX is not None
    assert is_zero(sympy.Matrix(dX) - (w / sigma * P * g).T)
    assert is_zero([layer.gradients["gamma"][0, 0] - (N.T * g)[0], layer.gradients["beta"][0, 0] - sum(g)])


def test_the_bias_before_it_has_gradient_0_and_the_weights_none_along_themselves() -> None:
    weights = sympy.Matrix([sympy.symbols("v:2", real=True)])
    features = sympy.Matrix([[1, 2, 4], [0, 3, -1]])
    bias = sympy.Symbol("bias", real=True)
    chi = (weights * features).T + bias * ONES
    assert normalized(chi)[0].diff(bias).applyfunc(sympy.expand) == sympy.zeros(3, 1)
    exact = sum(k * entry + entry**3 for k, entry in enumerate(normalized(chi, 0)[0], start=1))
    along = sum(weight * exact.diff(weight) for weight in weights)
    assert sympy.simplify(along.subs({weights[0]: 2, weights[1]: 5})) == 0
    assert sympy.simplify(exact.diff(weights[0]).subs({weights[0]: 2, weights[1]: 5})) != 0


@pytest.mark.parametrize("m", [2, 3])
def test_the_divisor_of_what_is_kept_is_unbiased(m: int) -> None:
    """Over all ways to draw m numbers out of three, each drawn independently."""
    mean = sum(x) / 3
    variance = sum((entry - mean) ** 2 for entry in x) / 3
    drawn = [sympy.Matrix(chosen) for chosen in product(x, repeat=m)]
    squares = sum(sum((entry - sum(chi) / m) ** 2 for entry in chi) for chi in drawn) / len(drawn)
    assert sympy.expand(squares / (m - 1) - variance) == 0
    assert sympy.expand(squares / m - variance) != 0


def test_prediction_behind_an_affine_layer_is_one_affine_layer() -> None:
    mean, deviation, weight, bias, feature = sympy.symbols("mean deviation weight bias feature", positive=True)
    two = w / deviation * (weight * feature + bias - mean) + b
    one = (w / deviation * weight) * feature + (w / deviation * (bias - mean) + b)
    assert sympy.expand(two - one) == 0


def test_the_share_of_the_start_after_66_batches() -> None:
    kept = sympy.Symbol("start")
    for _ in range(66):
        kept = sympy.Rational(9, 10) * kept + sympy.Rational(1, 10) * 5
    assert sympy.Poly(kept, sympy.Symbol("start")).LC() == sympy.Rational(9, 10) ** 66 < sympy.Rational(1, 1000)
    assert sympy.Rational(9, 10) ** 65 > sympy.Rational(1, 1000)


def test_two_numbers_become_signs_and_one_becomes_0() -> None:
    first, second = sympy.symbols("first second", real=True)
    hat, _ = normalized(sympy.Matrix([first, second]), 0)
    for numbers in ((3, 1), (-2, 5)):
        at = dict(zip((first, second), numbers, strict=True))
        assert [sympy.sign(n - sum(numbers) / sympy.Integer(2)) for n in numbers] == list(hat.subs(at))
    assert normalized(sympy.Matrix([first]))[0] == sympy.zeros(1, 1)


def test_the_gradient_of_equal_numbers() -> None:
    at = {x[0]: 4, x[1]: 4, x[2]: 4}
    assert (P / sigma).subs(at) == Q / sympy.sqrt(epsilon)
    assert 300 < 1 / np.sqrt(1e-5) < 320
