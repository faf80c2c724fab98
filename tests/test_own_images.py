"""Image files of the user's own, in own/: they are there in queued experiments, worktrees and clones."""

import copy
import hashlib
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from ruamel.yaml import YAML

from stages.shared.mnist import FILES
from tests.pipeline import ROOT, Project, Write

pytestmark = pytest.mark.slow

Digits = tuple[NDArray[np.uint8], NDArray[np.uint8]]
TARGET = "evaluate@only"


def commit(project: Project) -> None:
    project.output("git", "add", ".")
    project.output("git", "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "-m", "own")


@pytest.fixture(scope="module", params=["CSV", "IDX"])
def project(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    mirror: Path,
    digits: Digits,
    write_parameters: Write,
) -> Project:
    """Return a project with images of its own, run, committed and pushed to a folder; no mirror is known to it."""
    project = Project(tmp_path_factory.mktemp("project"), Path(), write_parameters)
    own = project.folder / "own"
    row = YAML(typ="safe").load(ROOT / "params.yaml")["models"]["w3-relu-10"] | {"updates": 20}
    size = {"splits.kaggle.images": 500, "splits.kaggle.held_out": 50, "models": {"only": row}}
    if request.param == "CSV":
        own.mkdir()
        columns = ["label", *(f"pixel{index}" for index in range(784))]
        table = pd.DataFrame(np.column_stack([digits[1], digits[0]]), columns=columns)
        table.to_csv(own / "train.csv", index=False)
        project.set({**size, "splits.kaggle.source": "own/train.csv"})
        project.output("dvc", "add", "own/train.csv")
    else:
        shutil.copytree(mirror, own / "digits")
        sums = {name: hashlib.sha256((mirror / name).read_bytes()).hexdigest() for name in FILES}
        project.set({**size, "data.mirrors": ["own/digits"], "data.sha256": sums, "data.name": "mine"})
        project.output("dvc", "add", "own/digits")
    project.output("git", "add", "own")
    project.mirror = Path()
    project.repro(TARGET, MNIST_MIRROR="")
    project.output("dvc", "remote", "add", "--default", "storage", str(tmp_path_factory.mktemp("storage")))
    commit(project)
    project.output("dvc", "push")
    return project


def metrics(project: Project) -> str:
    return (project.folder / "metrics/only.json").read_text(encoding="utf-8")


def test_the_images_are_used_as_asked(project: Project) -> None:
    parts = json.loads((project.folder / "data/splits/kaggle/split.json").read_text())["parts"]
    assert (parts["train"], parts["held_out"]) == (450, 50)


def test_a_queued_experiment_has_them(project: Project) -> None:
    project.output("git", "config", "user.name", "x")
    project.output("git", "config", "user.email", "x@example.org")
    project.output("dvc", "exp", "run", "--queue", "--name", "queued", "-S", "splits.kaggle.seed=1", TARGET)
    assert project.run("dvc", "queue", "start", MNIST_MIRROR="").returncode == 0
    end = time.monotonic() + 300
    while (status := project.output("dvc", "queue", "status")) and time.monotonic() < end:
        if "Success" in status or "Failed" in status:
            break
        time.sleep(1)
    assert "Success" in status, project.run("dvc", "queue", "logs", "queued").stdout
    commits = project.output("dvc", "exp", "list", "--name-only").split()
    assert commits == ["queued"]


def test_a_worktree_has_them(project: Project, tmp_path: Path) -> None:
    project.output("git", "worktree", "add", str(tmp_path / "tree"))
    tree = copy.copy(project)
    tree.folder = tmp_path / "tree"
    tree.output("dvc", "cache", "dir", "--local", str(project.folder / ".dvc/cache"))
    tree.output("dvc", "checkout", "--allow-missing")
    assert tree.repro(TARGET, MNIST_MIRROR="") == []
    assert tree.repro("--force", TARGET, MNIST_MIRROR="") != []
    assert metrics(tree) == metrics(project)


def test_a_clone_has_them(project: Project, tmp_path: Path) -> None:
    project.output("git", "clone", "--quiet", str(project.folder), str(tmp_path / "clone"))
    clone = copy.copy(project)
    clone.folder = tmp_path / "clone"
    clone.output("dvc", "pull", "--allow-missing")
    assert clone.repro(TARGET, MNIST_MIRROR="") == []
    assert clone.repro("--force", TARGET, MNIST_MIRROR="") != []
    assert metrics(clone) == metrics(project)
