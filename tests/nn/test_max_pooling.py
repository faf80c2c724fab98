"""Max-pooling against loops over its definition, ties, and what does not fit."""

from itertools import product
from typing import Literal

import numpy as np
import pytest

from stages.nn.arrays import Array
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.layer import OptionError, Shape, Start
from stages.nn.max_pooling import MaxPooling
from tests.networks import by_input

START = Start(np.random.default_rng(0))
CASES = [((4, 6, 2), 2, None), ((7, 5, 1), 3, 2), ((5, 4, 3), 2, 1), ((7, 4, 2), 1, 3), ((3, 3, 2), 3, None)]
every_case = pytest.mark.parametrize(("shape", "size", "stride"), CASES)
M = 3


def column(*rows: list[float]) -> Array:
    """Return an image of one channel as a batch of one."""
    return np.array(rows, float).reshape(-1, 1)


@every_case
def test_is_the_largest_of_each_square(shape: Shape, size: int, stride: int | None) -> None:
    rng, layer, step = np.random.default_rng(0), MaxPooling(shape, START, size=size, stride=stride), stride or size
    X = rng.normal(size=(int(np.prod(shape)), M))
    images, dX = X.reshape(*shape, M), np.zeros((*shape, M))
    Y = layer.forward(X)
    dY = rng.normal(size=Y.shape)
    height, width, channels = layer.shape
    assert ((height - 1) * step + size, (width - 1) * step + size) == shape[:2]
    for row, col, c, k in product(*map(range, (height, width, channels, M))):
        square = images[row * step : row * step + size, col * step : col * step + size, c, k]
        output = np.ravel_multi_index((row, col, c), layer.shape)
        assert Y[output, k] == square.max()
        i, j = np.unravel_index(square.argmax(), square.shape)
        dX[row * step + i, col * step + j, c, k] += dY[output, k]
        assert layer.branches()[0][k, row, col, c] == square.argmax()
    np.testing.assert_allclose(by_input(layer, dY), dX.reshape(-1, M), rtol=1e-14)


@every_case
def test_central_differences(shape: Shape, size: int, stride: int | None) -> None:
    layer = MaxPooling(shape, START, size=size, stride=stride)
    rng, features = np.random.default_rng(1), int(np.prod(shape))
    X = rng.permutation(features * M).reshape(features, M) / 10  # no two entries within the step of each other
    dY = rng.normal(size=layer.forward(X).shape)
    dX = by_input(layer, dY)
    assert relative_error(dX, numeric_gradient(lambda: float((dY * layer.forward(X)).sum()), X)) < 1e-8


def test_of_equal_entries_the_first_gets_the_gradient_and_the_others_nothing() -> None:
    layer = MaxPooling((2, 6, 1), START, size=2)
    X = column([5, 5, 1, 2, 0, 0], [5, 5, 2, 2, 0, 0])
    np.testing.assert_array_equal(layer.forward(X)[:, 0], [5, 2, 0])
    np.testing.assert_array_equal(layer.branches()[0].ravel(), [0, 1, 0])
    dX = by_input(layer, np.array([[10.0], [20.0], [30.0]]))
    np.testing.assert_array_equal(dX, column([10, 0, 0, 20, 30, 0], [0, 0, 0, 0, 0, 0]))


def test_the_sum_of_the_gradient_is_kept_with_ties_and_overlaps() -> None:
    rng, layer = np.random.default_rng(0), MaxPooling((7, 7, 2), START, size=3, stride=2)
    X = rng.integers(3, size=(98, M)).astype(float)
    Y = layer.forward(X)
    dX = by_input(layer, np.ones_like(Y))
    np.testing.assert_array_equal(dX.sum(axis=0), np.full(M, len(Y)))
    assert dX.max() > 1


def test_what_several_squares_chose_adds_up() -> None:
    layer = MaxPooling((1, 3, 1), START, size=1, stride=1)
    assert layer.shape == (1, 3, 1)
    layer = MaxPooling((3, 3, 1), START, size=2, stride=1)
    layer.forward(column([0, 0, 0], [0, 9, 0], [0, 0, 0]))
    dX = by_input(layer, np.array([[1.0], [2.0], [4.0], [8.0]]))
    np.testing.assert_array_equal(dX, column([0, 0, 0], [0, 15, 0], [0, 0, 0]))


def test_a_nan_is_passed_on() -> None:
    layer = MaxPooling((2, 2, 1), START, size=2)
    assert np.isnan(layer.forward(column([1, np.nan], [2, 3])))


@pytest.mark.parametrize("order", ["C", "F"])
def test_keeps_the_order_and_uses_its_memory_again(order: Literal["C", "F"]) -> None:
    layer = MaxPooling((4, 4, 2), START, size=2)
    X = np.array(np.random.default_rng(0).normal(size=(32, M)), order=order)
    Y = layer.forward(X)
    assert np.shares_memory(layer.forward(X), Y)
    first = by_input(layer, Y)
    second = by_input(layer, Y)
    assert np.shares_memory(first, second)
    assert Y.flags.f_contiguous == second.flags.f_contiguous == (order == "F")


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((7, 7, 1), {"size": 2}, "^size is 2: max_pooling of size 2 gets 7 x 7; sizes that fit are 1, 7$"),
        ((12, 8, 1), {"size": 3}, "^size is 3: max_pooling of size 3 gets 12 x 8; sizes that fit are 1, 2, 4$"),
        ((4, 4, 1), {"size": 5}, "^size is 5: max_pooling of size 5 gets 4 x 4; sizes that fit are 1, 2, 4$"),
        (
            (8, 8, 1),
            {"size": 3, "stride": 3},
            "^size is 3: max_pooling of size 3 and stride 3 gets 8 x 8; sizes that fit are 2, 5, 8$",
        ),
        (
            (4, 4, 1),
            {"size": 6, "stride": 2},
            "^size is 6: max_pooling of size 6 and stride 2 gets 4 x 4; sizes that fit are 2, 4$",
        ),
        (
            (8, 8, 1),
            {"size": 3, "stride": 2},
            "^size is 3: max_pooling of size 3 and stride 2 gets 8 x 8; sizes that fit are 2, 4, 6, 8$",
        ),
        (
            (7, 8, 1),
            {"size": 3, "stride": 2},
            "^size is 3: max_pooling of size 3 and stride 2 gets 7 x 8; no size fits with this stride$",
        ),
        ((32,), {"size": 2}, "^name is max_pooling, which needs an image and gets 32 features; put it before affine$"),
    ],
)
def test_what_does_not_fit_is_said(shape: Shape, options: dict[str, int], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        MaxPooling(shape, START, **options)


def test_the_sizes_that_are_said_to_fit_do() -> None:
    for size in (2, 4, 6, 8):
        MaxPooling((8, 8, 1), START, size=size, stride=2)
    for size in (1, 2, 4):
        MaxPooling((12, 8, 1), START, size=size)
