"""What the write-ups get wrong and what they rightly warn of, each run with and without."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from stages.claims import as_printed
from stages.claims.as_printed import W5, Parameters, WriteUp
from stages.nn.arrays import Array, Labels
from stages.nn.cross_entropy import cross_entropy_gradient
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.softmax import softmax

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
    """How long the runs are.

    Attributes
    ----------
    columns : int
        Training images for what does not need all of them.
    updates : int
        Updates of the longer runs on these.
    short : int
        Updates of the shorter runs on these, and of those on all training images.
    overflow : int
        Updates after which logits that grow without end are given up on.
    draws : int
        Random batches to measure the spread of a gradient with.
    """

    columns: int = 10_000
    updates: int = 200
    short: int = 100
    overflow: int = 400
    draws: int = 20


@dataclass
class Run:
    """What a run did, up to where its verdict was clear.

    Attributes
    ----------
    parameters : list of tuple
        Those at the end.
    accuracies, losses, plotted : list of float
        Accuracy, mean cross-entropy and W3's plotted loss, before the first update and after each.
    nan_share : float
        Share of the images with NaN among their probabilities; where it is not 0, the run ended.
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


def train(start: Parameters, X: Array, y: Labels, write_up: WriteUp, updates: int, patience: int = PATIENCE) -> Run:
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
    """
    result, same = Run(start), 0
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
        result.parameters = as_printed.descend(result.parameters, gradients, RATE)
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


class Experiment:
    """The training images, and what several demonstrations share.

    Parameters
    ----------
    X, y : ndarray of shape (784, m) and (m,)
        Images, float32, and labels.
    lengths : Lengths
        How long the runs are.
    """

    def __init__(self, X: Array, y: Labels, lengths: Lengths) -> None:
        self.X, self.y, self.lengths = X, y, lengths
        self.X_part, self.y_part = X[:, : lengths.columns], y[: lengths.columns]
        self.start = as_printed.uniform(LAYER_SIZES, self.rng(), np.float32)

    def rng(self) -> np.random.Generator:
        """Return a new generator, so that no demonstration depends on another."""
        return np.random.default_rng(SEED)

    @cached_property
    def right(self) -> Run:
        """The right network, trained on a part of the images."""
        return self.train_part(RIGHT, self.lengths.updates)

    @cached_property
    def right_on_all(self) -> Run:
        """The right network, trained on all images."""
        return train(self.start, self.X, self.y, RIGHT, self.lengths.short)

    def train_part(self, write_up: WriteUp, updates: int, start: Parameters | None = None) -> Run:
        """Return a run on a part of the images."""
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
    """

    shown: bool
    with_it: Measured
    without: Measured
    finding: str
    panel: Panel | None = None


def accuracy_curve(label: str, kind: Kind, run: Run, updates: int | None = None) -> Curve:
    """Return the accuracy of a run against the update, up to a number of updates."""
    accuracies = run.accuracies if updates is None else run.accuracies[: updates + 1]
    stops_here = run.nan_share > 0 and len(accuracies) == run.updates
    return Curve(label, kind, range(len(accuracies)), accuracies, run.updates if stops_here else None)


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


def scalar_bias_gradient(experiment: Experiment) -> Demonstration:
    """Train with one bias gradient for all units of a layer, and with one for each (E1)."""
    wrong = replace(RIGHT, bias_sum=np.sum)
    runs = experiment.train_part(wrong, experiment.lengths.updates), experiment.right
    errors = gradient_errors(wrong), gradient_errors(RIGHT)
    moved = [float(np.abs(run.parameters[-1][1] - experiment.start[-1][1]).max()) for run in runs]
    with_it, without = (
        run.measured()
        | {f"relative error of d{b}": below(error[b]) for b in ("b1", "b2")}
        | {"largest change of an output bias": below(change)}
        for run, error, change in zip(runs, errors, moved, strict=True)
    )
    return Demonstration(
        min(errors[0]["b1"], errors[0]["b2"]) > FAILS and max(errors[1].values()) < PASSES,
        with_it,
        without,
        f"It trains all the same: {runs[0].ending}, against {runs[1].ending} with a gradient for each bias. But "
        f"db1 and db2 fail a gradient check with relative errors of {errors[0]['b1']:.2f} and {errors[0]['b2']:.2f}. "
        f"As the columns of A - Y sum to 0, the output biases stay where they began: the largest change is "
        f"{below(moved[0])}, against {moved[1]:.2f} with a gradient for each.",
        Panel(
            "E1  one bias gradient for all units",
            [accuracy_curve("one for each", "right", runs[1]), accuracy_curve("one for all", "wrong", runs[0])],
        ),
    )


