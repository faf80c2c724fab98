"""The race itself, with contestants whose times and accuracies are known."""

import json
import sys
import time
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import run
from benchmarks.contestants import CONTESTANTS, Contestant, Work
from stages.fetch import fetch
from stages.preprocess import preprocess
from stages.shared.schema import load_data
from tests.benchmarks.contestants import improving, timed

FULL_BATCH, MINI_BATCH = Work("full batch", (784, 10), None, updates=5), Work("mini-batch", (784, 10), 32)
MEGABYTES = 100


@pytest.fixture(autouse=True)
def _standard(project: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    fetch(load_data(), str(mirror))
    preprocess("standard")


def measured(work: Work, seconds: dict[str, list[float]]) -> dict[str, Any]:
    contestants: dict[str, Contestant] = {name: partial(timed, seconds=each) for name, each in seconds.items()}
    return run.measure(work, "standard", 3, contestants)


@pytest.mark.parametrize(
    ("work", "unit", "expected", "unable"),
    [
        (FULL_BATCH, "ms per update", 1000 * 2 / 5, ["scikit-learn"]),
        (MINI_BATCH, "s per epoch", 2, ["plain loop, float64", "plain loop, float32"]),
    ],
)
def test_the_time_is_that_of_an_update_or_an_epoch_of_who_can_do_the_work(
    work: Work, unit: str, expected: float, unable: list[str]
) -> None:
    result = measured(work, {name: [2.0, 1.0, 9.0] for name in ("ours", *unable)})
    assert (result["work"], result["unit"]) == (work.name, unit)
    assert list(result["contestants"]) == ["ours"]
    assert result["contestants"]["ours"]["time"] == expected


@pytest.mark.parametrize(("work", "peer"), [(FULL_BATCH, "plain loop, float64"), (MINI_BATCH, "scikit-learn")])
def test_the_ratio_is_the_median_over_the_rounds_of_ours_divided_by_theirs(work: Work, peer: str) -> None:
    found = measured(work, {peer: [4.0, 2.0, 3.0], "ours": [2.0, 1.5, 9.0]})["contestants"]
    assert {name: result["ours_over_theirs"] for name, result in found.items()} == {peer: 0.75, "ours": 1}


def test_the_peak_memory_is_that_of_the_contestant_alone() -> None:
    frugal = partial(timed, seconds=[1.0])
    contestants = {"ours": frugal, "hoarder": partial(frugal, hoard=MEGABYTES)}
    found = run.measure(MINI_BATCH, "standard", 1, contestants)["contestants"]
    ours, hoarder = (found[name]["peak_megabytes"] for name in contestants)
    assert hoarder - ours == pytest.approx(MEGABYTES, rel=0.2)


@pytest.mark.parametrize(
    ("accuracies", "reached"),
    [
        ([0.5, 0.93, 0.94, 0.95, 0.97], [True, True]),
        ([0.98], [True, True]),
        ([0.93, 0.95, 0.1], [True, False]),
    ],
)
def test_a_target_is_reached_once_the_accuracy_is_as_high_unless_the_limit_comes_first(
    accuracies: list[float], reached: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(looks)))  # a second passes from look to look
    seconds = run.cold_start(partial(improving, accuracies=accuracies), limit=600)
    assert list(seconds) == ["94%", "97%"]
    times = [time for time in seconds.values() if time is not None]
    assert [time is not None for time in seconds.values()] == reached
    assert times == sorted(set(times))
    assert all(0 < time < 600 for time in times)


def test_nothing_is_reached_within_no_time() -> None:
    assert run.cold_start(partial(improving, accuracies=[1.0]), limit=0) == {"94%": None, "97%": None}


def test_the_machine_says_what_the_figures_were_measured_on() -> None:
    machine = run.machine(["numpy"])
    assert list(machine) == ["processor", "cores", "threads", "python", "blas", "numpy"]
    assert machine["numpy"] == np.__version__
    assert machine["threads"] == run.THREADS
    assert machine["python"] == sys.version.split()[0]


def test_all_works_and_all_contestants_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "measure", lambda work, split, rounds: [work.name, split, rounds])
    monkeypatch.setattr(run, "cold_start", lambda contestant, limit: [contestant is CONTESTANTS["ours"], limit])
    monkeypatch.setattr(run, "machine", lambda: "this one")
    monkeypatch.setattr(sys, "argv", ["run", "--rounds", "3", "--limit", "8"])
    run.main()
    results = json.loads(run.RESULTS.read_text())
    assert results["machine"] == "this one"
    assert results["works"] == [[work.name, split, 3] for work, split in run.CAMPAIGN]
    seconds = results["cold_start"]["seconds"]
    assert set(seconds) == set(CONTESTANTS) - {"bare products"}
    assert seconds == {name: [name == "ours", 8] for name in seconds}
