"""Convolution: the affine layer of the patches of an image, Z = W P + b."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stages.nn.arrays import Array, reuse
from stages.nn.images import Square, columns_of, image_shape, images_of
from stages.nn.layer import Count, Layer, Margin, OptionError, Shape, Start


def patches(images: Array, square: Square, memory: Array | None = None) -> Array:
    """Return P, a matrix of shape (size size channels, m) for each place: a column is what the square covers there.

    Parameters
    ----------
    images : ndarray of shape (m, rows, columns, channels)
        With their padding, if any; where a patch is a pixel, P is a view of them.
    square : Square
        With its places.
    memory : ndarray, optional
        To be overwritten, if it is as P.

    Returns
    -------
    ndarray of shape (height, width, size size channels, m)
    """
    size, stride, (m, _, _, channels) = square.size, square.stride, images.shape
    if size == stride == 1:  # a patch is a pixel
        return np.moveaxis(images, 0, -1)
    places, entries = (square.height, square.width), (size, size, channels)
    windows = sliding_window_view(images, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    P = reuse(memory, (*places, math.prod(entries), m), images.dtype)
    P.reshape(*places, *entries, m)[...] = windows.transpose(1, 2, 4, 5, 3, 0)
    return P


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
    makes = "filter"
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
        self._padded_shape = (height + 2 * padding, width + 2 * padding, channels)
        self._padded: Array | None = None
        self._P: Array | None = None
        self._Z: Array | None = None
        self._dX: Array | None = None
        self._product: Array | None = None
        self._dWT: Array | None = None

    @property
    def multiply_adds(self) -> int:
        """One for each weight at each place."""
        return self.shape[0] * self.shape[1] * self.parameters["W"].size

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return Z = W P + b, of shape (height width filters, m), for X of shape (height width channels, m)."""
        W, b = self.parameters.values()
        self._P = patches(self._with_padding(np.ascontiguousarray(X)), self.square, self._P)
        self._Z = reuse(self._Z, (*self.shape, X.shape[1]), X.dtype)
        np.matmul(W, self._P, out=self._Z)
        self._Z += b
        return self._Z.reshape(math.prod(self.shape), X.shape[1])

    def backward(self, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Set dW, the sum of dZ Pᵀ over the places, and db, the sum of dZ over places and examples; return dX.

        dX is Wᵀ dZ, the gradient by the patches, added up at the entries of the images that the patches are copies of.
        """
        assert self._P is not None, "forward comes first"
        W, m = self.parameters["W"], dZ.shape[1]
        dZ = dZ.reshape(*self.shape, m)
        self._dWT = reuse(self._dWT, (*self.shape[:2], *W.shape[::-1]), dZ.dtype)
        np.matmul(self._P, dZ.swapaxes(2, 3), out=self._dWT)  # dWᵀ = P dZᵀ: this order is the faster one
        by_parameters = self._dWT.sum(axis=(0, 1)).T, dZ.sum(axis=(0, 1, 3))[:, np.newaxis]
        for gradient, here in zip(self.gradients.values(), by_parameters, strict=True):
            gradient[...] = gradient + here if add else here
        if not dX:
            return None
        channels = self.input_shape[2]
        self._dX = reuse(self._dX, (math.prod(self._padded_shape), m), dZ.dtype)
        if self.square.size == self.square.stride == 1:
            np.matmul(W.T, dZ, out=self._dX.reshape(*self.input_shape, m))
            return self._dX
        self._dX[...] = 0
        self._product = reuse(self._product, (*self.shape[:2], channels, m), dZ.dtype)
        images = images_of(self._dX, self._padded_shape)
        W_by_entry = W.T.reshape(-1, channels, len(W)).copy()
        for W_entry, dX_entry in zip(W_by_entry, self.square.entries(images), strict=True):
            np.matmul(W_entry, dZ, out=self._product)
            dX_entry[...] += np.moveaxis(self._product, 3, 0)
        return columns_of(self._inner(images))

    def pictures(self) -> Array | None:
        """Return the filters, if they are pictures: of an image in gray or in color."""
        size, channels = self.square.size, self.input_shape[2]
        return self.parameters["W"].reshape(-1, size, size, channels) if channels in (1, 3) else None

    def _inner(self, padded: Array) -> Array:
        """Return the images without what is around them, as a view."""
        height, width, _ = self.input_shape
        p = self.padding
        return padded[:, p : p + height, p : p + width]

    def _with_padding(self, X: Array) -> Array:
        """Return the columns of X as images with zeros around them."""
        images = images_of(X, self.input_shape)
        if not self.padding:
            return images
        self._padded = reuse(self._padded, (math.prod(self._padded_shape), len(images)), images.dtype)
        self._padded[...] = 0
        padded = images_of(self._padded, self._padded_shape)
        self._inner(padded)[...] = images
        return padded
