"""The residual connection: by hand, and what it refuses."""

from functools import partial

import numpy as np
import pytest

from stages.nn.affine import Affine
from stages.nn.dropout import Dropout
from stages.nn.layer import Maker, OptionError, Start
from stages.nn.relu import ReLU
from stages.nn.residual import Residual

START = Start(np.random.default_rng(0), dtype=np.float64)


def test_by_hand() -> None:
    layer = Residual((2,), START, layers=[partial(Affine, units=2), ReLU])
    layer.parameters["0.W"][...] = [[1.0, 2.0], [0.0, -1.0]]
    layer.parameters["0.b"][...] = [[0.5], [0.0]]
    X = np.array([[1.0, -3.0], [2.0, 1.0]])
    np.testing.assert_array_equal(layer.forward(X), [[1 + 5.5, -3], [2, 1]])  # F(X) = [[5.5, 0], [0, 0]]
    dX = layer.backward(np.array([[10.0, 20.0], [30.0, 40.0]]))
    np.testing.assert_array_equal(dX, [[10 + 10, 20], [30 + 20, 40]])
    np.testing.assert_array_equal(layer.gradients["0.W"], [[10, 20], [0, 0]])
    np.testing.assert_array_equal(layer.gradients["0.b"], [[10], [0]])


def test_where_the_layers_return_0_it_is_the_identity() -> None:
    layer = Residual((3,), START, layers=[partial(Affine, units=3)])
    for theta in layer.parameters.values():
        theta[...] = 0
    X, dZ = np.random.default_rng(1).normal(size=(2, 3, 4))
    np.testing.assert_array_equal(layer.forward(X), X)
    np.testing.assert_array_equal(layer.backward(dZ), dZ)


def test_layers_that_return_another_shape_are_refused() -> None:
    with pytest.raises(OptionError, match=r"^layers return 4, which cannot be added to their input of 2 x 2 x 1$"):
        Residual((2, 2, 1), START, layers=[partial(Affine, units=4)])


def test_a_layer_that_returns_what_it_is_given_changes_nothing_of_it() -> None:
    """Dropout returns its input itself in prediction."""
    inner: Maker = partial(Dropout, rate=0.5)
    layer = Residual((3,), START, layers=[inner])
    X = np.ones((3, 2))
    np.testing.assert_array_equal(layer.forward(X), 2 * np.ones((3, 2)))
    np.testing.assert_array_equal(layer.backward(X), 2 * np.ones((3, 2)))
    np.testing.assert_array_equal(X, np.ones((3, 2)))


def test_uses_its_memory_again() -> None:
    layer = Residual((3,), START, layers=[ReLU])
    X = np.ones((3, 2))
    assert layer.forward(X) is layer.forward(X)
    assert layer.backward(X) is layer.backward(X)
