"""Digits that are not from MNIST, drawn for this project: 0 to 9 in three hands, each with its pen, ink and paper.

drawn_digits.json has the strokes. Each is the path of the pen: points (x, y) on a sheet of 280x400, y downward.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from stages.shared import drawings

STROKES = Path(__file__).with_suffix(".json")
SHEET = (280, 400)
OVERSAMPLING = 4  # drawn so many times larger, then averaged, for smooth edges


def draw_digits() -> tuple[list[Image.Image], NDArray[np.intp]]:
    """Return the images, in RGB, and their labels: hand after hand, each from 0 to 9."""
    content = json.loads(STROKES.read_text(encoding="utf-8"))
    images = [_draw(digit["strokes"], **content["hands"][digit["hand"]]) for digit in content["digits"]]
    return images, np.array([digit["digit"] for digit in content["digits"]], np.intp)


def _draw(strokes: list[list[list[int]]], pen: int, ink: str, paper: str) -> Image.Image:
    """Return strokes drawn with a round pen of this width."""
    sheet = Image.new("RGB", (OVERSAMPLING * SHEET[0], OVERSAMPLING * SHEET[1]), paper)
    brush = ImageDraw.Draw(sheet)
    for stroke in strokes:
        points = [(OVERSAMPLING * x, OVERSAMPLING * y) for x, y in stroke]
        brush.line(points, fill=ink, width=OVERSAMPLING * pen)
        for point in points:
            brush.circle(point, OVERSAMPLING * pen / 2, fill=ink)
    return sheet.reduce(OVERSAMPLING)


def load_drawn_digits() -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return the drawn digits as MNIST's images are, prepared as any image file is.

    Returns
    -------
    X : ndarray
        float32 of shape (784, n), in [0, 1], each example contiguous.
    y : ndarray
        Integers of shape (n,).
    """
    images, y = draw_digits()
    return np.stack([drawings.normalize(image) for image in images]).T, y
