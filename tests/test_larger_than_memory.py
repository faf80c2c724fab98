"""Stages that are given less memory than their images take."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from stages.shared import splits
from stages.shared.mnist import FILES
from tests.networks import layer_rows

ROOT = Path(__file__).parent.parent
M = 60_000
MEGABYTE = 10**6
ALLOWANCE = 120 * MEGABYTE  # of 188 that the images take as float32

# Runs a stage that may take no more memory of its own than it has after its imports, and the allowance.
CHILD = """
import re, resource, sys
from importlib import import_module
from pathlib import Path
from stages import evaluate, plot, preprocess, train
from stages.shared.errors import run

used = int(re.search(r"^VmData:\\s+(\\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + int(sys.argv[3]),) * 2)
run(lambda: getattr(import_module(f"stages.{sys.argv[1]}"), sys.argv[1])(sys.argv[2]))
"""


def stage(name: str, row: str) -> str:
    """Run a stage with little memory; return what it ends with."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, name, row, str(ALLOWANCE)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stderr


@pytest.fixture(scope="module")
def images() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(M, 784), dtype=np.uint8), rng.integers(10, size=M, dtype=np.uint8)


@pytest.fixture
def there(
    project: Path,
    images: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    idx: Callable[[Any], bytes],
    write_parameters: Callable[[Path, Mapping[str, Any]], None],
) -> Path:
    """Make a project with images that take more than the allowance, as IDX files and as a CSV."""
    model = {"split": "standard", "layers": layer_rows(8), "learning_rate": 0.1, "batch_size": 128, "epochs": 1}
    changes = {
        "models": {"mapped": {**model, "window": 5_000, "seed": 0}, "held": {**model, "seed": 0}},
        "splits.kaggle.source": "own/train.csv",
        "splits.standard.validation": 0.4,
    }
    write_parameters(project, changes)
    raw = project / "data/raw"
    raw.mkdir(parents=True)
    pixels, labels = images
    pixels = pixels.reshape(-1, 28, 28)
    for name, array in zip(FILES, (pixels, labels, pixels[:100], labels[:100]), strict=True):
        (raw / name).write_bytes(gzip.compress(idx(array), 1))
    (raw / "source.json").write_text(json.dumps({"dataset": "noise", "fallback": False}))
    return project


@pytest.mark.slow
@pytest.mark.usefixtures("there")
def test_images_larger_than_memory_are_divided_trained_on_measured_and_drawn() -> None:
    assert stage("preprocess", "standard") == ""
    assert splits.load_description("standard").parts["train"] == 36_000
    assert "error" not in stage("train", "mapped")
    assert stage("evaluate", "mapped") == ""
    assert stage("plot", "mapped") == ""


@pytest.mark.slow
@pytest.mark.usefixtures("there")
def test_a_model_without_a_window_needs_the_memory() -> None:
    assert stage("preprocess", "standard") == ""
    assert "error: not enough memory" in stage("train", "held")


@pytest.mark.slow
def test_a_csv_larger_than_memory_is_divided(there: Path, images: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    names = ["label", *(f"pixel{index}" for index in range(784))]
    (there / "own").mkdir()
    (there / "own/train.csv.dvc").touch()
    table = pd.DataFrame(np.column_stack([images[1], images[0]]), columns=names)
    table.to_csv(there / "own/train.csv", index=False)
    assert stage("preprocess", "kaggle") == ""
    assert splits.load_description("kaggle").parts["train"] == 41_000
