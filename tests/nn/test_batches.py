"""The batches of an epoch."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.nn.arrays import Array
from stages.nn.batches import batch_sizes, batches_per_epoch, epoch_batches, gather


def numbered(m: int, order: Literal["C", "F"] = "F") -> Array:
    """Return m examples of 3 features, those of the i-th being i, 10 i and 100 i."""
    return np.asarray(np.outer([1, 10, 100], np.arange(m)), np.float32, order=order)


def batches(m: int, size: int, seed: int, window: int | None = None) -> list[NDArray[np.integer]]:
    """Return the batches of one epoch."""
    found = list(epoch_batches(m, size, np.random.default_rng(seed), window))
    return [chosen for chosen in found if chosen is not None]


def test_a_full_batch_is_the_examples_as_they_stand() -> None:
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    assert list(epoch_batches(5, None, rng)) == [None]
    assert batches_per_epoch(5, None) == 1
    assert rng.bit_generator.state == state


@settings(deadline=None, derandomize=True)
@given(
    m=st.integers(1, 40),
    size=st.integers(1, 50),
    window=st.one_of(st.none(), st.integers(1, 50)),
    seed=st.integers(0, 9),
)
def test_each_example_comes_once(m: int, size: int, window: int | None, seed: int) -> None:
    found = batches(m, size, seed, window)
    assert [len(chosen) for chosen in found] == [size] * (m // size) + ([m % size] if m % size else [])
    assert len(found) == batches_per_epoch(m, size)
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(m))


def test_the_order_is_the_generators_and_new_in_each_epoch() -> None:
    rng = np.random.default_rng(0)
    first, second = (np.concatenate([c for c in epoch_batches(50, 8, rng) if c is not None]) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(first, np.concatenate(batches(50, 8, seed=0)))


def test_a_window_is_used_up_before_the_next_one_begins() -> None:
    order = np.concatenate(batches(47, 5, seed=1, window=10))
    cuts = np.flatnonzero(np.diff(order // 10)) + 1
    windows = np.split(order, cuts)
    assert sorted(int(window[0] // 10) for window in windows) == [0, 1, 2, 3, 4]
    assert [int(window[0] // 10) for window in windows] != [0, 1, 2, 3, 4]
    assert any((np.diff(window) < 0).any() for window in windows)


def test_the_windows_are_drawn_first_and_then_the_order_in_each() -> None:
    rng = np.random.default_rng(4)
    expected = [10 * k + rng.permutation(7 if k == 4 else 10) for k in rng.permutation(5)]
    np.testing.assert_array_equal(np.concatenate(batches(47, 5, seed=4, window=10)), np.concatenate(expected))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_chosen_columns_lie_in_memory_as_the_examples_do(order: Literal["C", "F"], dtype: type) -> None:
    X: Array = numbered(10, order).astype(dtype)
    X.flags.writeable = False
    chosen = np.array([7, 0, 3])
    found = gather(X, chosen)
    np.testing.assert_array_equal(found, [[7, 0, 3], [70, 0, 30], [700, 0, 300]])
    assert found.dtype == dtype
    assert found.flags.f_contiguous
    found[...] = 0
    assert X[0, 7] == 7


def test_memory_of_the_same_shape_is_used_again() -> None:
    X = numbered(10)
    memory = gather(X, np.array([1, 2]))
    again = gather(X, np.array([3, 4]), memory)
    assert np.shares_memory(memory, again)
    np.testing.assert_array_equal(again[0], [3, 4])
    smaller = gather(X, np.array([5]), memory)
    assert not np.shares_memory(memory, smaller)


@pytest.mark.parametrize("size", [None, 1, 3, 5, 10, 12])
def test_the_sizes_of_the_batches_are_those_that_an_epoch_has(size: int | None) -> None:
    chosen = epoch_batches(10, size, np.random.default_rng(0))
    assert batch_sizes(10, size) == {10 if batch is None else len(batch) for batch in chosen}
