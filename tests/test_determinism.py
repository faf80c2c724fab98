"""The same commit gives the same bytes, whatever the environment says."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.pipeline import Project

Write = Callable[[Path, Mapping[str, Any]], None]

ENVIRONMENTS = [
    {"OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "1"},
    {"OPENBLAS_NUM_THREADS": "2", "LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "2"},
]
MODELS = {  # two threads, so that a difference in their number would show
    "blas_threads": 2,
    "models.second.batch_size": 32,
    "models.second.dropout": 0.2,
    "models.second.optimizer": {"name": "adam"},
}


@pytest.mark.slow
def test_every_artifact_has_the_same_bytes_in_another_environment(
    tmp_path: Path, mirror: Path, write_parameters: Write
) -> None:
    locks = []
    for number, environment in enumerate(ENVIRONMENTS):
        project = Project(tmp_path / str(number), mirror, write_parameters)
        project.set(MODELS)
        project.repro(**environment)
        locks.append(YAML(typ="safe").load(project.folder / "dvc.lock"))
    first, second = ({name: stage["outs"] for name, stage in lock["stages"].items()} for lock in locks)
    assert {"plot@first", "plot@second"} <= first.keys()
    assert first == second
