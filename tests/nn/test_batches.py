"""The batches of an epoch."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.nn.arrays import Array, Labels
from stages.nn.batches import epoch_batches


def numbered(m: int, order: Literal["C", "F"] = "F") -> tuple[Array, Labels]:
    """Return m examples of 3 features whose i-th has label i and features i, 10 i and 100 i."""
    y = np.arange(m)
    return np.asarray(np.outer([1, 10, 100], y), np.float32, order=order), y


def copies(X: Array, y: Labels, size: int | None, seed: int) -> list[tuple[Array, Labels]]:
    """Return copies of the batches of an epoch: the memory of one is used again for the next."""
    return [(X_batch.copy(), y_batch) for X_batch, y_batch in epoch_batches(X, y, size, np.random.default_rng(seed))]


def test_a_full_batch_is_the_examples_themselves() -> None:
    X, y = numbered(5)
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    [(X_batch, y_batch)] = epoch_batches(X, y, None, rng)
    assert X_batch is X
    assert y_batch is y
    assert rng.bit_generator.state == state


@pytest.mark.parametrize("order", ["C", "F"])
@settings(deadline=None, derandomize=True)
@given(m=st.integers(1, 40), size=st.integers(1, 50), seed=st.integers(0, 9))
def test_each_example_comes_once_with_its_label(order: Literal["C", "F"], m: int, size: int, seed: int) -> None:
    X, y = numbered(m, order)
    batches = copies(X, y, size, seed)
    assert [len(y_batch) for _, y_batch in batches] == [size] * (m // size) + ([m % size] if m % size else [])
    labels = np.concatenate([y_batch for _, y_batch in batches])
    np.testing.assert_array_equal(np.sort(labels), y)
    np.testing.assert_array_equal(np.hstack([X_batch for X_batch, _ in batches]), X[:, labels])


def test_the_last_batch_is_smaller() -> None:
    assert [X_batch.shape for X_batch, _ in copies(*numbered(10), 4, seed=0)] == [(3, 4), (3, 4), (3, 2)]


def test_the_order_is_the_generators_and_new_in_each_epoch() -> None:
    X, y = numbered(50)
    rng = np.random.default_rng(0)
    first, second = (np.concatenate([labels for _, labels in epoch_batches(X, y, 8, rng)]) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(first, np.concatenate([labels for _, labels in copies(X, y, 8, seed=0)]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_the_dtype_and_changes_nothing_that_it_is_given(dtype: type[np.floating]) -> None:
    X, y = np.ones((3, 7), dtype), np.arange(7, dtype=np.uint8)
    X.flags.writeable = y.flags.writeable = False
    for X_batch, y_batch in epoch_batches(X, y, 4, np.random.default_rng(0)):
        assert X_batch.dtype == dtype
        assert y_batch.dtype == np.uint8
        X_batch[...] = 0


def test_a_mini_batch_lies_in_memory_as_the_examples_do() -> None:
    X, y = numbered(10)
    assert all(X_batch.flags.f_contiguous for X_batch, _ in epoch_batches(X, y, 4, np.random.default_rng(0)))
