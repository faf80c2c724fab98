"""Charts that are drawn whenever a page shows them."""

import base64
import tempfile
from collections.abc import Callable
from pathlib import Path

from stages.shared.figures import SubFigure, figure_at


def embedded(
    draw: Callable[[SubFigure], None],
    size: tuple[float, float],
    title: str,
    subtitle: str,
    text: str,
    suffix: str = "svg",
) -> str:
    """Return a figure as an image that holds its own file, SVG or PNG, with a text for those who do not see it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chart"
        with figure_at(path, size, title, subtitle) as figure:
            draw(figure)
        content = base64.b64encode(path.with_suffix(f".{suffix}").read_bytes()).decode()
    kind = {"svg": "svg+xml"}.get(suffix, suffix)
    return f"![{text}](data:image/{kind};base64,{content})"
