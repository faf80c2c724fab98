"""Files of pictures, in many forms: each is read as what a person sees in it, or is one clear error."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.shared.drawings import normalize
from stages.shared.errors import UserError
from stages.shared.picture_files import FORMATS, SHRUNK, read
from tests.drawn import IMAGES, STEP, Column, distance, gray, nearest, prepare


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
    card = Image.new("RGBA", (600, 500))
    card.paste(seven.convert("RGBA"), (300, 100))
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


def test_a_large_image_is_shrunk(seven: Image.Image, column: Column, tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    seven.resize((3000, 3900), Image.Resampling.BICUBIC).save(path)
    image = read(path)
    assert (image.mode, image.size) == ("RGB", (round(SHRUNK * 200 / 260), SHRUNK))
    assert distance(normalize(image), column) < 0.01


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
