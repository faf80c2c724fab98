"""Images of digits, in many forms: each comes out as MNIST would have it, or as one clear error."""

import functools
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from stages.claims.drawn_digits import draw_digits
from stages.shared.drawings import BOX, CENTER, FORMATS, NOISE, SHRUNK, find, normalize, read
from stages.shared.errors import UserError
from tests import photographs
from tests.photographs import Field, Scene, outside, placed, plain, shade, squared, vignette

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


@pytest.fixture
def seven() -> Image.Image:
    """Return a black seven on white, in gray."""
    image = Image.new("L", (200, 260), 255)
    ImageDraw.Draw(image).line([(50, 50), (150, 50), (90, 220)], fill=0, width=14, joint="curve")
    return image


@pytest.fixture
def column(seven: Image.Image) -> Column:
    return normalize(seven.convert("RGB"))


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
    for pixels in digits[0][:100]:
        enlarged = gray(255 - pixels.reshape(28, 28)).resize((280, 280), Image.Resampling.BICUBIC)
        assert distance(normalize(enlarged.convert("RGB")), (pixels / 255).astype(np.float32)) < 0.08


@pytest.mark.parametrize("image", IMAGES)
def test_light_on_dark_is_the_same_as_dark_on_light(image: Image.Image) -> None:
    inverted = gray(255 - np.asarray(image))
    assert np.abs(normalize(inverted) - normalize(image)).max() <= STEP


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.7, 3])
def test_the_size_does_not_matter(scale: float) -> None:
    for image in IMAGES[::3]:
        width, height = image.size
        scaled = image.resize((round(scale * width), round(scale * height)), Image.Resampling.BICUBIC)
        assert distance(normalize(scaled), normalize(image)) < 0.01


@pytest.mark.parametrize("place", [(0, 0), (700, 0), (13, 401), (650, 499)])
def test_the_place_does_not_matter(place: tuple[int, int]) -> None:
    for image in IMAGES[::7]:
        ground = Image.new("RGB", (980, 900), image.getpixel((0, 0)))
        ground.paste(image, place)
        assert np.array_equal(normalize(ground), normalize(image))


