"""What is trained under other kernels, and how the results are compared."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import processors
from stages.fetch import fetch
from stages.nn.training import evaluate
from stages.preprocess import preprocess
from stages.shared import models, splits
from stages.shared.schema import load_data
from stages.train import train
from tests.networks import layer_rows

NAME = "w3-relu-10"
THETA = {"Haswell": (3.0, 4.0), "Sandybridge": (3.0, 4.5), "Nehalem": (3.3, 4.4)}  # by kernels: 0.W and 0.b


def test_it_trains_what_the_training_stage_trains(
    project: Path,
    mirror: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_parameters: Callable[[Path, Mapping[str, Any]], None],
) -> None:
    changes = {"updates": 5, "batch_size": 100, "layers": layer_rows(10, dropout=0.2)}
    write_parameters(project, {f"models.{NAME}.{key}": value for key, value in changes.items()})
    fetch(load_data(), str(mirror))
    preprocess("kaggle")
    train(NAME)
    network = models.load(Path(f"models/{NAME}.npz")).network
    monkeypatch.setattr(sys, "argv", ["processors", "--train", NAME, "trained.npz"])
    processors.main()
    assert not processors.RESULTS.exists()
    with np.load("trained.npz") as archive:
        for name, theta in network.parameters.items():
            assert np.array_equal(archive[name], theta)
        assert archive["measured"].tolist() == list(evaluate(network, *splits.require_part("kaggle", "test")))
        assert str(archive["kernels"])
        assert len(archive.files) == len(network.parameters) + 2


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Let the trainings under all kernels end with THETA at once; return their commands."""
    seen = []

    def trained(command: list[str], env: Mapping[str, str], check: bool) -> None:
        kernels = env["OPENBLAS_CORETYPE"]
        assert check
        assert env == os.environ | {"OPENBLAS_CORETYPE": kernels}
        W1, b1 = THETA[kernels]
        measured = [0.12345678, 0.9]
        np.savez(command[-1], W1=np.array([[W1]]), b1=np.array([[b1]]), measured=measured, kernels=kernels)
        seen.append(command[:-1])

    monkeypatch.setattr("subprocess.run", trained)
    return seen


def test_the_distance_is_that_from_the_first_kind_relative_to_its_size(commands: list[list[str]]) -> None:
    found = processors.compare(NAME)
    assert commands == 3 * [[sys.executable, "-m", "benchmarks.processors", "--train", NAME]]
    assert [result["kernels"] for result in found] == ["Haswell", "Sandybridge", "Nehalem"]
    assert [result["relative_distance"] for result in found] == [0, 0.1, 0.1]
    assert {(result["test_accuracy"], result["test_cross_entropy"]) for result in found} == {(0.9, 0.123457)}


@pytest.mark.parametrize(("named", "expected"), [([NAME], [NAME]), ([], ["one", "other"])])
@pytest.mark.usefixtures("commands")
def test_the_models_that_are_named_are_compared_or_all(
    named: list[str],
    expected: list[str],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_parameters: Callable[[Path, Mapping[str, Any]], None],
) -> None:
    row = {"split": "kaggle", "layers": layer_rows(), "learning_rate": 0.1, "updates": 1, "seed": 0}
    if not named:
        write_parameters(project, {"models": dict.fromkeys(expected, row)})
    monkeypatch.setattr(sys, "argv", ["processors", *named])
    processors.main()
    results = json.loads(processors.RESULTS.read_text())
    assert list(results) == expected
    assert [len(runs) for runs in results.values()] == [3] * len(expected)
