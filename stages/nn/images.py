"""Images in the columns of a matrix, and the square that a layer moves over them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stages.nn.arrays import Array
from stages.nn.layer import OptionError, Shape


def images_of(X: Array, shape: Shape) -> Array:
    """Return the columns of X as images, a view of shape (m, height, width, channels)."""
    return np.moveaxis(X.reshape(*shape, X.shape[1]), -1, 0)


def columns_of(images: Array) -> Array:
    """Return each image as a column, of shape (features, m); a view of what `images_of` returned."""
    return np.moveaxis(images, 0, -1).reshape(math.prod(images.shape[1:]), len(images))


def image_shape(name: str, shape: Shape) -> tuple[int, int, int]:
    """Return height, width and channels of what the layer of this name gets.

    Raises
    ------
    OptionError
        If it gets no image.
    """
    if len(shape) != 3:
        features = " x ".join(map(str, shape))
        raise OptionError("name", f"is {name}, which needs an image and gets {features} features; put it before affine")
    height, width, channels = shape
    return height, width, channels


@dataclass(frozen=True)
class Square:
    """A square of size x size entries at height x width places of an image, `stride` entries from one to the next."""

    size: int
    stride: int
    height: int
    width: int

    def entries(self, images: Array) -> Iterator[Array]:
        """Yield what each entry of the square sees, row by row: a view of shape (m, height, width, channels)."""
        for i in range(self.size):
            for j in range(self.size):
                rows = slice(i, i + self.stride * self.height, self.stride)
                columns = slice(j, j + self.stride * self.width, self.stride)
                yield images[:, rows, columns]


def pooled(name: str, shape: Shape, size: int, stride: int | None = None) -> tuple[Square, Shape]:
    """Return the square of a pooling layer of this name, and the shape of its output; a stride left out is the size.

    Raises
    ------
    OptionError
        If it gets no image, or one of which the last rows or columns would be in no square.
    """
    *sides, channels = image_shape(name, shape)

    def fits(size: int) -> bool:
        return all(side >= size and (side - size) % (stride or size) == 0 for side in sides)

    if not fits(size):
        sizes = ", ".join(str(each) for each in range(1, min(sides) + 1) if fits(each))
        squares = f"of size {size}" + (f" and stride {stride}" if stride else "")
        advice = f"sizes that fit are {sizes}" if sizes else "no size fits with this stride"
        raise OptionError("size", f"is {size}: {name} {squares} gets {' x '.join(map(str, sides))}; {advice}")
    height, width = ((side - size) // (stride or size) + 1 for side in sides)
    return Square(size, stride or size, height, width), (height, width, channels)
