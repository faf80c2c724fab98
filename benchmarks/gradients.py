"""Compare gradients with those of other engines, and write benchmarks/gradients.json: `python -m benchmarks.gradients`.

What is differentiated is written a second time here, in operations that every engine has; an engine differentiates that
by its own means. All numbers are in float64.
"""

import argparse
import importlib.metadata
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.cross_entropy import cross_entropy_gradient
from stages.nn.dropout import Dropout
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.initializers import Uniform
from stages.nn.layer import Layer, Shape, Start
from stages.nn.layer_table import LAYERS
from stages.nn.network import perceptron
from stages.nn.one_hot import one_hot
from stages.nn.parts import loss_and_gradients
from stages.nn.softmax import softmax, softmax_backward
from stages.shared.artifacts import write_json
from stages.shared.errors import UserError, run

RESULTS = Path("benchmarks/gradients.json")
SIZES = (5, 8, 7, 6, 4)
CLASSES = SIZES[-1]
EXAMPLES = 9
IMAGE = (4, 4, 6)
HEADS = 2
TOLERANCE = 1e-12
TOLERANCE_OF_DIFFERENCES = 1e-7

Plain = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """Something that has gradients.

    Attributes
    ----------
    name : str
        Of it.
    plain : callable
        Returns a number from the operations of an engine, `arrays` and `constants`.
    arrays, constants : list of ndarray
        What it is differentiated by, and what else it takes.
    ours : list of ndarray
        The gradients by `arrays`, as this project has them.
    transcendental : bool
        Whether `plain` takes an exponential, a logarithm or a tanh.
    """

    name: str
    plain: Plain
    arrays: list[Array]
    constants: list[Array]
    ours: list[Array]
    transcendental: bool = True


def _central_differences(plain: Plain, arrays: list[Array], constants: list[Array]) -> list[Array]:
    operations = SimpleNamespace(exp=np.exp, log=np.log, tanh=np.tanh, relu=lambda Z: np.maximum(Z, 0))
    return [numeric_gradient(lambda: float(plain(operations, *arrays, *constants)), theta) for theta in arrays]


def _autograd(plain: Plain, arrays: list[Array], constants: list[Array]) -> list[Array]:
    import autograd.numpy as anp
    from autograd import grad

    operations = SimpleNamespace(exp=anp.exp, log=anp.log, tanh=anp.tanh, relu=lambda Z: anp.maximum(Z, 0))
    gradient = grad(lambda *theta: plain(operations, *theta, *constants), argnum=tuple(range(len(arrays))))
    return list(gradient(*arrays))


def _pytorch(plain: Plain, arrays: list[Array], constants: list[Array]) -> list[Array]:
    import torch

    theta = [torch.tensor(array, requires_grad=True) for array in arrays]
    plain(torch, *theta, *map(torch.tensor, constants)).backward()
    return [tensor.grad.numpy() for tensor in theta if tensor.grad is not None]


def _jax(plain: Plain, arrays: list[Array], constants: list[Array]) -> list[Array]:
    import jax
    import jax.numpy as jnp

    operations = SimpleNamespace(exp=jnp.exp, log=jnp.log, tanh=jnp.tanh, relu=jax.nn.relu)
    with jax.enable_x64(True):
        gradient = jax.grad(lambda *theta: plain(operations, *theta, *constants), argnums=tuple(range(len(arrays))))
        return [np.asarray(array) for array in gradient(*map(jnp.asarray, arrays))]


def _micrograd(plain: Plain, arrays: list[Array], constants: list[Array]) -> list[Array]:
    from micrograd.engine import Value

    theta = [np.vectorize(Value, otypes=[object])(array) for array in arrays]
    operations = SimpleNamespace(relu=np.vectorize(Value.relu, otypes=[object]))
    plain(operations, *theta, *constants).backward()
    return [np.vectorize(lambda value: value.grad, otypes=[float])(values) for values in theta]


# name: (how it differentiates, the package it is, none for our own)
ENGINES: dict[str, tuple[Callable[[Plain, list[Array], list[Array]], list[Array]], str | None]] = {
    "central differences": (_central_differences, None),
    "autograd": (_autograd, "autograd"),
    "PyTorch": (_pytorch, "torch"),
    "JAX": (_jax, "jax"),
    "micrograd": (_micrograd, "micrograd"),
}

PLAIN: dict[str, Plain] = {
    "relu": lambda operations, Z: operations.relu(Z),
    "tanh": lambda operations, Z: operations.tanh(Z),
    "sigmoid": lambda operations, Z: 1 / (1 + operations.exp(-Z)),
}


def _affine(_: Any, W: Any, b: Any, X: Any) -> Any:
    return W @ X + b


def _masked(_: Any, A: Any, M: Any) -> Any:
    return M * A


def _softmax(operations: Any, Z: Any) -> Any:
    return operations.exp(Z) / operations.exp(Z).sum(0)


