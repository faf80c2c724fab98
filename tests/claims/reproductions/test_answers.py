import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from threadpoolctl import threadpool_limits

from stages.claims.reproductions.answers import Evidence, answer, largest_fall, product_difference
from stages.claims.reproductions.runs import (
    END,
    GRID_EPOCHS,
    HIDDEN,
    IMAGES,
    MINI_OPTIMIZERS,
    NETWORKS,
    OWN,
    RATES,
    SCALES,
    Experiment,
    Run,
    Speed,
    compare_speed,
    compared,
    divide_anew,
    experiments,
    gather,
    images_of,
    train,
)
from stages.claims.reproductions.words import CHANGES, recipe
from stages.claims.verdicts import Quantity, Shown, Verdict, judge
from stages.nn.initializers import He, Uniform
from stages.nn.layer import Start
from stages.nn.schedules import Constant
from stages.nn.training import evaluate
from stages.shared import models, schema, splits
from stages.shared.errors import UserError
from stages.shared.mnist import FORM
from stages.shared.parameters import Model, Parameters
from tests.claims.reproductions.noise import write_split

ROOT = Path(__file__).parents[3]
CLAIMS = {claim["id"]: claim for claim in YAML(typ="safe").load(ROOT / "stages/claims/write_ups.yaml")["claims"]}
ROWS = Parameters.model_validate(schema.read(ROOT / "params.yaml")).models
EXPERIMENTS = experiments(ROWS)
PARTS = {"train": 60, "validation": 10, "held_out": 20, "test": 30}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    write_split("kaggle", PARTS)
    write_split("standard", {"train": 60, "test": 30})
    images_of.cache_clear()
    with threadpool_limits(1, user_api="blas"):
        yield tmp_path
    images_of.cache_clear()


def numbers(part: tuple[Any, Any]) -> list[int]:
    X, y = part
    found = [round(pixel * 4096) for pixel in X[0].tolist()]
    assert [number % 10 for number in found] == y.tolist()
    return found


