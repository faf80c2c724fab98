"""The gradients against HIPS autograd, on plain forward passes written with its NumPy."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from stages.nn.affine import Affine
from stages.nn.arrays import Array, Labels
from stages.nn.attention import Attention
from stages.nn.average_pooling import AveragePooling
from stages.nn.batch_normalization import BatchNormalization
from stages.nn.convolution import Convolution
from stages.nn.cross_entropy import cross_entropy, cross_entropy_gradient
from stages.nn.dropout import Dropout
from stages.nn.entrywise import Entrywise
from stages.nn.images import columns_of, images_of
from stages.nn.initializers import Uniform
from stages.nn.layer import Shape, Start
from stages.nn.layer_normalization import LayerNormalization
from stages.nn.layer_table import LAYERS
from stages.nn.max_pooling import MaxPooling
from stages.nn.normalization import Normalization
from stages.nn.positions import Positions
from stages.nn.residual import Residual
from stages.nn.softmax import softmax, softmax_backward
from tests.networks import affine, build, by_input

PLAIN: dict[str | None, Callable[[Any], Any]] = {
    "relu": lambda Z: anp.maximum(Z, 0),
    "gelu": lambda Z: Z * (1 + anp.tanh(math.sqrt(2 / math.pi) * (Z + 0.044715 * Z**3))) / 2,
    "tanh": anp.tanh,
    "sigmoid": lambda Z: 1 / (1 + anp.exp(-Z)),
    None: lambda Z: Z,
}


def plain_cross_entropy(Z: Any, y: Labels) -> Any:
    """Return the mean of log(sum(exp(z))) - z_y over the columns."""
    m = len(y)
    return anp.mean(anp.log(anp.sum(anp.exp(Z), axis=0)) - Z[y, np.arange(m)])


def close(ours: Array | None, theirs: Array) -> None:
    """Check that two gradients agree to rounding."""
    assert ours is not None
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-14)


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator."""
    return np.random.default_rng(0)


def test_affine(rng: np.random.Generator) -> None:
    W, b, X, dZ = (rng.normal(size=shape) for shape in [(4, 6), (4, 1), (6, 5), (4, 5)])
    layer = affine(W, b)
    layer.forward(X)
    ours = layer.backward(dZ)
    dW, db, dX = grad(lambda theta: anp.sum(dZ * (anp.dot(theta[0], theta[2]) + theta[1])))((W, b, X))
    close(layer.gradients["W"], dW)
    close(layer.gradients["b"], db)
    close(ours, dX)


def shifted(images: Any, size: int, stride: int) -> list[Any]:
    """Return what each entry of a square sees of images, row by row."""
    height, width = ((side - size) // stride + 1 for side in images.shape[1:3])
    return [
        images[:, i : i + stride * height : stride, j : j + stride * width : stride]
        for i in range(size)
        for j in range(size)
    ]


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, 0), (2, 1, 1), (3, 2, 1), (1, 3, 0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_convolution(size: int, stride: int, padding: int, channels: int, rng: np.random.Generator) -> None:
    shape, start = (7, 6, channels), Start(rng, Uniform(-1, 1), np.float64)
    layer = Convolution(shape, start, filters=4, size=size, stride=stride, padding=padding)
    W, b = layer.parameters.values()
    X = rng.normal(size=(42 * channels, 5))
    images, around = images_of(X, shape), [(0, 0), (padding, padding), (padding, padding), (0, 0)]
    dZ = images_of(rng.normal(size=layer.forward(X).shape), layer.shape)

    def plain(theta: Any) -> Any:
        entries = zip(shifted(anp.pad(theta[2], around, "constant"), size, stride), range(size**2), strict=True)
        Z = sum(anp.dot(seen, theta[0].reshape(4, size**2, channels)[:, entry].T) for seen, entry in entries)
        return anp.sum(dZ * (Z + theta[1][:, 0]))

    ours = by_input(layer, columns_of(dZ))
    dW, db, dX = grad(plain)((W, b, images))
    close(layer.gradients["W"], dW)
    close(layer.gradients["b"], db)
    np.testing.assert_allclose(ours, columns_of(dX), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 3), (2, 1), (4, 2)])
