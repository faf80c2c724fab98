"""The pictures of a report."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vl_convert
from matplotlib.axes import Axes
from PIL import Image

from reviewing import figures
from reviewing.figures import draw_confusion, draw_curves, draw_digits, shrink
from reviewing.significance import Paired
from stages.shared.errors import UserError
from stages.shared.mnist import FORM
from tests.reviewing.repository import Repository

HISTORIES = ["metrics/history/first.csv", "metrics/history/third.csv"]


@pytest.mark.slow
def test_curves_through_dvc_and_vega(repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[dict[str, Any]] = []
    to_png = vl_convert.vegalite_to_png

    def record(spec: dict[str, Any], scale: float) -> bytes:
        drawn.append(spec)
        return to_png(spec, scale=scale)

    monkeypatch.setattr(vl_convert, "vegalite_to_png", record)
    repository.train("first", range(8), losses=[4, 2, 1])
    repository.train("third", range(8))
    draw_curves("main", HISTORIES, tmp_path)
    losses = [{(point["rev"], float(point["loss"])) for point in spec["data"]["values"]} for spec in drawn]
    assert losses == [
        {("main", 2.0), ("main", 1.0), ("workspace", 4.0), ("workspace", 2.0), ("workspace", 1.0)},
        {("workspace", 2.0), ("workspace", 1.0)},
    ]
    for name in ("first", "third"):
        with Image.open(tmp_path / f"{name}-curves.png") as image:
            assert image.width > 1000


@pytest.mark.slow
@pytest.mark.usefixtures("repository")
def test_a_history_that_dvc_cannot_read_is_an_error(tmp_path: Path) -> None:
    Path(HISTORIES[0]).write_bytes(b"update\n\xff\n")
    with pytest.raises(UserError, match=r"^dvc plots diff: metrics/history/first\.csv "):
        draw_curves("main", HISTORIES[:1], tmp_path)


def test_confusion_of_both_and_their_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, list[str]]] = []
    colors: list[list[float]] = []

    def record(axes: Axes, title: str, counts: Any, darkness: Any, form: str) -> None:
        written.append((title, [f"{count:{form}}" for count in counts[0, :3]]))
        colors.append(np.ma.masked_array(axes.images[0].get_array()).filled(-1)[0, :3].tolist())

    monkeypatch.setattr(figures, "_write_counts", record)
    before = np.diag(np.full(10, 1100))
    before[0, :3] = 1000, 4, 2
    after = before.copy()
    after[0, :3] = 1003, 0, 3
    draw_confusion(tmp_path / "picture", "model", ("main", "workspace"), (before, after), FORM.classes)
    assert written == [
        ("main: 6 errors", ["1000", "4", "2"]),
        ("workspace: 3 errors", ["1003", "0", "3"]),
        ("difference, blue is better", ["+3", "-4", "+1"]),
    ]
    assert colors == [[-1, 4, 2], [-1, 0, 3], [3, 4, -1]]  # the diagonal is gray; of the difference, above 0 is better
    assert (tmp_path / "picture.png").stat().st_size > 0


def test_the_darkest_cell_is_the_largest_difference_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    darkest: list[float] = []
    monkeypatch.setattr(figures, "_write_counts", lambda *arguments: darkest.append(float(arguments[3].max())))
    before = np.diag(np.full(10, 9))
    after = before.copy()
    after[0, :2] = 5, 4
    draw_confusion(tmp_path / "picture", "model", ("main", "workspace"), (before, after), FORM.classes)
    draw_confusion(tmp_path / "picture", "model", ("main", "workspace"), (before, before), FORM.classes)
    assert darkest == [0, 1, 1, 0, 0, 0]


def test_digits_have_both_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[list[float], list[str], list[bool]]] = []

    def record(axes: Axes, images: Any, labels: list[str], marked: list[bool], **options: Any) -> None:
        shown.append((images[:, 0, 0].tolist(), labels, marked))

    monkeypatch.setattr(figures, "show_tiles", record)
    X = np.tile(np.array([0, 0.25, 0.5, 0.75], dtype=np.float32), (784, 1))
    was, now = np.array([1, 2, 3, 4]), np.array([5, 6, 7, 8])
    draw_digits(tmp_path / "picture", "model", X, was, now, Paired(np.array([3, 1]), np.array([0])), FORM)
    assert shown == [([0.75, 0.25], ["4 → 8", "2 → 6"], [False, False]), ([0.0], ["1 → 5"], [True])]
    shown.clear()
    draw_digits(tmp_path / "picture", "model", X, was, now, Paired(np.array([], dtype=int), np.array([2])), FORM)
    assert shown == [([0.5], ["3 → 7"], [True])]
    shown.clear()
    many = np.zeros(40, dtype=int)
    draw_digits(tmp_path / "picture", "model", X[:, many], many, many, Paired(np.arange(16), np.arange(20, 36)), FORM)
    assert [len(labels) for _, labels, _ in shown] == [15, 15]


def test_a_shrunk_picture_looks_the_same(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    colors = np.zeros((64, 64, 4), dtype=np.uint8)
    colors[..., 0], colors[..., 3] = np.arange(64), 255
    Image.fromarray(colors).save(path, compress_level=0)
    size = path.stat().st_size
    shrink(path)
    assert path.stat().st_size < size
    with Image.open(path) as image:
        np.testing.assert_allclose(np.asarray(image.convert("RGB"), dtype=int), colors[..., :3], atol=2)