def test_a_seed_draws_other_images_to_hold_out_from_all_but_the_test_part() -> None:
    first, again, other = (divide_anew("kaggle", np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert {part: len(y) for part, (_, y) in first.items()} == {"held_out": 20, "train": 70, "test": 30}
    assert sorted(numbers(first["train"]) + numbers(first["held_out"])) == list(range(90))
    assert numbers(first["test"]) == list(range(90, 120))
    assert numbers(first["held_out"]) == numbers(again["held_out"])
    assert len(set(numbers(first["held_out"])) & set(numbers(other["held_out"]))) < 15


def test_a_split_that_holds_nothing_out_stays_as_it_is() -> None:
    parts = divide_anew("standard", np.random.default_rng(0))
    assert {part: numbers(examples) for part, examples in parts.items()} == {
        "train": list(range(60)),
        "test": list(range(60, 90)),
    }


@pytest.mark.parametrize("name", ["w4", "mini 10"])
def test_a_run_can_be_repeated_and_depends_on_the_seed(name: str) -> None:
    first, again, other = train(EXPERIMENTS[name], 0), train(EXPERIMENTS[name], 0), train(EXPERIMENTS[name], 1)
    assert (first.trace, first.measured) == (again.trace, again.measured)
    assert first.trace != other.trace
    W, of_other = (next(iter(run.parameters.values())) for run in (first, other))
    assert not np.array_equal(W, of_other)


def test_a_run_is_measured_at_its_marks_and_at_its_end() -> None:
    run = train(EXPERIMENTS["w3"], 0)
    assert list(run.measured) == [*EXPERIMENTS["w3"].marks, END]
    assert len(run.trace) == 750
    assert run.measured[750] == run.measured[END]
    for update in (0, 5, 500):
        assert run.measured[update]["train"][1] == run.trace[update]
    assert run.diverged is None


@pytest.mark.parametrize("name", ["w4", "mini 10-10", "softmax regression"])
def test_the_trained_network_can_be_had_back(name: str) -> None:
    run = train(EXPERIMENTS[name], 0)
    loaded = splits.load_part(run.row.split, "test")
    assert loaded is not None
    assert evaluate(run.network(), *loaded) == run.measured[END]["test"]


def test_a_run_that_diverges_is_measured_too() -> None:
    run = train(Experiment(EXPERIMENTS["w5"].row | {"learning_rate": 1e30}), 0)
    assert run.diverged is not None
    assert run.measured[END]["test"][1] <= 0.5


def test_one_run_of_w3_gives_its_recipe_cut_short() -> None:
    names = ("w3", "w5", "w5 mini-batches")
    results = {(name, seed): made(name, accuracy=seed / 10) for name in names for seed in (2, 0, 1)}
    results["w3", 1].measured[150] = {"test": (1.0, 0.75)}
    results["w5 mini-batches", 2].measured[GRID_EPOCHS] = {"test": (1.0, 0.5)}
    runs = gather(results)
    assert [run.measured[END]["test"][1] for run in runs["w5"]] == [0, 0.1, 0.2]
    assert [run.measured[END]["test"][1] for run in runs["full 10"]] == [0, 0.75, 0.2]
    for name in OWN:
        assert [run.measured[END]["test"][1] for run in runs[name]] == [0, 0.1, 0.5]


def test_what_one_run_gives_for_another_is_of_the_same_recipe() -> None:
    row = EXPERIMENTS["w5 mini-batches"].row
    w5 = Model.model_validate(row)
    assert OWN == (f"scale {row['initializer']['scale']:g}", f"rate {w5.learning_rate:g}")
    for name in ("scale 10", "rate 10"):
        grid = Model.model_validate(EXPERIMENTS[name].row)
        own = grid.model_copy(update={"initializer": w5.initializer, "learning_rate": w5.learning_rate})
        assert own == w5.model_copy(update={"epochs": GRID_EPOCHS})
    full = EXPERIMENTS["full 10-10"].row
    assert full == EXPERIMENTS["w3"].row | {"layers": full["layers"], "updates": 150}


def test_the_recipes_are_what_is_said_of_them() -> None:
    full, mini = (Model.model_validate(EXPERIMENTS[name].row) for name in ("full 128", "mini 128"))
    assert isinstance(full.initializer, Uniform)
    assert isinstance(mini.initializer, He)
    assert recipe(full) == "from W3's weights, 150 full-batch updates"
    assert recipe(mini) == "from He's weights, 5 epochs of mini-batches of 128"
    for name, experiment in EXPERIMENTS.items():
        if name.startswith(("full", "mini", "linear", "softmax")):
            row = Model.model_validate(experiment.row)
            assert recipe(row) == recipe(full if name.startswith("full") else mini), name
            assert (row.parts, row.split) == ((2, "kaggle") if name.startswith("full") else (1, "kaggle"))


@pytest.mark.parametrize(
    ("name", "experiment", "updates"),
    [
        ("w1-relu-10", "w3", 500),
        ("w2-relu-10", "w3", 500),
        ("w3-relu-10", "w3", 750),
        ("w4-tanh-16-16", "w4", 150),
        ("w5-relu-128", "w5", 100),
        ("w5-relu-128-mini-batch", "w5 mini-batches", None),
    ],
)
def test_the_networks_are_those_of_params_yaml(name: str, experiment: str, updates: int | None) -> None:
    row = ROWS[name]
    if row.batch_size is None and row.epochs:  # a full-batch update is an epoch
        row = row.model_copy(update={"updates": row.epochs, "epochs": None})
    reproduced = Model.model_validate(EXPERIMENTS[experiment].row)
    # a run of the claims has one BLAS thread, whatever its row says
    assert row == reproduced.model_copy(update={"updates": updates, "blas_threads": row.blas_threads})


def test_scales_and_rates_are_those_that_they_are_named_after() -> None:
    w5 = EXPERIMENTS["w5 mini-batches"].row | {"epochs": GRID_EPOCHS}
    for scale in set(SCALES) - {0.01}:
        assert EXPERIMENTS[f"scale {scale:g}"].row == w5 | {"initializer": {"name": "normal", "scale": scale}}
    for rate in set(RATES) - {0.1}:
        assert EXPERIMENTS[f"rate {rate:g}"].row == w5 | {"learning_rate": rate}


def test_changes_are_what_is_said_of_them() -> None:
    assert CHANGES.keys() == (HIDDEN.keys() - {"10"}) | MINI_OPTIMIZERS.keys()
    for name, (base, what) in CHANGES.items():
        row = EXPERIMENTS[f"mini {name}"].row
        units = [str(layer["units"]) for layer in row["layers"] if "units" in layer]
        if name in MINI_OPTIMIZERS:
            assert (row["optimizer"]["name"], base, units) == (what.lower(), "10", ["10"])
            assert EXPERIMENTS[f"full {name}"].row["optimizer"] == row["optimizer"]
        elif len(units) == 1:
            assert what == f"{units[0]} hidden units in place of {base}"
        else:
            assert units == [base, base]
            assert what == f"a second hidden layer of {base} units"


def test_a_network_that_is_not_in_params_yaml_is_named() -> None:
    rows = {name: row for name, row in ROWS.items() if name != "w4-tanh-16-16"}
    with pytest.raises(UserError, match=r"^params\.yaml: models has no 'w4-tanh-16-16', .*; put its row back$"):
        experiments(rows)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("w3-relu-10", {"updates": 100}, r"updates \(or epochs\) must be at least 750, not 100"),
        ("w5-relu-128", {"split": "mine"}, "split must be one of kaggle, standard, not 'mine'"),
        ("w5-relu-128", {"batch_size": 32}, "batch_size must be null, not 32"),
        ("w4-tanh-16-16", {"schedule": Constant()}, "schedule must be steps, with one update in `at`"),
    ],
)
def test_a_row_that_the_claims_cannot_be_tested_with_is_named(name: str, change: dict[str, Any], words: str) -> None:
    changed = ROWS[name].model_copy(update=change)
    with pytest.raises(UserError, match=rf"^params\.yaml: models\.{name}\.{words}, since "):
        experiments(ROWS | {name: changed})


