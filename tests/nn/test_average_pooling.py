"""Average pooling against a case worked by hand and against the convolution that it is."""

from typing import Literal

import numpy as np
import pytest

from stages.nn.average_pooling import AveragePooling
from stages.nn.convolution import Convolution
from stages.nn.layer import OptionError, Shape, Start
from tests.networks import by_input

START = Start(np.random.default_rng(0), dtype=np.float64)


def test_by_hand() -> None:
    layer = AveragePooling((2, 4, 1), START, size=2)
    X = np.array([[1, 2, 10, 10], [3, 6, 10, -10]], float).reshape(-1, 1)
    np.testing.assert_array_equal(layer.forward(X), [[3], [5]])
    dX = by_input(layer, np.array([[4.0], [8.0]]))
    np.testing.assert_array_equal(dX, np.reshape([1, 1, 2, 2, 1, 1, 2, 2], (-1, 1)))


@pytest.mark.parametrize(("shape", "size"), [((4, 6, 1), 2), ((3, 6, 3), 3), ((4, 4, 2), 4), ((3, 2, 2), 1)])
def test_is_a_convolution_with_a_constant_filter_for_each_channel(shape: Shape, size: int) -> None:
    rng, channels = np.random.default_rng(1), shape[2]
    layer = AveragePooling(shape, START, size=size)
    convolution = Convolution(shape, START, filters=channels, size=size, stride=size)
    W = np.tile(np.eye(channels), size**2) / size**2
    convolution.parameters = {"W": W, "b": np.zeros((channels, 1))}
    X = rng.normal(size=(int(np.prod(shape)), 5))
    Y = layer.forward(X)
    dY = rng.normal(size=Y.shape)
    np.testing.assert_allclose(Y, convolution.forward(X), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(by_input(layer, dY), by_input(convolution, dY), rtol=1e-13)


def test_of_the_size_of_the_image_it_is_the_mean_of_each_channel() -> None:
    layer, images = AveragePooling((4, 4, 3), START, size=4), np.random.default_rng(1).normal(size=(5, 4, 4, 3))
    assert layer.shape == (1, 1, 3)
    np.testing.assert_allclose(layer.forward(images.reshape(5, -1).T), images.mean(axis=(1, 2)).T, rtol=1e-13)


@pytest.mark.parametrize("order", ["C", "F"])
def test_keeps_the_order_and_uses_its_memory_again(order: Literal["C", "F"]) -> None:
    layer = AveragePooling((4, 4, 2), START, size=2)
    X = np.array(np.random.default_rng(0).normal(size=(32, 3)), order=order)
    Y = layer.forward(X)
    assert np.shares_memory(layer.forward(X), Y)
    first, second = by_input(layer, Y), by_input(layer, Y)
    assert np.shares_memory(first, second)
    assert Y.flags.f_contiguous == second.flags.f_contiguous == (order == "F")


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(
        OptionError, match=r"^size is 2: average_pooling of size 2 gets 7 x 7; sizes that fit are 1, 7$"
    ):
        AveragePooling((7, 7, 1), START, size=2)
    with pytest.raises(OptionError, match=r"^name is average_pooling, which needs an image and gets 32 features"):
        AveragePooling((32,), START, size=2)
