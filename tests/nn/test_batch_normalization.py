"""Batch normalization: by hand, training and prediction, what is kept, images, and how many columns it needs."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.batch_normalization import BatchNormalization
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.initializers import Uniform
from stages.nn.layer import Outline, Shape, Start
from stages.nn.network import Network
from stages.nn.relu import ReLU
from stages.nn.residual import Residual
from tests.networks import by_input

IMAGE = (3, 2, 4)


def layer_of(shape: Shape, **options: Any) -> BatchNormalization:
    return BatchNormalization(shape, Start(np.random.default_rng(0), dtype=np.float64), **options)


def rng() -> np.random.Generator:
    """Return what makes a pass one of training; nothing is drawn from it."""
    return np.random.default_rng(0)


def images(m: int, shape: Shape = IMAGE) -> Array:
    drawn = np.random.default_rng(m).normal(2, 3, size=(m, *shape))
    return drawn.reshape(m, -1).T


def test_by_hand() -> None:
    layer = layer_of((2,), epsilon=1e-12)
    layer.parameters["gamma"][...] = [[2.0], [1.0]]
    layer.parameters["beta"][...] = [[10.0], [20.0]]
    X = np.array([[1.0, 3.0], [5.0, 5.0]])  # means 2 and 5, variances 1 and 0
    np.testing.assert_allclose(layer.forward(X, rng()), [[8, 12], [20, 20]], rtol=1e-11)
    dX = layer.backward(np.array([[3.0, 7.0], [1.0, 2.0]]))
    np.testing.assert_allclose(layer.gradients["gamma"], [[4], [0]], rtol=1e-11)
    np.testing.assert_allclose(layer.gradients["beta"], [[10], [3]], rtol=1e-11)
    assert dX is not None
    np.testing.assert_allclose(dX[0], 0, atol=1e-10)  # of two numbers nothing is left beside their mean and spread
    np.testing.assert_allclose(dX[1], [-0.5e6, 0.5e6], rtol=1e-11)  # divided by the root of epsilon


def test_each_channel_of_an_image_is_normalized_over_the_batch_and_all_places() -> None:
    layer = layer_of(IMAGE, epsilon=1e-12)
    channels = np.moveaxis(layer.forward(images(5), rng()).T.reshape(5, *IMAGE), -1, 0).reshape(4, -1)
    np.testing.assert_allclose(channels.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(channels.var(axis=1), 1, rtol=1e-9)
    assert layer.parameters["gamma"].shape == layer.state["mean"].shape == (4, 1)


def test_an_image_of_one_place_is_a_vector() -> None:
    X = np.random.default_rng(0).normal(size=(4, 6))
    found = layer_of((1, 1, 4)).forward(X, rng())
    np.testing.assert_allclose(found, layer_of((4,)).forward(X, rng()), rtol=1e-13)


def test_an_image_is_what_its_places_are_as_examples() -> None:
    X, dZ = images(5), images(5)[::-1]
    as_image, as_vectors = layer_of(IMAGE), layer_of(IMAGE[-1:])
    places = X.T.reshape(-1, 4).T
    np.testing.assert_allclose(
        as_image.forward(X, rng()).T.reshape(-1, 4).T, as_vectors.forward(places, rng()), rtol=1e-12
    )
    dX, expected = as_image.backward(dZ), as_vectors.backward(dZ.T.reshape(-1, 4).T)
    assert dX is not None
    assert expected is not None
    np.testing.assert_allclose(dX.T.reshape(-1, 4).T, expected, rtol=1e-11, atol=1e-14)
    for name, kept in {**as_image.gradients, **as_image.state}.items():
        np.testing.assert_allclose(kept, {**as_vectors.gradients, **as_vectors.state}[name], rtol=1e-12)


def test_what_is_kept_is_a_running_mean_of_the_mean_and_the_unbiased_variance() -> None:
    layer, X = layer_of((3,), decay=0.75), np.random.default_rng(0).normal(5, 2, size=(2, 3, 8))
    mean, variance = np.zeros(3), np.ones(3)
    for batch in X:
        layer.forward(batch, rng())
        mean, variance = 0.75 * mean + 0.25 * batch.mean(axis=1), 0.75 * variance + 0.25 * batch.var(axis=1, ddof=1)
        np.testing.assert_allclose(layer.state["mean"][:, 0], mean, rtol=1e-13)
        np.testing.assert_allclose(layer.state["variance"][:, 0], variance, rtol=1e-13)


def test_prediction_is_an_affine_map_of_each_column_and_keeps_nothing() -> None:
    layer = layer_of((3,), epsilon=0.5)
    layer.parameters["gamma"][...] = [[1.0], [2.0], [-3.0]]
    layer.parameters["beta"][...] = [[0.0], [1.0], [2.0]]
    layer.state["mean"][...] = [[1.0], [0.0], [-1.0]]
    layer.state["variance"][...] = [[0.5], [3.5], [8.5]]
    before = {name: array.copy() for name, array in layer.kept.items()}
    X = np.random.default_rng(0).normal(size=(3, 4))
    slope = np.array([[1.0], [1.0], [-1.0]])
    np.testing.assert_allclose(layer.forward(X), slope * X + np.array([[-1.0], [1.0], [1.0]]), rtol=1e-13)
    np.testing.assert_allclose(layer.forward(X[:, 2:3]), slope * X[:, 2:3] + np.array([[-1.0], [1.0], [1.0]]))
    for name, array in layer.kept.items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("shape", [(4,), (2, 3, 2)])
def test_gradients_after_prediction(shape: Shape) -> None:
    layer, X, dZ = layer_of(shape), images(3, shape), images(3, shape)[::-1]
    layer.forward(X + 1, rng())
    layer.forward(X)
    dX = layer.backward(dZ)
    assert dX is not None
    found = {**{name: gradient.copy() for name, gradient in layer.gradients.items()}, "X": dX.copy()}
    for name, theta in {**layer.parameters, "X": X}.items():
        numeric = numeric_gradient(lambda: float((dZ * layer.forward(X)).sum()), theta)
        assert relative_error(found[name], numeric) < 1e-8, name


@pytest.mark.parametrize("shape", [(4,), (2, 3, 2), (3, 2)])
def test_gradients_in_training(shape: Shape) -> None:
    layer, X, dZ = layer_of(shape), images(3, shape), images(3, shape)[::-1]
    layer.forward(X, rng())
    dX = layer.backward(dZ)
    assert dX is not None
    found = {**{name: gradient.copy() for name, gradient in layer.gradients.items()}, "X": dX.copy()}
    for name, theta in {**layer.parameters, "X": X}.items():
        numeric = numeric_gradient(lambda: float((dZ * layer.forward(X, rng())).sum()), theta)
        assert relative_error(found[name], numeric) < 1e-8, name


def test_equal_numbers_are_no_division_by_zero_at_the_smallest_epsilon() -> None:
    layer = BatchNormalization((2,), Start(np.random.default_rng(0)), epsilon=1e-12)
    X = np.full((2, 5), 3, np.float32)
    np.testing.assert_array_equal(layer.forward(X, rng()), np.zeros((2, 5)))
    assert np.isfinite(by_input(layer, X)).all()


def test_needs_two_columns_where_an_example_has_one_place() -> None:
    assert layer_of((4,)).least_columns == layer_of((1, 1, 4)).least_columns == 2
    assert layer_of((2, 1, 4)).least_columns == 1
    start = Start(np.random.default_rng(0))
    inside = partial(Residual, layers=[BatchNormalization, ReLU])
    assert Network((4,), start, layers=[ReLU, inside]).least_columns == 2
    assert Network((4,), start, layers=[ReLU, partial(Affine, units=3)]).least_columns == 1


def test_scale_and_shift_are_not_decayed() -> None:
    assert not list(layer_of((4,)).decayed)


def test_an_outline_takes_no_memory() -> None:
    layer = BatchNormalization((10**15,), Outline(np.random.default_rng(0), Uniform(), np.float64))
    assert {array.shape for array in layer.kept.values()} == {(10**15, 1)}


@pytest.mark.parametrize("shape", [(6,), IMAGE])
def test_keeps_the_order_of_images_and_uses_its_memory_again(shape: Shape) -> None:
    layer, X = layer_of(shape), images(5, shape)
    assert X.flags.f_contiguous
    Z = layer.forward(X, rng())
    assert Z is layer.forward(X, rng())
    dX = layer.backward(X)
    assert dX is layer.backward(X)
    assert dX is not None
    assert Z.flags.f_contiguous
    assert dX.flags.f_contiguous
