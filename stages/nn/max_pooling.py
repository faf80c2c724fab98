"""Max-pooling: the largest entry of each square of an image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.nn.arrays import Array, reuse
from stages.nn.images import columns_of, images_of, pooled
from stages.nn.layer import Count, Layer, Shape, Start


class MaxPooling(Layer):
    """The largest entry of each square, channel by channel.

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels of an example.
    start : Start
        Not used.
    size : int
        Side of the squares.
    stride : int, optional
        Entries from one square to the next; the side if it is left out.

    Attributes
    ----------
    square : Square
        With its places.
    """

    example = (4, 6, 2), {"size": 2}

    def __init__(self, shape: Shape, start: Start, *, size: Count, stride: Count | None = None) -> None:
        super().__init__(shape, start)
        self.square, self.shape = pooled("max_pooling", shape, size, stride)
        self._images: Array | None = None
        self._Y: Array | None = None
        self._dX: Array | None = None

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return the maxima Y, of shape (height width channels, m) of the output."""
        self._images = images_of(X, self.input_shape)
        first, *others = self.square.entries(self._images)
        self._Y = reuse(self._Y, first.shape, X.dtype)
        self._Y[...] = first
        for entry in others:
            np.maximum(self._Y, entry, out=self._Y)
        return columns_of(self._Y)

    def backward(self, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Return dX: each entry of dY where its maximum was, and 0 elsewhere; what several squares chose adds up.

        Of equal entries of a square the first one, row by row, is the maximum.
        """
        if not dX:
            return None
        assert self._images is not None, "forward comes first"
        self._dX = reuse(self._dX, self._images.shape, dY.dtype)
        self._dX[...] = 0
        by_output = images_of(dY, self.shape)
        waiting = np.ones(by_output.shape, bool)
        for entry, dX_entry in zip(self.square.entries(self._images), self.square.entries(self._dX), strict=True):
            mask = (entry == self._Y) & waiting
            dX_entry[...] += mask * by_output
            waiting ^= mask
        return columns_of(self._dX)

    def branches(self) -> list[NDArray[Any]]:
        """Return which entry of each square was the maximum, counted row by row."""
        assert self._images is not None, "forward comes first"
        return [np.argmax([entry == self._Y for entry in self.square.entries(self._images)], axis=0)]
