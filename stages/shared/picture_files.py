"""Files of pictures, read into memory whatever their format, size, kind of pixel, transparency and orientation."""

import math
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from stages.shared.errors import UserError

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")  # not EPS: for it, Pillow runs another program
MOST_PIXELS = 50_000_000
SHRUNK = 1000  # the longer side of an image to look at, in pixels: finer than any digit needs
SEEN = 25  # the least difference of levels, of 255, by which something is seen


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
    return on_white if np.ptp(np.asarray(on_white), axis=(0, 1)).max() >= SEEN else on_black
