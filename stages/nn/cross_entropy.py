"""The mean cross-entropy of softmax probabilities, from the logits."""

import numpy as np

from stages.nn.arrays import Array, Labels


def loss_and_exponentials(Z: Array, y: Labels, m: int) -> tuple[float, Array, Array]:
    """Return the cross-entropy, and of what both it and its gradient are made: exp(z) and its sum in each column.

    The loss is log(sum(exp(z))) - z_y. The largest entry of each column is taken out first, so that no logit is too
    large; neither the loss nor the softmax changes by that.

    Parameters
    ----------
    Z, y, m
        As in `cross_entropy`.
    """
    shifted = Z - Z.max(axis=0)
    of_labels = shifted[y, np.arange(len(y))]
    exponentials: Array = np.exp(shifted, out=shifted)
    sums: Array = exponentials.sum(axis=0)
    return float((np.log(sums) - of_labels).sum(dtype=np.float64)) / m, exponentials, sums


def cross_entropy(Z: Array, y: Labels, m: int) -> float:
    """Return the cross-entropy -log softmax(Z)[y], summed over the columns of Z and divided by m.

    Parameters
    ----------
    Z : ndarray of shape (classes, columns)
        Logits.
    y : ndarray of shape (columns,)
        Class of each column.
    m : int
        Number of examples in the whole batch. Parts of a batch, each with the batch's m, add up to the batch.
    """
    loss, _, _ = loss_and_exponentials(Z, y, m)
    return loss


def cross_entropy_and_gradient(Z: Array, y: Labels, m: int) -> tuple[float, Array]:
    """Return the cross-entropy and its gradient dZ = (A - Y) / m, with A = softmax(Z) and Y the one-hot labels.

    Here the factor 1/m enters. Both come from the same exponentials. Subtracting 1 from the entry of each column's
    class does what subtracting a one-hot matrix would.

    Parameters
    ----------
    Z, y, m
        As in `cross_entropy`.

    Returns
    -------
    tuple of float and ndarray of the shape of Z
    """
    loss, dZ, sums = loss_and_exponentials(Z, y, m)
    dZ /= sums
    dZ[y, np.arange(len(y))] -= 1
    dZ /= m
    return loss, dZ


def cross_entropy_gradient(Z: Array, y: Labels, m: int) -> Array:
    """Return the gradient alone."""
    return cross_entropy_and_gradient(Z, y, m)[1]
