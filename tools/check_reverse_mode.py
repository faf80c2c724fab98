"""Compare the gradients of the layers with those of reverse mode: `python -m tools.check_reverse_mode [MODEL]`.

Each network of params.yaml is written a second time, in the operations of tools/reverse_mode.py, which knows nothing of
the derivatives of the layers. Both compute the loss of a few random examples and its gradient by all parameters, in
float64.
"""

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from stages.nn.affine import Affine
from stages.nn.arrays import Array, Labels
from stages.nn.attention import Attention
from stages.nn.average_pooling import AveragePooling
from stages.nn.batch_normalization import BatchNormalization
from stages.nn.convolution import Convolution
from stages.nn.dropout import Dropout
from stages.nn.gelu import GELU
from stages.nn.gradient_check import relative_error
from stages.nn.layer import Layer
from stages.nn.layer_normalization import LayerNormalization
from stages.nn.max_pooling import MaxPooling
from stages.nn.network import Network
from stages.nn.normalization import Normalization
from stages.nn.parts import loss_and_gradients
from stages.nn.positions import Positions
from stages.nn.relu import ReLU
from stages.nn.residual import Residual
from stages.nn.sigmoid import Sigmoid
from stages.nn.tanh import Tanh
from stages.shared.errors import UserError, run
from stages.shared.mnist import FORM, Form
from stages.shared.models import start_network
from stages.shared.parameters import Model, load, load_model
from tools.check_gradients import form_of
from tools.reverse_mode import Node, arranged, entrywise, gradients, largest, node, total, where

SEED = 0
EXAMPLES = 8
TOLERANCE = 1e-12

Nodes = Mapping[str, Node]
Formula = Callable[[Any, Node, Nodes, np.random.Generator], Node]


class NoFormulaError(UserError):
    """A layer has no formula in FORMULAS."""


def exp(x: Node) -> Node:
    """Return the exponential of each entry."""
    return entrywise(x, np.exp(x.value), np.exp(x.value))


def log(x: Node) -> Node:
    """Return the natural logarithm of each entry."""
    return entrywise(x, np.log(x.value), 1 / x.value)


