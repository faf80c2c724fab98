"""Chance and seed against values worked by hand and taken from tables."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from reviewing.significance import Paired, Spread, find_spread, pair
from tests.networks import layer_rows
from tests.reviewing.repository import ROOT

ROWS: dict[str, Any] = YAML(typ="safe").load(ROOT / "params.yaml")["models"]
NETWORKS = {  # as the reproduce stage writes them
    "W1": ROWS["w3-relu-10"],
    "W3": ROWS["w3-relu-10"],
    "W4": ROWS["w4-tanh-16-16"],
    "W5": ROWS["w5-relu-128"],
}


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (0, 0, 1),
        (3, 3, 1),
        (5, 0, 2 / 32),
        (9, 1, 2 * (1 + 10) / 1024),
        (2, 7, 2 * (1 + 9 + 36) / 512),
    ],
)
def test_p_is_the_sum_of_both_tails_of_the_binomial_distribution(gained: int, lost: int, p: float) -> None:
    assert Paired(np.arange(gained), np.arange(lost)).p == pytest.approx(p, rel=1e-12)


def test_p_for_many_images_is_close_to_that_of_the_chi_squared_distribution() -> None:
    chi_squared = (1160 - 1040 - 1) ** 2 / 2200  # with Edwards's correction
    assert Paired(np.arange(1160), np.arange(1040)).p == pytest.approx(math.erfc(math.sqrt(chi_squared / 2)), rel=1e-2)


def predictions(labels: list[int], predicted: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"label": labels, "predicted": predicted})


def test_pair_tells_which_images_one_alone_gets_right() -> None:
    paired = pair(predictions([1, 2, 3, 4, 5], [1, 2, 0, 0, 5]), predictions([1, 2, 3, 4, 5], [1, 9, 3, 1, 0]))
    assert paired is not None
    assert paired.gained.tolist() == [2]
    assert paired.lost.tolist() == [1, 4]


@pytest.mark.parametrize("labels", [[1, 3], [1, 2, 2]])
def test_other_images_are_not_paired(labels: list[int]) -> None:
    assert pair(predictions([1, 2], [1, 2]), predictions(labels, labels)) is None


@pytest.mark.parametrize(("seeds", "quantile"), [(2, 12.706), (3, 4.303), (5, 2.776), (20, 2.093)])
def test_margin_has_the_tabulated_quantile_of_t(seeds: int, quantile: float) -> None:
    assert Spread(0.01, seeds, 1).margin == pytest.approx(quantile * math.sqrt(0.0002), rel=2e-4)


def reproductions(**changes: Any) -> dict[str, Any]:
    """Return what the reproduce stage writes, with numbers made up, for three times in the training of W3's network."""
    numbers = [
        {"subject": {"quantity": "accuracy", "part": part, "update": update}, "unit": "share", "seeds": 5, "sd": sd}
        for part, update, sd in (("test", 500, 0.02), ("train", 750, 0.03), ("test", 750, 0.01), ("test", 1500, 0.04))
    ]
    claims = [
        {"id": "W3.1", "write_up": "W3", "measured": numbers},
        {"id": "W4.1", "write_up": "W4", "measured": [numbers[2] | {"sd": 0.5}]},
    ]
    return {"dataset": "MNIST", "networks": NETWORKS, "claims": claims} | changes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Spread(0.01, 5, 750)),
        ({"seed": 7}, Spread(0.01, 5, 750)),
        ({"updates": 749}, Spread(0.02, 5, 500)),
        ({"updates": None, "epochs": 1600}, Spread(0.04, 5, 1500)),
        ({"optimizer": {"name": "gradient-descent"}, "weight_decay": 0.0}, Spread(0.01, 5, 750)),  # the defaults
        ({"updates": 100}, None),
        ({"layers": layer_rows(32)}, None),
        ({"batch_size": 128}, None),
        ({"learning_rate": "fast"}, None),
    ],
)
def test_the_spread_is_that_of_the_same_network_at_the_last_time_before_its_end(
    changes: dict[str, Any], expected: Spread | None
) -> None:
    assert find_spread(ROWS["w3-relu-10"] | changes, "MNIST", reproductions()) == expected


def test_the_spread_of_another_part_is_its_own() -> None:
    row = ROWS["w3-relu-10"]
    assert find_spread(row, "MNIST", reproductions(), "train") == Spread(0.03, 5, 750)
    assert find_spread(row, "MNIST", reproductions(), "held_out") is None
    assert find_spread(row, "MNIST", reproductions(), "validation") is None


def test_no_spread_without_a_row_or_a_measurement_or_on_other_data() -> None:
    row = ROWS["w3-relu-10"]
    assert find_spread(None, "MNIST", reproductions()) is None
    assert find_spread(row, "MNIST", {}) is None
    assert find_spread(row, "5,000 digits", reproductions()) is None


def test_networks_of_the_write_ups_are_recognized_in_params_yaml() -> None:
    subject = {"quantity": "accuracy", "part": "test", "update": 100}
    measured = [
        {"write_up": write_up, "measured": [{"subject": subject, "seeds": 2, "sd": sd}]}
        for write_up, sd in (("W1", 1.0), ("W4", 4.0), ("W5", 5.0))
    ]
    content = reproductions(claims=measured)
    found = {name: find_spread(row, "MNIST", content) for name, row in ROWS.items()}
    assert {name: spread and spread.deviation for name, spread in found.items()} == {
        "w3-relu-10": 1.0,
        "w1-relu-10": 1.0,
        "w2-relu-10": 1.0,
        "w4-tanh-16-16": 4.0,
        "w5-relu-128": 5.0,
        "w5-relu-128-mini-batch": None,
        "convolution": None,
        "transformer": None,
    }
