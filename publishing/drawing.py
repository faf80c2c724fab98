"""Pictures of pages: Matplotlib's SVG, made so that it can stand in a page: transparent, in the color of its text."""

import hashlib
import io
import re

import matplotlib as mpl

from stages.shared.figures import GRAY, INK, METADATA, Figure, use_style

INCHES = (7.0, 2.8)  # width and height, unless a block sets others
POINTS = 9  # of type: the paper sets a picture of seven inches a tenth smaller, and 8 points can be read


def new() -> Figure:
    """Return an empty figure in the style of all figures; what draws on it changes the style of this process."""
    use_style()
    mpl.rcParams |= {"font.size": POINTS, "axes.titlesize": POINTS}
    return Figure(INCHES, layout="constrained")


def svg(figure: Figure) -> str:
    """Return a figure as an SVG that may stand in HTML beside others: the same figure gives the same text."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=METADATA["svg"], transparent=True)
    return inline(file.getvalue())


def inline(text: str) -> str:
    """Return an SVG of Matplotlib without what it needs as a file alone.

    Ink and gray become the color of the text around it. Names are kept where something refers to them, and begin with
    a hash of the whole: on a page they must not be those of another picture.
    """
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", text, flags=re.DOTALL)
    text = text.replace("<svg ", '<svg style="stroke-linejoin: round" ', 1)
    text = text.replace(INK, "currentColor").replace(GRAY, "currentColor")
    prefix = f"d{hashlib.sha256(text.encode()).hexdigest()[:8]}-"
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda name: f' id="{prefix}{name[1]}"' if name[1] in used else "", text)
    text = re.sub(r'((?:href="|url\()#)', rf"\g<1>{prefix}", text)
    return re.sub(r"\s+", " ", text).strip()
