"""Networks for the tests: perceptrons by a name, and layers of kinds that the product does not have."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.initializers import Initializer
from stages.nn.layer import Layer, Maker, Start
from stages.nn.layer_table import LAYERS
from stages.nn.network import Network, perceptron


def build(
    sizes: Sequence[int],
    activation: str | None,
    initializer: Initializer,
    rng: np.random.Generator,
    dropout: float = 0.0,
    dtype: DTypeLike = np.float32,
) -> Network:
    """Return a multilayer perceptron with an activation of this name."""
    return perceptron(sizes, LAYERS[activation] if activation else None, Start(rng, initializer, dtype), dropout)


def layer_rows(*units: int, activation: str | None = "relu", dropout: float = 0.0) -> list[dict[str, Any]]:
    """Return the layers of a multilayer perceptron as a row of params.yaml lists them, the last without its units."""
    between: list[dict[str, Any]] = [{"name": activation}] if activation else []
    between += [{"name": "dropout", "rate": dropout}] if dropout else []
    return [row for n in units for row in ({"name": "affine", "units": n}, *between)] + [{"name": "affine"}]


def affine(W: Array, b: Array) -> Affine:
    """Return an affine layer that has these arrays as its parameters."""
    layer = Affine((W.shape[1],), Start(np.random.default_rng(0)), units=len(W))
    layer.parameters = {"W": W, "b": b}
    return layer


def network_of(*layers: Layer) -> Network:
    """Return a network of layers that are there already."""

    def there(layer: Layer) -> Maker:
        return lambda shape, start: layer

    return Network((1,), Start(np.random.default_rng(0)), layers=[there(layer) for layer in layers])


def by_input(layer: Layer, dY: Array) -> Array:
    """Return dX, after a forward pass, and set the gradients by the parameters."""
    dX = layer.backward(dY)
    assert dX is not None
    return dX
