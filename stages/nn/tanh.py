"""The hyperbolic tangent, A = tanh Z."""

import numpy as np

from stages.nn.arrays import Array
from stages.nn.entrywise import Entrywise


def tanh(Z: Array, out: Array | None = None) -> Array:
    """Return A = tanh Z, entry by entry, of the shape of Z."""
    return np.tanh(Z, out=out)


def tanh_backward(A: Array, dA: Array, out: Array | None = None) -> Array:
    """Return dZ = dA (1 - A²), entry by entry, of the shape of dA."""
    dZ = np.square(A, out=out)
    np.subtract(1, dZ, out=dZ)
    dZ *= dA
    return dZ


class Tanh(Entrywise):
    """The hyperbolic tangent, A = tanh Z."""

    function = staticmethod(tanh)
    function_backward = staticmethod(tanh_backward)
