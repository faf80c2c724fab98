"""Inverted dropout (Srivastava et al. 2014)."""

import numpy as np

from stages.nn.arrays import Array, reuse


class Dropout:
    """Inverted dropout: in training, each entry is zero with probability `rate`, else divided by 1 - rate.

    The expectation of the output is then the input, so that prediction needs no correction (Srivastava et al. 2014).

    Parameters
    ----------
    rate : float
        Probability of dropping an entry, in [0, 1).
    rng : numpy.random.Generator
        Draws a new mask in each training pass.
    """

    def __init__(self, rate: float, rng: np.random.Generator) -> None:
        self.rate, self.rng = rate, rng
        self._mask: Array | None = None
        self._D: Array | None = None
        self._dA: Array | None = None

    def forward(self, A: Array, training: bool = False) -> Array:
        """Return A times a fresh mask of the shape of A in training, A itself otherwise."""
        if not training:
            self._mask = None
            return A
        kept = self.rng.random(A.shape, np.float32) >= self.rate
        self._mask = kept.astype(A.dtype)
        self._mask /= 1 - self.rate
        self._D = reuse(self._D, A.shape, A.dtype)
        return np.multiply(A, self._mask, out=self._D)

    def backward(self, dD: Array) -> Array:
        """Return dA = dD times the mask of the last forward pass, of the shape of dD."""
        if self._mask is None:
            return dD
        self._dA = reuse(self._dA, dD.shape, dD.dtype)
        return np.multiply(dD, self._mask, out=self._dA)
