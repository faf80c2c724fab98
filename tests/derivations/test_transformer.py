"""The statements of docs/derivations/transformer.md: mean and blocks in all entries; what a whole one is made of."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.attention import Attention
from stages.nn.average_pooling import AveragePooling
from stages.nn.convolution import Convolution
from stages.nn.gelu import GELU
from stages.nn.initializers import Uniform
from stages.nn.layer import Maker, Outline, Shape, Start
from stages.nn.layer_normalization import LayerNormalization
from stages.nn.network import Network
from stages.nn.parts import loss_and_gradients
from stages.nn.positions import Positions
from stages.nn.residual import Residual


def transformer(
    shape: Shape, start: Start, patch: int, width: int, heads: int, hidden: int, blocks: int, classes: int
) -> Network:
    perceptron: list[Maker] = [
        partial(Convolution, filters=hidden, size=1),
        GELU,
        partial(Convolution, filters=width, size=1),
    ]
    block: list[Maker] = [
        partial(Residual, layers=[LayerNormalization, partial(Attention, heads=heads)]),
        partial(Residual, layers=[LayerNormalization, *perceptron]),
    ]
    layers: list[Maker] = [partial(Convolution, filters=width, size=patch, stride=patch), Positions, *block * blocks]
    layers += [LayerNormalization, partial(AveragePooling, size=shape[0] // patch), partial(Affine, units=classes)]
    return Network(shape, start, layers=layers)


def small() -> Network:
    return transformer((4, 4, 1), Start(np.random.default_rng(0), Uniform(-1, 1), np.float64), 2, 6, 2, 5, 2, 3)


def test_the_mean_token_gives_every_token_its_share() -> None:
    X = sympy.Matrix(2, 4, sympy.symbols("x:2:4"))
    c = sympy.Matrix(sympy.symbols("c:2"))
    mean = X * sympy.ones(4, 1) / 4
    J = sympy.sin((c.T * mean)[0]) + mean[0] * mean[1] ** 2
    g = sympy.cos((c.T * mean)[0]) * c + sympy.Matrix([mean[1] ** 2, 2 * mean[0] * mean[1]])
    assert sympy.expand(sympy.Matrix(J.diff(X)) - g * sympy.ones(1, 4) / 4) == sympy.zeros(2, 4)
    pooling = AveragePooling((2, 2, 2), Start(np.random.default_rng(0)), size=2)
    numbers = np.arange(8.0).reshape(8, 1)
    np.testing.assert_array_equal(pooling.forward(numbers), numbers.reshape(4, 2).mean(axis=0)[:, np.newaxis])
    np.testing.assert_array_equal(pooling.backward(np.array([[4.0], [8.0]])), np.tile([[1.0], [2.0]], (4, 1)))


def any_map(name: str, x: Any) -> Any:
    """Return a polynomial map of degree 2 with free coefficients: any first derivative at any point."""
    terms = [x[0], x[1], x[0] ** 2, x[0] * x[1], x[1] ** 2]
    return sympy.Matrix(2, 5, sympy.symbols(f"{name}:2:5")) * sympy.Matrix(terms)


def test_the_two_lines_of_a_block() -> None:
    x, y = (sympy.Matrix(sympy.symbols(f"{name}:2")) for name in "xy")
    attended, perceived = any_map("a", x), any_map("p", y)  # each with its normalization before it
    between = x + attended
    after = y + perceived
    g = sympy.Matrix(sympy.symbols("g:2"))
    middle = (g + perceived.jacobian(y).T * g).subs(dict(zip(y, between, strict=True)))
    first = middle + attended.jacobian(x).T * middle
    J = (g.T * after.subs(dict(zip(y, between, strict=True))))[0]
    assert sympy.expand(sympy.Matrix(J.diff(x)) - first) == sympy.zeros(2, 1)


def test_the_first_line() -> None:
    P, W = sympy.Matrix(3, 2, sympy.symbols("p:3:2")), sympy.Matrix(2, 3, sympy.symbols("w:2:3"))
    b0, b = sympy.Matrix(sympy.symbols("c:2")), sympy.Matrix(2, 2, sympy.symbols("b:2:2"))
    X = W * P + b0 * sympy.ones(1, 2) + b
    J = sum(k * entry**2 for k, entry in enumerate(X, start=1))
    G = sympy.Matrix(2, 2, [2 * k * entry for k, entry in enumerate(X, start=1)])
    assert sympy.expand(sympy.Matrix(J.diff(b)) - G) == sympy.zeros(2, 2)
    assert sympy.expand(sympy.Matrix(J.diff(W)) - G * P.T) == sympy.zeros(2, 3)
    assert sympy.expand(sympy.Matrix(J.diff(b0)) - G * sympy.ones(2, 1)) == sympy.zeros(2, 1)


def test_patches_are_the_columns_of_a_convolution_with_equal_size_and_stride() -> None:
    layer = Convolution((4, 4, 1), Start(np.random.default_rng(0), dtype=np.float64), filters=4, size=2, stride=2)
    layer.parameters = {"W": np.eye(4), "b": np.zeros((4, 1))}
    tokens = layer.forward(np.arange(16.0).reshape(16, 1)).reshape(4, 4)
    np.testing.assert_array_equal(tokens, [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]])


n, n0, n1, nL, tokens, blocks = sympy.symbols("n n0 n1 nL tokens blocks", positive=True)
PARAMETERS = (
    n * (n0 / tokens + 1)
    + n * tokens
    + blocks * (4 * n * (n + 1) + n1 * (n + 1) + n * (n1 + 1) + 4 * n)
    + 2 * n
    + nL * (n + 1)
)
MULTIPLY_ADDS = n * n0 + blocks * (4 * n**2 * tokens + 2 * n * tokens**2 + 2 * n * n1 * tokens) + n * nL
SIZES = [(8, 2, 6, 3, 5, 2, 3), (28, 4, 64, 4, 128, 2, 10), (28, 2, 64, 4, 128, 2, 10)]


@pytest.mark.parametrize(("side", "patch", "width", "heads", "hidden", "depth", "classes"), SIZES)
def test_the_number_of_parameters(
    side: int, patch: int, width: int, heads: int, hidden: int, depth: int, classes: int
) -> None:
    outline = Outline(np.random.default_rng(0))
    network = transformer((side, side, 1), outline, patch, width, heads, hidden, depth, classes)
    sizes = {n: width, n0: side**2, n1: hidden, nL: classes, tokens: (side // patch) ** 2, blocks: depth}
    assert network.size == PARAMETERS.subs(sizes)


def test_the_number_of_multiply_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, product = [], np.matmul

    def counting(P: Array, Q: Array, out: Array | None = None) -> Array:
        result: Array = product(P, Q, out=out)
        counted.append(result.size * P.shape[-1])
        return result

    network, m = small(), 3
    monkeypatch.setattr(np, "matmul", counting)
    network.forward(np.ones((16, m)))
    sizes = {n: 6, n0: 16, n1: 5, nL: 3, tokens: 4, blocks: 2}
    assert sum(counted) == m * MULTIPLY_ADDS.subs(sizes) == m * network.multiply_adds


def test_the_figures_of_the_first_exercise() -> None:
    sizes = {n: 64, n0: 784, n1: 128, nL: 10, blocks: 2}
    assert PARAMETERS.subs({**sizes, tokens: 196}) - PARAMETERS.subs({**sizes, tokens: 49}) == 8640
    assert MULTIPLY_ADDS.subs({**sizes, tokens: 196}) == 22730368
    assert 5.8 < MULTIPLY_ADDS.subs({**sizes, tokens: 196}) / MULTIPLY_ADDS.subs({**sizes, tokens: 49}) < 6


def test_blocks_that_begin_at_0_learn_by_their_last_maps_alone() -> None:
    network, rng = small(), np.random.default_rng(1)
    last = {f"{index}.{name}" for index in (2, 4) for name in ("1.W_O", "1.b_O")}
    last |= {f"{index}.{name}" for index in (3, 5) for name in ("3.W", "3.b")}
    for name in last:
        network.parameters[name][...] = 0
    loss_and_gradients(network, rng.normal(size=(16, 5)), rng.integers(3, size=5))
    outside = {name for name in network.parameters if name.partition(".")[0] in ("0", "1", "6", "8")}
    assert {name for name, gradient in network.gradients.items() if gradient.any()} == last | outside


def test_the_mean_before_the_last_normalization_is_another_network() -> None:
    start = Start(np.random.default_rng(0), dtype=np.float64)
    X = np.random.default_rng(1).normal(size=(4, 6, 3)) * np.array([1, 2, 3, 4]).reshape(4, 1, 1)
    normalized = LayerNormalization((2, 2, 6), start).forward(X.reshape(24, 3)).reshape(4, 6, 3).mean(axis=0)
    other = LayerNormalization((6,), start).forward(X.mean(axis=0))
    assert np.abs(normalized - other).max() > 0.1
