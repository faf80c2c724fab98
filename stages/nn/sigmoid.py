"""The logistic sigmoid, A = 1 / (1 + exp(-Z))."""

import numpy as np

from stages.nn.arrays import Array
from stages.nn.entrywise import Entrywise


def sigmoid(Z: Array, out: Array | None = None) -> Array:
    """Return A = 1 / (1 + exp(-Z)), entry by entry, of the shape of Z.

    Computed as (1 + tanh(Z / 2)) / 2, the same function, which overflows for no Z.
    """
    A = np.multiply(Z, 0.5, out=out)
    np.tanh(A, out=A)
    A += 1
    A *= 0.5
    return A


def sigmoid_backward(A: Array, dA: Array, out: Array | None = None) -> Array:
    """Return dZ = dA A (1 - A), entry by entry, of the shape of dA."""
    dZ = np.subtract(1, A, out=out)
    dZ *= A
    dZ *= dA
    return dZ


class Sigmoid(Entrywise):
    """The logistic sigmoid, A = 1 / (1 + exp(-Z))."""

    function = staticmethod(sigmoid)
    function_backward = staticmethod(sigmoid_backward)
