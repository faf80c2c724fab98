"""The rectified linear unit, A = max(Z, 0)."""

import numpy as np

from stages.nn.arrays import Array


def relu(Z: Array, out: Array | None = None) -> Array:
    """Return A = max(Z, 0), entry by entry, of the shape of Z."""
    return np.maximum(Z, 0, out=out)


def relu_backward(A: Array, dA: Array, out: Array | None = None) -> Array:
    """Return dZ = dA where Z > 0 (there A > 0), else 0, of the shape of dA.

    At Z = 0 there is no derivative; the subgradient 0 is taken.
    """
    return np.multiply(dA, A > 0, out=out)