def test_another_rate_is_tried_as_it_stands() -> None:
    changed = experiments(ROWS | {"w3-relu-10": ROWS["w3-relu-10"].model_copy(update={"learning_rate": 0.3})})
    assert {name for name, experiment in changed.items() if experiment.row != EXPERIMENTS[name].row} == {
        name for name in EXPERIMENTS if not name.startswith(("w4", "w5", "scale", "rate"))
    } - {"full rmsprop", "full adam", "full momentum", "mini momentum", "mini rmsprop", "mini adam"}


def test_every_claimed_number_is_measured() -> None:
    for claim in CLAIMS.values():
        for stated in claim.get("numbers", []):
            if "update" in stated:
                assert stated["update"] in EXPERIMENTS[NETWORKS[claim["write_up"]]].marks


@pytest.mark.parametrize(
    ("trace", "update", "depth"),
    [([0.1, 0.5, 0.3, 0.6, 0.2, 0.7], 4, 0.4), ([0.1, 0.2, 0.3], 0, 0), ([0.5, 0.4, 0.3], 2, 0.2)],
)
def test_the_largest_fall_is_measured_from_the_best_before(trace: list[float], update: int, depth: float) -> None:
    found = largest_fall(trace)
    assert found[0] == update
    assert found[1] == pytest.approx(depth)


def test_the_product_of_its_matrices_is_a_linear_network_and_no_other() -> None:
    X = np.random.default_rng(0).random((784, 20), np.float32)
    assert product_difference(train(EXPERIMENTS["linear"], 0), X) < 1e-12
    assert product_difference(train(EXPERIMENTS["mini 10"], 0), X) > 1e-3


@pytest.mark.parametrize(
    ("loops", "expected"),
    [
        ([99, 10, 11, 12], True),  # the first round warms up
        ([99, 9, 8, 7], False),
        ([0, 10, 11, 12], True),
        ([99, 9, 10, 12], None),
    ],
)
def test_a_ratio_of_times_must_be_reached_in_each_round_but_the_first(
    loops: list[float], expected: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]  # on the clock: for each kind of work and each round its start, the loop's end and the end
    for loop in loops * 2:
        seconds += [seconds[-1] + loop, seconds[-1] + loop + 1, seconds[-1] + loop + 1]
    clock = iter(seconds)
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    assert compare_speed(10, columns=5, rounds=3) == Speed(10, expected, expected)


