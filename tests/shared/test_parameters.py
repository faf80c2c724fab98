from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.nn.initializers import He, Uniform
from stages.nn.optimizers import Adam, GradientDescent
from stages.nn.schedules import Steps
from stages.shared.errors import UserError
from stages.shared.parameters import LayerRow, Model, describe_network, load, load_model
from tests.networks import layer_rows

Write = Callable[[Path, Mapping[str, Any]], None]
ROW = "models.w3-relu-10"


def test_the_committed_file_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    row = load().models["w3-relu-10"]
    assert row.layers == [LayerRow("affine", {"units": 10}), LayerRow("relu", {}), LayerRow("affine", {})]
    assert (row.learning_rate, row.updates, row.batch_size) == (0.1, 750, None)
    assert row.initializer == Uniform(-0.5, 0.5)


def test_members_of_families_are_made_from_their_options(project: Path, write_parameters: Write) -> None:
    changes = {
        f"{ROW}.optimizer": {"name": "adam", "beta1": 0.8},
        f"{ROW}.schedule": {"name": "steps", "at": [10, 20], "factor": 0.5},
        f"{ROW}.initializer": {"name": "he"},
    }
    write_parameters(project, changes)
    row = load_model("w3-relu-10")
    assert row.optimizer == Adam(beta1=0.8)
    assert row.schedule == Steps([10, 20], 0.5)
    assert row.initializer == He()
    assert Model.model_validate(row.model_dump(mode="json")) == row


def test_keys_that_may_be_left_out_have_their_defaults() -> None:
    row = Model.model_validate(
        {"split": "s", "layers": layer_rows(), "learning_rate": 1, "epochs": 1, "seed": 0},
    )
    assert (row.weight_decay, row.record_every, row.early_stopping) == (0, 1, None)
    assert row.optimizer == GradientDescent()
    assert (row.label_smoothing, row.clip_norm, row.decoupled_decay, row.averaging) == (0, None, False, None)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("learning_rate", 0, "learning_rate is 0: should be greater than 0"),
        ("learning_rate", float("nan"), "learning_rate is nan: should be a finite number"),
        ("learning_rate", "fast", "learning_rate is 'fast': should be a valid number"),
        ("updates", -1, "updates is -1: should be greater than or equal to 1"),
        ("updates", 7.5, "updates is 7.5: should be a valid integer"),
        ("updates", None, "needs one of updates and epochs, and not both"),
        ("epochs", 3, "needs one of updates and epochs, and not both"),
        ("layers", [], r"layers is \[\]: List should have at least 1 item"),
        ("layers", {"name": "affine"}, "layers: should be a valid list"),
        ("layers", [{"name": "affine", "units": 0}], r"layers\.0\.units is 0: should be greater than or equal to 1"),
        ("layers", [{"name": "affine", "units": 2.5}], r"layers\.0\.units is 2.5: should be a valid integer"),
        ("layers", [{"name": "affine"}, {"name": "relo"}], r"layers\.1: must be .* one of affine, relu, .*'relo'"),
        ("layers", ["relu"], "layers.0 is 'relu': must be a map whose key `name` is one of affine, relu"),
        ("layers", [{"name": "relu", "units": 3}], r"layers\.0\.units is not a known key"),
        ("layers", [{"name": "dropout"}], r"layers\.0\.rate is missing"),
        ("layers", [{"name": "dropout", "rate": 1}], r"layers\.0\.rate is 1: should be less than 1"),
        ("layers", [{"name": "affine", "shape": [3]}], r"layers\.0\.shape is not a known key"),
        ("layers", [{"name": "convolution"}], r"layers\.0\.filters is missing"),
        (
            "layers",
            [{"name": "convolution", "filters": 2, "padding": -1}],
            r"layers\.0\.padding is -1: should be greater than or equal to 0",
        ),
        (
            "layers",
            [{"name": "max_pooling", "size": 2, "stride": 0}],
            r"layers\.0\.stride is 0: should be greater than or equal to 1",
        ),
        (
            "layers",
            [{"name": "deformation", "shift": -1}],
            r"layers\.0\.shift is -1: should be greater than or equal to 0",
        ),
        (
            "layers",
            [{"name": "deformation", "elastic": float("inf")}],
            r"layers\.0\.elastic is inf: should be a finite number",
        ),
        ("layers", [{"name": "deformation", "scaling": 1}], r"layers\.0\.scaling is 1: should be less than 1"),
        ("optimizer", {"name": "adan"}, "must be a map whose key `name` is one of gradient-descent, momentum"),
        ("optimizer", "adam", "must be a map whose key `name`"),
        ("optimizer", {"name": "adam", "beta3": 0.9}, r"optimizer\.beta3 is not a known key"),
        ("optimizer", {"name": "adam", "beta1": 1}, "beta1 must be at least 0 and less than 1, not 1"),
        ("optimizer", {"name": "adam", "beta1": "x"}, r"optimizer\.beta1 is 'x': should be a valid number"),
        ("initializer", {"name": "uniform", "low": 1, "high": 0}, "low must be less than high"),
        ("schedule", {"name": "steps"}, r"schedule\.at is missing"),
        ("schedule", {"name": "steps", "at": [5, 5]}, "must list ascending numbers of updates"),
        ("split", "nowhere", "must be one of .*kaggle, standard, not 'nowhere'"),
        ("label_smoothing", 1, "label_smoothing is 1: should be less than 1"),
        ("label_smoothing", -0.1, "label_smoothing is -0.1: should be greater than or equal to 0"),
        ("label_smoothing", float("nan"), "label_smoothing is nan: should be"),
        ("clip_norm", 0, "clip_norm is 0: should be greater than 0"),
        ("clip_norm", float("inf"), "clip_norm is inf: should be a finite number"),
        ("decoupled_decay", "yes", "decoupled_decay is 'yes': should be a valid boolean"),
        ("averaging", 0, "averaging is 0: should be greater than 0"),
        ("averaging", 1, "averaging is 1: should be less than 1"),
        ("averaging", True, "averaging is True: should be a valid number"),
        ("early_stopping", 3, "needs splits.kaggle.validation above 0"),
        ("batch_sise", 3, "batch_sise is not a known key"),
        ("seed", None, "seed is None: should be a valid integer"),
    ],
)
def test_a_wrong_key_of_a_model_is_named_with_what_is_allowed(
    project: Path, write_parameters: Write, key: str, value: object, message: str
) -> None:
    write_parameters(project, {f"{ROW}.{key}": value})
    with pytest.raises(UserError, match=message) as caught:
        load()
    assert "params.yaml: models.w3-relu-10" in str(caught.value)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"layer_sizes": [784, 10, 10]}, "[{name: affine, units: 10}, {name: relu}, {name: affine, units: 10}]"),
        ({"layer_sizes": [784, 10], "activation": "tanh"}, "[{name: affine, units: 10}]"),
        (
            {"layer_sizes": [784, 8, 10], "activation": "tanh", "dropout": 0.5},
            "[{name: affine, units: 8}, {name: tanh}, {name: dropout, rate: 0.5}, {name: affine, units: 10}]",
        ),
        (
            {"layer_sizes": [784, 8, 10], "activation": None},
            "[{name: affine, units: 8}, {name: affine, units: 10}]",
        ),
    ],
)
def test_a_row_of_the_old_form_is_refused_with_its_new_form_which_works(
    project: Path, write_parameters: Write, old: dict[str, Any], new: str
) -> None:
    rest = {"split": "kaggle", "learning_rate": 1.0, "epochs": 1, "seed": 0}
    write_parameters(project, {"models": {"old": rest | old}})
    with pytest.raises(UserError) as caught:
        load()
    message = str(caught.value)
    assert message.startswith("params.yaml: models.old: layer_sizes, activation and dropout are now one list: layers: ")
    assert message.endswith(f"layers: {new}")
    write_parameters(project, {"models": {"old": rest | YAML(typ="safe").load(f"layers: {new}")}})
    assert len(load().models["old"].layers) == new.count("name")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("relu", "relu"),
        ("relu tanh relu", "relu, tanh, relu"),
        ("relu relu relu", "3 × (relu)"),
        ("gelu relu tanh relu tanh gelu", "gelu, 2 × (relu, tanh), gelu"),
        ("relu tanh relu tanh relu tanh sigmoid gelu gelu", "3 × (relu, tanh), sigmoid, 2 × (gelu)"),
    ],
)
def test_layers_that_repeat_are_described_once(names: str, words: str) -> None:
    row = {"split": "all", "layers": [{"name": name} for name in names.split()], "learning_rate": 1.0, "epochs": 1}
    assert describe_network(Model.model_validate({**row, "seed": 0})) == words


