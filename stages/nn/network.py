"""A network: layers in a list, from the features to the logits."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike

from stages.nn.activation import Activation
from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.dropout import Dropout
from stages.nn.initializers import Initializer
from stages.nn.softmax import softmax

Layer = Affine | Activation | Dropout


class Network:
    """Layers in a list. The output of each is the input of the next; the last one returns the logits.

    Parameters
    ----------
    layers : list of layers
        The first must be an `Affine`: the gradient by the features themselves is never computed.
    """

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers
        self._affine = [layer for layer in layers if isinstance(layer, Affine)]

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters by name: W1, b1, W2, b2, ... in the order of the layers."""
        return {f"{name}{l}": getattr(layer, name) for l, layer in enumerate(self._affine, 1) for name in ("W", "b")}

    @property
    def gradients(self) -> dict[str, Array]:
        """The gradients of the last backward pass, by the names of their parameters."""
        return {
            f"{name}{l}": getattr(layer, f"d{name}") for l, layer in enumerate(self._affine, 1) for name in ("W", "b")
        }

    def forward(self, X: Array, training: bool = False) -> Array:
        """Return the logits Z, of shape (classes, m), for X of shape (features, m)."""
        for layer in self.layers:
            X = layer.forward(X, training)
        return X

    def probabilities(self, X: Array) -> Array:
        """Return softmax(Z), of shape (classes, m), for X of shape (features, m)."""
        return softmax(self.forward(X))

    def backward(self, dZ: Array, add: bool = False) -> None:
        """Set the gradient of each parameter, for dZ by the logits, of shape (classes, m), of the last forward pass.

        With `add`, add to the gradients that are there.
        """
        for layer in reversed(self.layers):
            if isinstance(layer, Affine):
                layer.parameter_gradients(dZ, add)
            if layer is not self.layers[0]:
                dZ = layer.backward(dZ)


def build(
    layer_sizes: Sequence[int],
    activation: str | None,
    initializer: Initializer,
    rng: np.random.Generator,
    dropout: float = 0.0,
    dtype: DTypeLike = np.float32,
) -> Network:
    """Return a network of affine layers with an activation, and dropout if any, after each but the last.

    Parameters
    ----------
    layer_sizes : sequence of int
        Features, units of each hidden layer, classes.
    activation : str or None
        A key of `ACTIVATIONS`; None leaves the network linear.
    initializer : Initializer
        Draws the parameters, always in float64, so that both dtypes begin with the same ones up to rounding.
    rng : numpy.random.Generator
        For the parameters, and afterwards for the masks of dropout.
    dropout : float
        Probability of dropping a hidden activation, in [0, 1).
    dtype : dtype
        float32 or float64.
    """
    layers: list[Layer] = []
    for inputs, units in pairwise(layer_sizes):
        if layers:
            layers += [Activation(activation)] if activation else []
            layers += [Dropout(dropout, rng)] if dropout else []
        W, b = initializer(units, inputs, rng)
        layers.append(Affine(W.astype(dtype), b.astype(dtype)))
    return Network(layers)