def test_times_are_compared_with_the_ratio_that_is_claimed() -> None:
    assert compare_speed(0, columns=50, rounds=2) == Speed(0, True, True)
    assert compare_speed(1e9, columns=50, rounds=2) == Speed(1e9, False, False)


MARKS = (*range(11), 20, 50, 70, 100, 140, 150, 200, 500, 750, END)
DIPPING = [*np.linspace(0.1, 0.8, 50), 0.55, *np.linspace(0.8, 0.9, 99)]  # at update 50


def made(
    name: str,
    accuracy: float,
    loss: float = 2.3,
    trace: list[float] | None = None,
    end: float | None = None,
    sees: int = 7,
) -> Run:
    """Return a run that has this accuracy, at its end too unless said, and whose network sees this in any image."""
    row = Model.model_validate(EXPERIMENTS[SHARED.get(name, name)].row | {"seed": 0})
    measured = {mark: dict.fromkeys(("train", "held_out", "test"), (loss, accuracy)) for mark in MARKS}
    measured[END] = dict.fromkeys(measured[END], (loss, end or accuracy))
    run = Run(row, trace or [accuracy] * 150, measured, {}, None)
    network = models.build_network(row, FORM, Start(np.random.default_rng(0)))
    run.parameters.update({name: np.zeros_like(theta) for name, theta in network.parameters.items()})
    list(run.parameters.values())[-1][sees] = 1
    return run


SHARED = {"full 10": "w3"} | dict.fromkeys(OWN, "w5 mini-batches")


def evidence(changes: dict[str, list[Run]], **others: Any) -> Evidence:
    """Return evidence in which all runs have an accuracy of 0.6, 0.61 or 0.62, except for some."""
    runs = {name: [made(name, accuracy) for accuracy in (0.6, 0.61, 0.62)] for name in [*EXPERIMENTS, *SHARED]}
    runs |= changes
    drawn = np.zeros((784, 4), np.float32), np.array([7, 7, 7, 1])
    on = {split: compared(split) for split in IMAGES}
    given: dict[str, Any] = {
        "runs": runs,
        "compared": on,
        "ablations": {},
        "drawn": drawn,
        "speed": Speed(10, True, False),
    }
    return Evidence(**(given | others))


HOLDS, IN_PART, FAILS, OPEN = "holds", "holds in part", "does not hold", "cannot be decided by this"


def judged(claim: str, given: Evidence) -> Verdict:
    """Return the verdict on a claim by its own tests."""
    return judge({claim: answer(CLAIMS[claim], given).measured}, {})[claim]


def verdict(claim: str, given: Evidence) -> str:
    """Return the same in a word, each test by itself."""
    return judged(claim, given).alone


def quantities(claim: str, given: Evidence) -> list[Quantity]:
    return [of for of in answer(CLAIMS[claim], given).measured if isinstance(of, Quantity)]


def runs(name: str, *accuracies: float) -> dict[str, list[Run]]:
    return {name: [made(name, accuracy) for accuracy in accuracies]}


@pytest.fixture
def as_claimed() -> None:
    """Have the splits say that they have as many images as the claims are about."""
    for split, parts in (("kaggle", {"train": 41_000, "held_out": 1000}), ("standard", {"train": 60_000})):
        path = splits.directory(split) / "split.json"
        content = json.loads(path.read_text())
        content["parts"] |= {"validation": 0} | parts
        path.write_text(json.dumps(content))


