"""The gradient of docs/derivations/worked_example.md, from the loss as one formula of the twelve parameters."""

import re

import numpy as np
import pytest
import sympy
from sympy import Rational, exp, log

from publishing.blocks import ROOT
from stages.nn.cross_entropy import cross_entropy_gradient
from stages.nn.layer import Start
from stages.nn.relu import ReLU
from tests.networks import affine, network_of

X, y = sympy.Matrix([[1, 2], [3, 1]]), (0, 1)
VALUES = {
    "W1": sympy.Matrix([[1, -1], [Rational(1, 2), Rational(1, 2)]]),
    "b1": sympy.Matrix([1, -1]),
    "W2": sympy.Matrix([[Rational(2, 5), Rational(2, 5)], [-Rational(1, 5), Rational(1, 5)]]),
    "b2": sympy.Matrix([Rational(3, 5), -Rational(3, 10)]),
}
W1, b1, W2, b2 = (sympy.Matrix(*value.shape, sympy.symbols(f"{name}_:{len(value)}")) for name, value in VALUES.items())
AT = {
    symbol: number
    for array, value in zip((W1, b1, W2, b2), VALUES.values(), strict=True)
    for symbol, number in zip(array, value, strict=True)
}
ones = sympy.ones(1, 2)
M = sympy.Matrix([[0, 1], [1, 1]])
Z1 = W1 * X + b1 * ones
Z2 = W2 * Z1.multiply_elementwise(M) + b2 * ones
J = sum(log(exp(Z2[0, k]) + exp(Z2[1, k])) - Z2[y[k], k] for k in (0, 1)) / 2

# the probabilities of the first and of the second example's first class
first, second = 1 / (1 + exp(-Rational(11, 10))), 1 / (1 + exp(-Rational(11, 5)))
dZ2 = sympy.Matrix([[first - 1, second], [1 - first, -second]]) / 2
dZ1 = (VALUES["W2"].T * dZ2).multiply_elementwise(M)
A1 = sympy.Matrix([[0, 2], [1, Rational(1, 2)]])
DERIVED = {"W1": dZ1 * X.T, "b1": dZ1 * ones.T, "W2": dZ2 * A1.T, "b2": dZ2 * ones.T}


def test_the_mask_is_that_of_the_sums() -> None:
    assert Z1.subs(AT).applyfunc(lambda z: 1 if z > 0 else 0) == M
    assert all(z != 0 for z in Z1.subs(AT))


@pytest.mark.parametrize(("name", "theta"), [("W1", W1), ("b1", b1), ("W2", W2), ("b2", b2)])
def test_the_derivatives_of_the_loss_are_the_products_of_the_page(name: str, theta: sympy.Matrix) -> None:
    assert sympy.simplify(sympy.Matrix(J.diff(theta)).subs(AT) - DERIVED[name]) == sympy.zeros(*theta.shape)


def test_the_numbers_of_the_statement_are_these_gradients() -> None:
    page = (ROOT / "docs/derivations/worked_example.md").read_text(encoding="utf-8")
    statement = page.partition("## Statement")[2].partition("## Derivation")[0]
    matrices = [
        [[float(entry) for entry in row.split("&")] for row in matrix.split(r"\\")]
        for matrix in re.findall(r"\\begin\{pmatrix\}(.*?)\\end\{pmatrix\}", statement)
    ]
    for typed, exact in zip(matrices, [*VALUES.values(), *DERIVED.values()], strict=True):
        assert np.abs(np.array(typed) - np.array(exact, float)).max() < 0.0005
    assert f"$J = {float(J.subs(AT)):.3f}$" in statement


def test_the_layers_give_these_gradients() -> None:
    W1, b1, W2, b2 = (np.array(value, float) for value in VALUES.values())
    network = network_of(affine(W1, b1), ReLU((2,), Start(np.random.default_rng(0))), affine(W2, b2))
    network.backward(cross_entropy_gradient(network.forward(np.array(X, float)), np.array(y), 2))
    for gradient, exact in zip(network.gradients.values(), DERIVED.values(), strict=True):
        assert np.abs(gradient - np.array(exact, float)).max() < 1e-15
