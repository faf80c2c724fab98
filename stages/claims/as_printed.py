"""The networks of the five write-ups as they print them, faults included: plain NumPy, a new array at every step.

Written from their formulas, apart from stages/nn/. `WriteUp` holds what differs between them, so that a fault can be
mended alone. A network is a list of pairs (W, b); shapes are those of stages/nn/, the dtype that of the parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stages.nn.arrays import Array, Labels

Parameters = list[tuple[Array, Array]]
Gradients = list[tuple[Array, Any]]


def relu(Z: Array) -> Array:
    """Return max(Z, 0), entry by entry."""
    return np.maximum(Z, 0)


def relu_derivative(Z: Array) -> NDArray[np.bool_]:
    """Return True where Z > 0, to be multiplied with as 1."""
    return Z > 0


def tanh(Z: Array) -> Array:
    """Return (e^Z - e^-Z) / (e^Z + e^-Z), which is inf/inf once an exponential overflows (W4)."""
    above, below = np.exp(Z), np.exp(-Z)
    quotient: Array = (above - below) / (above + below)
    return quotient


def tanh_derivative(Z: Array) -> Array:
    """Return 1 - tanh(Z)²."""
    return 1 - tanh(Z) ** 2


def softmax(Z: Array) -> Array:
    """Return e^Z over its column sums, which is inf/inf once an exponential overflows (W1, W2, W3)."""
    exponentials = np.exp(Z)
    quotient: Array = exponentials / sum(exponentials)
    return quotient


def stable_softmax(Z: Array) -> Array:
    """Return the softmax of each column with its own largest entry subtracted (W5)."""
    return softmax(Z - np.max(Z, axis=0))


def softmax_over_everything(Z: Array) -> Array:
    """Return e^Z over the sum of all its entries: what W3 warns of."""
    exponentials = np.exp(Z)
    quotient: Array = exponentials / np.sum(exponentials)
    return quotient


def softmax_of_whole_maximum(Z: Array) -> Array:
    """Return the softmax of each column with the largest entry of the whole matrix subtracted (W4).

    A column so far below it that all its exponentials are 0 becomes 0/0.
    """
    exponentials = np.exp(Z - np.max(Z))
    quotient: Array = exponentials / np.sum(exponentials, axis=0)
    return quotient


def one_hot(y: Labels, dtype: DTypeLike = np.float64) -> Array:
    """Return Y of shape (largest label + 1, m), with 1 in the row of each label (W1, W2, W3)."""
    Y = np.zeros((y.max() + 1, y.size), dtype)
    Y[y, np.arange(y.size)] = 1
    return Y


def one_hot_of_ten(y: Labels, dtype: DTypeLike = np.float64) -> Array:
    """Return Y of shape (10, m), with 1 in the row of each label (W4, W5)."""
    return np.eye(10, dtype=dtype)[:, y]


def plotted_loss(Y: Array, A: Array) -> float:
    """Return |sum of all entries of Y - A|, which W3 plots as the loss."""
    return float(abs(np.sum(Y - A)))


def row_sums(dZ: Array) -> Array:
    """Return the sum of each row, of shape (units, 1): the bias gradients of W4 and W5."""
    sums: Array = np.sum(dZ, axis=1, keepdims=True)
    return sums


@dataclass(frozen=True)
class WriteUp:
    """What differs between the write-ups, and what an ablation exchanges. The defaults are W1, W2 and W3.

    Attributes
    ----------
    activation, activation_derivative : callable
        Functions of Z of the hidden layers.
    softmax : callable
        Function of the Z of the last layer.
    labels : callable
        From y and a dtype to what is subtracted from the probabilities.
    error : callable
        From A and Y to the dZ of the last layer.
    bias_sum : callable
        From dZ to m times db. By default one number for the whole layer.
    mean : bool
        Whether gradients are multiplied by 1/m.
    """

    activation: Callable[[Array], Array] = relu
    activation_derivative: Callable[[Array], NDArray[Any]] = relu_derivative
    softmax: Callable[[Array], Array] = softmax
    labels: Callable[[Labels, DTypeLike], Array] = one_hot
    error: Callable[[Array, Array], Array] = np.subtract
    bias_sum: Callable[[Array], Any] = np.sum
    mean: bool = True


W3 = WriteUp()
W4 = WriteUp(tanh, tanh_derivative, softmax_of_whole_maximum, one_hot_of_ten, bias_sum=row_sums)
W5 = WriteUp(softmax=stable_softmax, labels=one_hot_of_ten, bias_sum=row_sums)


def uniform(layer_sizes: list[int], rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Parameters:
    """Return weights and biases uniform in [-0.5, 0.5) (W2, W3)."""
    return [
        ((rng.random((units, inputs)) - 0.5).astype(dtype), (rng.random((units, 1)) - 0.5).astype(dtype))
        for inputs, units in pairwise(layer_sizes)
    ]


def normal(layer_sizes: list[int], scale: float, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Parameters:
    """Return weights normal times `scale` and biases 0 (W4: 0.1, W5: 0.01)."""
    return [
        ((rng.standard_normal((units, inputs)) * scale).astype(dtype), np.zeros((units, 1), dtype))
        for inputs, units in pairwise(layer_sizes)
    ]


def forward(parameters: Parameters, X: Array, write_up: WriteUp = W3) -> tuple[list[Array], list[Array]]:
    """Return Z of every layer, and A of every layer with X before them; the last A are the probabilities."""
    Zs: list[Array] = []
    As = [X]
    for layer, (W, b) in enumerate(parameters, 1):
        Z = W.dot(As[-1]) + b
        Zs.append(Z)
        As.append(write_up.softmax(Z) if layer == len(parameters) else write_up.activation(Z))
    return Zs, As


def backward(parameters: Parameters, Zs: list[Array], As: list[Array], y: Labels, write_up: WriteUp = W3) -> Gradients:
    """Return (dW, db) of every layer, from what `forward` returned."""
    factor = 1 / y.size if write_up.mean else 1
    dZ = write_up.error(As[-1], write_up.labels(y, As[-1].dtype))
    gradients: Gradients = []
    for layer in reversed(range(len(parameters))):
        gradients.insert(0, (factor * dZ.dot(As[layer].T), factor * write_up.bias_sum(dZ)))
        if layer:
            dZ = parameters[layer][0].T.dot(dZ) * write_up.activation_derivative(Zs[layer - 1])
    return gradients


def descend(parameters: Parameters, gradients: Gradients, rate: float) -> Parameters:
    """Return the parameters one step down the gradients."""
    return [(W - rate * dW, b - rate * db) for (W, b), (dW, db) in zip(parameters, gradients, strict=True)]


def update(parameters: Parameters, X: Array, y: Labels, rate: float, write_up: WriteUp = W3) -> Parameters:
    """Return the parameters after one update on X of shape (features, m) and y of shape (m,)."""
    Zs, As = forward(parameters, X, write_up)
    return descend(parameters, backward(parameters, Zs, As, y, write_up), rate)
