import base64
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages.ladder.climb import climb
from stages.ladder.collect import collect
from stages.ladder.committee import measure
from stages.shared import splits
from tests.ladder.conftest import RUNGS


def test_what_has_not_been_run_is_left_out(prepared: Path) -> None:
    climb("high")
    collect()
    results = json.loads(Path("results.json").read_text())
    assert list(results["rungs"]) == ["high"]
    assert results["digits"] == []


def test_a_row_is_what_the_files_of_its_rung_say(prepared: Path) -> None:
    climb("high")
    measure("both")
    collect()
    results = json.loads(Path("results.json").read_text())
    row = results["rungs"]["high"]
    metrics, ran = (json.loads(Path(f"{folder}/high.json").read_text()) for folder in ("metrics", "runs"))
    assert row["mean"] == metrics["mean"]
    assert row["wrong"] == pytest.approx(np.mean([seed["wrong"] for seed in metrics["seeds"]]), abs=0.05)
    assert row["seconds"] == pytest.approx(min(ran["seconds"]), abs=0.05)
    assert (row["seeds"], row["revision"]) == (3, ran["revision"])
    assert results["rungs"]["both"]["seeds"] == 1


def test_the_digits_are_those_of_the_best_rung_by_how_many_seeds_have_them_wrong(prepared: Path) -> None:
    YAML(typ="safe").dump({**RUNGS, "best": "high"}, Path("rungs.yaml"))
    climb("high")
    collect()
    digits = json.loads(Path("results.json").read_text())["digits"]
    X, y = splits.require_part("final", "test")
    wrong = pd.read_csv("metrics/wrong/high.csv")
    assert len(digits) == min(60, wrong["index"].nunique())
    for digit in digits:
        of = wrong[wrong["index"] == digit["index"]]
        pixels = np.frombuffer(base64.b64decode(digit["pixels"]), np.uint8)
        assert np.array_equal(pixels, np.rint(255 * X[:, digit["index"]]))
        assert (digit["label"], digit["seeds"]) == (y[digit["index"]], len(of))
        assert digit["predicted"] in of["predicted"].mode().tolist()
    counts = [digit["seeds"] for digit in digits]
    assert counts == sorted(counts, reverse=True)
