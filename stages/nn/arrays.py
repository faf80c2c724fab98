"""Types and memory shared by the layers."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]


def reuse(array: Array | None, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return `array` to be overwritten if it has this shape and dtype, else new uninitialized memory.

    Fresh memory costs the operating system a page fault every 4 KiB; most calls ask for the same shape as the last one.
    """
    if array is not None and array.shape == shape and array.dtype == dtype:
        return array
    return np.empty(shape, dtype)


def reuse_like(array: Array | None, other: Array, features: int | None = None) -> Array:
    """Return `array` to be overwritten if it has the shape, dtype and order of `other`, else new memory that has them.

    With `features`, the shape is (features, m), for m columns of `other`. Operations on two arrays in one order go
    through both as they lie in memory.
    """
    shape = other.shape if features is None else (features, other.shape[1])
    wanted = shape, other.dtype, other.flags.f_contiguous
    if array is not None and (array.shape, array.dtype, array.flags.f_contiguous) == wanted:
        return array
    return np.empty_like(other, shape=shape)
