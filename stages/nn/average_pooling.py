"""Average pooling: the mean of each square of an image."""

import math

import numpy as np

from stages.nn.arrays import Array, reuse_like
from stages.nn.images import images_of, pooled
from stages.nn.layer import Count, Layer, Shape, Start


class AveragePooling(Layer):
    """The mean of each square, channel by channel.

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels of an example.
    start : Start
        Not used.
    size : int
        Side of the squares, which lie side by side.

    Attributes
    ----------
    square : Square
        With its places.
    """

    example = (4, 6, 2), {"size": 2}

    def __init__(self, shape: Shape, start: Start, *, size: Count) -> None:
        super().__init__(shape, start)
        self.square, self.shape = pooled("average_pooling", shape, size)
        self._X: Array | None = None
        self._Y: Array | None = None
        self._dX: Array | None = None

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return the means Y, of shape (height width channels, m) of the output."""
        self._X = X
        self._Y = reuse_like(self._Y, X, math.prod(self.shape))
        first, *others = self.square.entries(images_of(X, self.input_shape))
        means = images_of(self._Y, self.shape)
        means[...] = first
        for entry in others:
            means += entry
        means /= self.square.size**2
        return self._Y

    def backward(self, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Return dX: each entry of dY, divided by how many entries a square has, at each of them."""
        if not dX:
            return None
        assert self._X is not None, "forward comes first"
        self._dX = reuse_like(self._dX, self._X)
        share = images_of(dY, self.shape) / self.square.size**2
        for dX_entry in self.square.entries(images_of(self._dX, self.input_shape)):
            dX_entry[...] = share
        return self._dX