def test_max_pooling(size: int, stride: int, rng: np.random.Generator) -> None:
    shape, X = (6, 6, 2), rng.normal(size=(72, 5))
    layer = MaxPooling(shape, Start(rng), size=size, stride=stride)
    dY = images_of(rng.normal(size=layer.forward(X).shape), layer.shape)
    plain = grad(lambda images: anp.sum(dY * anp.max(anp.array(shifted(images, size, stride)), axis=0)))
    np.testing.assert_allclose(by_input(layer, columns_of(dY)), columns_of(plain(images_of(X, shape))), rtol=1e-13)


def test_average_pooling(rng: np.random.Generator) -> None:
    shape, X = (6, 4, 2), rng.normal(size=(48, 5))
    layer = AveragePooling(shape, Start(rng), size=2)
    dY = images_of(rng.normal(size=layer.forward(X).shape), layer.shape)
    plain = grad(lambda images: anp.sum(dY * anp.mean(anp.array(shifted(images, 2, 2)), axis=0)))
    np.testing.assert_allclose(by_input(layer, columns_of(dY)), columns_of(plain(images_of(X, shape))), rtol=1e-13)


@pytest.mark.parametrize("name", [name for name, kind in LAYERS.items() if issubclass(kind, Entrywise)])
def test_activation(name: str, rng: np.random.Generator) -> None:
    if name not in PLAIN:
        pytest.skip(f"no plain {name} is written here")
    Z, dA = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    layer = LAYERS[name]((4,), Start(rng))
    layer.forward(Z)
    close(layer.backward(dA), grad(lambda Z: anp.sum(dA * PLAIN[name](Z)))(Z))


def test_softmax(rng: np.random.Generator) -> None:
    Z, dA = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    plain = grad(lambda Z: anp.sum(dA * anp.exp(Z) / anp.sum(anp.exp(Z), axis=0)))
    close(softmax_backward(softmax(Z), dA), plain(Z))


def test_cross_entropy(rng: np.random.Generator) -> None:
    Z, y = rng.normal(size=(4, 5)), rng.integers(4, size=5)
    assert cross_entropy(Z, y, 5) == pytest.approx(plain_cross_entropy(Z, y), rel=1e-13)
    close(cross_entropy_gradient(Z, y, 5), grad(plain_cross_entropy)(Z, y))


def plain_normalization(rows: Any, gamma: Any, beta: Any, axis: int) -> Any:
    """Return rows of the places, in columns of the channels, normalized along an axis, scaled and shifted."""
    deviations = rows - anp.mean(rows, axis=axis, keepdims=True)
    N = deviations / anp.sqrt(anp.mean(deviations**2, axis=axis, keepdims=True) + 1e-5)
    return N * anp.transpose(gamma) + anp.transpose(beta)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (3, 2, 4)])
@pytest.mark.parametrize(("kind", "axis"), [(BatchNormalization, 0), (LayerNormalization, 1)])
def test_normalizations(kind: type[Normalization], axis: int, shape: Shape, rng: np.random.Generator) -> None:
    X, dZ = rng.normal(2, 3, size=(2, math.prod(shape), 6))
    layer = kind(shape, Start(rng, dtype=np.float64))
    for array in layer.parameters.values():
        np.add(array, rng.normal(size=array.shape), out=array)

    def plain(theta: Any) -> Any:
        gamma, beta, X = theta
        rows = anp.reshape(anp.transpose(X), (-1, 4))
        return anp.sum(dZ.T.reshape(-1, 4) * plain_normalization(rows, gamma, beta, axis))

    dgamma, dbeta, dX = grad(plain)((*layer.parameters.values(), X))
    layer.forward(X, rng)
    close(layer.backward(dZ), dX)
    close(layer.gradients["gamma"], dgamma)
    close(layer.gradients["beta"], dbeta)


