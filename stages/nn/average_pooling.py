"""Average pooling: the mean of each square of an image."""

import numpy as np

from stages.nn.arrays import Array, reuse
from stages.nn.images import columns_of, images_of, pooled
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
        self._Y: Array | None = None
        self._dX: Array | None = None

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return the means Y, of shape (height width channels, m) of the output."""
        first, *others = self.square.entries(images_of(X, self.input_shape))
        self._Y = reuse(self._Y, first.shape, X.dtype)
        self._Y[...] = first
        for entry in others:
            self._Y += entry
        self._Y /= self.square.size**2
        return columns_of(self._Y)

    def backward(self, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Return dX: each entry of dY, divided by how many entries a square has, at each of them."""
        if not dX:
            return None
        self._dX = reuse(self._dX, (dY.shape[1], *self.input_shape), dY.dtype)
        share = images_of(dY, self.shape) / self.square.size**2
        for dX_entry in self.square.entries(self._dX):
            dX_entry[...] = share
        return columns_of(self._dX)
