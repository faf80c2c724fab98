"""The statements of docs/derivations/deformation.md, proved in all entries of a small image."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.deformation import Deformation, smoothing
from stages.nn.layer import Start

SIDE = 3
PIXELS = list(product(range(SIDE), repeat=2))
x = sympy.Matrix(SIDE**2, 1, sympy.symbols("x:9"))
g = sympy.Matrix(SIDE**2, 1, sympy.symbols("g:9"))
c, c1, c2, c3, angle = sympy.symbols("c c1 c2 c3 iota", real=True)
length = sympy.Symbol("Delta", positive=True)


def f(distance: Any) -> Any:
    return sympy.Max(0, 1 - sympy.Abs(distance))


def matrix(places: list[tuple[Any, Any]]) -> Any:
    """Return T for the places of the output's pixels, from its definition."""
    return sympy.Matrix([[f(row - i) * f(column - j) for i, j in PIXELS] for row, column in places])


def fraction(n: int) -> Any:
    return sympy.Rational(n, 4)


SOME = [(fraction(3 * k - 5), fraction(17 - 4 * k)) for k in range(9)]  # inside, on the border and outside


@pytest.mark.parametrize("place", list(product((0, 1, 3, 5, 8), repeat=2)))
def test_the_products_of_two_tents_interpolate_along_rows_and_then_between_them(place: tuple[int, int]) -> None:
    """Bilinear in a cell: equal at more than two points in each direction, so everywhere."""
    row, column = map(fraction, place)
    up, left = min(int(row), SIDE - 2), min(int(column), SIDE - 2)
    image = x.reshape(SIDE, SIDE)
    along = [image[i, left] + (column - left) * (image[i, left + 1] - image[i, left]) for i in (up, up + 1)]
    expected = along[0] + (row - up) * (along[1] - along[0])
    assert sympy.expand((matrix([(row, column)]) * x)[0] - expected) == 0


def test_gradient_is_the_transpose() -> None:
    T = matrix(SOME)
    J = sympy.sin((g.T * T * x)[0])
    assert sympy.expand(sympy.Matrix(J.diff(x)) - T.T * sympy.cos((g.T * T * x)[0]) * g) == sympy.zeros(9, 1)


def test_sums_of_rows() -> None:
    T = matrix(SOME)
    for (row, column), total in zip(SOME, T * sympy.ones(9, 1), strict=True):
        inside = 0 <= row <= SIDE - 1 and 0 <= column <= SIDE - 1
        outside = not (-1 < row < SIDE and -1 < column < SIDE)
        assert total == 1 if inside else total == 0 if outside else 0 < total < 1
    assert min(T) >= 0


class Given:
    """In place of a generator: gives numbers that are chosen, in the order in which the layer asks for them."""

    def __init__(self, *numbers: Any) -> None:
        self.numbers = iter(numbers)

    def uniform(self, low: float, high: float, size: Any) -> Any:
        """Return the next of the numbers."""
        return np.broadcast_to(np.array(next(self.numbers), float), size)


TURN = sympy.Matrix([[sympy.cos(angle), -sympy.sin(angle)], [sympy.sin(angle), sympy.cos(angle)]])
LAMBDA = sympy.Matrix([[1, 0], [c3, 1]]) * TURN * sympy.diag(1 + c1, 1 + c2)


def test_the_matrix_of_the_code_is_the_product_and_its_determinant_is_that_of_the_scaling() -> None:
    assert sympy.simplify(LAMBDA.det() - (1 + c1) * (1 + c2)) == 0
    values = {angle: sympy.Rational(7, 10), c1: fraction(1), c2: -fraction(1) / 2, c3: fraction(2)}
    center = sympy.ones(2, 1)
    h = sympy.Matrix([fraction(5), -fraction(3)])
    layer: Any = Deformation((SIDE, SIDE, 1), Start(np.random.default_rng(0)))
    rng = Given(values[angle], [[values[c1]], [values[c2]]], values[c3], np.array(h, float))
    expected = [LAMBDA.subs(values) * (sympy.Matrix(pixel) - center) + center + h for pixel in PIXELS]
    found = layer.places(1, rng)[:, 0]
    np.testing.assert_allclose(found, np.array(sympy.Matrix.hstack(*expected).evalf(), float), rtol=0, atol=1e-6)


def test_layer_is_the_matrix_and_its_transpose() -> None:
    layer: Any = Deformation((SIDE, SIDE, 1), Start(np.random.default_rng(0)))
    h = fraction(1), -fraction(6)
    T = matrix([(row + h[0], column + h[1]) for row, column in PIXELS])
    image = sympy.Matrix(9, 1, range(1, 10))
    Y = layer.forward(np.array(image, float), Given(0, 0, 0, np.array([[h[0]], [h[1]]], float)))
    np.testing.assert_array_equal(Y, np.array(T * image, float))
    np.testing.assert_array_equal(layer.backward(np.array(image, float)), np.array(T.T * image, float))


def test_weights_of_the_field_have_the_square_sum_1_for_any_nodes() -> None:
    distances = sympy.symbols("d:4", positive=True)
    weights = [sympy.exp(-(d**2) / (2 * length**2)) for d in distances]
    root = sympy.sqrt(sum(sympy.exp(-(d**2) / length**2) for d in distances))
    assert sympy.simplify(sum((weight / root) ** 2 for weight in weights)) == 1


