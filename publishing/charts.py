"""Charts that are drawn whenever a page shows them."""

import base64
import tempfile
from collections.abc import Callable
from pathlib import Path

from publishing import drawing
from publishing.markup import escaped
from stages.shared.figures import SubFigure, figure_at


def embedded(
    draw: Callable[[SubFigure], None],
    size: tuple[float, float],
    title: str,
    subtitle: str,
    text: str,
    suffix: str = "svg",
) -> str:
    """Return a figure that stands in the page itself, with a text for those who do not see it.

    An SVG has no background and the colors of the page, be it light or dark; a PNG is an image that holds its own file.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chart"
        with figure_at(path, size, title, subtitle) as figure:
            draw(figure)
            if suffix == "svg":
                _clear(figure)
        content = path.with_suffix(f".{suffix}").read_bytes()
    if suffix == "svg":
        alt = text.replace('"', "'")
        return f'``` {{.svg alt="{alt}"}}\n{drawing.inline(content.decode())}\n```'
    return f"![{escaped(text)}](data:image/{suffix};base64,{base64.b64encode(content).decode()})"


def _clear(figure: SubFigure) -> None:
    """Take the background off a figure and its axes."""
    whole = figure.get_figure(root=True)
    whole.set_facecolor("none")
    for axes in whole.axes:
        axes.set_facecolor("none")
