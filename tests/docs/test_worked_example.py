"""The example that is worked by hand: each equation with numbers, on any page, is read from its TeX and evaluated.

The network is computed here in plain NumPy, from parameters that are typed here a second time.
"""

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from publishing.blocks import FENCE, ROOT

PAGES = ROOT / "docs" / "derivations"
BY_HAND = re.compile(r'^!!! example "By hand"\n(?:\n| {4}.*\n)+', re.MULTILINE)
FORMULA = re.compile(r"\$\$(.*?)\$\$|\$([^$]+)\$", re.DOTALL)
MATRIX = re.compile(r"\\begin\{pmatrix\}(.*?)\\end\{pmatrix\}", re.DOTALL)
HALF, ROUNDED = 0.0005, 0.0012  # of the last digit that is typed; what comes of numbers that are rounded

X, Y = np.array([[1.0, 2.0], [3.0, 1.0]]), np.eye(2)
GIVEN = {
    "W^{(1)}": np.array([[1.0, -1.0], [0.5, 0.5]]),
    "b^{(1)}": np.array([[1.0], [-1.0]]),
    "W^{(2)}": np.array([[0.4, 0.4], [-0.2, 0.2]]),
    "b^{(2)}": np.array([[0.6], [-0.3]]),
}


def forward(theta: dict[str, Any]) -> dict[str, Any]:
    """Return the arrays of the forward pass and the losses, by their names in the formulas."""
    W1, b1, W2, b2 = theta.values()
    Z1 = W1 @ X + b1
    A1 = np.maximum(Z1, 0)
    Z2 = W2 @ A1 + b2
    A2 = np.exp(Z2) / np.exp(Z2).sum(axis=0)
    first, second = -np.log(np.diag(A2))
    losses = {r"\ell_1": first, r"\ell_2": second, "J": (first + second) / 2}
    return {**theta, "Z^{(1)}": Z1, "A^{(1)}": A1, "Z^{(2)}": Z2, "A^{(2)}": A2, **losses}


def backward(values: dict[str, Any]) -> dict[str, Any]:
    """Return the gradients of the mean loss by the names of what they are taken by."""
    dZ2 = (values["A^{(2)}"] - Y) / 2
    dA1 = values["W^{(2)}"].T @ dZ2
    dZ1 = dA1 * (values["Z^{(1)}"] > 0)
    return {
        "W^{(1)}": dZ1 @ X.T,
        "b^{(1)}": dZ1.sum(axis=1, keepdims=True),
        "W^{(2)}": dZ2 @ values["A^{(1)}"].T,
        "b^{(2)}": dZ2.sum(axis=1, keepdims=True),
        "Z^{(2)}": dZ2,
        "A^{(1)}": dA1,
        "Z^{(1)}": dZ1,
    }


BEFORE = forward(GIVEN)
GRADIENTS = backward(BEFORE)


def after(rate: float) -> dict[str, Any]:
    """Return what `forward` does after a step."""
    return forward({name: theta - rate * GRADIENTS[name] for name, theta in GIVEN.items()})


