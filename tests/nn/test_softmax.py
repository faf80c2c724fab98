"""The softmax against cases worked by hand, for any finite logits, and its gradient."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from stages.nn.arrays import Array
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.softmax import softmax, softmax_backward

matrices = arrays(
    st.sampled_from([np.float32, np.float64]),
    array_shapes(min_dims=2, max_dims=2),
    elements=st.floats(-1e4, 1e4, width=32),
)


def test_by_hand() -> None:
    Z = np.log([[1.0, 5.0], [2.0, 5.0], [3.0, 10.0]])
    np.testing.assert_allclose(softmax(Z), [[1 / 6, 1 / 4], [1 / 3, 1 / 4], [1 / 2, 1 / 2]], rtol=1e-15)


@settings(deadline=None, derandomize=True)
@given(matrices)
def test_each_column_is_a_distribution(Z: Array) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        A = softmax(Z)
    assert A.dtype == Z.dtype
    assert (A >= 0).all()
    np.testing.assert_allclose(A.sum(axis=0), 1, rtol=float(8 * np.finfo(Z.dtype).eps))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_at_the_limits_of_the_dtype(dtype: type[np.floating]) -> None:
    largest = np.finfo(dtype).max
    Z = np.array([[largest, -largest, 1e4], [-largest, -largest, -1e4], [0, -largest, 1e4]], dtype)
    with np.errstate(over="ignore"):
        A = softmax(Z)
    np.testing.assert_allclose(A, [[1, 1 / 3, 1 / 2], [0, 1 / 3, 0], [0, 1 / 3, 1 / 2]], rtol=1e-6)


def test_of_a_stack_it_is_that_of_each_matrix() -> None:
    Z, dA = np.random.default_rng(0).normal(size=(2, 3, 2, 4, 5))
    A, dZ = softmax(Z), softmax_backward(softmax(Z), dA)
    for index in np.ndindex(3, 2):
        np.testing.assert_array_equal(A[index], softmax(Z[index]))
        np.testing.assert_array_equal(dZ[index], softmax_backward(A[index], dA[index]))


def test_columns_far_apart_do_not_disturb_one_another() -> None:
    near = np.log([[1.0], [3.0]])
    A = softmax(np.hstack([near + 1e4, near - 1e4, near]))
    np.testing.assert_allclose(A, [[1 / 4] * 3, [3 / 4] * 3], rtol=1e-11)


@settings(deadline=None, derandomize=True)
@given(matrices, st.integers(-1000, 1000))
def test_a_constant_added_to_a_column_changes_nothing(Z: Array, constant: int) -> None:
    rounded = np.round(Z)  # sums of these are exact in both dtypes
    np.testing.assert_array_equal(softmax(rounded + constant), softmax(rounded))


def test_central_differences() -> None:
    rng = np.random.default_rng(0)
    Z, dA = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    numeric = numeric_gradient(lambda: float((dA * softmax(Z)).sum()), Z)
    assert relative_error(softmax_backward(softmax(Z), dA), numeric) < 1e-7


def test_backward_is_the_jacobian() -> None:
    a, da = softmax(np.array([[0.0], [1.0], [-2.0]])), np.array([[3.0], [-1.0], [0.5]])
    jacobian = np.diag(a[:, 0]) - a @ a.T
    np.testing.assert_allclose(softmax_backward(a, da), jacobian @ da, rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_the_dtype_and_changes_nothing_that_it_is_given(dtype: type[np.floating]) -> None:
    Z, dA = np.array([[1, 2], [3, 4]], dtype), np.array([[1, 0], [0, 1]], dtype)
    Z.flags.writeable = dA.flags.writeable = False
    A = softmax(Z)
    A.flags.writeable = False
    assert A.dtype == dtype
    assert softmax_backward(A, dA).dtype == dtype


def test_writes_over_its_logits_when_asked_to() -> None:
    Z = np.log([[1.0], [3.0]])
    assert softmax(Z, out=Z) is Z
    np.testing.assert_allclose(Z, [[1 / 4], [3 / 4]], rtol=1e-15)


def test_backward_writes_where_it_is_asked_to() -> None:
    A, dA = softmax(np.array([[1.0, 2.0], [3.0, 5.0]])), np.array([[1.0, 0.0], [0.5, 2.0]])
    out = np.full_like(A, np.nan)
    expected = softmax_backward(A, dA)
    assert softmax_backward(A, dA, out=out) is out
    np.testing.assert_array_equal(out, expected)
