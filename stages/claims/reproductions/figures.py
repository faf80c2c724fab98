"""The figures of the claims: what is claimed against what was measured, and what claims compare."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill

import numpy as np

from stages.claims.reproductions.answers import Evidence
from stages.claims.reproductions.runs import END, RATES, SCALES, lowered_at
from stages.claims.reproductions.words import spread
from stages.claims.verdicts import Quantity
from stages.claims.write_ups import Row
from stages.shared.figures import BLUE, GRAY, INK, LIGHT_GRAY, PERCENT, VERMILION, Axes, SubFigure

RECIPES = {
    "mini": ("mini-batches; in the first row and for W2.3 from He's weights", BLUE),
    "full": ("full batches; in the first row by W3's recipe cut short", VERMILION),
}
HIDDEN = {name: name for name in ("10", "128", "256")}
LAYERS = {name: name for name in ("10", "10-10", "128", "128-128")}
OPTIMIZERS = {"10": "descent", "momentum": "momentum", "rmsprop": "RMSProp", "adam": "Adam"}
LINEAR = {"softmax regression": "no hidden\nlayer", "linear": "no\nactivation", "mini 10": "ReLU"}
WIDTH = 6.4  # inches, as wide as a page of the paper, so that letters keep their size there
SMALL = 7  # points, of what stands beside and below a plot
BATCHES = {"w3": ("full batches", VERMILION), "w3 mini-batches": ("mini-batches of 128", BLUE)}


def draw_claims(figure: SubFigure, rows: Sequence[tuple[str, Quantity, str]]) -> None:
    """Draw claimed numbers, each with the id of its claim and a verdict: a row each, plain ones on their own axis."""
    units = dict.fromkeys(number.unit for _, number, _ in rows)
    groups = [[row for row in rows if row[1].unit == unit] for unit in units]
    heights = [len(group) + 1 for group in groups]
    panels = figure.subplots(len(groups), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    for axes, group, unit in zip(panels[:, 0], groups, units, strict=True):
        scale = 100 if unit == "share" else 1
        for k, (_, number, verdict) in enumerate(group):
            draw_claim(axes, k, number, scale, verdict)
        axes.set_xlim(axes.get_xlim())
        for k, (_, number, _) in enumerate(group):
            shade_margin(axes, k, number, scale)
        axes.axvline(0, color=VERMILION, linewidth=0.8, zorder=0)
        axes.set_yticks(
            range(len(group)),
            [fill(f"{name}  {number.quantity}", 36, break_on_hyphens=False) for name, number, _ in group],
        )
        axes.set_ylim(len(group) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.tick_params(labelsize=SMALL)
        axes.locator_params(axis="x", nbins=6)
        axes.grid(axis="x", color=LIGHT_GRAY, linewidth=0.6)
        axes.set_xlabel("measured less claimed" + (", in points" if unit == "share" else ""), fontsize=SMALL + 1)


def draw_claim(axes: Axes, y: int, number: Quantity, scale: int, verdict: str) -> None:
    """Draw the runs, the interval of their mean, the claim at 0, and the limits of where it holds."""
    assert number.claimed is not None
    low, high = (scale * (end - number.claimed) for end in number.interval)
    runs = [scale * (value - number.claimed) for value in number.values]
    axes.plot(runs, [y] * len(runs), "o", color=BLUE, ms=2, alpha=0.5)
    axes.plot([low, high], [y, y], color=BLUE, linewidth=6, alpha=0.6, solid_capstyle="butt")
    axes.plot([0], [y], "d", color=VERMILION, ms=5)
    limits = [scale * (end - number.claimed) for end in number.region or () if np.isfinite(end)]
    axes.plot(limits, [y] * len(limits), "|", color=VERMILION, ms=9)
    text = f"{spread(number.values, number.unit)}\n{verdict}{', measured is better' if number.is_better else ''}"
    axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL)


def shade_margin(axes: Axes, y: int, number: Quantity, scale: int) -> None:
    """Shade where the claim holds: up to the right edge or to all images, where nothing is too much."""
    if number.claimed is not None and number.region:
        highest = 1.0 if number.unit == "share" else np.inf
        low, high = (scale * (min(end, highest) - number.claimed) for end in number.region)
        axes.fill_betweenx(
            [y - 0.3, y + 0.3], low, min(high, axes.get_xlim()[1]), color=VERMILION, alpha=0.2, linewidth=0
        )


def draw_comparisons(figure: SubFigure, evidence: Evidence, dip: Row) -> None:
    """Draw what claims compare, a small plot each.

    Parameters
    ----------
    figure : SubFigure
        Where to.
    evidence : Evidence
        Holds the runs.
    dip : dict
        The row of the claim that there is one (W4.3).
    """
    panels = figure.subplots(3, 3, width_ratios=[1, 1, 1.35])
    for axes, title, names in (
        (panels[0, 0], "W2.4, W3.8  hidden units", HIDDEN),
        (panels[0, 1], "W2.4, W3.10  hidden layers", LAYERS),
        (panels[0, 2], "W2.4  optimizers", OPTIMIZERS),
    ):
        for recipe, (label, color) in RECIPES.items():
            named = {f"{recipe} {name}": words for name, words in zip(names, staggered(names.values()), strict=True)}
            draw_dots(axes, evidence, named, color, label)
        axes.set_title(title)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=SMALL)
    draw_dots(panels[1, 0], evidence, LINEAR, BLUE)
    panels[1, 0].set_title("W2.3  without activation")
    for axes, network, title in (
        (panels[1, 1], "w3", "W3.9  batches, W3's network"),
        (panels[1, 2], "w5", "W5.2  batches, W5's network"),
    ):
        draw_curves(axes, evidence, {network: BATCHES["w3"], f"{network} mini-batches": BATCHES["w3 mini-batches"]})
        axes.set_title(title)
    draw_dots(panels[2, 0], evidence, {f"scale {scale:g}": short(scale) for scale in SCALES}, BLUE)
    panels[2, 0].set(title="W5.3  scale of the weights", xlabel="standard deviation")
    draw_dots(panels[2, 1], evidence, {f"rate {rate:g}": short(rate) for rate in RATES}, BLUE)
    panels[2, 1].set(title="W5.3  rate", xlabel="learning rate")
    draw_dip(panels[2, 2], evidence, dip)
    for axes in panels.flat:
        axes.yaxis.set_major_formatter(PERCENT)
        axes.grid(axis="y", color=LIGHT_GRAY, linewidth=0.6)
        axes.tick_params(labelsize=SMALL)
        axes.title.set_fontsize(SMALL + 1)
        axes.xaxis.label.set_fontsize(SMALL + 1)


def staggered(words: Iterable[str]) -> list[str]:
    """Return words for below a narrow axis, every second one a line lower."""
    return ["\n" * (k % 2) + word for k, word in enumerate(words)]


def short(value: float) -> str:
    """Return a number, if it is small and a power of ten as that."""
    return f"$10^{{{np.log10(value):.0f}}}$" if 0 < value < 0.01 else f"{value:g}"


def draw_dots(axes: Axes, evidence: Evidence, names: Mapping[str, str], color: str, label: str | None = None) -> None:
    """Draw the accuracy of each run of the experiments that there are, side by side, and their means."""
    for x, name in enumerate(names):
        if name in evidence.runs:
            values = evidence.accuracies(name)
            axes.plot([x] * len(values), values, "o", color=color, ms=3, alpha=0.8, label=label)
            axes.plot([x - 0.2, x + 0.2], [np.mean(values)] * 2, color=color, linewidth=1)
            label = None
    axes.set_xticks(range(len(names)), list(names.values()))
    axes.set_xlim(-0.5, len(names) - 0.5)


def draw_curves(axes: Axes, evidence: Evidence, names: Mapping[str, tuple[str, str]]) -> None:
    """Draw mean and range of the accuracy of experiments over the passes over the images."""
    for name, (label, color) in names.items():
        epochs = sorted(set(evidence.runs[name][0].measured) - {END, 0})
        values = np.array([evidence.accuracies(name, epoch) for epoch in epochs])
        axes.fill_between(epochs, values.min(axis=1), values.max(axis=1), color=color, alpha=0.2, linewidth=0)
        axes.plot(epochs, values.mean(axis=1), "o-", color=color, ms=2, linewidth=1, label=label)
    axes.set(xscale="log", xlabel="passes over the images")


def draw_dip(axes: Axes, evidence: Evidence, claim: Row) -> None:
    """Draw the training accuracy of W4's networks, and the dip that is claimed."""
    (stated,) = claim["numbers"]
    for run in evidence.runs["w4"]:
        axes.plot(run.trace, color=GRAY, linewidth=0.7, alpha=0.7)
    axes.plot(stated["update"], stated["value"] / 100, "d", color=VERMILION, ms=5)
    axes.annotate("claimed", (stated["update"], stated["value"] / 100), (6, -3), textcoords="offset points", color=INK)
    axes.axvline(lowered_at(evidence.runs["w4"][0].row), color=GRAY, linewidth=0.6, linestyle=":")
    axes.set(title="W4.3  dips of the training accuracy", xlabel="update")
