"""The gradient check for a person: right gradients pass, each sabotaged one is found."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.cross_entropy import cross_entropy
from stages.nn.dropout import Dropout
from stages.nn.initializers import Normal
from stages.nn.layer import Layer
from stages.nn.relu import ReLU
from stages.nn.training import Trainer
from stages.shared import models
from stages.shared.errors import run
from stages.shared.mnist import FORM
from stages.shared.parameters import Model
from tests.networks import build, layer_rows
from tools import check_gradients
from tools.check_gradients import Comparison, KinkWithinStepError, Loss, compare, compare_at_random, table

ROOT = Path(__file__).parents[2]
RIGHT = Affine.backward


def row(**keys: Any) -> Model:
    """Return a row of params.yaml for a small network."""
    return Model.model_validate(
        {"split": "any", "layers": layer_rows(6), "learning_rate": 0.1, "updates": 1, "seed": 0} | keys
    )


@pytest.fixture
def small(project: Path, write_parameters: Callable[[Path, Mapping[str, Any]], None]) -> Path:
    """Return the project's folder; its one model, `small`, has dropout and weight decay."""
    model = row(split="kaggle", layers=layer_rows(6, 5, dropout=0.2), weight_decay=0.01)
    write_parameters(project, {"models": {"small": model.model_dump(mode="json")}})
    return project


