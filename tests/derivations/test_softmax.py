"""The identities of docs/derivations/softmax.md, proved for three classes in all entries."""

from typing import Any

import numpy as np
import sympy

from stages.nn.softmax import softmax_backward

z = sympy.Matrix(sympy.symbols("z:3", real=True))
v = sympy.Matrix(sympy.symbols("v:3", real=True))
p, q = sympy.symbols("p q", positive=True)
a = sympy.Matrix([p, q, 1 - p - q])
ones = sympy.ones(3, 1)


def softmax(z: Any) -> Any:
    exponentials = z.applyfunc(sympy.exp)
    return exponentials / sum(exponentials)


def jacobian(a: Any) -> Any:
    return sympy.diag(*a) - a * a.T


def test_jacobian() -> None:
    assert sympy.simplify(softmax(z).jacobian(z) - jacobian(softmax(z))) == sympy.zeros(3, 3)


def test_quadratic_form_is_a_variance() -> None:
    mean = (a.T * v)[0]
    variance = sum(weight * (value - mean) ** 2 for weight, value in zip(a, v, strict=True))
    assert sympy.expand((v.T * jacobian(a) * v)[0] - variance) == 0


def test_null_space_is_the_span_of_ones() -> None:
    S = jacobian(a)
    assert sympy.expand(S * ones) == sympy.zeros(3, 1)
    # rank 2 when every probability is positive: a minor of this size is their product
    assert sympy.expand(S[:2, :2].det() - p * q * (1 - p - q)) == 0


def test_null_space_is_larger_where_a_probability_is_0() -> None:
    assert jacobian(sympy.Matrix([p, 1 - p, 0])).subs(p, sympy.Rational(1, 3)).rank() == 1


def test_shift_invariance() -> None:
    c = sympy.Symbol("c", real=True)
    assert sympy.simplify(softmax(z + c * ones) - softmax(z)) == sympy.zeros(3, 1)


def test_differences_of_logits_follow_from_the_probabilities() -> None:
    A = softmax(z)
    assert sympy.simplify(sympy.expand_log(sympy.log(A[0] / A[1]).simplify(), force=True) - (z[0] - z[1])) == 0


def test_code_run_on_symbols_gives_the_gradient_of_each_column() -> None:
    Z = sympy.Matrix(3, 2, sympy.symbols("z:3:2", real=True))
    C = sympy.Matrix(3, 2, sympy.symbols("c:3:2"))
    A = sympy.Matrix.hstack(softmax(Z[:, 0]), softmax(Z[:, 1]))
    J = (C.T * A).trace() + A[0, 0] * A[1, 1]
    dA = sympy.Matrix(C)
    dA[0, 0] += A[1, 1]
    dA[1, 1] += A[0, 0]
    dZ = sympy.Matrix(softmax_backward(np.array(A), np.array(dA)))
    assert sympy.simplify(sympy.Matrix(J.diff(Z)) - dZ) == sympy.zeros(3, 2)


def test_largest_eigenvalue_of_two_equal_probabilities_is_a_half() -> None:
    half = sympy.Rational(1, 2)
    assert max(jacobian(sympy.Matrix([half, half])).eigenvals()) == half
