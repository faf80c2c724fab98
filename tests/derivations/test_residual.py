"""The gradients of docs/derivations/residual.md: a layer of two units, products of blocks, bounds."""

from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.affine import Affine
from stages.nn.layer import Start
from stages.nn.residual import Residual

W = sympy.Matrix(2, 2, sympy.symbols("w:2:2"))
b = sympy.Matrix(2, 1, sympy.symbols("b:2"))
X = sympy.Matrix(2, 2, sympy.symbols("x:2:2"))
C = sympy.Matrix(2, 2, sympy.symbols("c:2:2"))
Z = X + W * X + b * sympy.ones(1, 2)
J = sympy.sin((C.T * Z).trace()) + sum(z**3 for z in Z)
G = sympy.cos((C.T * Z).trace()) * C + 3 * Z.applyfunc(lambda z: z**2)


@pytest.mark.parametrize(
    ("theta", "derived"), [(X, G + W.T * G), (W, G * X.T), (b, G * sympy.ones(2, 1))], ids=["X", "W", "b"]
)
def test_formula_is_the_gradient(theta: Any, derived: Any) -> None:
    assert sympy.expand(sympy.Matrix(J.diff(theta)) - derived) == sympy.zeros(*theta.shape)


def test_layer_run_on_symbols_gives_the_gradients() -> None:
    layer = Residual((2,), Start(np.random.default_rng(0)), layers=[partial(Affine, units=2)])
    layer.layers[0].parameters = {"W": np.array(W), "b": np.array(b)}
    assert sympy.expand(sympy.Matrix(layer.forward(np.array(X))) - Z) == sympy.zeros(2, 2)
    dX = layer.backward(np.array(G))
    inner = layer.layers[0].gradients
    for theta, gradient in ((W, inner["W"]), (b, inner["b"]), (X, dX)):
        assert sympy.expand(sympy.Matrix(J.diff(theta)) - sympy.Matrix(gradient)) == sympy.zeros(*theta.shape)


def test_a_product_of_blocks_is_a_sum_over_the_choices_of_blocks() -> None:
    blocks = [sympy.Matrix(2, 2, sympy.symbols(f"t{k}_:2:2")) for k in range(3)]
    one = sympy.eye(2)
    multiplied = one
    for T in blocks:
        multiplied = multiplied * (one + T)
    terms = []
    for chosen in product((False, True), repeat=3):
        term = one
        for T, through in zip(blocks, chosen, strict=True):
            term = term * T if through else term
        terms.append(term)
    assert len(terms) == 2**3
    assert terms[0] == one
    assert sympy.expand(multiplied - sum(terms[1:], terms[0])) == sympy.zeros(2, 2)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_norm_of_the_gradient_is_within_the_bounds(depth: int) -> None:
    """For a map that only scales both bounds are met, which shows that they are the best."""
    c = sympy.Rational(1, 3)
    g = sympy.Matrix([3, 4])
    for factor, bound in ((1 + c, (1 + c) ** depth), (1 - c, (1 - c) ** depth)):
        passed = g
        for _ in range(depth):
            passed = factor * passed
        assert passed.norm() == bound * g.norm()
    rng = np.random.default_rng(depth)
    for _ in range(50):
        passed_back = start = rng.normal(size=4)
        for _ in range(depth):
            T = rng.normal(size=(4, 4))
            T *= 0.3 / np.linalg.norm(T, 2)
            passed_back = passed_back + T.T @ passed_back
        ratio = np.linalg.norm(passed_back) / np.linalg.norm(start)
        assert 0.7**depth <= ratio <= 1.3**depth


def test_an_adjoint_has_the_norm_of_its_map() -> None:
    T = sympy.Matrix([[2, 1], [0, 1]])
    assert max(map(sympy.N, (T.T * T).eigenvals())) == max(map(sympy.N, (T * T.T).eigenvals()))


def test_blocks_of_a_share_keep_a_gradient_at_any_depth() -> None:
    n = sympy.Symbol("n", positive=True)
    assert sympy.limit((1 + 1 / n) ** n, n, sympy.oo) == sympy.E
    assert all(float((1 + sympy.Rational(1, k)) ** k) < np.e for k in (1, 10, 1000))


def test_uncorrelated_sums_double_the_variance() -> None:
    """Over all signs of two independent numbers."""
    a, c = sympy.symbols("a c", positive=True)
    values = [s * a + t * c for s in (1, -1) for t in (1, -1)]
    assert sympy.expand(sum(v**2 for v in values) / 4 - (a**2 + c**2)) == 0
