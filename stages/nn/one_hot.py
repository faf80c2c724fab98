"""One-hot labels: a column for each example, 1 in the row of its class."""

import numpy as np

from stages.nn.arrays import Array, Labels


def one_hot(y: Labels, classes: int) -> Array:
    """Return Y of shape (classes, m), float64, with Y[y[i], i] = 1 and 0 elsewhere.

    The number of classes is given, not read from the labels: a batch need not contain the last class.

    Parameters
    ----------
    y : ndarray of shape (m,)
        Integers from 0 to classes - 1.
    classes : int
        Number of rows.

    Raises
    ------
    IndexError
        If a label is outside 0 to classes - 1.
    """
    if y.size and not (0 <= y.min() and y.max() < classes):
        raise IndexError(f"labels must lie in 0 to {classes - 1}, not {y.min()} to {y.max()}")
    Y = np.zeros((classes, len(y)))
    Y[y, np.arange(len(y))] = 1
    return Y
