"""Inverted dropout (Srivastava et al. 2014)."""

import numpy as np

from stages.nn.arrays import Array, reuse_like
from stages.nn.layer import Layer, Shape, Share, Start


class Dropout(Layer):
    """Inverted dropout: in training, each entry is zero with probability `rate`, else divided by 1 - rate.

    The expectation of the output is then the input, so that prediction needs no correction (Srivastava et al. 2014).

    Parameters
    ----------
    shape : tuple of int
        Of an example.
    start : Start
        Not used.
    rate : float
        Probability of dropping an entry, in [0, 1).
    """

    refines = True
    example = (6,), {"rate": 0.4}

    def __init__(self, shape: Shape, start: Start, *, rate: Share) -> None:
        super().__init__(shape, start)
        self.rate = rate
        self._mask: Array | None = None
        self._D: Array | None = None
        self._dA: Array | None = None

    def forward(self, A: Array, rng: np.random.Generator | None = None) -> Array:
        """Return A times a mask of the shape of A that `rng` draws in training, A itself otherwise."""
        if rng is None:
            self._mask = None
            return A
        kept = rng.random(A.shape, np.float32) >= self.rate
        self._mask = kept.astype(A.dtype)
        self._mask /= 1 - self.rate
        self._D = reuse_like(self._D, A)
        return np.multiply(A, self._mask, out=self._D)

    def backward(self, dD: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Return dA = dD times the mask of the last forward pass, of the shape of dD."""
        if self._mask is None or not dX:
            return dD if dX else None
        self._dA = reuse_like(self._dA, dD)
        return np.multiply(dD, self._mask, out=self._dA)
