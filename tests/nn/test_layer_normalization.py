"""Layer normalization: by hand, place by place, and what it does not do."""

import numpy as np
import pytest

from stages.nn.arrays import Array
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.layer import OptionError, Shape, Start
from stages.nn.layer_normalization import LayerNormalization

SEQUENCE = (3, 4)


def layer_of(shape: Shape, epsilon: float = 1e-5) -> LayerNormalization:
    return LayerNormalization(shape, Start(np.random.default_rng(0), dtype=np.float64), epsilon=epsilon)


def examples(m: int, shape: Shape = SEQUENCE) -> Array:
    return np.random.default_rng(m).normal(2, 3, size=(m, *shape)).reshape(m, -1).T


def test_by_hand() -> None:
    layer = layer_of((2,), epsilon=1e-12)
    layer.parameters["gamma"][...] = [[2.0], [3.0]]
    layer.parameters["beta"][...] = [[10.0], [20.0]]
    X = np.array([[1.0, 5.0], [3.0, 5.0]])  # columns of mean 2 and 5, variance 1 and 0
    np.testing.assert_allclose(layer.forward(X), [[8, 10], [23, 20]], rtol=1e-11)
    dX = layer.backward(np.array([[3.0, 1.0], [7.0, 2.0]]))
    np.testing.assert_allclose(layer.gradients["gamma"], [[-3], [7]], rtol=1e-11)
    np.testing.assert_allclose(layer.gradients["beta"], [[4], [9]], rtol=1e-11)
    assert dX is not None
    np.testing.assert_allclose(dX[:, 0], 0, atol=1e-10)
    np.testing.assert_allclose(dX[:, 1], [-2e6, 2e6], rtol=1e-11)  # dN is 2 and 6, of mean 4


def test_each_place_of_each_example_is_normalized_alone() -> None:
    places = layer_of(SEQUENCE, epsilon=1e-12).forward(examples(5)).T.reshape(-1, 4)
    np.testing.assert_allclose(places.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(places.var(axis=1), 1, rtol=1e-9)


def test_a_sequence_is_what_its_places_are_as_examples() -> None:
    X, dZ = examples(5), examples(5)[::-1]
    whole, places = layer_of(SEQUENCE), layer_of(SEQUENCE[-1:])
    np.testing.assert_allclose(whole.forward(X).T.reshape(-1, 4).T, places.forward(X.T.reshape(-1, 4).T), rtol=1e-13)
    dX, expected = whole.backward(dZ), places.backward(dZ.T.reshape(-1, 4).T)
    assert dX is not None
    assert expected is not None
    np.testing.assert_allclose(dX.T.reshape(-1, 4).T, expected, rtol=1e-12)
    for name, gradient in whole.gradients.items():
        np.testing.assert_allclose(gradient, places.gradients[name], rtol=1e-12)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 3)])
def test_gradients(shape: Shape) -> None:
    layer, X, dZ = layer_of(shape), examples(3, shape), examples(3, shape)[::-1]
    layer.parameters["gamma"][:, 0] = np.arange(shape[-1]) - 1.5
    layer.forward(X)
    dX = layer.backward(dZ)
    assert dX is not None
    found = {**{name: gradient.copy() for name, gradient in layer.gradients.items()}, "X": dX.copy()}
    for name, theta in {**layer.parameters, "X": X}.items():
        numeric = numeric_gradient(lambda: float((dZ * layer.forward(X)).sum()), theta)
        assert relative_error(found[name], numeric) < 1e-8, name


def test_a_column_does_not_depend_on_the_others_nor_on_training() -> None:
    layer, X = layer_of(SEQUENCE), examples(5)
    Z = layer.forward(X, np.random.default_rng(0)).copy()
    np.testing.assert_array_equal(layer.forward(X), Z)
    np.testing.assert_allclose(np.hstack([layer.forward(X[:, [k]]).copy() for k in range(5)]), Z, rtol=1e-13)
    assert layer.state == {}
    assert layer.least_columns == 1


def test_a_single_channel_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^name is layer_normalization: of 28 x 28 x 1, a single channel, nothing"):
        layer_of((28, 28, 1))


def test_scale_and_shift_are_not_decayed() -> None:
    assert not list(layer_of((4,)).decayed)


@pytest.mark.parametrize("shape", [(6,), SEQUENCE])
def test_keeps_the_order_and_uses_its_memory_again(shape: Shape) -> None:
    layer, X = layer_of(shape), examples(5, shape)
    Z = layer.forward(X)
    again = layer.forward(X)
    assert np.shares_memory(Z, again)
    dX = layer.backward(X)
    assert dX is layer.backward(X)
    assert dX is not None
    assert Z.flags.f_contiguous
    assert dX.flags.f_contiguous
