import numpy as np
import pytest

from stages.claims import as_printed, write_ups
from stages.claims.demonstrations import effects
from stages.claims.demonstrations.common import Lengths, Setup
from stages.claims.demonstrations.effects import FIRST_SEED, PRINTED, W3, W4, Effect, Program, accuracy, measure_effects
from stages.nn.arrays import Array, Labels

WORDS = {"changes the result", "does not change the result", "cannot be decided by this"}


def test_errors_in_code_are_run_and_what_is_in_no_update_misleads_the_reader_only(setup: Setup) -> None:
    found = measure_effects(setup)
    rows = {row["id"]: row for row in write_ups.errors()}
    assert list(found) == list(rows)
    for name, effect in found.items():
        if name in PRINTED:
            assert rows[name]["where"] == "code"
            assert effect.effect in WORDS
            assert effect.gain.endswith(f", {setup.lengths.seeds} seeds")
        else:
            assert effect == Effect("misleads the reader only", "")
            assert rows[name]["where"] == "text" or name == "E2"


def test_labels_that_have_every_digit_give_the_same_one_hot_matrix(setup: Setup) -> None:
    assert measure_effects(setup)["E4"].gain.startswith("+0.0 points in all runs alike")


@pytest.mark.parametrize(
    ("gains", "word"),
    [
        ([0.0, 0.001, -0.001], "does not change the result"),
        ([-0.5, -0.51, -0.49], "changes the result"),
        ([0.5, 0.51, 0.49], "changes the result"),
        ([0.0, 0.02, -0.02], "cannot be decided by this"),
        ([0.0, 0.0, 0.0], "does not change the result"),
        ([-0.02, -0.02, -0.02], "changes the result"),
    ],
)
def test_an_error_changes_the_result_by_more_than_a_point(
    gains: list[float], word: str, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(program: Program, write_up: as_printed.WriteUp, setup: Setup, seed: int) -> float:
        return 0.5 if write_up is program.right else 0.5 + gains[seed - FIRST_SEED]

    monkeypatch.setattr(effects, "accuracy", made)
    few = Setup(setup.X_part, setup.y_part, Lengths(seeds=3))
    found = measure_effects(few)
    assert {found[name].effect for name in PRINTED} == {word}
    spread = "in all runs alike" if len(set(gains)) == 1 else "("
    assert found["E1"].gain.startswith(f"{100 * np.mean(gains):+.1f} points {spread}")


def test_each_error_is_the_only_difference_from_the_right_program(setup: Setup) -> None:
    printed = {"W3": as_printed.W3, "W4": as_printed.W4}
    for name, (program, wrong) in PRINTED.items():
        code = printed["W3" if program is W3 else "W4"]
        changed = {key for key in vars(wrong) if getattr(wrong, key) is not getattr(program.right, key)}
        assert changed
        assert all(getattr(wrong, key) is getattr(code, key) for key in changed), name


def test_the_programs_are_those_of_the_write_ups() -> None:
    rng = np.random.default_rng(0)
    assert [W.shape for W, _ in W3.start(rng)] == [(10, 784), (10, 10)]
    assert [W.shape for W, _ in W4.start(rng)] == [(16, 784), (16, 16), (10, 16)]
    assert (W3.rate, W4.rate, W4.updates) == (0.1, 1, 75)
    Z = np.linspace(-3, 3, 7)
    np.testing.assert_allclose(W4.right.activation(Z), as_printed.tanh(Z))
    np.testing.assert_allclose(W4.right.activation_derivative(Z), as_printed.tanh_derivative(Z))


def test_nan_is_no_accuracy(setup: Setup) -> None:
    def nothing(y: Labels, dtype: object) -> Array:
        return np.full((10, len(y)), np.nan, np.float32)

    broken = as_printed.WriteUp(labels=nothing)
    assert accuracy(W3, broken, setup, 0) == 0
    assert 0 < accuracy(W3, W3.right, setup, 0) != accuracy(W3, W3.right, setup, 1)
