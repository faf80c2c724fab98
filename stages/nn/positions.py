"""Learned positions: a number of its own added to each feature, Z = X + b."""

import math

import numpy as np

from stages.nn.arrays import Array, reuse_like
from stages.nn.layer import Layer, Shape, Start


class Positions(Layer):
    """A bias for each feature, Z = X + b, with b added to every column.

    In a sequence a token so gets numbers that belong to its place, by which layers that treat all places alike can
    tell them apart.

    Parameters
    ----------
    shape : tuple of int
        Of an example.
    start : Start
        b begins as 0, of shape (features, 1): what the places show of the examples differs, and so do its gradients.
    """

    example = (3, 4), {}

    def __init__(self, shape: Shape, start: Start) -> None:
        super().__init__(shape, start)
        self.parameters = {"b": start.fill(0, (math.prod(shape), 1))}
        self._Z: Array | None = None

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return Z = X + b, of the shape of X."""
        self._Z = reuse_like(self._Z, X)
        return np.add(X, self.parameters["b"], out=self._Z)

    def backward(self, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Set db, the row sums of dZ; return dX, which is dZ itself."""
        db = self.gradients["b"]
        here = dZ @ np.ones((dZ.shape[1], 1), dZ.dtype)  # much faster than a sum along an axis
        db[...] = db + here if add else here
        return dZ if dX else None
