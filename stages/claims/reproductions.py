"""What the write-ups claim, put to the test: training runs over several seeds, and an answer to each claim."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stages.claims import as_printed
from stages.claims.verdicts import BELOW, NOT_TESTABLE, Difference, Number, overall, shown
from stages.nn.arrays import Array, Labels
from stages.nn.layer import Start
from stages.nn.network import Network
from stages.nn.training import Diverged, evaluate, fit
from stages.shared import models, splits
from stages.shared.mnist import CLASSES, FORM, PIXELS
from stages.shared.parameters import Model

Part = tuple[Array, Labels]
Row = dict[str, Any]  # of a YAML file

IMAGES = {"kaggle": 42_000, "standard": 60_000}  # that the claims are about, those of the test part aside
PARTS = {"train": "training", "held_out": "held-out", "test": "test"}
END = -1  # epoch under which the end of a run is kept, whenever it came


def layers(*units: int, activation: str | None = "relu") -> list[Row]:
    """Return affine layers with an activation between them, in the words of params.yaml; the last one is added."""
    between: list[Row] = [{"name": activation}] if activation else []
    return [row for n in units for row in ({"name": "affine", "units": n}, *between)] + [{"name": "affine"}]


# The networks as printed, in the words of params.yaml; one run of W3's serves W1 and W2 too.
W3: Row = {
    "split": "kaggle",
    "layers": layers(10),
    "initializer": {"name": "uniform", "low": -0.5, "high": 0.5},
    "learning_rate": 0.1,
    "updates": 750,
}
W4: Row = {
    "split": "standard",
    "layers": layers(16, 16, activation="tanh"),
    "initializer": {"name": "normal", "scale": 0.1},
    "learning_rate": 1.0,
    "schedule": {"name": "steps", "at": [75], "factor": 0.1},
    "updates": 150,
}
W5: Row = {
    "split": "standard",
    "layers": layers(128),
    "initializer": {"name": "normal", "scale": 0.01},
    "learning_rate": 0.1,
    "updates": 100,
}
PASSES = 10
BATCHES: Row = {"updates": None, "epochs": PASSES, "batch_size": 128}
NETWORKS = {"W1": "w3", "W2": "w3", "W3": "w3", "W4": "w4", "W5": "w5"}

# Other units, layers and optimizers are compared by W3's recipe, cut short, and with mini-batches from He's weights.
FULL: Row = W3 | {"updates": 150}
MINI: Row = W3 | BATCHES | {"epochs": 5, "initializer": {"name": "he"}}
RECIPES = {
    "full": "by W3's recipe, 150 full-batch updates",
    "mini": "from He's weights, 5 epochs of mini-batches of 128",
}
HIDDEN: dict[str, Row] = {
    name: {"layers": layers(*map(int, name.split("-")))} for name in ("10", "128", "256", "10-10", "128-128")
}
FULL_OPTIMIZERS: dict[str, Row] = {
    "momentum": {"optimizer": {"name": "momentum"}, "learning_rate": 0.1},
    "rmsprop": {"optimizer": {"name": "rmsprop"}, "learning_rate": 0.01},
    "adam": {"optimizer": {"name": "adam"}, "learning_rate": 0.01},
}
MINI_OPTIMIZERS: dict[str, Row] = {
    "momentum": {"optimizer": {"name": "momentum"}, "learning_rate": 0.02},
    "rmsprop": {"optimizer": {"name": "rmsprop"}, "learning_rate": 0.003},
    "adam": {"optimizer": {"name": "adam"}, "learning_rate": 0.003},
}
CHANGES = {  # what it is compared with, and in words
    "128": ("10", "128 hidden units in place of 10"),
    "256": ("10", "256 hidden units in place of 10"),
    "10-10": ("10", "a second hidden layer of 10 units"),
    "128-128": ("128", "a second hidden layer of 128 units"),
    "momentum": ("10", "momentum"),
    "rmsprop": ("10", "RMSProp"),
    "adam": ("10", "Adam"),
}

# W5's network with mini-batches, with another initial scale or another rate.
GRID: Row = W5 | BATCHES | {"epochs": 3}
SCALES, RATES = (0.0, 0.0001, 0.01, 0.1, 1.0, 10.0), (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)

SAME = 0.01  # accuracies whose mean difference is surely smaller are the same
ROUNDING = 1e-9  # logits in float64 that differ by less, as a share of the largest, differ by rounding alone
FAILED = 0.5  # a network that is right less often has failed
SEVEN = 7  # what W4 sees in the first test image
GOAL = 0.94  # what W5 claims, and means to reach with mini-batches


@dataclass(frozen=True)
class Experiment:
    """A row as in params.yaml, how many seeds it gets, and the epochs after which it is measured beside the end."""

    row: Row
    seeds: Literal["costly", "usual", "cheap"] = "usual"
    marks: Sequence[int] = ()


# An update with all images is an epoch too. The long runs come first, so that none is left for the end.
EXPERIMENTS = {
    "w3": Experiment(W3, marks=[*range(PASSES + 1), 20, 50, 100, 150, 200, 500, 750]),
    "full 128": Experiment(FULL | HIDDEN["128"], "costly"),
    "w5": Experiment(W5, "costly", [*range(PASSES + 1), 20, 50, 100]),
    "w4": Experiment(W4, marks=[70, 140]),
    "full 10-10": Experiment(FULL | HIDDEN["10-10"], "costly"),
    **{f"full {name}": Experiment(FULL | change, "costly") for name, change in FULL_OPTIMIZERS.items()},
    "w5 mini-batches": Experiment(W5 | BATCHES, marks=range(PASSES + 1)),
    "w3 mini-batches": Experiment(W3 | BATCHES, marks=range(PASSES + 1)),
    **{f"mini {name}": Experiment(MINI | change) for name, change in (HIDDEN | MINI_OPTIMIZERS).items()},
    "linear": Experiment(MINI | {"layers": layers(10, activation=None)}),
    "softmax regression": Experiment(MINI | {"layers": layers()}),
    **{f"scale {s:g}": Experiment(GRID | {"initializer": {"name": "normal", "scale": s}}, "costly") for s in SCALES},
    **{f"rate {rate:g}": Experiment(GRID | {"learning_rate": rate}, "costly") for rate in RATES},
    "w4 untrained": Experiment(W4 | {"updates": 1}, "cheap", [0]),
}


@dataclass(frozen=True)
class Run:
    """What one seed of an experiment gave.

    Attributes
    ----------
    row : Model
        The network and its training.
    trace : list of float
        Training accuracy: with full batches before each update, with mini-batches in the course of each epoch.
    measured : dict
        Mean cross-entropy and accuracy of each part, by epoch.
    parameters : dict
        Those at the end, by name.
    diverged : int or None
        The update at which NaN or infinity ended it.
    """

    row: Model
    trace: list[float]
    measured: dict[int, dict[str, tuple[float, float]]]
    parameters: dict[str, Array]
    diverged: int | None

    def network(self, dtype: DTypeLike = np.float32) -> Network:
        """Return the trained network."""
        network = models.build_network(self.row, FORM, Start(np.random.default_rng(self.row.seed), dtype=dtype))
        for name, theta in network.kept.items():
            theta[...] = self.parameters[name]
        return network


@lru_cache(maxsize=1)
def images_of(split: str) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return all images of a split but the test part, a row each, and their labels."""
    loaded = [splits.load_part(split, part) for part in ("train", "validation", "held_out")]
    there = [part for part in loaded if part]
    return np.concatenate([X.T for X, _ in there]), np.concatenate([y for _, y in there])


