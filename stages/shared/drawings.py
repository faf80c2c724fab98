"""Digits in image files, brought into the form of MNIST's images.

The ground is estimated where the digit is, in each color channel: what is narrower than a third of the shorter side is
filled with what surrounds it (a morphological closing, or an opening where the wide areas are dark, as a blackboard's
are). So a shadow or a table beside the sheet is ground too. The ink of a pixel is how far its color is from the ground,
in the channel where they differ most, divided by the light on the ground, 1 where that has its median.

Ink weaker than a fifth of the strongest is noise and counts as ground. So do lines of the paper: what is paler than
half of the strongest ink and away from any disk of a third of the digit's thickness that fits into the ink. Of the
spots that are left, the digit is the one with the largest product of area and thickness that surrounds no other (as a
frame does); one that is at the border gives way to one that is not, if that has a fifth of its product. If the digit
touches the border, it may hang on dark lines: then all thin lines are cut off, dark ones too. Spots near it, of at
least a twentieth of its area and two fifths of its thickness, belong to it. Doubted is what touches the border, is too
thick or too wide, is in many pieces, crosses more strokes in a row or a column than a digit does, or has a rival.

What is left is treated as MNIST was (LeCun et al. 1998, section III.A): scaled to fit a box of 20x20 pixels,
proportions kept, then moved by whole pixels so that its center of mass lies in the pixel at (14, 14) of 28x28, counted
from 0.
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from stages.shared.errors import UserError
from stages.shared.mnist import PIXELS, ROWS

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = tuple[slice, ...]

LEAST_CONTRAST = 0.1  # the strongest ink of an image that is not empty; black on white has 1
NOISE = 0.2  # as a share of the strongest ink
PALE = 0.5  # as a share of the strongest ink; lines that are thin and paler are not the digit's
SPECK = 0.05  # as a share of the digit's area
NEAR = 0.3  # as a share of the digit's height
RIVAL = 0.2  # as a share of the product of the largest
MARGIN = 0.02  # as a share of the image's side
THIN = 0.4  # as a share of the digit's thickness
DETAIL = 125  # the longer side, in pixels, of the image on which the ground is estimated
DARKEST = 0.05  # ground that is darker counts as lit like this: what is divided by it is mostly noise
UNEVEN = 0.8  # the least light, as a share of the most, that is not worth a word
THICKEST = 0.2  # half the thickness of a stroke, as a share of the digit's longer side
WIDEST = 1.7  # as a share of the height
MOST_ACROSS, MOST_DOWN = 1.9, 3.1  # strokes that a row and a column cross, in the mean; a pair of digits has more
SLIM, MOST_DOWN_SLIM = 2.3, 2.0  # of what is so many times as high as wide: a digit, or two one above the other
TALL, MOST_DOWN_TALL = 2.9, 1.25  # of what is that high and wider than a stroke: no digit but a 1 is
STROKE = 2.4  # the width of a 1, as a share of its thickness
MOST_SPOTS = 3  # of a digit

BOX = 20
CENTER = 14


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
    """Return the digit in an RGB image, such as `picture_files.read` returns it.

    Raises
    ------
    UserError
        If the whole image has nearly the same color, but for the light.
    """
    ink, light = _ink(image)
    if ink.max() < LEAST_CONTRAST:
        raise UserError("is empty: it has nearly the same color everywhere; draw a digit with more contrast")
    kept, done, doubts = _digit(ink)
    if light.min() < UNEVEN * light.max():
        done.insert(0, f"the light was evened out, which falls to {light.min() / light.max():.0%}")
    return Digit(_centered(_scaled(np.where(kept, ink, np.float32(0)))), ink, kept, done, doubts)


def normalize(image: Image.Image) -> Field:
    """Return the digit in an RGB image in the form of MNIST's, of shape (784,); raise UserError as `find` does."""
    return find(image).x


