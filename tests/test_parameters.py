from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from stages.errors import UserError
from stages.nn.initializers import He, Uniform
from stages.nn.optimizers import Adam, GradientDescent
from stages.nn.schedules import Steps
from stages.parameters import Model, load, load_model

Write = Callable[[Path, Mapping[str, Any]], None]
ROW = "models.w3-relu-10"


def test_the_committed_file_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent)
    row = load().models["w3-relu-10"]
    assert (row.layer_sizes, row.learning_rate, row.updates, row.batch_size) == ([784, 10, 10], 0.1, 750, None)
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
        {"split": "s", "layer_sizes": [784, 10], "learning_rate": 1, "epochs": 1, "seed": 0},
    )
    assert (row.activation, row.dropout, row.weight_decay, row.record_every) == ("relu", 0, 0, 1)
    assert row.optimizer == GradientDescent()


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
        ("layer_sizes", [783, 10, 10], r"start with 784 \(pixels\) and end with 10 \(classes\)"),
        ("layer_sizes", [784, 10, 9], r"start with 784 \(pixels\) and end with 10 \(classes\)"),
        ("layer_sizes", [784, 0, 10], "must be positive"),
        ("layer_sizes", [], "must be positive"),
        ("activation", "relo", "must be null or one of relu, tanh, sigmoid"),
        ("dropout", 1, "dropout is 1: should be less than 1"),
        ("optimizer", {"name": "adan"}, "must be a map whose key `name` is one of gradient-descent, momentum"),
        ("optimizer", "adam", "must be a map whose key `name`"),
        ("optimizer", {"name": "adam", "beta3": 0.9}, "beta3 is not a known key"),
        ("optimizer", {"name": "adam", "beta1": 1}, "beta1 must be at least 0 and less than 1, not 1"),
        ("optimizer", {"name": "adam", "beta1": "x"}, "beta1 is 'x': should be a valid number"),
        ("initializer", {"name": "uniform", "low": 1, "high": 0}, "low must be less than high"),
        ("schedule", {"name": "steps"}, "schedule: at is missing"),
        ("schedule", {"name": "steps", "at": [5, 5]}, "must list ascending numbers of updates"),
        ("split", "nowhere", "must be one of .*kaggle, standard, not 'nowhere'"),
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
