import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from threadpoolctl import threadpool_limits

from stages.claims.reproductions.answers import Evidence, answer, largest_fall, product_difference
from stages.claims.reproductions.runs import (
    END,
    IMAGES,
    NETWORKS,
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
from stages.claims.reproductions.verdicts import Difference, Number
from stages.nn.layer import Start
from stages.nn.schedules import Constant
from stages.nn.training import evaluate
from stages.shared import models, schema, splits
from stages.shared.errors import UserError
from stages.shared.mnist import FORM
from stages.shared.parameters import Model, Parameters

ROOT = Path(__file__).parents[3]
CLAIMS = {claim["id"]: claim for claim in YAML(typ="safe").load(ROOT / "stages/claims/write_ups.yaml")["claims"]}
ROWS = Parameters.model_validate(schema.read(ROOT / "params.yaml")).models
EXPERIMENTS = experiments(ROWS)
PARTS = {"train": 60, "validation": 10, "held_out": 20, "test": 30}


def write_split(split: str, parts: dict[str, int]) -> None:
    """Write a split whose images are all different: their number is in the first pixels; the test part comes last."""
    folder = splits.directory(split)
    folder.mkdir(parents=True)
    rng, start = np.random.default_rng(0), 0
    for part, count in parts.items():
        X = rng.random((count, 784), np.float32)
        X[:, 0] = np.arange(start, start + count) / 256
        np.save(folder / f"X_{part}.npy", X.T)
        np.save(folder / f"y_{part}.npy", (np.arange(start, start + count) % 10).astype(np.uint8))
        start += count
    counts = dict.fromkeys(splits.PARTS, 0) | parts
    (folder / "split.json").write_text(json.dumps({"dataset": "noise", **asdict(FORM), "parts": counts, "notes": []}))


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
    found = [round(pixel * 256) for pixel in X[0].tolist()]
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
    results = {(name, seed): made(name, accuracy=seed / 10) for name in ("w3", "w5") for seed in (2, 0, 1)}
    results["w3", 1].measured[150] = {"test": (1.0, 0.75)}
    runs = gather(results)
    assert [run.measured[END]["test"][1] for run in runs["w5"]] == [0, 0.1, 0.2]
    assert [run.measured[END]["test"][1] for run in runs["full 10"]] == [0, 0.75, 0.2]


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
                network = NETWORKS[claim["write_up"]]
                name = network if stated["update"] else f"{network} untrained"
                assert stated["update"] in EXPERIMENTS[name].marks


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


def test_a_ratio_of_times_is_compared_with_the_claim() -> None:
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
    row = Model.model_validate(EXPERIMENTS[name].row | {"seed": 0})
    measured = {mark: dict.fromkeys(("train", "held_out", "test"), (loss, accuracy)) for mark in MARKS}
    measured[END] = dict.fromkeys(measured[END], (loss, end or accuracy))
    run = Run(row, trace or [accuracy] * 150, measured, {}, None)
    network = models.build_network(row, FORM, Start(np.random.default_rng(0)))
    run.parameters.update({name: np.zeros_like(theta) for name, theta in network.parameters.items()})
    list(run.parameters.values())[-1][sees] = 1
    return run


def evidence(changes: dict[str, list[Run]], **others: Any) -> Evidence:
    """Return evidence in which all runs have an accuracy of 0.6, 0.61 or 0.62, except for some."""
    runs = {name: [made(name, accuracy) for accuracy in (0.6, 0.61, 0.62)] for name in EXPERIMENTS}
    runs |= {"full 10": runs["w3"]} | changes
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
    ("accuracies", "verdict", "words"),
    [
        (
            [0.84, 0.85, 0.86],
            "consistent",
            "is 85.0 % (84.0 % to 86.0 %), and one more run is expected from 80.0 % to 90.0 %",
        ),
        ([0.7, 0.71, 0.72], "claimed above what is measured", "Claimed is 85 %."),
        ([0.95, 0.96, 0.97], "claimed below what is measured", "Claimed is 85 %: what is measured is better."),
    ],
)
def test_a_claimed_number_gets_a_verdict_and_the_other_parts_are_told(
    accuracies: list[float], verdict: str, words: str
) -> None:
    found = answer(CLAIMS["W2.1"], evidence(runs("w3", *accuracies)))
    assert found.verdict == verdict
    assert words in found.finding
    assert [number.quantity for number in found.measured] == [
        f"accuracy on the {part} images after 500 updates" for part in ("training", "held-out", "test")
    ]
    assert [number.verdict for number in found.measured] == [verdict, None, None]


def test_a_number_is_not_tested_on_fewer_images() -> None:
    found = answer(CLAIMS["W2.1"], evidence(runs("w3", 0.84, 0.85, 0.86)))
    assert found.verdict == "not testable as stated"
    assert "on other images than these" in found.finding


