"""Matrices as cells, with their numbers: in colors that are seen on light ground and on dark, and told apart on paper.

What is not negative is in the color of the text, of a matrix with negative entries what is above 0 in one color and
what is below in another: the stronger, the further from 0.
"""

import numpy as np

from stages.nn.arrays import Array
from stages.shared.figures import BLUE, GRAY, INK, VERMILION, Axes, Figure, SubFigure

# isort: split
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

SIDE = 0.23  # inches, of a cell on a sheet of its own
COVERED = {INK: 0.3, BLUE: 0.5, VERMILION: 0.5}  # at most, by color, of a cell whose number can be read


def sheet(figure: Figure | SubFigure) -> Axes:
    """Return axes that fill a figure, to put cells on: a unit is the side of a cell, and y grows downward."""
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(aspect="equal", xmargin=0, ymargin=0)
    axes.invert_yaxis()
    axes.set_axis_off()
    return axes


def show(
    axes: Axes,
    values: Array,
    at: tuple[float, float] = (0, 0),
    title: str = "",
    form: str = "{:g}",
    limit: float | None = None,
    side: float = 1,
) -> None:
    """Put a matrix on a sheet.

    Parameters
    ----------
    axes : Axes
        A sheet.
    values : ndarray of shape (rows, columns)
        The entries.
    at : tuple of float
        Where its left upper corner is, x and y.
    title : str
        Stands above it.
    form : str
        How an entry is written; "" leaves the numbers out, and the cells without a frame.
    limit : float, optional
        The absolute value from which on a cell is as strong as can be; without it, the largest there is.
    side : float
        Of a cell.
    """
    limit = limit or float(np.abs(values).max()) or 1.0
    negative = bool((values < 0).any())
    for (row, column), value in np.ndenumerate(values):
        x, y = at[0] + side * column, at[1] + side * row
        color = INK if not negative else VERMILION if value > 0 else BLUE
        share = min(abs(float(value)) / limit, 1.0) * (COVERED[color] if form else 1.0)
        if not (share or form):
            continue
        axes.add_patch(
            Rectangle(
                (x, y), side, side, facecolor=to_rgba(color, share), edgecolor=to_rgba(GRAY, 0.5), lw=0.5 if form else 0
            )
        )
        if form:
            number = form.format(value + 0.0).replace("-", "\N{MINUS SIGN}")
            axes.text(x + side / 2, y + side / 2, number, ha="center", va="center_baseline")
    height, width = (side * count for count in values.shape)
    frame(axes, at, (height, width), GRAY, 0.8)
    axes.text(at[0] + width / 2, at[1] - 0.3, title, ha="center", va="bottom")


def frame(axes: Axes, at: tuple[float, float], shape: tuple[float, float], color: str, linewidth: float = 2) -> None:
    """Put a frame around cells: its left upper corner, x and y, its height and its width."""
    height, width = shape
    axes.add_patch(Rectangle(at, width, height, fill=False, edgecolor=color, linewidth=linewidth, clip_on=False))


def fit(axes: Axes, side: float = SIDE) -> None:
    """Make the figure of a sheet as large as what was put on it, with cells of this side in inches."""
    axes.autoscale_view()
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.set_layout_engine("none")
    figure.set_size_inches(side * (right - left), side * (bottom - top))
