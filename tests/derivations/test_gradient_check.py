"""The statements of docs/derivations/gradient_check.md, proved for symbols and tried in both precisions."""

from typing import Any

import numpy as np
import pytest
import sympy

from stages.nn.gradient_check import numeric_gradient, relative_error

h, size, third, second, epsilon = sympy.symbols("h f f3 f2 epsilon", positive=True)
c = sympy.Symbol("c", real=True)
BOUND = h**2 / 6 * third + epsilon / h * size
BEST = sympy.cbrt(3 * epsilon * size / third)


def series(order: int) -> tuple[Any, list[Any]]:
    """Return Taylor's polynomial f(c + t) as a function of t, and the derivatives that it has at 0."""
    derivatives = list(sympy.symbols(f"d:{order + 1}"))
    return lambda t: sum(d * t**k / sympy.factorial(k) for k, d in enumerate(derivatives)), derivatives


def central(f: Any, step: Any) -> Any:
    return sympy.expand((f(step) - f(-step)) / (2 * step))


def test_even_terms_cancel_and_the_third_derivative_is_left() -> None:
    f, d = series(5)
    assert sympy.expand(central(f, h) - (d[1] + h**2 / 6 * d[3] + h**4 / 120 * d[5])) == 0
    quadratic, d = series(2)
    assert central(quadratic, h) == d[1]


def test_best_step() -> None:
    assert sympy.simplify(BOUND.diff(h).subs(h, BEST)) == 0
    assert sympy.simplify(BOUND.diff(h, 2)) == third / 3 + 2 * epsilon * size / h**3  # above 0: convex, one minimum
    assert sympy.simplify(BOUND.subs(h, BEST) - sympy.Rational(3, 2) * epsilon * size / BEST) == 0
    assert sympy.simplify((h**2 / 6 * third).subs(h, BEST) - epsilon * size / (2 * BEST)) == 0


def test_price_of_another_step() -> None:
    at_best = BOUND.subs(h, BEST)
    assert sympy.simplify(BOUND.subs(h, BEST / 10) / at_best) == pytest.approx(7, abs=0.5)
    assert sympy.simplify(BOUND.subs(h, 10 * BEST) / at_best) == pytest.approx(33, abs=0.5)


@pytest.mark.parametrize(
    ("dtype", "bits", "step", "error"), [(np.float64, 53, 7e-6, 2.4e-11), (np.float32, 24, 6e-3, 1.6e-5)]
)
def test_numbers_of_both_precisions(dtype: Any, bits: int, step: float, error: float) -> None:
    assert 2.0**-bits == np.finfo(dtype).eps / 2
    values = {epsilon: sympy.Rational(1, 2**bits), size: 1, third: 1}
    assert float(BEST.subs(values)) == pytest.approx(step, rel=0.08)
    assert float(BOUND.subs(h, BEST).subs(values)) == pytest.approx(error, rel=0.02)
    thousand = BEST.subs(third, 1000 * third) / BEST
    assert sympy.simplify(thousand) == sympy.Rational(1, 10)


def test_step_of_the_code_in_both_precisions() -> None:
    at_ordinary = BOUND.subs({h: sympy.Rational(1, 10**5), size: 1, third: 1})
    assert float(at_ordinary.subs(epsilon, 2.0**-53)) < 3e-11
    assert float(at_ordinary.subs(epsilon, 2.0**-24)) == pytest.approx(6e-3, rel=0.01)


def test_one_side() -> None:
    f, d = series(2)
    assert sympy.expand((f(h) - f(0)) / h - (d[1] + h / 2 * d[2])) == 0
    bound = h / 2 * second + 2 * epsilon / h * size
    best = 2 * sympy.sqrt(epsilon * size / second)
    assert sympy.simplify(bound.diff(h).subs(h, best)) == 0
    assert sympy.simplify(bound.subs(h, best) - 2 * sympy.sqrt(epsilon * size * second)) == 0
    assert 2 * np.sqrt(2.0**-53) == pytest.approx(2e-8, rel=0.06)


@pytest.mark.parametrize("step", [10.0**-k for k in range(1, 10)])
@pytest.mark.parametrize("at", [-1.0, 0.3, 2.0])
def test_the_error_of_the_code_stays_within_the_bound(step: float, at: float) -> None:
    theta = np.array([at])
    found = numeric_gradient(lambda: float(np.sin(3 * theta[0])), theta, step)[0]
    rounding = 2.0**-53
    place = rounding * abs(at) * 3 / step
    assert abs(found - 3 * np.cos(3 * at)) <= step**2 / 6 * 27 + 4 * rounding / step + 2 * place


