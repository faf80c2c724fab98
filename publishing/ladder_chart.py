"""The pictures of the ladder: error against seconds of training, and the digits that are still wrong."""

import base64
import math
import textwrap

import numpy as np

from publishing import ladder
from publishing.charts import embedded
from publishing.ladder import NOTHING, Results, Row
from publishing.measurements import Published, load_literature
from stages.ladder.rungs import Committee, Rung
from stages.shared.figures import BLUE, GRAY, INK, LIGHT_GRAY, VERMILION, Axes, SubFigure, show_tiles

COLORS = {"ladder": BLUE, "transformer": VERMILION}
DRAWN = 1  # percent: what others have reached is drawn below it
ROOM = 1.18  # between two lines, for words above the lower one
ERRORS = (0.2, 0.5, 1, 2, 5, 10, 20)
COLUMNS = 10

Drawn = dict[str, tuple[str, Rung | Committee, Row]]  # sign, step and results of each rung by its name


def chart() -> str:
    """Return the chart as an image that holds its own SVG, with its numbers as the text for those who do not see it."""
    steps, found = ladder.load()
    drawn = {name: (sign, step, found[name]) for sign, name, step in ladder.numbered(steps) if name in found}
    if not drawn:
        return NOTHING
    told = "; ".join(
        f"{s} {step.change}: {row.error:.2f} % after {row.seconds:.0f} s" for s, step, row in drawn.values()
    )
    return embedded(
        lambda figure: draw(figure, drawn, load_literature()),
        (9, 5.6),
        "The ladder",
        "mean test error over the seeds against seconds of training; bars: standard deviation",
        f"Test error against seconds of training. {told}",
    )


def draw(figure: SubFigure, drawn: Drawn, published: list[Published]) -> None:
    """Draw the rungs, each joined to the one that it changes, and dashed lines for what others have reached."""
    axes, beside = figure.subplots(1, 2, width_ratios=(2.3, 1))
    for sign, step, row in drawn.values():
        color = COLORS[step.part]
        if step.after in drawn:
            _, _, before = drawn[step.after]
            axes.plot([before.seconds, row.seconds], [before.error, row.error], color=color, linewidth=0.8, alpha=0.5)
        spread = 100 * (row.spread or 0)
        axes.errorbar(row.seconds, row.error, yerr=spread, fmt="o", color=color, ms=11, elinewidth=1.2, capsize=2)
        at = (row.seconds, row.error)
        axes.annotate(sign, at, color="white", weight="bold", ha="center", va="center", fontsize=8)
    above = math.inf
    for of in sorted((of for of in published if of.error < DRAWN), key=lambda of: -of.error):
        axes.axhline(of.error, color=GRAY, linewidth=0.7, linestyle="--", zorder=0)
        has_room = above > ROOM * of.error
        axes.annotate(
            f"{of.error:g}%  {of.who}",
            (0.005, of.error),
            xycoords=axes.get_yaxis_transform(),
            xytext=(0, 1 if has_room else -2),
            textcoords="offset points",
            va="bottom" if has_room else "top",
            color=GRAY,
            fontsize=7.5,
        )
        above = of.error
    axes.set(xscale="log", yscale="log", xlabel="seconds of training", ylabel="test error")
    axes.set_yticks(ERRORS, [f"{error:g}%" for error in ERRORS])
    axes.minorticks_off()
    axes.grid(color=LIGHT_GRAY, linewidth=0.6)
    list_steps(beside, drawn)


def list_steps(axes: Axes, drawn: Drawn) -> None:
    """Write a line for each step: its sign, its error and what it changes."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(drawn) - 0.5, -0.5))
    for line, (sign, step, row) in enumerate(drawn.values()):
        axes.text(0, line, sign, color=COLORS[step.part], weight="bold", va="center")
        axes.text(0.24, line, f"{row.error:.2f}%", color=INK, va="center", ha="right", fontsize=8)
        words = textwrap.fill(step.change, 32)
        axes.text(0.28, line, words, color=INK, va="center", fontsize=8, parse_math=False)


def still_wrong() -> str:
    """Return the test digits that the best rung has still wrong, as an image, each with prediction and label."""
    steps, found = ladder.load()
    if steps.best not in found:
        return NOTHING if not found else f"`{steps.best}` has not been run yet."
    digits = Results.load().digits
    pixels = [np.frombuffer(base64.b64decode(digit.pixels), np.uint8).reshape(28, 28) for digit in digits]
    images = np.stack(pixels).astype(np.float32)
    labels = [f"{digit.predicted}, not {digit.label}" for digit in digits]
    rows = -(-len(digits) // COLUMNS)

    def draw_digits(figure: SubFigure) -> None:
        show_tiles(
            figure.subplots(), images, labels, [False] * len(digits), COLUMNS, 12, cmap="gray_r", vmin=0, vmax=255
        )

    told = ", ".join(
        f"test image {digit.index} is taken for {text}" for digit, text in zip(digits, labels, strict=True)
    )
    return embedded(
        draw_digits,
        (9, 0.5 + 1.1 * rows),
        f"Still wrong: {steps.steps[steps.best].change}",
        "what it is taken for, and what it is",
        told,
        "png",
    )
