"""A softmax of each entry by itself (E12)."""

from collections.abc import Callable

import numpy as np

from stages.claims.demonstrations.common import Demonstration, Measured, Setup
from stages.nn.arrays import Array
from stages.nn.gradient_check import numeric_gradient
from stages.nn.softmax import softmax


def softmax_by_entry(setup: Setup) -> Demonstration:
    """Take the softmax of each entry by itself, and of the column (E12)."""
    z = np.array([[1.0], [2.0], [3.0]])

    def by_entry(z: Array) -> Array:
        return np.hstack([softmax(entry) for entry in z.reshape(-1, 1, 1)]).T

    def measured(function: Callable[[Array], Array]) -> Measured:
        slope = float(numeric_gradient(lambda: float(function(z)[0, 0]), z)[1, 0])
        return {"sum of a column": float(function(z).sum()), "derivative of a1 by z2": slope}

    with_it, without, A = measured(by_entry), measured(softmax), softmax(z)
    return Demonstration(
        with_it == {"sum of a column": 3.0, "derivative of a1 by z2": 0.0}
        and abs(float(without["derivative of a1 by z2"]) + A[0, 0] * A[1, 0]) < 1e-9,
        with_it,
        without,
        f"By itself each entry has the softmax 1, and a column of three sums to {with_it['sum of a column']:.0f}. Over "
        f"the column they sum to {without['sum of a column']:.0f}, and a1 changes with z2, at the rate -a1 a2 = "
        f"{without['derivative of a1 by z2']:.4f}.",
    )
