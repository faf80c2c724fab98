"""The statements of docs/derivations/likelihood.md, proved for three classes in all entries."""

import math
from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.cross_entropy import cross_entropy, cross_entropy_gradient

a = sympy.Matrix(sympy.symbols("a:3", positive=True))
z = sympy.Matrix(sympy.symbols("z:3", real=True))
first, second = sympy.symbols("y1 y2", positive=True)
Y = sympy.Matrix([first, second, 1 - first - second])  # the true probabilities
n = len(Y)
LABELS = [sympy.Matrix(n, 1, lambda i, _, label=label: int(i == label)) for label in range(n)]


def expectation(of_label: Any) -> Any:
    """Return the mean over the labels with their true probabilities."""
    return sum(probability * of_label(label) for probability, label in zip(Y, LABELS, strict=True))


def softmax(z: Any) -> Any:
    exponentials = z.applyfunc(sympy.exp)
    return exponentials / sum(exponentials)


def entropy(p: Any) -> Any:
    return -sum(each * sympy.log(each) for each in p)


def divergence(p: Any, q: Any) -> Any:
    return sum(each * (sympy.log(each) - sympy.log(other)) for each, other in zip(p, q, strict=True))


def test_mean_of_the_label_is_its_probabilities() -> None:
    assert expectation(lambda label: label[0]) == first
    assert sympy.expand(expectation(sum) - 1) == 0


def test_loss_is_minus_the_logarithm_of_the_product() -> None:
    A = sympy.Matrix(3, 4, sympy.symbols("a:3:4", positive=True))
    y = [2, 0, 0, 1]
    product = sympy.prod([A[label, k] for k, label in enumerate(y)])
    J = -sum(sympy.log(A[label, k]) for k, label in enumerate(y)) / 4
    assert sympy.expand(sympy.expand_log(-sympy.log(product) / 4) - J) == 0
    Z = np.random.default_rng(0).normal(size=(3, 4))
    probabilities = np.exp(Z) / np.exp(Z).sum(axis=0)
    expected = -math.log(np.prod(probabilities[y, range(4)])) / 4
    assert cross_entropy(Z, np.array(y), 4) == pytest.approx(expected, rel=1e-13)


def test_expected_loss_is_entropy_and_divergence() -> None:
    loss = expectation(lambda label: -sum(t * sympy.log(p) for t, p in zip(label, a, strict=True)))
    assert sympy.expand(loss - entropy(Y) - divergence(Y, a)) == 0


def test_divergence_is_a_sum_of_terms_that_are_not_negative_and_0_only_if_equal() -> None:
    """log c <= c - 1 by the sign of the derivative; each term of the sum is one such difference."""
    c = sympy.Symbol("c", positive=True)
    gap = c - 1 - sympy.log(c)
    assert gap.subs(c, 1) == 0
    assert sympy.solve(gap.diff(c), c) == [1]
    assert sympy.simplify(gap.diff(c, 2) - 1 / c**2) == 0  # convex: the only minimum is at 1
    p = sympy.Matrix(sympy.symbols("p:3", positive=True))
    terms = sum(p[i] * gap.subs(c, a[i] / p[i]) for i in range(n))
    difference = sympy.expand_log(terms, force=True) - (divergence(p, a) + sum(a) - sum(p))
    assert sympy.expand(difference) == 0


def test_expected_loss_is_stationary_at_the_true_probabilities_alone() -> None:
    loss = entropy(Y) + divergence(Y, softmax(z))
    gradient = sympy.Matrix(loss.diff(z))
    assert sympy.simplify(gradient - (softmax(z) - Y)) == sympy.zeros(3, 1)
    reached = sympy.Matrix([sympy.log(p) for p in Y])
    assert sympy.simplify(softmax(reached) - Y) == sympy.zeros(3, 1)


def test_mean_of_the_code_over_labels_in_their_shares() -> None:
    counts = [5, 3, 2]
    y = np.repeat(np.arange(3), counts)
    logits = np.array([0.3, -0.2, 0.9])
    Z = np.tile(logits[:, np.newaxis], 10)
    values = {first: sympy.Rational(5, 10), second: sympy.Rational(3, 10), **dict(zip(z, logits, strict=True))}
    expected = (entropy(Y) + divergence(Y, softmax(z))).subs(values)
    assert cross_entropy(Z, y, 10) == pytest.approx(float(expected), rel=1e-13)
    gradient = cross_entropy_gradient(Z, y, 10).sum(axis=1)
    np.testing.assert_allclose(gradient, np.array((softmax(z) - Y).subs(values).evalf(), float)[:, 0], atol=1e-15)


