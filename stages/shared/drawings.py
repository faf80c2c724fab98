"""Digits in image files, brought into the form of MNIST's images.

The ground is estimated where the digit is, in each color channel: what is narrower than a third of the shorter side is
filled with what surrounds it (a morphological closing, or an opening where the wide areas are dark, as a blackboard's
are). So a shadow or a table beside the sheet is ground too. The ink of a pixel is how far its color is from the ground,
in the channel where they differ most, divided by the light on the ground, 1 where that has its median.

Ink weaker than a fifth of the strongest is noise and counts as ground. Of the spots that are left, the digit is the one
with the largest product of area and thickness that surrounds no other (as a frame does). It should not touch the
border. If it does, it may hang on lines of the paper: what is thinner than a third of its strokes is cut off, and then
the share is raised to two and three fifths; what still touches the border stays whole. Spots of at least a twentieth of
its area and two fifths of its thickness belong to it. Doubted is what touches the border, is too thick or too wide, is
in many pieces, or crosses more strokes in a row or a column than a digit does.

What is left is treated as MNIST was (LeCun et al. 1998, section III.A): scaled to fit a box of 20x20 pixels,
proportions kept, then moved by whole pixels so that its center of mass lies in the pixel at (14, 14) of 28x28, counted
from 0.
"""

import math
import struct
import warnings
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile
from scipy import ndimage

from stages.shared.errors import UserError
from stages.shared.mnist import PIXELS, ROWS

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = tuple[slice, ...]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")  # not EPS: for it, Pillow runs another program
MOST_PIXELS = 50_000_000
SHRUNK = 500  # the longer side of an image to look at, in pixels: finer than any digit needs

LEAST_CONTRAST = 0.1  # the strongest ink of an image that is not empty; black on white has 1
NOISE = 0.2  # as a share of the strongest ink
SHARES = (NOISE, 0.4, 0.6)  # the higher ones leave out pale lines that cross the digit
SPECK = 0.05  # as a share of the digit's area
THIN = 0.4  # as a share of the digit's thickness
DETAIL = 125  # the longer side, in pixels, of the image on which the ground is estimated
DARKEST = 0.05  # ground that is darker counts as lit like this: what is divided by it is mostly noise
UNEVEN = 0.8  # the least light, as a share of the most, that is not worth a word
THICKEST = 0.2  # half the thickness of a stroke, as a share of the digit's longer side
WIDEST = 1.7  # as a share of the height
MOST_ACROSS, MOST_DOWN = 1.9, 3.0  # strokes that a row and a column cross, in the mean; a pair of digits has more
MOST_SPOTS = 3  # of a digit

BOX = 20
CENTER = 14


def read(path: Path) -> Image.Image:
    """Return the image in a file: the first one, upright, in RGB, its longer side at most 500 pixels.

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
    return on_white if _ink(on_white)[0].max() >= LEAST_CONTRAST else on_black


def _ink(image: Image.Image) -> tuple[Field, Field]:
    """Return how far each pixel of an RGB image is from the ground, and the light on the ground, both in [0, 1]."""
    small = image.reduce(max(1, max(image.size) // DETAIL))
    ground = Image.merge("RGB", [_filled(channel) for channel in small.split()]).resize(image.size)
    levels, ground_levels = (np.asarray(each, np.float32) / np.float32(255) for each in (image, ground))
    light = np.maximum(ground_levels.max(axis=2), np.float32(DARKEST))
    return np.abs(levels - ground_levels).max(axis=2) * (np.median(light) / light), light


def _filled(channel: Image.Image) -> Image.Image:
    """Return a channel in which what is narrower than a third of its shorter side is as what surrounds it."""
    side = max(3, min(channel.size) // 3)
    levels = np.pad(np.asarray(channel), side, mode="edge")
    wide = np.percentile(ndimage.grey_opening(levels, size=(max(3, side // 2),) * 2), 95)  # the lightest wide area
    is_light = 2 * wide > float(levels.max()) + float(levels.min())
    ground = (ndimage.grey_closing if is_light else ndimage.grey_opening)(levels, size=(side, side))
    return Image.fromarray(ground[side:-side, side:-side])


@dataclass(frozen=True)
class Digit:
    """The digit found in an image.

    Attributes
    ----------
    x : ndarray of shape (784,)
        In the form of MNIST's: the strength of the ink, 0 for the ground and 1 for the strongest, in steps of 1/255.
    ink : ndarray of shape (height, width)
        All ink of the image.
    kept : ndarray of shape (height, width)
        Which of it was taken for the digit.
    done : list of str
        What had to be done to find it: nothing where it is drawn on a plain ground.
    doubts : list of str
        Why it may be no digit, or not all of one, and what to do.
    """

    x: Field
    ink: Field
    kept: Mask
    done: list[str]
    doubts: list[str]


def find(image: Image.Image) -> Digit:
    """Return the digit in an RGB image, such as `read` returns it.

    Raises
    ------
    UserError
        If the whole image has nearly the same color, but for the light.
    """
    ink, light = _ink(image)
    if ink.max() < LEAST_CONTRAST:
        raise UserError("is empty: it has nearly the same color everywhere; draw a digit with more contrast")
    kept, done = _digit(ink)
    if light.min() < UNEVEN * light.max():
        done.insert(0, f"the light was evened out, which falls to {light.min() / light.max():.0%}")
    return Digit(_centered(_scaled(np.where(kept, ink, np.float32(0)))), ink, kept, done, _doubts(kept))


def normalize(image: Image.Image) -> Field:
    """Return the digit in an RGB image in the form of MNIST's, of shape (784,); raise UserError as `find` does."""
    return find(image).x


