"""The identities of docs/derivations/tanh.md."""

import numpy as np
import sympy

from stages.nn.tanh import tanh_backward

z = sympy.Symbol("z", real=True)
TANH = (sympy.exp(z) - sympy.exp(-z)) / (sympy.exp(z) + sympy.exp(-z))


def test_derivative() -> None:
    assert sympy.simplify(TANH.diff(z) - (1 - TANH**2)) == 0


def test_derivative_in_exponentials() -> None:
    assert sympy.simplify(TANH.diff(z) - 4 / (sympy.exp(z) + sympy.exp(-z)) ** 2) == 0


def test_difference_that_bounds_the_derivative_is_a_square() -> None:
    difference = sympy.exp(z) + sympy.exp(-z) - 2 - (sympy.exp(z / 2) - sympy.exp(-z / 2)) ** 2
    assert sympy.expand(difference) == 0


def test_stable_form_is_tanh_for_both_signs() -> None:
    p = sympy.Symbol("p", positive=True)
    stable = (1 - sympy.exp(-2 * p)) / (1 + sympy.exp(-2 * p))
    assert sympy.simplify(TANH.subs(z, p) - stable) == 0
    assert sympy.simplify(TANH.subs(z, -p) + stable) == 0


def test_code_run_on_symbols_gives_the_gradient() -> None:
    Z = sympy.Matrix(2, 2, sympy.symbols("z:4", real=True))
    C = sympy.Matrix(2, 2, sympy.symbols("c:4"))
    A = Z.applyfunc(sympy.tanh)
    J = sum(c * a**2 for c, a in zip(C, A, strict=True)) + A[0, 0] * A[1, 1]
    dA = sympy.Matrix(2, 2, [2 * c * a for c, a in zip(C, A, strict=True)])
    dA[0, 0] += A[1, 1]
    dA[1, 1] += A[0, 0]
    dZ = sympy.Matrix(tanh_backward(np.array(A), np.array(dA)))
    assert sympy.expand(sympy.Matrix(J.diff(Z)) - dZ) == sympy.zeros(2, 2)
