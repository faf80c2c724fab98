"""The statements of docs/derivations/computational_graph.md, on a graph of symbols: fan-out, order, all ways."""

from itertools import pairwise
from typing import Any

import pytest
import sympy

x, y = sympy.symbols("x y", real=True)
V = sympy.symbols("v1:7", real=True)
v1, v2, v3, v4, v5, v6 = V
# two given values and four steps, each of some earlier ones; v1 has three uses, v3 two
STEPS = {v3: v1 * v2, v4: sympy.exp(v3) + v1, v5: v3 * v4 * v1, v6: sympy.sin(v5) + v4 * v2}
PROGRAM = list(STEPS)


def sources(j: Any) -> list[Any]:
    return [i for i in V if j in STEPS and STEPS[j].has(i)]


def rest(j: int) -> Any:
    """Return J_j: what the program makes of v1, ..., vj, taken as free."""
    J: Any = V[-1]
    for k in range(len(V) - 1, j - 1, -1):
        J = J.subs(V[k], STEPS[V[k]])
    return J


def at_the_program(expression: Any) -> Any:
    for step in reversed(PROGRAM):
        expression = expression.subs(step, STEPS[step])
    return expression


def reverse_mode() -> dict[Any, Any]:
    sums: dict[Any, Any] = dict.fromkeys(V, sympy.Integer(0)) | {V[-1]: sympy.Integer(1)}
    for j in reversed(V):
        for i in sources(j):
            sums[i] += STEPS[j].diff(i) * sums[j]
    return sums


def test_each_gradient_is_that_of_the_rest_of_the_program() -> None:
    for number, (v, gradient) in enumerate(reverse_mode().items(), start=1):
        J = rest(max(number, 2))
        assert sympy.simplify(at_the_program(gradient - J.diff(v))) == 0


def test_what_is_given_gets_the_gradient_of_the_whole() -> None:
    J, found = rest(2), reverse_mode()
    for v in (v1, v2):
        assert sympy.simplify(at_the_program(found[v]) - J.diff(v)) == 0


def test_undoing_one_step_adds_to_its_sources_alone() -> None:
    for j in range(len(V), 2, -1):
        before, after, node = rest(j), rest(j - 1), V[j - 1]
        for i in V[: j - 1]:
            added = STEPS[node].diff(i) * before.diff(node) if i in sources(node) else 0
            expected = (before.diff(i) + added).subs(node, STEPS[node])
            assert sympy.simplify(after.diff(i) - expected) == 0


def test_the_gradient_is_the_sum_over_all_ways() -> None:
    def ways(i: Any) -> list[list[Any]]:
        return [[i]] if i == v6 else [[i, *way] for j in STEPS if i in sources(j) for way in ways(j)]

    for i in (v1, v2):
        total = sum(sympy.prod([STEPS[end].diff(start) for start, end in pairwise(way)]) for way in ways(i))
        assert sympy.simplify(at_the_program(total - reverse_mode()[i])) == 0
    assert len(ways(v1)) > len(sources(v6))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_adjoint_of_copying_is_adding(count: int) -> None:
    H = sympy.Matrix(2, 2, sympy.symbols("h:2:2"))
    copies = [sympy.Matrix(2, 2, sympy.symbols(f"g{k}_:2:2")) for k in range(count)]
    inner = sum((G.T * H).trace() for G in copies)
    total = sum(copies[1:], copies[0])
    assert sympy.expand(inner - (total.T * H).trace()) == 0


def test_a_function_of_the_same_twice_has_the_sum_of_both_partial_derivatives() -> None:
    F = sympy.sin(x) * y**2 + x * y
    assert sympy.expand(F.subs(y, x).diff(x) - (F.diff(x) + F.diff(y)).subs(y, x)) == 0


def test_first_exercise() -> None:
    assert sympy.expand((x * sympy.exp(x) + x).diff(x) - (1 + sympy.exp(x) + x * sympy.exp(x))) == 0
