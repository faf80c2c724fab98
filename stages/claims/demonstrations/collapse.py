"""Training that collapses: pixels up to 255 (W3.3), one softmax sum for all (W3.4), no mean (W3.5)."""

from dataclasses import replace

import numpy as np

from stages.claims import as_printed
from stages.claims.as_printed import WriteUp
from stages.claims.demonstrations.common import (
    LAYER_SIZES,
    PATIENCE,
    RIGHT,
    Demonstration,
    Measured,
    Panel,
    Setup,
    accuracy_curve,
    train,
)
from stages.nn.arrays import Array


def collapse(
    setup: Setup,
    title: str,
    heeded: str,
    plain: WriteUp,
    stable: WriteUp,
    scale: int = 1,
    until_nan: bool = False,
) -> Demonstration:
    """Train on all images against a warning, with the plain softmax and with a stable one.

    Parameters
    ----------
    setup : Setup
        The images.
    title, heeded : str
        What the warning is about, and what heeding it is called.
    plain, stable : WriteUp
        The right network without what the warning asks for.
    scale : int
        Multiplies the pixels.
    until_nan : bool
        Whether to go on when every image gets the same class, as the logits will overflow.
    """
    lengths, right = setup.lengths, setup.right_on_all
    updates, patience = (lengths.overflow, lengths.overflow + 2) if until_nan else (lengths.short, PATIENCE)
    X = setup.X * np.float32(scale) if scale != 1 else setup.X
    trials = {
        f"{name} softmax": train(setup.start, X, setup.y, write_up, updates, patience)
        for name, write_up in (("plain", plain), ("stable", stable))
    }
    without: Measured = {}
    for name, trial in trials.items():
        without |= trial.measured(f"{name}: ") | {
            f"{name}: images with NaN": trial.nan_share,
            f"{name}: units zero on every image": trial.dead,
        }
    broken, lost = trials.values()
    return Demonstration(
        broken.nan_share > 0
        and lost.accuracies[-1] < right.accuracy_at(lost.updates)
        and lost.updates > broken.updates,
        right.measured(),
        without,
        f"Plain softmax: {broken.ending}, in {broken.nan_share:.2%} of the images. Stable softmax: from "
        f"{lost.accuracies[0]:.1%} to {lost.accuracies[-1]:.1%}, then {lost.ending}, with {lost.dead} of "
        f"{LAYER_SIZES[1]} hidden units zero on every image. {heeded.capitalize()}: {right.ending}.",
        Panel(
            title,
            [
                accuracy_curve(heeded, "right", right),
                accuracy_curve("stable softmax", "other", lost, lengths.short),
                accuracy_curve("plain softmax", "wrong", broken),
            ],
        ),
    )


def pixels_not_divided(setup: Setup) -> Demonstration:
    """Train on pixels from 0 to 255 (W3.3)."""
    plain = replace(RIGHT, softmax=as_printed.softmax)
    return collapse(setup, "W3.3  pixels not divided by 255", "divided by 255", plain, RIGHT, scale=255)


def stable_softmax_over_everything(Z: Array) -> Array:
    """Return e^Z over the sum of all its entries, computed with the maximum subtracted."""
    return as_printed.softmax_over_everything(Z - Z.max())


def one_sum_for_all(setup: Setup) -> Demonstration:
    """Train with a softmax that divides by the sum of the whole matrix, until its logits overflow (W3.4)."""
    plain = replace(RIGHT, softmax=as_printed.softmax_over_everything)
    stable = replace(RIGHT, softmax=stable_softmax_over_everything)
    return collapse(setup, "W3.4  one softmax sum for all", "a sum for each column", plain, stable, until_nan=True)


def no_mean(setup: Setup) -> Demonstration:
    """Train with gradients that are not divided by the number of images (W3.5)."""
    stable = replace(RIGHT, mean=False)
    plain = replace(stable, softmax=as_printed.softmax)
    return collapse(setup, "W3.5  no factor 1/m", "with 1/m", plain, stable)