def test_overlap_and_correlation() -> None:
    exponents = ((c - c1) ** 2 + (c - c2) ** 2) / (2 * length**2)
    completed = (c1 - c2) ** 2 / (4 * length**2) + (c - (c1 + c2) / 2) ** 2 / length**2
    assert sympy.expand(exponents - completed) == 0
    alone = sympy.integrate(sympy.exp(-(c**2) / length**2), (c, -sympy.oo, sympy.oo))
    assert alone == length * sympy.sqrt(sympy.pi)
    assert float(sympy.exp(-sympy.Rational(1, 4))) == pytest.approx(0.78, abs=0.005)
    assert float(sympy.exp(-4)) == pytest.approx(0.02, abs=0.005)


def test_stretch_of_neighbors() -> None:
    small = sympy.Symbol("s", positive=True)  # 1 / Delta
    variance = 2 * (1 - sympy.exp(-(small**2) / 4))
    assert sympy.series(variance, small, 0, 4).removeO() == small**2 / 2


def test_nodes_that_are_the_length_apart_are_close_enough() -> None:
    frequency = sympy.Symbol("nu", positive=True)
    gaussian = sympy.exp(-(c**2) / length**2)
    wave = sympy.integrate(gaussian * sympy.cos(2 * sympy.pi * frequency * c), (c, -sympy.oo, sympy.oo))
    share = wave / sympy.integrate(gaussian, (c, -sympy.oo, sympy.oo))
    for k in (1, 2):
        assert sympy.simplify(share.subs(frequency, k / length) - sympy.exp(-(k**2) * sympy.pi**2)) == 0
    bound = 2.1 * np.exp(-(np.pi**2))
    assert 2 * sum(np.exp(-(k**2) * np.pi**2) for k in range(1, 9)) < bound < 1 / 9000
    for offset in np.linspace(0, 1, 9):
        total = np.exp(-((np.arange(-20, 21) + offset) ** 2)).sum()
        assert abs(total / np.sqrt(np.pi) - 1) < bound


def test_the_field_of_the_code() -> None:
    weights = smoothing(28, 4).astype(float)
    assert weights.shape == (28, 8)
    correlation = weights @ weights.T
    middle, border = correlation[12, 16], correlation[0, 4]
    assert middle == pytest.approx(np.exp(-1 / 4), abs=2e-4)
    assert border == pytest.approx(0.83, abs=0.005)


def shifted(row: int, column: int) -> Any:
    return matrix([(i + row, j + column) for i, j in PIXELS])


def test_whole_shifts_blur_on_average_and_the_squared_error_punishes_what_answers_to_them() -> None:
    draws = [shifted(*shift) for shift in product((-1, 0, 1), repeat=2)]
    mean = sum(draws[1:], draws[0]) / 9
    middle = PIXELS.index((1, 1))
    assert mean[middle, :] == sympy.ones(1, 9) / 9
    answers = sympy.symbols("a:9")
    of_mean = sum(answers) / 9
    loss = sum((answer - c) ** 2 for answer in answers) / 9
    variance = sum((answer - of_mean) ** 2 for answer in answers) / 9
    assert sympy.expand(loss - (of_mean - c) ** 2 - variance) == 0
    w, image = sympy.Matrix(9, 1, range(-4, 5)), sympy.Matrix(9, 1, [k**2 for k in range(9)])
    given = {answer: (w.T * T * image)[0] for answer, T in zip(answers, draws, strict=True)}
    assert of_mean.subs(given) == (w.T * mean * image)[0]
    covariance = sympy.zeros(9, 9)
    for T in draws:
        covariance += (T - mean) * image * image.T * (T - mean).T / 9
    assert variance.subs(given) == (w.T * covariance * w)[0] != 0


def test_strength_of_simard_steinkraus_and_platt() -> None:
    density = sympy.exp(-(c**2) / (2 * length**2)) / (2 * sympy.pi * length**2)
    squares = sympy.integrate(density**2 * 2 * sympy.pi * c, (c, 0, sympy.oo))
    assert sympy.simplify(squares - 1 / (4 * sympy.pi * length**2)) == 0
    of_noise = sympy.integrate(c**2 / 2, (c, -1, 1))
    assert float(34 * sympy.sqrt(of_noise * squares.subs(length, 4))) == pytest.approx(1.38, abs=0.005)


def test_a_quarter_turn_needs_no_interpolation_and_half_a_pixel_does() -> None:
    turn = TURN.subs(angle, sympy.pi / 2)
    center = sympy.ones(2, 1)
    T = matrix([tuple(turn * (sympy.Matrix(pixel) - center) + center) for pixel in PIXELS])
    assert T * T.T == sympy.eye(9)
    assert set(T) == {0, 1}
    half = matrix([(i, j + sympy.Rational(1, 2)) for i, j in PIXELS])
    stripes, ones = sympy.Matrix([(-1) ** j for _, j in PIXELS]), sympy.ones(9, 1)
    inner = [k for k, (_, j) in enumerate(PIXELS) if j < SIDE - 1]
    assert {(half * stripes)[k] for k in inner} == {0}
    assert {(half * ones)[k] for k in inner} == {1}
