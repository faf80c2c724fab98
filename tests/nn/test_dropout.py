"""Inverted dropout: its expectation, its mask."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stages.nn.dropout import Dropout
from stages.nn.layer import Start


def dropout(rate: float) -> Dropout:
    return Dropout((1,), Start(np.random.default_rng(0)), rate=rate)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_an_entry_is_dropped_or_scaled() -> None:
    A = np.random.default_rng(0).normal(size=(20, 30))
    D = dropout(0.25).forward(A, generator(1))
    dropped = D == 0
    assert 0 < np.count_nonzero(dropped) < dropped.size
    np.testing.assert_allclose(D[~dropped], A[~dropped] / 0.75, rtol=1e-15)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_drops_its_share_and_keeps_the_expectation(rate: float) -> None:
    n = 200 * 500
    D = dropout(rate).forward(np.ones((200, 500)), generator())
    assert np.mean(D == 0) == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / n))
    assert D.mean() == pytest.approx(1, abs=4 * np.sqrt(rate / (1 - rate) / n))


def test_each_pass_draws_a_new_mask() -> None:
    layer, rng = dropout(0.5), generator()
    first = layer.forward(np.ones((10, 10)), rng).copy()
    assert (layer.forward(np.ones((10, 10)), rng) != first).any()


def test_the_same_state_of_the_generator_gives_the_same_mask() -> None:
    layer = dropout(0.5)
    first = layer.forward(np.ones((10, 10)), generator()).copy()
    np.testing.assert_array_equal(layer.forward(np.ones((10, 10)), generator()), first)


def test_rate_zero_keeps_everything() -> None:
    A = np.random.default_rng(0).normal(size=(50, 50))
    np.testing.assert_array_equal(dropout(0.0).forward(A, generator(1)), A)


def test_is_inactive_in_prediction() -> None:
    layer = dropout(0.5)
    A, dD = np.ones((3, 4)), np.full((3, 4), 2.0)
    layer.forward(A, generator())
    assert layer.forward(A) is A
    assert layer.backward(dD) is dD


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_dtype_drops_where_a_number_drawn_in_float32_is_below_the_rate(dtype: type[np.floating[Any]]) -> None:
    D = dropout(0.5).forward(np.ones((9, 9), dtype), generator())
    np.testing.assert_array_equal(D == 0, generator().random((9, 9), np.float32) < 0.5)


def test_an_entry_is_kept_from_the_rate_on() -> None:
    layer = dropout(0.25)
    drawn = np.array([[0.0, np.nextafter(np.float32(0.25), 0), 0.25, 0.5]], np.float32)
    rng: Any = SimpleNamespace(random=lambda shape, dtype: drawn)
    np.testing.assert_array_equal(layer.forward(np.full((1, 4), 3.0), rng), [[0, 0, 4, 4]])
    np.testing.assert_array_equal(layer.backward(np.full((1, 4), 6.0)), [[0, 0, 8, 8]])


def test_uses_its_memory_again() -> None:
    layer, A = dropout(0.5), np.ones((3, 4))
    assert layer.forward(A, generator()) is layer.forward(A, generator())
    assert layer.backward(A) is layer.backward(A)


def test_without_the_gradient_by_its_input_it_returns_nothing() -> None:
    layer, A = dropout(0.5), np.ones((3, 4))
    for rng in (generator(), None):
        layer.forward(A, rng)
        assert layer.backward(A, dX=False) is None
