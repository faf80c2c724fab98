"""What every activation of the table has in common."""

import numpy as np
import pytest

from stages.nn.activation import ACTIVATIONS, Activation
from stages.nn.gradient_check import numeric_gradient, relative_error

every_activation = pytest.mark.parametrize("name", ACTIVATIONS)


@every_activation
def test_central_differences(name: str) -> None:
    rng = np.random.default_rng(0)
    step = 1e-5
    layer = Activation(name)
    Z, dA = rng.normal(size=(4, 6)), rng.normal(size=(4, 6))
    assert np.abs(Z).min() > step, "an entry lies within the step of the kink of ReLU"
    numeric = numeric_gradient(lambda: float((dA * layer.forward(Z)).sum()), Z, step)
    layer.forward(Z)
    assert relative_error(layer.backward(dA), numeric) < 1e-7


@every_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_the_dtype_and_changes_nothing_that_it_is_given(name: str, dtype: type[np.floating]) -> None:
    rng = np.random.default_rng(0)
    layer = Activation(name)
    Z, dA = rng.normal(size=(4, 6)).astype(dtype), rng.normal(size=(4, 6)).astype(dtype)
    Z.flags.writeable = dA.flags.writeable = False
    assert layer.forward(Z).dtype == dtype
    assert layer.backward(dA).dtype == dtype


@every_activation
def test_the_functions_alone_change_nothing_that_they_are_given(name: str) -> None:
    function, function_backward = ACTIVATIONS[name]
    Z, dA = np.array([[-1.0, 2.0]]), np.array([[3.0, -4.0]])
    Z.flags.writeable = dA.flags.writeable = False
    A = function(Z)
    A.flags.writeable = False
    function_backward(A, dA)


@every_activation
def test_uses_its_memory_again_and_follows_the_size_of_the_batch(name: str) -> None:
    rng = np.random.default_rng(0)
    layer = Activation(name)
    wide, narrow = rng.normal(size=(4, 6)), rng.normal(size=(4, 2))
    assert layer.forward(wide) is layer.forward(wide)
    A, dZ = layer.forward(narrow).copy(), layer.backward(narrow).copy()
    function, function_backward = ACTIVATIONS[name]
    np.testing.assert_array_equal(A, function(narrow))
    np.testing.assert_array_equal(dZ, function_backward(A, narrow))
