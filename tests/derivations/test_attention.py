"""The gradients of docs/derivations/attention.md in all entries of two tokens; the variance of scores at the start."""

from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.attention import Attention
from stages.nn.initializers import Normal
from stages.nn.layer import Start
from stages.nn.softmax import softmax

Q, K, V, G = (sympy.Matrix(2, 2, sympy.symbols(f"{name}:2:2", real=True)) for name in "qkvg")
X = sympy.Matrix(2, 2, sympy.symbols("x:2:2", real=True))
ONES = sympy.ones(2, 1)


def softmax_of_columns(C: Any) -> Any:
    exponentials = C.applyfunc(sympy.exp)
    sums = ONES.T * exponentials
    return sympy.Matrix(*C.shape, lambda j, k: exponentials[j, k] / sums[k])


def weights(Q: Any, K: Any, head: int) -> Any:
    """Return A, where a query has so many entries."""
    return softmax_of_columns(K.T * Q / sympy.sqrt(head))


def backward(Q: Any, K: Any, V: Any, A: Any, dO: Any) -> tuple[Any, Any, Any]:
    """Return the gradients by Q, K and V of one head, as the statement has them."""
    dA = V.T * dO
    AdA = A.multiply_elementwise(dA)
    dC = A.multiply_elementwise(dA - ONES * ONES.T * AdA)
    scale = 1 / sympy.sqrt(Q.shape[0])
    return scale * K * dC, scale * Q * dC.T, dO * A.T


def is_zero(matrix: Any) -> bool:
    """Return whether all entries, rational functions of exponentials, vanish."""

    def vanishes(entry: Any) -> bool:
        names = {atom: sympy.Dummy(positive=True) for atom in entry.atoms(sympy.exp)}
        return bool(sympy.expand(sympy.fraction(sympy.together(entry.subs(names)))[0]) == 0)

    return all(map(vanishes, sympy.Matrix(matrix)))


def test_the_gradients_of_a_head() -> None:
    A = weights(Q, K, 2)
    J = (G.T * V * A).trace()
    for theta, derived in zip((Q, K, V), backward(Q, K, V, A, G), strict=True):
        assert is_zero(sympy.Matrix(J.diff(theta)) - derived)


def test_the_gradients_by_queries_and_keys_need_both_factors() -> None:
    A = weights(Q, K, 2)
    dQ, dK, _ = backward(Q, K, V, A, G)
    J = (G.T * V * A).trace()
    assert not is_zero(sympy.Matrix(J.diff(Q)) - sympy.sqrt(2) * dQ)
    assert not is_zero(sympy.Matrix(J.diff(K)) - dK.T)


def test_the_gradients_by_tokens_and_by_the_maps() -> None:
    """The maps are linear, so the gradients by queries, keys and values stand for any."""
    maps = [sympy.Matrix(2, 2, sympy.symbols(f"w{k}_:2:2")) for k in range(3)]
    biases = [sympy.Matrix(sympy.symbols(f"b{k}_:2")) for k in range(3)]
    by_maps = [sympy.Matrix(2, 2, sympy.symbols(f"h{k}_:2:2")) for k in range(3)]
    J = sum((H.T * (W * X + b * ONES.T)).trace() for W, b, H in zip(maps, biases, by_maps, strict=True))
    added = sum((W.T * H for W, H in zip(maps, by_maps, strict=True)), sympy.zeros(2, 2))
    assert sympy.expand(sympy.Matrix(J.diff(X)) - added) == sympy.zeros(2, 2)
    for W, b, H in zip(maps, biases, by_maps, strict=True):
        assert sympy.expand(sympy.Matrix(J.diff(W)) - H * X.T) == sympy.zeros(2, 2)
        assert sympy.expand(sympy.Matrix(J.diff(b)) - H * ONES) == sympy.zeros(2, 1)


@pytest.mark.parametrize("heads", [1, 2])
def test_backward_of_the_code_run_on_symbols(heads: int) -> None:
    head, layer = 2 // heads, Attention((2, 2), Start(np.random.default_rng(0)), heads=heads)
    W, W_O = sympy.Matrix(6, 2, sympy.symbols("w:6:2")), sympy.Matrix(2, 2, sympy.symbols("o:2:2"))
    layer.parameters = {"W": np.array(W), "b": np.zeros((6, 1), object), "W_O": np.array(W_O)}
    layer.parameters["b_O"] = np.zeros((2, 1), object)
    parts = [slice(k * head, (k + 1) * head) for k in range(heads)]
    A = [weights(Q[own, :], K[own, :], head) for own in parts]
    O = sympy.Matrix.vstack(*(V[own, :] * A_of_head for own, A_of_head in zip(parts, A, strict=True)))
    scale = 1 / sympy.sqrt(head)
    layer._scale = scale
    layer._X, layer._O = np.array(X.T), np.array(O.T)
    layer._QKV, layer._A = np.array(sympy.Matrix.vstack(scale * Q, K, V).T), np.array([A]).reshape(1, heads, 2, 2)
    dX = layer.backward(np.array(G.T).reshape(4, 1))
    dO = W_O.T * G
    of_heads = [backward(Q[o, :], K[o, :], V[o, :], a, dO[o, :]) for o, a in zip(parts, A, strict=True)]
    stacked = sympy.Matrix.vstack(*(of_head[k] for k in range(3) for of_head in of_heads))
    found = layer.gradients
    assert dX is not None
    assert is_zero(sympy.Matrix(dX.reshape(2, 2)).T - W.T * stacked)
    assert is_zero(sympy.Matrix(found["W"]) - stacked * X.T)
    assert is_zero(sympy.Matrix(found["b"]) - stacked * ONES)
    assert is_zero(sympy.Matrix(found["W_O"]) - G * O.T)
    assert is_zero(sympy.Matrix(found["b_O"]) - G * ONES)