def _digit(ink: Field) -> tuple[Mask, list[str], list[str]]:
    """Return which pixels are the digit, what was done to find it, and what is doubted."""
    inked = ink >= NOISE * ink.max()
    radius = _depth(_main_spots(inked)[0]).max() / 3
    strokes = _without_lines(inked, radius)
    lines = inked & ~strokes & (ink < PALE * ink.max())
    spots = _main_spots(inked & ~lines)
    if _touches_border(spots[0]) and not _touches_border((without_lines := _main_spots(strokes))[0]):
        spots, lines = without_lines, inked & ~strokes
    kept, left_out, rivals = spots
    longest = np.bincount(ndimage.label(lines, structure=np.ones((3, 3)))[0].ravel())[1:].max(initial=0)
    done = ["thin lines were cut off"] if longest > SPECK * kept.sum() else []
    if left_out:
        done.append(f"left out as no part of it: {left_out} line{'s' * (left_out > 1)} or spot{'s' * (left_out > 1)}")
    return kept, done, _doubts(kept, rivals)


def _depth(mask: Mask) -> NDArray[np.float64]:
    """Return how far each pixel of a mask lies within it; what touches the border goes on beyond it."""
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    return depth


def _without_lines(mask: Mask, radius: float) -> Mask:
    """Return what of a mask is near a disk of this radius that fits into it: corners of strokes are, lines are not."""
    core = _depth(mask) > radius
    return mask & (_depth(~core) <= 1.3 * radius) if core.any() else mask


def _main_spots(mask: Mask) -> tuple[Mask, int, int]:
    """Return the spots of a mask that are the digit, how many others are no specks, and how many of them may be it."""
    spots, count = ndimage.label(mask, structure=np.ones((3, 3)))
    areas, thickness = np.bincount(spots.ravel()), ndimage.maximum(_depth(mask), spots, range(count + 1))
    sizes, boxes = areas * thickness, [(slice(0), slice(0)), *ndimage.find_objects(spots)]
    candidates = np.flatnonzero(sizes >= SPECK / 2 * sizes.max())
    inner = [k for k in candidates if not any(_surrounds(boxes[k], boxes[other]) for other in candidates)]
    rivals = [k for k in inner if sizes[k] >= RIVAL * sizes[inner].max()]
    rivals = [k for k in rivals if not _at_border(boxes[k], mask.shape)] or rivals
    main = max(rivals, key=lambda k: sizes[k])
    parts = [k for k in np.unique(spots[_around(boxes[main])]) if k in inner]
    parts = [k for k in parts if areas[k] >= SPECK * areas[main] and thickness[k] >= THIN * thickness[main]]
    if not _at_border(boxes[main], mask.shape):
        parts = [k for k in parts if not _at_border(boxes[k], mask.shape)]
    return np.isin(spots, parts), len(candidates) - len(parts), len(set(rivals) - set(parts))


def _around(box: Box) -> Box:
    """Return a box with what is within a share of its height."""
    gap = round(NEAR * (box[0].stop - box[0].start))
    return tuple(slice(max(0, side.start - gap), side.stop + gap) for side in box)


def _at_border(box: Box, shape: tuple[int, ...]) -> bool:
    """Return whether a box touches the border, or nearly so."""
    return any(min(side.start, length - side.stop) <= MARGIN * length for side, length in zip(box, shape, strict=True))


def _surrounds(outer: Box, inner: Box) -> bool:
    """Return whether a box has another within that is at least a quarter as high."""
    within = all(a.start < b.start and b.stop < a.stop for a, b in zip(outer, inner, strict=True))
    return within and 4 * (inner[0].stop - inner[0].start) >= outer[0].stop - outer[0].start


def _touches_border(mask: Mask) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def _doubts(digit: Mask, rivals: int) -> list[str]:
    """Return why these spots may be no digit, or not all of one, when so many others may be it as well."""
    box = digit[ndimage.find_objects(digit.astype(int))[0]]
    height, width = box.shape
    radius = _depth(digit).max()
    most_down = MOST_DOWN_SLIM if height > SLIM * width else MOST_DOWN
    if height > TALL * width and width > STROKE * 2 * radius:
        most_down = MOST_DOWN_TALL
    doubts = []
    if _touches_border(digit):
        doubts.append("touches the border, so a part may be missing; give an image with some ground on each side")
    if rivals or _strokes(box, 1) > MOST_ACROSS or _strokes(box, 0) > most_down or _lie_apart(box):
        doubts.append("looks like two digits; cut one of them out")
    if radius > THICKEST * max(height, width) or width > WIDEST * height:
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