Z1, Z2, A2 = BEFORE["Z^{(1)}"], BEFORE["Z^{(2)}"], BEFORE["A^{(2)}"]
NAMES: dict[str, Any] = {
    **BEFORE,
    **{rf"\nabla_{{{name}}} J": gradient for name, gradient in GRADIENTS.items()},
    **{re.sub(r"^\\?[A-Za-z]+", r"\g<0>'", name): value for name, value in after(1.0).items()},
    "X": X,
    "x_1": X[:, [0]],
    "x_2": X[:, [1]],
    "Y": Y,
    "y": np.array([[1.0, 2.0]]),
    "M": (Z1 > 0) * 1.0,
    "Z^{(1)}_{11}": Z1[0, 0],
    r"\nabla_X J": GIVEN["W^{(1)}"].T @ GRADIENTS["Z^{(1)}"],
    r"\mathbf{1}": np.ones((2, 2)),
    r"\mathbf{1}_m": np.ones((2, 1)),
    r"\eta": 1.0,
    "m": 2.0,
    "L": 2.0,
    r"\lVert g \rVert^2": sum((GRADIENTS[name] ** 2).sum() for name in GIVEN),
}
exponentials = np.exp(Z2 - Z2.max(axis=0))
activated = 1 / (1 + np.exp(-Z1))
dA1, dZ2 = GRADIENTS["A^{(1)}"], GRADIENTS["Z^{(2)}"]
a = A2[:, [1]]
neuron = {"z": 1.0, "b": 1.0, "w_1": 2.0, "w_2": 1.0, "x_1": 0.5, "x_2": 0.5}  # what the gradient is multiplied by
# What a page calls by another name, and, as "", what it shows without one.
ON_PAGE: dict[str, dict[str, Any]] = {
    "worked_example": {"": [exponentials, exponentials.sum(axis=0), *after(2.0).values(), [1.1, 2.2, 1.8, 0.9]]},
    "matrix_chain_rule": {
        "x": 1.0,
        "c": 3.0,
        "J": 9.0,
        "w_1": 0.5,
        "w_2": 0.5,
        "b": -1.0,
        "x_1": 2.0,
        "x_2": 1.0,
        "z": 0.5,
        "a": 0.5,
        **{rf"\partial J / \partial {name}": factor * dA1[1, 1] for name, factor in neuron.items()},
        r"\partial J / \partial a": dA1[1, 1],
        r"(\nabla_{Z^{(1)}} J)_{21}": GRADIENTS["Z^{(1)}"][1, 0],
    },
    "computational_graph": {
        "x": 2.0,
        "J": 8.0,
        r"\Psi_1": 2.0,
        r"\Psi_2": 4.0,
        r"\Psi_3": 8.0,
        **{rf"\nabla_{{\Psi_{k}}} J": gradient for k, gradient in ((1, 12.0), (2, 2.0), (3, 1.0))},
    },
    "affine": {"G": dZ2},
    "tanh": {
        "A^{(1)}": np.tanh(Z1),
        r"\nabla_{Z^{(1)}} J": dA1 * (1 - np.tanh(Z1) ** 2),
        "": [1 - np.tanh(Z1) ** 2],
    },
    "sigmoid": {
        "A^{(1)}": activated,
        r"\nabla_{Z^{(1)}} J": dA1 * activated * (1 - activated),
        "": [activated * (1 - activated)],
    },
    "softmax": {
        "z_2": Z2[:, [1]],
        "a_2": a,
        "S": np.diag(a[:, 0]) - a @ a.T,
        "": [np.diag(a[:, 0]), a @ a.T, exponentials, exponentials.sum(axis=0), [2.2]],
    },
    "cross_entropy": {"": [exponentials.sum(axis=0), [2.2]]},
    "likelihood": {"": [np.diag(A2).prod(), np.diag(after(1.0)["A^{(2)}"]).prod()]},
    "one_hot": {"": [np.log(A2)]},
    "batch_mean": {"": [2 * dZ2, *(2 * dZ2[:, [k]] @ BEFORE["A^{(1)}"].T[[k]] for k in (0, 1))]},
}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    r"\log": np.log,
    r"\tanh": np.tanh,
    r"\varphi": lambda Z: 1 / (1 + np.exp(-Z)),
    r"\operatorname{softmax}": lambda Z: np.exp(Z) / np.exp(Z).sum(axis=0),
    r"\operatorname{diag}": lambda column: np.diag(column[:, 0]),
}


def is_near(typed: Any, value: Any, tolerance: float = HALF) -> bool:
    """Return whether two numbers or two arrays of one shape are the same but for a rounding."""
    return np.shape(typed) == np.shape(value) and bool(np.all(np.abs(np.subtract(typed, value)) < tolerance))


def is_known(matrix: Any, known: list[Any]) -> bool:
    """Return whether a matrix is one of these, transposed or not, a row or a column of one, or a column twice."""
    arrays = [part for each in known if np.ndim(each) == 2 for part in (each, each.T)]
    parts = [part for each in arrays for part in (each, *(each[:, [k]] for k in range(each.shape[1])))]
    twice = [np.hstack([part, part]) for part in parts if part.shape[1] == 1]
    return any(is_near(matrix, part) or is_near(matrix, part.T) for part in parts + twice)


