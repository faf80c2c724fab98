"""The figure of the demonstrations, a panel each."""

from collections.abc import Sequence
from typing import Literal

from stages.claims.demonstrations.common import PATIENCE, Panel
from stages.shared.figures import BLUE, PERCENT, VERMILION, Axes, SubFigure

COLUMNS = 3
SMALL = 7  # points, of all letters but titles
STYLES = {"right": (BLUE, "-"), "other": ("#009e73", "-"), "wrong": (VERMILION, "--")}
KEY = f"""Blue: done right; in E13 random batches.
Orange: with the error, or against the warning.
Green: a variant; in W3.3 to W3.5 against the warning
too, in E13 the line that is expected.
Cross: NaN or an error ends the run.
A line that ends early without a cross: for its
last {PATIENCE} points every image gets the same class."""
SUBTITLE = "What the write-ups get wrong (E) and what they warn of (W), with and without"


def size(panels: Sequence[Panel]) -> tuple[float, float]:
    """Return width and height in inches of a figure that has room for the panels and for what they mean."""
    return 6.4, 1.65 * (len(panels) // COLUMNS + 1)  # as wide as a page of the paper


def draw_panels(figure: SubFigure, panels: Sequence[Panel]) -> None:
    """Draw a small plot for each panel, and after the last one what colors and marks mean."""
    axes = figure.subplots(len(panels) // COLUMNS + 1, COLUMNS).flat
    for ax, panel in zip(axes, panels, strict=False):
        draw_panel(ax, panel)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    key = axes[len(panels)].text(0, 0.5, KEY, va="center", linespacing=1.6, fontsize=SMALL)
    key.set_in_layout(False)  # it has the room of the panels that are not there


def draw_panel(ax: Axes, panel: Panel) -> None:
    """Draw the curves of a panel."""
    for curve in panel.curves:
        color, style = STYLES[curve.kind]
        marker = "o" if panel.logarithmic and curve.kind == "right" else None
        ax.plot(curve.x, curve.y, style, color=color, label=curve.label, marker=marker, markersize=3, clip_on=False)
        if curve.stop is not None:
            ax.plot(curve.stop, curve.y[-1] if len(curve.y) else 0, "X", color=color, markersize=6, clip_on=False)
    ax.set_title(panel.title, fontsize=SMALL + 0.5)
    ax.set_xlabel(panel.xlabel, fontsize=SMALL)
    ax.set_ylabel(panel.ylabel, fontsize=SMALL)
    ax.tick_params(labelsize=SMALL)
    if panel.logarithmic:
        ax.set(xscale="log", yscale="log")
        ax.set_yticks([0.02, 0.1, 0.5, 2])
        ax.minorticks_off()
    else:
        ax.set_ylim(0, 1 if panel.ylabel == "accuracy" else None)
    if panel.ylabel != "loss":
        ax.yaxis.set_major_formatter(PERCENT)
    ax.legend(loc=_place_of_key(panel), fontsize=SMALL, handlelength=1.4, labelspacing=0.2, borderpad=0.1)


def _place_of_key(panel: Panel) -> Literal["lower left", "upper left", "best"]:
    if panel.logarithmic:
        return "lower left"
    return "upper left" if panel.ylabel == "images with NaN" else "best"
