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
        With their padding, if any.
    square : Square
        With its places.
    memory : ndarray, optional
        To be overwritten, if it is as P.

    Returns
    -------
    ndarray of shape (height, width, size size channels, m)
    """
    size, stride, (m, _, _, channels) = square.size, square.stride, images.shape
    places, entries = (square.height, square.width), (size, size, channels)
    windows = sliding_window_view(images, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    P = reuse(memory, (*places, math.prod(entries), m), images.dtype)
    P.reshape(*places, *entries, m)[...] = windows.transpose(1, 2, 4, 5, 3, 0)
    return P


def pixels(images: Array) -> Array:
    """Return the pixels of (m, height, width, channels), of all places in one matrix of shape (channels, pixels).

    They are the patches of a square of one pixel: a view, if `images` lies in memory example by example.
    """
    return images.reshape(-1, images.shape[3]).T


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

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return Z = W P + b, of shape (height width filters, m), for X of shape (height width channels, m)."""
        W, b = self.parameters.values()
        features, m = math.prod(self.shape), X.shape[1]
        if self._of_pixels:
            self._P = pixels(images_of(X, self.input_shape))
            self._Z = reuse(None if self._Z is None else self._Z.T, (m, features), X.dtype).T
        else:
            self._P = patches(self._with_padding(np.ascontiguousarray(X)), self.square, self._P)
            self._Z = reuse(self._Z, (features, m), X.dtype)
        Z = self._by_patch(self._Z)
        np.matmul(W, self._P, out=Z)
        Z += b
        return self._Z

    def backward(self, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Set dW = dZ Pᵀ and db = dZ 1, each added up over the places; return dX.

        dX is Wᵀ dZ, the gradient by the patches, added up at the entries of the images that the patches are copies of.
        """
        assert self._P is not None, "forward comes first"
        W, m = self.parameters["W"], dZ.shape[1]
        dZ = self._by_patch(dZ)
        self._dWT = reuse(self._dWT, (*dZ.shape[:-2], *W.shape[::-1]), dZ.dtype)
        np.matmul(self._P, dZ.swapaxes(-1, -2), out=self._dWT)  # dWᵀ = P dZᵀ: this order is the faster one
        db = dZ @ np.ones((dZ.shape[-1], 1), dZ.dtype)
        by_parameters = self._dWT.reshape(-1, *W.shape[::-1]).sum(axis=0).T, db.reshape(-1, len(W), 1).sum(axis=0)
        for gradient, here in zip(self.gradients.values(), by_parameters, strict=True):
            gradient[...] = gradient + here if add else here
        if not dX:
            return None
        if self._of_pixels:
            self._dX = reuse(self._dX, (dZ.shape[1], W.shape[1]), dZ.dtype)
            return np.matmul(dZ.T, W, out=self._dX).reshape(m, math.prod(self.input_shape)).T
        channels = W.shape[1] // self.square.size**2
        self._dX = reuse(self._dX, (math.prod(self._padded_shape), m), dZ.dtype)
        self._dX[...] = 0
        images = images_of(self._dX, self._padded_shape)
        self._product = reuse(self._product, (*self.shape[:2], channels, m), dZ.dtype)
        W_by_entry = W.T.reshape(-1, channels, len(W)).copy()
        for W_entry, dX_entry in zip(W_by_entry, self.square.entries(images), strict=True):
            np.matmul(W_entry, dZ, out=self._product)
            dX_entry[...] += np.moveaxis(self._product, 3, 0)
        return columns_of(self._inner(images))

    @property
    def multiply_adds(self) -> int:
        """One for each weight at each place."""
        return self.shape[0] * self.shape[1] * self.parameters["W"].size

    @property
    def footprint(self) -> int:
        """The numbers of the patches and of the output."""
        places, patch = self.square.height * self.square.width, self.parameters["W"].shape[1]
        return super().footprint + (0 if self._of_pixels else places * patch)

    @property
    def _of_pixels(self) -> bool:
        return self.square.size == self.square.stride == 1

    def _by_patch(self, Z: Array) -> Array:
        """Return Z, of shape (features, m), with a column for each column of P; a view of what this layer returns."""
        return pixels(images_of(Z, self.shape)) if self._of_pixels else Z.reshape(*self.shape, Z.shape[1])

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
