import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import models
from stages.errors import UserError
from stages.fetch import fetch
from stages.preprocess import preprocess
from stages.schema import load_data
from stages.train import train

Write = Callable[[Path, Mapping[str, Any]], None]
MODEL = "models.w3-relu-10"


@pytest.fixture
def prepared(project: Path, mirror: Path, write_parameters: Write) -> Callable[[Mapping[str, Any]], None]:
    """Return a function that makes the split kaggle of a few digits, for a variant of params.yaml."""

    def prepare(changes: Mapping[str, Any]) -> None:
        write_parameters(project, {f"{MODEL}.updates": 20, **changes})
        fetch(load_data(), str(mirror))
        preprocess("kaggle")

    return prepare


def test_writes_the_history_and_the_model(prepared: Callable[[Mapping[str, Any]], None]) -> None:
    prepared({})
    train("w3-relu-10")
    history = pd.read_csv("metrics/history/w3-relu-10.csv")
    assert history["update"].tolist() == list(range(1, 21))
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    assert history["accuracy"].between(0, 1).all()
    network, row, dataset = models.load(Path("models/w3-relu-10.npz"))
    assert dataset == "MNIST"
    assert (row.updates, row.learning_rate) == (20, 0.1)
    with np.load("models/w3-relu-10.npz") as archive:
        assert archive["layer_sizes"].tolist() == [784, 10, 10]
        assert json.loads(str(archive["description"]))["parameters"]["initializer"]["name"] == "uniform"
        assert np.array_equal(archive["W2"], network.parameters["W2"])


def test_the_same_parameters_give_the_same_bytes(prepared: Callable[[Mapping[str, Any]], None]) -> None:
    prepared({f"{MODEL}.batch_size": 32, f"{MODEL}.dropout": 0.2})
    outputs = [Path("models/w3-relu-10.npz"), Path("metrics/history/w3-relu-10.csv")]
    train("w3-relu-10")
    first = [path.read_bytes() for path in outputs]
    train("w3-relu-10")
    assert [path.read_bytes() for path in outputs] == first


def test_early_stopping_watches_the_validation_part(prepared: Callable[[Mapping[str, Any]], None]) -> None:
    prepared({"splits.kaggle.validation": 0.2, f"{MODEL}.early_stopping": 1, f"{MODEL}.learning_rate": 30})
    train("w3-relu-10")
    history = pd.read_csv("metrics/history/w3-relu-10.csv")
    losses = history["validation_loss"]
    assert len(history) < 20
    assert losses.iloc[-1] >= losses.iloc[:-1].min()
    assert losses.iloc[:-1].is_monotonic_decreasing


def test_divergence_names_model_and_update_and_leaves_nothing(prepared: Callable[[Mapping[str, Any]], None]) -> None:
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
