"""The pictures of a report: training curves, confusion matrices, and the images that one revision alone gets right."""

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
from stages.shared.figures import (
    GRAY,
    INK,
    LIGHT_GRAY,
    ROOMY,
    Axes,
    as_images,
    figure_at,
    literal,
    shortened,
    show_tiles,
)
from stages.shared.mnist import Form

SHOWN_IMAGES = 15
LONGEST = 8  # characters of a class below an image

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


def draw_confusion(
    path: Path, heading: str, names: tuple[str, str], counts: tuple[Counts, Counts], classes: Sequence[str]
) -> None:
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
    classes : sequence of str
        Their names.
    """
    more = 0.2 * len(classes) - 3 if len(classes) > ROOMY else 0.0
    more += 0.07 * (max(map(len, classes)) - 1)
    difference = counts[1] - counts[0]
    off_diagonal = ~np.eye(len(classes), dtype=bool)
    highest = max(matrix[off_diagonal].max() for matrix in counts) or 1
    extreme = np.abs(difference).max() or 1
    better = np.where(off_diagonal, -difference, difference)
    subtitle = "Images of each class (row) by what they are taken for (column)"
    with figure_at(path, (10 + 3 * more, 4 + more), heading, subtitle) as figure:
        first, second, third = figure.subplots(1, 3)
        for axes, name, matrix in ((first, names[0], counts[0]), (second, names[1], counts[1])):
            errors = np.ma.masked_array(matrix, ~off_diagonal)
            axes.set_facecolor(LIGHT_GRAY)
            axes.imshow(errors, cmap="Oranges", vmin=0, vmax=highest)
            title = f"{name}: {matrix[off_diagonal].sum():,} errors"
            _write_counts(axes, title, matrix, errors.filled(0) / highest, "d")
            _name_classes(axes, classes)
        third.imshow(better, cmap="RdBu", vmin=-extreme, vmax=extreme)
        _write_counts(third, "difference, blue is better", difference, np.abs(better) / extreme, "+d")
        _name_classes(third, classes)


def _name_classes(axes: Axes, classes: Sequence[str]) -> None:
    names = [literal(name) for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, classes)) > 2 else 0)
    axes.set_yticks(range(len(names)), names)
    if len(classes) > ROOMY:
        axes.tick_params(labelsize=5)


def _write_counts(axes: Axes, title: str, counts: Counts, darkness: NDArray[np.float64], form: str) -> None:
    many = len(counts) > ROOMY
    for (actual, predicted), count in np.ndenumerate(counts):
        color = "white" if darkness[actual, predicted] > 0.66 else INK if count else GRAY
        text = "" if (form == "+d" or many) and not count else f"{count:{form}}"
        axes.text(predicted, actual, text, ha="center", va="center", fontsize=4 if many else 8, color=color)
    axes.set_xlabel(title)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def draw_digits(path: Path, title: str, X: Array, was: Labels, now: Labels, paired: Paired, form: Form) -> None:
    """Draw the first images that only the second, and that only the first of two networks gets right.

    Parameters
    ----------
    path : Path
        Where to write, without suffix.
    title : str
        Of the picture.
    X : ndarray
        Shape (features, m).
    was, now : ndarray
        The predictions of the two, of shape (m,).
    paired : Paired
        Which images these are.
    form : Form
        Of the images.
    """
    names = [shortened(name, LONGEST) for name in form.classes]
    between = "\n→ " if max(map(len, names)) > 2 else " → "
    size, room = ((7, 3.6), 12) if between == " → " else ((7, 4.2), 18)
    with figure_at(path, size, title, "Test images with both predictions, the earlier one first") as figure:
        left, right = figure.subplots(1, 2)
        for axes, indices, name in ((left, paired.gained, "right"), (right, paired.lost, "wrong")):
            shown = indices[:SHOWN_IMAGES]
            labels = [f"{names[was[k]]}{between}{names[now[k]]}" for k in shown]
            marked = [name == "wrong"] * len(shown)
            axes.set_title(f"{len(shown)} of the {len(indices):,} newly {name}", fontsize=9)
            axes.set_axis_off()
            if labels:
                images = as_images(X[:, shown], form.shape)
                show_tiles(axes, images, labels, marked, columns=5, room=room, cmap="gray_r", vmin=0, vmax=1)


def shrink(png: Path) -> None:
    """Write a PNG file anew with a palette of 256 colors, which these pictures do not exceed by much."""
    with Image.open(png) as image:
        small = image.convert("RGB").quantize(256)
    small.save(png, optimize=True)
