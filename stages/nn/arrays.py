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


def reuse_like(array: Array | None, other: Array) -> Array:
    """Return `array` to be overwritten if it has the shape, dtype and order of `other`, else new memory that has them.

    In the order that it was given in, an array of images is one of columns without a copy.
    """
    same = array is not None and (array.strides, array.shape, array.dtype) == (other.strides, other.shape, other.dtype)
    return array if array is not None and same else np.empty_like(other)
