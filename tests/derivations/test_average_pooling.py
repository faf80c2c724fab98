"""The statements of docs/derivations/average_pooling.md, proved in all entries of a small image."""

from typing import Any

import numpy as np
import sympy

from stages.nn.average_pooling import AveragePooling
from stages.nn.images import images_of
from stages.nn.layer import Start

SHAPE, SIZE = (4, 2, 2), 2
X = sympy.Matrix(16, 1, sympy.symbols("x:16"))
G = sympy.Matrix(4, 1, sympy.symbols("g:4"))


def matrix() -> Any:
    """Return U as a matrix, in exact numbers, from the definition: a row is the mean of one square and channel."""
    places = np.arange(16).reshape(SHAPE)
    rows = []
    for row in range(0, 4, SIZE):
        for channel in range(2):
            inside = places[row : row + SIZE, :, channel]
            rows.append([sympy.Rational(1, SIZE**2) if place in inside else 0 for place in range(16)])
    return sympy.Matrix(rows)


U = matrix()


def layer() -> AveragePooling:
    return AveragePooling(SHAPE, Start(np.random.default_rng(0)), size=SIZE)


def test_layer_is_the_matrix_and_its_transpose() -> None:
    pooling = layer()
    integers = sympy.Matrix(16, 1, range(16))
    Y = pooling.forward(np.array(integers, float))
    np.testing.assert_array_equal(Y, np.array(U * integers, float))
    dX = pooling.backward(np.array([[4.0], [8.0], [12.0], [16.0]]))
    np.testing.assert_array_equal(dX, np.array(U.T * sympy.Matrix([4, 8, 12, 16]), float))


def test_gradient_is_the_transpose_of_the_mean() -> None:
    J = sympy.sin((G.T * U * X)[0])
    by_mean = sympy.cos((G.T * U * X)[0]) * G
    assert sympy.expand(sympy.Matrix(J.diff(X)) - U.T * by_mean) == sympy.zeros(16, 1)


def test_adjoint_and_sum() -> None:
    assert sympy.expand((G.T * U * X)[0] - ((U.T * G).T * X)[0]) == 0
    assert sympy.expand(sum(U.T * G) - sum(G)) == 0


def test_back_and_forth() -> None:
    assert U * U.T == sympy.eye(4) / SIZE**2
    projection = SIZE**2 * U.T * U
    assert projection * projection == projection
    assert projection != sympy.eye(16)


def test_constant_squares_have_the_smallest_norm() -> None:
    constant = SIZE**2 * U.T * (U * X)
    assert sympy.expand(U * constant - U * X) == sympy.zeros(4, 1)
    assert sympy.expand((constant.T * (X - constant))[0]) == 0


def test_pooling_and_relu_may_not_change_places() -> None:
    assert sympy.Max((1 + -1) / sympy.Integer(2), 0) != (sympy.Max(1, 0) + sympy.Max(-1, 0)) / sympy.Integer(2)


def test_pooling_and_a_convolution_of_one_pixel_may() -> None:
    W, b = sympy.Matrix(3, 2, sympy.symbols("w:6")), sympy.Matrix(3, 1, sympy.symbols("b:3"))
    pixels = np.array(X).reshape(8, 2)
    squares = [[0, 1, 2, 3], [4, 5, 6, 7]]
    for square in squares:
        mean = sympy.Matrix(pixels[square].sum(axis=0)) / 4
        behind = W * mean + b
        before = sum((W * sympy.Matrix(pixels[k]) + b for k in square), sympy.zeros(3, 1)) / 4
        assert sympy.expand(behind - before) == sympy.zeros(3, 1)
    assert images_of(np.array(X), SHAPE)[0, 1, 1, 0] == pixels[3, 0]