def _cross_entropy(operations: Any, Z: Any, Y: Any) -> Any:
    return (operations.log(operations.exp(Z).sum(0)) - (Y * Z).sum(0)).sum() / Y.shape[1]


def _residual(operations: Any, W: Any, b: Any, X: Any) -> Any:
    return X + operations.relu(W @ X + b)


def _positions(_: Any, b: Any, X: Any) -> Any:
    return X + b


def _columns(images: Any) -> Any:
    return images.reshape(EXAMPLES, -1).T


def _in_squares(X: Any, size: int, stride: int) -> list[Any]:
    """Return the images as each entry of a square sees them, row by row, (m, height, width, channels)."""
    images, (rows, columns) = X.T.reshape(EXAMPLES, *IMAGE), (side - size + 1 for side in IMAGE[:2])
    return [images[:, i : i + rows : stride, j : j + columns : stride] for i in range(size) for j in range(size)]


def _convolution(_: Any, W: Any, b: Any, X: Any) -> Any:
    by_entry = W.reshape(CLASSES, -1, IMAGE[2])
    return _columns(sum(seen @ by_entry[:, k].T for k, seen in enumerate(_in_squares(X, 3, 1))) + b[:, 0])


def _max_pooling(operations: Any, X: Any) -> Any:
    Y, *others = _in_squares(X, 2, 2)
    for seen in others:
        Y = Y + operations.relu(seen - Y)
    return _columns(Y)


def _average_pooling(_: Any, X: Any) -> Any:
    return _columns(sum(_in_squares(X, 2, 2)) / 4)


def _normalized(rows: Any, gamma: Any, beta: Any) -> Any:
    """Return the rows with mean 0 and variance 1, scaled and shifted, and as columns of examples."""
    deviations = rows - rows.sum(1).reshape(-1, 1) / rows.shape[1]
    return deviations * ((deviations**2).sum(1).reshape(-1, 1) / rows.shape[1] + 1e-5) ** -0.5 * gamma + beta


def _batch_normalization(_: Any, gamma: Any, beta: Any, X: Any) -> Any:
    return _normalized(X, gamma, beta)


def _layer_normalization(_: Any, gamma: Any, beta: Any, X: Any) -> Any:
    return _columns(_normalized(X.T.reshape(-1, IMAGE[2]), gamma.T, beta.T))


