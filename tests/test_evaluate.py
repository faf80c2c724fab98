import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info

from stages import evaluate
from stages.shared import models, splits
from stages.shared.errors import UserError
from stages.shared.mnist import FORM
from stages.shared.parameters import Model
from tests.networks import layer_rows

Outcome = list[tuple[int, int]]

# Label and prediction of each image.
TRAIN: Outcome = [(3, 3), (4, 4), (5, 9), (6, 6), (7, 7)]
VALIDATION: Outcome = [(8, 8)]
HELD_OUT: Outcome = [(5, 5), (5, 6)]
TEST: Outcome = [(0, 0), (1, 0), (1, 1), (2, 2)]

RIGHT, WRONG = math.log(2), math.log(18)  # the cross-entropy where half the probability is on the prediction


def write_model(dataset: str, **changes: Any) -> None:
    """Write a linear model that predicts the one pixel that is lit, with probability 1/2, the rest shared equally."""
    row = Model.model_validate(
        {"split": "small", "layers": layer_rows(), "learning_rate": 0.1, "updates": 1, "seed": 0, **changes}
    )
    network = models.start_network("lamp", row, FORM, np.random.default_rng(0))
    if len(row.layers) == 1:
        network.parameters["0.W"][...] = np.log(9) * np.eye(10, 784)
    models.save(Path("models/lamp.npz"), network, row, FORM, dataset)


