"""The identities of docs/derivations/cross_entropy.md, proved for three classes in all entries."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn import cross_entropy as code

z = sympy.Matrix(sympy.symbols("z:3", real=True))
y = sympy.Matrix(sympy.symbols("y:3", real=True))
a = sympy.Matrix(sympy.symbols("a:3", positive=True))


def softmax(z: Any) -> Any:
    exponentials = z.applyfunc(sympy.exp)
    return exponentials / sum(exponentials)


def cross_entropy(z: Any, y: Any) -> Any:
    return -sum(target * sympy.log(value) for target, value in zip(y, softmax(z), strict=True))


def test_gradient_by_the_logits_for_any_labels() -> None:
    gradient = sympy.Matrix(cross_entropy(z, y).diff(z))
    assert sympy.simplify(gradient - (softmax(z) * sum(y) - y)) == sympy.zeros(3, 1)


def test_product_with_the_jacobian_collapses() -> None:
    by_a = sympy.Matrix((-sum(target * sympy.log(value) for target, value in zip(y, a, strict=True))).diff(a))
    S = sympy.diag(*a) - a * a.T
    assert sympy.expand(S * by_a - (a * sum(y) - y)) == sympy.zeros(3, 1)


def test_short_form_needs_labels_that_sum_to_1() -> None:
    rest = (a * sum(y) - y) - (a - y)
    assert sympy.expand(rest.subs(y[2], 1 - y[0] - y[1])) == sympy.zeros(3, 1)
    assert sympy.expand(rest) != sympy.zeros(3, 1)


@pytest.mark.parametrize("classes", list(product(range(3), repeat=2)))
def test_gradient_of_the_mean_over_two_columns(classes: tuple[int, int]) -> None:
    Z = sympy.Matrix(3, 2, sympy.symbols("z:3:2", real=True))
    Y = sympy.Matrix(3, 2, lambda i, k: int(i == classes[k]))
    A = sympy.Matrix.hstack(softmax(Z[:, 0]), softmax(Z[:, 1]))
    J = -sum(sympy.log(A[c, k]) for k, c in enumerate(classes)) / 2
    assert sympy.simplify(sympy.Matrix(J.diff(Z)) - (A - Y) / 2) == sympy.zeros(3, 2)


def test_code_computes_the_definition_and_its_gradient() -> None:
    logits = sympy.Matrix([[1, -2], [0, 3], [sympy.Rational(1, 2), 1]])
    classes = (2, 0)
    Z = sympy.Matrix(3, 2, sympy.symbols("z:3:2", real=True))
    J = -sum(sympy.log(softmax(Z[:, k])[c]) for k, c in enumerate(classes)) / 2
    at = dict(zip(Z, logits, strict=True))
    arguments = np.array(logits, float), np.array(classes), 2
    assert code.cross_entropy(*arguments) == pytest.approx(float(J.subs(at)), rel=1e-14)
    expected = np.array(sympy.Matrix(J.diff(Z)).subs(at).evalf(), float)
    np.testing.assert_allclose(code.cross_entropy_gradient(*arguments), expected, rtol=0, atol=1e-15)


def test_form_in_the_logits() -> None:
    log_sum = sympy.log(sum(z.applyfunc(sympy.exp)))
    in_logits = sum(y) * log_sum - (y.T * z)[0]
    difference = sympy.expand(sympy.expand_log(cross_entropy(z, y), force=True) - in_logits)
    assert sympy.simplify(difference) == 0


def test_shift_comes_out_of_the_log_sum() -> None:
    c = sympy.Symbol("c", real=True)
    log_sum = sympy.log(sum(z.applyfunc(sympy.exp)))
    shifted = c + sympy.log(sum((z - c * sympy.ones(3, 1)).applyfunc(sympy.exp)))
    assert sympy.simplify(sympy.exp(shifted) - sympy.exp(log_sum)) == 0


def test_second_derivative_is_the_jacobian_of_the_softmax() -> None:
    loss = sympy.log(sum(z.applyfunc(sympy.exp))) - z[0]
    A = softmax(z)
    assert sympy.simplify(sympy.hessian(loss, z) - (sympy.diag(*A) - A * A.T)) == sympy.zeros(3, 3)


def test_equal_logits_lose_the_logarithm_of_the_number_of_classes() -> None:
    assert sympy.simplify(cross_entropy(sympy.zeros(3, 1), sympy.Matrix([0, 1, 0])) - sympy.log(3)) == 0