def draw(split: str, rng: np.random.Generator) -> dict[str, Part]:
    """Return the parts of a split, with as many images held out as it has, but drawn anew; the test part as it is."""
    rows, y = images_of(split)
    held_out = splits.load_description(split).parts["held_out"]
    parts: dict[str, Part] = {"train": (rows.T, y)}
    if held_out:
        kept, train = np.split(rng.permutation(len(y)), [held_out])
        parts = {"train": (rows[train].T, y[train]), "held_out": (rows[kept].T, y[kept])}
    test = splits.load_part(split, "test")
    return parts | ({"test": test} if test else {})


def train(name: str, seed: int) -> Run:
    """Return the run of an experiment with one seed: for the images to hold out, the weights and the shuffles.

    Raises
    ------
    UserError
        If a part of the split is not what the preprocess stage writes.
    """
    experiment = EXPERIMENTS[name]
    row = Model.model_validate(experiment.row | {"seed": seed})
    split_rng, rng = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    parts = draw(row.split, split_rng)
    X, y = parts["train"]
    network = models.build_network(row, FORM, Start(rng))
    trainer = models.build_trainer(row, network, len(y))
    trace: list[float] = []
    measured: dict[int, dict[str, tuple[float, float]]] = {}
    diverged = None

    def measure(epoch: int) -> None:
        measured[epoch] = {part: evaluate(network, *examples) for part, examples in parts.items()}

    with np.errstate(all="ignore"):
        if 0 in experiment.marks:
            measure(0)
        try:
            for record in fit(trainer, X, y, row.batch_size, rng):
                trace.append(record.accuracy)
                if len(trace) in experiment.marks:
                    measure(len(trace))
        except Diverged as error:
            diverged = error.update
        measure(END)
    return Run(row, trace, measured, network.kept, diverged)


