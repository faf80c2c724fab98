"""The identities of docs/derivations/sigmoid.md."""

from typing import Any

import numpy as np
import sympy

from stages.nn.sigmoid import sigmoid_backward

z = sympy.Symbol("z", real=True)


def sigma(z: Any) -> Any:
    return 1 / (1 + sympy.exp(-z))


def test_derivative() -> None:
    assert sympy.simplify(sigma(z).diff(z) - sigma(z) * (1 - sigma(z))) == 0


def test_symmetry() -> None:
    assert sympy.simplify(1 - sigma(z) - sigma(-z)) == 0


def test_derivative_is_a_quarter_minus_a_square() -> None:
    a = sympy.Symbol("a")
    assert sympy.expand(a * (1 - a) - (sympy.Rational(1, 4) - (a - sympy.Rational(1, 2)) ** 2)) == 0
    assert sympy.solve(sympy.Eq(sigma(z), sympy.Rational(1, 2)), z) == [0]


def test_form_by_tanh() -> None:
    assert sympy.simplify(sigma(z) - (1 + sympy.tanh(z / 2).rewrite(sympy.exp)) / 2) == 0


def test_code_run_on_symbols_gives_the_gradient() -> None:
    Z = sympy.Matrix(2, 2, sympy.symbols("z:4", real=True))
    C = sympy.Matrix(2, 2, sympy.symbols("c:4"))
    A = Z.applyfunc(sigma)
    J = sum(c * a**2 for c, a in zip(C, A, strict=True)) + A[0, 0] * A[1, 1]
    dA = sympy.Matrix(2, 2, [2 * c * a for c, a in zip(C, A, strict=True)])
    dA[0, 0] += A[1, 1]
    dA[1, 1] += A[0, 0]
    dZ = sympy.Matrix(sigmoid_backward(np.array(A), np.array(dA)))
    assert sympy.simplify(sympy.Matrix(J.diff(Z)) - dZ) == sympy.zeros(2, 2)
