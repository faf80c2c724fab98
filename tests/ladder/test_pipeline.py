"""The ladder's pipeline on a few real digits, through `dvc repro` itself in a copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.ladder.plan import plan

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture
def pipeline(ladder: Path) -> Path:
    """Return the folder of a ladder of two rungs and a committee, which nothing has been run of."""
    shutil.copytree(ROOT / "stages", ladder.parent / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / "ladder" / name, ladder / name)
    (ladder / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copy(ROOT / "ladder/.dvc" / name, ladder / ".dvc" / name)
    (ladder / "stages").symlink_to("../stages")
    subprocess.run(["git", "init", "--quiet"], cwd=ladder.parent, check=True)
    return ladder


def repro(folder: Path, *targets: str, mirror: Path | str = "") -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "MNIST_MIRROR": str(mirror)}
    command = [sys.executable, "-m", "dvc", "repro", *targets]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def ran(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stdout + done.stderr
    return re.findall(r"^Running stage '(.+)':", done.stdout, re.MULTILINE)


def test_a_ladder_is_run_once_and_what_has_changed_again(pipeline: Path, mirror: Path) -> None:
    stages = ran(repro(pipeline, mirror=mirror))
    assert sorted(stages) == sorted(
        ["fetch", "preprocess@final", "preprocess@choosing", "climb@low", "climb@high", "committee@both", "collect"]
    )
    results = json.loads((pipeline / "results.json").read_text())
    assert list(results["rungs"]) == ["high", "low", "both"]
    assert plan([]) == "No rung is to be run."
    assert ran(repro(pipeline, mirror=mirror)) == []
    (pipeline / "stages/nn/__pycache__").mkdir(exist_ok=True)
    (pipeline / "stages/nn/__pycache__/affine.pyc").touch()
    assert ran(repro(pipeline, mirror=mirror)) == []
    parameters = YAML(typ="safe").load(pipeline / "params.yaml")
    parameters["models"]["small"]["learning_rate"] = 0.2
    YAML(typ="safe").dump(parameters, pipeline / "params.yaml")
    assert re.match(r"1 of 2 rungs .*:\n  high  3 seeds +0\.\d min, as on ", plan([]))
    assert plan(["climb@low"]) == "No rung is to be run."
    assert ran(repro(pipeline, mirror=mirror)) == ["climb@high", "committee@both", "collect"]


def test_before_anything_has_been_run_the_plan_is_by_estimates(pipeline: Path) -> None:
    first, *lines = plan([]).splitlines()
    assert first == "2 of 2 rungs are to be run, about 63 minutes of training:"
    assert sorted(lines) == ["  high  3 seeds     3.0 min, estimated", "  low   2 seeds    60.0 min, estimated"]
    text = Path("rungs.yaml").read_text()
    Path("rungs.yaml").write_text(text.replace("minutes: 1", "minutes: 60"))
    assert "about 4.0 hours" in plan([])


def test_without_the_images_it_is_told_where_they_come_from(pipeline: Path) -> None:
    done = repro(pipeline, "climb@low")
    assert done.returncode != 0
    assert "error: no mirror gave all four image files:" in done.stderr
    assert "Set MNIST_MIRROR to the URL or the folder of a mirror" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (pipeline / "models").exists()
