"""The cross-entropy against cases worked by hand, for any finite logits, and its gradient."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from stages.nn.arrays import Array
from stages.nn.cross_entropy import cross_entropy, cross_entropy_and_gradient, cross_entropy_gradient
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.one_hot import one_hot
from stages.nn.softmax import softmax, softmax_backward

# columns (1/6, 1/3, 1/2) and (1/4, 1/4, 1/2)
LOGITS = np.log([[1.0, 5.0], [2.0, 5.0], [3.0, 10.0]])


def test_by_hand() -> None:
    y = np.array([1, 2])
    assert cross_entropy(LOGITS, y, 2) == pytest.approx((np.log(3) + np.log(2)) / 2, rel=1e-15)
    dZ = [[1 / 12, 1 / 8], [-1 / 3, 1 / 8], [1 / 4, -1 / 4]]
    np.testing.assert_allclose(cross_entropy_gradient(LOGITS, y, 2), dZ, rtol=1e-14)


def test_ten_equal_logits_cost_log_10() -> None:
    assert cross_entropy(np.full((10, 4), 3.7), np.arange(4), 4) == pytest.approx(np.log(10), rel=1e-15)


def test_small_losses_are_not_lost_beside_a_large_one() -> None:
    Z = np.zeros((2, 1000), np.float32)
    Z[0, 0] = 2**25  # beside which float32 has no 1/2
    loss = cross_entropy(Z, np.ones(1000, int), 1000)
    assert loss == pytest.approx((2**25 + 999 * np.log(2)) / 1000, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits(dtype: type[np.floating]) -> None:
    Z = np.array([[1e4, -1e4, 1e4], [-1e4, -1e4, 1e4]], dtype)
    y = np.array([1, 0, 1])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, dZ = cross_entropy(Z, y, 3), cross_entropy_gradient(Z, y, 3)
    assert loss == pytest.approx((2e4 + 2 * np.log(2)) / 3, rel=1e-7)
    np.testing.assert_allclose(dZ, [[1 / 3, -1 / 6, 1 / 6], [-1 / 3, 1 / 6, -1 / 6]], rtol=1e-6)


@settings(deadline=None, derandomize=True)
@given(
    arrays(
        st.sampled_from([np.float32, np.float64]),
        array_shapes(min_dims=2, max_dims=2),
        elements=st.floats(-1e4, 1e4, width=32),
    ),
    st.data(),
)
def test_is_finite_and_its_gradient_sums_to_zero_in_each_column(Z: Array, data: st.DataObject) -> None:
    classes, m = Z.shape
    y = data.draw(arrays(np.int64, m, elements=st.integers(0, classes - 1)))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, dZ = cross_entropy(Z, y, m), cross_entropy_gradient(Z, y, m)
    assert 0 <= loss < np.inf
    assert dZ.dtype == Z.dtype
    np.testing.assert_allclose(dZ.sum(axis=0), 0, atol=float(8 * np.finfo(Z.dtype).eps))


def test_parts_of_a_batch_add_up_to_the_batch() -> None:
    y = np.array([0, 2])
    parts = cross_entropy(LOGITS[:, :1], y[:1], 2) + cross_entropy(LOGITS[:, 1:], y[1:], 2)
    assert parts == pytest.approx(cross_entropy(LOGITS, y, 2), rel=1e-15)
    gradients = [cross_entropy_gradient(LOGITS[:, i : i + 1], y[i : i + 1], 2) for i in range(2)]
    np.testing.assert_allclose(np.hstack(gradients), cross_entropy_gradient(LOGITS, y, 2), rtol=1e-15)


def test_central_differences() -> None:
    rng = np.random.default_rng(0)
    Z, y = 3 * rng.normal(size=(5, 7)), rng.integers(5, size=7)
    numeric = numeric_gradient(lambda: cross_entropy(Z, y, 7), Z)
    assert relative_error(cross_entropy_gradient(Z, y, 7), numeric) < 1e-7


def test_is_the_product_of_the_gradients_of_logarithm_and_softmax() -> None:
    rng = np.random.default_rng(0)
    Z, y = rng.normal(size=(5, 7)), rng.integers(5, size=7)
    A, Y = softmax(Z), one_hot(y, 5)
    np.testing.assert_allclose(cross_entropy_gradient(Z, y, 7), softmax_backward(A, -Y / A / 7), rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(cross_entropy_gradient(Z, y, 7), (A - Y) / 7, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_keeps_the_dtype_and_changes_nothing_that_it_is_given(dtype: type[np.floating], smoothing: float) -> None:
    Z, y = LOGITS.astype(dtype), np.array([1, 2], np.uint8)
    Z.flags.writeable = y.flags.writeable = False
    assert isinstance(cross_entropy(Z, y, 2, smoothing), float)
    assert cross_entropy_gradient(Z, y, 2, smoothing).dtype == dtype


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_loss_and_gradient_together_are_those_of_each_alone(smoothing: float) -> None:
    y = np.array([1, 2])
    loss, dZ = cross_entropy_and_gradient(LOGITS, y, 3, smoothing)
    assert loss == cross_entropy(LOGITS, y, 3, smoothing)
    np.testing.assert_array_equal(dZ, cross_entropy_gradient(LOGITS, y, 3, smoothing))


def test_smoothed_labels_by_hand() -> None:
    y, smoothing = np.array([1, 2]), 0.3  # labels (0.1, 0.8, 0.1) and (0.1, 0.1, 0.8)
    first = 0.1 * np.log(6) + 0.8 * np.log(3) + 0.1 * np.log(2)
    second = 0.1 * np.log(4) + 0.1 * np.log(4) + 0.8 * np.log(2)
    assert cross_entropy(LOGITS, y, 2, smoothing) == pytest.approx((first + second) / 2, rel=1e-14)
    dZ = np.array([[1 / 6 - 0.1, 1 / 4 - 0.1], [1 / 3 - 0.8, 1 / 4 - 0.1], [1 / 2 - 0.1, 1 / 2 - 0.8]]) / 2
    np.testing.assert_allclose(cross_entropy_gradient(LOGITS, y, 2, smoothing), dZ, rtol=1e-14)


@pytest.mark.parametrize("smoothing", [0.1, 0.5, 0.99])
def test_the_loss_of_smoothed_labels_is_that_of_the_matrix_of_labels(smoothing: float) -> None:
    rng = np.random.default_rng(0)
    Z, y = 3 * rng.normal(size=(5, 7)), rng.integers(5, size=7)
    Y = (1 - smoothing) * one_hot(y, 5) + smoothing / 5
    assert cross_entropy(Z, y, 7, smoothing) == pytest.approx(-(Y * np.log(softmax(Z))).sum() / 7, rel=1e-13)
    numeric = numeric_gradient(lambda: cross_entropy(Z, y, 7, smoothing), Z)
    assert relative_error(cross_entropy_gradient(Z, y, 7, smoothing), numeric) < 1e-7
    np.testing.assert_allclose(cross_entropy_gradient(Z, y, 7, smoothing), (softmax(Z) - Y) / 7, rtol=1e-12, atol=1e-16)


def test_without_smoothing_no_bit_changes() -> None:
    Z, y = np.log(np.arange(1, 31, dtype=np.float32)).reshape(3, 10), np.arange(10) % 3
    gradient = softmax(Z)
    gradient[y, np.arange(10)] -= 1
    np.testing.assert_array_equal(cross_entropy_gradient(Z, y, 10), gradient / 10)
    assert cross_entropy(Z, y, 10, 0.0) == cross_entropy(Z, y, 10)
