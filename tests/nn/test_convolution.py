"""Convolution against direct loops over its definition, cases worked by hand and central differences."""

from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.convolution import Convolution
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.images import images_of
from stages.nn.initializers import Glorot, Uniform
from stages.nn.layer import OptionError, Shape, Start
from stages.nn.max_pooling import MaxPooling
from stages.nn.network import Network
from stages.nn.relu import ReLU
from tests.networks import by_input

START = Start(np.random.default_rng(0), Uniform(-1, 1), np.float64)
# shape, filters, size, stride, padding: each option alone and together, one channel and several, a rest at the end
CASES = [
    ((5, 4, 1), 2, 3, 1, 0),
    ((5, 4, 2), 3, 2, 1, 0),
    ((4, 6, 3), 2, 1, 1, 0),
    ((4, 6, 3), 2, 1, 2, 0),
    ((3, 5, 2), 2, 3, 1, 2),
    ((7, 6, 2), 3, 3, 2, 0),
    ((6, 7, 1), 2, 2, 3, 1),
    ((4, 4, 2), 5, 4, 1, 0),
]
every_case = pytest.mark.parametrize(("shape", "filters", "size", "stride", "padding"), CASES)
M = 3


def made(shape: Shape, filters: int, size: int, stride: int, padding: int) -> tuple[Convolution, Array, Array]:
    """Return a layer and a batch that goes through it, forward and backward."""
    rng = np.random.default_rng(1)
    layer = Convolution(shape, START, filters=filters, size=size, stride=stride, padding=padding)
    X, dZ = (np.asfortranarray(rng.normal(size=(int(np.prod(each)), M))) for each in (shape, layer.shape))
    return layer, X, dZ


def terms(layer: Convolution, shape: Shape, size: int, stride: int, padding: int) -> Any:
    """Yield the index of an output, of a weight and of an input for each product that a convolution adds up."""
    height, width, filters = layer.shape
    for row, column, f, i, j, c in product(*map(range, (height, width, filters, size, size, shape[2]))):
        y, x = row * stride + i - padding, column * stride + j - padding
        if 0 <= y < shape[0] and 0 <= x < shape[1]:
            output = np.ravel_multi_index((row, column, f), layer.shape)
            yield output, (f, (i * size + j) * shape[2] + c), np.ravel_multi_index((y, x, c), shape)