def loss_that_is_zero(experiment: Experiment) -> Demonstration:
    """Measure the plotted loss of good and bad networks, and their cross-entropy (E2)."""
    right, y = experiment.right, experiment.y_part
    cases = {
        "untrained": (experiment.start, y),
        "trained": (right.parameters, y),
        "trained, labels shuffled": (right.parameters, experiment.rng().permutation(y)),
    }
    plotted, losses = {}, {}
    for name, (network, labels) in cases.items():
        A = softmax(as_printed.forward(network, experiment.X_part, RIGHT)[0][-1].astype(np.float64))
        plotted[name] = as_printed.plotted_loss(as_printed.one_hot_of_ten(labels), A)
        losses[name] = mean_cross_entropy(A, labels)
    updates = range(len(right.losses))
    return Demonstration(
        max(plotted.values()) < 1e-6 < min(losses.values()),
        {f"plotted loss, {name}": below(value) for name, value in plotted.items()},
        {f"cross-entropy, {name}": value for name, value in losses.items()},
        f"For any network and any labels the plotted loss is {below(max(plotted.values()))}; the cross-entropy is "
        + ", ".join(f"{value:.2f} ({name})" for name, value in losses.items())
        + ".",
        Panel(
            "E2  a plotted loss that is always 0",
            [
                Curve("cross-entropy", "right", updates, right.losses),
                Curve("as plotted", "wrong", updates, right.plotted),
            ],
            ylabel="loss",
        ),
    )


def overflow(
    printed: Callable[[Array], Array],
    right: Callable[[Array], Array],
    values: Callable[[int], Any],
    arguments: Callable[[float], Array],
    case: str,
    title: str,
) -> Demonstration:
    """Find the smallest whole number at which a function as printed gives NaN, and how often bright images do.

    Parameters
    ----------
    printed, right : callable
        The function as printed, and as it should be.
    values : callable
        From a number to an argument that is as extreme as the number says.
    arguments : callable
        From the value of the brightest pixel to the arguments that a thousand images give, a column each.
    case : str
        What the number is.
    title : str
        That of the panel.
    """
    brightness = [1, *range(15, 256, 15)]

    def smallest(function: Callable[[Array], Array], dtype: DTypeLike) -> int | str:
        found = (n for n in range(1, 1001) if np.isnan(function(np.array(values(n), dtype))).any())
        return next(found, "none up to 1,000")

    def shares(function: Callable[[Array], Array]) -> list[float]:
        return [nan_share(function(arguments(brightest))) for brightest in brightness]

    def measured(function: Callable[[Array], Array], share: float) -> Measured:
        return {
            f"smallest {case} that gives NaN, float64": smallest(function, np.float64),
            f"smallest {case} that gives NaN, float32": smallest(function, np.float32),
            "images with NaN, pixels up to 255": share,
        }

    printed_shares, right_shares = shares(printed), shares(right)
    with_it, without = measured(printed, printed_shares[-1]), measured(right, right_shares[-1])
    double, single, share = with_it.values()
    return Demonstration(
        isinstance(double, int) and isinstance(single, int) and printed_shares[-1] > 0 == max(right_shares),
        with_it,
        without,
        f"The smallest whole {case} that gives NaN is {double} in float64 and {single} in float32. With pixels up to "
        f"255, {share:.1%} of the images give NaN before the first update, in float64. Done as it should be, none do.",
        Panel(
            title,
            [
                Curve("as it should be", "right", brightness, right_shares),
                Curve("as printed", "wrong", brightness, printed_shares),
            ],
            "brightest pixel",
            "images with NaN",
        ),
    )


