"""Digits as a camera sees them: drawn on paper or on a blackboard, in uneven light, with lines, frames and edges."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Field = NDArray[np.float64]  # of one number a pixel, or of one a pixel and channel
Color = Sequence[float]

HEIGHT, WIDTH = 320, 240
PAPER, BLACK, TABLE = (0.93, 0.92, 0.88), (0.12, 0.12, 0.16), (0.25, 0.17, 0.11)
ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH] / np.array([HEIGHT, WIDTH]).reshape(2, 1, 1)


def coverage(drawing: Image.Image) -> Field:
    """Return how much of each pixel of a clean drawing is ink, from 0 to 1."""
    pixels = np.asarray(drawing.convert("RGB"), float)
    distance = np.abs(pixels - pixels[0, 0]).max(axis=2)
    covered: Field = distance / distance.max()
    return covered


@dataclass(frozen=True)
class Scene:
    """What lies in front of the camera: reflectances of shape (HEIGHT, WIDTH, 3), and the light on them."""

    surface: Field
    light: Field

    def painted(self, mask: Field, color: Color) -> "Scene":
        """Return the scene with a color where the mask is 1."""
        return replace(self, surface=self.surface + mask[..., np.newaxis] * (np.array(color) - self.surface))

    def lit(self, light: Field) -> "Scene":
        """Return the scene in other light."""
        return replace(self, light=self.light * light)

    def photograph(self, noise: float = 0.01, blur: float = 0.7, quality: int = 90) -> Image.Image:
        """Return what a camera makes of it, by way of a JPEG file."""
        seen = ndimage.gaussian_filter(self.surface * self.light[..., np.newaxis], (blur, blur, 0))
        seen = seen + np.random.default_rng(0).normal(0, noise, seen.shape)
        file = BytesIO()
        Image.fromarray((255 * seen.clip(0, 1)).astype(np.uint8)).save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")


def plain(color: Color = PAPER) -> Scene:
    """Return a sheet of this color that fills the picture, in even light."""
    return Scene(np.broadcast_to(np.array(color, float), (HEIGHT, WIDTH, 3)), np.ones((HEIGHT, WIDTH)))


def placed(mask: Field, height: float = 0.5, row: float = 0.5, column: float = 0.5) -> Field:
    """Return a digit's mask on the whole picture: its ink so high and its middle there, as shares of the picture."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    ink = Image.fromarray(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32))
    scale = height * HEIGHT / ink.height
    ink = ink.resize((max(1, round(scale * ink.width)), max(1, round(scale * ink.height))), Image.Resampling.BICUBIC)
    field = Image.new("F", (WIDTH, HEIGHT))
    field.paste(ink, (round(column * WIDTH - ink.width / 2), round(row * HEIGHT - ink.height / 2)))
    return np.asarray(field, float).clip(0, 1)


def shade(darkest: float, angle: float = 0.4) -> Field:
    """Return light that falls evenly to 1 - darkest from one side to the other."""
    along = np.cos(angle) * COLUMNS + np.sin(angle) * ROWS
    light: Field = 1 - darkest * (along - along.min()) / np.ptp(along)
    return light


def vignette(darkest: float = 0.7) -> Field:
    """Return light that falls to 1 - darkest in the corners."""
    light: Field = 1 - darkest * 2 * ((ROWS - 0.5) ** 2 + (COLUMNS - 0.5) ** 2)
    return light


def shadow(darkness: float = 0.45) -> Field:
    """Return light with the shadow of something, its edge 20 pixels soft."""
    light: Field = 1 - darkness / (1 + np.exp(-(COLUMNS * WIDTH + 0.5 * ROWS * HEIGHT - 200) / 5))
    return light


def stripes(along: Field, spacing: float, width: float) -> Field:
    """Return lines of a width in pixels, the spacing in pixels."""
    away = np.abs((along + spacing / 2) % spacing - spacing / 2)
    return (width / 2 + 0.5 - away).clip(0, 1)


def turned(degrees: float) -> tuple[Field, Field]:
    """Return the pixels' rows and columns on a sheet that lies so many degrees askew."""
    angle = np.deg2rad(degrees)
    y, x = HEIGHT * (ROWS - 0.5), WIDTH * (COLUMNS - 0.5)
    return np.cos(angle) * y - np.sin(angle) * x, np.sin(angle) * y + np.cos(angle) * x


def ruled(degrees: float = 0) -> Field:
    """Return the lines of ruled paper."""
    return stripes(turned(degrees)[0], 27, 1.5)


def squared(degrees: float = 0) -> Field:
    """Return the lines of squared paper."""
    y, x = turned(degrees)
    return np.maximum(stripes(y, 16, 1), stripes(x + 4, 16, 1))


def outside(height: float, width: float, row: float = 0.5, column: float = 0.5, degrees: float = 0) -> Field:
    """Return what lies outside of a rectangle, its size and its middle as shares of the picture."""
    y, x = turned(degrees)
    away = np.maximum(
        np.abs(y - (row - 0.5) * HEIGHT) - height * HEIGHT / 2, np.abs(x - (column - 0.5) * WIDTH) - width * WIDTH / 2
    )
    return (away + 0.5).clip(0, 1)


def frame(height: float, width: float, line: float = 3, **place: float) -> Field:
    """Return a rectangle's line."""
    inner = outside(height - 2 * line / HEIGHT, width - 2 * line / WIDTH, **place)
    return inner * (1 - outside(height, width, **place))
