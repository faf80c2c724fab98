"""The engine: every operation against central differences, the order, and what it costs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from stages.nn.gradient_check import numeric_gradient, relative_error
from tools import reverse_mode
from tools.reverse_mode import Node, arranged, entrywise, gradients, largest, node, total, where

FIXED = np.random.default_rng(9).normal(size=(4, 3))
P, R, S, B = (4, 3), (3, 5), (4, 1), (2, 4, 3)

OPERATIONS: dict[str, tuple[Callable[..., Node], list[tuple[int, ...]]]] = {
    "add": (lambda x, y: x + y, [P, P]),
    "add a column": (lambda x, y: x + y, [P, S]),
    "add a number": (lambda x, y: x + y, [P, ()]),
    "add to a batch": (lambda x, y: x + y, [P, B]),
    "with arrays": (lambda x: FIXED + (x - FIXED) * FIXED + 2 * x / FIXED, [P]),
    "subtract": (lambda x, y: x - y, [S, P]),
    "multiply": (lambda x, y: x * y, [P, S]),
    "divide": (lambda x, y: x / y, [S, P]),
    "power": (lambda x: x**3 + x**-1, [P]),
    "product": (lambda x, y: x @ y, [P, R]),
    "product of batches": (lambda x, y: x @ y, [B, R]),
    "product with one matrix for all": (lambda x, y: x @ y, [P, (2, 3, 4)]),
    "product with a constant": (lambda x: node(FIXED) @ x, [R]),
    "entrywise": (lambda x: entrywise(x, np.sin(x.value), np.cos(x.value)), [P]),
    "where": (lambda x, y: where(FIXED > 0, x, y), [P, S]),
    "total": (lambda x: total(x) * total(x, 0) * total(x, 1), [P]),
    "largest": (lambda x: largest(x, 0) * largest(x, 1), [P]),
    "slice": (lambda x: arranged(x, lambda numbers: numbers[1:, ::2]), [P]),
    "reshape and transpose": (lambda x: arranged(x, lambda numbers: numbers.reshape(2, 2, 3).transpose(2, 0, 1)), [P]),
    "twice the same": (lambda x: arranged(x, lambda numbers: numbers[[0, 0, 2]]), [P]),
    "patches": (lambda x: arranged(x, lambda numbers: sliding_window_view(numbers, (2, 2))), [P]),
    "fan-out": (lambda x: x * x + x @ arranged(x, np.transpose) @ x, [P]),
}


@pytest.mark.parametrize(("function", "shapes"), OPERATIONS.values(), ids=OPERATIONS)
def test_central_differences(function: Callable[..., Node], shapes: list[tuple[int, ...]]) -> None:
    rng = np.random.default_rng(0)
    arrays = [np.asarray(rng.uniform(0.5, 2, size=shape)) for shape in shapes]
    weights = rng.normal(size=function(*map(node, arrays)).value.shape)

    def loss(*nodes: Node) -> Node:
        return total(function(*nodes) * weights)

    nodes = [node(array) for array in arrays]
    for array, gradient in zip(arrays, gradients(loss(*nodes), nodes), strict=True):
        assert gradient.shape == array.shape

        def at_present() -> float:
            return float(loss(*map(node, arrays)).value.item())

        numeric = numeric_gradient(at_present, array)
        assert relative_error(gradient, numeric) < 1e-8


def test_each_adjoint_is_applied_once_however_many_ways_lead_to_a_node() -> None:
    applied = 0

    def same(G: Any) -> Any:
        nonlocal applied
        applied += 1
        return G

    x = y = node(np.ones(2))
    for _ in range(40):  # 2**40 ways
        y = Node(2 * y.value, (y, same), (y, same))
    np.testing.assert_array_equal(gradients(total(y), [x])[0], [2.0**40] * 2)
    assert applied == 80


def test_a_long_chain_needs_no_recursion() -> None:
    x = y = node(1.0)
    for _ in range(5000):
        y = y + 1
    assert gradients(y, [x])[0] == 1


def test_a_node_that_was_used_before_and_after_another_waits_for_both() -> None:
    x = node(3.0)
    early = x * x
    late = early * x + early
    assert gradients(late, [x, early])[0] == 3 * 3**2 + 2 * 3
    assert gradients(late, [early])[0] == 3 + 1


def test_of_equal_entries_the_first_is_the_largest() -> None:
    x = node([[1.0, 5.0, 5.0]])
    np.testing.assert_array_equal(gradients(total(largest(x, 1)), [x])[0], [[0, 1, 0]])


def test_is_less_than_a_hundred_lines_and_knows_no_layer() -> None:
    text = Path(str(reverse_mode.__file__)).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 100
    assert "stages" not in text.replace("docs/derivations", "")


def test_gradients_do_not_change_what_was_computed() -> None:
    x = node(np.ones((2, 2)))
    y: Any = x * 2
    for array in (x.value, y.value):
        array.flags.writeable = False
    first = gradients(total(y), [x])[0]
    np.testing.assert_array_equal(gradients(total(y), [x])[0], first)
