"""What the demonstrations share: trials of a network, and the form of what comes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from stages.claims import as_printed
from stages.claims.as_printed import W5, Parameters, WriteUp
from stages.nn.arrays import Array, Labels
from stages.nn.gradient_check import numeric_gradient, relative_error

LAYER_SIZES = [784, 10, 10]
RATE = 0.1
SEED = 0
RIGHT = W5  # nothing of it is wrong; each demonstration changes one thing of it
PATIENCE = 20  # measurements in a row with one class for every image, after which nothing more will come
PASSES, FAILS = 1e-7, 1e-3  # relative errors below which a gradient passes its check, above which it clearly fails
Measured = dict[str, float | int | str]
Kind = Literal["right", "wrong", "other"]


@dataclass(frozen=True)
class Lengths:
    """How long the trials are.

    Attributes
    ----------
    columns : int
        Training images for what does not need all of them.
    updates : int
        Updates of the longer trials on these.
    short : int
        Updates of the shorter trials on these, and of those on all training images.
    overflow : int
        Updates after which logits that grow without end are given up on.
    draws : int
        Random batches to measure the spread of a gradient with.
    seeds, columns_of_seeds : int
        Starts of what is trained from several, and training images for that.
    """

    columns: int = 10_000
    updates: int = 200
    short: int = 100
    overflow: int = 400
    draws: int = 20
    seeds: int = 6
    columns_of_seeds: int = 4_000


@dataclass
class Trial:
    """What a trial did, up to where its verdict was clear.

    Attributes
    ----------
    parameters : list of tuple
        Those at the end.
    accuracies, losses, plotted : list of float
        Accuracy, mean cross-entropy and W3's plotted loss, before the first update and after each.
    nan_share : float
        Share of the images with NaN among their probabilities; where it is not 0, the trial ended.
    stuck : bool
        Whether it ended because every image got the same class again and again.
    dead : int
        Units of the first hidden layer that were zero on every image at the end.
    """

    parameters: Parameters
    accuracies: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    plotted: list[float] = field(default_factory=list)
    nan_share: float = 0.0
    stuck: bool = False
    dead: int = 0

    @property
    def updates(self) -> int:
        """Number of updates made when it ended."""
        return len(self.accuracies) - (0 if self.nan_share else 1)

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.nan_share:
            return f"NaN at update {self.updates}"
        if self.stuck:
            first = self.updates - PATIENCE + 1
            return f"one class for every image from update {first} on ({self.accuracies[-1]:.1%})"
        return f"{self.accuracies[-1]:.1%} after {self.updates} updates"

    def ruined(self, right: "Trial") -> bool:
        """Return whether it ended with NaN, or less accurate than the right network after as many updates."""
        return self.nan_share > 0 or self.accuracies[-1] < right.accuracy_at(self.updates)

    def accuracy_at(self, update: int) -> float:
        """Return the accuracy after so many updates, or the last one before."""
        return self.accuracies[: update + 1][-1]

    def measured(self, prefix: str = "") -> Measured:
        """Return its first accuracy, its last one and its ending."""
        accuracies: Measured = {
            f"{prefix}accuracy at update {at}": self.accuracies[at]
            for at in sorted({0, len(self.accuracies) - 1})
            if self.accuracies
        }
        return accuracies | {f"{prefix}end": self.ending}


def train(
    start: Parameters,
    X: Array,
    y: Labels,
    write_up: WriteUp,
    updates: int,
    patience: int = PATIENCE,
    rate: float = RATE,
) -> Trial:
    """Train on all columns at once, until the verdict is clear.

    Parameters
    ----------
    start : list of tuple
        Parameters to begin with.
    X, y : ndarray of shape (features, m) and (m,)
        Images and labels.
    write_up : WriteUp
        How it is done.
    updates : int
        Number of updates after which it ends in any case; NaN ends it before.
    patience : int
        Measurements in a row that give every image the same class, after which it ends too.
    rate : float
        Learning rate.
    """
    result, same = Trial(start), 0
    for update in range(updates + 1):
        Zs, As = as_printed.forward(result.parameters, X, write_up)
        A = As[-1]
        result.dead = zero_everywhere(As[1])
        result.nan_share = nan_share(A)
        if result.nan_share:
            break
        predicted = A.argmax(axis=0)
        result.accuracies.append(float((predicted == y).mean()))
        result.losses.append(mean_cross_entropy(A, y))
        result.plotted.append(as_printed.plotted_loss(as_printed.one_hot_of_ten(y, A.dtype), A))
        same = same + 1 if (predicted == predicted[0]).all() else 0
        result.stuck = same >= patience
        if result.stuck or update == updates:
            break
        gradients = as_printed.backward(result.parameters, Zs, As, y, write_up)
        result.parameters = as_printed.descend(result.parameters, gradients, rate)
    return result


def mean_cross_entropy(A: Array, y: Labels) -> float:
    """Return the mean of -log a_y over the columns of A, in float64."""
    return float(-np.log(A[y, np.arange(len(y))].astype(np.float64)).mean())


def zero_everywhere(A: Array) -> int:
    """Return the number of rows of A without an entry above 0."""
    return int(np.count_nonzero(~(A > 0).any(axis=1)))


def nan_share(A: Array) -> float:
    """Return the share of the columns of A that hold NaN."""
    return float(np.isnan(A).any(axis=0).mean())


def below(value: float) -> float | str:
    """Return a bound, in steps of a thousand, in place of a rounding error, whose digits differ between machines."""
    bounds = (f"less than 1e-{digits}" for digits in (12, 9, 6, 3) if value < 10.0**-digits)
    return next(bounds, value)


class Setup:
    """The training images, and what several demonstrations share.

    Parameters
    ----------
    X, y : ndarray of shape (784, m) and (m,)
        Images, float32, and labels.
    lengths : Lengths
        How long the trials are.
    """

    def __init__(self, X: Array, y: Labels, lengths: Lengths) -> None:
        self.X, self.y, self.lengths = X, y, lengths
        self.X_part, self.y_part = X[:, : lengths.columns], y[: lengths.columns]
        self.start = as_printed.uniform(LAYER_SIZES, self.rng(), np.float32)

    def rng(self) -> np.random.Generator:
        """Return a new generator, so that no demonstration depends on another."""
        return np.random.default_rng(SEED)

    @cached_property
    def right(self) -> Trial:
        """The right network, trained on a part of the images."""
        return self.train_part(RIGHT, self.lengths.updates)

    @cached_property
    def right_on_all(self) -> Trial:
        """The right network, trained on all images."""
        return train(self.start, self.X, self.y, RIGHT, self.lengths.short)

    def train_part(self, write_up: WriteUp, updates: int, start: Parameters | None = None) -> Trial:
        """Return a trial on a part of the images."""
        return train(start or self.start, self.X_part, self.y_part, write_up, updates)

    def logits(self, brightest: float) -> Array:
        """Return the logits of a thousand images with pixels from 0 to `brightest`, in float64 as in the write-ups."""
        return as_printed.forward(self.start, brightest * self.X[:, :1000].astype(np.float64), RIGHT)[0][-1]


@dataclass(frozen=True)
class Curve:
    """A line of a panel; `stop` is where NaN or an error ended it, if one did."""

    label: str
    kind: Kind
    x: Sequence[float] | Array
    y: Sequence[float] | Array
    stop: int | None = None


@dataclass(frozen=True)
class Panel:
    """A small plot of what a demonstration did."""

    title: str
    curves: list[Curve]
    xlabel: str = "update"
    ylabel: str = "accuracy"
    logarithmic: bool = False


@dataclass(frozen=True)
class Demonstration:
    """What came out.

    Attributes
    ----------
    shown : bool
        Whether the measured values show what the row says.
    with_it, without : dict
        Measured values, by what they are.
    finding : str
        The same in a sentence.
    panel : Panel or None
        Its part of the figure.
    parts : dict of str to bool or None
        Of a claim: whether each part of it is so, None if this cannot decide it.
    why : str
        Why it cannot.
    """

    shown: bool
    with_it: Measured
    without: Measured
    finding: str
    panel: Panel | None = None
    parts: Mapping[str, bool | None] = field(default_factory=dict)
    why: str = ""


def accuracy_curve(label: str, kind: Kind, trial: Trial, updates: int | None = None) -> Curve:
    """Return the accuracy of a trial against the update, up to a number of updates."""
    accuracies = trial.accuracies if updates is None else trial.accuracies[: updates + 1]
    stops_here = trial.nan_share > 0 and len(accuracies) == trial.updates
    return Curve(label, kind, range(len(accuracies)), accuracies, trial.updates if stops_here else None)


def gradient_errors(write_up: WriteUp) -> dict[str, float]:
    """Return the relative error of each gradient against central differences, in a small float64 network."""
    rng = np.random.default_rng(SEED)
    X, y = rng.random((6, 12)), np.arange(12) % 10
    network = as_printed.uniform([6, 5, 10], rng)
    gradients = as_printed.backward(network, *as_printed.forward(network, X, write_up), y, write_up)

    def loss() -> float:
        return mean_cross_entropy(as_printed.forward(network, X, write_up)[1][-1], y)

    return {
        f"{name}{layer}": relative_error(np.broadcast_to(gradient, theta.shape), numeric_gradient(loss, theta))
        for layer, (thetas, pair) in enumerate(zip(network, gradients, strict=True), 1)
        for name, theta, gradient in zip("Wb", thetas, pair, strict=True)
    }
