"""tanh against cases worked by hand and central differences."""

import numpy as np

from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.tanh import tanh, tanh_backward


def test_by_hand() -> None:
    Z = np.array([[0.0, np.log(2), -np.log(3)]])
    A = tanh(Z)
    np.testing.assert_allclose(A, [[0, 3 / 5, -4 / 5]], rtol=1e-15)
    np.testing.assert_allclose(tanh_backward(A, np.array([[2.0, 1.0, -1.0]])), [[2, 16 / 25, -9 / 25]], rtol=1e-14)


def test_is_finite_far_from_zero() -> None:
    A = tanh(np.array([-1e4, -750.0, 750.0, 1e4]))
    np.testing.assert_array_equal(A, [-1, -1, 1, 1])
    np.testing.assert_array_equal(tanh_backward(A, np.ones(4)), np.zeros(4))


def test_central_differences() -> None:
    rng = np.random.default_rng(0)
    Z, dA = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    numeric = numeric_gradient(lambda: float((dA * tanh(Z)).sum()), Z)
    assert relative_error(tanh_backward(tanh(Z), dA), numeric) < 1e-7
