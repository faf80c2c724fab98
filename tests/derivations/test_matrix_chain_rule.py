"""The identities of docs/derivations/matrix_chain_rule.md, proved for small sizes in all entries."""

from collections.abc import Callable
from typing import Any

import pytest
import sympy
from sympy.matrices.dense import matrix_multiply_elementwise as entrywise

t = sympy.Symbol("t")


def matrix(name: str, rows: int, columns: int) -> Any:
    return sympy.Matrix(rows, columns, sympy.symbols(f"{name}:{rows}:{columns}"))


def matrix_function(name: str, rows: int, columns: int) -> Any:
    return sympy.Matrix(rows, columns, lambda i, j: sympy.Function(f"{name}{i}{j}")(t))


def inner(A: Any, B: Any) -> Any:
    return (A.T * B).trace()


def is_zero(expression: Any) -> bool:
    return bool(sympy.expand(expression) == 0 * expression)


def test_inner_product_is_the_sum_of_the_products_of_the_entries() -> None:
    A, B = matrix("a", 2, 3), matrix("b", 2, 3)
    assert is_zero(inner(A, B) - sum(a * b for a, b in zip(A, B, strict=True)))


def test_trace_is_cyclic() -> None:
    A, B, C = matrix("a", 2, 3), matrix("b", 3, 1), matrix("c", 1, 2)
    assert is_zero((A * B * C).trace() - (B * C * A).trace())


def test_factors_move_to_the_other_side_as_transposes() -> None:
    A, B, C = matrix("a", 2, 3), matrix("b", 2, 2), matrix("c", 2, 3)
    assert is_zero(inner(A, B * C) - inner(B.T * A, C))
    assert is_zero(inner(A, B * C) - inner(A * C.T, B))
    D = matrix("d", 2, 3)
    assert is_zero(inner(A, entrywise(C, D)) - inner(entrywise(A, C), D))


def test_product_rule_keeps_the_order_of_the_factors() -> None:
    F, G, K = matrix_function("f", 2, 3), matrix_function("g", 3, 2), matrix_function("k", 2, 3)
    assert is_zero((F * G).diff(t) - (F.diff(t) * G + F * G.diff(t)))
    assert is_zero(entrywise(F, K).diff(t) - (entrywise(F.diff(t), K) + entrywise(F, K.diff(t))))


def test_differential_is_the_inner_product_with_the_matrix_of_partial_derivatives() -> None:
    X, H = matrix("x", 2, 2), matrix("h", 2, 2)
    J = sympy.sin(X[0, 0] * X[1, 1]) + X[0, 1] ** 2 * sympy.exp(X[1, 0])
    moved = J.subs(dict(zip(X, X + t * H, strict=True)), simultaneous=True)
    assert is_zero(moved.diff(t).subs(t, 0) - inner(sympy.Matrix(J.diff(X)), H))


A, B, D = matrix("a", 3, 2), matrix("b", 3, 2), matrix("d", 2, 3)
ones = sympy.ones(2, 1)


@pytest.mark.parametrize(
    ("T", "adjoint", "H", "G"),
    [
        (lambda H: A * H * B, lambda G: A.T * G * B.T, matrix("h", 2, 3), matrix("g", 3, 2)),
        (lambda H: entrywise(D, H), lambda G: entrywise(D, G), matrix("h", 2, 3), matrix("g", 2, 3)),
        (lambda h: h * ones.T, lambda G: G * ones, matrix("h", 3, 1), matrix("g", 3, 2)),
    ],
    ids=["A H B", "D * H", "h 1'"],
)
def test_adjoint(T: Callable[[Any], Any], adjoint: Callable[[Any], Any], H: Any, G: Any) -> None:
    assert is_zero(inner(G, T(H)) - inner(adjoint(G), H))
    assert adjoint(G).shape == H.shape


def test_chain_rule_applies_the_adjoints_in_reverse_order() -> None:
    X, C = matrix("x", 2, 3), matrix("c", 3, 2)
    Z = A * X * B
    V = Z.applyfunc(sympy.sin)
    J = inner(C, V) + V[0, 0] * V[1, 1]
    by_V = sympy.Matrix(C)
    by_V[0, 0] += V[1, 1]
    by_V[1, 1] += V[0, 0]
    by_X = A.T * entrywise(Z.applyfunc(sympy.cos), by_V) * B.T
    assert is_zero(sympy.Matrix(J.diff(X)) - by_X)
