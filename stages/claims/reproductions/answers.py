"""An answer to each claim of the write-ups, from the runs and what else is evidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stages.claims.reproductions.runs import (
    END,
    NETWORKS,
    PASSES,
    RATES,
    SCALES,
    Compared,
    Part,
    Run,
    Speed,
    lowered_at,
)
from stages.claims.reproductions.verdicts import NOT_TESTABLE, Difference, Number, Subject, overall, shown
from stages.claims.reproductions.words import CHANGES, PARTS, RECIPES, named, points, sentence, spread, told
from stages.claims.write_ups import Row
from stages.nn.arrays import Array
from stages.nn.training import evaluate
from stages.shared.mnist import CLASSES

SAME = 0.01  # accuracies whose mean difference is surely smaller are the same
ROUNDING = 1e-9  # logits in float64 that differ by less, as a share of the largest, differ by rounding alone
FAILED = 0.5  # a network that is right less often has failed
SEVEN = 7  # what W4 sees in the first test image
GOAL = 0.94  # what W5 claims, and means to reach with mini-batches


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
    compared : dict
        What comparisons are made on, by split.
    ablations : dict
        Rows of metrics/ablations.json, by the id of the claim.
    drawn : tuple of ndarray
        Digits drawn by hand, X of shape (784, n) and y of shape (n,).
    speed : Speed
        Of matrices against loops.
    """

    runs: dict[str, list[Run]]
    compared: dict[str, Compared]
    ablations: dict[str, Row]
    drawn: Part
    speed: Speed

    def accuracies(self, name: str, epoch: int = END, part: str | None = None) -> list[float]:
        """Return the accuracy of each run of an experiment after an epoch, on the part for comparisons unless said."""
        return [run.measured[epoch][part or self.compared[run.row.split].part][1] for run in self.runs[name]]

    def gain(self, what: str, name: str, base: str, base_epoch: int = END) -> Difference:
        """Return how far the accuracy of an experiment at its end is above that of another, seed by seed."""
        pairs = zip(self.accuracies(name), self.accuracies(base, base_epoch), strict=False)
        part = PARTS[self.compared_on(name).part]
        return Difference(
            f"gain in accuracy on the {part} images, {what}", [value - of_base for value, of_base in pairs]
        )

    def compared_on(self, name: str) -> Compared:
        """Return what the runs of an experiment are compared on."""
        return self.compared[self.runs[name][0].row.split]


Answering = Callable[[Row, Evidence], Answer]


def claimed_number(claim: Row, stated: Row, evidence: Evidence) -> Number:
    """Return what was measured of a number that a claim states."""
    subject = Subject(stated["quantity"], stated["part"], stated["update"])
    is_accuracy = subject.quantity == "accuracy"
    name = NETWORKS[claim["write_up"]] + ("" if subject.update else " untrained")
    measured = [run.measured[subject.update][subject.part] for run in evidence.runs[name]]
    scale = 100 if stated["unit"] == "%" else 1
    return Number(
        named(subject),
        [accuracy if is_accuracy else loss / CLASSES for loss, accuracy in measured],
        "share" if is_accuracy else "",
        stated["value"] / scale,
        stated["rounding"] / scale,
        evidence.compared_on(name).as_claimed,
        subject,
    )


def other_numbers(claim: Row, stated: Row, evidence: Evidence) -> list[Number]:
    """Return the accuracy at the same time on the parts that a claim does not speak of."""
    name, update = NETWORKS[claim["write_up"]], stated["update"]
    parts = evidence.runs[name][0].measured[update] if update else {}
    others = [Subject("accuracy", part, update) for part in parts if part != stated["part"]]
    return [Number(named(other), evidence.accuracies(name, update, other.part), subject=other) for other in others]


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
    X = evidence.compared_on("linear").X
    apart = max(product_difference(run, X) for run in evidence.runs["linear"])
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
    passes, last = evidence.runs[full][0].row.updates, float(np.mean(evidence.accuracies(full)))
    reached = [epoch for epoch in range(PASSES + 1) if np.mean(evidence.accuracies(mini, epoch)) >= last]
    overtaken = f"mini-batches have as much after {reached[0]}" if reached else "mini-batches do not get there"
    return Answer(
        gain.verdict,
        f"After {PASSES} passes over the images full batches have {spread(evidence.accuracies(full, PASSES))} and "
        f"mini-batches of 128 {spread(evidence.accuracies(mini))}: {points(gain)}. After {passes} passes full "
        f"batches have {told(last)}; {overtaken}.",
        [gain],
    )


def batches_of_w5(claim: Row, evidence: Evidence) -> Answer:
    """Compare mini-batches with full batches in speed and in steadiness (W5.2)."""
    full, mini = "w5", "w5 mini-batches"
    passes = evidence.runs[full][0].row.updates
    falls = {name: [largest_fall(run.trace)[1] for run in evidence.runs[name]] for name in (full, mini)}
    faster = evidence.gain(f"mini-batches of 128, {PASSES} passes each", mini, full, PASSES)
    better = evidence.gain(f"mini-batches of 128, {PASSES} passes against {passes}", mini, full)
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
        f"batches have {spread(evidence.accuracies(full))} after {passes}. From pass to pass the training "
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
    runs = evidence.runs["w4"]
    lowered = lowered_at(runs[0].row)
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
    images = evidence.compared_on("w4")
    predicted = [int(run.network().forward(images.X[:, :1]).argmax()) for run in evidence.runs["w4"]]
    right = predicted.count(SEVEN)
    recognized = images.y[0] == SEVEN and right > len(predicted) / 2
    verdict = shown(recognized) if images.as_claimed and images.part == "test" else NOT_TESTABLE
    return Answer(
        verdict,
        f"Its label is {images.y[0]}, and {right} of {len(predicted)} networks, one for each seed, recognize a {SEVEN}."
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
    row, part = runs[0].row, PARTS[evidence.compared_on(f"rate {RATES[-1]:g}").part]
    return Answer(
        overall(shown(fails) for fails in failed.values()),
        f"After {row.epochs} epochs of mini-batches of {row.batch_size}, by the scale of the initial weights: "
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
