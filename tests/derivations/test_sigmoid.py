"""The identities of docs/derivations/sigmoid.md."""

from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.sigmoid import sigmoid, sigmoid_backward
from tests.networks import affine

z = sympy.Symbol("z", real=True)


def sigma(z: Any) -> Any:
    return 1 / (1 + sympy.exp(-z))


def test_derivative() -> None:
    assert sympy.simplify(sigma(z).diff(z) - sigma(z) * (1 - sigma(z))) == 0


def test_symmetry() -> None:
    assert sympy.simplify(1 - sigma(z) - sigma(-z)) == 0


def test_derivative_is_a_quarter_minus_a_square() -> None:
    a = sympy.Symbol("a")
    assert sympy.expand(a * (1 - a) - (sympy.Rational(1, 4) - (a - sympy.Rational(1, 2)) ** 2)) == 0
    assert sympy.solve(sympy.Eq(sigma(z), sympy.Rational(1, 2)), z) == [0]


def test_form_by_tanh() -> None:
    assert sympy.simplify(sigma(z) - (1 + sympy.tanh(z / 2).rewrite(sympy.exp)) / 2) == 0


def gradient_before(layers: list[Affine], a: Array, dA: Array | None) -> Array:
    kept = []
    for layer in layers:
        a = sigmoid(layer.forward(a))
        kept.append(a)
    for layer, activations in zip(reversed(layers), reversed(kept), strict=True):
        assert dA is not None
        dA = layer.backward(sigmoid_backward(activations, dA))
    assert dA is not None
    return dA


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_gradient_through_layers_is_bounded_by_the_norms_of_the_weights(scale: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        layers = [affine(scale * rng.standard_normal((5, 5)), rng.standard_normal((5, 1))) for _ in range(4)]
        dA = rng.standard_normal((5, 1))
        bound = np.prod([np.linalg.norm(layer.parameters["W"], 2) / 4 for layer in layers]) * np.linalg.norm(dA)
        assert np.linalg.norm(gradient_before(layers, rng.random((5, 1)), dA.copy())) <= bound


def test_weights_can_make_the_gradient_grow() -> None:
    w, b, a = sympy.symbols("w b a", real=True)
    chain = a
    for _ in range(3):
        chain = sigma(w * chain + b)
    slope = chain.diff(a).subs({w: 8, b: -4, a: sympy.Rational(1, 2)})
    assert sympy.simplify(slope) == 2**3
    layers = [affine(np.array([[8.0]]), np.array([[-4.0]])) for _ in range(3)]
    assert gradient_before(layers, np.array([[0.5]]), np.array([[1.0]])) == 2**3 > 4**-3


def test_code_computes_the_definition() -> None:
    values = [-3, -1, 0, 1, 2]
    expected = [float(sigma(sympy.Integer(value))) for value in values]
    np.testing.assert_allclose(sigmoid(np.array([values], float))[0], expected, rtol=1e-14)


def test_code_run_on_symbols_gives_the_gradient() -> None:
    Z = sympy.Matrix(2, 2, sympy.symbols("z:4", real=True))
    C = sympy.Matrix(2, 2, sympy.symbols("c:4"))
    A = Z.applyfunc(sigma)
    J = sum(c * a**2 for c, a in zip(C, A, strict=True)) + A[0, 0] * A[1, 1]
    dA = sympy.Matrix(2, 2, [2 * c * a for c, a in zip(C, A, strict=True)])
    dA[0, 0] += A[1, 1]
    dA[1, 1] += A[0, 0]
    dZ = sympy.Matrix(sigmoid_backward(np.array(A), np.array(dA)))
    assert sympy.simplify(sympy.Matrix(J.diff(Z)) - dZ) == sympy.zeros(2, 2)