@pytest.mark.usefixtures("as_claimed")
def test_the_cost_of_w4_is_a_tenth_of_the_cross_entropy() -> None:
    untrained = [made("w4 untrained", 0.1, loss) for loss in (2.299, 2.301, 2.303)]
    found = answer(CLAIMS["W4.1"], evidence({"w4 untrained": untrained}))
    cost, accuracy = found.measured
    assert cost.values == pytest.approx([0.2299, 0.2301, 0.2303])
    assert (cost.verdict, accuracy.verdict) == ("consistent", "claimed above what is measured")
    assert found.verdict == "consistent in part"
    assert "Claimed is 0.230." in found.finding
    assert "Claimed is 13.3 %." in found.finding


@pytest.mark.usefixtures("as_claimed")
@pytest.mark.parametrize("name", ["W1.1", "W2.2", "W3.1", "W3.2", "W4.2", "W5.1"])
def test_each_claimed_number_is_compared(name: str) -> None:
    (stated,) = CLAIMS[name]["numbers"]
    (number, *_) = answer(CLAIMS[name], evidence({})).measured
    assert isinstance(number, Number)
    assert number.claimed == stated["value"] / 100
    assert number.rounding == stated["rounding"] / 100
    assert {"train": "training", "held_out": "held-out"}.get(stated["part"], "test") in number.quantity
    assert number.verdict == "claimed above what is measured"


@pytest.mark.parametrize(("is_shown", "verdict"), [(True, "consistent"), (False, "not confirmed")])
def test_an_ablation_is_taken_over(is_shown: bool, verdict: str) -> None:
    row = {"shown": is_shown, "finding": "It came so."}
    found = answer(CLAIMS["W3.4"], evidence({}, ablations={"W3.4": row}))
    assert (found.verdict, found.finding) == (verdict, "It came so.")


def test_without_activation_it_must_be_the_same_as_softmax_regression_and_as_the_product() -> None:
    assert answer(CLAIMS["W2.3"], evidence({})).verdict == "consistent"
    other = runs("softmax regression", 0.7, 0.71, 0.72)
    assert answer(CLAIMS["W2.3"], evidence(other)).verdict == "consistent in part"


def test_changes_are_compared_seed_by_seed_by_both_recipes() -> None:
    better = runs("full 128", 0.8, 0.81, 0.82) | runs("mini 128", 0.7, 0.71, 0.72) | runs("mini 256", 0.65, 0.66, 0.67)
    found = answer(CLAIMS["W3.8"], evidence(better))
    assert found.verdict == "consistent"
    assert [np.mean(gain.values) for gain in found.measured] == pytest.approx([0.2, 0.1, 0.05])
    assert "By W3's recipe, 150 full-batch updates: 128 hidden units in place of 10 +20.0 points" in found.finding
    worse = runs("mini 256", 0.5, 0.51, 0.52)
    assert answer(CLAIMS["W3.8"], evidence(better | worse)).verdict == "consistent in part"


def test_two_layers_are_compared_with_one_of_as_many_units() -> None:
    changes = runs("mini 128", 0.9, 0.91, 0.92) | runs("mini 128-128", 0.8, 0.81, 0.82)
    *_, wide = answer(CLAIMS["W3.10"], evidence(changes)).measured
    assert np.mean(wide.values) == pytest.approx(-0.1)
    assert wide.verdict == "contradicted"


def test_everything_that_is_said_to_improve_it_is_tried() -> None:
    found = answer(CLAIMS["W2.4"], evidence({}))
    assert found.verdict == "not confirmed"
    for words in ("a second hidden layer", "128 hidden units", "momentum", "RMSProp", "Adam"):
        assert found.finding.count(words) == 2


def test_batches_are_compared_after_as_many_passes() -> None:
    mini = runs("w3 mini-batches", 0.8, 0.81, 0.82)
    full = {"w3": [made("w3", accuracy, end=0.8) for accuracy in (0.6, 0.61, 0.62)]}
    found = answer(CLAIMS["W3.9"], evidence(mini | full))
    assert found.verdict == "consistent"
    assert np.mean(found.measured[0].values) == pytest.approx(0.2)
    assert "After 750 passes full batches have 80.0 %; mini-batches have as much after 0." in found.finding
    slower = {"w3 mini-batches": [made("w3 mini-batches", 0.5, end=accuracy) for accuracy in (0.1, 0.11, 0.12)]}
    found = answer(CLAIMS["W3.9"], evidence(slower | full))
    assert found.verdict == "contradicted"
    assert "mini-batches do not get there" in found.finding


def test_mini_batches_must_be_faster_and_steadier() -> None:
    mini = runs("w5 mini-batches", 0.95, 0.96, 0.97)
    falling = [made("w5", a, trace=[0.1, 0.6, 0.5 + a / 100], end=a + 0.2) for a in (0.6, 0.61, 0.62)]
    found = answer(CLAIMS["W5.2"], evidence(mini | {"w5": falling}))
    assert [difference.verdict for difference in found.measured] == ["consistent"] * 3
    assert [np.mean(difference.values) for difference in found.measured] == pytest.approx([0.35, 0.15, 0.0939])
    assert "Mini-batches have 94.0 % after 0" in found.finding
    assert "at most 9.4 points with full batches and by at most 0.0" in found.finding
    assert answer(CLAIMS["W5.2"], evidence(mini)).verdict == "consistent in part"


