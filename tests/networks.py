"""Networks for the tests: perceptrons by a name, and layers of kinds that the product does not have."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike, NDArray

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.initializers import Initializer
from stages.nn.layer import Count, Layer, Maker, OptionError, Shape, Start
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


class Convolution(Layer):
    """A convolution without padding, Z = W P + b for the patches P of the images."""

    decayed = ("W",)
    example = (5, 4, 2), {"filters": 3, "size": 2}

    def __init__(self, shape: Shape, start: Start, *, filters: Count, size: Count = 3) -> None:
        if len(shape) != 3 or size > min(shape[:2]):
            raise OptionError("size", f"is {size}: convolution of size {size} gets {' x '.join(map(str, shape))}")
        height, width, channels = shape
        output = (height - size + 1, width - size + 1, filters)
        super().__init__(shape, start)
        self.shape = output
        self.parameters = start.draw(filters, size * size * channels, filters * size * size)
        self._input_shape, self._size = shape, size

    def _patches(self, X: Array) -> Array:
        images = X.T.reshape(-1, *self._input_shape)
        windows = sliding_window_view(images, (self._size, self._size), axis=(1, 2))
        return np.moveaxis(windows, 3, -1).reshape(-1, self.parameters["W"].shape[1])

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return Z, of shape (height width filters, m)."""
        W, b = self.parameters.values()
        self._P = self._patches(X)
        Z: Array = (self._P @ W.T + b.T).reshape(X.shape[1], -1).T
        return Z

    def backward(self, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Set dW and db; return dX."""
        W, filters = self.parameters["W"], len(self.parameters["W"])
        dZ_patches = dZ.T.reshape(-1, filters)
        for name, gradient in (("W", dZ_patches.T @ self._P), ("b", dZ_patches.sum(axis=0)[:, np.newaxis])):
            self.gradients[name][...] = self.gradients[name] + gradient if add else gradient
        if not dX:
            return None
        size, (height, width, _) = self._size, self.shape
        dP = (dZ_patches @ W).reshape(-1, height, width, size, size, self._input_shape[2])
        images = np.zeros((dZ.shape[1], *self._input_shape), dZ.dtype)
        for i in range(size):
            for j in range(size):
                images[:, i : i + height, j : j + width] += dP[:, :, :, i, j]
        by_input: Array = images.reshape(dZ.shape[1], -1).T
        return by_input

    def pictures(self) -> Array | None:
        """Return the filters."""
        return self.parameters["W"].reshape(-1, self._size, self._size, self._input_shape[2])


class MaxPooling(Layer):
    """The largest entry of each square of an image."""

    example = (4, 6, 2), {"size": 2}

    def __init__(self, shape: Shape, start: Start, *, size: Count) -> None:
        if len(shape) != 3 or shape[0] % size or shape[1] % size:
            raise OptionError("size", f"is {size}: max_pooling of size {size} gets {' x '.join(map(str, shape[:2]))}")
        height, width, channels = shape
        super().__init__(shape, start)
        self.shape = (height // size, width // size, channels)
        self._size = size

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return the maxima, of shape (height width channels, m)."""
        height, width, channels = self.shape
        tiles = X.T.reshape(-1, height, self._size, width, self._size, channels)
        self._tiles = np.moveaxis(tiles, 2, 3).reshape(-1, height, width, self._size**2, channels)
        self._chosen = self._tiles.argmax(axis=3)
        maxima: Array = self._tiles.max(axis=3).reshape(X.shape[1], -1).T
        return maxima

    def backward(self, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Return dX: dY where the maximum was, else 0."""
        if not dX:
            return None
        height, width, channels = self.shape
        tiles = np.zeros_like(self._tiles)
        there = self._chosen[:, :, :, np.newaxis]
        np.put_along_axis(tiles, there, dY.T.reshape(-1, height, width, 1, channels), axis=3)
        squares = tiles.reshape(-1, height, width, self._size, self._size, channels)
        return np.moveaxis(squares, 3, 2).reshape(dY.shape[1], -1).T

    def branches(self) -> list[NDArray[Any]]:
        """Return where the maxima were."""
        return [self._chosen]


FURTHER: dict[str, type[Layer]] = {
    "convolution": Convolution,
    "max_pooling": MaxPooling,
}