@pytest.mark.usefixtures("as_claimed")
@pytest.mark.parametrize(
    ("accuracies", "expected", "words"),
    [
        # the interval of the mean of three that differ by a point is 2.5 points wide to either side, the margin is 1.8
        (
            [0.849, 0.85, 0.851],
            HOLDS,
            "the interval of the mean is 84.8 % to 85.2 %. Claimed is 85 %, with a margin of 1.8 points.",
        ),
        ([0.84, 0.85, 0.86], OPEN, "to 86.0 %); the interval of the mean is 82.5 % to 87.5 %."),
        ([0.7, 0.71, 0.72], FAILS, "Claimed is 85 %, with a margin of 1.8 points."),
        ([0.95, 0.96, 0.97], HOLDS, "Claimed is 85 %, with a margin of 1.8 points: measured is better."),
    ],
)
def test_a_claimed_number_gets_a_verdict_and_the_other_parts_are_told(
    accuracies: list[float], expected: str, words: str
) -> None:
    given = evidence(runs("w3", *accuracies))
    assert verdict("W2.1", given) == expected
    assert words in answer(CLAIMS["W2.1"], given).finding
    found = quantities("W2.1", given)
    assert [number.quantity for number in found] == [
        f"accuracy on the {part} images after 500 updates" for part in ("training", "held-out", "test")
    ]
    assert [number.region for number in found[1:]] == [None, None]


def test_a_number_is_not_tested_on_fewer_images() -> None:
    assert "better" not in answer(CLAIMS["W2.1"], evidence(runs("w3", 0.95, 0.96, 0.97))).finding
    found = judged("W2.1", evidence(runs("w3", 0.849, 0.85, 0.851)))
    assert [(part.verdict, part.why) for part in found.parts] == [(OPEN, "the claim is about other images than these")]


def test_an_experiment_of_two_claims_is_one() -> None:
    given = evidence(runs("w3", 0.849, 0.85, 0.851))
    found = answer(CLAIMS["W1.1"], given)
    assert (found.measured, "W2.1" in found.finding) == ((), True)


@pytest.mark.usefixtures("as_claimed")
@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ((2.299, 2.301, 2.303), IN_PART),  # a cost of 0.2301, whose margin is 0.0028
        ((2.1, 2.11, 2.12), OPEN),  # lower is no better before the first update
        ((2.5, 2.51, 2.52), OPEN),
    ],
)
def test_the_cost_of_w4_is_a_tenth_of_the_cross_entropy_and_its_accuracy_is_chance(
    losses: tuple[float, ...], expected: str
) -> None:
    given = evidence({"w4": [made("w4", 0.1, loss) for loss in losses]})
    cost, accuracy = quantities("W4.1", given)
    assert cost.values == pytest.approx([loss / 10 for loss in losses])
    assert (cost.verdict(cost.p), accuracy.p) == (HOLDS if expected == IN_PART else FAILS, None)
    assert verdict("W4.1", given) == expected
    finding = answer(CLAIMS["W4.1"], given).finding
    assert "Claimed is 0.230, with a margin of 0.0028." in finding
    assert "Claimed is 13.3 %." in finding


@pytest.mark.usefixtures("as_claimed")
@pytest.mark.parametrize("name", ["W2.2", "W3.1", "W3.2", "W4.2", "W5.1"])
def test_each_claimed_number_is_compared(name: str) -> None:
    (stated,) = CLAIMS[name]["numbers"]
    number, *_ = quantities(name, evidence({}))
    assert number.claimed == stated["value"] / 100
    assert number.rounding == stated["rounding"] / 100
    assert number.region == ((stated["value"] - stated["margin"]) / 100, np.inf)
    assert {"train": "training", "held_out": "held-out"}.get(stated["part"], "test") in number.quantity
    assert verdict(name, evidence({})) == FAILS


def test_an_ablation_is_taken_over() -> None:
    row = {"parts": {"a": True, "b": None}, "why": "it is open", "finding": "It came so."}
    given = evidence({}, ablations={"W3.4": row})
    assert answer(CLAIMS["W3.4"], given).finding == "It came so."
    assert [(part.part, part.verdict, part.why) for part in judged("W3.4", given).parts] == [
        ("a", HOLDS, ""),
        ("b", OPEN, "it is open"),
    ]


def test_without_activation_it_must_be_the_same_as_softmax_regression_and_as_the_product() -> None:
    assert verdict("W2.3", evidence({})) == HOLDS
    other = runs("softmax regression", 0.7, 0.71, 0.72)
    assert verdict("W2.3", evidence(other)) == IN_PART
    a_little = {"linear": runs("linear", 0.615, 0.625, 0.635)["linear"]}
    assert verdict("W2.3", evidence(a_little)) == IN_PART  # 1.5 points are not nothing