def write_split(parts: dict[str, Outcome], notes: list[str]) -> None:
    folder = splits.directory("small")
    folder.mkdir(parents=True)
    for part, outcomes in parts.items():
        labels, lit = np.array(outcomes).T
        np.save(folder / f"X_{part}.npy", np.eye(784, dtype=np.float32)[lit].T)
        np.save(folder / f"y_{part}.npy", labels.astype(np.uint8))
    counts = {part: len(parts.get(part, [])) for part in splits.PARTS}
    (folder / "split.json").write_text(
        json.dumps({"dataset": "lamps", **asdict(FORM), "parts": counts, "notes": notes})
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluated(parts: dict[str, Outcome], notes: list[str]) -> Any:
    write_model("lamps")
    write_split(parts, notes)
    evaluate.evaluate("lamp")
    return json.loads(Path("metrics/lamp.json").read_text())


@pytest.mark.usefixtures("folder")
def test_all_parts_are_measured() -> None:
    metrics = evaluated({"train": TRAIN, "validation": VALIDATION, "held_out": HELD_OUT, "test": TEST}, ["a note"])
    assert list(metrics) == ["dataset", "train", "validation", "held_out", "test", "notes"]
    assert metrics["dataset"] == "lamps"
    assert metrics["notes"] == ["a note"]
    assert [metrics[part]["accuracy"] for part in splits.PARTS] == [0.8, 1, 0.5, 0.75]
    losses = [(4 * RIGHT + WRONG) / 5, RIGHT, (RIGHT + WRONG) / 2, (3 * RIGHT + WRONG) / 4]
    assert [metrics[part]["cross_entropy"] for part in splits.PARTS] == pytest.approx(losses, abs=1e-6)


@pytest.mark.usefixtures("folder")
def test_precision_and_recall_are_of_the_test_part() -> None:
    metrics = evaluated({"train": TRAIN, "held_out": HELD_OUT, "test": TEST}, [])
    assert metrics["test"]["precision"] == [0.5, 1, 1] + 7 * [None]
    assert metrics["test"]["recall"] == [1, 0.5, 1] + 7 * [None]
    assert "recall" not in metrics["held_out"]
    assert metrics["validation"] is None


@pytest.mark.parametrize(
    ("parts", "detailed"),
    [
        ({"train": TRAIN, "validation": VALIDATION, "held_out": HELD_OUT}, "held_out"),
        ({"train": TRAIN, "validation": VALIDATION}, "validation"),
        ({"train": TRAIN}, "train"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_without_a_test_part_another_takes_its_place(parts: dict[str, Outcome], detailed: str) -> None:
    metrics = evaluated(parts, [])
    assert metrics["test"] is None
    assert [part for part in splits.PARTS if metrics[part] and "recall" in metrics[part]] == [detailed]
    outcomes = parts[detailed]
    predictions = pd.read_csv("predictions/lamp.csv")
    assert list(zip(predictions["label"], predictions["predicted"], strict=True)) == outcomes
    assert pd.read_csv("metrics/confusion/lamp.csv")["count"].sum() == len(outcomes)
    assert Path("metrics/predictions/lamp.csv").read_text() == "label,predicted\n"


@pytest.mark.usefixtures("folder")
def test_the_confusion_matrix_has_a_row_for_each_pair() -> None:
    evaluated({"train": TRAIN, "test": TEST}, [])
    table = pd.read_csv("metrics/confusion/lamp.csv")
    assert list(table.columns) == ["actual", "predicted", "count"]
    pairs = list(zip(table["actual"], table["predicted"], strict=True))
    assert pairs == [(actual, predicted) for actual in range(10) for predicted in range(10)]
    counts = dict(zip(pairs, table["count"], strict=True))
    assert {pair: count for pair, count in counts.items() if count} == {(0, 0): 1, (1, 0): 1, (1, 1): 1, (2, 2): 1}


@pytest.mark.usefixtures("folder")
def test_predictions_keep_the_order_of_the_images() -> None:
    evaluated({"train": TRAIN, "held_out": HELD_OUT, "test": TEST}, [])
    assert Path("metrics/predictions/lamp.csv").read_text() == "label,predicted\n0,0\n1,0\n1,1\n2,2\n"
    lines = Path("predictions/lamp.csv").read_text().splitlines()
    rest = ",".join(8 * ["0.055556"])
    assert lines[0] == "index,label,predicted,p0,p1,p2,p3,p4,p5,p6,p7,p8,p9"
    assert lines[2] == f"1,1,0,0.500000,0.055556,{rest}"
    assert lines[3] == f"2,1,1,0.055556,0.500000,{rest}"
    assert len(lines) == 5


# Newcombe 1998, table I, method 3 (the score interval of Wilson without a correction for continuity)
@pytest.mark.parametrize(
    ("correct", "m", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_the_published_one(correct: int, m: int, low: float, high: float) -> None:
    confusion = np.array([[correct, m - correct], [0, 0]])
    assert evaluate.summary(1.0, confusion)["interval"] == pytest.approx([low, high], abs=5e-5)


def test_figures_have_six_decimals() -> None:
    found = evaluate.summary(math.pi, np.array([[1, 0], [2, 0]]))
    assert found["accuracy"] == 0.333333
    assert found["cross_entropy"] == 3.141593
    assert (
        found["interval"]
        == [round(end, 6) for end in found["interval"]]
        != [round(end, 5) for end in found["interval"]]
    )


def test_blocks_of_columns_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.nn.parts.BLOCK", 3)
    row = Model.model_validate(
        {"split": "small", "layers": layer_rows(5), "learning_rate": 0.1, "updates": 1, "seed": 0}
    )
    network = models.start_network("m", row, FORM, np.random.default_rng(0), np.float64)
    X, y = np.random.default_rng(1).random((784, 8)), np.array([0, 1, 2, 3, 4, 5, 6, 6])
    W1, b1, W2, b2 = network.parameters.values()
    Z = W2 @ np.maximum(W1 @ X + b1, 0) + b2
    P = np.exp(Z) / np.exp(Z).sum(axis=0)
    loss, confusion = evaluate.measure(network, X, y, 10)
    assert loss == pytest.approx(-np.log(P[y, np.arange(8)]).mean(), rel=1e-12)
    assert confusion.sum(axis=1).tolist() == [1, 1, 1, 1, 1, 1, 2, 0, 0, 0]
    assert confusion.sum(axis=0).tolist() == np.bincount(Z.argmax(axis=0), minlength=10).tolist()
    blocks = list(evaluate.predictions(network, X, y))
    assert [len(block["index"]) for block in blocks] == [3, 3, 2]
    assert np.concatenate([block["index"] for block in blocks]).tolist() == list(range(8))
    assert np.concatenate([block["label"] for block in blocks]).tolist() == y.tolist()
    assert np.concatenate([block["p7"] for block in blocks]) == pytest.approx(P[7], rel=1e-12)


@pytest.mark.usefixtures("folder")
def test_the_same_model_gives_the_same_bytes() -> None:
    write_model("lamps", layers=layer_rows(20, dropout=0.5))
    write_split({"train": TRAIN, "test": TEST}, [])
    written = []
    for _ in range(2):
        evaluate.evaluate("lamp")
        paths = [*sorted(Path("metrics").rglob("*.*")), Path("predictions/lamp.csv")]
        written.append({path: path.read_bytes() for path in paths})
    assert len(written[0]) == 4
    assert written[0] == written[1]


@pytest.mark.usefixtures("folder")
def test_a_missing_model_is_an_error() -> None:
    write_split({"train": TRAIN}, [])
    with pytest.raises(UserError, match=r"models/lamp\.npz: not there; run `dvc repro`"):
        evaluate.evaluate("lamp")


@pytest.mark.usefixtures("folder")
def test_a_missing_split_is_an_error() -> None:
    write_model("lamps")
    with pytest.raises(UserError, match=r"data/splits/small/split\.json: not there; run `dvc repro`"):
        evaluate.evaluate("lamp")


def test_a_model_of_other_data_is_an_error(folder: Path) -> None:
    write_model("candles")
    write_split({"train": TRAIN}, [])
    with pytest.raises(UserError, match=r"models/lamp\.npz: trained on 'candles', but data/splits/small holds 'lamps'"):
        evaluate.evaluate("lamp")
    assert not (folder / "metrics").exists()


def call_main(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate", model])
    evaluate.main()


@pytest.mark.usefixtures("project")
def test_an_unknown_model_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"params\.yaml: models has no 'nobody'"):
        call_main(monkeypatch, "nobody")


@pytest.mark.parametrize("threads", [1, 2])
def test_the_threads_are_those_of_the_parameters(
    threads: int,
    monkeypatch: pytest.MonkeyPatch,
    project: Path,
    write_parameters: Callable[[Path, Mapping[str, Any]], None],
) -> None:
    write_parameters(project, {"blas_threads": threads})
    seen: list[int] = []

    def spy(_: str) -> None:
        seen.extend(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")

    monkeypatch.setattr(evaluate, "evaluate", spy)
    call_main(monkeypatch, "w3-relu-10")
    if not seen:
        pytest.skip("the threads of this BLAS library cannot be set")
    assert set(seen) == {threads}
