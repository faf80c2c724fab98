from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.figure import Figure, SubFigure

from stages.claims.reproductions.figures import (
    BATCHES,
    HIDDEN,
    LAYERS,
    LINEAR,
    OPTIMIZERS,
    RECIPES,
    draw_claims,
    draw_curves,
    draw_dip,
    draw_dots,
)
from stages.claims.reproductions.runs import END, experiments
from stages.claims.verdicts import Quantity
from stages.nn.schedules import Steps
from stages.shared import schema
from stages.shared.figures import BLUE, VERMILION
from stages.shared.parameters import Parameters

EXPERIMENTS = experiments(Parameters.model_validate(schema.read(Path(__file__).parents[3] / "params.yaml")).models)
ROWS = [
    ("A1", Quantity("accuracy", [0.8, 0.82], "share", (0.88, np.inf), 0.9, 0.005), "does not hold"),
    ("A2", Quantity("cost", [0.2, 0.3], "", (0.2, 0.3), 0.25, 0.05), "holds"),
    ("A3", Quantity("accuracy at 9", [0.5, 0.6, 0.7], "share", None, 0.6, 0.0005, why="chance"), "open"),
]


def panel() -> SubFigure:
    figure = Figure()
    return figure.add_subfigure(figure.add_gridspec()[0])


def measured(accuracies: dict[str, dict[int, list[float]]]) -> Any:
    """Return what has these accuracies by experiment and epoch, as `Evidence` does."""
    runs = {
        name: [
            SimpleNamespace(measured=by_epoch, trace=list(by_epoch[END]), row=SimpleNamespace(schedule=Steps([75])))
            for _ in by_epoch[END]
        ]
        for name, by_epoch in accuracies.items()
    }
    return SimpleNamespace(runs=runs, accuracies=lambda name, epoch=END: accuracies[name][epoch])


def dots(axes: Axes) -> list[list[float]]:
    return [np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_marker() == "o"]


def test_labels_are_what_the_experiments_are() -> None:
    rows = {name: experiment.row for name, experiment in EXPERIMENTS.items()}
    assert {name: label for name, (label, _) in BATCHES.items()} == {
        name: f"mini-batches of {size}" if (size := rows[name]["batch_size"]) else "full batches" for name in BATCHES
    }
    for kind, (label, _) in RECIPES.items():
        row = rows[f"{kind} 128"]
        assert label.startswith("mini-batches" if row["batch_size"] else "full batches")
        assert ("He's weights" in label) == (row["initializer"]["name"] == "he")
    for name, label in (HIDDEN | LAYERS).items():
        units = [str(layer["units"]) for layer in rows[f"mini {name}"]["layers"] if "units" in layer]
        assert label == "-".join(units)
    for name, label in OPTIMIZERS.items():
        assert rows[f"mini {name}"]["optimizer"]["name"].endswith(label.lower())
    layers = {label: [layer["name"] for layer in rows[name]["layers"]] for name, label in LINEAR.items()}
    assert layers == {
        "no hidden\nlayer": ["affine"],
        "no\nactivation": ["affine", "affine"],
        "ReLU": ["affine", "relu", "affine"],
    }


def test_runs_are_drawn_relative_to_the_claim_each_unit_on_its_own_axis() -> None:
    figure = panel()
    draw_claims(figure, ROWS)
    shares, plain = figure.axes
    first, third = dots(shares)
    assert first == pytest.approx([-10, -8])
    assert third == pytest.approx([-10, 0, 10])
    assert dots(plain) == [pytest.approx([-0.05, 0.05])]
    assert [label.get_text() for label in shares.get_yticklabels()] == ["A1  accuracy", "A3  accuracy at 9"]
    assert [label.get_text() for label in plain.get_yticklabels()] == ["A2  cost"]


