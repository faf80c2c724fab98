"""The affine layer, Z = W X + b."""

import numpy as np

from stages.nn.arrays import Array, reuse


class Affine:
    """The affine layer, Z = W X + b, with b added to every column.

    Parameters
    ----------
    W : ndarray of shape (units, inputs)
        Weights.
    b : ndarray of shape (units, 1)
        Biases, one for each unit.

    Attributes
    ----------
    dW, db : ndarray
        Gradients of the loss by `W` and `b`, of their shapes; set by `parameter_gradients`.
    """

    def __init__(self, W: Array, b: Array) -> None:
        self.W, self.b = W, b
        self.dW, self.db = np.zeros_like(W), np.zeros_like(b)
        self._X: Array | None = None
        self._Z: Array | None = None
        self._dX: Array | None = None

    def forward(self, X: Array, training: bool = False) -> Array:
        """Return Z = W X + b, of shape (units, m), for X of shape (inputs, m)."""
        self._X = X
        self._Z = reuse(self._Z, (len(self.W), X.shape[1]), X.dtype)
        np.matmul(self.W, X, out=self._Z)
        self._Z += self.b
        return self._Z

    def parameter_gradients(self, dZ: Array, add: bool = False) -> None:
        """Set dW = dZ Xᵀ and db = the row sums of dZ, for dZ of shape (units, m) and the X of the last forward pass.

        With `add`, add them to what `dW` and `db` hold: parts of a batch add up to the batch.
        """
        assert self._X is not None, "forward comes first"
        if add:
            self.dW += dZ @ self._X.T
            self.db += dZ.sum(axis=1, keepdims=True)
        else:
            np.matmul(dZ, self._X.T, out=self.dW)
            np.sum(dZ, axis=1, keepdims=True, out=self.db)

    def backward(self, dZ: Array) -> Array:
        """Return dX = Wᵀ dZ, of shape (inputs, m), for dZ of shape (units, m)."""
        self._dX = reuse(self._dX, (self.W.shape[1], dZ.shape[1]), dZ.dtype)
        return np.matmul(self.W.T, dZ, out=self._dX)
