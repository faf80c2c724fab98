"""The identities of docs/derivations/gelu.md, and expectations by quadrature."""

from typing import Any

import numpy as np
import sympy

from stages.nn.gelu import CUBIC, SLOPE, gelu, gelu_backward

z = sympy.Symbol("z", real=True)
c1, c3 = sympy.symbols("c1 c3", positive=True)
DENSITY = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
PHI = (1 + sympy.erf(z / sympy.sqrt(2))) / 2


def form(u: Any) -> Any:
    return z * (1 + sympy.tanh(u)) / 2


def test_the_slope_of_the_definition() -> None:
    assert sympy.simplify(PHI.diff(z) - DENSITY) == 0
    assert sympy.simplify((z * PHI).diff(z) - (PHI + z * DENSITY)) == 0


def test_the_expectation_of_a_random_gate_is_the_definition() -> None:
    draws, rng = 200_000, np.random.default_rng(0)
    for value in (-1.0, 0.5, 2.0):
        gated = value * (rng.standard_normal(draws) <= value)
        error = gated.std(ddof=1) / np.sqrt(draws)
        assert abs(gated.mean() - float((z * PHI).subs(z, value))) < 4 * error


def test_the_series_agree_up_to_the_third_power_for_the_constants_of_the_text() -> None:
    difference = sympy.series(PHI - (1 + sympy.tanh(c1 * z + c3 * z**3)) / 2, z, 0, 4).removeO()
    (found,) = sympy.solve(sympy.Poly(difference, z).coeffs(), [c1, c3], dict=True)
    assert sympy.simplify(found[c1] - sympy.sqrt(2 / sympy.pi)) == 0
    ratio = sympy.simplify(found[c3] / found[c1])
    assert sympy.simplify(ratio - (4 - sympy.pi) / (6 * sympy.pi)) == 0
    assert float(ratio) > CUBIC > 0.98 * float(ratio)


def test_the_slope_of_what_is_computed() -> None:
    u = c1 * z + c3 * z**3
    t = sympy.tanh(u)
    derived = (1 + t) * (1 + (1 - t) * z * u.diff(z)) / 2
    assert sympy.expand(form(u).diff(z) - derived) == 0
    assert sympy.expand(z * u.diff(z) - (c1 * z + 3 * c3 * z**3)) == 0


def test_the_steepest_places_and_the_lowest() -> None:
    slope = PHI + z * DENSITY
    assert sympy.simplify(slope.diff(z) - (2 - z**2) * DENSITY) == 0
    at = slope.subs(z, sympy.sqrt(2))
    assert abs(float(at) - 1.129) < 5e-4
    assert abs(float(slope.subs(z, -sympy.sqrt(2))) - (1 - float(at))) < 1e-15
    lowest = sympy.nsolve(slope, z, -0.75)
    assert abs(float(lowest) + 0.752) < 5e-4
    assert abs(float((z * PHI).subs(z, lowest)) + 0.17) < 5e-4


def test_the_difference_to_the_mirror_image_is_the_input() -> None:
    for function in (z * PHI, form(c1 * z + c3 * z**3)):
        assert sympy.simplify(function - function.subs(z, -z) - z) == 0


def test_the_mean_square_of_what_becomes_of_normal_numbers() -> None:
    by_parts = sympy.Rational(1, 3) + sympy.integrate(DENSITY**3, (z, -sympy.oo, sympy.oo))
    assert sympy.simplify(by_parts - (sympy.Rational(1, 3) + 1 / (2 * sympy.pi * sympy.sqrt(3)))) == 0
    numbers = np.linspace(-12, 12, 24_001)
    exact = sympy.lambdify(z, z**2 * PHI**2 * DENSITY, ["scipy", "numpy"])(numbers)
    assert abs(np.trapezoid(exact, numbers) - float(by_parts)) < 1e-10
    ours = gelu(numbers) ** 2 * np.exp(-(numbers**2) / 2) / np.sqrt(2 * np.pi)
    assert abs(np.trapezoid(ours, numbers) - float(by_parts)) < 1e-3


def test_the_cheaper_form_is_the_same_with_another_u() -> None:
    s = 1 / (1 + sympy.exp(-c1 * z))
    assert sympy.simplify(z * s - form(c1 * z / 2).rewrite(sympy.exp)) == 0
    assert sympy.simplify((z * s).diff(z) - s * (1 + c1 * z * (1 - s))) == 0
    numbers = np.linspace(-8, 8, 1601)
    exact = sympy.lambdify(z, z * PHI, ["scipy", "numpy"])(numbers)
    error = np.abs(numbers / (1 + np.exp(-1.702 * numbers)) - exact).max()
    assert 0.019 < error < 0.021
    assert 35 < error / np.abs(gelu(numbers) - exact).max() < 45


def test_the_code_computes_the_formulas() -> None:
    u = sympy.Float(SLOPE, 30) * (z + sympy.Float(CUBIC, 30) * z**3)
    for value in (-3.0, -0.5, 0.0, 0.25, 2.0):
        for code, formula in ((gelu, form(u)), (lambda at: gelu_backward(at, np.ones(1)), form(u).diff(z))):
            expected = float(formula.subs(z, sympy.Float(value, 30)).evalf(30))
            np.testing.assert_allclose(code(np.array([value])), expected, rtol=1e-12, atol=1e-16)
