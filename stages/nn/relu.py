"""The rectified linear unit, A = max(Z, 0)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.nn.arrays import Array
from stages.nn.entrywise import Entrywise


def relu(Z: Array, out: Array | None = None) -> Array:
    """Return A = max(Z, 0), entry by entry, of the shape of Z."""
    return np.maximum(Z, 0, out=out)


def relu_backward(A: Array, dA: Array, out: Array | None = None) -> Array:
    """Return dZ = dA where Z > 0 (there A > 0), else 0, of the shape of dA.

    At Z = 0 there is no derivative; the subgradient 0 is taken.
    """
    return np.multiply(dA, A > 0, out=out)


class ReLU(Entrywise):
    """The rectified linear unit, A = max(Z, 0)."""

    function = staticmethod(relu)
    function_backward = staticmethod(relu_backward)

    def branches(self) -> list[NDArray[Any]]:
        """Return which entries of Z were above 0."""
        assert self._A is not None, "forward comes first"
        return [self._A > 0]