def test_changes_are_compared_seed_by_seed_by_both_recipes() -> None:
    better = runs("full 128", 0.8, 0.81, 0.82) | runs("mini 128", 0.7, 0.71, 0.72) | runs("mini 256", 0.65, 0.66, 0.67)
    assert verdict("W3.8", evidence(better)) == HOLDS
    assert [gain.mean for gain in quantities("W3.8", evidence(better))] == pytest.approx([0.2, 0.1, 0.05])
    finding = answer(CLAIMS["W3.8"], evidence(better)).finding
    assert "From W3's weights, 150 full-batch updates: 128 hidden units in place of 10 +20.0 points" in finding
    assert "From He's weights, 5 epochs of mini-batches of 128: 128 hidden units in place of 10 +10.0" in finding
    worse = runs("mini 256", 0.5, 0.51, 0.52)
    assert verdict("W3.8", evidence(better | worse)) == IN_PART


def test_significantly_is_more_than_a_point() -> None:
    for gain, expected in ((0.009, FAILS), (0.011, HOLDS)):
        better = {name: (gain + np.array([0.6, 0.61, 0.62])).tolist() for name in ("full 128", "mini 128", "mini 256")}
        given = evidence({name: runs(name, *values)[name] for name, values in better.items()})
        assert verdict("W3.8", given) == expected


def test_two_layers_are_compared_with_one_of_as_many_units() -> None:
    changes = runs("mini 128", 0.9, 0.91, 0.92) | runs("mini 128-128", 0.8, 0.81, 0.82)
    *_, wide = quantities("W3.10", evidence(changes))
    assert wide.mean == pytest.approx(-0.1)
    assert wide.verdict(wide.p) == FAILS


def test_every_optimizer_that_is_said_to_improve_it_is_tried_by_both_recipes() -> None:
    finding = answer(CLAIMS["W2.4"], evidence({})).finding
    assert verdict("W2.4", evidence({})) == OPEN
    for words in ("momentum", "RMSProp", "Adam"):
        assert finding.count(words) == 2
    assert CLAIMS["W2.4"]["rests_on"] == ["W3.8", "W3.10"]


def test_batches_are_compared_after_as_many_passes() -> None:
    mini = runs("w3 mini-batches", 0.8, 0.81, 0.82)
    full = {"w3": [made("w3", accuracy, end=0.8) for accuracy in (0.6, 0.61, 0.62)]}
    assert verdict("W3.9", evidence(mini | full)) == HOLDS
    assert quantities("W3.9", evidence(mini | full))[0].mean == pytest.approx(0.2)
    more = {"w3": [*full["w3"], made("w3", 0.1)]}  # a seed that mini-batches do not have
    finding = answer(CLAIMS["W3.9"], evidence(mini | more)).finding
    assert "With the same 3 seeds full batches have 61.0 % (60.0 % to 62.0 %) after 10 passes" in finding
    assert "After 750 passes full batches have 80.0 %; mini-batches have as much after 0." in finding
    slower = {"w3 mini-batches": [made("w3 mini-batches", 0.5, end=accuracy) for accuracy in (0.1, 0.11, 0.12)]}
    assert verdict("W3.9", evidence(slower | full)) == FAILS
    assert "mini-batches do not get there" in answer(CLAIMS["W3.9"], evidence(slower | full)).finding


def test_mini_batches_must_be_faster_and_steadier() -> None:
    mini = runs("w5 mini-batches", 0.95, 0.96, 0.97)
    falling = [made("w5", a, end=a + 0.2) for a in (0.6, 0.61, 0.62)]
    for run in falling:
        a = run.measured[5]["train"][1]
        run.measured[5]["train"] = (2.3, 0.9 * a)
        run.measured[20]["train"] = (2.3, 0.1)  # after more passes than mini-batches make
    given = evidence(mini | {"w5": falling})
    assert verdict("W5.2", given) == HOLDS
    assert [difference.mean for difference in quantities("W5.2", given)] == pytest.approx([0.35, 0.15, 0.061])
    finding = answer(CLAIMS["W5.2"], given).finding
    assert "Mini-batches have 94.0 % after 0" in finding
    assert "at most 6.2 points with full batches and by at most 0.0" in finding
    as_steady = [made("w5", a, end=a + 0.2) for a in (0.6, 0.61, 0.62)]
    parts = judged("W5.2", evidence(mini | {"w5": as_steady})).parts
    assert [part.alone for part in parts] == [HOLDS, HOLDS, FAILS]  # less than a point is no fall