class Reader:
    """A side of an equation, read from left to right: sums of products of numbers, matrices, names and functions."""

    def __init__(self, side: str, matrices: list[str], names: dict[str, Any]) -> None:
        self.matrices, self.names = matrices, {name: value for name, value in names.items() if name}
        self.known = [np.asarray(each) for each in [*self.names.values(), *names.get("", [])]]
        words = sorted([*self.names, *FUNCTIONS, r"\odot", r"\cdot", r"\max", "e^{", r"^{\mathsf T}"], key=len)
        pattern = "|".join(map(re.escape, reversed(words)))
        pattern += r"|\\frac\{[\d.]+\}\{[\d.]+\}|\\matrix\d+|\d+(?:\.\d+)?|\^\d|[-+/(),}]"
        self.tokens = [*re.findall(rf"\s*({pattern}|\S)", side), ""]

    def next(self, *expected: str) -> str:
        """Take the next word and return it, or nothing if it is not one of those expected."""
        return self.tokens.pop(0) if self.tokens[0] in expected or not expected else ""

    def read(self) -> Any:
        """Return the value of the whole side."""
        value = self.sum()
        if self.tokens != [""]:
            raise ValueError(f"{self.tokens[0]} is not understood")
        return value

    def sum(self) -> Any:
        """Return the value of terms that are added and subtracted."""
        value = -self.product() if self.next("-") else self.product()
        while sign := self.next("+", "-"):
            term = self.product()
            if np.shape(term) != np.shape(value):
                raise ValueError("terms of two shapes")
            value = value + term if sign == "+" else value - term
        return value

    def product(self) -> Any:
        """Return the value of factors that are multiplied and divided."""
        value = self.power()
        while self.tokens[0] not in ("", "+", "-", ")", "}", ","):
            if self.next(r"\odot"):
                value = value * self.power()
            elif self.next("/"):
                value = value / self.power()
            else:
                self.next(r"\cdot")
                value = np.dot(value, self.power())
        return value

    def power(self) -> Any:
        """Return the value of a factor, transposed or to a power."""
        value = self.factor()
        if self.next(r"^{\mathsf T}"):
            return np.transpose(value)
        return value ** int(self.next()[1:]) if re.match(r"\^\d", self.tokens[0]) else value

    def factor(self) -> Any:
        """Return the value of a number, a matrix, a name, a function or what is in parentheses."""
        word = self.next()
        if word in self.names:
            return self.names[word]
        if word in FUNCTIONS:
            return FUNCTIONS[word](self.factor())
        if word == "e^{":
            return np.exp(self.closed("}")[0])
        if word == r"\max":
            self.next("(")
            return np.maximum(*self.closed(")"))
        if word == "(":
            entries = self.closed(")")
            return entries[0] if len(entries) == 1 else np.array([entries])
        if fraction := re.fullmatch(r"\\frac\{(.*)\}\{(.*)\}", word):
            return self.number(fraction[1]) / self.number(fraction[2])
        if word.startswith(r"\matrix"):
            return self.matrix(self.matrices[int(word.removeprefix(r"\matrix"))])
        return self.number(word)

    def closed(self, end: str) -> list[Any]:
        """Return the values of sums between commas, up to what closes them."""
        values = [self.sum()]
        while self.next(","):
            values.append(self.sum())
        if not self.next(end):
            raise ValueError(f"{end} is missing")
        return values

    def number(self, word: str) -> float:
        """Return the value of a number; one with a point is an entry of something known."""
        value = float(word)
        if "." in word and not any(np.any(np.abs(np.abs(each) - value) < HALF) for each in self.known):
            raise ValueError(f"{word} is no number of the example")
        return value

    def matrix(self, text: str) -> Any:
        """Return the value of a matrix, which must be a known one if numbers are all that is in it."""
        rows = [
            [Reader(entry, [], self.names | {"": self.known}).read() for entry in row.split("&")]
            for row in text.split(r"\\")
        ]
        matrix = np.array(rows)
        if re.search(r"[/+]|\d *-", text) or is_known(matrix, self.known):
            return matrix
        raise ValueError(f"{matrix.tolist()} is no matrix of the example")


def faults(formula: str, page: str) -> Iterator[str]:
    """Yield what is wrong with the equations of a formula in which numbers are typed."""
    names = NAMES | ON_PAGE.get(page, {})
    matrices: list[str] = []

    def put_aside(matrix: re.Match[str]) -> str:
        matrices.append(matrix[1])
        return rf"\matrix{len(matrices) - 1}"

    text = re.sub(
        r"\\label\{.*?\}|\\(begin|end)\{aligned\}|\\,|\\left(?=\()|\\right(?=\))", "", MATRIX.sub(put_aside, formula)
    )
    text = re.sub(r"\^\{(\(\d\)) \\mathsf T\}", r"^{\1}^{\\mathsf T}", text)
    text = " ".join(text.split())
    for equation in re.split(r"\\\\|\\quad|&(?!=)", re.sub(r"\\\\\s*&=", "=", text)):
        sides = equation.replace("&", "").strip(" \n.,").split("=")
        if len(sides) < 2 and not re.search(r"\\matrix|\d\.\d", equation):
            continue
        if r"\mathrm{d}" in equation or not re.search(r"\d|\\matrix", re.sub(r"[_^](\{[^}]*\}+|\d+)", "", equation)):
            continue
        try:
            values = [Reader(side, matrices, names).read() for side in sides]
        except (ValueError, ArithmeticError, TypeError) as error:
            yield f"{equation.strip()}: {error}"
            continue
        if len(values) < 2:
            yield f"{equation.strip()}: equal to nothing"
        for side, value in zip(sides, values, strict=True):
            exact = re.fullmatch(r"\s*(\\matrix\d+|-?[\d.]+)\s*", side) and not re.search(r"\d\.\d{3}", sides[0])
            if not is_near(value, values[0], HALF if exact else ROUNDED):
                found, right = (np.round(each, 6).tolist() for each in (value, values[0]))
                yield f"{equation.strip()}: {side.strip()} is {found}, not {right}"


