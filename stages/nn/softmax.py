"""The softmax of each column, a = exp(z) / sum(exp(z))."""

import numpy as np

from stages.nn.arrays import Array


def softmax(Z: Array, out: Array | None = None) -> Array:
    """Return the softmax of each column of Z, stable for any finite Z.

    The largest entry of a column is subtracted first: softmax does not change when a constant is added to a column
    (Bridle 1990), and no exponential exceeds 1.

    Parameters
    ----------
    Z : ndarray of shape (..., classes, m)
        Logits; of a stack of matrices the columns of each.
    out : ndarray of the shape of Z, optional
        Where to write the result; it may be Z itself.

    Returns
    -------
    ndarray of the shape of Z
        Probabilities; each column sums to 1.
    """
    A: Array = np.subtract(Z, Z.max(axis=-2, keepdims=True), out=out)
    np.exp(A, out=A)
    A /= A.sum(axis=-2, keepdims=True)
    return A


def softmax_backward(A: Array, dA: Array, out: Array | None = None) -> Array:
    """Return dZ = (diag(a) - a aᵀ) da for each column, of the shape of A, without forming the Jacobian.

    Parameters
    ----------
    A : ndarray of shape (..., classes, m)
        Probabilities, from `softmax`.
    dA : ndarray of the shape of A
        Gradient of the loss by A.
    out : ndarray of the shape of A, optional
        Where to write the result; neither A nor dA.
    """
    dZ: Array = np.multiply(A, dA, out=out)
    np.subtract(dA, dZ.sum(axis=-2, keepdims=True), out=dZ)
    dZ *= A
    return dZ
