from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import models
from stages.errors import UserError
from stages.parameters import Model

ROW = Model.model_validate(
    {"split": "standard", "layer_sizes": [784, 4, 10], "learning_rate": 0.5, "epochs": 3, "batch_size": 10, "seed": 1}
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the file of an untrained model."""
    models.save(tmp_path / "m.npz", models.build_network(ROW, np.random.default_rng(2)), ROW, "MNIST")
    return tmp_path / "m.npz"


def test_a_model_is_read_as_it_was_written(path: Path) -> None:
    network, row, dataset = models.load(path)
    expected = models.build_network(ROW, np.random.default_rng(2)).parameters
    assert (row, dataset) == (ROW, "MNIST")
    assert network.parameters.keys() == {"W1", "b1", "W2", "b2"}
    for name, theta in network.parameters.items():
        assert theta.dtype == np.float32
        assert np.array_equal(theta, expected[name])


def test_epochs_become_updates_of_whole_batches() -> None:
    network = models.build_network(ROW, np.random.default_rng(0))
    assert models.build_trainer(ROW, network, 100).updates == 30
    assert models.build_trainer(ROW, network, 101).updates == 33
    full = ROW.model_copy(update={"batch_size": None})
    assert models.build_trainer(full, network, 101).updates == 3
    counted = full.model_copy(update={"epochs": None, "updates": 7})
    assert models.build_trainer(counted, network, 101).updates == 7


def test_dropout_and_activation_of_the_row_are_built() -> None:
    row = ROW.model_copy(update={"dropout": 0.5, "activation": "tanh", "layer_sizes": [784, 4, 3, 10]})
    kinds = [type(layer).__name__ for layer in models.build_network(row, np.random.default_rng(0)).layers]
    assert kinds == ["Affine", "Activation", "Dropout", "Affine", "Activation", "Dropout", "Affine"]


def rewrite(path: Path, **changes: Any) -> None:
    """Write an archive again with some of its arrays replaced, or left out where None."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files} | changes
    with path.open("wb") as file:
        np.savez(file, **{name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize(
    "changes",
    [
        {"W1": np.zeros((4, 783), np.float32)},
        {"W1": np.zeros((4, 784))},
        {"b2": None},
        {"description": "{"},
        {"description": "[]"},
        {"description": '{"dataset": "MNIST", "parameters": {"split": 1}}'},
        {"description": None},
        {"W1": np.array([{}], dtype=object)},
    ],
)
def test_an_archive_that_holds_something_else_is_an_error(path: Path, changes: dict[str, Any]) -> None:
    rewrite(path, **changes)
    with pytest.raises(UserError, match=r"m\.npz: not a model of this project"):
        models.load(path)


def test_a_truncated_or_foreign_or_missing_file_is_an_error(path: Path) -> None:
    content = path.read_bytes()
    for damaged in (
        content[: len(content) // 2],
        b"",
        b"PK",
        b"\x93NUMPY",
        content.replace(b"\x93NUMPY", b"\x93NUMPO"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"m\.npz: not a model of this project"):
            models.load(path)
    path.unlink()
    with pytest.raises(UserError, match="not there; run `dvc repro`"):
        models.load(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["W1", "b2"])
def test_weights_that_are_not_finite_are_an_error(path: Path, name: str, value: float) -> None:
    array = models.load(path)[0].parameters[name]
    array[1, 0] = value
    rewrite(path, **{name: array})
    with pytest.raises(
        UserError, match=rf"m\.npz: not a model .*{name} is not finite .*; delete it and run `dvc repro`"
    ):
        models.load(path)


def test_deleting_it_and_making_it_anew_helps_a_damaged_file(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:100])
    with pytest.raises(UserError, match="delete it and run `dvc repro`"):
        models.load(path)
    path.unlink()
    with pytest.raises(UserError, match="run `dvc repro`, which makes it"):
        models.load(path)
    models.save(path, models.build_network(ROW, np.random.default_rng(2)), ROW, "MNIST")
    models.load(path)
