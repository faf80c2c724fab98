import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from ruamel.yaml import YAML
from threadpoolctl import threadpool_limits

from stages import reproduce
from stages.claims.demonstrations.common import Lengths
from stages.claims.demonstrations.effects import FIRST_SEED
from stages.claims.reproductions.runs import OWN, Experiment, Run, experiments, images_of
from stages.claims.reproductions.workers import make, run_all
from stages.nn.parts import Alone
from stages.shared import ranks, schema, splits
from stages.shared.errors import UserError
from stages.shared.mnist import FORM
from stages.shared.parameters import Model, Parameters
from stages.shared.schema import Seeds

ROOT = Path(__file__).parent.parent
CLAIMS = YAML(typ="safe").load(ROOT / "stages/claims/write_ups.yaml")["claims"]
ROWS = Parameters.model_validate(schema.read(ROOT / "params.yaml")).models
EXPERIMENTS = experiments(ROWS)
NOTE = "Very few images."
PARTS = {"kaggle": {"train": 100, "held_out": 20, "test": 50}, "standard": {"train": 120, "test": 50}}
SEEDS = Seeds(first=7, costly=2, usual=2, many=2)
Digits = tuple[NDArray[np.uint8], NDArray[np.uint8]]
VERDICTS = {"holds", "holds in part", "does not hold", "cannot be decided by this"}


def write_inputs(digits: Digits) -> None:
    """Write two splits of real digits, and what the ablate stage finds, into the current folder."""
    images, labels = digits
    for split, parts in PARTS.items():
        folder = splits.directory(split)
        folder.mkdir(parents=True)
        start = 0
        for part, count in parts.items():
            chosen = slice(start, start + count)
            np.save(folder / f"X_{part}.npy", (images[chosen] / np.float32(255)).astype(np.float32).T)
            np.save(folder / f"y_{part}.npy", labels[chosen])
            start += count
        counts = dict.fromkeys(splits.PARTS, 0) | parts
        (folder / "split.json").write_text(
            json.dumps({"dataset": "MNIST, few digits", **asdict(FORM), "parts": counts, "notes": [NOTE]})
        )
    rows = [
        {
            "id": claim["id"],
            "parts": {"one": True, "other": claim["id"] != "W3.7"},
            "why": "",
            "finding": f"Run | {claim['id']}.",
        }
        for claim in CLAIMS
        if claim["kind"] == "ablation"
    ]
    Path("metrics").mkdir()
    Path("metrics/ablations.json").write_text(json.dumps({"rows": rows}))


@pytest.fixture(scope="module")
def runs() -> dict[str, list[Run]]:
    """Return the runs that the stage has made, once it has."""
    return {}


@pytest.fixture(scope="module")
def folder(digits: Digits, tmp_path_factory: pytest.TempPathFactory, runs: dict[str, list[Run]]) -> Iterator[Path]:
    """Go to a folder where the stage has run on a few digits."""
    folder = tmp_path_factory.mktemp("reproduce")

    def run_all_and_keep(tried: Mapping[str, Experiment], seeds: Seeds, executor: Executor) -> dict[str, list[Run]]:
        runs.update(run_all(tried, seeds, executor))
        return runs

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(reproduce, "run_all", run_all_and_keep)
        write_inputs(digits)
        with ranks.workers(Alone()) as executor:
            assert executor
            reproduce.reproduce(ROWS, SEEDS, executor)
        yield folder


@pytest.fixture(scope="module")
def content(folder: Path) -> Any:
    return json.loads((folder / "metrics/reproductions.json").read_text())


def test_what_a_number_is_of_stands_beside_the_sentence(content: Any) -> None:
    measured = {claim["id"]: claim["measured"] for claim in content["claims"]}
    assert measured["W2.2"][0]["subject"] == {"quantity": "accuracy", "part": "held_out", "update": 500}
    assert [number.get("subject", {}).get("part") for number in measured["W2.2"]] == ["held_out", "train", "test"]
    assert measured["W4.1"][0]["subject"] == {"quantity": "cost", "part": "train", "update": 0}
    assert not any("subject" in number for number in measured["W5.3"])


def test_the_networks_as_printed_are_those_of_params_yaml(content: Any) -> None:
    networks = content["networks"]
    assert list(networks) == ["W1", "W2", "W3", "W4", "W5"]
    assert Model.model_validate(networks["W3"]) == ROWS["w3-relu-10"]
    assert Model.model_validate(networks["W4"]) == ROWS["w4-tanh-16-16"]


