"""The mean cross-entropy of softmax probabilities, from the logits."""

import numpy as np

from stages.nn.arrays import Array, Labels


def loss_and_exponentials(Z: Array, y: Labels, m: int, smoothing: float) -> tuple[float, Array, Array]:
    """Return the cross-entropy, and of what both it and its gradient are made: exp(z) and its sum in each column.

    The loss is log(sum(exp(z))) - z_y; smoothing takes a share of z_y from the mean of all logits. The largest entry of
    each column is taken out first, so that no logit is too large; neither the loss nor the softmax changes by that.

    Parameters
    ----------
    Z, y, m, smoothing
        As in `cross_entropy`.
    """
    shifted = Z - Z.max(axis=0)
    of_labels = shifted[y, np.arange(len(y))]
    if smoothing:
        of_labels = (1 - smoothing) * of_labels + smoothing * shifted.mean(axis=0)
    exponentials: Array = np.exp(shifted, out=shifted)
    sums: Array = exponentials.sum(axis=0)
    return float((np.log(sums) - of_labels).sum(dtype=np.float64)) / m, exponentials, sums


def cross_entropy(Z: Array, y: Labels, m: int, smoothing: float = 0.0) -> float:
    """Return the cross-entropy -log softmax(Z)[y], summed over the columns of Z and divided by m.

    With label smoothing (Szegedy et al. 2016) it is that of the labels Y = (1 - smoothing) one_hot(y) + smoothing /
    classes.

    Parameters
    ----------
    Z : ndarray of shape (classes, columns)
        Logits.
    y : ndarray of shape (columns,)
        Class of each column.
    m : int
        Number of examples in the whole batch. Parts of a batch, each with the batch's m, add up to the batch.
    smoothing : float
        Share of a label that is spread over all classes alike, in [0, 1).
    """
    loss, _, _ = loss_and_exponentials(Z, y, m, smoothing)
    return loss


def cross_entropy_and_gradient(Z: Array, y: Labels, m: int, smoothing: float = 0.0) -> tuple[float, Array]:
    """Return the cross-entropy and its gradient dZ = (A - Y) / m, with A = softmax(Z) and Y the labels, a column each.

    Here the factor 1/m enters. Both come from the same exponentials. Subtracting 1 from the entry of each column's
    class does what subtracting a one-hot matrix would. Smoothing leaves 1 - smoothing there, and takes from every class
    its equal part of the rest.

    Parameters
    ----------
    Z, y, m, smoothing
        As in `cross_entropy`.

    Returns
    -------
    tuple of float and ndarray of the shape of Z
    """
    loss, dZ, sums = loss_and_exponentials(Z, y, m, smoothing)
    dZ /= sums
    dZ[y, np.arange(len(y))] -= 1 - smoothing
    dZ -= smoothing / len(Z)
    dZ /= m
    return loss, dZ


def cross_entropy_gradient(Z: Array, y: Labels, m: int, smoothing: float = 0.0) -> Array:
    """Return the gradient alone."""
    return cross_entropy_and_gradient(Z, y, m, smoothing)[1]