def test_expected_squares_have_the_same_minimum() -> None:
    def squares(difference: Any) -> Any:
        return (difference.T * difference)[0]

    split = expectation(lambda label: squares(label - Y)) + squares(Y - a)
    assert sympy.expand(expectation(lambda label: squares(label - a)) - split) == 0


def test_normal_noise_gives_the_squared_error() -> None:
    deviation, label = sympy.Symbol("sigma", positive=True), sympy.Matrix(sympy.symbols("t:3", real=True))
    density = sympy.prod(
        [
            sympy.exp(-((label[i] - a[i]) ** 2) / (2 * deviation**2)) / sympy.sqrt(2 * sympy.pi * deviation**2)
            for i in range(n)
        ]
    )
    rest = -sympy.expand_log(sympy.log(density), force=True) - ((label - a).T * (label - a))[0] / (2 * deviation**2)
    assert sympy.simplify(sympy.Matrix(sympy.expand(rest).diff(a))) == sympy.zeros(3, 1)


c = sympy.Symbol("c", positive=True)
OF_TWO = sympy.Matrix([c, 1 - c])
WRONG = OF_TWO - sympy.Matrix([1, 0])
WAY = sympy.Matrix([-1, 1])


def test_saturated_softmax() -> None:
    S = sympy.diag(*OF_TWO) - OF_TWO * OF_TWO.T
    assert sympy.expand(WRONG - (1 - c) * WAY) == sympy.zeros(2, 1)
    assert sympy.expand(S * WRONG - 2 * c * (1 - c) ** 2 * WAY) == sympy.zeros(2, 1)
    assert sympy.limit(WRONG.norm(), c, 0, "+") == sympy.sqrt(2)
    assert sympy.limit((S * WRONG).norm(), c, 0, "+") == 0
    assert (WRONG.T * WRONG)[0].subs(c, 0) == 2


def test_squared_error_is_convex_from_a_third_on() -> None:
    logit = sympy.Symbol("z", real=True)
    probability = 1 / (1 + sympy.exp(-logit))
    loss = (1 - probability) ** 2
    assert sympy.simplify((WRONG.T * WRONG)[0] / 2 - (1 - c) ** 2) == 0
    assert sympy.simplify(probability.diff(logit) - probability * (1 - probability)) == 0
    by_logit = (-2 * c * (1 - c) ** 2, -2 * c * (1 - c) ** 2 * (1 - 3 * c))
    for order, formula in enumerate(by_logit, 1):
        assert sympy.simplify(loss.diff(logit, order) - formula.subs(c, probability)) == 0
    assert by_logit[1].subs(c, sympy.Rational(1, 3)) == 0
    assert by_logit[1].subs(c, sympy.Rational(1, 4)) < 0 < by_logit[1].subs(c, sympy.Rational(1, 2))


@pytest.mark.parametrize("classes", [2, 10])
def test_labels_that_are_wrong_leave_an_entropy(classes: int) -> None:
    truth = sympy.Matrix([1 - c, *[c / (classes - 1)] * (classes - 1)])
    formula = -(1 - c) * sympy.log(1 - c) - c * sympy.log(c / (classes - 1))
    assert sympy.simplify(sympy.expand_log(entropy(truth) - formula, force=True)) == 0
    if classes == 10:
        assert float(formula.subs(c, sympy.Rational(1, 100))) == pytest.approx(0.078, abs=0.0005)


def test_expected_absolute_error_is_linear() -> None:
    a1 = sympy.Symbol("a1", positive=True)
    of_first = (1 - a1) + (1 - a1)
    of_second = a1 + (1 - (1 - a1))
    assert sympy.expand(c * of_first + (1 - c) * of_second - (2 * c + 2 * (1 - 2 * c) * a1)) == 0


def test_normal_weights_are_weight_decay() -> None:
    deviation, m, J, W = sympy.symbols("sigma m J W", positive=True)
    posterior = sympy.exp(-m * J) * sympy.exp(-(W**2) / (2 * deviation**2))
    loss = sympy.expand(-sympy.expand_log(sympy.log(posterior), force=True) / m)
    decay = 1 / (m * deviation**2)
    assert sympy.simplify(loss - (J + decay / 2 * W**2)) == 0
