"""The pictures of a report: training curves, confusion matrices, and the digits that one revision alone gets right."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import vl_convert
from numpy.typing import NDArray
from PIL import Image

from reviewing.revisions import WORKSPACE
from reviewing.significance import Paired
from stages.nn.arrays import Array, Labels
from stages.shared.errors import UserError
from stages.shared.figures import GRAY, INK, LIGHT_GRAY, Axes, drawing, show_tiles
from stages.shared.mnist import CLASSES

SHOWN_IMAGES = 15

Counts = NDArray[np.int64]


def draw_curves(base: str, histories: Sequence[str], folder: Path) -> None:
    """Draw the curves of a base and of the workspace as `dvc plots diff` does, into <name of the history>-curves.png.

    Parameters
    ----------
    base : str
        A revision of git.
    histories : sequence of str
        Paths of CSV files that dvc.yaml names as plots; one that is there in one revision only gives its curves alone.
    folder : Path
        Where to write.

    Raises
    ------
    UserError
        If DVC cannot read a file of the two revisions.
    """
    command = [sys.executable, "-m", "dvc", "plots", "diff", base, "--json", "--targets", *histories]
    done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8")
    if done.returncode:
        raise UserError(f"dvc plots diff: {done.stderr.strip()}")
    plots = json.loads(done.stdout)
    for error in plots.get("errors", []):
        if error["rev"] == WORKSPACE:  # in the base a file may be missing
            raise UserError(f"dvc plots diff: {error.get('source', '')} {error['msg']}")
    for history, (plot, *_) in plots["data"].items():
        png = vl_convert.vegalite_to_png(plot["content"], scale=2)
        (folder / f"{Path(history).stem}-curves.png").write_bytes(png)


def draw_confusion(path: Path, heading: str, names: tuple[str, str], counts: tuple[Counts, Counts]) -> None:
    """Draw two confusion matrices and their difference.

    Parameters
    ----------
    path : Path
        Where to write, without suffix.
    heading : str
        Of the picture.
    names : tuple of str
        Of the two revisions.
    counts : tuple of ndarray
        How often each class (row) was predicted as each class (column), in each.
    """
    difference = counts[1] - counts[0]
    off_diagonal = ~np.eye(CLASSES, dtype=bool)
    highest = max(matrix[off_diagonal].max() for matrix in counts) or 1
    extreme = np.abs(difference).max() or 1
    better = np.where(off_diagonal, -difference, difference)
    with drawing(path, (10, 4), heading, "Images of each digit (row) by what they are taken for (column)") as figure:
        first, second, third = figure.subplots(1, 3)
        for axes, name, matrix in ((first, names[0], counts[0]), (second, names[1], counts[1])):
            errors = np.ma.masked_array(matrix, ~off_diagonal)
            axes.set_facecolor(LIGHT_GRAY)
            axes.imshow(errors, cmap="Oranges", vmin=0, vmax=highest)
            title = f"{name}: {matrix[off_diagonal].sum():,} errors"
            _write_counts(axes, title, matrix, errors.filled(0) / highest, "d")
        third.imshow(better, cmap="RdBu", vmin=-extreme, vmax=extreme)
        _write_counts(third, "difference, blue is better", difference, np.abs(better) / extreme, "+d")


def _write_counts(axes: Axes, title: str, counts: Counts, darkness: NDArray[np.float64], form: str) -> None:
    for (actual, predicted), count in np.ndenumerate(counts):
        color = "white" if darkness[actual, predicted] > 0.66 else INK if count else GRAY
        text = "" if form == "+d" and not count else f"{count:{form}}"
        axes.text(predicted, actual, text, ha="center", va="center", fontsize=8, color=color)
    axes.set(xlabel=title, xticks=range(CLASSES), yticks=range(CLASSES))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def draw_digits(path: Path, title: str, X: Array, was: Labels, now: Labels, paired: Paired) -> None:
    """Draw the first images that only the second, and that only the first of two networks gets right.

    Parameters
    ----------
    path : Path
        Where to write, without suffix.
    title : str
        Of the picture.
    X : ndarray
        Shape (784, m).
    was, now : ndarray
        The predictions of the two, of shape (m,).
    paired : Paired
        Which images these are.
    """
    with drawing(path, (7, 3.6), title, "Test digits with both predictions, the earlier one first") as figure:
        left, right = figure.subplots(1, 2)
        for axes, indices, name in ((left, paired.gained, "right"), (right, paired.lost, "wrong")):
            shown = indices[:SHOWN_IMAGES]
            labels = [f"{was[k]} → {now[k]}" for k in shown]
            marked = [name == "wrong"] * len(shown)
            axes.set_title(f"{len(shown)} of the {len(indices):,} newly {name}", fontsize=9)
            axes.set_axis_off()
            if labels:
                show_tiles(axes, X.T[shown], labels, marked, columns=5, room=12, cmap="gray_r", vmin=0, vmax=1)


def shrink(png: Path) -> None:
    """Write a PNG file anew with a palette of 256 colors, which these pictures do not exceed by much."""
    with Image.open(png) as image:
        small = image.convert("RGB").quantize(256)
    small.save(png, optimize=True)
