"""Digits drawn and photographed: each comes out as MNIST would have it, or is doubted in words."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from stages.shared.drawings import BOX, CENTER, NOISE, find, normalize
from stages.shared.errors import UserError
from tests import photographs
from tests.drawn import IMAGES, LABELS, STEP, Column, distance, gray, nearest, prepare
from tests.photographs import Field, Scene, outside, placed, plain, shade, squared, vignette


@pytest.mark.parametrize("image", IMAGES)
def test_the_form_is_that_of_mnist(image: Image.Image) -> None:
    x = normalize(image)
    assert x.shape == (784,)
    assert x.dtype == np.float32
    assert (x.min(), x.max()) == (0, 1)
    assert np.array_equal(x, np.rint(255 * x) / np.float32(255))
    field = x.reshape(28, 28)
    rows, columns = np.flatnonzero(field.any(axis=1)), np.flatnonzero(field.any(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == BOX
    for axis in (0, 1):
        center = np.average(np.arange(28), weights=field.sum(axis=1 - axis))
        assert abs(center - CENTER) <= 0.5 + 0.01  # 0.01: the steps of 8 bits move the center a little


def test_proportions_are_kept(tmp_path: Path) -> None:
    image = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(image).rectangle((20, 100, 219, 159), fill=0)
    field = prepare(image, tmp_path / "image.png").reshape(28, 28)
    rows, columns = np.flatnonzero(field.any(axis=1)), np.flatnonzero(field.any(axis=0))
    assert [len(rows), len(columns)] == [6, 20]
    assert field.sum() == 6 * 20


def test_images_of_mnist_keep_their_place_and_ink(digits: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    same = []
    for pixels in digits[0]:
        ink = np.where(pixels < NOISE * pixels.max(), 0, pixels / pixels.max()).astype(np.float32)
        sides = [np.ptp(np.flatnonzero(ink.reshape(28, 28).any(axis=axis))) + 1 for axis in (0, 1)]
        if max(sides) == BOX:  # in the others, an edge of the box was too faint
            same.append(distance(normalize(gray(255 - pixels.reshape(28, 28)).convert("RGB")), ink) < 0.002)
    assert len(same) > len(digits[0]) / 2
    assert np.mean(same) > 0.97  # some of MNIST's images have a speck


def test_images_of_mnist_enlarged_come_back(digits: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    for pixels in digits[0][:40]:
        enlarged = gray(255 - pixels.reshape(28, 28)).resize((280, 280), Image.Resampling.BICUBIC)
        assert distance(normalize(enlarged.convert("RGB")), (pixels / 255).astype(np.float32)) < 0.08


@pytest.mark.parametrize("image", IMAGES)
def test_light_on_dark_is_the_same_as_dark_on_light(image: Image.Image) -> None:
    inverted = gray(255 - np.asarray(image))
    assert np.abs(normalize(inverted) - normalize(image)).max() <= STEP


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.7, 3])
def test_the_size_does_not_matter(scale: float) -> None:
    for image in IMAGES[::7]:
        width, height = image.size
        scaled = image.resize((round(scale * width), round(scale * height)), Image.Resampling.BICUBIC)
        assert distance(normalize(scaled), normalize(image)) < 0.01


@pytest.mark.parametrize("place", [(0, 0), (700, 0), (13, 401), (650, 499)])
def test_the_place_does_not_matter(place: tuple[int, int]) -> None:
    for image in IMAGES[::7]:
        ground = Image.new("RGB", (980, 900), image.getpixel((0, 0)))
        ground.paste(image, place)
        assert np.array_equal(normalize(ground), normalize(image))


def test_noise_of_the_ground_is_removed(seven: Image.Image, column: Column, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(20, 6, (260, 200))
    x = prepare(gray(np.clip(0.8 * np.asarray(seven) + noise, 0, 255)), tmp_path / "image.png")
    assert np.abs(x - column).max() < 0.05
    assert np.array_equal(x == 0, column == 0)


def test_specks_are_removed(seven: Image.Image, column: Column, tmp_path: Path) -> None:
    for place in ((5, 5), (190, 20), (20, 250)):
        ImageDraw.Draw(seven).circle(place, 3, fill=0)
    assert np.array_equal(prepare(seven, tmp_path / "image.png"), column)


def test_a_digit_of_two_strokes_keeps_both(tmp_path: Path) -> None:
    image = Image.new("L", (200, 260), 255)
    ImageDraw.Draw(image).line([(60, 30), (140, 30)], fill=0, width=12)
    ImageDraw.Draw(image).line([(100, 60), (100, 230)], fill=0, width=12)
    field = prepare(image, tmp_path / "image.png").reshape(28, 28)
    empty = np.flatnonzero(~field.any(axis=1))
    assert len(empty) > 8, "there is no gap between the strokes"


def test_the_box_stays_in_the_field(tmp_path: Path) -> None:
    image = Image.new("L", (400, 800), 255)
    ImageDraw.Draw(image).rectangle((20, 20, 379, 60), fill=0)
    ImageDraw.Draw(image).line([(200, 20), (200, 780)], fill=0, width=4)
    field = prepare(image, tmp_path / "image.png").reshape(28, 28)
    assert np.array_equal(np.flatnonzero(field.any(axis=1)), np.arange(8, 28))


def test_a_line_as_thin_as_a_pixel(tmp_path: Path) -> None:
    image = gray(np.full((300, 300), 255))
    ImageDraw.Draw(image).line([(150, 20), (150, 279)], fill=0)
    assert np.array_equal(np.flatnonzero(prepare(image, tmp_path / "image.png")), 28 * np.arange(4, 24) + CENTER)


def test_a_line_whose_pixels_touch_at_their_corners_is_in_one_piece() -> None:
    image = gray(np.full((60, 60), 255))
    ImageDraw.Draw(image).line([(47, 12), (12, 47)], fill=0)
    assert find(image.convert("RGB")).doubts == []


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("noise", [0, 4])
def test_an_empty_image_is_an_error(level: int, noise: int) -> None:
    levels = np.random.default_rng(0).normal(level, noise, (100, 80))
    with pytest.raises(UserError, match="is empty"):
        normalize(gray(np.clip(levels, 0, 255)).convert("RGB"))


def written(mask: Field, ink: photographs.Color = photographs.BLACK, **place: float) -> Scene:
    """Return a sheet of paper with a digit."""
    return plain().painted(placed(mask, **place), ink)


BLUE, PALE, TABLE, CHALK = (0.15, 0.2, 0.6), (0.65, 0.72, 0.85), photographs.TABLE, (0.85, 0.85, 0.8)
PHOTOGRAPHS: dict[str, tuple[Callable[[Field], Image.Image], str]] = {
    "plain": (lambda mask: written(mask).photograph(), ""),
    "shade of 30 %": (lambda mask: written(mask).lit(shade(0.3)).photograph(), "light"),
    "shade of 50 %": (lambda mask: written(mask).lit(shade(0.5)).photograph(), "light"),
    "shade of 70 %": (lambda mask: written(mask).lit(shade(0.7, angle=2)).photograph(), "light"),
    "vignette": (lambda mask: written(mask).lit(vignette()).photograph(), "light"),
    "shadow": (lambda mask: written(mask).lit(photographs.shadow()).photograph(), "light"),
    "ruled": (
        lambda mask: plain().painted(photographs.ruled(2), PALE).painted(placed(mask), BLUE).photograph(),
        "",
    ),
    "squared": (lambda mask: plain().painted(squared(-2), PALE).painted(placed(mask), BLUE).photograph(), ""),
    "squared in dark": (
        lambda mask: plain().painted(squared(1), (0.45, 0.5, 0.6)).painted(placed(mask), BLUE).photograph(),
        "thin lines were cut off",
    ),
    "ruled in the same ink": (
        lambda mask: plain().painted(photographs.ruled(2), BLUE).painted(placed(mask), BLUE).photograph(),
        "thin lines were cut off",
    ),
    "frame": (lambda mask: written(mask).painted(photographs.frame(0.8, 0.8), BLUE).photograph(), "left out"),
    "frame askew": (
        lambda mask: written(mask).painted(photographs.frame(0.8, 0.8, 6, degrees=3), BLUE).photograph(),
        "left out",
    ),
    "frame that goes on": (
        lambda mask: written(mask).painted(photographs.frame(1.6, 0.8), BLUE).photograph(),
        "lines",
    ),
    "edge at one side": (
        lambda mask: written(mask).painted(outside(2, 1, column=0.35, degrees=2), TABLE).photograph(),
        "light",
    ),
    "edge all around": (
        lambda mask: written(mask, height=0.4).painted(outside(0.75, 0.75, degrees=4), TABLE).photograph(),
        "light",
    ),
    "noise": (lambda mask: written(mask).photograph(noise=0.06), ""),
    "blur": (lambda mask: written(mask).photograph(blur=3), ""),
    "coarse JPEG": (lambda mask: written(mask).photograph(quality=10), ""),
    "chalk": (
        lambda mask: plain((0.13, 0.2, 0.17)).painted(placed(mask), CHALK).lit(shade(0.6)).photograph(),
        "light",
    ),
    "red ink": (lambda mask: written(mask, (0.8, 0.1, 0.1)).lit(shade(0.5)).photograph(), "light"),
    "green on yellow": (
        lambda mask: plain((0.95, 0.85, 0.3)).painted(placed(mask), (0.1, 0.5, 0.2)).lit(shade(0.5)).photograph(),
        "light",
    ),
    "small": (lambda mask: written(mask, height=0.15).lit(vignette()).photograph(), "light"),
    "all at once": (
        lambda mask: (
            plain()
            .painted(squared(2), PALE)
            .painted(placed(mask, 0.4), BLUE)
            .painted(outside(0.8, 0.8, degrees=4), TABLE)
            .lit(shade(0.5))
            .photograph(0.02, 0.75, 50)
        ),
        "light",
    ),
}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photographed_digit_is_found(name: str) -> None:
    photograph, word = PHOTOGRAPHS[name]
    for drawn in (13, 25):
        digit = find(photograph(photographs.coverage(IMAGES[drawn])))
        assert nearest(digit.x) == LABELS[drawn]
        assert digit.doubts == []
        assert word in "; ".join(digit.done)


@pytest.mark.parametrize("image", IMAGES)
def test_on_a_plain_ground_nothing_is_to_be_done(image: Image.Image) -> None:
    digit = find(image)
    assert (digit.done, digit.doubts) == ([], [])
    assert np.array_equal(digit.x, normalize(image))


SEVEN, TWO = photographs.coverage(IMAGES[7]), photographs.coverage(IMAGES[12])
DOUBTFUL: dict[str, tuple[Scene, str, Scene]] = {  # an image, what is said of it, and an image made by that advice
    "two beside": (
        written(SEVEN, height=0.4, column=0.27).painted(placed(TWO, 0.4, column=0.75), BLUE),
        "looks like two digits; cut one of them out",
        written(SEVEN, height=0.4, column=0.27),
    ),
    "two one above the other": (
        written(SEVEN, height=0.35, row=0.25).painted(placed(TWO, 0.35, row=0.75), BLUE),
        "looks like two digits; cut one of them out",
        written(SEVEN, height=0.35, row=0.25),
    ),
    "two that touch": (
        written(SEVEN, height=0.4, column=0.4).painted(placed(TWO, 0.4, column=0.55), BLUE),
        "looks like two digits; cut one of them out",
        written(SEVEN, height=0.4, column=0.4),
    ),
    "at the border": (
        written(SEVEN, row=0.2).lit(shade(0.5)),
        "touches the border, so a part may be missing; give an image with some ground on each side",
        written(SEVEN, row=0.4).lit(shade(0.5)),
    ),
    "a blot": (
        plain().painted((np.hypot(*photographs.turned(0)) < 30).astype(float), BLUE),
        "is too thick or too wide for a digit; give an image of one digit, on ground of one color",
        written(SEVEN),
    ),
}


@pytest.mark.parametrize("degrees", range(-80, 100, 20))
def test_grain_of_a_table_beside_the_sheet_is_told_from_the_digit_or_doubted(degrees: int) -> None:
    found = []
    for k, width in ((4, 2.5), (13, 4), (25, 7)):
        table = outside(0.75, 0.75, degrees=4)
        grain = (0.5 + 0.5 * np.sin(photographs.turned(degrees)[0] / width)) * table
        sheet = written(photographs.coverage(IMAGES[k]), height=0.4)
        digit = find(sheet.painted(table, TABLE).painted(grain, (0.5, 0.32, 0.2)).photograph())
        found.append(nearest(digit.x) == LABELS[k])
        assert found[-1] or digit.doubts
    assert sum(found) >= 2


@pytest.mark.parametrize("hand", [0, 20])
def test_a_digit_that_touches_a_one_below_or_above_is_doubted(hand: int) -> None:
    for upper, lower in [(digit, 1) for digit in (0, 4, 7, 9)] + [(1, digit) for digit in (0, 4, 7, 9)]:
        above = placed(photographs.coverage(IMAGES[hand + upper]), 0.38, row=0.3)
        below = placed(photographs.coverage(IMAGES[hand + lower]), 0.38, row=0.67)
        doubts = find(plain().painted(np.maximum(above, below), BLUE).photograph()).doubts
        assert doubts == ["looks like two digits; cut one of them out"], (upper, lower)


def test_two_that_touch_one_above_the_other_are_mostly_doubted() -> None:
    doubted = []
    for upper, lower in product(range(20, 30), (0, 3, 7, 8)):
        above = placed(photographs.coverage(IMAGES[upper]), 0.38, row=0.29)
        below = placed(photographs.coverage(IMAGES[lower]), 0.38, row=0.66)
        doubted.append(bool(find(plain().painted(np.maximum(above, below), BLUE).photograph()).doubts))
    assert np.mean(doubted) >= 0.9


@pytest.mark.parametrize(("row", "column"), [(0.2, 0.25), (0.8, 0.25), (0.2, 0.75), (0.5, 0.8)])
def test_a_second_digit_anywhere_is_doubted(row: float, column: float) -> None:
    scene = written(SEVEN, height=0.25, row=0.5, column=0.3).painted(placed(TWO, 0.25, row, column), BLUE)
    assert find(scene.photograph()).doubts == ["looks like two digits; cut one of them out"]


def test_mnists_digits_are_seldom_doubted(digits: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    enlarged = [gray(255 - x.reshape(28, 28)).resize((140, 140), Image.Resampling.BICUBIC) for x in digits[0][:100]]
    assert sum(bool(find(image.convert("RGB")).doubts) for image in enlarged) <= 2


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_may_be_no_digit_is_said_and_the_advice_helps(name: str) -> None:
    scene, doubt, advised = DOUBTFUL[name]
    assert find(scene.photograph()).doubts == [doubt]
    digit = find(advised.photograph())
    assert digit.doubts == []
    assert nearest(digit.x) == 7


def test_more_contrast_helps_an_empty_image() -> None:
    faint = plain().painted(placed(SEVEN), [0.95 * color for color in photographs.PAPER])
    with pytest.raises(UserError, match=r"is empty: .*; draw a digit with more contrast"):
        find(faint.photograph(noise=0))
    assert nearest(find(written(SEVEN).photograph(noise=0)).x) == 7