@dataclass(frozen=True)
class Speed:
    """Whether work on all examples at once is more than so many times as fast as a loop, in each of several rounds."""

    times: float
    whole_pass: bool
    one_product: bool


def compare_speed(times: float, columns: int = 2000, rounds: int = 5) -> Speed:
    """Time W4's forward and backward pass as printed, and its first product alone, against loops over the examples.

    Processor time is taken, so that other processes count little. A first round is for warming up.
    """
    rng = np.random.default_rng(0)
    X, y = rng.random((columns, PIXELS)).T, np.arange(columns) % CLASSES
    network = as_printed.normal([PIXELS, 16, 16, CLASSES], W4["initializer"]["scale"], rng)

    def whole_pass(chosen: slice) -> None:
        Zs, As = as_printed.forward(network, X[:, chosen], as_printed.W4)
        as_printed.backward(network, Zs, As, y[chosen], as_printed.W4)

    def one_product(chosen: slice) -> None:
        network[0][0] @ X[:, chosen]

    def ratio(work: Callable[[slice], None]) -> float:
        start = time.process_time()
        for k in range(columns):
            work(slice(k, k + 1))
        middle = time.process_time()
        work(slice(columns))
        return (middle - start) / (time.process_time() - middle)

    lowest = [min([ratio(work) for _ in range(rounds + 1)][1:]) for work in (whole_pass, one_product)]
    return Speed(times, lowest[0] > times, lowest[1] > times)


@dataclass(frozen=True)
class Answer:
    """What is said of a claim: a word of verdicts.py, sentences, and the numbers that they are made from."""

    verdict: str
    finding: str
    measured: Sequence[Number | Difference] = ()


@dataclass(frozen=True)
class Evidence:
    """All that answers are made from.

    Attributes
    ----------
    runs : dict
        Those of each experiment, in the order of their seeds.
    ablations : dict
        Rows of metrics/ablations.json, by the id of the claim.
    drawn : tuple of ndarray
        Digits drawn by hand, X of shape (784, n) and y of shape (n,).
    speed : Speed
        Of matrices against loops.
    """

    runs: dict[str, list[Run]]
    ablations: dict[str, Row]
    drawn: Part
    speed: Speed

    def accuracies(self, name: str, epoch: int = END, part: str | None = None) -> list[float]:
        """Return the accuracy of each run of an experiment after an epoch, on the part for comparisons unless said."""
        return [run.measured[epoch][part or last_part(run.row.split)][1] for run in self.runs[name]]

    def gain(self, what: str, name: str, base: str, base_epoch: int = END) -> Difference:
        """Return how far the accuracy of an experiment at its end is above that of another, seed by seed."""
        pairs = zip(self.accuracies(name), self.accuracies(base, base_epoch), strict=False)
        part = PARTS[last_part(self.runs[name][0].row.split)]
        return Difference(
            f"gain in accuracy on the {part} images, {what}", [value - of_base for value, of_base in pairs]
        )


