"""The identities of docs/derivations/one_hot.md, proved for three classes, two examples and all labels."""

from itertools import product

import numpy as np
import pytest
import sympy

from stages.nn.cross_entropy import cross_entropy, cross_entropy_gradient
from stages.nn.one_hot import one_hot

n, m = 3, 2
M = sympy.Matrix(n, m, sympy.symbols("m:3:2"))
W = sympy.Matrix(2, n, sympy.symbols("w:2:3"))


@pytest.mark.parametrize("labels", list(product(range(n), repeat=m)))
def test_identities(labels: tuple[int, ...]) -> None:
    Y = sympy.Matrix(one_hot(np.array(labels), n).astype(int))
    assert sympy.ones(1, n) * Y == sympy.ones(1, m)
    assert (Y.T * M) == sympy.Matrix(m, m, lambda k, j: M[labels[k], j])
    assert (W * Y) == sympy.Matrix(2, m, lambda i, k: W[i, labels[k]])
    assert (Y.T * M).trace() == sum(M[label, k] for k, label in enumerate(labels))
    assert (M - Y) == sympy.Matrix(n, m, lambda i, k: M[i, k] - int(i == labels[k]))


@pytest.mark.parametrize("labels", list(product(range(n), repeat=m)))
def test_indexing_in_the_code_is_the_product_with_Y(labels: tuple[int, ...]) -> None:
    y = np.array(labels)
    Z = np.random.default_rng(0).standard_normal((n, m))
    A = np.exp(Z) / np.exp(Z).sum(axis=0)
    Y = one_hot(y, n)
    assert cross_entropy(Z, y, m) == pytest.approx(-np.trace(Y.T @ np.log(A)) / m, rel=1e-13)
    np.testing.assert_allclose(cross_entropy_gradient(Z, y, m), (A - Y) / m, rtol=0, atol=1e-15)