def _attention(operations: Any, W: Any, b: Any, W_O: Any, b_O: Any, X: Any) -> Any:
    width = IMAGE[2]
    QKV = (X.T.reshape(-1, width) @ W.T + b.T).reshape(EXAMPLES, -1, 3, HEADS, width // HEADS)
    Q, K, V = (QKV[:, :, k].swapaxes(1, 2) for k in range(3))
    weights = operations.exp(Q @ K.swapaxes(2, 3) / (width // HEADS) ** 0.5)
    heads = weights @ V / weights.sum(3).reshape(EXAMPLES, HEADS, -1, 1)
    return _columns(heads.swapaxes(1, 2).reshape(-1, width) @ W_O.T + b_O.T)


def _gelu(operations: Any, Z: Any) -> Any:
    return Z * (1 + operations.tanh((2 / np.pi) ** 0.5 * (Z + 0.044715 * Z * Z * Z))) / 2


# title: (name in params.yaml, what the layer computes, the shape of an example, options, whether transcendental)
LAYERS_ALONE: dict[str, tuple[str, Plain, Shape, dict[str, Any], bool]] = {
    "convolution": ("convolution", _convolution, IMAGE, {"filters": CLASSES, "size": 3}, False),
    "max-pooling": ("max_pooling", _max_pooling, IMAGE, {"size": 2}, False),
    "average pooling": ("average_pooling", _average_pooling, IMAGE, {"size": 2}, False),
    "batch normalization": ("batch_normalization", _batch_normalization, (CLASSES,), {}, False),
    "layer normalization": ("layer_normalization", _layer_normalization, IMAGE, {}, False),
    "residual connection": ("residual", _residual, (CLASSES,), {"layers": [Affine, LAYERS["relu"]]}, False),
    "positions": ("positions", _positions, IMAGE, {}, False),
    "attention": ("attention", _attention, IMAGE, {"heads": HEADS}, True),
    "GELU": ("gelu", _gelu, (CLASSES,), {}, True),
}


def _alone(title: str, rng: np.random.Generator) -> Case:
    name, plain, shape, options, transcendental = LAYERS_ALONE[title]
    layer = LAYERS[name](shape, Start(rng, Uniform(-1, 1), np.float64, CLASSES), **options)
    for theta in layer.parameters.values():
        theta[...] = rng.standard_normal(theta.shape)
    X = rng.standard_normal((math.prod(shape), EXAMPLES))
    G = rng.standard_normal(layer.forward(X, rng).shape)
    dX = _by_input(layer, G)
    arrays, ours = [*layer.parameters.values(), X], [*layer.gradients.values(), dX]
    return Case(title, _weighted_sum(plain), arrays, [G], ours, transcendental)


def _logits(activation: str) -> Plain:
    def plain(operations: Any, *arrays: Any) -> Any:
        *theta, W_last, b_last, A = arrays
        for W, b in zip(theta[::2], theta[1::2], strict=True):
            A = PLAIN[activation](operations, W @ A + b)
        return W_last @ A + b_last

    return plain


def _weighted_sum(function: Plain) -> Plain:
    """Return the sum of G * A, for A what a function makes of all arrays but the last, G: its dA is then G."""
    return lambda operations, *arrays: (arrays[-1] * function(operations, *arrays[:-1])).sum()


def _with_loss(function: Plain) -> Plain:
    """Return the cross-entropy of what a function makes of all arrays but the last, the labels."""
    return lambda operations, *arrays: _cross_entropy(operations, function(operations, *arrays[:-1]), arrays[-1])


def cases() -> list[Case]:
    """Return each layer, the loss, and deep networks, at random points."""
    rng = np.random.default_rng(0)
    W, b, X = (rng.standard_normal(shape) for shape in ((CLASSES, SIZES[0]), (CLASSES, 1), (SIZES[0], EXAMPLES)))
    Z, A, G = rng.standard_normal((3, CLASSES, EXAMPLES))
    y = rng.integers(CLASSES, size=EXAMPLES)
    Y = one_hot(y, CLASSES)
    affine = Affine((SIZES[0],), Start(rng), units=CLASSES)
    affine.parameters = {"W": W, "b": b}
    affine.forward(X)
    dX = _by_input(affine, G)
    mask, dropped = (Dropout((CLASSES,), Start(rng), rate=0.4) for _ in range(2))
    M = mask.forward(np.ones_like(A), np.random.default_rng(0))
    dropped.forward(A, np.random.default_rng(0))
    found = [
        Case("affine layer", _weighted_sum(_affine), [W, b, X], [G], [*affine.gradients.values(), dX], False),
    ]
    for name in PLAIN:
        layer = LAYERS[name]((CLASSES,), Start(rng))
        layer.forward(Z)
        dZ = _by_input(layer, G)
        found.append(Case(_titled(name), _weighted_sum(PLAIN[name]), [Z], [G], [dZ], name != "relu"))
    found += [
        Case("softmax", _weighted_sum(_softmax), [Z], [G], [softmax_backward(softmax(Z), G)]),
        Case("softmax and cross-entropy", _cross_entropy, [Z], [Y], [cross_entropy_gradient(Z, y, EXAMPLES)]),
        Case("dropout with a given mask", _weighted_sum(_masked), [A], [M, G], [_by_input(dropped, G)], False),
    ]
    found += [_alone(title, rng) for title in LAYERS_ALONE]
    for name in PLAIN:
        network = perceptron(SIZES, LAYERS[name], Start(rng, Uniform(-1, 1), np.float64))
        theta, title = list(network.parameters.values()), f"{'-'.join(map(str, SIZES))}, {_titled(name)}"
        if name == "relu":
            network.forward(X)
            network.backward(G)
            ours = [gradient.copy() for gradient in network.gradients.values()]
            found.append(Case(f"{title}, up to the logits", _weighted_sum(_logits(name)), theta, [X, G], ours, False))
        loss_and_gradients(network, X, y)
        found.append(Case(f"{title}, loss", _with_loss(_logits(name)), theta, [X, Y], list(network.gradients.values())))
    return found


def _by_input(layer: Layer, dY: Array) -> Array:
    """Return dX, having set the gradients."""
    dX = layer.backward(dY)
    assert dX is not None
    return dX


def _titled(activation: str) -> str:
    return "ReLU" if activation == "relu" else activation


def error(case: Case, engine: str) -> float | None:
    """Return the largest relative error of a gradient, by the norm; None if the engine lacks the operations.

    Raises
    ------
    UserError
        If it is larger than rounding explains.
    """
    if case.transcendental and engine == "micrograd":
        return None
    theirs = ENGINES[engine][0](case.plain, case.arrays, case.constants)
    largest = max(relative_error(a, b) for a, b in zip(case.ours, theirs, strict=True))
    if not largest < (TOLERANCE_OF_DIFFERENCES if engine == "central differences" else TOLERANCE):
        raise UserError(f"{case.name}: the gradient differs from that of {engine} by {largest:.1e}")
    return float(f"{largest:.1e}")


def measure() -> list[dict[str, Any]]:
    """Return for each case the number of entries of its gradients, and the error by each engine."""
    return [
        {
            "gradient": case.name,
            "entries": sum(array.size for array in case.arrays),
            "errors": {engine: error(case, engine) for engine in ENGINES},
        }
        for case in cases()
    ]


def main() -> None:
    """Read the command line."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    packages = {engine: package for engine, (_, package) in ENGINES.items() if package}
    versions = {engine: importlib.metadata.version(package).partition("+")[0] for engine, package in packages.items()}
    write_json(RESULTS, {"versions": versions, "gradients": measure()})


if __name__ == "__main__":
    run(main)
