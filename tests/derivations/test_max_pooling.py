"""The statements of docs/derivations/max_pooling.md: for every order of the entries of a square, and with ties."""

from itertools import permutations, product

import numpy as np
import pytest
import sympy

from stages.nn.layer import Start
from stages.nn.max_pooling import MaxPooling
from stages.nn.relu import relu, relu_backward
from tests.networks import by_input

START = Start(np.random.default_rng(0), dtype=np.float64)
w = sympy.symbols("w:3", real=True)
h = sympy.symbols("h:3", positive=True)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_derivative_is_1_at_the_largest_and_0_elsewhere(order: tuple[int, ...]) -> None:
    x = [sympy.Symbol(f"x{i}", real=True) for i in range(3)]
    ascending = {
        x[entry]: sum(h[: rank + 1]) for rank, entry in enumerate(order)
    }  # the last of the order is the largest
    for entry in range(3):
        slope = sympy.Max(*x).diff(x[entry]).subs(ascending).doit()
        assert sympy.simplify(slope) == (entry == order[-1])


def test_code_passes_the_gradient_to_the_largest_for_every_order_of_a_square() -> None:
    layer = MaxPooling((2, 2, 1), START, size=2)
    for order in permutations(range(4)):
        X = np.array(order, float).reshape(4, 1)
        assert layer.forward(X) == 3
        np.testing.assert_array_equal(by_input(layer, np.array([[7.0]])), 7 * (X == 3))


def test_subgradients_at_a_tie_are_the_weighted_means() -> None:
    # the largest are the entries 0 and 1 of x = (0, 0, -1); a change t e_j, with t so small that entry 2 stays below
    t = sympy.Symbol("t", positive=True)
    slopes = []
    for j, sign in product(range(3), (1, -1)):
        change = [sign * t if i == j else 0 for i in range(3)]
        growth = sympy.Max(change[0], change[1])  # the maximum was 0, and entry 2 does not reach it for t < 1
        slopes.append(sympy.simplify((growth - sum(a * b for a, b in zip(w, change, strict=True))) / t) >= 0)
    ones = [sign * (1 - sum(w)) >= 0 for sign in (1, -1)]
    inside = {w[0]: sympy.Rational(1, 4), w[1]: sympy.Rational(3, 4), w[2]: 0}
    assert all(condition.subs(inside) for condition in [*slopes, *ones])
    for outside in (
        {**inside, w[0]: 1},
        {**inside, w[0]: -1, w[1]: 2},
        {w[0]: 0, w[1]: 0, w[2]: 1},
        {**inside, w[2]: -1},
    ):
        assert not all(condition.subs(outside) for condition in [*slopes, *ones])


def test_of_equal_entries_one_gets_all_and_the_sum_is_kept() -> None:
    layer = MaxPooling((2, 2, 1), START, size=2)
    for entries in product((0.0, 1.0), repeat=4):
        X = np.array(entries).reshape(4, 1)
        layer.forward(X)
        dX = by_input(layer, np.array([[7.0]]))
        assert dX.sum() == 7
        assert np.count_nonzero(dX) == 1
        assert X[dX != 0] == X.max()
        assert np.flatnonzero(dX) == entries.index(max(entries))


def test_relu_may_come_before_or_behind_it_with_the_same_gradients() -> None:
    layer = MaxPooling((2, 2, 1), START, size=2)
    for entries in product((-1.0, 0.0, 1.0, 2.0), repeat=4):
        X, dA = np.array(entries).reshape(4, 1), np.array([[7.0]])
        pooled = layer.forward(X).copy()
        behind = by_input(layer, relu_backward(relu(pooled), dA))
        behind = behind.copy()
        A = layer.forward(relu(X))
        assert A == relu(pooled)
        passed = by_input(layer, dA)
        np.testing.assert_array_equal(relu_backward(relu(X), passed), behind)


@pytest.mark.parametrize("equal", [2, 3])
def test_a_central_difference_at_a_tie_is_a_half_for_each(equal: int) -> None:
    t = sympy.Symbol("t", positive=True)
    rest = [0] * (equal - 1)
    assert (sympy.Max(t, *rest) - sympy.Max(-t, *rest)) / (2 * t) == sympy.Rational(1, 2)


def test_the_middle_of_four_squares_gets_four_gradients() -> None:
    layer = MaxPooling((4, 4, 1), START, size=3, stride=1)
    X = np.zeros((16, 1))
    X[5] = 1
    layer.forward(X)
    dX = by_input(layer, np.ones((4, 1)))
    assert dX[5] == dX.sum() == 4
