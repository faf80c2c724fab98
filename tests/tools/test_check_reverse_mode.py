"""Reverse mode against the layers: every network of params.yaml, every layer that has a formula, and wrong layers."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.initializers import Uniform
from stages.nn.layer import Layer, Maker, Start
from stages.nn.layer_table import LAYERS
from stages.nn.max_pooling import MaxPooling
from stages.nn.network import Network
from stages.nn.positions import Positions
from stages.shared.errors import UserError, run
from stages.shared.parameters import load
from tools import check_reverse_mode
from tools.check_reverse_mode import FORMULAS, TOLERANCE, NoFormulaError, compare, compare_at_random

MODELS = load().models
M = 7


@pytest.mark.parametrize("name", MODELS)
def test_the_gradients_of_every_network_of_params_yaml_are_the_same(name: str) -> None:
    try:
        found = compare_at_random(name, MODELS[name])
    except NoFormulaError as error:
        pytest.skip(str(error))
    assert found.entries > 1000
    assert found.loss < TOLERANCE
    assert found.gradient < TOLERANCE


def network_with(kind: type[Layer], shape: tuple[int, ...], options: dict[str, Any]) -> Network:
    before: Maker = partial(Affine, units=shape[0]) if len(shape) == 1 else Positions  # so that dX is asked for
    layers: list[Maker] = [before, partial(kind, **options), partial(Affine, units=4)]
    return Network(shape, Start(np.random.default_rng(0), Uniform(-1, 1), np.float64), layers=layers)


@pytest.mark.parametrize("kind", LAYERS.values(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("image", [False, True])
def test_the_gradients_of_a_network_with_each_layer_are_the_same(kind: type[Layer], image: bool) -> None:
    shape, options = kind.example
    if image and kind.__name__ == "Residual":
        options = {"layers": [LAYERS["batch_normalization"], LAYERS["tanh"]]}
    if image:
        shape = (4, 2, 4)
    network = network_with(kind, shape, options)
    rng = np.random.default_rng(1)
    for theta in network.parameters.values():
        theta[...] = rng.normal(size=theta.shape)
    X, y = rng.normal(size=(math.prod(shape), M)), rng.integers(4, size=M)
    found = compare(network, X, y)
    assert found.loss < TOLERANCE
    assert found.gradient < TOLERANCE


def test_a_wrong_gradient_is_found_and_the_model_named(
    project: Path,
    write_parameters: Callable[[Path, Mapping[str, Any]], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_parameters(project, {})
    right = Affine.backward

    def one_sum_for_all_biases(self: Affine, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
        passed_back = right(self, dZ, add, dX)
        self.gradients["b"][...] = self.gradients["b"].sum()
        return passed_back

    monkeypatch.setattr("sys.argv", ["check_reverse_mode", "w3-relu-10"])
    run(check_reverse_mode.main)
    assert "w3-relu-10: 7,960 entries" in capsys.readouterr().out
    monkeypatch.setattr(Affine, "backward", one_sum_for_all_biases)
    with pytest.raises(SystemExit, match="the gradients of the layers and of reverse mode differ for w3-relu-10"):
        run(check_reverse_mode.main)
    assert "DIFFERENT" in capsys.readouterr().out


def test_an_unknown_model_and_a_layer_without_a_formula_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FORMULAS, LAYERS["max_pooling"])
    with pytest.raises(UserError, match=r"models has no 'none'"):
        check_reverse_mode.report(["none"])
    network = network_with(MaxPooling, (4, 4, 1), {"size": 2})
    with pytest.raises(NoFormulaError, match=r"^tools/check_reverse_mode\.py: FORMULAS has none for MaxPooling"):
        compare(network, np.zeros((16, 2)), np.zeros(2, int))


def test_a_network_without_formulas_is_left_out_unless_it_is_named(
    project: Path,
    write_parameters: Callable[[Path, Mapping[str, Any]], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_parameters(project, {})
    monkeypatch.delitem(FORMULAS, LAYERS["tanh"])
    check_reverse_mode.report([])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(load().models)
    assert "w4-tanh-16-16: not compared; tools/check_reverse_mode.py: FORMULAS has none for Tanh" in "\n".join(lines)
    with pytest.raises(NoFormulaError):
        check_reverse_mode.report(["w4-tanh-16-16"])