@pytest.mark.usefixtures("as_claimed")
def test_a_dip_needs_its_update_its_depth_and_the_recovery() -> None:
    dipping = [made("w4", accuracy, trace=DIPPING) for accuracy in (0.6, 0.61, 0.62)]
    found = answer(CLAIMS["W4.3"], evidence({"w4": dipping}))
    at_update, bottom, recovery = found.measured
    assert bottom.values == [0.55] * 3
    assert recovery.values == pytest.approx([0.25] * 3)
    assert (at_update.verdict, recovery.verdict, found.verdict) == ("consistent", "consistent", "consistent")
    assert "at the updates 50, 50, 50" in found.finding
    later = [made("w4", accuracy, trace=[*DIPPING[:100], 0.1, *DIPPING[101:]]) for accuracy in (0.6, 0.61, 0.62)]
    found = answer(CLAIMS["W4.3"], evidence({"w4": later}))
    assert (found.measured[1].values, found.measured[2].verdict) == ([0.55] * 3, "contradicted")
    elsewhere = [made("w4", accuracy, trace=DIPPING) for accuracy in (0.8, 0.81, 0.82)]
    assert answer(CLAIMS["W4.3"], evidence({"w4": elsewhere})).verdict == "consistent in part"
    assert answer(CLAIMS["W4.3"], evidence(runs("w4", 0.8, 0.81, 0.82))).verdict == "not confirmed"


@pytest.mark.parametrize(("label", "verdict"), [(7, "consistent"), (2, "not confirmed")])
def test_the_first_test_image_must_be_a_7(label: int, verdict: str, as_claimed: None) -> None:
    np.save(splits.directory("standard") / "y_test.npy", np.full(30, label, np.uint8))
    found = answer(CLAIMS["W4.4"], evidence({}))
    assert found.verdict == verdict
    assert f"Its label is {label}, and 3 of 3 networks" in found.finding


def test_the_first_test_image_must_be_recognized(as_claimed: None) -> None:
    np.save(splits.directory("standard") / "y_test.npy", np.full(30, 7, np.uint8))
    found = answer(CLAIMS["W4.4"], evidence({"w4": [made("w4", 0.9, sees=digit) for digit in (7, 1, 2)]}))
    assert found.verdict == "not confirmed"
    assert "Its label is 7, and 1 of 3 networks" in found.finding


def test_the_first_image_of_another_test_set_says_nothing() -> None:
    assert answer(CLAIMS["W4.4"], evidence({})).verdict == "not testable as stated"


@pytest.mark.parametrize(("faster", "verdict"), [(True, "consistent"), (False, "not confirmed")])
def test_matrices_must_be_so_much_faster(faster: bool, verdict: str) -> None:
    found = answer(CLAIMS["W4.5"], evidence({}, speed=Speed(10, faster, False)))
    assert found.verdict == verdict
    assert f"is {'' if faster else 'not '}more than 10 times as fast" in found.finding


def test_scales_and_rates_fail_where_fewer_than_half_are_right() -> None:
    extremes = [f"scale {SCALES[0]:g}", f"scale {SCALES[-1]:g}", f"rate {RATES[0]:g}", f"rate {RATES[-1]:g}"]
    failing = {name: runs(name, 0.1, 0.11, 0.12)[name] for name in extremes}
    assert answer(CLAIMS["W5.3"], evidence(failing)).verdict == "consistent"
    assert answer(CLAIMS["W5.3"], evidence({})).verdict == "not confirmed"
    found = answer(CLAIMS["W5.3"], evidence(failing | runs(extremes[1], 0.1, 0.1, 0.6)))
    assert found.verdict == "consistent in part"
    assert "with the smallest weights they do; with the largest weights they do not" in found.finding
    assert "11.0 % (10.0 % to 12.0 %) at 10." in found.finding
    assert len(found.measured) == len(SCALES) + len(RATES)


def test_most_digits_drawn_by_hand_must_be_recognized() -> None:
    found = answer(CLAIMS["W5.4"], evidence({}))
    assert found.verdict == "consistent"
    assert [list(number.values) for number in found.measured] == [[0.75] * 3] * 2
    other = np.zeros((784, 4), np.float32), np.array([7, 1, 2, 3])
    assert answer(CLAIMS["W5.4"], evidence({}, drawn=other)).verdict == "not confirmed"
    one_worse = [made("w5", 0.8, sees=digit) for digit in (7, 7, 1)]
    assert answer(CLAIMS["W5.4"], evidence({"w5": one_worse})).verdict == "consistent in part"


def test_without_a_test_part_comparisons_are_made_on_the_held_out_images() -> None:
    path = splits.directory("kaggle") / "split.json"
    path.write_text(path.read_text().replace('"test": 30', '"test": 0'))
    (gain,) = answer(CLAIMS["W3.9"], evidence({})).measured
    assert isinstance(gain, Difference)
    assert gain.quantity.startswith("gain in accuracy on the held-out images")
