"""What must sum to 1 for A - Y to be the gradient (E8)."""

import numpy as np

from stages.claims.demonstrations.common import FAILS, PASSES, Demonstration, Measured, Setup, below
from stages.nn.arrays import Array
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.softmax import softmax


def sums_of_labels(setup: Setup) -> Demonstration:
    """Check A - Y with labels that sum to 2 and to 1, beside probabilities that always sum to 1 (E8)."""
    Z = setup.rng().standard_normal((4, 6))
    A = softmax(Z)
    one = np.eye(4)[:, np.arange(6) % 4]
    two = one + np.roll(one, 1, axis=0)

    def error(Y: Array, dZ: Array) -> float:
        return relative_error(dZ, numeric_gradient(lambda: float(-(Y * np.log(softmax(Z))).sum()), Z))

    def measured(Y: Array) -> Measured:
        sums = {"sum of probabilities": float(A.sum(axis=0).mean()), "sum of labels": int(Y.sum(axis=0)[0])}
        return {**sums, "relative error of A - Y": below(error(Y, A - Y))}

    return Demonstration(
        error(two, A - two) > FAILS and max(error(one, A - one), error(two, 2 * A - two)) < PASSES,
        measured(two),
        measured(one),
        f"The probabilities sum to 1 either way. With one-hot labels A - Y passes a gradient check "
        f"({below(error(one, A - one))}); with labels that sum to 2 it is off by {error(two, A - two):.2f}, and 2A - Y "
        f"passes ({below(error(two, 2 * A - two))}): what counts is the labels' sum.",
    )