def test_tokens_in_another_order() -> None:
    P = sympy.Matrix([[0, 1], [1, 0]])
    A = weights(Q, K, 2)
    assert sympy.simplify(weights(Q * P, K * P, 2) - P.T * A * P) == sympy.zeros(2, 2)
    assert sympy.simplify(V * P * weights(Q * P, K * P, 2) - V * A * P) == sympy.zeros(2, 2)


def test_the_bias_of_the_keys_changes_no_weight_and_gets_no_gradient() -> None:
    A, shift = weights(Q, K, 2), sympy.Matrix(sympy.symbols("b:2"))
    assert sympy.simplify(weights(Q, K + shift * ONES.T, 2) - A) == sympy.zeros(2, 2)
    assert is_zero(backward(Q, K, V, A, G)[1] * ONES)


def test_the_sum_of_the_softmax_can_be_had_from_the_output() -> None:
    A = weights(Q, K, 2)
    assert is_zero(ONES.T * A.multiply_elementwise(V.T * G) - ONES.T * (V * A).multiply_elementwise(G))


def test_the_trace_of_the_jacobian_bounds_its_eigenvalues() -> None:
    p, q = sympy.symbols("p q", positive=True)
    a = sympy.Matrix([p, q, 1 - p - q])
    S = sympy.diag(*a) - a * a.T
    assert sympy.expand(S.trace() - (1 - (a.T * a)[0])) == 0
    for numbers in ({p: sympy.Rational(1, 5), q: sympy.Rational(1, 3)}, {p: sympy.Rational(98, 100), q: 0.01}):
        eigenvalues = np.linalg.eigvalsh(np.array(S.subs(numbers), float))
        assert -1e-15 < eigenvalues.min() <= eigenvalues.max() <= float(S.trace().subs(numbers))


def test_the_variance_of_a_product_of_symmetric_queries_and_keys_in_all_cases() -> None:
    """Over all signs of two entries of a query and of a key, of given sizes."""
    sizes, signs = sympy.symbols("s:2 t:2", positive=True), [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    products = [a * c * sizes[0] * sizes[2] + b * d * sizes[1] * sizes[3] for a, b in signs for c, d in signs]
    assert sympy.expand(sum(products)) == 0
    variance = sum(sympy.expand(each**2) for each in products) / 16
    assert sympy.expand(variance - (sizes[0] ** 2 * sizes[2] ** 2 + sizes[1] ** 2 * sizes[3] ** 2)) == 0


@pytest.mark.parametrize("heads", [1, 4])
def test_scores_at_the_start_have_a_variance_that_does_not_depend_on_the_heads(heads: int) -> None:
    """Of fixed tokens over random weights of variance 1/n: that of a query's entries times that of a key's."""
    width, draws, rng = 16, 4000, np.random.default_rng(heads)
    tokens = rng.normal(size=(2, width))
    tokens /= np.sqrt(np.square(tokens).mean(axis=1, keepdims=True))  # as layer normalization leaves them
    differences = np.empty(draws)
    for draw in range(draws):
        layer = Attention((2, width), Start(rng, Normal(width**-0.5), np.float64), heads=heads)
        layer.forward(tokens.reshape(-1, 1))
        to_itself, to_other = layer.weights()[0, 0, 0]
        differences[draw] = np.log(to_other / to_itself)  # of two scores of one query
    expected = np.square(tokens[1] - tokens[0]).sum() / width
    squares = np.square(differences)
    assert abs(squares.mean() - expected) < 4 * squares.std(ddof=1) / np.sqrt(draws)


def test_without_the_factor_the_jacobian_vanishes() -> None:
    rng = np.random.default_rng(0)
    traces = {}
    for entries in (1, 16, 256):
        scores = rng.normal(size=(49, entries)) @ rng.normal(size=(entries, 500))
        for name, C in (("plain", scores), ("divided", scores / np.sqrt(entries))):
            traces[name, entries] = 1 - np.square(softmax(C)).sum(axis=0).mean()
    assert traces["plain", 1] > 0.8
    assert traces["plain", 256] < 0.2
    assert min(traces["divided", entries] for entries in (1, 16, 256)) > 0.8