@every_case
def test_is_the_sum_of_its_definition(shape: Shape, filters: int, size: int, stride: int, padding: int) -> None:
    layer, X, dZ = made(shape, filters, size, stride, padding)
    W, b = layer.parameters.values()
    Z = np.tile(b, (layer.shape[0] * layer.shape[1], M))
    dX, dW = np.zeros_like(X), np.zeros_like(W)
    for output, weight, entry in terms(layer, shape, size, stride, padding):
        Z[output] += W[weight] * X[entry]
        dX[entry] += W[weight] * dZ[output]
        dW[weight] += (dZ[output] * X[entry]).sum()
    np.testing.assert_allclose(layer.forward(X), Z, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(by_input(layer, dZ), dX, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer.gradients["W"], dW, rtol=1e-12, atol=1e-13)
    by_filter = dZ.reshape(-1, filters, M).sum(axis=(0, 2))
    np.testing.assert_allclose(layer.gradients["b"][:, 0], by_filter, rtol=1e-12)


@every_case
def test_central_differences(shape: Shape, filters: int, size: int, stride: int, padding: int) -> None:
    layer, X, dZ = made(shape, filters, size, stride, padding)
    layer.forward(X)
    dX = by_input(layer, dZ)
    for theta, gradient in [(X, dX), *zip(layer.parameters.values(), layer.gradients.values(), strict=True)]:
        numeric = numeric_gradient(lambda: float((dZ * layer.forward(X)).sum()), theta)
        assert relative_error(gradient, numeric) < 1e-8


def test_by_hand() -> None:
    layer = Convolution((3, 3, 1), START, filters=1, size=2)
    layer.parameters = {"W": np.array([[1.0, 2.0, 3.0, 4.0]]), "b": np.array([[100.0]])}
    X = np.arange(9.0)[:, np.newaxis]
    # the upper left patch is 0 1 / 3 4: 0 + 2 + 9 + 16 = 27, and a shift by one adds 1 + 2 + 3 + 4
    np.testing.assert_array_equal(layer.forward(X)[:, 0], [127, 137, 157, 167])
    dX = by_input(layer, np.array([[1.0], [0.0], [0.0], [10.0]]))
    np.testing.assert_array_equal(dX[:, 0], [1, 2, 0, 3, 14, 20, 0, 30, 40])
    np.testing.assert_array_equal(layer.gradients["W"], [[40, 51, 73, 84]])
    np.testing.assert_array_equal(layer.gradients["b"], [[11]])


def test_of_the_size_1_it_copies_nothing() -> None:
    layer, X, dZ = made((4, 6, 3), 2, 1, 1, 0)  # in Fortran order, token by token
    X.flags.writeable = dZ.flags.writeable = False
    layer.forward(X)
    dX = by_input(layer, dZ)
    held = [array for array in vars(layer).values() if isinstance(array, np.ndarray)]
    assert [np.shares_memory(array, X) for array in held].count(True) == 1
    assert sum(array.size for array in held) == X.size + dZ.size + dX.size + layer.gradients["W"].size


def test_of_the_size_of_the_image_it_is_the_affine_layer() -> None:
    rng = np.random.default_rng(1)
    layer, affine = Convolution((3, 3, 2), START, filters=4, size=3), Affine((3, 3, 2), START, units=4)
    affine.parameters = layer.parameters
    X, dZ = rng.normal(size=(18, M)), rng.normal(size=(4, M))
    np.testing.assert_allclose(layer.forward(X), affine.forward(X), rtol=1e-13)
    np.testing.assert_allclose(by_input(layer, dZ), by_input(affine, dZ), rtol=1e-13)
    for name in ("W", "b"):
        np.testing.assert_allclose(layer.gradients[name], affine.gradients[name], rtol=1e-13)


def test_images_stay_in_the_order_of_a_convolution_from_layer_to_layer_without_a_copy() -> None:
    network = Network(
        (8, 8, 1),
        START,
        layers=[partial(Convolution, filters=2, size=3, padding=1), ReLU, partial(MaxPooling, size=2)],
    )
    Z: Array = np.random.default_rng(1).normal(size=(64, M))
    for layer in network.layers:
        Z = layer.forward(Z)
        assert Z.flags.c_contiguous
        assert np.shares_memory(images_of(Z, layer.shape), Z)
    gradient = Z
    for layer in reversed(network.layers):
        gradient = by_input(layer, gradient)
        assert gradient.flags.c_contiguous


@pytest.mark.parametrize("shape", [(5, 4, 1), (5, 4, 2)])
@pytest.mark.parametrize("padding", [0, 1])
def test_uses_its_memory_again(shape: Shape, padding: int) -> None:
    layer, X, dZ = made(shape, 3, 2, 1, padding)
    Z = layer.forward(X)
    dX = by_input(layer, dZ)
    kept = [array for array in vars(layer).values() if isinstance(array, np.ndarray)]
    assert np.shares_memory(layer.forward(X), Z)
    again = by_input(layer, dZ)
    assert padding or np.shares_memory(again, dX)
    now = [array for array in vars(layer).values() if isinstance(array, np.ndarray)]
    assert len(now) >= 4
    assert all(np.shares_memory(a, b) for a, b in zip(kept, now, strict=True))


@pytest.mark.parametrize("padding", [0, 1])
def test_what_it_returns_does_not_depend_on_the_order_of_memory(padding: int) -> None:
    layer, X, dZ = made((5, 4, 2), 3, 3, 1, padding)
    expected = [array.copy() for array in (layer.forward(X), by_input(layer, dZ), *layer.gradients.values())]
    X, dZ = np.ascontiguousarray(X), np.ascontiguousarray(dZ)
    found = [layer.forward(X), by_input(layer, dZ), *layer.gradients.values()]
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


def test_what_was_in_the_memory_before_does_not_count() -> None:
    layer, X, dZ = made((4, 4, 2), 3, 3, 1, 1)
    layer.forward(X)
    first = by_input(layer, dZ)
    first = first.copy()
    layer.forward(np.full_like(X, 9))
    by_input(layer, np.full_like(dZ, 9))
    layer.forward(X)
    np.testing.assert_array_equal(by_input(layer, dZ), first)


def test_glorot_counts_the_weights_that_an_entry_of_the_image_meets() -> None:
    for stride, outputs in ((1, 4 * 9), (2, 9), (3, 4)):
        layer = Convolution(
            (9, 9, 2), Start(np.random.default_rng(5), Glorot(), np.float64), filters=4, size=3, stride=stride
        )
        W, _ = Glorot()(4, 18, np.random.default_rng(5), outputs)
        np.testing.assert_array_equal(layer.parameters["W"], W)


def test_weights_are_decayed_and_biases_are_not() -> None:
    assert list(Convolution.decayed) == ["W"]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_pictures_are_the_filters(channels: int) -> None:
    layer = Convolution((5, 5, channels), START, filters=4, size=3)
    pictures = layer.pictures()
    assert pictures is not None
    assert pictures.shape == (4, 3, 3, channels)
    X = np.zeros((5, 5, channels, 1))
    X[1:4, 2:5, :, 0] = pictures[2]  # a filter answers the most to its own picture
    Z = layer.forward(X.reshape(-1, 1)).reshape(3, 3, 4)
    assert Z[1, 2, 2] - layer.parameters["b"][2, 0] == pytest.approx(np.square(pictures[2]).sum())


def test_there_is_no_picture_of_filters_for_channels_that_are_no_colors() -> None:
    assert Convolution((5, 5, 2), START, filters=4).pictures() is None


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((7, 7, 1), {"size": 9}, "^size is 9: convolution of size 9 gets 7 x 7; the largest that fits is 7$"),
        (
            (7, 5, 1),
            {"size": 10, "padding": 2},
            "^size is 10: convolution of size 10 gets 7 x 5 with a padding of 2; the largest that fits is 9$",
        ),
        ((7, 7, 1), {"size": 3, "padding": 3}, "^padding is 3: .*size 3 need less"),
        ((128,), {}, "^name is convolution, which needs an image and gets 128 features; put it before affine$"),
    ],
)
def test_what_does_not_fit_is_said(shape: Shape, options: dict[str, int], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Convolution(shape, START, filters=2, **options)


def test_the_largest_that_fits_fits() -> None:
    assert Convolution((7, 5, 1), START, filters=2, size=9, padding=2).shape == (3, 1, 2)
