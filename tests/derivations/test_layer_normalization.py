"""The gradients of docs/derivations/layer_normalization.md, for columns of three numbers in all entries."""

from typing import Any

import numpy as np
import sympy

from stages.nn.layer import Start
from stages.nn.layer_normalization import LayerNormalization

epsilon = sympy.Symbol("epsilon", positive=True)
x = sympy.Matrix(sympy.symbols("x:3", real=True))
w = sympy.Matrix(sympy.symbols("w:3", real=True))
b = sympy.Matrix(sympy.symbols("b:3", real=True))
g = sympy.Matrix(sympy.symbols("g:3", real=True))
ONES = sympy.ones(3, 1)
mean = sum(x) / 3
sigma = sympy.sqrt(sum((entry - mean) ** 2 for entry in x) / 3 + epsilon)
N = (x - mean * ONES) / sigma
P = sympy.eye(3) - ONES * ONES.T / 3 - N * N.T / 3


def is_zero(matrix: Any) -> bool:
    """Return whether all entries are 0 for all x and epsilon, in which epsilon is expressed by sigma, a free symbol."""
    s = sympy.Symbol("s", positive=True)
    return all(sympy.expand(sympy.sympify(entry).subs(epsilon, s**2 - sigma**2 + epsilon)) == 0 for entry in matrix)


def scaled(column: Any) -> Any:
    return w.multiply_elementwise(column)


def test_the_gradients() -> None:
    z = scaled(N) + b
    free = sympy.Matrix(sympy.symbols("z:3", real=True))
    loss = free[0] * free[1] + free[2] ** 2
    at = dict(zip(free, z, strict=True))
    J, gradient = loss.subs(at), sympy.Matrix(loss.diff(free)).subs(at)
    assert is_zero(sympy.Matrix(J.diff(w)) - gradient.multiply_elementwise(N))
    assert is_zero(sympy.Matrix(J.diff(b)) - gradient)
    derived = P * scaled(gradient) / sigma
    assert is_zero(sympy.Matrix(J.diff(x)) - derived)


def test_multiplied_out() -> None:
    column = scaled(g)
    written = (column - (ONES.T * column)[0] / 3 * ONES - (N.T * column)[0] / 3 * N) / sigma
    assert is_zero(P * column / sigma - written)


def test_the_scale_stands_before_the_projection() -> None:
    assert not is_zero(P * scaled(g) - scaled(P * g))


def test_columns_of_the_gradient_sum_to_0() -> None:
    assert is_zero(ONES.T * P)


def test_without_epsilon_nothing_is_left_along_the_input() -> None:
    assert is_zero(x.T * P - epsilon / sigma * N.T)
    assert not is_zero(x.T * P)


def test_gradients_of_two_columns_of_scale_and_shift_add() -> None:
    other = sympy.Matrix(sympy.symbols("n:3"))  # the normalized numbers of a second column
    J = sum(scaled(N) + b) + sum(k * entry for k, entry in enumerate(scaled(other) + b))
    expected = N + sympy.Matrix([k * entry for k, entry in enumerate(other)])
    assert sympy.Matrix(J.diff(w)) == expected
    assert sympy.Matrix(J.diff(b)) == sympy.Matrix([1, 2, 3])


def test_backward_of_the_code_run_on_symbols() -> None:
    layer = LayerNormalization((3,), Start(np.random.default_rng(0)))
    layer.parameters = {"gamma": np.array(w), "beta": np.array(b)}
    layer._rows, layer._work, layer._scale = np.array(N.T), np.array(N.T), np.array([[1 / sigma]])
    layer._N = layer._rows.T
    dX = layer.backward(np.array(g))
    assert dX is not None
    assert is_zero(sympy.Matrix(dX) - P * scaled(g) / sigma)
    assert is_zero(sympy.Matrix(layer.gradients["gamma"]) - g.multiply_elementwise(N))
    assert is_zero(sympy.Matrix(layer.gradients["beta"]) - g)


def test_without_the_mean_one_direction_is_taken_out() -> None:
    squares = sum(entry**2 for entry in x) / 3
    root = sympy.sqrt(squares + epsilon)
    hat = x / root
    difference = hat.jacobian(x) - (sympy.eye(3) - hat * hat.T / 3) / root
    s = sympy.Symbol("s", positive=True)
    assert difference.subs(epsilon, s**2 - squares).applyfunc(sympy.expand) == sympy.zeros(3, 3)