def test_a_row_has_interval_claim_margin_and_verdict() -> None:
    figure = panel()
    draw_claims(figure, ROWS)
    shares, axes = figure.axes
    _, bar, claim = axes.lines[:3]
    assert np.asarray(bar.get_xdata()) == pytest.approx(np.subtract(ROWS[1][1].interval, 0.25))
    assert same_color(claim.get_color(), VERMILION)
    assert np.asarray(claim.get_xdata()).tolist() == [0]
    (margin,) = axes.collections
    assert ends(margin) == pytest.approx((-0.05, 0.05))
    (no_upper_limit,) = shares.collections  # the third has no margin
    assert ends(no_upper_limit) == pytest.approx((-2, 10))  # up to all images
    limits = [np.asarray(line.get_xdata()).tolist() for line in (shares.lines[3], axes.lines[3])]
    assert limits == [pytest.approx([-2]), pytest.approx([-0.05, 0.05])]
    assert [text.get_text() for text in axes.texts] == ["0.2500 (0.2000 to 0.3000)\nholds"]
    assert [text.get_text().split("\n")[1] for text in shares.texts] == ["does not hold", "open"]


def test_what_is_surely_better_than_claimed_is_said_to_be_so() -> None:
    figure = panel()
    better = Quantity("accuracy", [0.93, 0.931, 0.932], "share", (0.88, np.inf), 0.9, 0.005)
    draw_claims(figure, [("A1", better, "holds"), ("A2", replace(better, region=(0.88, 0.95)), "holds")])
    assert [text.get_text().split("\n")[1] for text in figure.axes[0].texts] == ["holds, measured is better", "holds"]


def test_no_share_is_shaded_that_is_more_than_all() -> None:
    figure = panel()
    runs = [0.93, 0.931, 0.932]
    high, low = (Quantity("share", runs, "share", (claimed - 0.1, np.inf), claimed) for claimed in (0.9, 0.2))
    draw_claims(figure, [("A1", high, "holds"), ("A2", low, "holds")])
    assert figure.axes[0].get_xlim()[1] > 10
    assert next(ends(margin)[1] for margin in figure.axes[0].collections) == pytest.approx(10)


def ends(margin: Any) -> tuple[float, float]:
    x = np.asarray(margin.get_paths()[0].vertices)[:, 0]
    return float(x.min()), float(x.max())


def test_experiments_stand_side_by_side_and_those_missing_leave_a_gap() -> None:
    axes = Figure().subplots()
    evidence = measured({"a": {END: [0.1, 0.3]}, "c": {END: [0.5, 0.7]}})
    draw_dots(axes, evidence, {"a": "A", "b": "B", "c": "C"}, BLUE, "all")
    assert dots(axes) == [[0, 0], [2, 2]]
    means = [np.asarray(line.get_ydata())[0] for line in axes.lines if line.get_marker() != "o"]
    assert means == pytest.approx([0.2, 0.6])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["A", "B", "C"]
    assert axes.get_legend_handles_labels()[1] == ["all"]


def test_curves_go_through_the_means_with_the_range_around() -> None:
    axes = Figure().subplots()
    accuracies = {0: [0.1, 0.1], 1: [0.2, 0.4], 10: [0.6, 0.8], END: [0.6, 0.8]}
    draw_curves(axes, measured({"a": accuracies}), {"a": ("A", BLUE)})
    (line,) = axes.lines
    assert np.asarray(line.get_xdata()).tolist() == [1, 10]
    assert np.asarray(line.get_ydata()) == pytest.approx([0.3, 0.7])
    y = np.asarray(axes.collections[0].get_paths()[0].vertices)[:, 1]
    assert (y.min(), y.max()) == (0.2, 0.8)


def test_the_dip_is_drawn_with_its_claim() -> None:
    axes = Figure().subplots()
    draw_dip(axes, measured({"w4": {END: [0.1, 0.9, 0.5]}}), {"numbers": [{"update": 70, "value": 60}]})
    *traces, claim, lowered = axes.lines
    assert [np.asarray(trace.get_ydata()).tolist() for trace in traces] == [[0.1, 0.9, 0.5]] * 3
    assert (np.asarray(claim.get_xdata()).tolist(), np.asarray(claim.get_ydata()).tolist()) == ([70], [0.6])
    assert np.asarray(lowered.get_xdata()).tolist() == [75, 75]