Answering = Callable[[Row, Evidence], Answer]


def gather(results: dict[tuple[str, int], Run]) -> dict[str, list[Run]]:
    """Return the runs of each experiment in the order of their seeds, from runs by experiment and seed.

    W3's runs give those of its recipe cut short.
    """
    runs: dict[str, list[Run]] = {}
    for name, seed in sorted(results):
        runs.setdefault(name, []).append(results[name, seed])
    runs["full 10"] = [replace(run, measured={END: run.measured[FULL["updates"]]}) for run in runs["w3"]]
    return runs


def last_part(split: str) -> str:
    """Return the part that comparisons are made on: test, or held_out where a Kaggle CSV leaves no test part."""
    return "test" if splits.load_description(split).parts["test"] else "held_out"


def is_as_claimed(split: str) -> bool:
    """Return whether a split has as many images as the claims on it are about."""
    parts = splits.load_description(split).parts
    return sum(parts.values()) - parts["test"] == IMAGES[split]


def told(value: float, unit: str = "share") -> str:
    """Return a value for a sentence."""
    return f"{100 * value:.1f} %" if unit == "share" else f"{value:.4f}"


def spread(values: Sequence[float], unit: str = "share") -> str:
    """Return mean and range for a sentence."""
    return f"{told(float(np.mean(values)), unit)} ({told(min(values), unit)} to {told(max(values), unit)})"


def points(difference: Difference) -> str:
    """Return mean and interval of differences of shares for a sentence."""
    low, high = difference.interval
    return f"{100 * np.mean(difference.values):+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"


def named(quantity: str, part: str, update: int) -> str:
    """Return what was measured, in words."""
    when = f"after {update:,} updates" if update else "before the first update"
    return f"{quantity} on the {PARTS[part]} images {when}"


def claimed_number(claim: Row, stated: Row, evidence: Evidence) -> Number:
    """Return what was measured of a number that a claim states."""
    part, update, is_accuracy = stated["part"], stated["update"], stated["quantity"] == "accuracy"
    runs = evidence.runs[NETWORKS[claim["write_up"]] + ("" if update else " untrained")]
    measured = [run.measured[update][part] for run in runs]
    scale = 100 if stated["unit"] == "%" else 1
    return Number(
        named(stated["quantity"], part, update),
        [accuracy if is_accuracy else loss / CLASSES for loss, accuracy in measured],
        "share" if is_accuracy else "",
        stated["value"] / scale,
        stated["rounding"] / scale,
        is_as_claimed(runs[0].row.split),
    )


def other_numbers(claim: Row, stated: Row, evidence: Evidence) -> list[Number]:
    """Return the accuracy at the same time on the parts that a claim does not speak of."""
    name, update = NETWORKS[claim["write_up"]], stated["update"]
    parts = evidence.runs[name][0].measured[update] if update else {}
    return [
        Number(named("accuracy", part, update), evidence.accuracies(name, update, part))
        for part in parts
        if part != stated["part"]
    ]


def sentence(number: Number) -> str:
    """Return what was measured of a number that is claimed, with the claim."""
    assert number.claimed is not None
    scale, sign = (100, " %") if number.unit == "share" else (1, "")
    decimals = max(0, round(-math.log10(2 * number.rounding * scale)))
    low, high = (told(end, number.unit) for end in number.interval)
    remark = ", on other images than these" if number.verdict == NOT_TESTABLE else ""
    if number.verdict == BELOW and number.unit == "share":
        remark = ": what is measured is better"
    return (
        f"Over {len(number.values)} seeds the {number.quantity} is {spread(number.values, number.unit)}, and one more "
        f"run is expected from {low} to {high}. Claimed is {number.claimed * scale:.{decimals}f}{sign}{remark}."
    )


