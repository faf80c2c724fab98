"""What is told of two contents of params.yaml: which leaf differs, and which layer came or went."""

from typing import Any

import pytest

from stages.shared.changes import Change, changes, name_leaves
from tests.networks import layer_rows


def affine(units: int) -> dict[str, Any]:
    return {"name": "affine", "units": units}


RELU, TANH, LAST = {"name": "relu"}, {"name": "tanh"}, {"name": "affine"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [Change("a.c", 2, 3)]),
        ({"b": 1}, {"a": {"x": [1, 2]}}, [Change("a.x", None, [1, 2]), Change("b", 1, None)]),
        ({"at": [75]}, {"at": [75, 90]}, [Change("at", [75], [75, 90])]),
        ({"a": 1}, {"a": {"b": 1}}, [Change("a", 1, {"b": 1})]),
        ({"a": None}, {}, []),
    ],
)
def test_leaves_of_maps(before: Any, after: Any, expected: list[Change]) -> None:
    assert changes(before, after) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([affine(10), RELU, LAST], [affine(32), RELU, LAST], [("0.units", 10, 32)]),
        ([affine(10), RELU, LAST], [affine(10), RELU, affine(10)], [("2.units", None, 10)]),
        ([affine(10), RELU, LAST], [affine(10), TANH, LAST], [("1", "relu", "tanh")]),
        (
            [affine(10), RELU, LAST],
            [affine(10), RELU, {"name": "dropout", "rate": 0.5}, LAST],
            [("2", None, "dropout 0.5")],
        ),
        (
            [affine(16), TANH, affine(8), TANH, LAST],
            [affine(8), TANH, LAST],
            [("0", "affine 16", None), ("1", "tanh", None)],
        ),
        (
            [affine(10), RELU, LAST],
            [affine(64), TANH, affine(32), RELU, LAST],
            [("0.units", 10, 64), ("1", None, "tanh"), ("2", None, "affine 32")],
        ),
        (
            [{"name": "residual", "layers": [affine(10), RELU]}, LAST],
            [{"name": "residual", "layers": [affine(12), RELU]}, LAST],
            [("0.layers.0.units", 10, 12)],
        ),
        (
            [LAST],
            [{"name": "residual", "layers": [affine(10), RELU]}, LAST],
            [("0", None, "residual (affine 10, relu)")],
        ),
    ],
)
def test_layers_are_compared_with_those_that_they_stand_for(
    before: list[dict[str, Any]], after: list[dict[str, Any]], expected: list[tuple[str, Any, Any]]
) -> None:
    found = changes({"models": {"m": {"layers": before}}}, {"models": {"m": {"layers": after}}})
    assert found == [Change(f"models.m.layers.{key}", old, new) for key, old, new in expected]


def test_a_row_that_is_new_has_its_layers_in_words() -> None:
    row = {"layers": layer_rows(10), "seed": 0}
    assert changes({}, {"m": row}) == [Change("m.layers", None, "affine 10, relu, affine"), Change("m.seed", None, 0)]
    assert changes({"m": row}, {}) == [Change("m.layers", "affine 10, relu, affine", None), Change("m.seed", 0, None)]


def test_few_leaves_are_named_and_else_the_key() -> None:
    before, after = ({"layers": layer_rows(units), "seed": units} for units in (10, 32))
    assert name_leaves(before, after, "models.m") == "models.m.layers.0.units, models.m.seed"
    assert name_leaves(1, 1, "seed") == "seed"
    assert name_leaves({}, {str(k): k for k in range(4)}, "models") == "models"
