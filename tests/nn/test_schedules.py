"""The schedules' factors, by hand."""

import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.nn.schedules import SCHEDULES, Constant, Cosine, Schedule, Steps


def factors(schedule: Schedule, updates: int) -> list[float]:
    """Return the factor of each update."""
    return [schedule(update, updates) for update in range(1, updates + 1)]


def test_each_is_found_by_its_name_in_params_yaml() -> None:
    assert SCHEDULES == {"constant": Constant, "steps": Steps, "cosine": Cosine}


def test_constant() -> None:
    assert factors(Constant(), 3) == [1, 1, 1]


def test_steps() -> None:
    assert factors(Steps([2, 3], factor=0.5), 5) == [1, 1, 0.5, 0.25, 0.25]


def test_the_update_of_a_step_still_has_the_rate_before() -> None:
    schedule = Steps([75])
    assert (schedule(75, 150), schedule(76, 150)) == (1, 0.1)


def test_cosine() -> None:
    expected = [1, (1 + np.sqrt(1 / 2)) / 2, 1 / 2, (1 - np.sqrt(1 / 2)) / 2]
    assert factors(Cosine(), 4) == pytest.approx(expected, rel=1e-14)


def test_cosine_after_a_warm_up() -> None:
    expected = [1 / 3, 2 / 3, 1, 1, 3 / 4, 1 / 4]
    assert factors(Cosine(warmup=3), 6) == pytest.approx(expected, rel=1e-14)


def test_a_warm_up_longer_than_the_training() -> None:
    assert factors(Cosine(warmup=4), 2) == [1 / 4, 1 / 2]


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 20), st.integers(1, 60))
def test_cosine_rises_to_one_then_falls_and_stays_positive(warmup: int, updates: int) -> None:
    path = factors(Cosine(warmup), updates)
    assert all(0 < factor <= 1 for factor in path)
    assert path[:warmup] == sorted(path[:warmup])
    assert path[warmup:] == sorted(path[warmup:], reverse=True)
    if updates > warmup:
        assert path[warmup] == 1


@pytest.mark.parametrize("schedule", [Constant(), Steps([1]), Cosine()])
def test_a_schedule_does_not_change(schedule: Schedule) -> None:
    with pytest.raises(FrozenInstanceError):
        schedule.factor = 0.5  # type: ignore[attr-defined] # it is frozen: that is tested


@pytest.mark.parametrize("at", [[], [0], [-1, 3], [3, 3], [5, 4]])
def test_steps_need_ascending_updates(at: list[int]) -> None:
    message = f"at must list ascending numbers of updates, the first at least 1, not {at}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Steps(at)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan")])
def test_steps_need_a_factor_above_zero(factor: float) -> None:
    with pytest.raises(ValueError, match=f"^factor must be above 0, not {factor}$"):
        Steps([1], factor)


def test_cosine_needs_a_warm_up_of_at_least_zero() -> None:
    with pytest.raises(ValueError, match=r"^warmup must be at least 0, not -1$"):
        Cosine(-1)
