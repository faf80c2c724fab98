"""Run what the write-ups get wrong, and what they rightly warn of, with and without: `python -m stages.ablate`."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.claims.demonstrations.common import Lengths, Measured, Panel, Setup
from stages.claims.demonstrations.table import DEMONSTRATIONS
from stages.shared import parameters, schema, splits
from stages.shared.artifacts import write_json
from stages.shared.errors import UserError, run
from stages.shared.figures import BLUE, PERCENT, VERMILION, Axes, SubFigure, drawing

WRITE_UPS = Path(__file__).parent / "claims/write_ups.yaml"
SPLIT = "kaggle"
COLUMNS = 3
STYLES = {"right": (BLUE, "-"), "other": ("#009e73", "-"), "wrong": (VERMILION, "--")}
KEY = """Blue: done right.
Red: with the error, or against the warning.
Green: a variant of it.
Cross: NaN or an error ends the run.
A line that ends early: from there on
every image gets the same class."""
SUBTITLE = "What the write-ups get wrong (E) and what they rightly warn of (W), with and without"
READING = (
    "Errors: `without` is the right network, `with` is the same one with this error. Warnings: `with` is the right "
    "network, which heeds the warning, `without` is the same one without that. A measurement at update n comes after "
    "n updates. Training is in float32, on all images for W3.3 to W3.5, on a part of them for the others; gradient "
    "checks are in float64."
)
NOT_SHOWN = "These images do not show it; the measured values stand as they are."


def rows() -> list[dict[str, Any]]:
    """Return the errors and the warnings of write_ups.yaml, as rows of the table still without measurements."""
    content = schema.read(WRITE_UPS)
    errors = [("errors", row["write_ups"], row) for row in content["errors"]]
    warnings = [("warnings", [row["write_up"]], row) for row in content["claims"] if row["kind"] == "ablation"]
    return [
        {"id": row["id"], "group": group, "write_ups": write_ups, "what": row["text"], "page": row["page"]}
        for group, write_ups, row in errors + warnings
    ]


def rounded(measured: Measured) -> Measured:
    """Return values for a file: floats to four significant digits, what is not finite in words."""
    words = {"nan": "NaN", "inf": "infinity", "-inf": "-infinity"}
    return {
        name: words.get(str(value), float(f"{value:.4g}")) if isinstance(value, float) else value
        for name, value in measured.items()
    }


def draw(figure: SubFigure, panels: list[Panel]) -> None:
    """Draw a small plot for each panel, and after the last one what colors and marks mean."""
    axes = figure.subplots(len(panels) // COLUMNS + 1, COLUMNS).flat
    for ax, panel in zip(axes, panels, strict=False):
        plot(ax, panel)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    axes[len(panels)].text(0, 0.5, KEY, va="center", linespacing=1.6)


def plot(ax: Axes, panel: Panel) -> None:
    """Draw the curves of a panel."""
    for curve in panel.curves:
        color, style = STYLES[curve.kind]
        marker = "o" if panel.logarithmic and curve.kind == "right" else None
        ax.plot(curve.x, curve.y, style, color=color, label=curve.label, marker=marker, markersize=4, clip_on=False)
        if curve.stop is not None:
            ax.plot(curve.stop, curve.y[-1] if len(curve.y) else 0, "X", color=color, markersize=7, clip_on=False)
    ax.set_title(panel.title, fontsize=9)
    ax.set(xlabel=panel.xlabel, ylabel=panel.ylabel)
    if panel.logarithmic:
        ax.set(xscale="log", yscale="log")
    else:
        ax.set_ylim(0, 1 if panel.ylabel == "accuracy" else None)
    if panel.ylabel != "loss":
        ax.yaxis.set_major_formatter(PERCENT)
    ax.legend()


def measure(setup: Setup) -> tuple[list[dict[str, Any]], list[Panel]]:
    """Return the rows of the table with their measurements, and the panels of the figure."""
    table, panels = [], []
    for row in tqdm(rows(), desc="ablate"):
        with np.errstate(all="ignore"):
            found = DEMONSTRATIONS[row["id"]](setup)
        measured = {"shown": bool(found.shown), "with": rounded(found.with_it), "without": rounded(found.without)}
        table.append({**row, **measured, "finding": found.finding if found.shown else NOT_SHOWN})
        panels += [found.panel] if found.panel else []
    return table, panels


def ablate(lengths: Lengths | None = None) -> None:
    """Write metrics/ablations.json, and figures/ablations.png and .svg.

    Parameters
    ----------
    lengths : Lengths, optional
        How long the runs are.

    Raises
    ------
    UserError
        If the split is not what it should be, or is of other images than digits.
    """
    description, part = splits.require_mnist(SPLIT), splits.load_part(SPLIT, "train")
    if part is None:
        raise UserError(f"{splits.directory(SPLIT)}: no training part; raise splits.{SPLIT}.images in params.yaml")
    setup = Setup(*part, lengths or Lengths())
    table, panels = measure(setup)
    images = {"all": len(setup.y), "part": len(setup.y_part)}
    head = {"dataset": description.dataset, "notes": description.notes, "images": images, "reading": READING}
    write_json(Path("metrics/ablations.json"), {**head, "rows": table})
    Path("figures").mkdir(exist_ok=True)
    size, title = (8.4, 2.2 * (len(panels) // COLUMNS + 1)), f"Ablations on {description.dataset}"
    with drawing(Path("figures/ablations"), size, title, SUBTITLE, description.notes) as figure:
        draw(figure, panels)


def main() -> None:
    """Read the command line."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with threadpool_limits(parameters.load().blas_threads, user_api="blas"):
        ablate()


if __name__ == "__main__":
    run(main)
