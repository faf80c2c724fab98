from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from stages.claims.reproductions.abreast import can_be_abreast, train_abreast
from stages.claims.reproductions.runs import END, Experiment, experiments, images_of, train
from stages.claims.reproductions.workers import jobs_of, make
from stages.shared import schema
from stages.shared.parameters import Parameters
from stages.shared.schema import Seeds
from tests.claims.reproductions.noise import write_split

ROOT = Path(__file__).parents[3]
ROWS = Parameters.model_validate(schema.read(ROOT / "params.yaml")).models
EXPERIMENTS = experiments(ROWS)
SEEDS = [3, 4, 5]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Go to a folder with two splits, of more images than a block has."""
    monkeypatch.chdir(tmp_path)
    write_split("kaggle", {"train": 2100, "held_out": 200, "test": 30})
    write_split("standard", {"train": 2100, "test": 30})
    images_of.cache_clear()
    with threadpool_limits(1, user_api="blas"):
        yield
    images_of.cache_clear()


def short(name: str) -> Experiment:
    """Return an experiment cut short, with a schedule that does something."""
    row = EXPERIMENTS[name].row | {"updates": 6}
    row |= {"schedule": {"name": "steps", "at": [2, 4], "factor": 0.5}}
    return replace(EXPERIMENTS[name], row=row, marks=[0, 3, 6])


@pytest.mark.parametrize("name", ["w3", "w4", "full 10-10", "full momentum", "full rmsprop", "full adam"])
def test_a_run_abreast_of_others_is_that_run_up_to_rounding(name: str) -> None:
    experiment = short(name)
    assert can_be_abreast(experiment.row)
    for run, seed in zip(train_abreast(experiment, SEEDS), SEEDS, strict=True):
        alone = train(experiment, seed)
        assert run.row == alone.row
        assert run.trace == pytest.approx(alone.trace, abs=2 / 2100)
        assert list(run.measured) == list(alone.measured) == [0, 3, 6, END]
        for epoch, parts in alone.measured.items():
            assert run.measured[epoch].keys() == parts.keys()
            for part, (loss, accuracy) in parts.items():
                assert run.measured[epoch][part][0] == pytest.approx(loss, rel=1e-5)
                assert run.measured[epoch][part][1] == pytest.approx(accuracy, abs=0.01)
        assert run.parameters.keys() == alone.parameters.keys()
        for key, theta in alone.parameters.items():
            np.testing.assert_allclose(run.parameters[key], theta, rtol=1e-3, atol=1e-5)


def test_a_run_that_diverges_abreast_says_so() -> None:
    wild = replace(short("w3"), row=short("w3").row | {"learning_rate": 1e30})
    assert [run.diverged for run in train_abreast(wild, SEEDS)] == [6] * 3
    assert [run.diverged for run in train_abreast(short("w3"), SEEDS)] == [None] * 3


def test_runs_abreast_differ_as_their_seeds_do() -> None:
    first, other, _ = train_abreast(short("w3"), SEEDS)
    assert first.trace != other.trace
    assert train_abreast(short("w3"), SEEDS)[0].trace == first.trace


@pytest.mark.parametrize(
    "change",
    [
        {"weight_decay": 0.1},
        {"label_smoothing": 0.1},
        {"clip_norm": 1.0},
        {"averaging": 0.9},
        {"batch_size": 128},
        {"layers": [{"name": "affine", "units": 128}, {"name": "relu"}, {"name": "affine"}]},
        {"layers": [{"name": "affine", "units": 10}, {"name": "dropout", "rate": 0.5}, {"name": "affine"}]},
        {"layers": [{"name": "affine"}]},
    ],
)
def test_what_runs_abreast_would_leave_out_is_made_alone(change: dict[str, object]) -> None:
    assert not can_be_abreast(EXPERIMENTS["w3"].row | change)
    row = EXPERIMENTS["w3"].row | {"updates": 2} | change
    alone = Experiment(row | ({"updates": None, "epochs": 1} if "batch_size" in change else {}), marks=[0])
    (run,) = make(alone, [3])
    assert (run.trace, run.measured) == (train(alone, 3).trace, train(alone, 3).measured)


def test_narrow_networks_in_full_batches_are_made_abreast() -> None:
    assert {name for name, experiment in EXPERIMENTS.items() if can_be_abreast(experiment.row)} == {
        "w3",
        "w4",
        "full 10-10",
        "full momentum",
        "full rmsprop",
        "full adam",
    }


def test_every_seed_is_in_one_job() -> None:
    jobs = jobs_of(EXPERIMENTS, Seeds(first=100, costly=2, usual=3, many=19))
    by_name = {name: [chosen for of, chosen in jobs if of == name] for name in EXPERIMENTS}
    assert [len(chosen) for chosen in by_name["w3"]] == [8, 8, 3]
    assert [seed for chosen in by_name["w3"] for seed in chosen] == list(range(100, 119))
    assert by_name["full 10-10"] == [[100, 101, 102]]
    assert by_name["mini 10"] == [[100], [101], [102]]
    assert by_name["full 128"] == [[100], [101]]
