import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.nn.layer import OptionError
from stages.nn.network import Network
from stages.shared import models
from stages.shared.errors import UserError
from stages.shared.mnist import FORM
from stages.shared.parameters import Model
from tests.networks import layer_rows

ROW = Model.model_validate(
    {"split": "standard", "layers": layer_rows(4), "learning_rate": 0.5, "epochs": 3, "batch_size": 10, "seed": 1}
)


def row_of(layers: list[dict[str, Any]]) -> Model:
    """Return the row with other layers."""
    return Model.model_validate(ROW.model_dump(mode="json") | {"layers": layers})


def network_of(row: Model, seed: int = 0) -> Network:
    """Return the untrained network of a row."""
    return models.start_network("m", row, FORM, np.random.default_rng(seed))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the file of an untrained model."""
    models.save(tmp_path / "m.npz", network_of(ROW, 2), ROW, FORM, "MNIST")
    return tmp_path / "m.npz"


def test_a_model_is_read_as_it_was_written(path: Path) -> None:
    model = models.load(path)
    expected = network_of(ROW, 2).parameters
    assert (model.row, model.form, model.dataset) == (ROW, FORM, "MNIST")
    assert model.network.parameters.keys() == {"0.W", "0.b", "2.W", "2.b"}
    for name, theta in model.network.parameters.items():
        assert theta.dtype == np.float32
        assert np.array_equal(theta, expected[name])


def test_epochs_become_updates_of_whole_batches() -> None:
    network = network_of(ROW)
    assert models.build_trainer(ROW, network, 100).updates == 30
    assert models.build_trainer(ROW, network, 101).updates == 33
    full = ROW.model_copy(update={"batch_size": None})
    assert models.build_trainer(full, network, 101).updates == 3
    counted = full.model_copy(update={"epochs": None, "updates": 7})
    assert models.build_trainer(counted, network, 101).updates == 7


def test_the_trainer_is_told_what_the_row_says() -> None:
    keys = {"weight_decay": 0.1, "label_smoothing": 0.2, "clip_norm": 3.0, "decoupled_decay": True, "averaging": 0.9}
    row = Model.model_validate(ROW.model_dump(mode="json") | keys)
    trainer = models.build_trainer(row, network_of(row), 100)
    assert (trainer.weight_decay, trainer.parts.smoothing, trainer.clip_norm) == (0.1, 0.2, 3.0)
    assert trainer.decoupled_decay
    assert trainer.average
    assert trainer.average.decay == 0.9
    plain = models.build_trainer(ROW, network_of(ROW), 100)
    assert (plain.parts.smoothing, plain.clip_norm, plain.decoupled_decay, plain.average) == (0, None, False, None)


NORMALIZED = row_of([{"name": "affine", "units": 4}, {"name": "batch_normalization"}, {"name": "affine"}])


@pytest.mark.parametrize(
    ("keys", "m", "message"),
    [
        (
            {"batch_size": 10},
            101,
            r"is 10, .* 101 .* layers\.1 \(batch_normalization\) would get 1 .* at least 2; batch_size: 11 would do",
        ),
        ({"batch_size": 1}, 8, r"is 1, .* batch_size: 2 would do"),
        ({"batch_size": 7}, 8, r"is 7, .* batch_size: 8 would do"),
        ({"batch_size": 7, "window": 7}, 8, r"is 7, .* batch_size: 6 would do"),
        ({"batch_size": 8, "parts": 5}, 80, r"is 8, with parts 5: .* batch_size: 10 or parts: 4 would do"),
        ({"batch_size": 10, "parts": 8}, 100, r"is 10, with parts 8: .* batch_size: 20 or parts: 5 would do"),
        ({"batch_size": None, "parts": 4}, 7, r"is null, with parts 4: .* parts: 3 would do"),
        ({"batch_size": None}, 2049, r"is null, with parts 1: of 2049 .* batch_size: 2047 or parts: 2 would do"),
        ({"batch_size": None}, 1, r"is null, with parts 1: .* more training images would do"),
    ],
)
def test_a_batch_that_leaves_a_layer_too_few_columns_is_refused_with_what_works(
    keys: dict[str, Any], m: int, message: str
) -> None:
    row = Model.model_validate(NORMALIZED.model_dump(mode="json") | keys)
    with pytest.raises(OptionError, match=rf"^batch_size {message}$") as caught:
        models.build_trainer(row, network_of(row), m)
    for key, value in re.findall(r"(batch_size|parts): (\d+)", str(caught.value)):
        models.build_trainer(row.model_copy(update={key: int(value)}), network_of(row), m)


def test_images_have_places_enough_for_one_of_them_alone() -> None:
    row = row_of([{"name": "batch_normalization"}, {"name": "affine"}])
    models.build_trainer(row.model_copy(update={"batch_size": 1}), network_of(row), 3)


def test_the_layers_of_the_row_are_built() -> None:
    network = network_of(row_of(layer_rows(4, 3, activation="tanh", dropout=0.5)))
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == ["Affine", "Tanh", "Dropout", "Affine", "Tanh", "Dropout", "Affine"]
    assert network.shape == (10,)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"name": "relu"}], r"layers\.0 returns 28 x 28 x 1, not 10 classes; end with an affine layer"),
        (
            [{"name": "affine", "units": 3}],
            r"layers\.0 returns 3, not 10 classes; end with an affine layer",
        ),
        (
            [{"name": "max_pooling", "size": 2}] * 3 + [{"name": "affine"}],
            r"layers\.2\.size is 2: max_pooling of size 2 gets 7 x 7; sizes that fit are 1, 7",
        ),
    ],
)
def test_layers_that_do_not_fit_are_named(
    layers: list[dict[str, Any]], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=rf"^params\.yaml: models\.m\.{message}$"):
        network_of(row_of(layers))


def test_a_network_of_any_layers_is_read_as_it_was_written(tmp_path: Path) -> None:
    inner: list[dict[str, Any]] = [{"name": "affine", "units": 5}, {"name": "batch_normalization"}]
    row = row_of(
        [
            {"name": "convolution", "filters": 2, "size": 5},
            {"name": "max_pooling", "size": 4},
            *inner,
            {"name": "residual", "layers": inner},
            {"name": "affine"},
        ]
    )
    network, X = network_of(row), np.random.default_rng(0).random((784, 3)).astype(np.float32)
    network.forward(X, np.random.default_rng(1))
    models.save(tmp_path / "m.npz", network, row, FORM, "MNIST")
    loaded = models.load(tmp_path / "m.npz")
    assert loaded.row == row
    assert loaded.network.state.keys() == {"3.mean", "3.variance", "4.1.mean", "4.1.variance"}
    np.testing.assert_array_equal(loaded.network.forward(X), network.forward(X))


def rewrite(path: Path, **changes: Any) -> None:
    """Write an archive again with some of its arrays replaced, or left out where None."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files} | changes
    with path.open("wb") as file:
        np.savez(file, **{name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize(
    "changes",
    [
        {"0.W": np.zeros((4, 783), np.float32)},
        {"0.W": np.zeros((4, 784))},
        {"2.b": None},
        {"description": "{"},
        {"description": "[]"},
        {"description": '{"dataset": "MNIST", "parameters": {"split": 1}}'},
        {"description": None},
        {"0.W": np.array([{}], dtype=object)},
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


def test_a_file_of_the_old_form_is_refused_with_the_new_form_of_its_row(path: Path) -> None:
    old = {key: value for key, value in ROW.model_dump(mode="json").items() if key != "layers"}
    description = {"dataset": "MNIST", "parameters": {**old, "layer_sizes": [784, 4, 10], "activation": "relu"}}
    rewrite(path, description=np.asarray(json.dumps(description)))
    with pytest.raises(UserError) as caught:
        models.load(path)
    assert "now one list: layers: [{name: affine, units: 4}, {name: relu}, {name: affine, units: 10}]" in str(
        caught.value
    )
    assert str(caught.value).endswith("delete it and run `dvc repro`")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["0.W", "2.b"])
def test_weights_that_are_not_finite_are_an_error(path: Path, name: str, value: float) -> None:
    array = models.load(path).network.parameters[name]
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
    models.save(path, network_of(ROW, 2), ROW, FORM, "MNIST")
    models.load(path)