def _digit(ink: Field) -> tuple[Mask, list[str]]:
    """Return which pixels are the digit, and what was done to find it."""
    for share in SHARES:
        inked = ink >= share * ink.max()
        done = [f"ink weaker than {share:.0%} of the strongest was left out"] if share > NOISE else []
        spots = _main_spots(inked)
        if _touches_border(spots[0]):
            spots = _main_spots(_without_lines(inked, _depth(spots[0]).max() / 3))
            done.append("thin lines that cross it were cut off")
        if not _touches_border(spots[0]):
            break
    else:
        spots, done = _main_spots(ink >= NOISE * ink.max()), []
    kept, left_out = spots
    if left_out:
        done.append(f"left out as no part of it: {left_out} line{'s' * (left_out > 1)} or spot{'s' * (left_out > 1)}")
    return kept, done


def _depth(mask: Mask) -> NDArray[np.float64]:
    """Return how far each pixel of a mask lies within it; what touches the border goes on beyond it."""
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    return depth


def _without_lines(mask: Mask, radius: float) -> Mask:
    """Return a mask without what a disk of this radius does not fit into (a morphological opening)."""
    core = _depth(mask) > radius
    return mask & (_depth(~core) <= radius) if core.any() else mask


def _main_spots(mask: Mask) -> tuple[Mask, int]:
    """Return the spots of a mask that are the digit, and how many of the others are no specks."""
    spots, count = ndimage.label(mask, structure=np.ones((3, 3)))
    areas, thickness = np.bincount(spots.ravel()), ndimage.maximum(_depth(mask), spots, range(count + 1))
    sizes, boxes = areas * thickness, ndimage.find_objects(spots)
    candidates = np.flatnonzero(sizes >= SPECK / 2 * sizes.max())
    inner = [k for k in candidates if not any(_surrounds(boxes[k - 1], boxes[other - 1]) for other in candidates)]
    main = max(inner, key=lambda k: sizes[k])
    parts = [k for k in inner if areas[k] >= SPECK * areas[main] and thickness[k] >= THIN * thickness[main]]
    if not _touches_border(spots == main):
        parts = [k for k in parts if not _touches_border(spots == k)]
    return np.isin(spots, parts), len(candidates) - len(parts)


def _surrounds(outer: Box, inner: Box) -> bool:
    """Return whether a box has another within that is at least a quarter as high."""
    within = all(a.start < b.start and b.stop < a.stop for a, b in zip(outer, inner, strict=True))
    return within and 4 * (inner[0].stop - inner[0].start) >= outer[0].stop - outer[0].start


def _touches_border(mask: Mask) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def _doubts(digit: Mask) -> list[str]:
    """Return why these spots may be no digit, or not all of one."""
    box = digit[ndimage.find_objects(digit.astype(int))[0]]
    height, width = box.shape
    doubts = []
    if _touches_border(digit):
        doubts.append("touches the border, so a part may be missing; give an image with some ground on each side")
    if _strokes(box, 1) > MOST_ACROSS or _strokes(box, 0) > MOST_DOWN or _lie_apart(box):
        doubts.append("looks like two digits; cut one of them out")
    if _depth(digit).max() > THICKEST * max(height, width) or width > WIDEST * height:
        doubts.append("is too thick or too wide for a digit; give an image of one digit, on ground of one color")
    if ndimage.label(box, structure=np.ones((3, 3)))[1] > MOST_SPOTS:
        doubts.append("is in many pieces, of which some may not belong to it; cut the digit out")
    return doubts


def _strokes(mask: Mask, axis: int) -> float:
    """Return how many strokes a line along this axis crosses, in the mean."""
    return float(np.count_nonzero(np.diff(np.pad(mask, 1), axis=axis)) / 2 / mask.shape[1 - axis])


def _lie_apart(digit: Mask) -> bool:
    """Return whether two spots, each at least a third as high as all, have no row or no column in common."""
    boxes = ndimage.find_objects(ndimage.label(digit, structure=np.ones((3, 3)))[0])
    large = [box for box in boxes if 3 * (box[0].stop - box[0].start) > len(digit)]
    return any(one.stop <= other.start for a, b in permutations(large, 2) for one, other in zip(a, b, strict=True))


def _centered(digit: Field) -> Field:
    """Return a digit in a field of 28x28, its center of mass in the middle."""
    field = np.zeros((ROWS, ROWS), np.float32)
    top, left = (
        min(max(round(CENTER - middle), 0), ROWS - side)
        for middle, side in zip(ndimage.center_of_mass(digit), digit.shape, strict=True)
    )
    field[top : top + digit.shape[0], left : left + digit.shape[1]] = digit / digit.max()
    return (np.rint(255 * field) / 255).astype(np.float32).reshape(PIXELS)


def _scaled(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the part of an image that has ink, its longer side scaled to 20 pixels."""
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(BOX * side / max(cut.shape))) for side in cut.shape)
    return np.asarray(Image.fromarray(cut).resize((width, height), Image.Resampling.HAMMING))
