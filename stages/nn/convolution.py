"""Convolution: the affine layer of the patches of an image, Z = W P + b."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stages.nn.arrays import Array, reuse
from stages.nn.images import Square, columns_of, image_shape, images_of
from stages.nn.layer import Count, Layer, Margin, OptionError, Shape, Start


def patches(images: Array, square: Square, memory: Array | None = None) -> Array:
    """Return P, of shape (size size channels, m height width): a column is what the square covers at one place.

    Parameters
    ----------
    images : ndarray of shape (m, rows, columns, channels)
        With their padding, if any; where a patch is a pixel, P is a view of them if they lie in C order.
    square : Square
        With its places.
    memory : ndarray, optional
        To be overwritten, if it is as P.
    """
    size, stride, (m, _, _, channels) = square.size, square.stride, images.shape
    if size == stride == 1:  # a patch is a pixel
        return images.reshape(-1, channels).T
    places, entries = (m, square.height, square.width), (size, size, channels)
    windows = sliding_window_view(images, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    shape = math.prod(entries), math.prod(places)
    if channels == 1:  # what lies side by side in an image goes on for longer from place to place than in a patch
        P = reuse(memory, shape, images.dtype)
        P.reshape(*entries, *places)[...] = windows.transpose(4, 5, 3, 0, 1, 2)
        return P
    P = reuse(None if memory is None else memory.T, shape[::-1], images.dtype)
    P.reshape(*places, *entries)[...] = windows.transpose(0, 1, 2, 4, 5, 3)
    return P.T


class Convolution(Layer):
    """The affine layer of patches, Z = W P + b: the same weights at every place of an image.

    A column of P holds the entries of an image that a square covers at one place. Rows and columns that are left at the
    end of an image, because a whole stride does not fit, are in no patch.

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels of an example of the input.
    start : Start
        Draws W of shape (filters, size size channels), with the entries of a filter row by row and the channels last,
        and b of shape (filters, 1).
    filters : int
        Channels of the output.
    size : int
        Side of the square.
    stride : int
        Entries from one place to the next.
    padding : int
        Rows and columns of zeros on each side of the image; less than the size.

    Attributes
    ----------
    square : Square
        With its places on the padded image.
    """

    decayed = ("W",)
    example = (5, 4, 2), {"filters": 3, "size": 3, "stride": 2, "padding": 1}

    def __init__(
        self, shape: Shape, start: Start, *, filters: Count, size: Count = 3, stride: Count = 1, padding: Margin = 0
    ) -> None:
        height, width, channels = image_shape("convolution", shape)
        if padding >= size:
            raise OptionError("padding", f"is {padding}: squares of size {size} need less, or some see zeros alone")
        largest = min(height, width) + 2 * padding
        if size > largest:
            padded = f" with a padding of {padding}" if padding else ""
            problem = f"convolution of size {size} gets {height} x {width}{padded}; the largest that fits is {largest}"
            raise OptionError("size", f"is {size}: {problem}")
        super().__init__(shape, start)
        places = ((side + 2 * padding - size) // stride + 1 for side in (height, width))
        self.square = Square(size, stride, *places)
        self.shape = (self.square.height, self.square.width, filters)
        outputs = -(-filters * size**2 // stride**2)  # an entry of the input meets so many weights on average
        self.parameters = start.draw(filters, size**2 * channels, outputs)
        self.padding = padding
        self._padded: Array | None = None
        self._P: Array | None = None
        self._Z: Array | None = None
        self._dX: Array | None = None
        self._product: Array | None = None

    @property
    def multiply_adds(self) -> int:
        """One for each weight at each place."""
        return self.shape[0] * self.shape[1] * self.parameters["W"].size

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return Z = W P + b, of shape (height width filters, m), for X of shape (height width channels, m)."""
        W, b = self.parameters.values()
        self._P = patches(self._with_padding(images_of(X, self.input_shape)), self.square, self._P)
        self._Z = reuse(self._Z, (X.shape[1], *self.shape), X.dtype)
        Z = self._Z.reshape(-1, len(W)).T
        np.matmul(W, self._P, out=Z)
        Z += b
        return columns_of(self._Z)

    def backward(self, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Set dW = dZ Pᵀ and db = the row sums of dZ, which has a column for each patch here; return dX.

        dX is Wᵀ dZ, the gradient by the patches, added up at the entries of the images that the patches are copies of.
        """
        assert self._P is not None, "forward comes first"
        W, m = self.parameters["W"], dZ.shape[1]
        dZ = images_of(dZ, self.shape).reshape(-1, len(W)).T
        by_parameters = (self._P @ dZ.T).T, dZ @ np.ones((dZ.shape[1], 1), dZ.dtype)  # this order is the faster one
        for gradient, here in zip(self.gradients.values(), by_parameters, strict=True):
            gradient[...] = gradient + here if add else here
        if not dX:
            return None
        self._dX = reuse(self._dX, self._shape_of_padded(m), dZ.dtype)
        if self.square.size == self.square.stride == 1:
            np.matmul(dZ.T, W, out=self._dX.reshape(-1, W.shape[1]))
            return columns_of(self._dX)
        self._dX[...] = 0
        self._product = reuse(self._product, (dZ.shape[1], self.input_shape[2]), dZ.dtype)
        W_by_entry = W.reshape(len(W), -1, self.input_shape[2]).swapaxes(0, 1).copy()
        for W_entry, dX_entry in zip(W_by_entry, self.square.entries(self._dX), strict=True):
            np.matmul(dZ.T, W_entry, out=self._product)
            dX_entry[...] += self._product.reshape(dX_entry.shape)
        return columns_of(self._inner(self._dX))

    def pictures(self) -> Array | None:
        """Return the filters, if they are pictures: of an image in gray or in color."""
        size, channels = self.square.size, self.input_shape[2]
        return self.parameters["W"].reshape(-1, size, size, channels) if channels in (1, 3) else None

    def _shape_of_padded(self, m: int) -> Shape:
        height, width, channels = self.input_shape
        return m, height + 2 * self.padding, width + 2 * self.padding, channels

    def _inner(self, padded: Array) -> Array:
        """Return the images without what is around them, as a view."""
        height, width, _ = self.input_shape
        p = self.padding
        return padded[:, p : p + height, p : p + width]

    def _with_padding(self, images: Array) -> Array:
        """Return the images with zeros around them."""
        if not self.padding:
            return images
        self._padded = reuse(self._padded, self._shape_of_padded(len(images)), images.dtype)
        self._padded[...] = 0
        self._inner(self._padded)[...] = images
        return self._padded
