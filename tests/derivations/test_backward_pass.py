"""The theorem of docs/derivations/backward_pass.md, proved for three affine layers of two units in all entries."""

from typing import Any

import numpy as np
import pytest
import sympy

from tests.networks import affine, network_of

L, m = 3, 2
X = sympy.Matrix(2, m, sympy.symbols("x:2:2"))
Y = sympy.Matrix([[1, 0], [0, 1]])
W = {l: sympy.Matrix(2, 2, sympy.symbols(f"w{l}_:2:2")) for l in range(1, L + 1)}
b = {l: sympy.Matrix(sympy.symbols(f"b{l}_:2")) for l in range(1, L + 1)}
ones = sympy.ones(m, 1)


def forward(phi: Any) -> tuple[dict[int, Any], dict[int, Any]]:
    Z, A = {}, {0: X}
    for l in range(1, L + 1):
        Z[l] = W[l] * A[l - 1] + b[l] * ones.T
        A[l] = Z[l].applyfunc(phi)
    return Z, A


def backward(dZ: Any, Z: dict[int, Any], A: dict[int, Any], phi_prime: Any) -> dict[str, Any]:
    gradients = {}
    for l in range(L, 0, -1):
        gradients[f"W{l}"], gradients[f"b{l}"] = dZ * A[l - 1].T, dZ * ones
        if l > 1:
            dZ = (W[l].T * dZ).multiply_elementwise(Z[l - 1].applyfunc(phi_prime))
    return gradients


def is_zero(expression: Any) -> bool:
    """Return whether a rational function of exponentials and hyperbolic tangents of the same arguments vanishes."""
    for function in (sympy.exp, sympy.tanh):  # the exponentials hold tangents, and the outer tangents inner ones
        while atoms := expression.atoms(function):
            outer = max(atoms, key=sympy.count_ops)
            expression = expression.subs(outer, sympy.Dummy())
    return bool(sympy.cancel(expression) == 0)


@pytest.fixture(scope="module")
def with_softmax() -> tuple[Any, dict[str, Any]]:
    """Return the mean cross-entropy of the network with tanh, and its gradients by the theorem."""
    Z, A = forward(sympy.tanh)
    exponentials = Z[L].applyfunc(sympy.exp)
    sums = [exponentials[0, k] + exponentials[1, k] for k in range(m)]
    probabilities = sympy.Matrix(2, m, lambda i, k: exponentials[i, k] / sums[k])
    J = sum(sympy.log(sums[k]) - (Y[:, k].T * Z[L][:, k])[0] for k in range(m)) / m
    return J, backward((probabilities - Y) / m, Z, A, lambda z: 1 - sympy.tanh(z) ** 2)


@pytest.mark.parametrize("name", [f"{kind}{l}" for l in range(1, L + 1) for kind in "Wb"])
def test_theorem(with_softmax: tuple[Any, dict[str, Any]], name: str) -> None:
    J, gradients = with_softmax
    theta = (W if name[0] == "W" else b)[int(name[1])]
    assert gradients[name].shape == theta.shape
    for entry, derived in zip(theta, gradients[name], strict=True):
        assert is_zero(sympy.diff(J, entry) - derived)


def test_network_run_on_symbols_gives_the_gradients_of_a_linear_network() -> None:
    network = network_of(*(affine(np.array(W[l]), np.array(b[l])) for l in range(1, L + 1)))
    dZ = sympy.Matrix(2, m, sympy.symbols("g:2:2"))
    J = (dZ.T * sympy.Matrix(network.forward(np.array(X)))).trace()  # a loss that has any given gradient by Z
    network.backward(np.array(dZ))
    for name, theta in network.parameters.items():
        for entry, derived in zip(theta.ravel(), network.gradients[name].ravel(), strict=True):
            assert sympy.expand(sympy.diff(J, entry) - derived) == 0