def test_positions(rng: np.random.Generator) -> None:
    X, dZ = rng.normal(size=(2, 12, 5))
    layer = Positions((3, 4), Start(rng, dtype=np.float64))
    db, dX = grad(lambda theta: anp.sum(dZ * (theta[1] + theta[0])))((layer.parameters["b"], X))
    layer.forward(X)
    close(layer.backward(dZ), dX)
    close(layer.gradients["b"], db)


@pytest.mark.parametrize("heads", [1, 2, 6])
def test_attention(heads: int, rng: np.random.Generator) -> None:
    tokens, width = 5, 6
    X, dZ = rng.normal(size=(2, tokens * width, 4))
    layer = Attention((tokens, width), Start(rng, Uniform(-1, 1), np.float64), heads=heads)

    def plain(theta: Any) -> Any:
        W, b, W_O, b_O, X = theta
        Z = 0
        for k in range(4):  # example by example, a column a token
            QKV = anp.dot(W, anp.reshape(X[:, k], (tokens, width)).T) + b
            Q, K, V = (anp.reshape(QKV, (3, heads, width // heads, tokens))[i] for i in range(3))
            outputs = []
            for head in range(heads):
                exponentials = anp.exp(anp.dot(K[head].T, Q[head]) / math.sqrt(width // heads))
                outputs.append(anp.dot(V[head], exponentials / anp.sum(exponentials, axis=0)))
            of_example = anp.dot(W_O, anp.concatenate(outputs)) + b_O
            Z = Z + anp.sum(dZ[:, k].reshape(tokens, width).T * of_example)
        return Z

    *expected, dX = grad(plain)((*layer.parameters.values(), X))
    layer.forward(X)
    np.testing.assert_allclose(by_input(layer, dZ), dX, rtol=1e-10, atol=1e-13)
    for ours, theirs in zip(layer.gradients.values(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-13)


def test_residual(rng: np.random.Generator) -> None:
    X, dZ = rng.normal(size=(2, 4, 5))
    layer = Residual((4,), Start(rng, Uniform(-1, 1), np.float64), layers=[partial(Affine, units=4), LAYERS["tanh"]])

    def plain(theta: Any) -> Any:
        W, b, X = theta
        return anp.sum(dZ * (X + anp.tanh(anp.dot(W, X) + b)))

    dW, db, dX = grad(plain)((*layer.parameters.values(), X))
    layer.forward(X)
    close(layer.backward(dZ), dX)
    close(layer.gradients["0.W"], dW)
    close(layer.gradients["0.b"], db)


@pytest.mark.parametrize("activation", PLAIN)
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_deep_random_networks(activation: str | None, rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = [5, *rng.integers(3, 9, size=5), 4]
    network = build(sizes, activation, Uniform(-1, 1), rng, rate, np.float64)
    X, y = rng.normal(size=(5, 7)), rng.integers(4, size=7)
    masks = masks_of(rate, sizes[1:-1], 7)
    theta = list(network.parameters.values())

    def plain_loss(theta: list[Any]) -> Any:
        A = X
        for W, b, mask in zip(theta[:-2:2], theta[1:-2:2], masks, strict=True):
            A = mask * PLAIN[activation](anp.dot(W, A) + b)
        return plain_cross_entropy(anp.dot(theta[-2], A) + theta[-1], y)

    Z = network.forward(X, np.random.default_rng(9))
    assert cross_entropy(Z, y, 7) == pytest.approx(plain_loss(theta), rel=1e-12)
    network.backward(cross_entropy_gradient(Z, y, 7))
    for ours, theirs in zip(network.gradients.values(), grad(plain_loss)(theta), strict=True):
        close(ours, theirs)


def masks_of(rate: float, units: list[int], m: int) -> list[Array]:
    """Return the mask of each hidden layer: the same generator draws them again, one layer after the other."""
    ones: list[Array] = [np.ones((n, m)) for n in units]
    again = np.random.default_rng(9)
    if not rate:
        return ones
    return [Dropout(A.shape[:1], Start(again), rate=rate).forward(A, again) for A in ones]
