"""One bias gradient for all units of a layer (E1)."""

from dataclasses import replace

import numpy as np

from stages.claims.demonstrations.common import (
    FAILS,
    PASSES,
    RIGHT,
    Demonstration,
    Panel,
    Setup,
    accuracy_curve,
    below,
    gradient_errors,
)


def scalar_bias_gradient(setup: Setup) -> Demonstration:
    """Train with one bias gradient for all units of a layer, and with one for each (E1)."""
    wrong = replace(RIGHT, bias_sum=np.sum)
    trials = setup.train_part(wrong, setup.lengths.updates), setup.right
    errors = gradient_errors(wrong), gradient_errors(RIGHT)
    moved = [float(np.abs(trial.parameters[-1][1] - setup.start[-1][1]).max()) for trial in trials]
    with_it, without = (
        trial.measured()
        | {f"relative error of d{b}": below(error[b]) for b in ("b1", "b2")}
        | {"largest change of an output bias": below(change)}
        for trial, error, change in zip(trials, errors, moved, strict=True)
    )
    return Demonstration(
        min(errors[0]["b1"], errors[0]["b2"]) > FAILS and max(errors[1].values()) < PASSES,
        with_it,
        without,
        f"It trains all the same: {trials[0].ending}, against {trials[1].ending} with a gradient for each bias. But "
        f"db1 and db2 fail a gradient check with relative errors of {errors[0]['b1']:.2f} and {errors[0]['b2']:.2f}. "
        f"As the columns of A - Y sum to 0, the output biases stay where they began: the largest change is "
        f"{below(moved[0])}, against {moved[1]:.2f} with a gradient for each.",
        Panel(
            "E1  one bias gradient for all units",
            [accuracy_curve("one for each", "right", trials[1]), accuracy_curve("one for all", "wrong", trials[0])],
        ),
    )