def of_numbers(claim: Row, evidence: Evidence) -> Answer:
    """Compare each number of a claim with its distribution over the seeds."""
    claimed = [claimed_number(claim, stated, evidence) for stated in claim["numbers"]]
    others = other_numbers(claim, claim["numbers"][0], evidence)
    sentences = [sentence(number) for number in claimed]
    sentences += [f"The {other.quantity} is {spread(other.values)}." for other in others]
    return Answer(overall(number.verdict or "" for number in claimed), " ".join(sentences), [*claimed, *others])


def of_ablation(claim: Row, evidence: Evidence) -> Answer:
    """Take over what the ablate stage found."""
    row = evidence.ablations[claim["id"]]
    return Answer(shown(row["shown"]), row["finding"])


def of_changes(*changes: str) -> Answering:
    """Return what compares networks with some of `CHANGES` with those without, by each recipe."""

    def answer(claim: Row, evidence: Evidence) -> Answer:
        gains: list[Difference] = []
        sentences = ["Gain in accuracy, with the 95 % interval of its mean."]
        for recipe, words in RECIPES.items():
            found = []
            for change in changes:
                base, what = CHANGES[change]
                if f"{recipe} {change}" in evidence.runs:
                    gains.append(evidence.gain(f"{what}, {words}", f"{recipe} {change}", f"{recipe} {base}"))
                    found.append(f"{what} {points(gains[-1])}")
            sentences.append(f"{words[0].upper()}{words[1:]}: {'; '.join(found)}.")
        return Answer(overall(gain.verdict for gain in gains), " ".join(sentences), gains)

    return answer


def linear_network(claim: Row, evidence: Evidence) -> Answer:
    """Compare a network without activation with softmax regression, and with the product of its matrices (W2.3)."""
    what = f"a hidden layer without activation, {RECIPES['mini']}"
    gain = replace(evidence.gain(what, "linear", "softmax regression"), within=SAME)
    X, _ = splits.require_part("kaggle", last_part("kaggle"))
    apart = max(product_difference(run, X[:, :1000]) for run in evidence.runs["linear"])
    logits = "the same logits up to rounding" if apart < ROUNDING else f"logits that are off by {apart:.1%}"
    with_relu, without, regression = (
        spread(evidence.accuracies(name)) for name in ("mini 10", "linear", "softmax regression")
    )
    return Answer(
        overall([gain.verdict, shown(apart < ROUNDING)]),
        f"The network reaches {with_relu} with ReLU and {without} without activation, softmax regression {regression}: "
        f"the hidden layer without activation gains {points(gain)}. One layer with the weights W2 W1 and the biases "
        f"W2 b1 + b2 gives {logits}.",
        [gain],
    )


def product_difference(run: Run, X: Array) -> float:
    """Return how far the logits of a linear network are from those of its product of matrices, in float64.

    The largest difference, as a share of the largest logit.
    """
    network = run.network(np.float64)
    W1, b1, W2, b2 = network.parameters.values()
    Z = network.forward(X.astype(np.float64))
    return float(np.abs(W2 @ W1 @ X + (W2 @ b1 + b2) - Z).max() / np.abs(Z).max())


def batches_of_w3(claim: Row, evidence: Evidence) -> Answer:
    """Compare full batches with mini-batches after as many passes over the images (W3.9)."""
    full, mini = "w3", "w3 mini-batches"
    gain = evidence.gain(f"mini-batches of 128, {PASSES} passes each", mini, full, PASSES)
    last = float(np.mean(evidence.accuracies(full)))
    reached = [epoch for epoch in range(PASSES + 1) if np.mean(evidence.accuracies(mini, epoch)) >= last]
    overtaken = f"mini-batches have as much after {reached[0]}" if reached else "mini-batches do not get there"
    return Answer(
        gain.verdict,
        f"After {PASSES} passes over the images full batches have {spread(evidence.accuracies(full, PASSES))} and "
        f"mini-batches of 128 {spread(evidence.accuracies(mini))}: {points(gain)}. After {W3['updates']} passes full "
        f"batches have {told(last)}; {overtaken}.",
        [gain],
    )