def _affine(layer: Affine, X: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    return theta["W"] @ X + theta["b"]


def _relu(layer: ReLU, Z: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    return where(Z.value > 0, Z, 0)


def _tanh(layer: Tanh, Z: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    return 1 + -2 * (exp(2 * Z) + 1) ** -1


def _gelu(layer: GELU, Z: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    u = math.sqrt(2 / math.pi) * (Z + 0.044715 * Z**3)
    return Z * (1 + -1 * (exp(2 * u) + 1) ** -1)


def _sigmoid(layer: Sigmoid, Z: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    return (1 + exp(-1 * Z)) ** -1


def _dropout(layer: Dropout, A: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    kept = rng.random(A.value.shape, np.float32) >= layer.rate
    return A * (kept / (1 - layer.rate))


def _network(layer: Network, X: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    for index, inner in enumerate(layer.layers):
        prefix = f"{index}."
        of_inner = {name.removeprefix(prefix): x for name, x in theta.items() if name.startswith(prefix)}
        X = output(inner, X, of_inner, rng)
    return X


def _residual(layer: Residual, X: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    return X + _network(layer, X, theta, rng)


def _by_place(layer: Normalization, X: Node) -> Node:
    return arranged(X, lambda numbers: numbers.T.reshape(-1, layer.shape[-1]))


def _normalized(layer: Normalization, rows: Node, axis: int, theta: Nodes, m: int) -> Node:
    count = rows.value.shape[axis]
    centered = rows - total(rows, axis) / count
    variance = total(centered**2, axis) / count
    Z = centered * (variance + layer.epsilon) ** -0.5 * _row(theta["gamma"]) + _row(theta["beta"])
    return arranged(Z, lambda numbers: numbers.reshape(m, -1).T)


def _row(column: Node) -> Node:
    return arranged(column, np.transpose)


def _batch_normalization(layer: BatchNormalization, X: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    return _normalized(layer, _by_place(layer, X), 0, theta, X.value.shape[1])


def _layer_normalization(layer: LayerNormalization, X: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    return _normalized(layer, _by_place(layer, X), 1, theta, X.value.shape[1])


def _in_squares(layer: Convolution | MaxPooling | AveragePooling, X: Array, padding: int = 0) -> Array:
    """Return X as each entry of the square sees it, (size size, m, height, width, channels)."""
    around = [(0, 0), (padding, padding), (padding, padding), (0, 0)]
    return np.stack(list(layer.square.entries(np.pad(X.T.reshape(-1, *layer.input_shape), around))))


def _convolution(layer: Convolution, X: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    W, b, m = theta["W"], theta["b"], X.value.shape[1]

    def patches(numbers: Array) -> Array:
        return np.moveaxis(_in_squares(layer, numbers, layer.padding), 4, 1).reshape(W.value.shape[1], -1)

    Z = W @ (arranged(X, patches) * patches(np.ones(X.value.shape))) + b  # on the padding X is 0
    return arranged(Z, lambda numbers: numbers.T.reshape(m, -1).T)


def _max_pooling(layer: MaxPooling, X: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    Y = largest(arranged(X, lambda numbers: _in_squares(layer, numbers)), 0)
    return arranged(Y, lambda numbers: numbers.reshape(X.value.shape[1], -1).T)


def _average_pooling(layer: AveragePooling, X: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    Y = total(arranged(X, lambda numbers: _in_squares(layer, numbers)), 0) / layer.square.size**2
    return arranged(Y, lambda numbers: numbers.reshape(X.value.shape[1], -1).T)


def _positions(layer: Positions, X: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    return X + theta["b"]


def _attention(layer: Attention, X: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    width, m = layer.shape[-1], X.value.shape[1]
    d = width // layer.heads
    tokens = arranged(X, lambda numbers: numbers.T.reshape(-1, width).T)

    def by_head(k: int) -> Callable[[Array], Array]:
        return lambda numbers: numbers.reshape(3, layer.heads, d, m, -1)[k].transpose(2, 0, 1, 3)

    QKV = theta["W"] @ tokens + theta["b"]
    Q, K, V = (arranged(QKV, by_head(k)) for k in range(3))  # (m, heads, d, tokens)
    scores = arranged(K, lambda numbers: numbers.swapaxes(2, 3)) @ Q / math.sqrt(d)
    exponentials = exp(scores - scores.value.max(axis=2, keepdims=True))
    heads = V @ (exponentials / total(exponentials, 2))
    O = arranged(heads, lambda numbers: numbers.transpose(1, 2, 0, 3).reshape(width, -1))
    Z = theta["W_O"] @ O + theta["b_O"]
    return arranged(Z, lambda numbers: numbers.T.reshape(m, -1).T)


# What each layer computes in training; a further kind needs its line here, and a function above.
FORMULAS: dict[type[Layer], Formula] = {
    Affine: _affine,
    ReLU: _relu,
    Tanh: _tanh,
    GELU: _gelu,
    Sigmoid: _sigmoid,
    Dropout: _dropout,
    Network: _network,
    Residual: _residual,
    BatchNormalization: _batch_normalization,
    LayerNormalization: _layer_normalization,
    Convolution: _convolution,
    MaxPooling: _max_pooling,
    AveragePooling: _average_pooling,
    Positions: _positions,
    Attention: _attention,
}


def output(layer: Layer, X: Node, theta: Nodes, rng: np.random.Generator) -> Node:
    """Return what a layer with the parameters theta makes of X in training, as nodes.

    Raises
    ------
    NoFormulaError
        If there is none for its kind.
    """
    kind = type(layer)
    if kind not in FORMULAS:
        raise NoFormulaError(
            f"tools/check_reverse_mode.py: FORMULAS has none for {kind.__name__}; add what it computes"
        )
    return FORMULAS[kind](layer, X, theta, rng)


def cross_entropy(Z: Node, y: Labels) -> Node:
    """Return the mean cross-entropy of logits, of the shape (1, 1)."""
    shifted = Z - Z.value.max(axis=0)  # a constant: neither the loss nor its gradient changes by it
    of_labels = arranged(shifted, lambda numbers: numbers[y, np.arange(len(y))])
    return total(log(total(exp(shifted), axis=0)) - of_labels) / len(y)


@dataclass(frozen=True)
class Comparison:
    """The gradient of one network by the two ways.

    Attributes
    ----------
    entries : int
        Of the gradient.
    loss, gradient : float
        Relative errors.
    """

    entries: int
    loss: float
    gradient: float


def compare(network: Network, X: Array, y: Labels) -> Comparison:
    """Return the comparison for a network in float64 and a batch; dropout draws the same masks in both."""
    theta = {name: node(array) for name, array in network.parameters.items()}
    J = cross_entropy(output(network, node(X), theta, np.random.default_rng(SEED)), y)
    theirs = np.concatenate([gradient.ravel() for gradient in gradients(J, list(theta.values()))])
    loss, _ = loss_and_gradients(network, X, y, rng=np.random.default_rng(SEED))
    ours = np.concatenate([gradient.ravel() for gradient in network.gradients.values()])
    return Comparison(ours.size, relative_error(np.array(loss), J.value), relative_error(ours, theirs))


def compare_at_random(name: str, model: Model, form: Form = FORM) -> Comparison:
    """Return the comparison for a row of params.yaml, with random parameters and examples."""
    rng = np.random.default_rng(SEED)
    network = start_network(name, model, form, rng, np.float64)
    for theta in network.parameters.values():
        theta[...] = rng.standard_normal(theta.shape) / np.sqrt(theta.shape[1])
    X, y = rng.random((math.prod(form.shape), EXAMPLES)), rng.integers(len(form.classes), size=EXAMPLES)
    return compare(network, X, y)


def report(names: list[str]) -> None:
    """Print a line for each model; for all, if none is named, whose layers have formulas.

    Raises
    ------
    UserError
        If there is no such model, a layer of a named one has no formula, or the gradients of one differ.
    """
    wrong = []
    for name in names or load().models:
        model = load_model(name)
        form, _ = form_of(model.split)
        try:
            found = compare_at_random(name, model, form)
        except NoFormulaError as error:
            if names:
                raise
            print(f"{name}: not compared; {error}")
            continue
        right = max(found.loss, found.gradient) < TOLERANCE
        wrong += [] if right else [name]
        print(
            f"{name}: {found.entries:,} entries; relative error of the loss {found.loss:.0e}, of the gradient "
            f"{found.gradient:.0e}: {'the same' if right else 'DIFFERENT'}"
        )
    if wrong:
        raise UserError(f"the gradients of the layers and of reverse mode differ for {', '.join(wrong)}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare the gradients of the layers with those of reverse mode.")
    parser.add_argument("model", nargs="*", help="a key of models in params.yaml; all if left out")
    names = parser.parse_args().model
    with threadpool_limits(1, user_api="blas"):  # the products are small: more threads would wait for one another
        report(names)


if __name__ == "__main__":
    run(main)