def worked(page: str) -> str:
    """Return the part of a page that has the example, without its fences."""
    text = FENCE.sub("", (PAGES / f"{page}.md").read_text(encoding="utf-8"))
    if page == "worked_example":
        return text
    parts = [part[0] for part in BY_HAND.finditer(text)]
    return "\n".join([text.partition("\n## Statement")[0], *parts] if parts or page == "matrix_chain_rule" else [])


def formulas(page: str) -> list[str]:
    """Return the formulas of that part."""
    return [displayed or inline for displayed, inline in FORMULA.findall(worked(page))]


WORKED = [path.stem for path in sorted(PAGES.glob("*.md")) if worked(path.stem)]
pages = pytest.mark.parametrize("page", WORKED)


def test_the_foundations_take_their_part() -> None:
    parts = {"affine", "relu", "tanh", "sigmoid", "softmax", "cross_entropy", "likelihood", "one_hot", "batch_mean"}
    assert parts | {"notation", "matrix_chain_rule", "computational_graph", "backward_pass"} <= set(WORKED)


@pages
def test_every_equation_with_numbers_holds(page: str) -> None:
    assert [fault for formula in formulas(page) for fault in faults(formula, page)] == []


@pages
def test_no_number_with_a_point_stands_outside_an_equation(page: str) -> None:
    assert re.findall(r".*\d\.\d.*", FORMULA.sub("", worked(page))) == []


@pages
def test_a_wrong_digit_is_found(page: str) -> None:
    missed = []
    for formula in formulas(page):
        typed = [match.span() for match in re.finditer(r"\d+\.\d+", formula)]
        typed += [match.span() for match in MATRIX.finditer(formula)]
        for place in {place for start, end in typed for place in range(start, end) if formula[place].isdigit()}:
            wrong = formula[:place] + str((int(formula[place]) + 1) % 10) + formula[place + 1 :]
            if not any(faults(wrong, page)):
                missed.append(wrong[max(0, place - 30) : place + 30])
    assert missed == []


DRAWN = {  # pages whose figures show the example: the arrays that are typed in their code, and numbers in their words
    "affine": 2,
    "batch_mean": 2,
    "relu": 2,
    "matrix_chain_rule": 0,
    "computational_graph": 0,
    "worked_example": 2,
}


def misdrawn(text: str, page: str) -> Iterator[str]:
    """Yield the arrays in the figures of a page that are not of the example, and such numbers in their words."""
    names = NAMES | ON_PAGE.get(page, {})
    known = [np.asarray(each) for name, each in names.items() if name] + [
        np.asarray(each) for each in names.get("", [])
    ]
    for fence in FENCE.finditer(text.partition("\n## Shapes")[0]):
        if "figure=" in fence["header"]:
            arrays = map(ast.literal_eval, re.findall(r"np\.array\((\[\[.*?\]\])\)", fence["body"]))
            yield from (str(array) for array in arrays if not is_known(np.array(array), known))
            yield from (
                number
                for number in re.findall(r"\d+\.\d+", fence["header"])
                if not any(np.any(np.abs(np.abs(each) - float(number)) < HALF) for each in known)
            )


@pytest.mark.parametrize("page", DRAWN)
def test_the_figures_show_the_numbers_of_the_example(page: str) -> None:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    assert list(misdrawn(text, page)) == []
    assert text.partition("\n## Shapes")[0].count("np.array([[") >= DRAWN[page]
    head = re.search(r'figure="[^"]*?(\d\.\d+)', text)
    for typed in filter(None, [head, re.search(r"np\.array\(\[\[-?(\d)", text) if DRAWN[page] else None]):
        start = typed.start(1)
        wrong = f"{text[:start]}7{text[start:]}"
        assert list(misdrawn(wrong, page)) != []
