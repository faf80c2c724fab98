"""What a layer begins with, and has unless it says otherwise; its promises are tested with the table of the layers."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from stages.nn.arrays import Array
from stages.nn.initializers import INITIALIZERS, Glorot, He, Uniform
from stages.nn.layer import Layer, OptionError, Outline, Start
from stages.nn.optimizers import OPTIMIZERS
from stages.nn.schedules import Constant, Cosine, Steps


class Plain(Layer):
    """A layer that says nothing of itself."""

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return X."""
        return X

    def backward(self, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Return dY."""
        return dY


def test_a_layer_that_says_nothing_keeps_the_shape_and_has_nothing_to_learn() -> None:
    layer = Plain((2, 3), Start(np.random.default_rng(0)))
    assert layer.shape == layer.input_shape == (2, 3)
    assert layer.parameters == layer.state == layer.gradients == layer.kept == {}
    assert list(layer.decayed) == layer.branches() == []
    assert layer.pictures() is None


@pytest.mark.parametrize("missing", ["forward", "backward"])
def test_a_layer_without_one_of_its_passes_cannot_be_made(missing: str) -> None:
    passes = {"forward": Plain.forward, "backward": Plain.backward}
    del passes[missing]
    half = type("Half", (Layer,), passes)
    with pytest.raises(TypeError, match=f"abstract method '?{missing}"):
        half((1,), Start(np.random.default_rng(0)))


def test_gradients_begin_at_zero_and_stay_the_same_arrays() -> None:
    layer = Plain((1,), Start(np.random.default_rng(0)))
    layer.parameters = {"theta": np.ones((2, 3), np.float32)}
    gradients = layer.gradients
    np.testing.assert_array_equal(gradients["theta"], np.zeros((2, 3)))
    assert gradients["theta"].dtype == np.float32
    assert layer.gradients is gradients


def test_what_is_kept_are_the_parameters_and_then_the_state() -> None:
    layer = Plain((1,), Start(np.random.default_rng(0)))
    layer.state, layer.parameters = {"mean": np.zeros(1)}, {"theta": np.ones(1)}
    assert list(layer.kept) == ["theta", "mean"]
    assert layer.kept["theta"] is layer.parameters["theta"]
    assert layer.kept["mean"] is layer.state["mean"]


def test_a_start_is_he_in_float32_unless_said() -> None:
    start = Start(np.random.default_rng(3))
    assert start.classes is None
    drawn = start.draw(4, 5)
    W, b = He()(4, 5, np.random.default_rng(3))
    assert list(drawn) == ["W", "b"]
    for found, expected in zip(drawn.values(), (W, b), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_a_start_tells_its_initializer_how_many_weights_an_input_has() -> None:
    drawn = Start(np.random.default_rng(3), Glorot(), np.float64).draw(4, 5, 60)
    np.testing.assert_array_equal(drawn["W"], Glorot()(4, 5, np.random.default_rng(3), 60)[0])


def test_an_outline_draws_nothing_and_takes_no_memory() -> None:
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    outline = Outline(rng, Uniform(), np.float64).draw(10**6, 10**6)
    assert {name: array.shape for name, array in outline.items()} == {"W": (10**6, 10**6), "b": (10**6, 1)}
    assert {array.dtype for array in outline.values()} == {np.dtype(np.float64)}
    assert rng.bit_generator.state == before


def test_a_start_fills_and_an_outline_only_seems_to() -> None:
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(Start(rng, dtype=np.float64).fill(2, (3, 1)), [[2], [2], [2]])
    assert Start(rng).fill(2, (3, 1)).dtype == np.float32
    filled = Outline(rng).fill(2, (10**15, 1))
    assert filled.shape == (10**15, 1)
    assert filled.dtype == np.float32
    assert filled[-1, 0] == 2


def test_an_option_error_has_the_option_and_the_problem() -> None:
    error = OptionError("size", "is 0")
    assert (str(error), error.option, error.problem) == ("size is 0", "size", "is 0")


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (Start(np.random.default_rng(0)), "dtype"),
        (Outline(np.random.default_rng(0)), "dtype"),
        *((kind(), "anything") for kind in (*INITIALIZERS.values(), *OPTIMIZERS.values())),
        (Constant(), "anything"),
        (Steps([1]), "factor"),
        (Cosine(), "warmup"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_run_is_configured_with_does_not_change(made: object, name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(made, name, 1)
