"""The statements of docs/derivations/convolution.md, proved for small images in all entries."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.convolution import Convolution
from stages.nn.layer import Shape, Start
from tests.networks import by_input

START = Start(np.random.default_rng(0), dtype=np.float64)


def symbols(name: str, *shape: int) -> Any:
    """Return an array of symbols, all different."""
    return np.array(sympy.symbols(f"{name}:{int(np.prod(shape))}")).reshape(shape)


def on_symbols(shape: Shape, filters: int, size: int, stride: int = 1, padding: int = 0) -> Convolution:
    """Return a layer whose parameters are symbols."""
    layer = Convolution(shape, START, filters=filters, size=size, stride=stride, padding=padding)
    layer.parameters = {"W": symbols("w", filters, size**2 * shape[2]), "b": symbols("b", filters, 1)}
    return layer


def patch_map(shape: Shape, size: int, stride: int, padding: int) -> Convolution:
    """Return the layer whose output are the patches themselves, each entry a channel."""
    entries = size**2 * shape[2]
    layer = Convolution(shape, START, filters=entries, size=size, stride=stride, padding=padding)
    layer.parameters = {"W": np.eye(entries, dtype=int).astype(object), "b": np.zeros((entries, 1), object)}
    return layer


def zero(difference: Any) -> bool:
    return all(sympy.expand(entry) == 0 for entry in np.ravel(difference))


@pytest.mark.parametrize(
    ("shape", "filters", "size", "stride", "padding"),
    [((3, 3, 1), 2, 2, 1, 0), ((2, 3, 2), 1, 2, 1, 0), ((3, 3, 1), 1, 2, 2, 1)],
)
def test_layer_run_on_symbols_gives_the_gradients(
    shape: Shape, filters: int, size: int, stride: int, padding: int
) -> None:
    layer = on_symbols(shape, filters, size, stride, padding)
    X = symbols("x", int(np.prod(shape)), 2)
    Z = layer.forward(X).copy()
    C = symbols("c", *Z.shape)
    J = sympy.sin((C * Z).sum()) + (Z**2).sum()  # ties all entries of Z together
    dX = by_input(layer, sympy.cos((C * Z).sum()) * C + 2 * Z)
    for theta, gradient in ((X, dX), *((layer.parameters[name], layer.gradients[name]) for name in ("W", "b"))):
        assert zero([J.diff(entry) - found for entry, found in zip(theta.flat, np.ravel(gradient), strict=True)])


@pytest.mark.parametrize(("size", "stride", "padding"), [(2, 1, 0), (3, 1, 0), (3, 2, 1), (2, 3, 1)])
def test_the_backward_pass_of_the_patches_is_their_adjoint(size: int, stride: int, padding: int) -> None:
    shape = (3, 4, 2)
    T, X = patch_map(shape, size, stride, padding), symbols("x", 24, 2)
    P = T.forward(X).copy()
    assert set(P.flat) <= {*X.flat, 0}
    G = symbols("g", *P.shape)
    assert zero((G * P).sum() - (by_input(T, G) * X).sum())


def test_adjoint_after_patches_counts_the_patches_of_an_entry() -> None:
    T, X = patch_map((5, 5, 1), 3, 1, 0), symbols("x", 25, 1)
    counts = np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]).reshape(25, 1)
    assert zero(by_input(T, T.forward(X)) - counts * X)


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_gradient_by_the_input_is_a_full_convolution_with_the_flipped_filters(padding: int) -> None:
    shape, filters, size = (3, 4, 2), 3, 3
    layer = on_symbols(shape, filters, size, padding=padding)
    X = symbols("x", 24, 1)
    G = symbols("g", *layer.forward(X).shape)
    full = Convolution(layer.shape, START, filters=shape[2], size=size, padding=size - 1 - padding)
    W = layer.parameters["W"].reshape(filters, size, size, shape[2])
    full.parameters = {
        "W": W[:, ::-1, ::-1].transpose(3, 1, 2, 0).reshape(shape[2], -1),
        "b": np.zeros((shape[2], 1), object),
    }
    assert full.shape == shape
    assert zero(full.forward(G) - by_input(layer, G))


def test_in_one_direction_it_is_the_product_of_two_polynomials() -> None:
    t, size, side = sympy.Symbol("t"), 3, 5
    layer = Convolution((side, size, 1), START, filters=1, size=size)
    w, x = symbols("w", size), symbols("x", side)
    W, X = np.zeros((size, size), object), np.zeros((side, size), object)
    W[:, 1], X[:, 1] = w, x  # the middle column alone: what is left is one direction
    layer.parameters = {"W": W.reshape(1, -1), "b": np.zeros((1, 1), object)}
    z = layer.forward(X.reshape(-1, 1))[:, 0]
    assert zero(z - [sum(w[j] * x[i + j] for j in range(size)) for i in range(side - size + 1)])
    g = symbols("g", len(z))
    dX = by_input(layer, g.reshape(-1, 1))
    polynomials = (sympy.Poly(list(each)[::-1], t) for each in (g, w))  # entry i is the coefficient of t to the i
    product_of_both = sympy.prod(polynomials).all_coeffs()[::-1]
    assert zero(dX.reshape(side, size)[:, 1] - product_of_both)


def test_with_stride_2_zeros_stand_between_the_entries_of_the_gradient() -> None:
    shape, size = (5, 5, 1), 3
    strided, dense = on_symbols(shape, 2, size, stride=2), on_symbols(shape, 2, size)
    X = symbols("x", 25, 1)
    G = symbols("g", *strided.forward(X).shape)
    dense.forward(X)
    spread = np.zeros((3, 3, 2), object)
    spread[::2, ::2] = G.reshape(2, 2, 2)
    assert zero(by_input(strided, G) - by_input(dense, spread.reshape(-1, 1)))


def test_how_many_places_there_are() -> None:
    for side, size, stride, padding in product(range(3, 9), range(1, 4), range(1, 4), range(3)):
        starts = [k for k in range(0, side + 2 * padding, stride) if k + size <= side + 2 * padding]
        assert (side + 2 * padding - size) // stride + 1 == len(starts)
        if padding < size:
            layer = Convolution((side, 8, 1), START, filters=1, size=size, stride=stride, padding=padding)
            assert layer.shape[0] == len(starts)


def test_multiplications_and_parameters_of_the_example() -> None:
    layer = Convolution((28, 28, 1), START, filters=16, size=5)
    height, width, filters = layer.shape
    outputs = height * width * filters
    assert (height, width, outputs) == (24, 24, 9216)
    assert layer.size == 416
    assert layer.parameters["W"].size * height * width == 25 * 16 * 576 == 230_400
    assert (784 * outputs, (784 + 1) * outputs) == (7_225_344, 7_234_560)


def test_one_filter_of_a_pixel_is_met_by_one_in_stride_squared_of_its_weights() -> None:
    side, size, stride = 12, 3, 2
    met = np.zeros((side, side))
    for row, column in product(range(0, side, stride), repeat=2):  # on a torus, where no entry is at the border
        for i, j in product(range(size), repeat=2):
            met[(row + i) % side, (column + j) % side] += 1
    assert met.mean() == size**2 / stride**2


def test_two_layers_of_3_are_one_of_5_by_the_convolution_of_their_filters() -> None:
    first, second = symbols("v", 3), symbols("w", 3)
    x = symbols("x", 7)
    between = [sum(first[j] * x[i + j] for j in range(3)) for i in range(5)]
    out = [sum(second[j] * between[i + j] for j in range(3)) for i in range(3)]
    both = [sum(first[j] * second[i - j] for j in range(3) if 0 <= i - j < 3) for i in range(5)]
    assert zero(np.array(out) - [sum(both[j] * x[i + j] for j in range(5)) for i in range(3)])
