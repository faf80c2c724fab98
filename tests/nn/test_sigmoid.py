"""The sigmoid against cases worked by hand and central differences."""

import numpy as np

from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.sigmoid import sigmoid, sigmoid_backward


def test_by_hand() -> None:
    Z = np.array([[0.0, np.log(3), -np.log(4)]])
    A = sigmoid(Z)
    np.testing.assert_allclose(A, [[1 / 2, 3 / 4, 1 / 5]], rtol=1e-15)
    np.testing.assert_allclose(sigmoid_backward(A, np.array([[4.0, 1.0, -1.0]])), [[1, 3 / 16, -4 / 25]], rtol=1e-14)


def test_is_the_logistic_function() -> None:
    Z = np.linspace(-30, 30, 601)
    np.testing.assert_allclose(sigmoid(Z), 1 / (1 + np.exp(-Z)), rtol=0, atol=1e-15)


def test_is_finite_far_from_zero() -> None:
    with np.errstate(all="raise"):
        A = sigmoid(np.array([-1e4, -750.0, 750.0, 1e4]))
        np.testing.assert_array_equal(A, [0, 0, 1, 1])
        np.testing.assert_array_equal(sigmoid_backward(A, np.ones(4)), np.zeros(4))


def test_central_differences() -> None:
    rng = np.random.default_rng(0)
    Z, dA = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    numeric = numeric_gradient(lambda: float((dA * sigmoid(Z)).sum()), Z)
    assert relative_error(sigmoid_backward(sigmoid(Z), dA), numeric) < 1e-7
