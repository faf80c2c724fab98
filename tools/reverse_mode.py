"""Reverse mode as a program: gradients go back the way on which a number was computed.

It knows no layer: a node remembers what it was computed from, with the adjoint of each step. That this suffices is
derived in docs/derivations/computational_graph.md; `python -m tools.check_reverse_mode` compares it with the layers.
"""

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

Array = Any  # of NumPy, in float64
Adjoint = Callable[[Array], Array]  # from the gradient by a node to that by what it was computed from
_numbers = count()


class Node:
    """An array of a computation, and its sources: the nodes that it was computed from, each with an adjoint."""

    __array_ufunc__ = None  # an array leaves to a node what is done with both

    def __init__(self, value: Array, *sources: tuple["Node", Adjoint]) -> None:
        self.value, self.sources, self.number = np.asarray(value, np.float64), sources, next(_numbers)

    def __add__(self, other: Any) -> "Node":
        y = node(other)
        return Node(self.value + y.value, (self, lambda G: G), (y, lambda G: G))

    def __mul__(self, other: Any) -> "Node":
        y = node(other)
        return Node(self.value * y.value, (self, lambda G: G * y.value), (y, lambda G: G * self.value))

    def __matmul__(self, other: "Node") -> "Node":
        P, Q = (x.value.swapaxes(-1, -2) for x in (self, other))
        return Node(self.value @ other.value, (self, lambda G: G @ Q), (other, lambda G: P @ G))

    def __pow__(self, n: float) -> "Node":
        return entrywise(self, self.value**n, n * self.value ** (n - 1))

    def __sub__(self, other: Any) -> "Node":
        return self + -1 * node(other)

    def __truediv__(self, other: Any) -> "Node":
        return self * node(other) ** -1

    __radd__, __rmul__ = __add__, __mul__


def node(value: Any) -> Node:
    """Return the value as a node; an array or a number becomes one without sources."""
    return value if isinstance(value, Node) else Node(value)


def entrywise(x: Node, value: Array, derivative: Array) -> Node:
    """Return a function of the entries of x, from its values and its derivatives there."""
    return Node(value, (x, lambda G: G * derivative))


def where(condition: Array, x: Any, y: Any) -> Node:
    """Return the entries of x where the condition holds, else those of y."""
    x, y = node(x), node(y)
    return Node(np.where(condition, x.value, y.value), (x, lambda G: G * condition), (y, lambda G: G * ~condition))


def total(x: Node, axis: int | None = None) -> Node:
    """Return the sum of all entries or along an axis; every axis stays, with length 1."""
    return Node(x.value.sum(axis, keepdims=True), (x, lambda G: np.broadcast_to(G, x.value.shape)))


def arranged(x: Node, arrange: Callable[[Array], Array]) -> Node:
    """Return entries of x as `arrange` puts their numbers: sliced, reshaped, transposed, some twice, some never."""
    size, shape = x.value.size, x.value.shape
    numbers = arrange(np.arange(size).reshape(shape))
    return Node(x.value.ravel()[numbers], (x, lambda G: np.bincount(numbers.ravel(), G.ravel(), size).reshape(shape)))


def largest(x: Node, axis: int) -> Node:
    """Return the largest entries along an axis, of equal ones the first; the axis stays, with length 1."""
    where_it_is = x.value.argmax(axis, keepdims=True)
    return arranged(x, lambda numbers: np.take_along_axis(numbers, where_it_is, axis))


def gradients(J: Node, by: list[Node]) -> list[Array]:
    """Return the gradients of the number J by some of the nodes that it was computed from."""
    found, waiting = {J: np.ones_like(J.value)}, [J]
    while waiting:
        for x, _ in waiting.pop().sources:
            waiting += [] if x in found else [x]
            found.setdefault(x, np.zeros_like(x.value))
    for y in sorted(found, key=lambda y: y.number, reverse=True):  # what uses y comes after it, with a larger number
        for x, adjoint in y.sources:
            G = adjoint(found[y])
            G = G.sum(axis=tuple(range(G.ndim - x.value.ndim)))  # what broadcasting copied is added up
            copied = tuple(axis for axis, n in enumerate(x.value.shape) if n == 1)
            found[x] = found[x] + G.sum(axis=copied, keepdims=True)
    return [found[x] for x in by]
