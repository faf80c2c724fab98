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
from stages.claims.reproductions.runs import Experiment, Run, experiments, images_of, train
from stages.claims.reproductions.workers import run_all
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
SEEDS = Seeds(costly=2, usual=2, cheap=2)
Digits = tuple[NDArray[np.uint8], NDArray[np.uint8]]
VERDICTS = {
    "consistent",
    "consistent in part",
    "not confirmed",
    "contradicted",
    "claimed above what is measured",
    "claimed below what is measured",
    "not testable as stated",
}


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
        {"id": claim["id"], "shown": claim["id"] != "W3.7", "finding": f"Run | {claim['id']}."}
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


def test_data_and_notes_are_told(content: Any, folder: Path) -> None:
    assert (content["dataset"], content["notes"]) == ("MNIST, few digits", [NOTE])
    assert (folder / "metrics/reproductions.md").read_text().startswith(f"Data: MNIST, few digits. {NOTE}\n\n| ")
    for name in ("reproductions", "comparisons"):
        drawing = (folder / "figures" / f"{name}.svg").read_text()
        assert f"<!-- {NOTE} -->" in drawing
        assert re.search("<!-- .* on MNIST, few digits -->", drawing)


def test_numbers_that_are_stated_for_other_images_are_not_tested(content: Any) -> None:
    kinds = {claim["id"]: claim["verdict"] for claim in content["claims"] if claim["kind"] == "number"}
    assert set(kinds.values()) == {"not testable as stated"}


def test_the_ablations_are_taken_over(content: Any) -> None:
    found = {claim["id"]: claim for claim in content["claims"] if claim["kind"] == "ablation"}
    assert {name for name, claim in found.items() if claim["verdict"] == "consistent"} == {
        "W3.3",
        "W3.4",
        "W3.5",
        "W3.6",
    }
    assert found["W3.7"]["verdict"] == "not confirmed"
    assert found["W3.7"]["finding"] == "Run | W3.7."


def test_all_that_is_measured_has_a_spread_and_an_interval_around_its_mean(content: Any) -> None:
    measured = [number for claim in content["claims"] for number in claim["measured"]]
    assert len(measured) > 50
    for number in measured:
        assert number["min"] <= number["mean"] <= number["max"]
        assert number["interval"][0] <= number["mean"] <= number["interval"][1]
        assert number["seeds"] == 2
    assert sum("claimed" in number for number in measured) == sum(
        "update" in stated for claim in CLAIMS for stated in claim.get("numbers", [])
    )


def test_the_tables_say_the_same(content: Any, folder: Path) -> None:
    with (folder / "metrics/reproductions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [
        (claim["id"], number.get("quantity", ""), number.get("verdict") or "", number.get("mean", ""))
        for claim in content["claims"]
        for number in claim["measured"] or [{"verdict": claim["verdict"]}]
    ]
    found = [(row["id"], row["quantity"], row["verdict"], float(row["mean"]) if row["mean"] else "") for row in rows]
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
    claimed = [claim["id"] for claim in CLAIMS if claim["kind"] == "number"]
    assert all(f"<!-- {name}  " in drawing for name in claimed)


@pytest.mark.parametrize(("name", "seed"), [("w3", 1), ("w4", 0), ("mini 10", 1)])
def test_a_run_does_not_depend_on_its_process(
    name: str, seed: int, folder: Path, runs: dict[str, list[Run]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    images_of.cache_clear()
    with threadpool_limits(1, user_api="blas"):
        here = train(EXPERIMENTS[name], seed)
    assert (runs[name][seed].trace, runs[name][seed].measured) == (here.trace, here.measured)


def test_each_experiment_has_its_seeds(folder: Path, runs: dict[str, list[Run]]) -> None:
    assert runs.keys() == EXPERIMENTS.keys() | {"full 10"}
    assert all([run.row.seed for run in found] == [0, 1] for found in runs.values())


@pytest.mark.parametrize("content", ["[]", '{"rows": []}', '{"rows": [{"id": "W3.3"}]}', '{"rows": 1}', None])
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
