import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.ladder.climb import choose, climb
from stages.nn.arrays import Array, Labels
from stages.nn.batches import Chosen
from stages.nn.training import Trainer
from stages.shared import checkpoints, models, splits
from stages.shared.errors import UserError


def outputs() -> dict[str, bytes]:
    paths = [*Path("models").rglob("*.npz"), *Path("metrics").rglob("*.*")]
    return {str(path): path.read_bytes() for path in paths}


def test_each_seed_is_a_network_and_its_errors_are_those_that_its_file_makes(prepared: Path) -> None:
    climb("high")
    metrics = json.loads(Path("metrics/high.json").read_text())
    wrong = pd.read_csv("metrics/wrong/high.csv")
    X, y = splits.require_part("final", "test")
    for seed, found in enumerate(metrics["seeds"]):
        model = models.load(Path(f"models/high/{seed}.npz"))
        predicted = model.network.forward(X).argmax(axis=0)
        of_seed = wrong[wrong["seed"] == seed]
        assert (model.row.seed, found["seed"]) == (seed, seed)
        assert of_seed["index"].tolist() == np.flatnonzero(predicted != y).tolist()
        assert of_seed["predicted"].tolist() == predicted[predicted != y].tolist()
        assert of_seed["label"].tolist() == y[predicted != y].tolist()
        assert found["wrong"] == len(of_seed)
        assert found["accuracy"] == pytest.approx(1 - len(of_seed) / 100)
    accuracies = [found["accuracy"] for found in metrics["seeds"]]
    assert len(set(accuracies)) > 1
    assert metrics["mean"] == pytest.approx(sum(accuracies) / 3, abs=1e-6)
    assert metrics["spread"] == pytest.approx(np.std(accuracies, ddof=1), abs=1e-6)
    assert metrics["parameters"] == 784 * 8 + 8 + 8 * 10 + 10
    assert metrics["multiply_adds"] == 784 * 8 + 8 * 10
    assert metrics["images"] == {"train": 600, "validation": 0, "held_out": 0, "test": 100}


def test_what_differs_from_run_to_run_stands_apart(prepared: Path) -> None:
    climb("high")
    first = outputs()
    run = json.loads(Path("runs/high.json").read_text())
    assert len(run["seconds"]) == 3
    assert all(seconds > 0 for seconds in run["seconds"])
    assert run["revision"]
    climb("high")
    assert outputs() == first
    assert not list(checkpoints.FOLDER.glob("*.npz"))


def count_updates(monkeypatch: pytest.MonkeyPatch, end: int | None = None) -> list[int]:
    """Return a list that every update is added to; after so many, training is interrupted."""
    updates: list[int] = []
    step = Trainer.step

    def counted(self: Trainer, X: Array, y: Labels, chosen: Chosen = None) -> tuple[float, int]:
        if len(updates) == end:
            raise KeyboardInterrupt
        updates.append(self.update)
        return step(self, X, y, chosen)

    monkeypatch.setattr(Trainer, "step", counted)
    return updates


def test_an_interrupted_rung_goes_on_where_it_was(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    climb("high")
    whole = outputs()
    for path in whole:
        Path(path).unlink()
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    with monkeypatch.context() as patch:
        count_updates(patch, end=24 + 12 + 5)  # the first seed, and the second in the middle of its second epoch
        with pytest.raises(KeyboardInterrupt):
            climb("high")
    assert not Path("metrics/high.json").exists()
    for model in Path("models").rglob("*.npz"):
        model.unlink()  # as DVC does
    updates = count_updates(monkeypatch)
    climb("high")
    assert len(updates) == 12 + 24
    assert outputs() == whole
    assert all(seconds > 0 for seconds in json.loads(Path("runs/high.json").read_text())["seconds"])


def test_a_row_of_the_main_file_is_trained_on_the_split_of_the_ladder(prepared: Path) -> None:
    climb("low")
    row = models.load(Path("models/low/1.npz")).row
    assert (row.split, row.updates, row.seed) == ("final", 5, 1)


def test_what_is_chosen_is_measured_on_validation_images_and_no_test_image_is_read(prepared: Path) -> None:
    for path in Path("data/splits").rglob("?_test.npy"):
        path.unlink()
    found = choose("high")
    chosen = json.loads(Path("choices/high.json").read_text())
    assert chosen["validation"] == found
    assert found["images"] == 150
    assert found["wrong"] == round(150 * (1 - found["accuracy"]))
    assert chosen["row"]["split"] == "choosing"
    assert not Path("metrics").exists()


def test_a_rung_that_is_not_there_is_named(prepared: Path) -> None:
    with pytest.raises(UserError, match=r"^rungs\.yaml: rungs has no 'middle'; it has high, low$"):
        climb("middle")


def test_what_is_missing_is_told_before_anything_is_trained(ladder: Path) -> None:
    with pytest.raises(UserError, match=r"^data/splits/final/split\.json: not there; run `dvc repro`"):
        climb("high")
    assert not Path("models").exists()
