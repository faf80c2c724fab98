"""The same commit gives the same bytes, whatever the environment says."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from stages.claims.reproductions.runs import PRINTED
from stages.shared import models
from tests.networks import layer_rows
from tests.pipeline import ROOT, Project, Write

DATA = ("fetch", "preprocess")
KERNELS = ("Haswell", "Nehalem")  # with fused multiply-add, and with SSE alone
ENVIRONMENTS = [
    {"OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "1"},
    {"OPENBLAS_NUM_THREADS": "2", "LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "2"},
]
ROWS = YAML(typ="safe").load(ROOT / "params.yaml")["models"]
CORES = [1, 2]  # that a run may use, where it can be told
PARAMETERS = {  # two threads, so that a difference in their number would show
    "blas_threads": 2,
    "models.second.batch_size": 32,
    "models.second.layers": layer_rows(10, dropout=0.2),
    "models.second.optimizer": {"name": "adam"},
    "models.second.parts": 3,
    **{f"models.{name}": ROWS[name] for name in PRINTED.values()},  # the claims are tested with these
    "reproduce.seeds": {"first": 0, "costly": 2, "usual": 2, "many": 2},
}
# One claim is about speed. Whether it holds is measured, and a busy machine may find otherwise than an idle one.
UNTIMED = """

def compare_speed(times: float) -> Speed:
    return Speed(times, True, False)
"""


@contextmanager
def cores(number: int) -> Iterator[None]:
    """Let this process, and what it starts, use so many processor cores."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:number])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.slow
def test_every_artifact_has_the_same_bytes_in_another_environment(
    tmp_path: Path, mirror: Path, write_parameters: Write
) -> None:
    locks = []
    for number, environment in enumerate(ENVIRONMENTS):
        changes = {"stages/claims/reproductions/runs.py": UNTIMED}
        project = Project(
            tmp_path / str(number), mirror, write_parameters, without=["export", "paper"], changes=changes
        )
        project.set(PARAMETERS)
        with cores(CORES[number]):
            project.repro(**environment)
        locks.append(YAML(typ="safe").load(project.folder / "dvc.lock"))
    first, second = ({name: stage["outs"] for name, stage in lock["stages"].items()} for lock in locks)
    assert {"plot@first", "plot@second", "ablate", "reproduce"} <= first.keys()
    assert first == second


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the kernels are those of x86-64")
def test_on_another_kind_of_processor_only_rounding_differs(
    tmp_path: Path, mirror: Path, write_parameters: Write
) -> None:
    parameters, outs = [], []
    for kernels in KERNELS:
        project = Project(tmp_path / kernels, mirror, write_parameters)
        project.set({"models.first.updates": 100})
        project.repro("evaluate@first", OPENBLAS_CORETYPE=kernels)
        network = models.load(project.folder / "models/first.npz").network
        parameters.append(np.concatenate([theta.ravel() for theta in network.parameters.values()]))
        lock = YAML(typ="safe").load(project.folder / "dvc.lock")
        outs.append({name: stage["outs"] for name, stage in lock["stages"].items() if name.startswith(DATA)})
    first, second = parameters
    assert not np.array_equal(first, second), "the kernels are the same: this tests nothing"
    assert np.linalg.norm(first - second) < 1e-5 * np.linalg.norm(first)
    assert outs[0] == outs[1] != {}
