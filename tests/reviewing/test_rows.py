"""Rows of params.yaml in the words of today."""

from typing import Any

import pytest

from reviewing.revisions import WORKSPACE, Revision
from reviewing.rows import count_classes, in_new_form
from tests.networks import layer_rows
from tests.reviewing.repository import Repository


def with_units(units: int) -> list[dict[str, Any]]:
    *layers, last = layer_rows(16)
    return [*layers, last | {"units": units}]


@pytest.mark.parametrize(("units", "classes", "same"), [(10, 10, True), (26, 26, True), (10, 26, False)])
def test_units_that_are_the_classes_are_left_out(units: int, classes: int, same: bool) -> None:
    found = in_new_form({"models": {"a": {"layers": with_units(units)}}}, classes)
    assert found == {"models": {"a": {"layers": layer_rows(16) if same else with_units(units)}}}


def test_classes_are_counted_and_ten_where_a_file_is_older_than_their_names() -> None:
    assert count_classes({"data": {"classes": ["a", "b", "c"]}}) == 3
    assert count_classes({"data": {"name": "MNIST"}}) == 10


def test_a_revision_takes_its_own_classes(repository: Repository) -> None:
    letters = [*"ABCDEFGHIJKLM"]
    changes = {"data.classes": letters, "data.fallback": False}
    repository.rows["first"] = repository.rows["first"] | {"layers": with_units(13)}
    repository.write_parameters(repository.folder, {**changes, "models": repository.rows})
    repository.lock()
    revision = Revision(WORKSPACE)
    assert revision.models()["first"]["layers"] == layer_rows(16)
    entry = revision.stages_in_new_form()["evaluate@first"]
    assert entry["params"]["params.yaml"]["models.first"]["layers"] == layer_rows(16)