def test_there_is_one_answer_for_each_claim_in_order(content: Any) -> None:
    assert [claim["id"] for claim in content["claims"]] == [claim["id"] for claim in CLAIMS]
    assert [claim["claim"] for claim in content["claims"]] == [claim["text"] for claim in CLAIMS]
    assert all(claim["verdict"] in VERDICTS for claim in content["claims"])
    assert all(claim["finding"].endswith(".") for claim in content["claims"])


def test_a_claim_without_runs_with_several_seeds_says_what_it_rests_on(content: Any) -> None:
    without = {claim["id"] for claim in content["claims"] if not claim["measured"] and "same_as" not in claim}
    assert {claim["id"] for claim in CLAIMS if "basis" in claim} == without - {"W4.4"}  # it has a network for each seed


def test_data_and_notes_are_told(content: Any, folder: Path) -> None:
    assert (content["dataset"], content["notes"]) == ("MNIST, few digits", [NOTE])
    assert (folder / "metrics/reproductions.md").read_text().startswith(f"Data: MNIST, few digits. {NOTE}\n\n| ")
    for name in ("reproductions", "comparisons"):
        drawing = (folder / "figures" / f"{name}.svg").read_text()
        assert f"<!-- {NOTE} -->" in drawing
        assert re.search("<!-- .* on MNIST, few digits -->", drawing)


def test_numbers_that_are_stated_for_other_images_are_not_tested(content: Any) -> None:
    found = [claim for claim in content["claims"] if claim["kind"] == "number"]
    assert {claim["verdict"] for claim in found} == {"cannot be decided by this"}
    why = "Undecided, because the claim is about other images than these."
    assert all(claim["finding"].endswith(why) for claim in found if "same_as" not in claim)


def test_the_ablations_are_taken_over(content: Any) -> None:
    found = {claim["id"]: claim for claim in content["claims"] if claim["kind"] == "ablation"}
    holding = {name for name, claim in found.items() if claim["verdict"] == "holds"}
    assert holding == {"W3.3", "W3.4", "W3.5", "W3.6"}
    assert found["W3.7"]["verdict"] == "holds in part"
    assert found["W3.7"]["finding"] == "Run | W3.7. Holds: one. Does not hold: other."


def test_an_experiment_that_two_claims_rest_on_is_counted_once(content: Any) -> None:
    found = {claim["id"]: claim for claim in content["claims"]}
    assert [name for name, claim in found.items() if "same_as" in claim] == ["W1.1"]
    assert (found["W1.1"]["same_as"], found["W1.1"]["measured"]) == ("W2.1", [])
    assert found["W1.1"]["verdict"] == found["W2.1"]["verdict"]
    parts = {part["part"]: part["verdict"] for part in found["W2.4"]["parts"]}
    assert {name: parts[name] for name in ("W3.8", "W3.10")} == {
        name: found[name]["verdict"] for name in ("W3.8", "W3.10")
    }
    judged = [number for claim in content["claims"] for number in claim["measured"] if number["alone"]]
    quantities = [number["quantity"] for number in judged]
    assert len(quantities) == len(set(quantities))


def test_all_tests_are_corrected_together(content: Any) -> None:
    tested = [number for claim in content["claims"] for number in claim["measured"] if number["p"] is not None]
    assert len(tested) > 10
    smallest = min(tested, key=lambda number: number["p"])
    assert smallest["corrected"] == pytest.approx(min(1, len(tested) * smallest["p"]), abs=1e-4)
    for number in tested:
        assert number["p"] <= number["corrected"] <= 1
        assert (number["alone"] == "cannot be decided by this") == (number["p"] >= 0.05)
        assert (number["verdict"] == "cannot be decided by this") == (number["corrected"] >= 0.05)


def test_all_that_is_measured_has_a_spread_and_an_interval_around_its_mean(content: Any) -> None:
    measured = [number for claim in content["claims"] for number in claim["measured"]]
    assert len(measured) > 50
    for number in measured:
        assert number["min"] <= number["mean"] <= number["max"]
        low, high = number["interval"]
        assert low <= number["mean"] <= high
        assert (low == high) == (number["min"] == number["max"])
        assert number["seeds"] == 2
    judged = [number for number in measured if "claimed" in number]
    stated = [stated for claim in CLAIMS for stated in claim.get("numbers", []) if "part" in stated]
    assert len(judged) == len(stated) + 2  # digits drawn by hand are shown to two networks


