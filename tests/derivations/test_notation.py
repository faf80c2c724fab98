"""The identities of docs/derivations/notation.md, proved for layers of two and three units in all entries."""

from typing import Any

import numpy as np
import sympy

from tests import networks

m = 2
X = sympy.Matrix(3, m, sympy.symbols("x:3:2"))
W1, b1 = sympy.Matrix(2, 3, sympy.symbols("w:2:3")), sympy.Matrix(sympy.symbols("b:2"))
W2, b2 = sympy.Matrix(2, 2, sympy.symbols("v:2:2")), sympy.Matrix(sympy.symbols("c:2"))
ones = sympy.ones(m, 1)


def affine(W: Any, b: Any, A: Any) -> Any:
    return W * A + b * sympy.ones(A.shape[1], 1).T


def softmax(Z: Any) -> Any:
    exponentials = Z.applyfunc(sympy.exp)
    sums = sympy.ones(1, Z.shape[0]) * exponentials
    return sympy.Matrix(*Z.shape, lambda i, k: exponentials[i, k] / sums[k])


def probabilities(A: Any) -> Any:
    return softmax(affine(W2, b2, affine(W1, b1, A).applyfunc(sympy.tanh)))


def test_a_column_of_the_batch_is_the_formula_for_one_example() -> None:
    Z = affine(W1, b1, X)
    for k in range(m):
        for i in range(2):
            assert sympy.expand(Z[i, k] - sum(W1[i, j] * X[j, k] for j in range(3)) - b1[i]) == 0
        assert sympy.expand(Z[:, k] - (W1 * X[:, k] + b1)) == sympy.zeros(2, 1)


def test_broadcasting_in_the_code_adds_the_bias_to_every_column() -> None:
    Z = sympy.Matrix(networks.affine(np.array(W1), np.array(b1)).forward(np.array(X)))
    assert sympy.expand(Z - affine(W1, b1, X)) == sympy.zeros(2, m)


def test_examples_in_rows_give_the_transpose() -> None:
    assert sympy.expand(X.T * W1.T + ones * b1.T - affine(W1, b1, X).T) == sympy.zeros(m, 2)


def test_columns_do_not_mix() -> None:
    A = probabilities(X)
    assert all(x not in A[:, k].free_symbols for k in range(m) for x in X[:, 1 - k])
    assert all(A[:, k] == probabilities(X[:, k]) for k in range(m))


def test_probabilities_of_a_column_sum_to_1() -> None:
    assert sympy.simplify(sympy.ones(1, 2) * probabilities(X)) == ones.T


def test_two_affine_layers_without_an_activation_are_one() -> None:
    layers = [networks.affine(np.array(W), np.array(b)) for W, b in ((W1, b1), (W2, b2))]
    Z = sympy.Matrix(networks.network_of(*layers).forward(np.array(X)))
    assert sympy.expand(Z - affine(W2 * W1, W2 * b1 + b2, X)) == sympy.zeros(2, m)
