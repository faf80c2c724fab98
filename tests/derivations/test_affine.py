"""The gradients of docs/derivations/affine.md, proved for a 2x3 times 3x2 layer in all entries."""

from typing import Any

import numpy as np
import pytest
import sympy

from tests.networks import affine

W = sympy.Matrix(2, 3, sympy.symbols("w:2:3"))
X = sympy.Matrix(3, 2, sympy.symbols("x:3:2"))
b = sympy.Matrix(2, 1, sympy.symbols("b:2"))
C = sympy.Matrix(2, 2, sympy.symbols("c:2:2"))
ones = sympy.ones(2, 1)
Z = W * X + b * ones.T

# a loss that ties all entries of Z together, and its gradient by Z
J = sympy.sin((C.T * Z).trace()) + sum(z**3 for z in Z)
dZ = sympy.cos((C.T * Z).trace()) * C + 3 * Z.applyfunc(lambda z: z**2)


def test_gradient_by_Z_is_that_of_the_loss() -> None:
    free = sympy.Matrix(2, 2, sympy.symbols("z:2:2"))
    at = dict(zip(free, Z, strict=True))
    loss = sympy.sin((C.T * free).trace()) + sum(z**3 for z in free)
    assert sympy.expand(sympy.Matrix(loss.diff(free)).subs(at) - dZ) == sympy.zeros(2, 2)


@pytest.mark.parametrize(("theta", "derived"), [(W, dZ * X.T), (b, dZ * ones), (X, W.T * dZ)], ids=["dW", "db", "dX"])
def test_formula_is_the_gradient(theta: Any, derived: Any) -> None:
    assert derived.shape == theta.shape
    assert sympy.expand(sympy.Matrix(J.diff(theta)) - derived) == sympy.zeros(*theta.shape)


def test_layer_run_on_symbols_gives_the_gradients() -> None:
    layer = affine(np.array(W), np.array(b))
    assert sympy.expand(sympy.Matrix(layer.forward(np.array(X))) - Z) == sympy.zeros(2, 2)
    dX = layer.backward(np.array(dZ))
    for theta, gradient in ((W, layer.gradients["W"]), (b, layer.gradients["b"]), (X, dX)):
        assert sympy.expand(sympy.Matrix(J.diff(theta)) - sympy.Matrix(gradient)) == sympy.zeros(*theta.shape)


def test_one_sum_for_all_biases_is_not_the_gradient() -> None:
    one_sum = sum(dZ) * ones
    assert sympy.expand(sympy.Matrix(J.diff(b)) - one_sum) != sympy.zeros(2, 1)
