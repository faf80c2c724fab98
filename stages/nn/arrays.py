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
