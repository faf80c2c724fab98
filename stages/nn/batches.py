"""The columns of one epoch, in full or as shuffled mini-batches."""

from collections.abc import Iterator

import numpy as np

from stages.nn.arrays import Array, Labels


def epoch_batches(X: Array, y: Labels, size: int | None, rng: np.random.Generator) -> Iterator[tuple[Array, Labels]]:
    """Yield the examples once: all of them as they stand, or shuffled and `size` at a time.

    Parameters
    ----------
    X : ndarray of shape (features, m)
        Examples. In Fortran order each is contiguous, and a mini-batch is gathered in few long copies.
    y : ndarray of shape (m,)
        Their labels.
    size : int or None
        Examples of a mini-batch; the last one may be smaller. None yields X and y themselves.
    rng : numpy.random.Generator
        Shuffles; not used for a full batch.

    Yields
    ------
    tuple of ndarray
        X of shape (features, size) and y of shape (size,). The memory of X is used again for the next mini-batch.
    """
    if size is None:
        yield X, y
        return
    m = X.shape[1]
    order = rng.permutation(m)
    memory = np.empty((min(size, m), X.shape[0]), X.dtype)
    for start in range(0, m, size):
        chosen = order[start : start + size]
        # the indices are in range; with mode="raise" np.take would gather into a copy first
        rows = np.take(X.T, chosen, axis=0, out=memory[: len(chosen)], mode="clip")
        yield rows.T, y[chosen]
