"""Layer normalization (Ba, Kiros and Hinton 2016)."""

import numpy as np

from stages.nn.arrays import Array, reuse_like
from stages.nn.layer import OptionError, Shape, SmallNumber, Start
from stages.nn.normalization import Normalization


class LayerNormalization(Normalization):
    """Each column, or each place of each example, with mean 0 and variance 1 over its channels; scaled and shifted.

    A vector is normalized as a whole, a sequence place by place. Examples do not mix; it keeps nothing, and training
    and prediction are the same.

    Parameters
    ----------
    shape : tuple of int
        Of an example; the last entry is the channels, at least 2.
    start : Start
        gamma begins as 1 and beta as 0, both of shape (channels, 1).
    epsilon : float
        Added to each variance, so that numbers that are all equal can be divided by its root.
    """

    def __init__(self, shape: Shape, start: Start, *, epsilon: SmallNumber = 1e-5) -> None:
        if shape[-1] == 1:
            found = " x ".join(map(str, shape))
            raise OptionError("name", f"is layer_normalization: of {found}, a single channel, nothing would be left")
        super().__init__(shape, start, epsilon=epsilon)
        self._rows: Array | None = None  # N with a row for each place of each example
        self._work: Array | None = None

    def _by_place(self, A: Array) -> Array:
        """Return A, of shape (features, m), with a row for each place of each example, (m places, channels)."""
        return A.T.reshape(-1, self._channels)

    def _by_example(self, rows: Array) -> Array:
        """Return what `_by_place` was given."""
        return rows.reshape(-1, self._places * self._channels).T

    def _means(self, rows: Array) -> Array:
        """Return the mean of each row, in a column."""
        means: Array = rows @ np.ones((self._channels, 1), rows.dtype)  # much faster than a sum along an axis
        means /= self._channels
        return means

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return Z = gamma N + beta with N = (X - mean) / sqrt(variance + epsilon), of the shape of X."""
        rows = self._by_place(X)
        self._rows, self._work = reuse_like(self._rows, rows), reuse_like(self._work, rows)
        np.subtract(rows, self._means(rows), out=self._rows)
        variances = self._means(np.square(self._rows, out=self._work))
        self._scale = 1 / np.sqrt(variances + self.epsilon)
        self._rows *= self._scale
        self._N = self._by_example(self._rows)
        return self._scaled_and_shifted(self._N)

    def backward(self, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Set dgamma and dbeta, the sums of dZ N and of dZ in each channel; return dX, of the shape of dZ.

        With dN = gamma dZ and means over the channels,
        dX = (dN - mean(dN) - N mean(dN N)) / sqrt(variance + epsilon).
        """
        assert self._N is not None, "forward comes first"
        assert self._rows is not None
        assert self._work is not None
        product = np.multiply(dZ, self._N, out=self._by_example(self._work))
        self._set_gradients(dZ, product, add)
        if not dX:
            return None
        gamma = self._spread(self.parameters["gamma"])
        product *= gamma
        along_N = np.multiply(self._rows, self._means(self._work), out=self._work)
        self._dX = reuse_like(self._dX, self._N)
        np.multiply(dZ, gamma, out=self._dX)
        rows = self._by_place(self._dX)  # a view, as N's order of memory is that of its rows
        rows -= self._means(rows)
        rows -= along_N
        rows *= self._scale
        return self._dX
