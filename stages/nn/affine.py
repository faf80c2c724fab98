"""The affine layer, Z = W X + b."""

import math

import numpy as np

from stages.nn.arrays import Array, reuse, reuse_like
from stages.nn.layer import Count, Layer, OptionError, Shape, Start


class Affine(Layer):
    """The affine layer, Z = W X + b, with b added to every column.

    Parameters
    ----------
    shape : tuple of int
        Of an example of the input; of any shape, it is a column of as many features as it has entries.
    start : Start
        Draws W of shape (units, inputs) and b of shape (units, 1).
    units : int, optional
        Rows of Z; as many as there are classes if it is left out.
    """

    decayed = ("W",)
    example = (6,), {"units": 4}

    def __init__(self, shape: Shape, start: Start, *, units: Count | None = None) -> None:
        units = units or start.classes
        if units is None:
            raise OptionError("units", "is missing, and nothing says how many classes there are")
        super().__init__(shape, start)
        self.shape = (units,)
        self.parameters = start.draw(units, math.prod(shape))
        self._X: Array | None = None
        self._Z: Array | None = None
        self._dX: Array | None = None

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return Z = W X + b, of shape (units, m), for X of shape (inputs, m)."""
        W, b = self.parameters.values()
        self._X = X
        self._Z = reuse(self._Z, (len(W), X.shape[1]), X.dtype)
        np.matmul(W, X, out=self._Z)
        self._Z += b
        return self._Z

    def backward(self, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Set dW = dZ Xᵀ and db = the row sums of dZ, for dZ of shape (units, m); return dX = Wᵀ dZ.

        With `add`, add to what dW and db hold; without `dX`, return None.
        """
        assert self._X is not None, "forward comes first"
        dW, db = self.gradients.values()
        if add:
            dW += dZ @ self._X.T
            db += dZ.sum(axis=1, keepdims=True)
        else:
            np.matmul(dZ, self._X.T, out=dW)
            np.sum(dZ, axis=1, keepdims=True, out=db)
        if not dX:
            return None
        self._dX = reuse_like(self._dX, self._X)
        return np.matmul(self.parameters["W"].T, dZ, out=self._dX)

    def pictures(self) -> Array | None:
        """Return the weights of each unit, if the input is an image."""
        return self.parameters["W"].reshape(-1, *self.input_shape) if len(self.input_shape) == 3 else None
