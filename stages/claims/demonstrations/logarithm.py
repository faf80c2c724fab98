"""A cross-entropy to base 10 (E10)."""

import numpy as np

from stages.claims.demonstrations.common import Demonstration, Setup


def logarithm(setup: Setup) -> Demonstration:
    """Compute -log 0.80 to both bases (E10)."""
    common, natural = float(-np.log10(0.80)), float(-np.log(0.80))
    return Demonstration(
        round(common, 3) == 0.097 != round(natural, 3),
        {"-log10(0.80)": common},
        {"-ln(0.80)": natural},
        f"To base 10 it is {common:.4f}; the natural logarithm, whose derivative is 1/x, gives {natural:.4f}.",
    )
