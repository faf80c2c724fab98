"""The error as Y - A (E9)."""

from dataclasses import replace

import numpy as np

from stages.claims.demonstrations.common import (
    PASSES,
    RIGHT,
    Demonstration,
    Panel,
    Setup,
    accuracy_curve,
    below,
    gradient_errors,
)
from stages.nn.arrays import Array


def labels_minus_probabilities(A: Array, Y: Array) -> Array:
    """Return Y - A."""
    return np.subtract(Y, A)


def sign_of_the_error(setup: Setup) -> Demonstration:
    """Descend along Y - A, and along A - Y (E9)."""
    wrong = replace(RIGHT, error=labels_minus_probabilities)
    trials = setup.train_part(wrong, setup.lengths.short), setup.right
    errors = min(gradient_errors(wrong).values()), max(gradient_errors(RIGHT).values())
    at = min(5, len(trials[0].losses) - 1, len(trials[1].losses) - 1)
    with_it, without = (
        {
            "relative error of the gradients": below(error),
            "cross-entropy at update 0": trial.losses[0],
            f"cross-entropy at update {at}": trial.losses[at],
            **trial.measured(),
        }
        for trial, error in zip(trials, errors, strict=True)
    )
    return Demonstration(
        errors[0] > 0.99 and errors[1] < PASSES and trials[0].losses[at] > trials[0].losses[0] > trials[1].losses[at],
        with_it,
        without,
        f"Against central differences Y - A has a relative error of {errors[0]:.0f}: it points the other way. From "
        f"{trials[0].losses[0]:.2f} the cross-entropy goes to {trials[0].losses[at]:.2f} in {at} updates, along A - Y "
        f"to {trials[1].losses[at]:.2f}; it ends with {trials[0].ending}.",
        Panel(
            "E9  the error as Y - A",
            [
                accuracy_curve("A - Y", "right", trials[1], setup.lengths.short),
                accuracy_curve("Y - A", "wrong", trials[0]),
            ],
        ),
    )