def batches_of_w5(claim: Row, evidence: Evidence) -> Answer:
    """Compare mini-batches with full batches in speed and in steadiness (W5.2)."""
    full, mini = "w5", "w5 mini-batches"
    falls = {name: [largest_fall(run.trace)[1] for run in evidence.runs[name]] for name in (full, mini)}
    faster = evidence.gain(f"mini-batches of 128, {PASSES} passes each", mini, full, PASSES)
    better = evidence.gain(f"mini-batches of 128, {PASSES} passes against {W5['updates']}", mini, full)
    steadier = Difference(
        "largest fall of the training accuracy below its best, full batches less mini-batches",
        [of_full - of_mini for of_full, of_mini in zip(falls[full], falls[mini], strict=False)],
    )
    reached = [epoch for epoch in range(PASSES + 1) if np.mean(evidence.accuracies(mini, epoch)) >= GOAL]
    there = f"have {told(GOAL)} after {reached[0]}" if reached else f"do not reach {told(GOAL)}"
    return Answer(
        overall(difference.verdict for difference in (faster, better, steadier)),
        f"After {PASSES} passes over the images full batches have {spread(evidence.accuracies(full, PASSES))} and "
        f"mini-batches of 128 {spread(evidence.accuracies(mini))}: {points(faster)}. Mini-batches {there}; full "
        f"batches have {spread(evidence.accuracies(full))} after {W5['updates']}. From pass to pass the training "
        f"accuracy falls below its best by at most {100 * max(falls[full]):.1f} points with full batches and by at "
        f"most {100 * max(falls[mini]):.1f} with mini-batches.",
        [faster, better, steadier],
    )


def largest_fall(trace: Sequence[float]) -> tuple[int, float]:
    """Return where a series is furthest below the highest value before, and how far."""
    depths = np.maximum.accumulate(trace) - trace
    return int(depths.argmax()), float(depths.max())


def dip(claim: Row, evidence: Evidence) -> Answer:
    """Look for the dip while the rate is high, and for the recovery (W4.3)."""
    (stated,) = claim["numbers"]
    runs, (lowered,) = evidence.runs["w4"], W4["schedule"]["at"]
    at_update = claimed_number(claim, stated, evidence)
    falls = [largest_fall(run.trace[: lowered + 1]) for run in runs]
    later = [largest_fall(run.trace[lowered:])[1] for run in runs]
    bottom = Number(
        f"accuracy on the training images at the bottom of the largest fall up to update {lowered}",
        [run.trace[update] for run, (update, _) in zip(runs, falls, strict=True)],
    )
    recovery = Difference(
        f"largest fall of the accuracy on the training images up to update {lowered}, less that afterwards",
        [depth - after for (_, depth), after in zip(falls, later, strict=True)],
    )
    updates = ", ".join(str(update) for update, _ in falls)
    ends = evidence.accuracies("w4", part="train")
    return Answer(
        overall([at_update.verdict or "", shown(max(bottom.values) <= stated["value"] / 100), recovery.verdict]),
        f"{sentence(at_update)} The largest fall up to update {lowered} has its bottom at the updates {updates}, one "
        f"for each seed, and there the accuracy is {spread(bottom.values)}. With the lower rate it falls by at most "
        f"{100 * max(later):.1f} points, and ends at {spread(ends)}.",
        [at_update, bottom, recovery],
    )


def first_test_image(claim: Row, evidence: Evidence) -> Answer:
    """Look at the first test image with W4's networks (W4.4)."""
    X, y = splits.require_part("standard", "test")
    predicted = [int(run.network().forward(X[:, :1]).argmax()) for run in evidence.runs["w4"]]
    right = predicted.count(SEVEN)
    verdict = shown(y[0] == SEVEN and right > len(predicted) / 2) if is_as_claimed("standard") else NOT_TESTABLE
    return Answer(
        verdict,
        f"Its label is {y[0]}, and {right} of {len(predicted)} networks, one for each seed, recognize a {SEVEN}."
        + (" This is not the test set of the claim." if verdict == NOT_TESTABLE else ""),
    )


