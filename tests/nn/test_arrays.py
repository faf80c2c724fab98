"""The memory that layers use again."""

import numpy as np
import pytest

from stages.nn.arrays import reuse


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


def test_the_first_call_gives_new_memory() -> None:
    new = reuse(None, (2, 3), np.float64)
    assert new.shape == (2, 3)
    assert new.dtype == np.float64
