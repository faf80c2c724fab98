import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.fetch import fetch
from stages.nn.training import evaluate
from stages.preprocess import preprocess
from stages.shared import checkpoints, models, splits
from stages.shared.artifacts import read_array
from stages.shared.errors import UserError
from stages.shared.mnist import FORM
from stages.shared.schema import load_data
from stages.train import train
from tests.networks import layer_rows

Write = Callable[[Path, Mapping[str, Any]], None]
Prepare = Callable[[Mapping[str, Any]], None]
MODEL = "models.w3-relu-10"
CHECKPOINT = Path("checkpoints/w3-relu-10.npz")
OUTPUTS = (Path("models/w3-relu-10.npz"), Path("metrics/history/w3-relu-10.csv"))


@pytest.fixture
def prepared(project: Path, mirror: Path, write_parameters: Write) -> Prepare:
    """Return a function that makes the split kaggle of a few digits, for a variant of params.yaml."""

    def prepare(changes: Mapping[str, Any]) -> None:
        write_parameters(project, {f"{MODEL}.updates": 20, **changes})
        fetch(load_data(), str(mirror))
        preprocess("kaggle")

    return prepare


def test_writes_the_history_and_the_model(prepared: Prepare) -> None:
    prepared({})
    train("w3-relu-10")
    history = pd.read_csv("metrics/history/w3-relu-10.csv")
    assert history["update"].tolist() == list(range(1, 21))
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    assert history["accuracy"].between(0, 1).all()
    model = models.load(Path("models/w3-relu-10.npz"))
    assert (model.dataset, model.form) == ("MNIST", FORM)
    assert (model.row.updates, model.row.learning_rate) == (20, 0.1)
    with np.load("models/w3-relu-10.npz") as archive:
        assert archive.files == ["0.W", "0.b", "2.W", "2.b", "description"]
        assert json.loads(str(archive["description"]))["parameters"]["initializer"]["name"] == "uniform"
        assert np.array_equal(archive["2.W"], model.network.parameters["2.W"])


def test_the_same_parameters_give_the_same_bytes(prepared: Prepare) -> None:
    prepared({f"{MODEL}.batch_size": 32, f"{MODEL}.layers": layer_rows(10, dropout=0.2)})
    train("w3-relu-10")
    first = [path.read_bytes() for path in OUTPUTS]
    train("w3-relu-10")
    assert [path.read_bytes() for path in OUTPUTS] == first


