"""Random deformations of images in training (Simard, Steinkraus and Platt 2003)."""

import math

import numpy as np
from numpy.typing import NDArray

from stages.nn.arrays import Array, reuse
from stages.nn.images import columns_of, image_shape, images_of
from stages.nn.layer import Extent, Layer, OptionError, Shape, Share, Start

# Rows and columns of zeros around an image: what is outside of it is moved to lie between some of them.
BEFORE, BEHIND = 1, 2


class Deformation(Layer):
    """In training, each image is shifted, turned, scaled, sheared and distorted at random; in prediction it is kept.

    The output has at pixel i, whose position from the center is C_i, the value that the input has at the place
    Q_i = Lambda C_i + h + H_i. Lambda scales, turns and shears, h shifts, and H is a smooth random field. Between
    pixels the value is interpolated bilinearly; outside of the image it is 0. For what was drawn, the output is a
    linear function of the image.

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels of an image.
    start : Start
        Not used.
    shift : float
        Largest shift in each direction, in pixels; at most half a side.
    rotation : float
        Largest angle to either side, in degrees; at most 180.
    scaling : float
        Largest share by which height and width, each on its own, grow or shrink, in [0, 1).
    shear : float
        Largest shift of a row in pixels, for each pixel of its distance from the center, in [0, 1).
    elastic : float
        Standard deviation of H in each direction, in pixels; at most half a side.
    smoothness : float
        Over how many pixels H changes: standard deviation of the Gaussian that smooths it; at least 1.
    """

    example = (5, 6, 2), {"shift": 1.0, "rotation": 20.0, "scaling": 0.1, "shear": 0.1, "elastic": 0.4}

    def __init__(
        self,
        shape: Shape,
        start: Start,
        *,
        shift: Extent = 0.0,
        rotation: Extent = 0.0,
        scaling: Share = 0.0,
        shear: Share = 0.0,
        elastic: Extent = 0.0,
        smoothness: Extent = 4.0,
    ) -> None:
        height, width, _ = image_shape("deformation", shape)
        half = min(height, width) / 2
        for option, pixels in (("shift", shift), ("elastic", elastic)):
            if pixels > half:
                raise OptionError(option, f"is {pixels}: at most {half}, half a side of images of {height} x {width}")
        if rotation > 180:
            raise OptionError("rotation", f"is {rotation}: at most 180 degrees to either side")
        if smoothness < 1:
            raise OptionError("smoothness", f"is {smoothness}: at least 1, or neighboring pixels are torn apart")
        super().__init__(shape, start)
        self._shift, self._rotation, self._scaling = shift, np.deg2rad(rotation), scaling
        self._shear, self._elastic = shear, elastic
        self._smoothing = [smoothing(side, smoothness) for side in (height, width)]
        rows, columns = np.indices((height, width), np.float32).reshape(2, -1)
        self._C = np.stack([rows - (height - 1) / 2, columns - (width - 1) / 2, np.ones_like(rows)])
        self._drawn: tuple[NDArray[np.intp], Array, Array] | None = None
        self._Q: Array | None = None
        self._corner: Array | None = None
        self._index: NDArray[np.intp] | None = None
        self._bordered: Array | None = None
        self._taps: Array | None = None

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return the deformed images, of the shape of X, in training; X itself otherwise."""
        if rng is None:
            self._drawn = None
            return X
        images = images_of(X, self.shape)
        pixels = self._with_border(images)
        index, down, right = self._drawn = self._neighbors(self.places(len(images), rng))
        self._taps = reuse(self._taps, (4, len(index), pixels.shape[1]), X.dtype)
        for step, tap in zip(self._steps, self._taps, strict=True):
            np.take(pixels[step:], index, axis=0, out=tap, mode="clip")  # all are in range; "raise" would copy first
        upper, lower = _between(self._taps[::2], self._taps[1::2], right)
        return columns_of(_between(upper, lower, down).reshape(images.shape))

    def places(self, m: int, rng: np.random.Generator) -> Array:
        """Draw, and return Q for the pixels of m images, of shape (2, m, pixels): rows and columns, from 0."""
        height, width, _ = self.shape
        angle = rng.uniform(-self._rotation, self._rotation, m)
        scale = 1 + rng.uniform(-self._scaling, self._scaling, (2, m))
        shear = rng.uniform(-self._shear, self._shear, m)
        h = rng.uniform(-self._shift, self._shift, (2, m))
        cos, sin = np.cos(angle), np.sin(angle)
        Lambda = np.array([[cos, -sin], [sin + shear * cos, cos - shear * sin]]) * scale
        center = np.array([[(height - 1) / 2], [(width - 1) / 2]])
        coefficients = np.concatenate([Lambda, (center + h)[:, np.newaxis]], axis=1).astype(np.float32)  # (2, 3, m)
        self._Q = reuse(self._Q, (2, m, height * width), np.float32)
        np.matmul(coefficients.swapaxes(1, 2), self._C, out=self._Q)
        if self._elastic:
            self._Q += self._field(m, rng)
        return self._Q

    def backward(self, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Return dX: each entry of dY, by the weights of the interpolation, at the four pixels that it lies between."""
        if self._drawn is None or not dX:
            return dY if dX else None
        channels = self.shape[2]
        index, down, right = self._drawn
        below, beside = down.astype(dY.dtype), right.astype(dY.dtype)
        weights = ((1 - below) * (1 - beside), (1 - below) * beside, below * (1 - beside), below * beside)
        by_output = images_of(dY, self.shape).reshape(-1, channels)
        by_pixel = np.zeros(self._shape_with_border(dY.shape[1]), dY.dtype)
        pixels = by_pixel.reshape(-1, channels)
        for step, weight in zip(self._steps, weights, strict=True):
            for channel, shares in enumerate((weight * by_output).T):
                pixels[:, channel] += np.bincount(index + step, shares, len(pixels)).astype(dY.dtype)
        return columns_of(by_pixel[:, BEFORE:-BEHIND, BEFORE:-BEHIND])

    @property
    def _steps(self) -> tuple[int, int, int, int]:
        """From a pixel to itself, the one to its right, the one below it, and the one to the right of that."""
        row = self.shape[1] + BEFORE + BEHIND
        return 0, 1, row, row + 1

    def _field(self, m: int, rng: np.random.Generator) -> Array:
        """Draw, and return H for the pixels of m images, of shape (2, m, pixels)."""
        along_rows, along_columns = self._smoothing
        nodes = len(along_rows.T), len(along_columns.T)
        noise = rng.standard_normal((2 * m, *nodes), np.float32)
        noise *= self._elastic
        by_columns = noise.reshape(-1, nodes[1]) @ along_columns.T
        return (along_rows @ by_columns.reshape(2 * m, nodes[0], -1)).reshape(2, m, -1)

    def _neighbors(self, places: Array) -> tuple[NDArray[np.intp], Array, Array]:
        """Return the pixel above and left of each place, and how far down and right of it the place lies, in [0, 1].

        The pixel is an index among those of all images. What is further out than the border is moved onto it.
        """
        m, rows, columns, _ = self._shape_with_border(places.shape[1])
        for along, side in zip(places, self.shape, strict=False):
            np.clip(along, -BEFORE, side, out=along)
        corner = self._corner = reuse(self._corner, places.shape, places.dtype)
        np.floor(places, out=corner)
        places -= corner
        corner += BEFORE
        if self._index is None or self._index.shape != places.shape:
            self._index = np.empty(places.shape, np.intp)
        self._index[...] = corner
        index, column = self._index
        index *= columns
        index += column
        index += np.arange(m)[:, np.newaxis] * (rows * columns)
        down, right = places.reshape(2, -1, 1)
        return index.ravel(), down, right

    def _shape_with_border(self, m: int) -> Shape:
        height, width, channels = self.shape
        return m, BEFORE + height + BEHIND, BEFORE + width + BEHIND, channels

    def _with_border(self, images: Array) -> Array:
        """Return the pixels of the images with their borders one after the other, of shape (pixels, channels)."""
        self._bordered = reuse(self._bordered, self._shape_with_border(len(images)), images.dtype)
        self._bordered[...] = 0
        self._bordered[:, BEFORE:-BEHIND, BEFORE:-BEHIND] = images
        return self._bordered.reshape(-1, images.shape[3])


def smoothing(side: int, deviation: float) -> Array:
    """Return the matrix that makes numbers at the pixels of a side from normal ones at nodes, with the same deviation.

    The nodes are at most `deviation` apart, from the first pixel to the last. A pixel sees them by a Gaussian of their
    distance, divided by the norm of its weights: independent numbers of variance 1 give one of variance 1.
    """
    nodes = np.linspace(0, side - 1, math.ceil((side - 1) / deviation) + 1)
    distance = np.subtract.outer(np.arange(side), nodes) / deviation
    weights = np.exp(-(distance**2) / 2)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return weights.astype(np.float32)


def _between(low: Array, high: Array, share: Array) -> Array:
    """Return, in the memory of `low`, what lies by this share between low and high; `high` is overwritten too."""
    high -= low
    high *= share
    low += high
    return low
