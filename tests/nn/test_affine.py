"""The affine layer against cases worked by hand."""

import numpy as np
import pytest

from stages.nn.affine import Affine
from stages.nn.initializers import Glorot, Normal
from stages.nn.layer import OptionError, Start
from tests.networks import affine

W = np.array([[1.0, 2.0, 0.0], [3.0, -1.0, 4.0]])
b = np.array([[10.0], [20.0]])
X = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, -1.0]])
dZ = np.array([[1.0, 2.0], [-1.0, 3.0]])


def test_by_hand() -> None:
    layer = affine(W, b)
    np.testing.assert_array_equal(layer.forward(X), [[15, 12], [21, 15]])
    np.testing.assert_array_equal(layer.backward(dZ), [[-2, 11], [3, 1], [-4, 12]])
    np.testing.assert_array_equal(layer.gradients["W"], [[1, 4, -2], [-1, 1, -3]])
    np.testing.assert_array_equal(layer.gradients["b"], [[3], [2]])


def test_parts_of_a_batch_add_up_to_the_batch() -> None:
    parts = affine(W, b)
    for column in range(2):
        parts.forward(X[:, column : column + 1])
        parts.backward(dZ[:, column : column + 1], add=column > 0)
    np.testing.assert_array_equal(parts.gradients["W"], [[1, 4, -2], [-1, 1, -3]])
    np.testing.assert_array_equal(parts.gradients["b"], [[3], [2]])


def test_a_batch_of_another_size_follows() -> None:
    layer = affine(W, b)
    layer.forward(X)
    np.testing.assert_array_equal(layer.forward(X[:, :1]), [[15], [21]])
    np.testing.assert_array_equal(layer.backward(dZ[:, :1]), [[-2], [3], [-4]])
    np.testing.assert_array_equal(layer.gradients["W"], [[1, 2, 0], [-1, -2, 0]])


def test_weights_are_decayed_and_biases_are_not() -> None:
    assert list(affine(W, b).decayed) == ["W"]


def test_an_image_is_as_many_features_as_it_has_entries() -> None:
    layer = Affine((3, 4, 2), Start(np.random.default_rng(0)), units=5)
    assert layer.shape == (5,)
    assert layer.parameters["W"].shape == (5, 24)
    pictures = layer.pictures()
    assert pictures is not None
    assert pictures.shape == (5, 3, 4, 2)
    np.testing.assert_array_equal(pictures[1].ravel(), layer.parameters["W"][1])


def test_there_is_no_picture_of_weights_for_features() -> None:
    assert affine(W, b).pictures() is None


def test_has_a_unit_for_each_class_unless_said() -> None:
    start = Start(np.random.default_rng(0), classes=7)
    assert Affine((3,), start).shape == (7,)
    assert Affine((3,), start, units=2).shape == (2,)
    with pytest.raises(OptionError, match="units is missing"):
        Affine((3,), Start(np.random.default_rng(0)))


def test_parameters_come_from_the_initializer_for_its_inputs_and_units() -> None:
    for initializer in (Normal(2.0), Glorot()):
        layer = Affine((3,), Start(np.random.default_rng(5), initializer, np.float64), units=4)
        for found, expected in zip(layer.parameters.values(), initializer(4, 3, np.random.default_rng(5)), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_uses_its_memory_again() -> None:
    layer = affine(W, b)
    assert layer.forward(X) is layer.forward(X)
    assert layer.backward(dZ) is layer.backward(dZ)
