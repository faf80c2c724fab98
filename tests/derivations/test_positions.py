"""The statements of docs/derivations/positions.md, proved in all entries of three tokens of two numbers."""

from itertools import permutations

import numpy as np
import sympy

from stages.nn.layer import Start
from stages.nn.positions import Positions

X = sympy.Matrix(6, 2, sympy.symbols("x:6:2"))
b = sympy.Matrix(sympy.symbols("b:6"))
G = sympy.Matrix(6, 2, sympy.symbols("g:6:2"))
ones = sympy.ones(2, 1)


def test_the_gradients_and_the_code_run_on_symbols() -> None:
    Z = X + b * ones.T
    layer = Positions((3, 2), Start(np.random.default_rng(0)))
    layer.parameters = {"b": np.array(b)}
    assert sympy.Matrix(layer.forward(np.array(X))) == Z
    J = sum(g * z**2 for g, z in zip(G, Z, strict=True))
    dZ = 2 * G.multiply_elementwise(Z)
    dX = layer.backward(np.array(dZ))
    assert sympy.expand(sympy.Matrix(J.diff(X)) - sympy.Matrix(dX)) == sympy.zeros(6, 2)
    assert sympy.expand(sympy.Matrix(J.diff(b)) - dZ * ones) == sympy.zeros(6, 1)
    assert sympy.expand(sympy.Matrix(layer.gradients["b"]) - dZ * ones) == sympy.zeros(6, 1)


def test_the_mean_of_tokens_sees_no_order_unless_they_have_positions() -> None:
    tokens, positions = sympy.Matrix(2, 3, sympy.symbols("t:2:3")), sympy.Matrix(2, 3, sympy.symbols("p:2:3"))

    def mean_of_squares(columns: sympy.Matrix) -> sympy.Matrix:
        return columns.applyfunc(lambda x: x**2) * sympy.ones(3, 1) / 3

    for order in permutations(range(3)):
        P = sympy.eye(3)[:, list(order)]
        difference = mean_of_squares(tokens * P) - mean_of_squares(tokens)
        assert sympy.expand(difference) == sympy.zeros(2, 1)
        placed = sympy.expand(mean_of_squares(tokens * P + positions) - mean_of_squares(tokens + positions))
        assert (placed == sympy.zeros(2, 1)) == (P == sympy.eye(3))


def test_the_bias_before_them_is_in_them() -> None:
    shared = sympy.Matrix(sympy.symbols("c:2"))
    Z = X + (b + sympy.Matrix([shared] * 3)) * ones.T
    J = sum(g * z**2 for g, z in zip(G, Z, strict=True))
    places = sympy.Matrix(J.diff(b)).reshape(3, 2)
    assert sympy.expand(sympy.Matrix(J.diff(shared)) - places.T * sympy.ones(3, 1)) == sympy.zeros(2, 1)


def test_sines_and_cosines_of_a_distance_are_a_rotation() -> None:
    c, j, k = sympy.symbols("c j k", real=True)
    angle = c * k
    rotation = sympy.Matrix([[sympy.cos(angle), sympy.sin(angle)], [-sympy.sin(angle), sympy.cos(angle)]])
    here, there = (sympy.Matrix([sympy.sin(c * at), sympy.cos(c * at)]) for at in (j, j + k))
    assert sympy.simplify(rotation * here - there) == sympy.zeros(2, 1)
