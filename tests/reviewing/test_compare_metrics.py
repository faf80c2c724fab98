"""The metrics just made against the committed ones."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reviewing import compare_metrics
from reviewing.judging import TOLERANCE
from stages.shared import schema
from stages.shared.errors import UserError

PART = {"accuracy": 0.875, "interval": [0.85, 0.9], "cross_entropy": 0.5}
METRICS = {"dataset": "MNIST", "test": PART, "held_out": None}


def write(name: str, content: Any) -> None:
    Path("metrics").mkdir(exist_ok=True)
    Path("metrics", f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def git(*arguments: str) -> None:
    identity = {f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *arguments], check=True, env=os.environ | identity)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a new repository with one committed metrics file."""
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    write("model", METRICS)
    Path("params.yaml").write_text('{"models": {}}', encoding="utf-8")
    Path("metrics/history").mkdir()
    Path("metrics/history/model.csv").write_text("update\n1\n", encoding="utf-8")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")


@pytest.mark.usefixtures("repository")
def test_equal(capsys: pytest.CaptureFixture[str]) -> None:
    compare_metrics.compare()
    assert capsys.readouterr().out == "metrics/model.json: equal to the last commit's\n"


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    "change", [{"accuracy": 0.851}, {"cross_entropy": 0.5 + 0.9 * TOLERANCE}, {"precision": [0.1]}]
)
def test_within_the_rule(change: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    if "precision" in change:  # has no measure of its own
        write("model", METRICS | {"test": PART | {"precision": [0.9]}})
        git("commit", "--quiet", "--all", "--message", "second")
    write("model", METRICS | {"test": PART | change})
    compare_metrics.compare()
    assert capsys.readouterr().out == (
        "metrics/model.json: not equal to, but 1 values are within the rule of the last commit's\n"
    )


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accuracy": 0.849}, r"test\.accuracy is 0\.849, and 0\.875 in the last commit"),
        ({"cross_entropy": 0.5 - 1.1 * TOLERANCE}, r"test\.cross_entropy is 0\.4945, and 0\.5 in the last commit"),
        ({"accuracy": "many"}, r"test\.accuracy is many, and 0\.875 in the last commit"),
        ({"more": 1}, r"test\.more is 1, and absent in the last commit"),
    ],
)
def test_beyond_the_rule(change: dict[str, Any], message: str) -> None:
    write("model", METRICS | {"test": PART | change})
    with pytest.raises(UserError, match=rf"^metrics/model\.json: {message}$"):
        compare_metrics.compare()


@pytest.mark.usefixtures("repository")
def test_an_accuracy_may_differ_as_much_as_between_seeds_where_that_is_measured() -> None:
    row = schema.read(Path(__file__).parents[2] / "params.yaml")["models"]["w3-relu-10"]
    subject = {"quantity": "accuracy", "part": "test", "update": 750}
    claim = {"write_up": "W3", "measured": [{"subject": subject, "seeds": 5, "sd": 0.001, "mean": 0.9}]}
    reproductions = {"dataset": "MNIST", "networks": {"W3": row}, "claims": [claim]}
    write("reproductions", reproductions)
    Path("params.yaml").write_text(json.dumps({"models": {"model": row}}), encoding="utf-8")
    git("add", ".")
    git("commit", "--quiet", "--message", "second")
    write("model", METRICS | {"test": PART | {"accuracy": 0.872}})  # t of 5 seeds times the root of 2 is 3.93
    compare_metrics.compare()
    write("model", METRICS | {"test": PART | {"accuracy": 0.870}})
    with pytest.raises(UserError, match=r"test\.accuracy is 0\.87,"):
        compare_metrics.compare()


@pytest.mark.usefixtures("repository")
def test_another_data_set_is_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    write("model", {"dataset": "5,000 digits", "test": None})
    compare_metrics.compare()
    assert "comparison skipped, of '5,000 digits' here and of 'MNIST'" in capsys.readouterr().out


@pytest.mark.usefixtures("repository")
def test_a_file_in_one_place_only() -> None:
    Path("metrics/model.json").rename("metrics/other.json")
    with pytest.raises(UserError, match=r"(?s)model\.json: in the last commit only.*other\.json: not committed"):
        compare_metrics.compare()


@pytest.mark.usefixtures("repository")
def test_no_metrics_at_all() -> None:
    git("rm", "-r", "--quiet", "metrics")
    git("commit", "--quiet", "--message", "second")
    with pytest.raises(UserError, match="nothing to compare"):
        compare_metrics.compare()


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text('{"models": {}}', encoding="utf-8")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match=r"^git ls-tree --name-only HEAD metrics/: \S"):
        compare_metrics.compare()
