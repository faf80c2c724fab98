"""What batch and layer normalization have in common: a scale and a shift of each channel."""

import math

import numpy as np

from stages.nn.arrays import Array, reuse_like
from stages.nn.layer import Layer, Shape, SmallNumber, Start


class Normalization(Layer):
    """Numbers of mean 0 and variance 1, then scaled and shifted channel by channel, Z = gamma N + beta.

    The last entry of an example's shape is its channels; what stands before it are its places. A feature of a vector is
    a channel at a single place; an image has height times width places, a sequence as many as it is long.

    Parameters
    ----------
    shape : tuple of int
        Of an example; the last entry is the channels.
    start : Start
        gamma begins as 1 and beta as 0, both of shape (channels, 1).
    epsilon : float
        Added to each variance, so that numbers that are all equal can be divided by its root.
    """

    refines = True

    def __init__(self, shape: Shape, start: Start, *, epsilon: SmallNumber = 1e-5) -> None:
        super().__init__(shape, start)
        self.epsilon = epsilon
        self._channels, self._places = shape[-1], math.prod(shape[:-1])
        self.parameters = {name: start.fill(value, (shape[-1], 1)) for name, value in (("gamma", 1), ("beta", 0))}
        self._N: Array | None = None
        self._Z: Array | None = None
        self._dX: Array | None = None

    def _spread(self, column: Array) -> Array:
        """Return numbers of the channels, (channels, 1), at every place, (features, 1)."""
        return column if self._places == 1 else np.tile(column, (self._places, 1))

    def _sums(self, A: Array) -> Array:
        """Return the sum over examples and places of A, of shape (features, m), for each channel."""
        of_features = A @ np.ones((A.shape[1], 1), A.dtype)  # much faster than a sum along an axis
        sums: Array = of_features.reshape(-1, self._channels).sum(axis=0)[:, np.newaxis]
        return sums

    def _scaled_and_shifted(self, N: Array) -> Array:
        """Return Z = gamma N + beta."""
        gamma, beta = map(self._spread, self.parameters.values())
        self._Z = reuse_like(self._Z, N)
        np.multiply(N, gamma, out=self._Z)
        self._Z += beta
        return self._Z

    def _set_gradients(self, dZ: Array, product: Array, add: bool) -> tuple[Array, Array]:
        """Set or add the gradients by gamma and beta, for product = dZ * N; return those of this call alone."""
        alone = self._sums(product), self._sums(dZ)
        for gradient, new in zip(self.gradients.values(), alone, strict=True):
            gradient[...] = gradient + new if add else new
        return alone
