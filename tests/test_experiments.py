"""Experiments with DVC: one parameter, two values, in a copy of the project."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.pipeline import ROOT, Project, Write

pytestmark = pytest.mark.slow

KEY = "models.only.learning_rate"
RATES = {"slow": 0.01, "fast": 0.2}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, mirror: Path, write_parameters: Write) -> Project:
    """Return a project with one small model, run and committed, and run again in an experiment for each rate."""
    project = Project(tmp_path_factory.mktemp("project"), mirror, write_parameters)
    row = YAML(typ="safe").load(ROOT / "params.yaml")["models"]["w3-relu-10"]
    project.set({"models": {"only": row | {"updates": 20}}})
    project.repro()
    project.output("git", "add", ".")
    project.output("git", "config", "user.name", "x")
    project.output("git", "config", "user.email", "x@example.org")
    project.output("git", "commit", "--quiet", "--message", "first")
    for name, rate in RATES.items():
        project.output("dvc", "exp", "run", "--name", name, "--set-param", f"{KEY}={rate}")
    return project


@pytest.fixture(scope="module")
def experiments(project: Project) -> dict[str, Any]:
    """Return the experiments that `dvc exp show` lists under the last commit, by name."""
    _, commit = json.loads(project.output("dvc", "exp", "show", "--json"))
    revisions = [experiment["revs"][-1] for experiment in commit["experiments"]]
    return {revision["name"]: revision["data"] for revision in revisions}


def test_show_lists_both_with_their_parameter(experiments: dict[str, Any]) -> None:
    rates = {
        name: data["params"]["params.yaml"]["data"]["models"]["only"]["learning_rate"]
        for name, data in experiments.items()
    }
    assert rates == RATES


def test_their_metrics_differ(experiments: dict[str, Any]) -> None:
    loss = {
        name: data["metrics"]["metrics/only.json"]["data"]["test"]["cross_entropy"]
        for name, data in experiments.items()
    }
    assert loss["fast"] < loss["slow"]


def test_diff_shows_the_parameter_and_what_came_of_it(project: Project) -> None:
    difference = json.loads(project.output("dvc", "exp", "diff", "slow", "fast", "--json"))
    assert list(difference["params"]["params.yaml"]) == [KEY]
    assert difference["metrics"]["metrics/only.json"]["test.cross_entropy"]["diff"] < 0


def test_there_is_nothing_to_run_after_one_is_applied(project: Project) -> None:
    project.output("dvc", "exp", "apply", "slow")
    assert project.repro() == []
    project.output("git", "restore", ".")
    project.output("dvc", "checkout")
    assert project.repro() == []
