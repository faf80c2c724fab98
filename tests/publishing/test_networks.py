"""The models of params.yaml by their networks, without the names of the models."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from publishing import networks
from publishing.blocks import ROOT
from publishing.measurements import Measured
from stages.shared import parameters
from tests.networks import layer_rows

Write = Callable[[Path, Mapping[str, Any]], None]
ROW: dict[str, Any] = {"split": "kaggle", "learning_rate": 0.1, "updates": 1500, "seed": 0}
CONVOLUTION = {"name": "convolution", "filters": 4, "size": 5}
ATTENTION = {"name": "residual", "layers": [{"name": "attention", "heads": 2}]}
LAYERS = {
    "no hidden layer": layer_rows(),
    "one hidden layer of 10 units, ReLU": layer_rows(10),
    "one hidden layer of 10 units": layer_rows(10, activation=None),
    "two hidden layers of 16 units, tanh": layer_rows(16, 16, activation="tanh"),
    "two hidden layers of 16 and 8 units, sigmoid": layer_rows(16, 8, activation="sigmoid"),
    "affine 4, affine 5, affine 6, affine 7, affine": layer_rows(4, 5, 6, 7, activation=None),
    "affine 10, relu, dropout 0.5, affine": layer_rows(10, dropout=0.5),
    "affine, relu, affine": [{"name": "affine"}, {"name": "relu"}, {"name": "affine"}],
    "convolutional network": [CONVOLUTION, {"name": "relu"}, {"name": "affine"}],
    "transformer": [CONVOLUTION, ATTENTION, {"name": "affine"}],
}


def write_metrics(folder: Path, model: str, accuracy: float) -> None:
    part = {"accuracy": accuracy, "interval": [accuracy - 0.01, accuracy + 0.01], "cross_entropy": 0.25}
    path = folder / f"metrics/{model}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"dataset": "MNIST", "train": part, "held_out": None, "test": part}), encoding="utf-8")


@pytest.fixture
def four(project: Path, write_parameters: Write) -> Path:
    """Return a project with three models of one network, of which two have the same row, and one of another."""
    small = {**ROW, "layers": layer_rows(10)}
    longer = {**small, "updates": None, "epochs": 9, "batch_size": 32}
    write_parameters(project, {"models": {"b": small, "a": small, "c": longer, "d": {**ROW, "layers": layer_rows()}}})
    for model, accuracy in {"b": 0.5, "a": 0.5, "c": 0.9, "d": 0.8}.items():
        write_metrics(project, model, accuracy)
    return project


@pytest.mark.parametrize("kind", LAYERS)
def test_a_network_is_named_by_its_kind_or_its_layers(kind: str, project: Path, write_parameters: Write) -> None:
    write_parameters(project, {"models": {"a": {**ROW, "layers": LAYERS[kind]}}})
    assert networks.kind(parameters.load().models["a"]) == kind


def test_a_network_is_a_row_and_each_way_to_train_it_a_line(four: Path) -> None:
    _, _, *rows = [line for line in networks.results(parameters.load()).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    shown = "{0}.0\u00a0% ({1}.0\u00a0to\u00a0{2}.0)".format
    assert cells == [
        [
            "one hidden layer of 10 units, ReLU",
            "1,500 updates, full batch<br>9 epochs, batches of 32",
            f"{shown(50, 49, 51)}<br>{shown(90, 89, 91)}",
        ],
        ["no hidden layer", "1,500 updates, full batch", shown(80, 79, 81)],
    ]


def test_models_that_differ_in_anything_are_told_apart(four: Path, write_parameters: Write) -> None:
    small = {**ROW, "layers": layer_rows(10)}
    write_parameters(four, {"models": {"b": small, "a": {**small, "seed": 1}}})
    assert networks.results(parameters.load()).count("1,500 updates") == 2


def test_the_project_has_five_rows_without_a_name_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    rows = parameters.load()
    text = networks.results(rows)
    assert len([line for line in text.splitlines() if line.startswith("| ")]) == 1 + 5
    for shown in (text, networks.chart()):
        assert not [name for name in rows.models if name.startswith("w") and name in shown]


def test_the_chart_tells_each_network_that_has_been_measured(four: Path) -> None:
    (four / "metrics/d.json").unlink()
    text = networks.chart()
    assert text.startswith('``` {.svg alt="')
    alternative = text.partition('"')[2].partition('"')[0]
    assert alternative.count("one hidden layer of 10 units, ReLU, ") == 2
    assert "9 epochs, batches of 32: 90.0 % (89.0\u00a0to\u00a091.0)" in alternative
    assert "no hidden layer" not in alternative
    for path in (four / "metrics").iterdir():
        path.unlink()
    assert networks.chart() == "No network has been measured yet; `make repro` does it."


def test_the_chart_has_each_error_with_its_interval_the_most_accurate_last() -> None:
    panel = Figure().add_subfigure(GridSpec(1, 1)[0])
    tests = [Measured(accuracy=a, interval=(a - 0.01, a + 0.02), cross_entropy=1) for a in (0.9, 0.8)]
    networks.draw(panel, [("best", tests[0]), ("other", tests[1])])
    (axes,) = panel.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["other", "best"]
    assert [line.get_xydata().tolist() for line in axes.lines] == [  # type: ignore[union-attr]
        [[pytest.approx(20), 0]],
        [[pytest.approx(10), 1]],
    ]
    assert [bar.get_segments()[0][:, 0].tolist() for bar in axes.collections] == [  # type: ignore[attr-defined]
        pytest.approx([18, 21]),
        pytest.approx([8, 11]),
    ]
