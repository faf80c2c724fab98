"""The metrics just made against the committed ones."""

import json
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reviewing import compare_metrics
from reviewing.compare_metrics import TOLERANCE, distance
from stages.shared.errors import UserError

METRICS = {"dataset": "MNIST", "test": {"accuracy": 0.875, "interval": [0.85, 0.9]}, "held_out": None}


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
    Path("metrics/history").mkdir()
    Path("metrics/history/model.csv").write_text("update\n1\n", encoding="utf-8")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")


def test_distance_is_the_largest_of_all_numbers() -> None:
    assert distance({"a": 1, "b": [0.5, {"c": -0.5}]}, {"a": 1.0, "b": [0.75, {"c": 0}]}) == 0.5
    assert distance(METRICS, METRICS) == 0


def test_sentences_that_repeat_the_numbers_are_not_compared() -> None:
    assert distance({"a": 1, "finding": "1 image"}, {"a": 1.5, "finding": "1.5 images"}) == 0.5 / 1.5


def test_distance_of_numbers_beyond_1_is_relative() -> None:
    assert distance([400.0], [401.0]) == 1 / 401
    assert distance([1], [-3]) == 4 / 3


@pytest.mark.parametrize(
    "other",
    [{}, {"a": 1}, {"a": 1, "b": [2], "c": 3}, {"a": 1, "b": []}, {"a": 1, "b": [None]}, {"a": "1", "b": [2]}],
    ids=["nothing", "a key less", "a key more", "a shorter list", "null", "text"],
)
def test_distance_of_another_form(other: Any) -> None:
    assert distance({"a": 1, "b": [2]}, other) == math.inf


@pytest.mark.usefixtures("repository")
def test_equal(capsys: pytest.CaptureFixture[str]) -> None:
    compare_metrics.compare()
    assert capsys.readouterr().out == "metrics/model.json: equal to the last commit's\n"


@pytest.mark.usefixtures("repository")
def test_close(capsys: pytest.CaptureFixture[str]) -> None:
    write("model", METRICS | {"test": {"accuracy": 0.875 - 0.9 * TOLERANCE, "interval": [0.85, 0.9]}})
    compare_metrics.compare()
    assert "metrics/model.json: not equal to, but within 0.0045 of" in capsys.readouterr().out


@pytest.mark.usefixtures("repository")
def test_far() -> None:
    write("model", METRICS | {"test": {"accuracy": 0.875, "interval": [0.85, 0.9 + 1.1 * TOLERANCE]}})
    with pytest.raises(UserError, match=r"metrics/model\.json: not within"):
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
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match=r"^git ls-tree --name-only HEAD metrics/: \S"):
        compare_metrics.compare()
