"""GELU against its definition by the error function, cases worked by hand and central differences."""

import math

import numpy as np
import pytest

from stages.nn.arrays import Array
from stages.nn.gelu import CUBIC, SLOPE, gelu, gelu_backward
from stages.nn.gradient_check import numeric_gradient, relative_error

Z = np.linspace(-8, 8, 3201)


def distribution(z: Array) -> Array:
    """Return Phi(z), the distribution function of a standard normal variable."""
    return np.array([(1 + math.erf(each / math.sqrt(2))) / 2 for each in z])


def density(z: Array) -> Array:
    """Return the density of a standard normal variable."""
    return np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def test_by_hand() -> None:
    z = np.array([0.0, 1.0, -1.0])
    u = math.sqrt(2 / math.pi) * 1.044715
    e = math.exp(2 * u)
    np.testing.assert_allclose(gelu(z), [0, e / (e + 1), -1 / (e + 1)], rtol=1e-14)
    slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715)
    at_1 = e / (e + 1) + 2 * e / (e + 1) ** 2 * slope
    np.testing.assert_allclose(gelu_backward(z, np.array([6.0, 2.0, 2.0])), [3, 2 * at_1, 2 - 2 * at_1], rtol=1e-14)


def test_is_within_half_a_thousandth_of_the_definition_by_the_error_function() -> None:
    exact = Z * distribution(Z)
    assert 4e-4 < np.abs(gelu(Z) - exact).max() < 5e-4
    exact_slope = distribution(Z) + Z * density(Z)
    assert 8e-4 < np.abs(gelu_backward(Z, np.ones_like(Z)) - exact_slope).max() < 9e-4


def test_the_difference_to_the_mirror_image_is_the_input() -> None:
    np.testing.assert_allclose(gelu(Z) - gelu(-Z), Z, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_is_finite_far_from_zero(dtype: type[np.floating]) -> None:
    z = np.array([-1e4, -750.0, -40.0, 40.0, 750.0, 1e4], dtype)
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_array_equal(gelu(z), [0, 0, 0, 40, 750, 1e4])
        np.testing.assert_array_equal(gelu_backward(z, np.full(6, 3, dtype)), [0, 0, 0, 3, 3, 3])


def test_central_differences() -> None:
    rng = np.random.default_rng(0)
    z, dA = rng.normal(size=(2, 5, 7))
    numeric = numeric_gradient(lambda: float((dA * gelu(z)).sum()), z)
    assert relative_error(gelu_backward(z, dA), numeric) < 1e-8


def test_the_constants_are_those_of_the_paper() -> None:
    assert pytest.approx(0.7978845608, rel=1e-10) == SLOPE
    assert CUBIC == 0.044715
