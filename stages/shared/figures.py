"""The one style of all figures, and how they are drawn and written: the same input gives the same bytes."""

import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Without a home folder to keep its list of fonts in, Matplotlib would warn at every start.
os.environ.setdefault("MPLCONFIGDIR", str(Path(sys.prefix, "matplotlib")))

import matplotlib.style
from matplotlib import colormaps as colormaps
from matplotlib.axes import Axes as Axes
from matplotlib.cm import ScalarMappable as ScalarMappable
from matplotlib.colors import Normalize as Normalize
from matplotlib.figure import Figure as Figure
from matplotlib.figure import SubFigure as SubFigure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from stages.nn.arrays import Array
from stages.shared.artifacts import replacing

# From the palette of Okabe and Ito (2008), which people with any kind of color vision can tell apart.
BLUE, VERMILION = "#0072b2", "#d55e00"
INK, GRAY, LIGHT_GRAY = "#222222", "#707070", "#e6e6e6"

STYLE = {
    "axes.edgecolor": GRAY,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.h_pad": 0.06,
    "font.size": 8,
    "legend.frameon": False,
    "savefig.bbox": "tight",
    "savefig.dpi": 200,
    "svg.hashsalt": "chainrule",
    "text.color": INK,
    "xtick.color": GRAY,
    "xtick.labelcolor": INK,
    "ytick.color": GRAY,
    "ytick.labelcolor": INK,
}
# Without these, Matplotlib writes its version and the date.
METADATA: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Creator": None, "Date": None}}

PERCENT = FuncFormatter(lambda share, _: f"{100 * share:g}%")

SIDE = 28  # of a tile; the longer side of an image is as long
PITCH = 32  # from one tile to the next
LONGEST = 12  # characters of a class below an image
ROOMY = 15  # as many classes as a confusion matrix of usual size has room for


def use_style() -> None:
    """Draw in the style of all figures from now on, in this process."""
    matplotlib.style.use(["default", STYLE])


@contextmanager
def figure_at(
    path: Path, size: tuple[float, float], title: str, subtitle: str, notes: Sequence[str] = ()
) -> Iterator[SubFigure]:
    """Yield a figure to draw on; write it as <path>.png and <path>.svg if all went well.

    Parameters
    ----------
    path : Path
        Where to write, without suffix; its folder is there.
    size : tuple of float
        Width and height in inches, without the notes.
    title, subtitle : str
        Of what, and what the figure shows.
    notes : sequence of str
        What no reader may miss: stands above the title, in color.
    """
    width, height = size
    lines = [line for note in notes for line in textwrap.wrap(note, round(12 * width))]
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure((width, height + 0.17 * len(lines)), layout="constrained")
        panel = _head(figure, "\n".join(lines), 9, color=VERMILION, weight="bold") if lines else figure
        yield _head(_head(panel, title, 11, weight="bold"), subtitle, 9)
        for suffix, metadata in METADATA.items():
            with replacing(path.with_name(f"{path.name}.{suffix}")) as partial:
                figure.savefig(partial, format=suffix, metadata=metadata)


def _head(figure: Figure | SubFigure, text: str, size: float, **font: Any) -> SubFigure:
    """Return the part of a figure below a line of heading."""
    panel = figure.add_subfigure(figure.add_gridspec()[0])
    panel.suptitle(text, fontsize=size, parse_math=False, **font)
    return panel


def as_images(X: Array, shape: tuple[int, int, int]) -> Array:
    """Return the columns of X, of shape (features, m), as images to show: in color with 3 channels, else in gray."""
    images = X.T.reshape(-1, *shape)
    return images if shape[2] == 3 else images.mean(axis=3) if shape[2] > 1 else images[..., 0]


def literal(text: str) -> str:
    """Return text so that Matplotlib shows it as it is, a dollar sign as well."""
    return text.replace("$", r"\$")


def shortened(text: str, length: int) -> str:
    """Return text of at most this length."""
    return text if len(text) <= length else f"{text[: length - 1]}\N{HORIZONTAL ELLIPSIS}"


def show_tiles(
    axes: Axes, images: Array, labels: Sequence[str], marked: Sequence[bool], columns: int, room: int, **options: Any
) -> AxesImage:
    """Show images side by side, each with its label beneath; return the last one, for a color bar.

    Parameters
    ----------
    axes : Axes
        Where to; left without ticks and frame.
    images : ndarray of shape (n, height, width) or (n, height, width, 3)
        Their pixels; n is at least 1.
    labels : sequence of str
        The label of each.
    marked : sequence of bool
        Which to set off in color.
    columns : int
        Images in a row.
    room : int
        Height of a label; an image is 28 high or wide.
    **options
        Of `Axes.imshow`.
    """
    height, width = (SIDE * side / max(images.shape[1:3]) for side in images.shape[1:3])
    for k, (pixels, label, mark) in enumerate(zip(images, labels, marked, strict=True)):
        x, y = k % columns * PITCH, k // columns * (SIDE + room)
        left, top = x + (SIDE - width) / 2, y + SIDE - height
        extent = (left, left + width, top + height, top)
        image = axes.imshow(pixels, extent=extent, interpolation="nearest", **options)
        edge, linewidth, color, weight = (VERMILION, 1.5, VERMILION, "bold") if mark else (GRAY, 0.6, INK, "normal")
        axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=edge, linewidth=linewidth))
        axes.text(
            x + SIDE / 2, y + SIDE + 2, label, ha="center", va="top", color=color, weight=weight, parse_math=False
        )
    axes.set(xlim=(-1, columns * PITCH - PITCH + SIDE + 1), ylim=(y + SIDE + room, -1))
    axes.set_axis_off()
    return image
