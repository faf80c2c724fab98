"""The mean cross-entropy of softmax probabilities, from the logits."""

import numpy as np

from stages.nn.arrays import Array, Labels
from stages.nn.softmax import softmax


def cross_entropy(Z: Array, y: Labels, m: int) -> float:
    """Return the cross-entropy -log softmax(Z)[y], summed over the columns of Z and divided by m.

    Computed as log(sum(exp(z))) - z_y with the largest entry of the column taken out, so that no logit is too large.

    Parameters
    ----------
    Z : ndarray of shape (classes, columns)
        Logits.
    y : ndarray of shape (columns,)
        Class of each column.
    m : int
        Number of examples in the whole batch. Parts of a batch, each with the batch's m, add up to the batch.
    """
    columns = np.arange(Z.shape[1])
    shifted = Z - Z.max(axis=0)
    log_sums = np.log(np.exp(shifted).sum(axis=0))
    return float((log_sums - shifted[y, columns]).sum(dtype=np.float64)) / m


def cross_entropy_gradient(Z: Array, y: Labels, m: int, out: Array | None = None) -> Array:
    """Return dZ = (A - Y) / m, with A = softmax(Z) and Y the one-hot labels; this is where the factor 1/m enters.

    Subtracting 1 from the entry of each column's class does what subtracting a one-hot matrix would.

    Parameters
    ----------
    Z, y, m
        As in `cross_entropy`.
    out : ndarray of the shape of Z, optional
        Where to write the result; it may be Z itself.
    """
    dZ = softmax(Z, out=out)
    dZ[y, np.arange(Z.shape[1])] -= 1
    dZ /= m
    return dZ
