"""The distributions that parameters begin with: their limits, and their moments within four standard errors."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from stages.nn.arrays import Array
from stages.nn.initializers import INITIALIZERS, Glorot, He, Initializer, Normal, Uniform

UNITS, INPUTS = 200, 300


def weights(initializer: Initializer) -> Array:
    """Return 60,000 weights."""
    return initializer(UNITS, INPUTS, np.random.default_rng(0))[0]


def assert_moments(W: Array, mean: float, variance: float, kurtosis: float) -> None:
    """Check mean and variance; the variance of a sample variance is variance² (kurtosis - 1) / n."""
    assert W.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / W.size))
    assert W.var() == pytest.approx(variance, abs=4 * variance * np.sqrt((kurtosis - 1) / W.size))


def assert_normal(W: Array, deviation: float) -> None:
    """Check the moments of a normal distribution, and its share within one standard deviation."""
    assert_moments(W, 0, deviation**2, kurtosis=3)
    within = 0.682689
    share = np.mean(np.abs(W) < deviation)
    assert share == pytest.approx(within, abs=4 * np.sqrt(within * (1 - within) / W.size))


def assert_uniform(W: Array, low: float, high: float) -> None:
    """Check limits and moments of a uniform distribution, and that it comes near to its limits."""
    assert W.min() >= low
    assert W.max() < high
    assert W.max() - W.min() > 0.999 * (high - low)
    assert_moments(W, (low + high) / 2, (high - low) ** 2 / 12, kurtosis=9 / 5)


def test_each_is_found_by_its_name_in_params_yaml() -> None:
    assert INITIALIZERS == {"uniform": Uniform, "normal": Normal, "he": He, "glorot": Glorot}


@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.5), (1.0, 4.0)])
def test_uniform(low: float, high: float) -> None:
    W, b = Uniform(low, high)(UNITS, INPUTS, np.random.default_rng(0))
    assert_uniform(W, low, high)
    assert low <= b.min() < b.max() < high


def test_uniform_is_from_minus_a_half_to_a_half_by_default() -> None:
    assert_uniform(weights(Uniform()), -0.5, 0.5)


@pytest.mark.parametrize("scale", [0.01, 0.1, 2.0])
def test_normal(scale: float) -> None:
    assert_normal(weights(Normal(scale)), scale)


def test_normal_has_a_deviation_of_a_hundredth_by_default() -> None:
    assert_normal(weights(Normal()), 0.01)


def test_normal_with_scale_zero_is_zero() -> None:
    assert not weights(Normal(0.0)).any()


def test_he() -> None:
    assert_normal(weights(He()), np.sqrt(2 / INPUTS))


def test_he_keeps_the_mean_square_through_a_relu_layer() -> None:
    units, layers = 200, 100
    rng = np.random.default_rng(0)
    a = np.abs(rng.standard_normal((units, 1)))
    squares = [np.mean(np.maximum(He()(units, units, rng)[0] @ a, 0) ** 2) for _ in range(layers)]
    # for z normal with variance 2, relu(z)² has mean 1 and variance 6 - 1
    assert np.mean(squares) / np.mean(a**2) == pytest.approx(1, abs=4 * np.sqrt(5 / (units * layers)))


def test_glorot() -> None:
    limit = np.sqrt(6 / (INPUTS + UNITS))
    assert_uniform(weights(Glorot()), -limit, limit)


def test_glorot_counts_the_weights_of_an_input_where_they_are_shared() -> None:
    limit = np.sqrt(6 / (INPUTS + 900))
    assert_uniform(Glorot()(UNITS, INPUTS, np.random.default_rng(0), 900)[0], -limit, limit)


@pytest.mark.parametrize("name", ["normal", "he", "glorot"])
def test_biases_are_zero(name: str) -> None:
    assert not INITIALIZERS[name]()(UNITS, INPUTS, np.random.default_rng(0))[1].any()


@pytest.mark.parametrize("name", INITIALIZERS)
def test_shapes_dtype_and_source_of_randomness(name: str) -> None:
    initializer = INITIALIZERS[name]()
    W, b = initializer(3, 5, np.random.default_rng(0))
    assert (W.shape, b.shape) == ((3, 5), (3, 1))
    assert W.dtype == b.dtype == np.float64
    np.testing.assert_array_equal(initializer(3, 5, np.random.default_rng(0))[0], W)
    assert (initializer(3, 5, np.random.default_rng(1))[0] != W).all()


@pytest.mark.parametrize("name", INITIALIZERS)
def test_an_initializer_does_not_change(name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        INITIALIZERS[name]().scale = 0.5  # type: ignore[attr-defined] # it is frozen: that is tested


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0)])
def test_uniform_needs_low_below_high(low: float, high: float) -> None:
    with pytest.raises(ValueError, match=f"^low must be less than high, not {low} and {high}$"):
        Uniform(low, high)


@pytest.mark.parametrize("scale", [-0.1, np.nan])
def test_normal_needs_a_scale_of_at_least_zero(scale: float) -> None:
    with pytest.raises(ValueError, match=f"^scale must be at least 0, not {scale}$"):
        Normal(scale)