@pytest.mark.usefixtures("as_claimed")
def test_a_dip_needs_its_update_its_depth_and_the_recovery() -> None:
    dipping = [made("w4", accuracy, trace=DIPPING) for accuracy in (0.599, 0.6, 0.601)]
    given = evidence({"w4": dipping})
    at_update, before, afterwards = quantities("W4.3", given)
    assert at_update.region == pytest.approx((0.581, 0.619))
    assert before.values == pytest.approx([0.25] * 3)
    assert afterwards.values == [0] * 3
    assert (before.least, afterwards.least) == (0, 0)
    assert verdict("W4.3", given) == HOLDS
    finding = answer(CLAIMS["W4.3"], given).finding
    assert "has its bottom at update 50, where the accuracy is 55.0 %" in finding
    later = [made("w4", accuracy, trace=[*DIPPING[:100], 0.1, *DIPPING[101:]]) for accuracy in (0.599, 0.6, 0.601)]
    assert [part.alone for part in judged("W4.3", evidence({"w4": later})).parts] == [HOLDS, HOLDS, FAILS]
    elsewhere = [made("w4", accuracy, trace=DIPPING) for accuracy in (0.8, 0.81, 0.82)]
    assert [part.alone for part in judged("W4.3", evidence({"w4": elsewhere})).parts] == [FAILS, HOLDS, HOLDS]
    flat = judged("W4.3", evidence(runs("w4", 0.8, 0.81, 0.82)))
    assert [part.alone for part in flat.parts] == [FAILS, FAILS, HOLDS]


@pytest.mark.parametrize(
    ("label", "seen", "expected"),
    [
        (7, [7, 7, 7], HOLDS),
        (2, [7, 7, 7], FAILS),
        (7, [7, 1, 2], FAILS),
        (7, [7, 7, 2], OPEN),
        (7, [7] * 9 + [2], HOLDS),
    ],
)
def test_the_first_test_image_must_be_a_7_and_be_recognized(
    label: int, seen: list[int], expected: str, as_claimed: None
) -> None:
    np.save(splits.directory("standard") / "y_test.npy", np.full(30, label, np.uint8))
    given = evidence({"w4": [made("w4", 0.9, sees=digit) for digit in seen]})
    assert verdict("W4.4", given) == expected
    assert f"Its label is {label}, and {seen.count(7)} of {len(seen)} networks" in answer(CLAIMS["W4.4"], given).finding


def test_the_first_image_of_another_test_set_says_nothing() -> None:
    assert verdict("W4.4", evidence({})) == OPEN


@pytest.mark.parametrize(
    ("whole_pass", "product", "expected", "words"),
    [
        (True, True, HOLDS, "in a loop over them in each of 5 rounds"),
        (True, False, IN_PART, "its first product W X alone in none of them"),
        (False, False, FAILS, "in a loop over them in none of 5 rounds"),
        (None, False, OPEN, "in a loop over them in some of 5 rounds"),
    ],
)
def test_matrices_must_be_so_much_faster(
    whole_pass: bool | None, product: bool | None, expected: str, words: str
) -> None:
    given = evidence({}, speed=Speed(10, whole_pass, product))
    assert verdict("W4.5", given) == expected
    finding = answer(CLAIMS["W4.5"], given).finding
    assert words in finding
    assert "is at least 10 times as fast" in finding


