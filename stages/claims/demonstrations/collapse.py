"""Training that collapses: pixels up to 255 (W3.3), one softmax sum for all (W3.4), no mean (W3.5)."""

from dataclasses import dataclass, replace

import numpy as np

from stages.claims import as_printed
from stages.claims.as_printed import Parameters, WriteUp
from stages.claims.demonstrations.common import (
    LAYER_SIZES,
    PATIENCE,
    RIGHT,
    Demonstration,
    Measured,
    Panel,
    Setup,
    Trial,
    accuracy_curve,
    train,
)
from stages.nn.arrays import Array, Labels

FEW = 10  # iterations: NaN within them
EXPLODED = 10  # times as large as at the start is a largest weight that has exploded
STABLE, UNSTABLE = 2, 5  # times as large on all images as on a tenth of them: less than the one, at least the other


@dataclass(frozen=True)
class Collapse:
    """What became of training against a warning: with the plain softmax, with a stable one, and done right."""

    broken: Trial
    lost: Trial
    right: Trial
    demonstration: Demonstration

    @property
    def ruined(self) -> bool:
        """Whether both trainings failed."""
        return self.broken.ruined(self.right) and self.lost.ruined(self.right)


def collapse(
    setup: Setup,
    title: str,
    heeded: str,
    plain: WriteUp,
    stable: WriteUp,
    scale: int = 1,
    until_nan: bool = False,
) -> Collapse:
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
    demonstration = Demonstration(
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
    return Collapse(broken, lost, right, demonstration)


def largest_weight(parameters: Parameters) -> float:
    """Return the largest absolute value of a weight."""
    return max(float(np.abs(W).max()) for W, _ in parameters)


def pixels_not_divided(setup: Setup) -> Demonstration:
    """Train on pixels from 0 to 255 (W3.3)."""
    plain = replace(RIGHT, softmax=as_printed.softmax)
    found = collapse(setup, "W3.3  pixels not divided by 255", "divided by 255", plain, RIGHT, scale=255)
    shown = found.demonstration
    start, end = largest_weight(setup.start), largest_weight(found.lost.parameters)
    return replace(
        shown,
        without=shown.without | {"stable softmax: largest weight, times that at the start": end / start},
        finding=f"{shown.finding} With the stable softmax the largest weight goes from {start:.2f} to {end:.2f}.",
        parts={
            "NaN within a few iterations": found.broken.nan_share > 0 and found.broken.updates <= FEW,
            "the weights explode": end >= EXPLODED * start,
        },
    )


def stable_softmax_over_everything(Z: Array) -> Array:
    """Return e^Z over the sum of all its entries, computed with the maximum subtracted."""
    return as_printed.softmax_over_everything(Z - Z.max())


def one_sum_for_all(setup: Setup) -> Demonstration:
    """Train with a softmax that divides by the sum of the whole matrix, until its logits overflow (W3.4)."""
    plain = replace(RIGHT, softmax=as_printed.softmax_over_everything)
    stable = replace(RIGHT, softmax=stable_softmax_over_everything)
    found = collapse(setup, "W3.4  one softmax sum for all", "a sum for each column", plain, stable, until_nan=True)
    return replace(found.demonstration, parts={"one sum for all ruins the training": found.ruined})


def no_mean(setup: Setup) -> Demonstration:
    """Train with gradients that are not divided by the number of images (W3.5)."""
    stable = replace(RIGHT, mean=False)
    found = collapse(setup, "W3.5  no factor 1/m", "with 1/m", replace(stable, softmax=as_printed.softmax), stable)
    shown, tenth = found.demonstration, len(setup.y) // 10

    def growth(write_up: WriteUp) -> float:
        norms = [gradient_norm(setup.start, setup.X[:, :m], setup.y[:m], write_up) for m in (tenth, len(setup.y))]
        return norms[1] / norms[0]

    with_mean, without_mean, what = growth(RIGHT), growth(stable), "gradient on all images, times that on a tenth"
    return replace(
        shown,
        with_it=shown.with_it | {what: with_mean},
        without=shown.without | {what: without_mean},
        finding=f"{shown.finding} The gradient of the untrained network on all images is {with_mean:.2f} times as long "
        f"as on a tenth of them with 1/m, and {without_mean:.2f} times without.",
        parts={
            "the gradients keep their size": with_mean < STABLE and without_mean >= UNSTABLE,
            "training needs it": found.ruined,
        },
    )


def gradient_norm(parameters: Parameters, X: Array, y: Labels, write_up: WriteUp) -> float:
    """Return the norm of the whole gradient."""
    Zs, As = as_printed.forward(parameters, X, write_up)
    gradients = as_printed.backward(parameters, Zs, As, y, write_up)
    return float(np.sqrt(sum(np.sum(np.square(array)) for pair in gradients for array in pair)))
