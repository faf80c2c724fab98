"""The identities of docs/derivations/label_smoothing.md, proved in all entries, and its minimum by the code."""

import numpy as np
import pytest
import sympy

from stages.nn.cross_entropy import cross_entropy, cross_entropy_gradient
from stages.nn.one_hot import one_hot
from stages.nn.softmax import softmax

N = 3
alpha = sympy.symbols("alpha", positive=True)
z = sympy.symbols(f"z0:{N}", real=True)
Y = sympy.Matrix([1 - alpha + alpha / N, *[alpha / N] * (N - 1)])
total = sum(map(sympy.exp, z))
a = [sympy.exp(each) / total for each in z]
loss = -sum(Y[i] * (z[i] - sympy.log(total)) for i in range(N))


def test_the_labels_sum_to_one_and_the_gradient_is_that_of_all_labels() -> None:
    assert sympy.simplify(sum(Y)) == 1
    for i in range(N):
        assert sympy.simplify(loss.diff(z[i]) - (a[i] - Y[i])) == 0


def test_both_forms_of_the_loss() -> None:
    log_a = [each - sympy.log(total) for each in z]
    shares = -(1 - alpha) * log_a[0] - alpha / N * sum(log_a)
    of_code = sympy.log(total) - (1 - alpha) * z[0] - alpha / N * sum(z)
    assert sympy.expand(loss - shares) == 0
    assert sympy.expand(loss - of_code) == 0


def test_the_minimum_has_the_gap_and_the_entropy() -> None:
    n = sympy.symbols("n", positive=True)
    gap = sympy.log(((1 - alpha) + alpha / n) / (alpha / n))
    assert sympy.simplify(sympy.exp(gap) - (1 + n * (1 - alpha) / alpha)) == 0
    share, shift = sympy.Rational(1, 5), sympy.symbols("c", real=True)
    at = {each: sympy.log(label.subs(alpha, share)) + shift for each, label in zip(z, Y, strict=True)}
    for i in range(N):
        assert sympy.simplify(loss.diff(z[i]).subs(alpha, share).subs(at)) == 0
    entropy = -sum(label * sympy.log(label) for label in Y.subs(alpha, share))
    value = loss.subs(alpha, share).subs(at)
    assert abs(sympy.N(value.subs(shift, 2) - entropy, 30)) < 1e-25


def test_the_second_derivative_does_not_depend_on_the_labels() -> None:
    second = sympy.hessian(loss, z)
    S = sympy.diag(*a) - sympy.Matrix(a) * sympy.Matrix(a).T
    assert (second - S).applyfunc(sympy.simplify) == sympy.zeros(N, N)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("n", [2, 10])
def test_descent_on_the_logits_ends_at_the_gap(n: int, share: float) -> None:
    Z, y = np.random.default_rng(0).normal(size=(n, 4)), np.array([0, 1, 1, 0])
    for _ in range(6000):
        Z -= 4 * cross_entropy_gradient(Z, y, 4, share)
    gaps = (Z[y, np.arange(4)] - Z)[one_hot(y, n) == 0]
    np.testing.assert_allclose(gaps, np.log(1 + n * (1 - share) / share), rtol=1e-6)
    labels = np.array([1 - share + share / n, *[share / n] * (n - 1)])
    assert cross_entropy(Z, y, 4, share) == pytest.approx(-(labels * np.log(labels)).sum(), rel=1e-9)


def test_it_is_the_mean_over_labels_that_are_replaced_at_random() -> None:
    rng, n, share, draws = np.random.default_rng(1), 4, 0.3, 200_000
    logits = rng.normal(size=(n, 1))
    y = np.where(rng.random(draws) < share, rng.integers(0, n, draws), 2)
    gradients = softmax(logits) - one_hot(y, n)
    errors = gradients.std(axis=1, ddof=1) / np.sqrt(draws)
    expected = cross_entropy_gradient(logits, np.array([2]), 1, share)[:, 0]
    assert (np.abs(gradients.mean(axis=1) - expected) < 4 * errors).all()
    losses = np.log(np.exp(logits).sum()) - logits[y, 0]
    error = losses.std(ddof=1) / np.sqrt(draws)
    assert abs(losses.mean() - cross_entropy(logits, np.array([2]), 1, share)) < 4 * error


def test_a_right_and_sure_example_is_drawn_back() -> None:
    Z = np.array([[40.0], [0.0], [0.0]])
    gradient = cross_entropy_gradient(Z, np.array([0]), 1, 0.3)
    np.testing.assert_allclose(gradient[:, 0], 0.3 * (np.eye(3)[0] - 1 / 3), atol=1e-12)
    assert np.linalg.norm(gradient) == pytest.approx(0.3 * np.sqrt(1 - 1 / 3))
    assert cross_entropy_gradient(Z, np.array([0]), 1)[0, 0] <= 0


def test_the_other_convention() -> None:
    n, other = sympy.symbols("n other", positive=True)
    ours = other * n / (n - 1)
    assert sympy.simplify(ours / n - other / (n - 1)) == 0
    assert sympy.simplify(1 - ours + ours / n - (1 - other)) == 0
