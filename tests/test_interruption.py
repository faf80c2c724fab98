"""Interrupted training: killed at random moments, by a full disk, and together with DVC."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.fetch import fetch
from stages.preprocess import preprocess
from stages.schema import load_data
from tests.pipeline import ROOT, Project, Write

NAME = "w3-relu-10"
ROW = {"batch_size": 16, "dropout": 0.2, "optimizer": {"name": "adam"}, "learning_rate": 0.001, "updates": 8000}
OUTPUTS = (f"models/{NAME}.npz", f"metrics/history/{NAME}.csv")
TRAIN = f"""
import sys
from stages import checkpoints, errors, train
checkpoints.SECONDS = 0
restore = checkpoints.Checkpoint.restore
checkpoints.Checkpoint.restore = lambda checkpoint: (restore(checkpoint), print("ready", flush=True))
errors.run(lambda: train.train("{NAME}"))
"""


@pytest.fixture
def prepared(project: Path, mirror: Path, write_parameters: Write) -> Path:
    """Return a folder with the split kaggle of a few digits and a model that takes some seconds."""
    changes = {f"models.{NAME}.{key}": value for key, value in ROW.items()}
    write_parameters(project, {"splits.kaggle.validation": 0.1, f"models.{NAME}.early_stopping": 1000, **changes})
    fetch(load_data(), str(mirror))
    preprocess("kaggle")
    return project


def start(folder: Path, **options: Any) -> subprocess.Popen[str]:
    """Start the training, with a checkpoint at each record, and return when its updates are about to begin."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.stderr and process.stderr.read()
    return process


def outputs(folder: Path) -> list[bytes]:
    return [(folder / path).read_bytes() for path in OUTPUTS]


def finished(folder: Path) -> tuple[list[bytes], str]:
    """Train to the end; return the bytes of the outputs and what was said."""
    process = start(folder)
    _, said = process.communicate()
    assert process.returncode == 0, said
    return outputs(folder), said


@pytest.mark.slow
def test_killed_at_twenty_random_moments_it_ends_with_the_same_bytes(prepared: Path, tmp_path: Path) -> None:
    uninterrupted = shutil.copytree(prepared, tmp_path / "uninterrupted")
    begin = time.monotonic()
    expected, said = finished(uninterrupted)
    duration = time.monotonic() - begin
    assert "goes on" not in said
    rng = np.random.default_rng()
    went_on = 0
    for number in range(20):
        process = start(prepared)
        time.sleep(rng.uniform(0, duration / 60))
        process.send_signal((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[number % 3])
        _, said = process.communicate()
        went_on += "goes on at update" in said
    assert went_on >= 10
    assert not any((prepared / path).exists() for path in OUTPUTS)
    actual, said = finished(prepared)
    assert "goes on at update" in said
    assert actual == expected


@pytest.mark.slow
def test_after_a_full_disk_it_ends_with_the_same_bytes(prepared: Path, tmp_path: Path) -> None:
    expected, _ = finished(shutil.copytree(prepared, tmp_path / "uninterrupted"))
    stopped = start(prepared)
    while not list((prepared / "checkpoints").glob("*.npz")):
        time.sleep(0.01)
    stopped.kill()
    stopped.communicate()
    checkpoint = prepared / "checkpoints" / f"{NAME}.npz"
    before = checkpoint.read_bytes()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    process = start(prepared, preexec_fn=limit)
    _, said = process.communicate()
    assert process.returncode == 1
    assert said.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in said
    assert checkpoint.read_bytes() == before
    actual, said = finished(prepared)
    assert "goes on at update" in said
    assert actual == expected


@pytest.mark.slow
def test_killed_with_dvc_the_training_ends_and_the_next_repro_goes_on(
    tmp_path: Path, mirror: Path, write_parameters: Write
) -> None:
    project = Project(tmp_path, mirror, write_parameters)
    code = tmp_path / "stages/checkpoints.py"
    code.write_text(code.read_text().replace("SECONDS = 10.0", "SECONDS = 0.0"))
    project.set({f"models.first.{key}": value for key, value in ROW.items()})
    project.repro("train@first")
    paths = [tmp_path / "models/first.npz", tmp_path / "metrics/history/first.csv"]
    expected = [path.read_bytes() for path in paths]
    paths[0].unlink()
    shutil.rmtree(tmp_path / ".dvc/cache")
    checkpoint = tmp_path / "checkpoints/first.npz"
    killed = project.start("dvc", "repro", "--force", "--single-item", "train@first")
    while not checkpoint.exists():
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()  # DVC alone: the stage is left without its parent
    killed.communicate(timeout=10)  # returns when the stage, which has inherited the pipes, has ended too
    assert checkpoint.exists()
    assert not paths[0].exists()
    done = project.run("dvc", "repro", "--force", "--single-item", "train@first")
    assert "goes on at update" in done.stderr
    assert [path.read_bytes() for path in paths] == expected
