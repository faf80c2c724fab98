"""Pictures of pages: Matplotlib's SVG, made so that it can stand in a page: transparent, in the color of its text."""

import hashlib
import io
import math
import re

from stages.shared.figures import GRAY, INK, LIGHT_GRAY, METADATA, Axes, Figure, use_style

# isort: split
import matplotlib as mpl
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch

INCHES = (7.0, 2.8)  # width and height, unless a block sets others
POINTS = 9  # of type: the paper sets a picture of seven inches a tenth smaller, and 8 points can be read


class Drawing(Figure):
    """A figure that a notebook shows as a page does."""

    def _repr_svg_(self) -> str:
        return svg(self)


def new() -> Drawing:
    """Return an empty figure in the style of all figures; what draws on it changes the style of this process."""
    use_style()
    mpl.rcParams |= {"font.size": POINTS, "axes.titlesize": POINTS}
    return Drawing(INCHES, layout="constrained")


def svg(figure: Figure) -> str:
    """Return a figure as an SVG that may stand in HTML beside others: the same figure gives the same text."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=METADATA["svg"], transparent=True)
    return inline(file.getvalue())


def inline(text: str) -> str:
    """Return an SVG of Matplotlib without what it needs as a file alone.

    Ink and gray become the color of the text around it, light gray a trace of it. Names are kept where something refers
    to them, and begin with a hash of the whole: on a page they must not be those of another picture.
    """
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", text, flags=re.DOTALL)
    text = text.replace("<svg ", '<svg style="stroke-linejoin: round" ', 1)
    text = text.replace(INK, "currentColor").replace(GRAY, "currentColor")
    text = re.sub(rf"(fill|stroke): {LIGHT_GRAY}", r"\1: currentColor; \1-opacity: 0.15", text)
    prefix = f"d{hashlib.sha256(text.encode()).hexdigest()[:8]}-"
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda name: f' id="{prefix}{name[1]}"' if name[1] in used else "", text)
    text = re.sub(r'((?:href="|url\()#)', rf"\g<1>{prefix}", text)
    return re.sub(r"\s+", " ", text).strip()


def graph(figure: Figure, width: float, height: float) -> Axes:
    """Return axes for boxes and arrows that fill a figure of this size: a unit is an inch, the origin is left below."""
    figure.set_layout_engine("none")
    figure.set_size_inches(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return axes


def box(
    axes: Axes, x: float, y: float, text: str, width: float = 0.4, height: float = 0.3, color: str = GRAY
) -> FancyBboxPatch:
    """Put words in a box around a point of a graph, and return the box, for arrows to begin and end at.

    Parameters
    ----------
    axes : Axes
        Of `graph`.
    x, y : float
        The point, in inches.
    text : str
        The words.
    width, height : float
        Of the box, in inches.
    color : str
        Of its frame.
    """
    frame = FancyBboxPatch(
        (x - width / 2, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.06",
        facecolor="none",
        edgecolor=color,
        linewidth=0.9,
        clip_on=False,
    )
    axes.add_patch(frame)
    axes.text(x, y, text, ha="center", va="center_baseline")
    return frame


def row(axes: Axes, x: float, y: float, *parts: str | tuple[str, float, float]) -> list[FancyBboxPatch]:
    """Put boxes and signs side by side into a graph, and return the boxes.

    Parameters
    ----------
    axes : Axes
        Of `graph`.
    x, y : float
        The left end of the row, and its middle.
    *parts : str or tuple of str, float and float
        A sign, or the words, the width and the height of a box.
    """
    boxes = []
    for part in parts:
        text, width, height = (part, 0.26, 0) if isinstance(part, str) else part
        if height:
            boxes.append(box(axes, x + width / 2, y, text, width, height))
        else:
            axes.text(x + width / 2, y, text, ha="center", va="center_baseline")
        x += width + 0.06
    return boxes


def arrow(
    axes: Axes,
    start: Patch,
    end: Patch,
    text: str = "",
    color: str = INK,
    shift: float = 0.0,
    bend: float = 0.0,
    at: float = 0.5,
) -> None:
    """Lead an arrow from one box of a graph to another.

    Parameters
    ----------
    axes : Axes
        Of `graph`.
    start, end : Patch
        The two boxes.
    text : str
        Stands beside it, to the left of its direction; below an arrow that leads to the left.
    color : str
        Of arrow and words.
    shift : float
        How far, in inches, it is moved to the left of its direction: two arrows of opposite directions run beside each
        other.
    bend : float
        How far it bulges to the left of its direction, as a share of its length.
    at : float
        Where along its way the words are.
    """
    (x, y), (x_end, y_end) = (_middle(patch) for patch in (start, end))
    length = math.hypot(x_end - x, y_end - y)
    left = -(y_end - y) / length, (x_end - x) / length
    ends = [(px + shift * left[0], py + shift * left[1]) for px, py in ((x, y), (x_end, y_end))]
    axes.add_patch(
        FancyArrowPatch(
            *ends,
            arrowstyle="-|>,head_length=4,head_width=2",
            connectionstyle=f"arc3,rad={-2 * bend}",
            patchA=start,
            patchB=end,
            shrinkA=1,
            shrinkB=1,
            color=color,
            linewidth=0.9,
            clip_on=False,
        )
    )
    letters = len(re.sub(r"\\[a-z]+|[${}^_]", "", text))  # of half a box around the words, what lies across the arrow:
    half = 0.07 * abs(left[1]) + 0.04 * letters * abs(left[0])
    away = shift + 4 * at * (1 - at) * bend * length + half + 0.03
    middle = (x + at * (x_end - x) + away * left[0], y + at * (y_end - y) + away * left[1])
    axes.text(*middle, text, ha="center", va="center", color=color)


def _middle(patch: Patch) -> tuple[float, float]:
    (left, bottom), (right, top) = patch.get_path().get_extents().get_points()
    return (left + right) / 2, (bottom + top) / 2
