"""The race itself, with contestants whose times and accuracies are known."""

import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from benchmarks import run
from benchmarks.contestants import BARE, CONTESTANTS, THREADS, Contestant, Work
from stages.fetch import fetch
from stages.preprocess import preprocess
from stages.shared.errors import UserError
from stages.shared.schema import load_data
from tests.benchmarks.contestants import failing, improving, sleeping, timed

ROOT = Path(__file__).parents[2]
FULL_BATCH, MINI_BATCH = Work("full batch", (784, 10), None, updates=5), Work("mini-batch", (784, 10), 32)
MEGABYTES = 100


@pytest.fixture
def _standard(project: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    fetch(load_data(), str(mirror))
    preprocess("standard")


standard = pytest.mark.usefixtures("_standard")


@standard
@pytest.mark.parametrize(
    ("work", "peer", "unit", "time", "unable"),
    [
        (FULL_BATCH, "plain loop, float64", "ms per update", 1000 * 2 / 5, ["scikit-learn"]),
        (MINI_BATCH, "scikit-learn", "s per epoch", 2, ["plain loop, float64", "plain loop, float32"]),
    ],
)
def test_what_is_measured(work: Work, peer: str, unit: str, time: float, unable: list[str]) -> None:
    contestants: dict[str, Contestant] = {
        peer: partial(timed, seconds=[4.0, 2.0, 3.0], losses=[2.5, 1.05], hoard=MEGABYTES),
        "ours": partial(timed, seconds=[2.0, 1.5, 9.0]),
        **{name: partial(timed, seconds=[]) for name in unable},
    }
    result = run.measure(work, "standard", 3, contestants)
    assert (result["work"], result["unit"]) == (work.name, unit)
    found = result["contestants"]
    assert list(found) == [peer, "ours"]
    assert found["ours"]["time"] == time
    assert found["ours"]["ours_over_theirs"] == {"smallest": 1, "median": 1, "largest": 1}
    assert found[peer]["ours_over_theirs"] == {"smallest": 0.5, "median": 0.75, "largest": 3}
    assert [found[name]["loss"] for name in (peer, "ours")] == [1.05, 1]
    assert found[peer]["peak_megabytes"] - found["ours"]["peak_megabytes"] == pytest.approx(MEGABYTES, rel=0.2)


@standard
def test_who_sleeps_half_as_long_as_we_do_is_twice_as_fast() -> None:
    contestants: dict[str, Contestant] = {
        name: partial(sleeping, seconds=seconds) for name, seconds in {"ours": 0.4, "theirs": 0.2}.items()
    }
    found = run.measure(MINI_BATCH, "standard", 1, contestants)["contestants"]
    assert found["theirs"]["ours_over_theirs"]["median"] == pytest.approx(2, rel=0.25)


@standard
@pytest.mark.parametrize(
    ("contestant", "message"),
    [
        (
            CONTESTANTS["ours"],
            r"^ours: does not learn at mini-batch: its loss is (\S+) after .*, and was \1 at the start",
        ),
        (failing, "^ours: ended before it was measured"),
    ],
)
def test_who_does_not_learn_is_refused(contestant: Contestant, message: str) -> None:
    with pytest.raises(UserError, match=message):
        run.measure(replace(MINI_BATCH, learning_rate=0), "standard", 1, {"ours": contestant})


@pytest.mark.parametrize(
    ("name", "loss", "message"),
    [
        ("ours", 2.0, "ours: does not learn at work: its loss is 2 after the first measured round, and was 2 at"),
        ("theirs", 2.1, "theirs: does not learn at work: "),
        ("theirs", math.nan, "theirs: does not learn at work: "),
        ("theirs", 1.21, "theirs: does not learn as the others at work: its loss is 1.21 .*, more than 1.2 .* of ours"),
        ("ours", 0.8, "theirs: does not learn as the others at work: its loss is 1 .*, more than 1.2 .* 0.8 of ours"),
    ],
)
def test_losses_that_are_refused(name: str, loss: float, message: str) -> None:
    starts = {"ours": 2.0, "theirs": 2.0, BARE: 1.0}
    losses = {"ours": 1.0, "theirs": 1.0, BARE: 1.0}
    run.check_learning("work", starts, {**losses, "theirs": 1.19})
    with pytest.raises(UserError, match=message):
        run.check_learning("work", starts, {**losses, name: loss})


@standard
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
    seconds = run.cold_start("ours", partial(improving, accuracies=accuracies), MINI_BATCH, (0.94, 0.97), limit=600)
    assert list(seconds) == ["94%", "97%"]
    times = [time for time in seconds.values() if time is not None]
    assert [time is not None for time in seconds.values()] == reached
    assert times == sorted(set(times))
    assert all(0 < time < 600 for time in times)


def test_nothing_is_reached_within_no_time() -> None:
    assert run.cold_start("ours", CONTESTANTS["ours"], MINI_BATCH, (0.94, 0.97), 0) == {"94%": None, "97%": None}


def test_cold_starts_alternate_and_who_did_not_get_there_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def cold_start(
        name: str, contestant: Contestant, work: Work, targets: Sequence[float], limit: float
    ) -> dict[str, float | None]:
        started.append(name)
        assert (work, targets) == (MINI_BATCH, (0.94, 0.97))
        assert contestant is CONTESTANTS[name]
        return {"94%": 1.26 * len(started), "97%": limit if name == "ours" else None}

    monkeypatch.setattr(run, "cold_start", cold_start)
    contestants = {name: CONTESTANTS[name] for name in ("ours", "PyTorch")}
    found = run.cold_starts(contestants, MINI_BATCH, (0.94, 0.97), 3, limit=9)
    assert started == ["ours", "PyTorch", "ours", "ours"]
    assert found["ours"]["94%"] == {"smallest": 1.3, "median": 3.8, "largest": 5.0}
    assert found["ours"]["97%"] == {"smallest": 9, "median": 9, "largest": 9}
    assert found["PyTorch"]["97%"] is None


@pytest.mark.parametrize("setting", [None, "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"])
def test_kernels_that_the_environment_chooses_are_warned_of(
    setting: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in run.KERNEL_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    if setting:
        monkeypatch.setenv(setting, "some")
    warning = run.kernel_warning()
    if warning is None:
        assert setting is None
    else:
        assert f"{setting}=some is set: OpenBLAS may not use the kernels of this processor" in warning
        assert "`env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE make bench`" in warning


def test_each_goal_is_of_a_work_and_a_contestant_that_there_is() -> None:
    goals = json.loads((ROOT / "benchmarks/goals.json").read_text())
    assert list(goals) == [work.name for work, _, _ in run.CAMPAIGN]
    for work, _, contestants in run.CAMPAIGN:
        assert set(goals[work.name]) <= set(contestants) - {"ours"}


def test_the_machine_says_what_the_figures_were_measured_on() -> None:
    machine = run.machine(["numpy"])
    assert list(machine) == ["processor", "cores", "threads", "python", "blas", "numpy"]
    assert machine["numpy"] == np.__version__
    assert machine["threads"] == THREADS
    assert machine["python"] == sys.version.split()[0]


def test_all_works_and_all_contestants_are_recorded(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "measure", lambda work, split, rounds, of: [work.name, split, rounds, list(of)])
    monkeypatch.setattr(run, "cold_starts", lambda of, work, *rest: [list(of), work.name, *rest])
    monkeypatch.setattr(run, "machine", lambda: {"blas": "openblas 1.2, SkylakeX"})
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setattr(sys, "argv", ["run", "--rounds", "3", "--starts", "2", "--limit", "8"])
    run.main()
    results = json.loads(run.RESULTS.read_text())
    assert (results["machine"], results["rounds"]) == ({"blas": "openblas 1.2, SkylakeX"}, 3)
    assert capsys.readouterr().out == f"BLAS: openblas 1.2, SkylakeX kernels\nwarning: {results['warning']}\n"
    assert results["warning"] == run.kernel_warning()
    assert results["works"] == [[work.name, split, 3, list(of)] for work, split, of in run.CAMPAIGN]
    assert results["cold_starts"] == [
        {"work": work.name, "starts": 2, "seconds": [list(of), work.name, list(targets), 2, 8]}
        for work, targets, of in run.COLD_STARTS
    ]
    assert all(BARE not in of for *_, of in run.COLD_STARTS)