def test_rounding_of_the_place() -> None:
    at = 1e6
    assert abs((at + 1e-5) - at - 1e-5) / 1e-5 < 2.0**-53 * at / 1e-5 < 2e-5


def test_measure_of_a_factor() -> None:
    factor, norm = sympy.symbols("k g", positive=True)
    error = sympy.Abs(1 - factor) * norm / (norm + factor * norm)
    assert sympy.simplify(error - sympy.Abs(1 - factor) / (1 + factor)) == 0
    g = np.array([3.0, -1, 2])
    assert relative_error(g, g / 2) == pytest.approx(float(error.subs({factor: sympy.Rational(1, 2)})), rel=1e-14)
    assert relative_error(g, g / 2) == pytest.approx(1 / 3)
    assert relative_error(g, -g) == 1


def test_measure_is_between_0_and_1_and_the_same_for_multiples() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        g, other = rng.normal(size=(2, 4))
        error = relative_error(g, other)
        assert 0 <= error <= 1
        assert relative_error(1e-9 * g, 1e-9 * other) == pytest.approx(error, rel=1e-12)
        assert relative_error(other, g) == error


@pytest.mark.parametrize("n", [4, 100, 10_000])
def test_measure_of_one_forgotten_entry(n: int) -> None:
    g = np.ones(n)
    g[1::2] = -1
    forgotten = np.where(np.arange(n) == 2, 0, g)
    assert relative_error(forgotten, g) == pytest.approx(1 / (2 * np.sqrt(n)), rel=1 / n)


def test_what_passes_is_right_up_to_the_norm() -> None:
    """With equality only in a single direction: g' a little longer than g."""
    bound, norm, other = sympy.symbols("t g g2", positive=True)
    longest = sympy.solve((other - norm) - bound * (norm + other), other)[0]
    assert sympy.series((longest - norm) / norm, bound, 0, 2).removeO() == 2 * bound


def test_kink() -> None:
    w, w2 = sympy.symbols("w w2", real=True)
    inside = (w2 * (c + h) - w * (c - h)) / (2 * h)
    assert sympy.expand(inside - (w2 - (w2 - w) / 2 * (1 - c / h))) == 0
    theta = np.zeros(1)

    def bent() -> float:
        return float(np.where(theta > 0, 5 * theta, 2 * theta)[0])

    for share in (0.0, 0.3, 0.99):
        for step in (1e-2, 1e-5):
            theta[0] = share * step
            found = numeric_gradient(bent, theta, step)[0]
            assert found == pytest.approx(5 - 3 / 2 * (1 - share), rel=1e-9)


def test_complex_step() -> None:
    f, d = series(3)
    imaginary = sympy.im(sympy.expand(f(sympy.I * h)).subs({each: sympy.Symbol(str(each), real=True) for each in d}))
    real = [sympy.Symbol(str(each), real=True) for each in d]
    assert sympy.expand(imaginary / h - (real[1] - h**2 / 6 * real[3])) == 0
    assert np.exp(0.3 + 1e-20j).imag / 1e-20 == pytest.approx(np.exp(0.3), rel=1e-15)


def test_two_steps_put_together() -> None:
    f, d = series(6)
    together = (4 * central(f, h / 2) - central(f, h)) / 3
    assert sympy.expand(together - (d[1] - h**4 / 480 * d[5])) == 0
    assert (2.0**-53) ** (1 / 5) == pytest.approx(6e-4, rel=0.08)
    assert (2.0**-53) ** (4 / 5) == pytest.approx(2e-13, rel=0.15)


def test_a_multiple_of_the_loss_has_the_same_relative_error_and_a_constant_not() -> None:
    factor, first = sympy.symbols("k f1", positive=True)
    scaled = BOUND.subs({size: factor * size, third: factor * third}, simultaneous=True)
    assert sympy.simplify(scaled / (factor * first) - BOUND / first) == 0
    assert sympy.simplify(BEST.subs({size: factor * size, third: factor * third}, simultaneous=True) - BEST) == 0
    theta, exact = np.array([0.7]), np.cos(0.7)
    alone = numeric_gradient(lambda: float(np.sin(theta[0])), theta)[0]
    lifted = numeric_gradient(lambda: float(np.sin(theta[0]) + 60_000), theta)[0]
    assert abs(alone - exact) < 1e-10 < 1e-9 < abs(lifted - exact)
