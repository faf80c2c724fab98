"""Networks for the tests: perceptrons by a name, and layers of kinds that the product does not have."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.initializers import Initializer
from stages.nn.layer import Layer, Maker, OptionError, Shape, Start
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


class BatchNormalization(Layer):
    """Each feature with mean 0 and variance 1 over the batch, then scaled and shifted."""

    example = (6,), {"momentum": 0.5}

    def __init__(self, shape: Shape, start: Start, *, momentum: float = 0.9) -> None:
        column = (int(np.prod(shape)), 1)
        super().__init__(shape, start)
        self.parameters = {"gamma": np.ones(column, start.dtype), "beta": np.zeros(column, start.dtype)}
        self.state = {"mean": np.zeros(column, start.dtype), "var": np.ones(column, start.dtype)}
        self._momentum = momentum

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return Y of the shape of X."""
        gamma, beta = self.parameters.values()
        mean, variance = self.state.values()
        if rng is not None:
            mean, variance = X.mean(axis=1, keepdims=True), X.var(axis=1, keepdims=True)
            for name, batch in (("mean", mean), ("var", variance)):
                self.state[name] *= self._momentum
                self.state[name] += (1 - self._momentum) * batch
        self._scale = 1 / np.sqrt(variance + 1e-5)
        self._N = (X - mean) * self._scale
        Y: Array = gamma * self._N + beta
        return Y

    def backward(self, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Set dgamma and dbeta; return dX."""
        N = self._N
        for name, of_columns in (("gamma", dY * N), ("beta", dY)):
            gradient = of_columns.sum(axis=1, keepdims=True)
            self.gradients[name][...] = self.gradients[name] + gradient if add else gradient
        if not dX:
            return None
        dN = self.parameters["gamma"] * dY
        means = dN.mean(axis=1, keepdims=True), (dN * N).mean(axis=1, keepdims=True)
        projected: Array = self._scale * (dN - means[0] - N * means[1])
        return projected


class Residual(Network):
    """A network whose output is added to its input."""

    example = (6,), {"layers": [partial(Affine, units=4), LAYERS["tanh"], partial(Affine, units=6)]}

    def __init__(self, shape: Shape, start: Start, *, layers: Sequence[Maker]) -> None:
        super().__init__(shape, start, layers=layers)
        if self.shape != shape:
            raise OptionError("layers", f"return {self.shape}, and what is added to that has {shape}")

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return X plus what the layers make of it."""
        return X + super().forward(X, rng)

    def backward(self, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Return dY plus what the layers pass back."""
        passed_back = super().backward(dY, add, dX)
        return None if passed_back is None else dY + passed_back


FURTHER: dict[str, type[Layer]] = {
    "batch_normalization": BatchNormalization,
    "residual": Residual,
}
