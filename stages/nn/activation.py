"""Activations as layers: the memory around their two functions, and the table that names them."""

from collections.abc import Callable

from stages.nn.arrays import Array, reuse
from stages.nn.relu import relu, relu_backward
from stages.nn.sigmoid import sigmoid, sigmoid_backward
from stages.nn.tanh import tanh, tanh_backward

# name: (Z -> A, (A, dA) -> dZ); both act entry by entry and take `out`
ACTIVATIONS: dict[str, tuple[Callable[..., Array], Callable[..., Array]]] = {
    "relu": (relu, relu_backward),
    "tanh": (tanh, tanh_backward),
    "sigmoid": (sigmoid, sigmoid_backward),
}


class Activation:
    """A function applied entry by entry, as a layer.

    Parameters
    ----------
    name : str
        A key of `ACTIVATIONS`.
    """

    def __init__(self, name: str) -> None:
        self._function, self._function_backward = ACTIVATIONS[name]
        self._A: Array | None = None
        self._dZ: Array | None = None

    def forward(self, Z: Array, training: bool = False) -> Array:
        """Return the activations A, of the shape of Z."""
        self._A = reuse(self._A, Z.shape, Z.dtype)
        return self._function(Z, out=self._A)

    def backward(self, dA: Array) -> Array:
        """Return dZ, of the shape of dA, at the Z of the last forward pass."""
        self._dZ = reuse(self._dZ, dA.shape, dA.dtype)
        return self._function_backward(self._A, dA, out=self._dZ)