def test_layers_inside_a_layer_are_checked_and_written_like_those_outside(
    project: Path, write_parameters: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = [{"name": "residual", "layers": [{"name": "affine", "units": 784}, {"name": "tanh"}]}, {"name": "affine"}]
    write_parameters(project, {f"{ROW}.layers": layers})
    row = load_model("w3-relu-10")
    assert row.model_dump(mode="json")["layers"] == layers
    assert Model.model_validate(row.model_dump(mode="json")) == row
    assert describe_network(row) == "residual (affine 784, tanh), affine"
    layers[0]["layers"][0]["units"] = -1  # type: ignore[index]
    write_parameters(project, {f"{ROW}.layers": layers})
    with pytest.raises(UserError, match=r"models\.w3-relu-10\.layers\.0\.layers\.0\.units is -1: should be greater"):
        load()


def test_a_network_in_words() -> None:
    assert str(LayerRow("batch_normalization", {})) == "batch normalization"
    assert str(LayerRow("convolution", {"filters": 16, "size": 5})) == "convolution (filters 16, size 5)"


def test_every_wrong_key_has_a_line(project: Path, write_parameters: Write) -> None:
    write_parameters(project, {f"{ROW}.learning_rate": 0, "splits.kaggle.images": 0})
    with pytest.raises(UserError) as caught:
        load()
    lines = str(caught.value).splitlines()
    assert [line.split(" is ")[0] for line in lines] == [
        "params.yaml: splits.kaggle.images",
        "params.yaml: models.w3-relu-10.learning_rate",
    ]


def test_a_name_that_dvc_cannot_use_is_an_error(project: Path, write_parameters: Write) -> None:
    write_parameters(project, {"models": {"a.b": {}}})
    with pytest.raises(UserError, match=r"letters, digits, hyphens and underscores"):
        load()


def test_an_unknown_model_is_an_error(project: Path) -> None:
    with pytest.raises(UserError, match=r"models has no 'nobody'; it has .*w3-relu-10"):
        load_model("nobody")
