"""The statements of docs/derivations/relu.md, for every pattern of signs of four entries, and at 0."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.relu import relu, relu_backward

h = sympy.Symbol("h", positive=True)
g = sympy.Symbol("g", real=True)


def rho(z: Any) -> Any:
    return sympy.Max(z, 0)


@pytest.mark.parametrize("positive", list(product([True, False], repeat=4)))
def test_gradient_is_masked_by_the_sign(positive: tuple[bool, ...]) -> None:
    Z = sympy.Matrix(2, 2, [sympy.Symbol(f"z{i}", positive=p, negative=not p) for i, p in enumerate(positive)])
    C = sympy.Matrix(2, 2, sympy.symbols("c:4"))
    A = Z.applyfunc(rho)
    J = sum(c * a**2 for c, a in zip(C, A, strict=True)) + A[0, 0] * A[1, 1]
    dA = sympy.Matrix(2, 2, [2 * c * a for c, a in zip(C, A, strict=True)])
    dA[0, 0] += A[1, 1]
    dA[1, 1] += A[0, 0]
    mask = sympy.Matrix(2, 2, [int(p) for p in positive])
    masked = sympy.matrices.dense.matrix_multiply_elementwise(dA, mask)
    assert sympy.expand(sympy.Matrix(J.diff(Z)) - masked) == sympy.zeros(2, 2)


def test_code_masks_by_the_sign_and_takes_0_at_0() -> None:
    Z = np.array([[-2.0, -1e-300, 0.0], [1e-300, 0.3, 5.0]])
    np.testing.assert_array_equal(relu(Z), [[0, 0, 0], [1e-300, 0.3, 5]])
    np.testing.assert_array_equal(relu_backward(relu(Z), np.full((2, 3), 7.0)), [[0, 0, 0], [7, 7, 7]])


def test_no_derivative_at_0() -> None:
    assert sympy.limit((rho(h) - rho(0)) / h, h, 0) == 1
    assert sympy.limit((rho(-h) - rho(0)) / -h, h, 0) == 0


def test_subdifferential_at_0_is_the_interval_from_0_to_1() -> None:
    # rho(x) >= g x, for x = h > 0 and for x = -h < 0
    right = sympy.simplify((rho(h) - g * h) / h) >= 0
    left = sympy.simplify((rho(-h) + g * h) / h) >= 0
    assert sympy.reduce_inequalities([right, left], g).as_set() == sympy.Interval(0, 1)


def test_central_difference_at_0_is_a_half() -> None:
    assert (rho(h) - rho(-h)) / (2 * h) == sympy.Rational(1, 2)
