"""The affine layer against cases worked by hand and central differences."""

import numpy as np
import pytest

from stages.nn.affine import Affine
from stages.nn.gradient_check import numeric_gradient, relative_error

W = np.array([[1.0, 2.0, 0.0], [3.0, -1.0, 4.0]])
b = np.array([[10.0], [20.0]])
X = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, -1.0]])
dZ = np.array([[1.0, 2.0], [-1.0, 3.0]])


def test_by_hand() -> None:
    layer = Affine(W, b)
    np.testing.assert_array_equal(layer.forward(X), [[15, 12], [21, 15]])
    layer.parameter_gradients(dZ)
    np.testing.assert_array_equal(layer.dW, [[1, 4, -2], [-1, 1, -3]])
    np.testing.assert_array_equal(layer.db, [[3], [2]])
    np.testing.assert_array_equal(layer.backward(dZ), [[-2, 11], [3, 1], [-4, 12]])


def test_the_gradient_of_the_biases_is_one_number_for_each_unit() -> None:
    layer = Affine(W, b)
    layer.forward(X)
    layer.parameter_gradients(dZ)
    assert layer.db.shape == (2, 1)
    assert layer.db[0, 0] != layer.db[1, 0]


def test_parts_of_a_batch_add_up_to_the_batch() -> None:
    parts = Affine(W, b)
    for column in range(2):
        parts.forward(X[:, column : column + 1])
        parts.parameter_gradients(dZ[:, column : column + 1], add=column > 0)
    np.testing.assert_array_equal(parts.dW, [[1, 4, -2], [-1, 1, -3]])
    np.testing.assert_array_equal(parts.db, [[3], [2]])


def test_central_differences() -> None:
    rng = np.random.default_rng(0)
    layer = Affine(rng.normal(size=(4, 6)), rng.normal(size=(4, 1)))
    X, dZ = rng.normal(size=(6, 5)), rng.normal(size=(4, 5))

    def loss() -> float:
        return float((dZ * layer.forward(X)).sum())

    loss()
    layer.parameter_gradients(dZ)
    assert relative_error(layer.dW, numeric_gradient(loss, layer.W)) < 1e-7
    assert relative_error(layer.db, numeric_gradient(loss, layer.b)) < 1e-7
    assert relative_error(layer.backward(dZ), numeric_gradient(loss, X)) < 1e-7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_the_dtype_and_changes_nothing_that_it_is_given(dtype: type[np.floating]) -> None:
    given = [array.astype(dtype) for array in (W, b, X, dZ)]
    for array in given:
        array.flags.writeable = False
    layer = Affine(given[0], given[1])
    Z = layer.forward(given[2])
    layer.parameter_gradients(given[3])
    layer.parameter_gradients(given[3], add=True)
    dX = layer.backward(given[3])
    assert {array.dtype for array in (Z, layer.dW, layer.db, dX)} == {np.dtype(dtype)}


def test_a_batch_of_another_size_follows() -> None:
    layer = Affine(W, b)
    layer.forward(X)
    np.testing.assert_array_equal(layer.forward(X[:, :1]), [[15], [21]])
    layer.parameter_gradients(dZ[:, :1])
    np.testing.assert_array_equal(layer.dW, [[1, 2, 0], [-1, -2, 0]])
    np.testing.assert_array_equal(layer.backward(dZ[:, :1]), [[-2], [3], [-4]])
