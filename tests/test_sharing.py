"""Sharing results through a DVC remote: push to a folder, clone elsewhere, pull."""

import copy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.pipeline import ROOT, Project, Write

pytestmark = pytest.mark.slow


def results(project: Project) -> dict[str, bytes]:
    """Return the content of every file that the stages have made, by path."""
    folders = ("data", "models", "metrics", "predictions", "figures")
    files = [path for name in folders for path in (project.folder / name).rglob("*") if path.is_file()]
    return {path.relative_to(project.folder).as_posix(): path.read_bytes() for path in files}


def cloned(project: Project, folder: Path) -> Project:
    """Return a clone in which no mirror of MNIST is known."""
    clone = copy.copy(project)
    clone.folder, clone.mirror = folder, folder / "none"
    project.output("git", "clone", "--quiet", str(project.folder), str(folder))
    assert not (folder / "models").exists()
    return clone


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the remote."""
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, mirror: Path, write_parameters: Write, storage: Path) -> Project:
    """Return a project with one small model, run, committed and pushed to the remote."""
    project = Project(tmp_path_factory.mktemp("project"), mirror, write_parameters)
    row = YAML(typ="safe").load(ROOT / "params.yaml")["models"]["w3-relu-10"]
    project.set({"models": {"only": row | {"updates": 20}}})
    project.repro()
    project.output("dvc", "remote", "add", "--default", "storage", str(storage))
    project.output("dvc", "remote", "modify", "storage", "verify", "true")
    project.output("git", "add", ".")
    project.output("git", "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "-m", "first")
    project.output("dvc", "push")
    return project


@pytest.fixture(scope="module")
def clone(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone in which the results have been pulled."""
    clone = cloned(project, tmp_path_factory.mktemp("elsewhere") / "clone")
    clone.output("dvc", "pull")
    return clone


def test_the_clone_has_the_same_results(project: Project, clone: Project) -> None:
    mine = results(project)
    assert {"data/raw/source.json", "models/only.npz", "metrics/only.json"} <= mine.keys()
    assert any(path.startswith("figures/only/") for path in mine)
    assert results(clone) == mine


def test_there_is_nothing_to_run(clone: Project) -> None:
    assert clone.repro() == []
    assert clone.output("dvc", "metrics", "diff") == ""
    assert clone.output("git", "status", "--porcelain") == ""


def test_a_password_stays_out_of_git(clone: Project) -> None:
    clone.output("dvc", "remote", "add", "server", "ssh://example.org/storage")
    clone.output("dvc", "remote", "modify", "--local", "server", "password", "secret")
    assert "secret" in (clone.folder / ".dvc/config.local").read_text(encoding="utf-8")
    assert "secret" not in (clone.folder / ".dvc/config").read_text(encoding="utf-8")
    assert clone.output("git", "status", "--porcelain", "--untracked-files=all") == " M .dvc/config\n"


def test_a_file_that_was_changed_on_the_remote_is_not_taken(project: Project, storage: Path, tmp_path: Path) -> None:
    lock = YAML(typ="safe").load(project.folder / "dvc.lock")
    (md5,) = [out["md5"] for out in lock["stages"]["train@only"]["outs"] if out["path"] == "models/only.npz"]
    stored = storage / "files/md5" / md5[:2] / md5[2:]
    genuine = stored.read_bytes()
    stored.chmod(0o644)
    stored.write_bytes(genuine[:-1] + bytes([genuine[-1] ^ 1]))
    stored.chmod(0o444)
    clone = cloned(project, tmp_path / "clone")
    assert clone.run("dvc", "pull", "train@only").returncode != 0
    assert not (clone.folder / "models/only.npz").exists()
