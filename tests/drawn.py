"""The drawn digits of the claims, and how what is made of a picture is compared with them."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.claims.drawn_digits import draw_digits
from stages.shared.drawings import normalize
from stages.shared.picture_files import read

Column = NDArray[np.float32]
STEP = 1 / 255 + 1e-6  # one step of 8 bits
IMAGES, LABELS = draw_digits()


def gray(array: NDArray[Any]) -> Image.Image:
    return Image.fromarray(array.astype(np.uint8))


def prepare(image: Image.Image, path: Path, **options: Any) -> Column:
    """Return an image's column by way of a file."""
    image.save(path, **options)
    return normalize(read(path))


def distance(one: Column, other: Column) -> float:
    """Return the mean difference of two digits; the rounding of the center may put one of them a pixel further."""
    a, b = one.reshape(28, 28), other.reshape(28, 28)
    moves = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return min(float(np.abs(np.roll(a, move, (0, 1)) - b).mean()) for move in moves)


@functools.cache
def clean() -> list[Column]:
    """Return the drawings in MNIST's form."""
    return [normalize(image) for image in IMAGES]


def nearest(x: Column) -> int:
    """Return the label of the clean drawing that is nearest."""
    return int(LABELS[np.argmin([distance(x, drawing) for drawing in clean()])])
