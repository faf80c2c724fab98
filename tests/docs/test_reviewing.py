"""The recipe of docs/reviewing.md, followed to its end in a copy of the project."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from publishing.blocks import FENCE
from tests.networks import layer_rows
from tests.pipeline import ROOT, Project, Write

RUN_APART = ("export", "ablate", "reproduce")
MODELS = ("w2-relu-10", "other")
EDIT = "# in params.yaml, the 10 hidden units of w2-relu-10 become 32"
REPORT = f"{sys.executable} -m reviewing.report"
HOOKS = {
    hook["id"]: hook["entry"] for hook in YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]
}


@pytest.fixture
def project(tmp_path: Path, mirror: Path, write_parameters: Write) -> Project:
    """Return a project with two models and a small paper, run and committed, whose commits check-lock guards."""
    project = Project(tmp_path, mirror, write_parameters, RUN_APART)
    for name in ("reviewing", "publishing"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "docs/sample-report").mkdir(parents=True)
    pipeline = YAML(typ="safe").load(tmp_path / "dvc.yaml")
    pipeline["stages"]["paper"] |= {
        "cmd": "cp params.yaml paper/all.pdf",
        "deps": ["metrics", "figures"],
        "outs": ["paper/all.pdf"],
    }
    YAML(typ="safe").dump(pipeline, tmp_path / "dvc.yaml")
    row = YAML(typ="safe").load(ROOT / "params.yaml")["models"]["w2-relu-10"] | {"updates": 20}
    project.set({"models": {name: dict(row) for name in MODELS}, "shown": "w2-relu-10"})
    (tmp_path / "paper").mkdir()
    project.repro()
    for key, value in (("user.name", "x"), ("user.email", "x@example.org")):
        project.output("git", "config", key, value)
    project.output("git", "checkout", "--quiet", "-b", "main")
    project.output("git", "add", ".")
    project.output("git", "commit", "--quiet", "--message", "first")
    hook = tmp_path / ".git/hooks/pre-commit"
    hook.write_text(f"#!/bin/sh\n{HOOKS['check-lock'].replace('.venv/bin/python', sys.executable)}\n", encoding="utf-8")
    hook.chmod(0o755)
    return project


def recipe() -> list[str]:
    """Return the lines of the last block of the page."""
    *_, last = FENCE.finditer((ROOT / "docs/reviewing.md").read_text(encoding="utf-8"))
    return last["body"].splitlines()


@pytest.mark.slow
def test_the_sample_can_be_made_again_by_the_recipe_and_main_asks_for_the_rest(project: Project) -> None:
    lines = recipe()
    assert EDIT in lines
    printed = []
    for line in lines:
        if line == EDIT:
            project.set({"models": project_rows(project) | {"w2-relu-10": wider(project)}, "shown": "w2-relu-10"})
            refused = project.run("git", "commit", "--all", "--message", "Too early")
            assert (
                "error: params.yaml: models.w2-relu-10.layers.0.units is not what train@w2-relu-10 was run with"
                in refused.stderr
            )
            assert "run `dvc repro plot@w2-relu-10`" in refused.stderr
        else:
            command = line.replace("make report", REPORT)
            done = project.run("sh", "-c", command)
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
            printed.append(done.stdout + done.stderr)
    assert any(
        "paper is older than some models; before this goes to main: `dvc repro paper`" in text for text in printed
    )
    report = (project.folder / "docs/sample-report/report.md").read_text(encoding="utf-8")
    assert "From `main`" in report
    assert "`w2-relu-10`" in report
    check = (sys.executable, "-m", "reviewing.check_lock", "--all")
    refused = project.run(*check)
    assert "error: params.yaml: models.w2-relu-10.layers.0.units is not what paper was run with" in refused.stderr
    assert project.repro() == ["paper"]
    project.output("git", "commit", "--all", "--quiet", "--message", "Build the paper")
    assert project.output(*check) == ""


def report(project: Project) -> str:
    """Write the report against main and return it."""
    project.output(*REPORT.split())
    return (project.folder / "report/report.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_a_report_lacks_comes_by_what_it_says(project: Project) -> None:
    lacking = "metrics/predictions/w2-relu-10.csv"
    project.output("git", "rm", "--quiet", lacking)
    project.output("git", "commit", "--quiet", "--no-verify", "--message", "Without predictions")
    project.output("git", "switch", "--quiet", "--create", "branch")
    project.set({"models": project_rows(project) | {"w2-relu-10": wider(project)}, "shown": "w2-relu-10"})
    project.repro("plot@w2-relu-10")
    project.output("git", "add", ".")
    project.output("git", "commit", "--quiet", "--message", "Wider")
    assert f"`{lacking}` is not in git at `main`. Check that out, run `dvc repro` and commit the file." in report(
        project
    )
    project.output("git", "switch", "--quiet", "main")
    project.repro()
    project.output("git", "add", lacking)
    project.output("git", "commit", "--quiet", "--message", "With predictions")
    project.output("git", "switch", "--quiet", "branch")
    shutil.rmtree(project.folder / "data/splits")
    lines = report(project).splitlines()
    (line,) = (line for line in lines if "are not drawn" in line)
    advice = re.search("For the images alone it is `dvc ([^`]+)`", line)
    assert advice
    project.output("dvc", *advice[1].split())
    text = report(project)
    assert "What is missing" not in text
    assert "w2-relu-10-digits.png" in text


def project_rows(project: Project) -> dict[str, dict[str, object]]:
    """Return the models of params.yaml as they stand."""
    rows: dict[str, dict[str, object]] = YAML(typ="safe").load(project.folder / "params.yaml")["models"]
    return rows


def wider(project: Project) -> dict[str, object]:
    """Return the row of the recipe's model with 32 hidden units."""
    return project_rows(project)["w2-relu-10"] | {"layers": layer_rows(32)}
