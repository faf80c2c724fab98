"""A network: layers in a list, from the features to the logits; itself a layer."""

from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.dropout import Dropout
from stages.nn.layer import Layer, Maker, OptionError, Path, Shape, Start


class Network(Layer):
    """Layers in a list. The output of each is the input of the next.

    A parameter, a state or a gradient has the index of its layer before its name: 0.W, 0.b, 2.W, ...

    Parameters
    ----------
    shape : tuple of int
        Of an example of the input.
    start : Start
        What every layer begins with, one after the other.
    layers : sequence of callable
        Constructors with their options, such as functools.partial(Affine, units=10).

    Raises
    ------
    OptionError
        If an option does not fit what its layer is given; it names layers.<index>.<option>.
    """

    def __init__(self, shape: Shape, start: Start, *, layers: Sequence[Maker]) -> None:
        super().__init__(shape, start)
        self.layers: list[Layer] = []
        for index, make in enumerate(layers):
            try:
                self.layers.append(make(self.shape, start))
            except OptionError as error:
                raise OptionError(f"layers.{index}.{error.option}", error.problem) from None
            self.shape = self.layers[-1].shape
        self.parameters, self.state = self._by_index("parameters"), self._by_index("state")
        self.decayed = [f"{index}.{name}" for index, layer in enumerate(self.layers) for name in layer.decayed]
        self.least_columns = max((layer.least_columns for layer in self.layers), default=1)
        self._first_learning = next((k for k, layer in enumerate(self.layers) if layer.parameters), len(self.layers))

    def _by_index(self, attribute: str) -> dict[str, Array]:
        return {
            f"{index}.{name}": array
            for index, layer in enumerate(self.layers)
            for name, array in getattr(layer, attribute).items()
        }

    @cached_property
    def gradients(self) -> dict[str, Array]:
        """The gradients of the layers, by the names of their parameters."""
        return self._by_index("gradients")

    @property
    def multiply_adds(self) -> int:
        """Those of all layers."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def footprint(self) -> int:
        """What all its layers keep of a column."""
        return sum(layer.footprint for layer in self.layers)

    def bind(self, parameters: Array, gradients: Array) -> None:
        """Move the parameters and gradients of the layers into these arrays, one layer after the other."""
        stop = 0
        for layer in self.layers:
            start, stop = stop, stop + layer.size
            layer.bind(parameters[start:stop], gradients[start:stop])
        self.parameters.update(self._by_index("parameters"))
        self.gradients.update(self._by_index("gradients"))

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return the output of the last layer, for X of shape (features, m)."""
        for layer in self.layers:
            X = layer.forward(X, rng)
        return X

    def backward(self, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Set the gradient of each parameter, for dY by the output of the last forward pass; return dX by its input.

        With `add`, add to the gradients that are there; without `dX`, stop where no parameter is left, and return None.
        """
        gradient: Array | None = dY
        for index, layer in reversed(list(enumerate(self.layers))):
            if gradient is not None:
                gradient = layer.backward(gradient, add, dX or index > self._first_learning)
        return gradient

    def branches(self) -> list[NDArray[Any]]:
        """Return those of all layers."""
        return [sides for layer in self.layers for sides in layer.branches()]

    def walk(self, X: Array) -> Iterator[tuple[Path, Layer, Array]]:
        """Go forward in prediction, for X of shape (features, m); yield each layer inside, then this one."""
        A = X
        for index, layer in enumerate(self.layers):
            for path, inner, Y in layer.walk(A):
                yield (index, *path), inner, Y
            A = Y
        yield (), self, self.forward(X)


def perceptron(sizes: Sequence[int], activation: Maker | None, start: Start, dropout: float = 0.0) -> Network:
    """Return the multilayer perceptron: affine layers, with an activation and dropout, if any, between them.

    Parameters
    ----------
    sizes : sequence of int
        Features, units of each hidden layer, classes.
    activation : callable or None
        Such as ReLU; None leaves the network linear.
    start : Start
        What every layer begins with.
    dropout : float
        Probability of dropping a hidden activation, in [0, 1).
    """
    between: list[Maker] = [activation] if activation else []
    between += [partial(Dropout, rate=dropout)] if dropout else []
    layers: list[Maker] = []
    for units in sizes[1:]:
        layers += [*(between if layers else []), partial(Affine, units=units)]
    return Network((sizes[0],), start, layers=layers)
