"""Functions applied entry by entry, as layers: the memory around the two functions of each."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from stages.nn.arrays import Array, reuse_like
from stages.nn.layer import Layer, Shape, Start


class Entrywise(Layer):
    """A function applied entry by entry.

    Attributes
    ----------
    function : callable
        Z -> A; takes `out`.
    function_backward : callable
        (A, dA) -> dZ; takes `out`.
    backward_from_input : bool
        Whether `function_backward` takes Z in place of A.
    """

    function: ClassVar[Callable[..., Array]]
    function_backward: ClassVar[Callable[..., Array]]
    backward_from_input: ClassVar[bool] = False

    def __init__(self, shape: Shape, start: Start) -> None:
        super().__init__(shape, start)
        self._Z: Array | None = None
        self._A: Array | None = None
        self._dZ: Array | None = None

    def forward(self, Z: Array, rng: np.random.Generator | None = None) -> Array:
        """Return the activations A, of the shape of Z."""
        self._Z, self._A = Z, reuse_like(self._A, Z)
        return type(self).function(Z, out=self._A)

    def backward(self, dA: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Return dZ, of the shape of dA, at the Z of the last forward pass."""
        if not dX:
            return None
        self._dZ = reuse_like(self._dZ, dA)
        kept = self._Z if self.backward_from_input else self._A
        return type(self).function_backward(kept, dA, out=self._dZ)