@pytest.mark.parametrize("parts", [1, 2, 8])
def test_no_byte_depends_on_the_number_of_threads(
    parts: int, prepared: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(
        {
            f"{MODEL}.batch_size": 30,
            f"{MODEL}.layers": layer_rows(10, dropout=0.2),
            f"{MODEL}.optimizer": {"name": "adam"},
            f"{MODEL}.parts": parts,
            f"{MODEL}.weight_decay": 0.001,
        }
    )
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr("stages.shared.ranks.available_cores", lambda team, threads=threads: threads)
        train("w3-relu-10")
        found.append([path.read_bytes() for path in OUTPUTS])
    assert found[0] == found[1] == found[2]


def test_a_map_of_the_images_changes_no_byte(prepared: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared({"splits.kaggle.validation": 0.2, f"{MODEL}.batch_size": 32, f"{MODEL}.window": 100})
    maps = []

    def held(path: Path, shape: Any, dtype: Any, mapped: bool = False) -> Any:
        maps.append(mapped)
        return read_array(path, shape, dtype)

    train("w3-relu-10")
    first = [path.read_bytes() for path in OUTPUTS]
    monkeypatch.setattr(splits, "read_array", held)
    train("w3-relu-10")
    assert maps.count(True) == 2
    assert [path.read_bytes() for path in OUTPUTS] == first


def test_a_row_whose_last_batch_is_one_image_is_refused_before_it_trains(prepared: Prepare) -> None:
    layers = [{"name": "affine", "units": 4}, {"name": "batch_normalization"}, {"name": "affine"}]
    prepared({f"{MODEL}.layers": layers})
    m = len(splits.require_part("kaggle", "train")[1])
    prepared({f"{MODEL}.layers": layers, f"{MODEL}.batch_size": m - 1})
    with pytest.raises(
        UserError, match=rf"^params\.yaml: models\.w3-relu-10\.batch_size is {m - 1}, .*: {m} would do$"
    ):
        train("w3-relu-10")
    assert not any(path.exists() for path in (*OUTPUTS, CHECKPOINT))


def test_a_record_is_made_after_every_so_many_updates_and_the_last(prepared: Prepare) -> None:
    prepared({f"{MODEL}.record_every": 6})
    train("w3-relu-10")
    assert pd.read_csv(OUTPUTS[1])["update"].tolist() == [6, 12, 18, 20]


def test_each_part_is_measured_on_its_own_images(prepared: Prepare) -> None:
    prepared({"splits.kaggle.validation": 0.2, f"{MODEL}.updates": 1})
    train("w3-relu-10")
    history = pd.read_csv(OUTPUTS[1]).iloc[-1]
    model = models.load(OUTPUTS[0])
    untrained = models.start_network("m", model.row, FORM, np.random.default_rng(model.row.seed))
    before = evaluate(untrained, *splits.require_part("kaggle", "train"))
    after = evaluate(model.network, *splits.require_part("kaggle", "validation"))
    assert (history["loss"], history["accuracy"]) == pytest.approx(before, rel=1e-5)
    assert (history["validation_loss"], history["validation_accuracy"]) == pytest.approx(after, rel=1e-5)


def test_averages_are_what_is_validated_and_saved(prepared: Prepare) -> None:
    changes = {"splits.kaggle.validation": 0.2, f"{MODEL}.batch_size": 50, f"{MODEL}.updates": 60}
    prepared(changes)
    train("w3-relu-10")
    plain = models.load(OUTPUTS[0]).network
    prepared(changes | {f"{MODEL}.averaging": 0.95})
    train("w3-relu-10")
    history, averaged = pd.read_csv(OUTPUTS[1]).iloc[-1], models.load(OUTPUTS[0]).network
    measured = evaluate(averaged, *splits.require_part("kaggle", "validation"))
    assert (history["validation_loss"], history["validation_accuracy"]) == pytest.approx(measured, rel=1e-5)
    assert any(not np.array_equal(theta, plain.parameters[name]) for name, theta in averaged.parameters.items())


def test_the_model_names_the_data_that_it_was_trained_on(prepared: Prepare) -> None:
    prepared({"data.name": "lamps"})
    train("w3-relu-10")
    assert models.load(OUTPUTS[0]).dataset == splits.load_description("kaggle").dataset != "MNIST"


@pytest.fixture
def interrupted(prepared: Prepare, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Interrupt a training after its third checkpoint; return the outputs of the same training without that."""
    prepared(
        {"splits.kaggle.validation": 0.2, f"{MODEL}.batch_size": 100, f"{MODEL}.layers": layer_rows(10, dropout=0.2)}
    )
    train("w3-relu-10")
    outputs = [path.read_bytes() for path in OUTPUTS]
    for path in OUTPUTS:
        path.unlink()
    save = checkpoints.Checkpoint.save_now_and_then

    def save_and_stop(checkpoint: checkpoints.Checkpoint) -> None:
        save(checkpoint)
        if len(checkpoint.history) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "SECONDS", 0)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoint, "save_now_and_then", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train("w3-relu-10")
    assert CHECKPOINT.exists()
    return outputs


def test_an_interrupted_training_goes_on_and_leaves_no_checkpoint(
    interrupted: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    train("w3-relu-10")
    third = pd.read_csv(OUTPUTS[1])["update"][2]
    assert f"goes on at update {third}, from {CHECKPOINT}\n" in capsys.readouterr().err
    assert [path.read_bytes() for path in OUTPUTS] == interrupted
    assert not CHECKPOINT.exists()


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("array", ["X", "y"])
@pytest.mark.usefixtures("interrupted")
def test_a_training_on_other_examples_begins_anew(array: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = splits.directory("kaggle") / f"{array}_{part}.npy"
    examples = np.load(path)
    examples[..., 0] = 1 - examples[..., 0] if array == "X" else 9 - examples[0]
    np.save(path, examples)
    train("w3-relu-10")
    assert f"{CHECKPOINT} is not used: made from other parameters, data or code\n" in capsys.readouterr().err


def test_early_stopping_watches_the_validation_part(prepared: Prepare) -> None:
    prepared({"splits.kaggle.validation": 0.2, f"{MODEL}.early_stopping": 1, f"{MODEL}.learning_rate": 30})
    train("w3-relu-10")
    history = pd.read_csv("metrics/history/w3-relu-10.csv")
    losses = history["validation_loss"]
    assert len(history) < 20
    assert losses.iloc[-1] >= losses.iloc[:-1].min()
    assert losses.iloc[:-1].is_monotonic_decreasing


def test_divergence_names_model_and_update_and_leaves_nothing(prepared: Prepare) -> None:
    prepared({f"{MODEL}.learning_rate": 1e30})
    with pytest.raises(UserError, match=r"models\.w3-relu-10: NaN or infinity at update \d+.*learning_rate"):
        train("w3-relu-10")
    assert not list(Path("models").glob("*")) + list(Path("metrics").rglob("*.csv"))


def test_an_unknown_model_is_an_error_that_lists_the_known_ones(project: Path) -> None:
    with pytest.raises(UserError, match=r"models has no 'nobody'; it has .*w3-relu-10"):
        train("nobody")


def test_a_split_that_is_not_there_is_an_error(project: Path) -> None:
    with pytest.raises(UserError, match="not there; run `dvc repro`"):
        train("w3-relu-10")