def test_scales_and_rates_fail_where_fewer_than_half_are_right() -> None:
    extremes = [f"scale {SCALES[0]:g}", f"scale {SCALES[1]:g}", f"scale {SCALES[-1]:g}", f"rate {RATES[0]:g}"]
    failing = {name: runs(name, 0.1, 0.11, 0.12)[name] for name in extremes}
    highest = f"rate {RATES[-1]:g}"
    worse_than_guessing = [made(highest, 0.1, loss) for loss in (2.31, 5.0, float("nan"))]
    assert verdict("W5.3", evidence(failing | {highest: worse_than_guessing})) == HOLDS
    assert verdict("W5.3", evidence({})) == FAILS
    disagreeing = [made(highest, 0.1, loss) for loss in (2.29, 2.31, 5.0)]
    found = judged("W5.3", evidence(failing | {highest: disagreeing} | runs(extremes[2], 0.9, 0.91, 0.92)))
    assert [(part.part, part.alone) for part in found.parts] == [
        ("weights of 0 fail", HOLDS),
        ("weights as small as 0.0001 fail", HOLDS),
        ("weights as large as 10 fail", FAILS),
        ("a rate of 0.0001 takes forever", HOLDS),
        ("a rate of 10 diverges", OPEN),
    ]
    finding = answer(CLAIMS["W5.3"], evidence(failing | {highest: disagreeing})).finding
    assert "by the scale of the initial weights: 11.0 % (10.0 % to 12.0 %) at 0;" in finding
    assert "11.0 % (10.0 % to 12.0 %) at 10. By the rate: 11.0 % (10.0 % to 12.0 %) at 0.0001;" in finding
    assert "At the highest rate 2 of 3 runs end with a loss above that of guessing, 0 with NaN" in finding
    assert len(quantities("W5.3", evidence({}))) == len(SCALES) + len(RATES)


def test_digits_drawn_by_hand_must_be_recognized_as_reliably_as_is_claimed_of_test_images() -> None:
    def drawn(right: int) -> tuple[Any, Any]:
        return np.zeros((784, 30), np.float32), np.array([7] * right + [1] * (30 - right))

    assert [list(number.values) for number in quantities("W5.4", evidence({}, drawn=drawn(21)))] == [[0.7] * 3] * 2
    for right, expected in ((25, FAILS), (26, HOLDS), (30, HOLDS)):  # 84 % are 25.2 of 30
        assert verdict("W5.4", evidence({}, drawn=drawn(right))) == expected
    # Wilson (1927) by hand, with z = 1.96: (p + z²/2n ± z sqrt(p(1 - p)/n + z²/4n²)) / (1 + z²/n)
    low, high = (
        (0.7 + 1.96**2 / 60 + sign * 1.96 * (0.21 / 30 + 1.96**2 / 3600) ** 0.5) / (1 + 1.96**2 / 30)
        for sign in (-1, 1)
    )
    finding = answer(CLAIMS["W5.4"], evidence({}, drawn=drawn(21))).finding
    assert f"{100 * low:.1f} % to {100 * high:.1f} % (as printed, 21 of 30)" in finding
    blind = [made("w5", 0.8, sees=1) for _ in range(3)]
    found = judged("W5.4", evidence({"w5": blind}, drawn=drawn(30)))
    assert [(part.part, part.alone) for part in found.parts] == [("as printed", FAILS), ("with mini-batches", HOLDS)]


def test_without_a_test_part_comparisons_are_made_on_the_held_out_images() -> None:
    path = splits.directory("kaggle") / "split.json"
    path.write_text(path.read_text().replace('"test": 30', '"test": 0'))
    (gain,) = quantities("W3.9", evidence({}))
    assert gain.quantity.startswith("gain in accuracy on the held-out images")


def test_each_claim_is_judged_by_something_and_what_it_is_judged_by_has_a_name(as_claimed: None) -> None:
    given = evidence({}, ablations={name: {"parts": {"a": True}, "why": "", "finding": "So."} for name in CLAIMS})
    for name, claim in CLAIMS.items():
        found = answer(claim, given)
        assert found.measured or claim.get("same_as")
        names = [part.part for part in judge({name: found.measured}, {})[name].parts]
        assert len(set(names)) == len(names)
        assert all(isinstance(part, Quantity | Shown) for part in found.measured)
