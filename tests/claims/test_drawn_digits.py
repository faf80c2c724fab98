"""The digits drawn for this project: what they are, and that they are digits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.claims import drawn_digits
from stages.claims.drawn_digits import SHEET, STROKES, draw_digits, load_drawn_digits
from stages.shared import drawings, picture_files

ROOT = Path(__file__).parents[2]


def test_each_hand_draws_every_digit() -> None:
    content = json.loads(STROKES.read_text(encoding="utf-8"))
    drawn = [(digit["hand"], digit["digit"]) for digit in content["digits"]]
    assert drawn == [(hand, digit) for hand in content["hands"] for digit in range(10)]
    assert len(content["hands"]) >= 2


def test_the_strokes_stay_on_the_sheet() -> None:
    content = json.loads(STROKES.read_text(encoding="utf-8"))
    for digit in content["digits"]:
        margin = content["hands"][digit["hand"]]["pen"] / 2
        points = np.concatenate(digit["strokes"])
        assert points.min() >= margin
        assert (points.max(axis=0) <= np.array(SHEET) - margin).all()


def test_they_come_in_the_form_of_a_part_of_a_split() -> None:
    X, y = load_drawn_digits()
    assert X.shape == (784, len(y))
    assert X.dtype == np.float32
    assert X.flags.f_contiguous
    assert (X.min(), X.max()) == (0, 1)
    assert y.dtype == np.intp
    assert np.array_equal(y, np.tile(np.arange(10), len(y) // 10))
    assert len(np.unique(X, axis=1).T) == len(y), "two drawings are the same"


def test_they_are_prepared_as_image_files_are(tmp_path: Path) -> None:
    X, _ = load_drawn_digits()
    images, _ = draw_digits()
    path = tmp_path / "digit.png"
    for x, image in zip(X.T, images, strict=True):
        image.save(path)
        assert np.array_equal(drawings.normalize(picture_files.read(path)), x)


def test_another_process_draws_the_same_bytes() -> None:
    program = (
        "import sys; from stages.claims.drawn_digits import load_drawn_digits; "
        "sys.stdout.buffer.write(load_drawn_digits()[0].tobytes())"
    )
    environment = os.environ | {"PYTHONHASHSEED": "5"}
    drawn = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert drawn.stdout == load_drawn_digits()[0].tobytes()


def test_the_nearest_digit_of_mnist_is_mostly_the_same(digits: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    images, labels = digits
    X, y = load_drawn_digits()
    distances = np.square(X.T[:, np.newaxis] - images / np.float32(255)).sum(axis=2)
    assert (labels[distances.argmin(axis=1)] == y).mean() > 2 / 3


def test_a_stroke_is_as_wide_as_the_pen_and_round_at_its_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    strokes = tmp_path / "strokes.json"
    hand = {"pen": 20, "ink": "#000000", "paper": "#ffffff"}
    one = {"digit": 1, "hand": "any", "strokes": [[[140, 60], [140, 340]]]}
    strokes.write_text(json.dumps({"hands": {"any": hand}, "digits": [one]}), encoding="utf-8")
    monkeypatch.setattr(drawn_digits, "STROKES", strokes)
    (image,), _ = draw_digits()
    width = (255 - np.asarray(image.convert("L"), float)).sum(axis=1) / 255
    assert width[100:300] == pytest.approx(20, abs=0.5)
    assert width[[54, 345]] == pytest.approx(2 * np.sqrt(10**2 - 5.5**2), abs=0.5)  # rows 5.5 beyond the ends