def softmax_overflow(experiment: Experiment) -> Demonstration:
    """Take the softmax of large logits without subtracting their maximum (E3)."""
    case, title = "logit beside one of 0", "E3  a softmax that overflows"
    return overflow(as_printed.softmax, softmax, lambda n: [[n], [0]], experiment.logits, case, title)


def softmax_of_whole_maximum(experiment: Experiment) -> Demonstration:
    """Subtract the maximum of the whole matrix before a softmax (E5)."""
    case, title = "distance of a column below the maximum", "E5  the maximum of the whole matrix"
    printed = as_printed.softmax_of_whole_maximum
    return overflow(printed, softmax, lambda n: [[0, n], [0, n]], experiment.logits, case, title)


def tanh_overflow(experiment: Experiment) -> Demonstration:
    """Take tanh from exponentials, in W4's first layer too (E6)."""
    W, b = as_printed.normal([784, 16], 0.1, experiment.rng())[0]
    X = experiment.X[:, :1000].astype(np.float64)
    title = "E6  tanh from exponentials"
    return overflow(as_printed.tanh, np.tanh, lambda n: [[n]], lambda k: k * (W @ X) + b, "argument", title)


def one_hot_rows(experiment: Experiment) -> Demonstration:
    """Train on mini-batches of 32 with as many one-hot rows as the largest label says, and with ten (E4)."""
    X, y = experiment.X_part, experiment.y_part
    batches = experiment.rng().permutation(len(y))[: len(y) // 32 * 32].reshape(-1, 32)
    wrong = replace(RIGHT, labels=as_printed.one_hot)
    network, accuracies, stops = experiment.start, [], {}
    for update, chosen in enumerate(batches):
        X_batch, y_batch = X[:, chosen], y[chosen]
        _, As = as_printed.forward(network, X[:, :1000], RIGHT)
        accuracies.append(float((As[-1].argmax(axis=0) == y[:1000]).mean()))
        try:
            as_printed.update(network, X_batch, y_batch, RATE, wrong)
        except ValueError as error:
            stops[update] = str(error).strip()
        network = as_printed.update(network, X_batch, y_batch, RATE, RIGHT)
    first = min(stops, default=len(batches))
    before = accuracies[: first + 1]
    rows = len(as_printed.one_hot(y[batches[min(first, len(batches) - 1)]]))
    return Demonstration(
        bool(stops) and rows < LAYER_SIZES[-1],
        {"end": f"error at update {first}", "one-hot rows": rows, "error": stops.get(first, "none")},
        {"end": f"as planned at update {len(batches) - 1}", "one-hot rows": LAYER_SIZES[-1]},
        f"Of the mini-batches of 32, {len(stops) / len(batches):.1%} have no 9. The first of them, at update {first}, "
        f"gets {rows} rows, and training ends with an error. With ten rows it goes on.",
        Panel(
            "E4  one-hot rows by the largest label",
            [
                Curve("ten rows", "right", range(len(accuracies)), accuracies),
                Curve("by the largest label", "wrong", range(len(before)), before, first if stops else None),
            ],
            "update (mini-batches of 32)",
        ),
    )


def derivative_by_bias(experiment: Experiment) -> Demonstration:
    """Differentiate one unit's z by its b (E7)."""
    rng = experiment.rng()
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


def sums_of_labels(experiment: Experiment) -> Demonstration:
    """Check A - Y with labels that sum to 2 and to 1, beside probabilities that always sum to 1 (E8)."""
    Z = experiment.rng().standard_normal((4, 6))
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


def labels_minus_probabilities(A: Array, Y: Array) -> Array:
    """Return Y - A."""
    return np.subtract(Y, A)


def sign_of_the_error(experiment: Experiment) -> Demonstration:
    """Descend along Y - A, and along A - Y (E9)."""
    wrong = replace(RIGHT, error=labels_minus_probabilities)
    runs = experiment.train_part(wrong, experiment.lengths.short), experiment.right
    errors = min(gradient_errors(wrong).values()), max(gradient_errors(RIGHT).values())
    at = min(5, len(runs[0].losses) - 1, len(runs[1].losses) - 1)
    with_it, without = (
        {
            "relative error of the gradients": below(error),
            "cross-entropy at update 0": run.losses[0],
            f"cross-entropy at update {at}": run.losses[at],
            **run.measured(),
        }
        for run, error in zip(runs, errors, strict=True)
    )
    return Demonstration(
        errors[0] > 0.99 and errors[1] < PASSES and runs[0].losses[at] > runs[0].losses[0] > runs[1].losses[at],
        with_it,
        without,
        f"Against central differences Y - A has a relative error of {errors[0]:.0f}: it points the other way. From "
        f"{runs[0].losses[0]:.2f} the cross-entropy goes to {runs[0].losses[at]:.2f} in {at} updates, along A - Y to "
        f"{runs[1].losses[at]:.2f}; it ends with {runs[0].ending}.",
        Panel(
            "E9  the error as Y - A",
            [
                accuracy_curve("A - Y", "right", runs[1], experiment.lengths.short),
                accuracy_curve("Y - A", "wrong", runs[0]),
            ],
        ),
    )


def logarithm(experiment: Experiment) -> Demonstration:
    """Compute -log 0.80 to both bases (E10)."""
    common, natural = float(-np.log10(0.80)), float(-np.log(0.80))
    return Demonstration(
        round(common, 3) == 0.097 != round(natural, 3),
        {"-log10(0.80)": common},
        {"-ln(0.80)": natural},
        f"To base 10 it is {common:.4f}; the natural logarithm, whose derivative is 1/x, gives {natural:.4f}.",
    )


def terms_of_a_sum(experiment: Experiment) -> Demonstration:
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


def softmax_by_entry(experiment: Experiment) -> Demonstration:
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


def spread_of_gradients(experiment: Experiment) -> Demonstration:
    """Measure how far the gradient of random images, drawn with replacement, is from that of all of them (E13)."""
    rng, X, y = experiment.rng(), experiment.X_part, experiment.y_part

    def gradient(chosen: Any) -> Array:
        Zs, As = as_printed.forward(experiment.start, X[:, chosen], RIGHT)
        pairs = as_printed.backward(experiment.start, Zs, As, y[chosen], RIGHT)
        return np.concatenate([array.ravel() for pair in pairs for array in pair]).astype(np.float64)

    def deviation(batches: Iterable[Any]) -> float:
        squares = [np.sum((gradient(chosen) - whole) ** 2) for chosen in batches]
        return float(np.sqrt(np.mean(squares) / np.sum(whole**2)))

    whole, what = gradient(slice(None)), "relative deviation of the gradient"
    draws, sizes = experiment.lengths.draws, [8, 32, 128, 512, 2048]
    deviations = [deviation(rng.integers(len(y), size=(draws, size))) for size in sizes]
    of_all = deviation(rng.permutation(len(y)) for _ in range(draws))
    return Demonstration(
        of_all < 1e-3 < deviations[-1] < deviations[0],
        {f"{what}, all images": below(of_all)},
        {f"{what}, batches of {size}": value for size, value in zip(sizes, deviations, strict=True)},
        f"In root mean square the gradient of {sizes[0]} random images deviates from that of all {len(y):,} by "
        f"{deviations[0]:.0%} of its length, that of {sizes[-1]:,} by {deviations[-1]:.0%}, and that of all of them in "
        f"a random order by {below(of_all)}: nothing about it is stochastic.",
        Panel(
            "E13  full batch is not stochastic",
            [
                Curve("random batches", "right", sizes, deviations),
                Curve("1/√size", "other", sizes, [deviations[0] * np.sqrt(sizes[0] / size) for size in sizes]),
            ],
            "images in the batch",
            "deviation of the gradient",
            logarithmic=True,
        ),
    )


def collapse(
    experiment: Experiment,
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
    experiment : Experiment
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
    lengths, right = experiment.lengths, experiment.right_on_all
    updates, patience = (lengths.overflow, lengths.overflow + 2) if until_nan else (lengths.short, PATIENCE)
    X = experiment.X * np.float32(scale) if scale != 1 else experiment.X
    runs = {
        f"{name} softmax": train(experiment.start, X, experiment.y, write_up, updates, patience)
        for name, write_up in (("plain", plain), ("stable", stable))
    }
    without: Measured = {}
    for name, run in runs.items():
        without |= run.measured(f"{name}: ") | {
            f"{name}: images with NaN": run.nan_share,
            f"{name}: units zero on every image": run.dead,
        }
    broken, lost = runs.values()
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


def pixels_not_divided(experiment: Experiment) -> Demonstration:
    """Train on pixels from 0 to 255 (W3.3)."""
    plain = replace(RIGHT, softmax=as_printed.softmax)
    return collapse(experiment, "W3.3  pixels not divided by 255", "divided by 255", plain, RIGHT, scale=255)


def stable_softmax_over_everything(Z: Array) -> Array:
    """Return e^Z over the sum of all its entries, computed with the maximum subtracted."""
    return as_printed.softmax_over_everything(Z - Z.max())


def one_sum_for_all(experiment: Experiment) -> Demonstration:
    """Train with a softmax that divides by the sum of the whole matrix, until its logits overflow (W3.4)."""
    plain = replace(RIGHT, softmax=as_printed.softmax_over_everything)
    stable = replace(RIGHT, softmax=stable_softmax_over_everything)
    return collapse(experiment, "W3.4  one softmax sum for all", "a sum for each column", plain, stable, until_nan=True)


def no_mean(experiment: Experiment) -> Demonstration:
    """Train with gradients that are not divided by the number of images (W3.5)."""
    stable = replace(RIGHT, mean=False)
    plain = replace(stable, softmax=as_printed.softmax)
    return collapse(experiment, "W3.5  no factor 1/m", "with 1/m", plain, stable)


def labels_as_they_are(y: Labels, dtype: DTypeLike) -> Array:
    """Return the labels as numbers, which broadcast against the probabilities."""
    return y.astype(dtype)


def rows_and_numbers(experiment: Experiment) -> Demonstration:
    """Multiply images that are rows, and train with labels that are numbers (W3.6)."""
    X, y, (W, _) = experiment.X_part, experiment.y_part, experiment.start[0]
    images_as_rows: Any = X.T
    try:
        product = f"shape {(W @ images_as_rows).shape}"
    except ValueError:
        product = f"no product of {W.shape} and {images_as_rows.shape}"
    apart = float(np.abs((images_as_rows @ W.T).T - W @ X).max())
    Z = as_printed.forward(experiment.start, X, RIGHT)[0][-1].astype(np.float64)
    one_hot_gradient = (softmax(Z) - as_printed.one_hot_of_ten(y)) / len(y)
    difference = float(np.abs(cross_entropy_gradient(Z, y, len(y)) - one_hot_gradient).max())
    short = experiment.lengths.short
    numbers, right = experiment.train_part(replace(RIGHT, labels=labels_as_they_are), short), experiment.right
    return Demonstration(
        product.startswith("no") and difference < 1e-9 and numbers.accuracies[-1] < right.accuracy_at(numbers.updates),
        {"product W X": f"shape {(W @ X).shape}", **right.measured()},
        {"product W X": product, **numbers.measured()},
        f"With images as rows there is {product}. X Wᵀ has the same entries (they differ by {below(apart)}): the "
        f"transposition is a convention. Labels left as numbers raise no error and ruin the training: the accuracy "
        f"goes from {numbers.accuracies[0]:.1%} to {numbers.accuracies[-1]:.1%}, then {numbers.ending}; with one-hot "
        f"labels, {right.ending}. An index can take the place of the one-hot matrix: the gradients differ by "
        f"{below(difference)}.",
        Panel(
            "W3.6  labels that are not one-hot",
            [
                accuracy_curve("one-hot labels", "right", right, short),
                accuracy_curve("labels as numbers", "wrong", numbers),
            ],
        ),
    )


def size_of_weights(experiment: Experiment) -> Demonstration:
    """Count dead and saturated units for W3's weights, for ten times larger ones and for He's (W3.7)."""
    short, small, large = experiment.lengths.short, "[-0.5, 0.5)", "[-5, 5)"
    normal = as_printed.normal(LAYER_SIZES, 1, experiment.rng(), np.float32)
    starts = {
        small: experiment.start,
        large: [(10 * W, 10 * b) for W, b in experiment.start],
        "He": [(W * np.float32(np.sqrt(2 / W.shape[1])), b) for W, b in normal],
    }
    runs = {name: experiment.train_part(RIGHT, short, starts[name]) for name in (large, "He")}
    runs[small] = experiment.right
    measured: dict[str, dict[str, Any]] = {}
    for name, start in starts.items():
        Zs, As = as_printed.forward(start, experiment.X_part, RIGHT)
        measured[name] = {
            "units zero on every image": zero_everywhere(As[1]),
            "tanh beyond 0.99": float((np.abs(np.tanh(Zs[0])) > 0.99).mean()),
            "largest logit": float(np.abs(Zs[-1]).max()),
            f"accuracy at update {short}": runs[name].accuracy_at(short),
        }

    def listed(what: str, form: str) -> str:
        return ", ".join(f"{values[what]:{form}} ({name})" for name, values in measured.items())

    reached = f"accuracy at update {short}"
    without = {f"{name}: {what}": value for name in (large, "He") for what, value in measured[name].items()}
    return Demonstration(
        measured[large][reached] < measured[small][reached]
        and measured[large]["largest logit"] > measured[small]["largest logit"],
        measured[small],
        without,
        f"A ReLU does not saturate; at worst it is zero on every image. So many of the {LAYER_SIZES[1]} units are, "
        f"before the first update: {listed('units zero on every image', 'd')}. What grows with the weights is the "
        f"largest logit: {listed('largest logit', '.1f')}. After {short} updates the accuracy is "
        f"{listed(reached, '.1%')}. A tanh in place of the ReLU would lie beyond 0.99 at "
        f"{listed('tanh beyond 0.99', '.0%')} of its values.",
        Panel(
            "W3.7  the size of the weights",
            [
                accuracy_curve(small, "right", runs[small], short),
                accuracy_curve("He", "other", runs["He"]),
                accuracy_curve(large, "wrong", runs[large]),
            ],
        ),
    )


DEMONSTRATIONS: dict[str, Callable[[Experiment], Demonstration]] = {
    "E1": scalar_bias_gradient,
    "E2": loss_that_is_zero,
    "E3": softmax_overflow,
    "E4": one_hot_rows,
    "E5": softmax_of_whole_maximum,
    "E6": tanh_overflow,
    "E7": derivative_by_bias,
    "E8": sums_of_labels,
    "E9": sign_of_the_error,
    "E10": logarithm,
    "E11": terms_of_a_sum,
    "E12": softmax_by_entry,
    "E13": spread_of_gradients,
    "W3.3": pixels_not_divided,
    "W3.4": one_sum_for_all,
    "W3.5": no_mean,
    "W3.6": rows_and_numbers,
    "W3.7": size_of_weights,
}
