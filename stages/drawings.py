"""Digits in image files, brought into the form of MNIST's images.

The ground is the median color of the image's outermost pixels, and the ink of a pixel is how far its color is from the
ground, in the color channel where they differ most: it does not matter which of the two is the darker. Ink weaker than
a fifth of the strongest is noise and counts as ground, and so does a spot of less than a twentieth of the largest
spot's area. What is left is treated as MNIST was (LeCun et al. 1998, section III.A): scaled to fit a box of 20x20
pixels, proportions kept, then moved by whole pixels so that its center of mass lies in the pixel at (14, 14) of 28x28,
counted from 0.
"""

import math
import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile
from scipy import ndimage

from stages.errors import UserError
from stages.mnist import PIXELS, ROWS

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")  # not EPS: for it, Pillow runs another program
MOST_PIXELS = 50_000_000
SHRUNK = 1000  # the longer side of an image to look at, in pixels: finer than any digit needs

LEAST_CONTRAST = 0.1  # the strongest ink of an image that is not empty; black on white has 1
NOISE = 0.2  # as a share of the strongest ink
SPECK = 0.05  # as a share of the largest spot's area

BOX = 20
CENTER = 14


def read(path: Path) -> Image.Image:
    """Return the image in a file: the first one, upright, in RGB, its longer side at most 1000 pixels.

    What is transparent lies on white, or on black if nothing can be seen on white.

    Raises
    ------
    UserError
        If there is no such file, it is no image in one of `FORMATS`, is damaged, or has more than 50 million pixels.
    """
    try:
        if not path.is_file():
            raise UserError(f"{path}: there is no such file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Of a path, Pillow maps the file into memory, and then misreads a TIFF file that is to be rotated.
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
                if max(image.width * image.height, _pixels_of_a_tile(image)) > MOST_PIXELS:
                    raise Image.DecompressionBombError
                return _opaque(_upright(image))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        limit = f"{MOST_PIXELS // 1_000_000} million pixels"
        raise UserError(f"{path}: has more than {limit}; shrink it, or cut the digit out") from None
    except UnidentifiedImageError:
        raise UserError(f"{path}: not an image; give a file in one of the formats {', '.join(FORMATS)}") from None
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise UserError(f"{path}: cannot be read ({error}); save it anew, as a PNG for example") from None


def _pixels_of_a_tile(image: Image.Image) -> int:
    """Return how many pixels a tile has in which a TIFF file keeps its image, 0 without tiles."""
    sides = (image.tag_v2.get(tag, 0) for tag in (322, 323)) if isinstance(image, TiffImageFile) else (0,)
    return math.prod(side for side in sides if isinstance(side, int))


def _upright(image: Image.Image) -> Image.Image:
    """Return an image as a camera meant it to be seen, shrunk, in RGB or RGBA with 8 bits a channel."""
    image.draft("RGB", (SHRUNK, SHRUNK))  # a JPEG can be decoded smaller
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers")
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) // 257).clip(0, 255).astype(np.uint8))  # from 16 bits to 8
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((SHRUNK, SHRUNK), Image.Resampling.BOX)
    return image


def _opaque(image: Image.Image) -> Image.Image:
    """Return an image without transparency, in RGB."""
    if image.mode == "RGB":
        return image
    on_white, on_black = (
        Image.alpha_composite(Image.new("RGBA", image.size, color), image).convert("RGB")
        for color in ("white", "black")
    )
    return on_white if _ink(on_white).max() >= LEAST_CONTRAST else on_black


def _ink(image: Image.Image) -> NDArray[np.float32]:
    """Return how far each pixel of an RGB image is from the ground, in [0, 1]."""
    channels = np.stack([np.asarray(channel, np.float32) for channel in image.split()]) / np.float32(255)
    border = np.concatenate([channels[:, 0], channels[:, -1], channels[:, :, 0], channels[:, :, -1]], axis=1)
    ground = np.median(border, axis=1)[:, np.newaxis, np.newaxis]
    ink: NDArray[np.float32] = np.abs(channels - ground).max(axis=0)
    return ink


def normalize(image: Image.Image) -> NDArray[np.float32]:
    """Return the digit in an image in the form of MNIST's.

    Parameters
    ----------
    image : Image
        In RGB, such as `read` returns it.

    Returns
    -------
    ndarray of shape (784,)
        The strength of the ink, 0 for the ground and 1 for the strongest, in steps of 1/255.

    Raises
    ------
    UserError
        If the whole image has nearly the same color.
    """
    ink = _ink(image)
    if ink.max() < LEAST_CONTRAST:
        raise UserError("is empty: it has nearly the same color everywhere; draw a digit with more contrast")
    digit = _scaled(_clean(ink))
    field = np.zeros((ROWS, ROWS), np.float32)
    top, left = (
        min(max(round(CENTER - middle), 0), ROWS - side)
        for middle, side in zip(ndimage.center_of_mass(digit), digit.shape, strict=True)
    )
    field[top : top + digit.shape[0], left : left + digit.shape[1]] = digit / digit.max()
    return (np.rint(255 * field) / 255).astype(np.float32).reshape(PIXELS)


def _clean(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the ink of an image without noise and specks."""
    ink = np.where(ink < NOISE * ink.max(), np.float32(0), ink)
    spots, _ = ndimage.label(ink, structure=np.ones((3, 3)))
    areas = np.bincount(spots.ravel())
    areas[0] = 0
    return np.where(areas[spots] < SPECK * areas.max(), np.float32(0), ink)


def _scaled(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the part of an image that has ink, its longer side scaled to 20 pixels."""
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(BOX * side / max(cut.shape))) for side in cut.shape)
    return np.asarray(Image.fromarray(cut).resize((width, height), Image.Resampling.HAMMING))