def on_transparent(seven: Image.Image, color: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", seven.size, color)
    image.putalpha(gray(255 - np.asarray(seven)))
    return image


def sixteen_bits(seven: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(seven).astype(np.uint16) * 100 + 3000)


def thirty_two_bits(seven: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(seven).astype(np.int32) * 257)


def on_green(seven: Image.Image) -> Image.Image:
    """Return it in red, as bright as the ground."""
    ink = 255 - np.asarray(seven)
    return Image.merge("RGB", [gray(ink), gray((255 - ink) * 0.509), gray(0 * ink)])


FORMS: dict[str, tuple[str, Callable[[Image.Image], Image.Image], dict[str, Any]]] = {
    "black and white": ("png", lambda seven: seven.convert("1"), {}),
    "palette": ("png", lambda seven: seven.convert("RGB").quantize(8), {}),
    "palette, transparent": ("gif", lambda seven: on_transparent(seven, (0, 0, 0)), {}),
    "color": ("bmp", lambda seven: seven.convert("RGB"), {}),
    "yellow on white": ("png", lambda seven: Image.merge("RGB", [gray(0 * np.asarray(seven) + 255)] * 2 + [seven]), {}),
    "red on green": ("png", on_green, {}),
    "gray and alpha": ("png", lambda seven: on_transparent(seven, (0, 0, 0)).convert("LA"), {}),
    "black on transparent": ("webp", lambda seven: on_transparent(seven, (0, 0, 0)), {"lossless": True}),
    "white on transparent": ("png", lambda seven: on_transparent(seven, (255, 255, 255)), {}),
    "a transparent color": ("png", lambda seven: seven.convert("RGB"), {"transparency": (255, 255, 255)}),
    "16 bits": ("png", sixteen_bits, {}),
    "16 bits in 32": ("pgm", thirty_two_bits, {}),
    "inks of print": ("tif", lambda seven: seven.convert("CMYK"), {}),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_file_may_hold_any_kind_of_pixel(name: str, seven: Image.Image, column: Column, tmp_path: Path) -> None:
    suffix, convert, options = FORMS[name]
    assert np.abs(prepare(convert(seven), tmp_path / f"image.{suffix}", **options) - column).max() <= STEP


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_loses_little(mode: str, seven: Image.Image, column: Column, tmp_path: Path) -> None:
    assert np.abs(prepare(seven.convert(mode), tmp_path / "image.jpg") - column).max() < 0.03


def test_a_card_on_transparent_ground(seven: Image.Image, column: Column, tmp_path: Path) -> None:
    card = Image.new("RGBA", (480, 400))
    card.paste(seven.convert("RGBA"), (250, 100))
    assert np.array_equal(prepare(card, tmp_path / "image.png"), column)


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_camera_may_lie_on_its_side(
    orientation: int, stored: Image.Transpose | None, suffix: str, seven: Image.Image, column: Column, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = seven if stored is None else seven.transpose(stored)
    assert np.array_equal(prepare(image, tmp_path / f"image.{suffix}", exif=exif), column)


def test_the_first_image_of_several_counts(seven: Image.Image, column: Column, tmp_path: Path) -> None:
    others = [Image.new("L", seven.size, 99)]
    assert np.array_equal(prepare(seven, tmp_path / "image.gif", save_all=True, append_images=others), column)


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


def test_a_large_image_is_shrunk(seven: Image.Image, column: Column, tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    seven.resize((3000, 3900), Image.Resampling.BICUBIC).save(path)
    image = read(path)
    assert (image.mode, image.size) == ("RGB", (round(SHRUNK * 200 / 260), SHRUNK))
    assert distance(normalize(image), column) < 0.01


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("noise", [0, 4])
def test_an_empty_image_is_an_error(level: int, noise: int) -> None:
    levels = np.random.default_rng(0).normal(level, noise, (100, 80))
    with pytest.raises(UserError, match="is empty"):
        normalize(gray(np.clip(levels, 0, 255)).convert("RGB"))


def png(width: int, height: int) -> bytes:
    """Return the start of a PNG file of this size: it ends where the pixels would begin."""
    header = b"IHDR" + struct.pack(">2I5B", width, height, 1, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 1_000_000) + b"IDAT"


@pytest.mark.parametrize("size", [(8_000, 7_000), (12_000, 10_000), (60_000, 60_000), (50_000_001, 1)])
def test_a_huge_image_is_an_error_before_it_is_decoded(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png(*size))
    with pytest.raises(UserError, match=r"huge\.png: has more than 50 million pixels"):
        read(path)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


@pytest.mark.parametrize("content", [b"", b"seven\n", bytes(1000), b"\x89PNG\r\n\x1a\n", POSTSCRIPT])
def test_a_file_that_is_no_image_is_an_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"seven\.png: not an image; .* PNG, JPEG"):
        read(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path, Path("/dev/zero")):
        with pytest.raises(UserError, match=f"{path}: there is no such file"):
            read(path)


def test_floating_point_pixels_are_an_error(seven: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    seven.convert("F").save(path)
    with pytest.raises(UserError, match="floating-point"):
        read(path)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_damaged_file_is_at_most_an_error(format_: str, seven: Image.Image, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    seven.resize((20, 26)).convert("RGB").save(buffer, format_)
    content = buffer.getvalue()
    path = tmp_path / "damaged"
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(100):
        damaged = bytearray(content[: rng.integers(1, len(content) + 1)])
        for place in rng.integers(len(damaged), size=3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            assert read(path).mode == "RGB"
        except UserError as error:
            errors.append(str(error))
    assert errors
    assert all(error.startswith(f"{path}: ") for error in errors)


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
        "lines that cross it",
    ),
    "frame": (lambda mask: written(mask).painted(photographs.frame(0.8, 0.8), BLUE).photograph(), "left out"),
    "frame askew": (
        lambda mask: written(mask).painted(photographs.frame(0.8, 0.8, 6, degrees=3), BLUE).photograph(),
        "left out",
    ),
    "frame that goes on": (
        lambda mask: written(mask).painted(photographs.frame(1.6, 0.8), BLUE).photograph(),
        "left out",
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


@functools.cache
def clean() -> list[Column]:
    """Return the drawings in MNIST's form."""
    return [normalize(image) for image in IMAGES]


def nearest(x: Column) -> int:
    """Return the label of the clean drawing that is nearest."""
    return int(LABELS[np.argmin([distance(x, drawing) for drawing in clean()])])


WARNED_WITHOUT_NEED = {"ruled"}  # lines that are left in the strokes look like a second digit


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photographed_digit_is_found(name: str) -> None:
    photograph, word = PHOTOGRAPHS[name]
    for drawn in (13, 25):
        digit = find(photograph(photographs.coverage(IMAGES[drawn])))
        assert nearest(digit.x) == LABELS[drawn]
        assert digit.doubts == [] or name in WARNED_WITHOUT_NEED
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


def test_grain_of_a_table_beside_the_sheet_is_doubted() -> None:
    y, _ = photographs.turned(20)
    grain = (0.5 + 0.5 * np.sin(y / 7)) * outside(0.75, 0.75, degrees=4)
    scene = written(SEVEN, height=0.4).painted(outside(0.75, 0.75, degrees=4), TABLE).painted(grain, (0.5, 0.32, 0.2))
    digit = find(scene.photograph())
    assert digit.doubts or nearest(digit.x) == 7


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


def test_shrinking_or_cutting_helps_a_huge_image(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    huge = IMAGES[7].convert("1").resize((7000, 10_000))
    huge.save(path)
    with pytest.raises(UserError, match="shrink it, or cut the digit out"):
        read(path)
    for mended in (huge.resize((700, 1000)), huge.crop((500, 500, 6900, 7500))):
        mended.save(path)
        assert nearest(normalize(read(path))) == 7


def test_another_format_helps_a_file_that_cannot_be_read(seven: Image.Image, column: Column, tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    seven.convert("F").save(path)
    with pytest.raises(UserError, match="save it anew, as a PNG for example"):
        read(path)
    assert np.array_equal(prepare(seven, tmp_path / "image.png"), column)
    for format_ in FORMATS:
        prepare(seven, path, format=format_)


def test_an_image_of_16_bits_is_its_form_of_8_bits(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(levels * 257).save(tmp_path / "levels.png")
    np.testing.assert_array_equal(np.asarray(read(tmp_path / "levels.png").convert("L")), levels)
