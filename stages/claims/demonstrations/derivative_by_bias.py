"""The derivative of z by b (E7)."""

from stages.claims.demonstrations.common import Demonstration, Setup
from stages.nn.gradient_check import numeric_gradient


def derivative_by_bias(setup: Setup) -> Demonstration:
    """Differentiate one unit's z by its b (E7)."""
    rng = setup.rng()
    w, x, b = rng.random(5), rng.random(5), rng.random(1)

    def z() -> float:
        return float(w @ x + b[0])

    derivative = float(numeric_gradient(z, b)[0])
    return Demonstration(
        abs(derivative - 1) < 1e-6 < abs(z() - 1),
        {"derivative of z by b": z()},
        {"derivative of z by b, by central differences": derivative},
        f"Where z is {z():.3f}, its derivative by b is {derivative:.3f} by central differences: 1, and not z.",
    )
