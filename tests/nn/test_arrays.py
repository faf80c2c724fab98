"""The memory that layers use again."""

from typing import Literal

import numpy as np
import pytest

from stages.nn.arrays import Array, reuse, reuse_like


def test_the_same_shape_and_dtype_give_the_same_memory() -> None:
    array = np.zeros((2, 3), np.float32)
    assert reuse(array, (2, 3), np.float32) is array


@pytest.mark.parametrize(("shape", "dtype"), [((3, 2), np.float32), ((2, 2), np.float32), ((2, 3), np.float64)])
def test_another_shape_or_dtype_gives_new_memory(shape: tuple[int, int], dtype: type[np.floating]) -> None:
    array = np.zeros((2, 3), np.float32)
    new = reuse(array, shape, dtype)
    assert not np.shares_memory(new, array)
    assert new.shape == shape
    assert new.dtype == dtype


def test_a_wider_dtype_gives_new_memory_too() -> None:
    assert reuse(np.zeros((2, 3), np.float64), (2, 3), np.float32).dtype == np.float32


def test_the_first_call_gives_new_memory() -> None:
    new = reuse(None, (2, 3), np.float64)
    assert new.shape == (2, 3)
    assert new.dtype == np.float64


def test_what_is_like_the_other_is_used_again() -> None:
    array, other = (np.zeros((2, 3), np.float32, order="F") for _ in range(2))
    assert reuse_like(array, other) is array


@pytest.mark.parametrize(
    "other",
    [
        np.zeros((3, 2), np.float32, order="F"),
        np.zeros((2, 3), np.float64, order="F"),
        np.zeros((2, 3), np.float32),
        np.zeros((4, 3), np.float32, order="F")[::2],
    ],
    ids=["shape", "dtype", "order", "strides"],
)
@pytest.mark.parametrize("array", [None, np.zeros((2, 3), np.float32, order="F")], ids=["first", "later"])
def test_what_is_unlike_the_other_gives_new_memory_like_it(array: Array | None, other: Array) -> None:
    new = reuse_like(array, other)
    assert new is not array
    assert not np.shares_memory(new, other)
    assert (new.shape, new.dtype, new.flags.f_contiguous) == (other.shape, other.dtype, not other.flags.c_contiguous)


@pytest.mark.parametrize("order", ["C", "F"])
def test_of_other_features_it_has_the_order_and_the_columns_of_the_other(order: Literal["C", "F"]) -> None:
    other = np.zeros((2, 3), np.float32, order=order)
    new = reuse_like(None, other, 5)
    assert (new.shape, new.dtype, new.flags.f_contiguous) == ((5, 3), other.dtype, order == "F")
    assert reuse_like(new, other, 5) is new
