"""Central differences against functions whose gradient is known."""

import numpy as np
import pytest

from stages.nn.gradient_check import numeric_gradient, relative_error


def test_a_quadratic_form_has_no_truncation_error() -> None:
    rng = np.random.default_rng(0)
    M, theta = rng.normal(size=(4, 4)), rng.normal(size=4)
    numeric = numeric_gradient(lambda: float(theta @ M @ theta), theta, step=0.5)
    np.testing.assert_allclose(numeric, (M + M.T) @ theta, rtol=1e-12)


def test_the_error_falls_as_the_square_of_the_step() -> None:
    theta = np.array([0.7])
    wide, narrow = (numeric_gradient(lambda: float(np.exp(theta[0])), theta, step)[0] for step in (0.1, 0.05))
    assert (wide - np.exp(0.7)) / (narrow - np.exp(0.7)) == pytest.approx(4, rel=1e-2)


def test_a_wrong_gradient_is_told_from_a_right_one() -> None:
    theta = np.random.default_rng(0).normal(size=(3, 2))
    numeric = numeric_gradient(lambda: float(np.sin(theta).sum()), theta)
    assert relative_error(np.cos(theta), numeric) < 1e-9
    assert relative_error(np.cos(theta) + 1e-6, numeric) > 1e-7


def test_theta_is_put_back_exactly() -> None:
    theta = 10.0 ** np.arange(-12, 4).reshape(2, 8)  # after value - step + step, the small ones would be others
    before = theta.copy()
    numeric_gradient(lambda: float(np.square(theta).sum()), theta)
    np.testing.assert_array_equal(theta, before)


def test_an_empty_array_has_an_empty_gradient() -> None:
    assert numeric_gradient(lambda: 0.0, np.empty((0, 3))).shape == (0, 3)


def test_relative_error_by_hand() -> None:
    a, b = np.array([[3.0, 4.0]]), np.array([[3.0, 0.0]])
    assert relative_error(a, b) == pytest.approx(4 / (5 + 3))
    assert relative_error(a, -a) == 1
    assert relative_error(a, a) == 0
    assert relative_error(0 * a, 0 * a) == 0
