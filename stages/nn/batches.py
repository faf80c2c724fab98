"""The batches of one epoch: all examples, or shuffled mini-batches."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.nn.arrays import Array, reuse

Chosen = NDArray[np.integer[Any]] | None  # the indices of a batch's examples; None is all as they stand


def batches_per_epoch(m: int, size: int | None) -> int:
    """Return how many batches of a size m examples make; 1 if the size is None."""
    return 1 if size is None else -(-m // size)


def batch_sizes(m: int, size: int | None) -> set[int]:
    """Return how many examples the batches of an epoch have: as many as asked for, and what is left for the last."""
    return {m} if size is None else {min(m, size), m % size} - {0}


def epoch_batches(m: int, size: int | None, rng: np.random.Generator, window: int | None = None) -> Iterator[Chosen]:
    """Yield which examples are in each batch of an epoch: each of m once, shuffled, or all as they stand.

    Parameters
    ----------
    m : int
        Number of examples.
    size : int or None
        Examples of a mini-batch; the last one may be smaller. None yields None once: the batch is all of them.
    rng : numpy.random.Generator
        Shuffles; not used for a full batch.
    window : int, optional
        Examples are shuffled within windows of so many that follow each other, and the windows among themselves: data
        that is larger than memory is then read one window at a time. None shuffles all.
    """
    if size is None:
        yield None
        return
    order = rng.permutation(m) if window is None else _window_by_window(m, window, rng)
    for start in range(0, m, size):
        yield order[start : start + size]


def _window_by_window(m: int, window: int, rng: np.random.Generator) -> NDArray[np.int64]:
    starts = rng.permutation(-(-m // window)) * window
    return np.concatenate([start + rng.permutation(min(window, m - start)) for start in starts])


def gather(X: Array, chosen: NDArray[np.integer[Any]], memory: Array | None = None) -> Array:
    """Return the chosen columns of X, in `memory` if it has their shape.

    In Fortran order each column is contiguous, and they are gathered in few long copies.
    """
    rows = reuse(None if memory is None else memory.T, (len(chosen), X.shape[0]), X.dtype)
    # the indices are in range; with mode="raise" np.take would gather into a copy first
    return np.take(X.T, chosen, axis=0, out=rows, mode="clip").T
