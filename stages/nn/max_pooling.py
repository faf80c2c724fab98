"""Max-pooling: the largest entry of each square of an image."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.nn.arrays import Array, reuse_like
from stages.nn.images import images_of, pooled
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
        self._X: Array | None = None
        self._Y: Array | None = None
        self._dX: Array | None = None

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return the maxima Y, of shape (height width channels, m) of the output."""
        self._X = X
        self._Y = reuse_like(self._Y, X, math.prod(self.shape))
        first, *others = self.square.entries(images_of(X, self.input_shape))
        maxima = images_of(self._Y, self.shape)
        maxima[...] = first
        for entry in others:
            np.maximum(maxima, entry, out=maxima)
        return self._Y

    def backward(self, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Return dX: each entry of dY where its maximum was, and 0 elsewhere; what several squares chose adds up.

        Of equal entries of a square the first one, row by row, is the maximum.
        """
        if not dX:
            return None
        assert self._X is not None, "forward comes first"
        assert self._Y is not None
        self._dX = reuse_like(self._dX, self._X)
        self._dX[...] = 0
        maxima, by_output = images_of(self._Y, self.shape), images_of(dY, self.shape)
        waiting = np.ones_like(maxima, bool)
        images, by_input = (images_of(array, self.input_shape) for array in (self._X, self._dX))
        for entry, dX_entry in zip(self.square.entries(images), self.square.entries(by_input), strict=True):
            mask = (entry == maxima) & waiting
            dX_entry[...] += mask * by_output
            waiting ^= mask
        return self._dX

    def branches(self) -> list[NDArray[Any]]:
        """Return which entry of each square was the maximum, counted row by row."""
        assert self._X is not None, "forward comes first"
        assert self._Y is not None
        maxima, images = images_of(self._Y, self.shape), images_of(self._X, self.input_shape)
        return [np.argmax([entry == maxima for entry in self.square.entries(images)], axis=0)]