def check(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run the program in this process."""
    monkeypatch.setattr(sys, "argv", ["check_gradients", *arguments])
    run(check_gradients.main)


def test_right_gradients_pass(small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    check(monkeypatch, "small")
    output = capsys.readouterr().out
    rows = {words[0]: words for line in output.splitlines() if (words := line.split()) and words[0][1:2] == "."}
    assert rows.keys() == {"0.W", "0.b", "3.W", "3.b", "6.W", "6.b"}
    assert {words[-1] for words in rows.values()} == {"right"}
    assert "50 of 4704" in output
    assert "5 of 5" in output


def test_the_status_is_0_as_a_program(small: Path) -> None:
    program = [sys.executable, "-m", "tools.check_gradients"]
    done = subprocess.run(
        [*program, "small"], cwd=small, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def scalar_bias_gradient(layer: Affine, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
    """Set the gradient of the biases to the sum over everything, as three of the write-ups do."""
    passed_back = RIGHT(layer, dZ, add, dX)
    layer.gradients["b"][...] = dZ.sum()
    return passed_back


def untransposed(layer: Affine, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
    """Return a gradient of the right shape that is not the input's."""
    return None if RIGHT(layer, dZ, add, dX) is None else np.abs(layer.parameters["W"].T) @ dZ


def everything(layer: Layer, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
    """Return the gradient as if nothing had been dropped, or cut off."""
    return dY


SABOTAGES: list[tuple[str, Callable[[pytest.MonkeyPatch], None], set[str]]] = [
    (
        "bias-gradients-summed-over-everything",
        lambda patch: patch.setattr(Affine, "backward", scalar_bias_gradient),
        {"0.b", "3.b", "6.b"},
    ),
    (
        "a-wrong-gradient-handed-to-the-layer-below",
        lambda patch: patch.setattr(Affine, "backward", untransposed),
        {"0.W", "0.b", "3.W", "3.b"},
    ),
    (
        "dropout-without-its-mask",
        lambda patch: patch.setattr(Dropout, "backward", everything),
        {"0.W", "0.b", "3.W", "3.b"},
    ),
    (
        "relu-that-lets-everything-through",
        lambda patch: patch.setattr(ReLU, "backward", everything),
        {"0.W", "0.b", "3.W", "3.b"},
    ),
]


@pytest.mark.parametrize(("sabotage", "wrong"), [s[1:] for s in SABOTAGES], ids=[s[0] for s in SABOTAGES])
def test_a_sabotaged_gradient_is_found(
    sabotage: Callable[[pytest.MonkeyPatch], None],
    wrong: set[str],
    small: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sabotage(monkeypatch)
    with pytest.raises(SystemExit) as exit_:
        check(monkeypatch, "small")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert {words[0] for words in lines if words and words[-1] == "WRONG"} == wrong
    message, _, named = str(exit_.value).partition(" for ")
    assert message == "error: models.small: analytic and numeric gradient disagree"
    assert set(named.split(", ")) == wrong


def test_a_sabotaged_weight_decay_is_found(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Trainer.step

    def doubled(trainer: Trainer, X: Array, y: Any) -> tuple[float, int]:
        trainer.weight_decay *= 2
        return step(trainer, X, y)

    monkeypatch.setattr(Trainer, "step", doubled)
    with pytest.raises(SystemExit, match=r"disagree for 0\.W, 3\.W, 6\.W$"):
        check(monkeypatch, "small")


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", None])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_every_activation_passes(activation: str | None, dropout: float) -> None:
    layers = layer_rows(6, 5, activation=activation, dropout=dropout)
    comparisons, _ = compare_at_random("m", row(layers=layers))
    assert [comparison.verdict for comparison in comparisons] == ["right"] * 6


def test_the_check_leaves_the_parameters_as_they_were() -> None:
    model = row(weight_decay=0.1)
    rng = np.random.default_rng(0)
    network = models.start_network("m", model, FORM, rng, np.float64)
    before = {name: theta.copy() for name, theta in network.parameters.items()}
    compare(Loss(network, 0.1, rng.random((784, 3)), np.array([1, 5, 9])), np.random.default_rng(0))
    for name, theta in network.parameters.items():
        np.testing.assert_array_equal(theta, before[name])


@pytest.mark.parametrize(("bias", "crosses"), [(5e-6, True), (-5e-6, True), (0.0, True), (1e-2, False), (-1e-2, False)])
def test_a_kink_within_the_step_is_noticed(bias: float, crosses: bool) -> None:
    network = build([1, 1, 2], "relu", Normal(0.0), np.random.default_rng(0), dtype=np.float64)
    network.parameters["0.b"][...], network.parameters["2.W"][...] = bias, 1
    loss = Loss(network, 0.0, np.zeros((1, 1)), np.zeros(1, np.int64))
    if crosses:
        with pytest.raises(KinkWithinStepError):
            compare(loss, np.random.default_rng(0))
    else:
        assert {comparison.verdict for comparison in compare(loss, np.random.default_rng(0))} == {"right"}


def test_another_batch_is_drawn_where_a_kink_lies_within_the_step(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    batches: list[Array] = []

    def kink_at_first(loss: Loss, rng: np.random.Generator) -> list[Comparison]:
        batches.append(loss.X)
        if len(batches) < 3:
            raise KinkWithinStepError
        return compare(loss, rng)

    monkeypatch.setattr(check_gradients, "compare", kink_at_first)
    check(monkeypatch, "small")
    assert "batch 3: in those before it, a layer lies within the step of one of its kinks" in capsys.readouterr().out
    assert len({X.tobytes() for X in batches}) == 3


def test_without_a_batch_free_of_kinks_it_gives_up(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[Loss] = []

    def tried(loss: Loss, rng: np.random.Generator) -> list[Comparison]:
        losses.append(loss)
        return compare(loss, rng)

    monkeypatch.setattr(check_gradients, "STEP", 10.0)
    monkeypatch.setattr(check_gradients, "compare", tried)
    with pytest.raises(SystemExit, match="in each of 20 random batches a layer lies within 10 of one of its kinks"):
        check(monkeypatch, "small")
    assert len(losses) == 20


def test_an_unknown_model(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="models has no 'large'; it has small"):
        check(monkeypatch, "large")


def test_no_model(small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        check(monkeypatch)
    assert exit_.value.code == 2
    assert "required: model" in capsys.readouterr().err


def test_verdicts_by_hand() -> None:
    def verdict(analytic: list[float], numeric: list[float]) -> str:
        return Comparison("W1", (1, 2), np.array(analytic), np.array(numeric), rounding=1e-11).verdict

    assert verdict([3.0, 4.0], [3.0, 4.0 + 9e-7]) == "right"
    assert verdict([3.0, 4.0], [3.0, 4.0 + 2e-6]) == "WRONG"
    assert verdict([0.0, 0.0], [0.0, 0.0]) == "right"
    assert verdict([1e-9, 0.0], [1e-9, 1e-11]) == "right to rounding"
    assert verdict([1e-9, 0.0], [1e-9, 2e-11]) == "WRONG"
    assert verdict([np.nan, 4.0], [3.0, 4.0]) == "WRONG"


def test_the_table_by_hand() -> None:
    comparison = Comparison("W1", (2, 300), np.array([3.0, 4.0]), np.array([3.0, 5.0]), rounding=1e-11)
    assert table([comparison]).splitlines() == [
        "parameter  shape    entries checked  analytic norm  numeric norm  largest error  error    verdict",
        "W1         2 x 300  2 of 600         5.000000e+00   5.830952e+00  1.1e-01        9.2e-02  WRONG",
    ]


def test_what_was_checked_is_said(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check(monkeypatch, "small")
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("small: affine 6, relu, dropout 0.2, affine 5, relu, dropout 0.2, affine")
    assert said[0].endswith("; weight decay 0.01")
    assert not any(line.startswith("batch ") for line in said)


def test_the_gradient_of_smoothed_labels_is_checked_and_decoupled_decay_has_none(
    small: Path,
    write_parameters: Callable[[Path, Mapping[str, Any]], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = row(
        split="kaggle", label_smoothing=0.2, clip_norm=1e-3, weight_decay=0.5, decoupled_decay=True, averaging=0.9
    )
    write_parameters(small, {"models": {"small": model.model_dump(mode="json")}})
    check(monkeypatch, "small")
    said = capsys.readouterr().out
    assert said.splitlines()[0].endswith("; weight decay 0.5, decoupled, which is no gradient, label smoothing 0.2")
    assert "WRONG" not in said
    plain, _ = compare_at_random("small", model.model_copy(update={"weight_decay": 0.0}))
    decoupled, _ = compare_at_random("small", model)
    for one, other in zip(plain, decoupled, strict=True):
        np.testing.assert_array_equal(one.analytic, other.analytic)
    monkeypatch.setattr(check_gradients, "cross_entropy", lambda Z, y, m, smoothing: cross_entropy(Z, y, m))
    with pytest.raises(SystemExit, match=r"disagree for 0\.W, 0\.b, 2\.W, 2\.b$"):
        check(monkeypatch, "small")
