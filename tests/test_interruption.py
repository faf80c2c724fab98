"""Interrupted training: killed at random moments, by a full disk, and together with DVC.

Nothing here depends on how fast the machine is: what is waited for is an event, and never a time.
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.fetch import fetch
from stages.preprocess import preprocess
from stages.shared.schema import load_data
from tests.networks import layer_rows
from tests.pipeline import ROOT, Project, Write

NAME = "w3-relu-10"
ROW = {
    "layers": layer_rows(10, dropout=0.2),
    "batch_size": 16,
    "optimizer": {"name": "adam"},
    "learning_rate": 0.001,
    "updates": 4000,
}
OUTPUTS = (f"models/{NAME}.npz", f"metrics/history/{NAME}.csv")
KILLS, FURTHEST = 20, 120  # an epoch has fewer events than that, a training far more than KILLS * FURTHEST
RENAMED = "os.rename"
# A line for each update and for each file that is opened or moved into place. It is so long that few of them fit into a
# pipe: a training gets only so far ahead of the one who reads them, however fast the machine is.
TELL = f"""
import sys
from stages.shared import models
def tell(event):
    print(event.ljust(4000), flush=True)
def watch(event, arguments):
    if event in ("open", "{RENAMED}") and str(arguments[0]).startswith("checkpoints"):
        tell(event)
def with_tale(*arguments):
    trainer = build_trainer(*arguments)
    step = trainer.step
    trainer.step = lambda *batch: (tell("update"), step(*batch))[1]
    return trainer
build_trainer, models.build_trainer = models.build_trainer, with_tale
sys.addaudithook(watch)
"""
TRAIN = f"""
from stages.shared import checkpoints, errors
from stages import train
checkpoints.SECONDS = 0
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


def start(folder: Path, program: str, **options: Any) -> subprocess.Popen[str]:
    """Start a training with a checkpoint at each record."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def events(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return map(str.strip, process.stdout)


def outputs(folder: Path) -> list[bytes]:
    return [(folder / path).read_bytes() for path in OUTPUTS]


def finished(folder: Path) -> tuple[list[bytes], str]:
    """Train to the end; return the bytes of the outputs and what was said."""
    process = start(folder, TRAIN)
    _, said = process.communicate()
    assert process.returncode == 0, said
    return outputs(folder), said


@pytest.mark.slow
def test_killed_at_twenty_random_moments_it_ends_with_the_same_bytes(prepared: Path, tmp_path: Path) -> None:
    expected, said = finished(shutil.copytree(prepared, tmp_path / "uninterrupted"))
    assert "goes on" not in said
    checkpoint = prepared / "checkpoints" / f"{NAME}.npz"
    rng = np.random.default_rng()
    for number in range(KILLS):
        is_there = checkpoint.exists()
        process = start(prepared, TELL + TRAIN)
        seen = list(islice(events(process), int(rng.integers(1, FURTHEST))))
        sent = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[number % 3]
        process.send_signal(sent)
        _, said = process.communicate()
        assert process.returncode == (1 if sent == signal.SIGINT else -sent), said
        assert (sent == signal.SIGINT) == said.endswith("interrupted\n")
        assert ("goes on at update" in said) == is_there or "update" not in seen, said
        assert "is not used" not in said
        assert not any((prepared / path).exists() for path in OUTPUTS)
    actual, said = finished(prepared)
    assert "goes on at update" in said
    assert actual == expected


@pytest.mark.slow
def test_after_a_full_disk_it_ends_with_the_same_bytes(prepared: Path, tmp_path: Path) -> None:
    expected, _ = finished(shutil.copytree(prepared, tmp_path / "uninterrupted"))
    stopped = start(prepared, TELL + TRAIN)
    happened = events(stopped)
    assert RENAMED in happened  # reads up to it
    assert "update" in happened
    stopped.kill()
    stopped.communicate()
    checkpoint = prepared / "checkpoints" / f"{NAME}.npz"
    before = checkpoint.read_bytes()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    process = start(prepared, TRAIN, preexec_fn=limit)
    _, said = process.communicate()
    assert process.returncode == 1
    assert said.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in said
    assert checkpoint.read_bytes() == before
    actual, said = finished(prepared)
    assert "goes on at update" in said
    assert actual == expected


# After its first checkpoint a training waits for as long as there is such a file.
WAIT = """

def _save_and_wait(checkpoint: Checkpoint, save: Any = Checkpoint.save) -> None:
    save(checkpoint)
    while Path("wait").exists():
        time.sleep(0.01)


SECONDS, Checkpoint.save = 0.0, _save_and_wait
"""


@pytest.mark.slow
def test_killed_with_dvc_the_training_ends_and_the_next_repro_goes_on(
    tmp_path: Path, mirror: Path, write_parameters: Write
) -> None:
    project = Project(tmp_path, mirror, write_parameters, changes={"stages/shared/checkpoints.py": WAIT})
    project.set({f"models.first.{key}": value for key, value in ROW.items()} | {"models.first.updates": 500})
    project.repro("train@first")
    paths = [tmp_path / "models/first.npz", tmp_path / "metrics/history/first.csv"]
    expected = [path.read_bytes() for path in paths]
    paths[0].unlink()
    shutil.rmtree(tmp_path / ".dvc/cache")
    checkpoint = tmp_path / "checkpoints/first.npz"
    assert not checkpoint.exists()
    (tmp_path / "wait").touch()
    killed = project.start("dvc", "repro", "--force", "--single-item", "train@first")
    while not checkpoint.exists():
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()  # DVC alone: the stage, which waits, is left without its parent
    killed.communicate()  # returns when the stage, which has inherited the pipes, has ended too
    assert checkpoint.exists()
    assert not paths[0].exists()
    (tmp_path / "wait").unlink()
    done = project.run("dvc", "repro", "--force", "--single-item", "train@first")
    assert "goes on at update" in done.stderr
    assert [path.read_bytes() for path in paths] == expected