def vectorization(claim: Row, evidence: Evidence) -> Answer:
    """Report how matrices compare with loops (W4.5)."""
    speed = evidence.speed

    whole, product = ("" if faster else "not " for faster in (speed.whole_pass, speed.one_product))
    return Answer(
        shown(speed.whole_pass),
        f"The forward and backward pass of W4's network as printed is {whole}more than {speed.times:g} times as fast "
        "for all examples at once as in a loop over them, in each of several rounds on one processor core; its first "
        f"product W X alone is {product}so.",
    )


def scales_and_rates(claim: Row, evidence: Evidence) -> Answer:
    """Train from too small and too large weights, and with too low and too high rates (W5.3)."""
    by_scale = {f"{scale:g}": evidence.accuracies(f"scale {scale:g}") for scale in SCALES}
    by_rate = {f"{rate:g}": evidence.accuracies(f"rate {rate:g}") for rate in RATES}
    smallest, *_, largest = by_scale.values()
    lowest, *_, highest = by_rate.values()
    extremes = {
        "smallest weights": smallest,
        "largest weights": largest,
        "lowest rate": lowest,
        "highest rate": highest,
    }
    failed = {what: max(values) < FAILED for what, values in extremes.items()}
    fates = "; ".join(f"with the {what} they do{'' if failed[what] else ' not'}" for what in failed)
    runs = evidence.runs[f"rate {RATES[-1]:g}"]
    part = PARTS[last_part(GRID["split"])]
    return Answer(
        overall(shown(fails) for fails in failed.values()),
        f"After {GRID['epochs']} epochs of mini-batches of {GRID['batch_size']}, by the scale of the initial weights: "
        + "; ".join(f"{spread(values)} from {scale}" for scale, values in by_scale.items())
        + ". By the rate: "
        + "; ".join(f"{spread(values)} at {rate}" for rate, values in by_rate.items())
        + f". Networks fail that are right less than {told(FAILED)} of the time: {fates}. At the highest rate "
        f"{sum(run.diverged is not None for run in runs)} of {len(runs)} runs end with NaN or infinity.",
        [
            Number(f"accuracy on the {part} images, {what} {value}", values)
            for what, found in (("initial scale", by_scale), ("rate", by_rate))
            for value, values in found.items()
        ],
    )


def drawn_by_hand(claim: Row, evidence: Evidence) -> Answer:
    """Show digits drawn by hand to W5's networks (W5.4)."""
    X, y = evidence.drawn
    numbers = [
        Number(
            f"share of {len(y)} digits drawn by hand that is recognized, {words}",
            [evaluate(run.network(), X, y)[1] for run in evidence.runs[name]],
        )
        for name, words in (("w5", "as printed"), ("w5 mini-batches", "mini-batches of 128"))
    ]
    printed, mini = (spread(number.values) for number in numbers)
    return Answer(
        overall(shown(min(number.values) > FAILED) for number in numbers),
        f"Of {len(y)} digits drawn by hand the networks as printed recognize {printed}, and those trained with "
        f"mini-batches {mini}.",
        numbers,
    )


SPECIAL: dict[str, Answering] = {
    "W2.3": linear_network,
    "W2.4": of_changes("10-10", "128", "momentum", "rmsprop", "adam"),
    "W3.8": of_changes("128", "256"),
    "W3.9": batches_of_w3,
    "W3.10": of_changes("10-10", "128-128"),
    "W4.3": dip,
    "W4.4": first_test_image,
    "W4.5": vectorization,
    "W5.2": batches_of_w5,
    "W5.3": scales_and_rates,
    "W5.4": drawn_by_hand,
}


def answer(claim: Row, evidence: Evidence) -> Answer:
    """Return the answer to a claim, a row of write_ups.yaml."""
    general = of_ablation if claim["kind"] == "ablation" else of_numbers
    return SPECIAL.get(claim["id"], general)(claim, evidence)