def test_the_tables_say_the_same(content: Any, folder: Path) -> None:
    with (folder / "metrics/reproductions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    keys = ("quantity", "alone", "verdict")
    expected = [
        [claim["id"], *(number.get(key) for key in (*keys, "mean"))]
        for claim in content["claims"]
        for number in claim["measured"] or [claim]
    ]
    found = [
        [row["id"], *(row[key] or None for key in keys), float(row["mean"]) if row["mean"] else None] for row in rows
    ]
    limits = [
        [
            number.get("region", [None] * 2),
            number.get("interval", [None] * 2),
            number.get("p"),
            number.get("corrected"),
        ]
        for claim in content["claims"]
        for number in claim["measured"] or [claim]
    ]
    columns = ("from", "to", "low", "high", "p", "corrected")
    told = [[float(row[column]) if row[column] else None for column in columns] for row in rows]
    assert told == [[*region, *interval, *chance] for region, interval, *chance in limits]
    assert found == expected
    lines = (folder / "metrics/reproductions.md").read_text().splitlines()
    cells = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in lines if line.startswith("| W")]
    assert [cell[0] for cell in cells] == [claim["id"] for claim in content["claims"]]
    assert [cell[2:] for cell in cells] == [
        [claim["verdict"], claim["finding"].replace("|", "\\|")] for claim in content["claims"]
    ]


def test_two_figures_are_drawn(folder: Path) -> None:
    for name in ("reproductions", "comparisons"):
        with Image.open(folder / "figures" / f"{name}.png") as image:
            assert image.width > 1000
    drawing = (folder / "figures/reproductions.svg").read_text()
    claimed = [claim["id"] for claim in CLAIMS if claim.get("numbers") and claim["id"] != "W4.5"]
    assert all(f"<!-- {name}  " in drawing for name in claimed)


@pytest.mark.parametrize(("name", "k"), [("w3", 1), ("w4", 0), ("mini 10", 1)])
def test_a_run_does_not_depend_on_its_process(
    name: str, k: int, folder: Path, runs: dict[str, list[Run]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    images_of.cache_clear()
    with threadpool_limits(1, user_api="blas"):
        here = make(EXPERIMENTS[name], [SEEDS.first, SEEDS.first + 1])[k]
    assert (runs[name][k].trace, runs[name][k].measured) == (here.trace, here.measured)


def test_each_experiment_has_its_seeds(folder: Path, runs: dict[str, list[Run]]) -> None:
    assert runs.keys() == EXPERIMENTS.keys() | {"full 10", *OWN}
    assert all([run.row.seed for run in found] == [7, 8] for found in runs.values())


def test_no_earlier_run_had_a_seed_of_the_study() -> None:
    content = Parameters.model_validate(schema.read(ROOT / "params.yaml"))
    seeds = content.reproduce.seeds
    earlier = {row.seed for row in content.models.values()} | set(range(20))  # revisions before took 0 to 19
    ours = set(range(seeds.first, seeds.first + max(seeds.costly, seeds.usual, seeds.many)))
    assert not ours & earlier
    assert not ours & set(range(FIRST_SEED, FIRST_SEED + Lengths().seeds))


@pytest.mark.parametrize("content", ["[]", '{"rows": []}', '{"rows": [{"finding": "old"}]}', '{"rows": 1}', None])
def test_without_the_ablations_it_says_what_is_missing(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(splits, "require_mnist", lambda split: None)
    Path("metrics").mkdir()
    if content:
        Path("metrics/ablations.json").write_text(content)
    with pytest.raises(UserError, match=r"^metrics/ablations\.json: not "):
        reproduce.reproduce(ROWS, SEEDS, Executor())


def test_without_a_split_the_program_ends_with_a_message(
    project: Path, monkeypatch: pytest.MonkeyPatch, digits: Digits
) -> None:
    write_inputs(digits)
    (splits.directory("standard") / "split.json").unlink()
    monkeypatch.setattr(sys, "argv", ["reproduce"])
    with pytest.raises(UserError, match=r"standard/split\.json: not there"):
        reproduce.main(Alone())


def test_an_error_in_a_process_is_that_of_the_stage(
    project: Path, monkeypatch: pytest.MonkeyPatch, digits: Digits
) -> None:
    write_inputs(digits)
    (splits.directory("kaggle") / "y_test.npy").unlink()
    with ranks.workers(Alone()) as executor:
        assert executor
        with pytest.raises(UserError, match=r"y_test\.npy: not there"):
            run_all(EXPERIMENTS, SEEDS, executor)
