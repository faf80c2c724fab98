"""Clipping: a gradient of too large a norm is shortened (Pascanu, Mikolov and Bengio 2013)."""

import math

import numpy as np

from stages.nn.arrays import Array


def clip(g: Array, limit: float) -> float:
    """Multiply g by limit / norm where its norm is above the limit, in place; return the norm that it had.

    Parameters
    ----------
    g : ndarray of shape (parameters,)
        The gradients of all parameters together: they keep their ratios.
    limit : float
        The largest norm that is left as it is, above 0.
    """
    norm = math.sqrt(np.dot(g, g))
    if norm > limit:
        g *= limit / norm
    return norm
