"""A sum with a term too many (E11)."""

import numpy as np

from stages.claims.demonstrations.common import LAYER_SIZES, Demonstration, Setup


def terms_of_a_sum(setup: Setup) -> Demonstration:
    """Sum over classes from 0 to c, and from 0 to c - 1 (E11)."""
    classes = LAYER_SIZES[-1]
    probabilities = np.full(classes, 1 / classes)

    def total(indices: range) -> str:
        try:
            return f"{sum(probabilities[k] for k in indices):.2f}"
        except IndexError as error:
            return str(error)

    one_too_many, right = range(classes + 1), range(classes)
    return Demonstration(
        "out of bounds" in total(one_too_many) and total(right) == "1.00",
        {"terms": len(one_too_many), "sum of the probabilities": total(one_too_many)},
        {"terms": len(right), "sum of the probabilities": total(right)},
        f"From 0 to {classes} there are {len(one_too_many)} terms for {classes} classes, and the sum of the "
        f"probabilities ends with an error: {total(one_too_many)}. From 0 to {classes - 1} it is {total(right)}.",
    )
