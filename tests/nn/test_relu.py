"""ReLU against cases worked by hand and central differences."""

import numpy as np
import pytest

from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.layer import Start
from stages.nn.relu import ReLU, relu, relu_backward


def test_by_hand() -> None:
    Z = np.array([[-2.0, 0.5], [3.0, -0.1]])
    A = relu(Z)
    np.testing.assert_array_equal(A, [[0, 0.5], [3, 0]])
    np.testing.assert_array_equal(relu_backward(A, np.array([[7.0, 8.0], [9.0, 10.0]])), [[0, 8], [9, 0]])


def test_the_subgradient_at_zero_is_zero() -> None:
    assert relu_backward(relu(np.zeros((1, 1))), np.ones((1, 1))) == 0


def test_a_nan_is_passed_on() -> None:
    assert np.isnan(relu(np.array([np.nan])))


def test_central_differences() -> None:
    rng = np.random.default_rng(0)
    step = 1e-5
    Z, dA = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    assert np.abs(Z).min() > step, "an entry lies within the step of the kink"
    numeric = numeric_gradient(lambda: float((dA * relu(Z)).sum()), Z, step)
    assert relative_error(relu_backward(relu(Z), dA), numeric) < 1e-7


def test_its_branches_are_the_entries_above_zero() -> None:
    layer = ReLU((3,), Start(np.random.default_rng(0)))
    layer.forward(np.array([[-2.0], [0.0], [0.5]]))
    [sides] = layer.branches()
    np.testing.assert_array_equal(sides, [[False], [False], [True]])


def test_without_a_forward_pass_it_has_no_branches() -> None:
    with pytest.raises(AssertionError, match=r"^forward comes first$"):
        ReLU((3,), Start(np.random.default_rng(0))).branches()
