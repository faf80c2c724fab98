"""An answer to each claim of the write-ups, from the runs and what else is evidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf, log

import numpy as np
from scipy.stats import binomtest

from stages.claims.reproductions.runs import (
    COLUMNS,
    END,
    NETWORKS,
    PASSES,
    RATES,
    ROUNDS,
    SCALES,
    Compared,
    Part,
    Run,
    Speed,
    lowered_at,
)
from stages.claims.reproductions.words import CHANGES, PARTS, named, recipe, sentence, spread, told
from stages.claims.verdicts import Interval, Quantity, Shown, Subject
from stages.claims.write_ups import Row
from stages.nn.arrays import Array
from stages.nn.training import evaluate
from stages.shared.mnist import CLASSES

ROUNDING = 1e-9  # logits in float64 that differ by less, as a share of the largest, differ by rounding alone
GUESSING = log(CLASSES)  # the cross-entropy of the same probability for every class
SEVEN = 7  # what W4 sees in the first test image
GOAL = 0.94  # what W5 claims, and means to reach with mini-batches
OTHER_IMAGES = "the claim is about other images than these"


@dataclass(frozen=True)
class Answer:
    """What is said of a claim: sentences, and what they are made from; the claim is judged by the parts among these."""

    finding: str
    measured: Sequence[Quantity | Shown] = ()


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

    def gain(
        self, what: str, name: str, base: str, base_epoch: int = END, *, region: Interval, part: str = ""
    ) -> Quantity:
        """Return how far the accuracy of an experiment at its end is above that of another, seed by seed."""
        pairs = zip(self.accuracies(name), self.accuracies(base, base_epoch), strict=False)
        images = PARTS[self.compared_on(name).part]
        return Quantity(
            f"gain in accuracy on the {images} images, {what}",
            [value - of_base for value, of_base in pairs],
            "points",
            region,
            part=part,
        )

    def compared_on(self, name: str) -> Compared:
        """Return what the runs of an experiment are compared on."""
        return self.compared[self.runs[name][0].row.split]


Answering = Callable[[Row, Evidence], Answer]


def region(stated: Row, scale: float) -> Interval | None:
    """Return where a claim has the mean: as far from the value as the margin says, or above that; None if nowhere."""
    if "margin" not in stated:
        return None
    low, high = ((stated["value"] + sign * stated["margin"]) / scale for sign in (-1, 1))
    return low, {"at least": inf, "about": high}[stated["reading"]]


def above(claim: Row, limit: str = "points") -> Interval:
    """Return the region above a limit of a claim, in points."""
    return claim["limits"][limit] / 100, inf


def claimed_number(claim: Row, stated: Row, evidence: Evidence) -> Quantity:
    """Return what was measured of a number that a claim states."""
    subject = Subject(stated["quantity"], stated["part"], stated["update"])
    is_accuracy = subject.quantity == "accuracy"
    name = NETWORKS[claim["write_up"]]
    measured = [run.measured[subject.update][subject.part] for run in evidence.runs[name]]
    scale = 100 if stated["unit"] == "%" else 1
    as_claimed = evidence.compared_on(name).as_claimed
    return Quantity(
        named(subject),
        [accuracy if is_accuracy else loss / CLASSES for loss, accuracy in measured],
        "share" if is_accuracy else "",
        region(stated, scale),
        stated["value"] / scale,
        stated["rounding"] / scale,
        why=stated.get("why", "") if as_claimed else OTHER_IMAGES,
        subject=subject,
    )


def other_numbers(claim: Row, stated: Row, evidence: Evidence) -> list[Quantity]:
    """Return the accuracy at the same time on the parts that a claim does not speak of."""
    name, update = NETWORKS[claim["write_up"]], stated["update"]
    parts = evidence.runs[name][0].measured[update] if update else {}
    others = [Subject("accuracy", part, update) for part in parts if part != stated["part"]]
    return [Quantity(named(other), evidence.accuracies(name, update, other.part), subject=other) for other in others]


def of_numbers(claim: Row, evidence: Evidence) -> Answer:
    """Compare each number of a claim with its mean over the seeds."""
    claimed = [claimed_number(claim, stated, evidence) for stated in claim["numbers"]]
    others = other_numbers(claim, claim["numbers"][0], evidence)
    sentences = [sentence(number) for number in claimed]
    sentences += [f"The {other.quantity} is {spread(other.values)}." for other in others]
    return Answer(" ".join(sentences), [*claimed, *others])


def same_experiment(claim: Row, evidence: Evidence) -> Answer:
    """Point to the claim whose experiment this is."""
    return Answer(f"This is the experiment of {claim['same_as']}, and not counted a second time.")


def of_ablation(claim: Row, evidence: Evidence) -> Answer:
    """Take over what the ablate stage found."""
    row = evidence.ablations[claim["id"]]
    return Answer(row["finding"], [Shown(part, holds, row["why"]) for part, holds in row["parts"].items()])


def of_changes(*changes: str) -> Answering:
    """Return what compares networks with some of `CHANGES` with those without, by each recipe."""

    def answer(claim: Row, evidence: Evidence) -> Answer:
        gains: list[Quantity] = []
        sentences = ["Gain in accuracy, with the 95 % interval of its mean."]
        for kind in ("full", "mini"):
            found = []
            for change in changes:
                base, what = CHANGES[change]
                if runs := evidence.runs.get(f"{kind} {change}"):
                    how = recipe(runs[0].row)
                    batches = "full batches" if runs[0].row.batch_size is None else "mini-batches"
                    name = f"{kind} {change}"
                    gains.append(
                        evidence.gain(
                            f"{what}, {how}", name, f"{kind} {base}", region=above(claim), part=f"{what}, {batches}"
                        )
                    )
                    found.append(f"{what} {gains[-1].in_points}")
            sentences.append(f"{how[0].upper()}{how[1:]}: {'; '.join(found)}.")
        return Answer(" ".join(sentences), gains)

    return answer


def linear_network(claim: Row, evidence: Evidence) -> Answer:
    """Compare a network without activation with softmax regression, and with the product of its matrices (W2.3)."""
    within = claim["limits"]["points"] / 100
    gain = evidence.gain(
        f"a hidden layer without activation, {recipe(evidence.runs['linear'][0].row)}",
        "linear",
        "softmax regression",
        region=(-within, within),
        part="it adds nothing",
    )
    X = evidence.compared_on("linear").X
    apart = max(product_difference(run, X) for run in evidence.runs["linear"])
    logits = "the same logits up to rounding" if apart < ROUNDING else f"logits that are off by {apart:.1%}"
    with_relu, without, regression = (
        spread(evidence.accuracies(name)) for name in ("mini 10", "linear", "softmax regression")
    )
    return Answer(
        f"The network reaches {with_relu} with ReLU and {without} without activation, softmax regression {regression}: "
        f"the hidden layer without activation gains {gain.in_points}. One layer with the product of the two weight "
        f"matrices, and with the first biases carried through the second one, gives {logits}.",
        [gain, Shown("the network is a linear model", apart < ROUNDING)],
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
    size = evidence.runs[mini][0].row.batch_size
    what = f"W3's network, mini-batches of {size}, {PASSES} passes each"
    gain = evidence.gain(what, mini, full, PASSES, region=above(claim))
    shared = len(evidence.runs[mini])  # seeds that both have
    passes, last = evidence.runs[full][0].row.updates, float(np.mean(evidence.accuracies(full)[:shared]))
    reached = [epoch for epoch in range(PASSES + 1) if np.mean(evidence.accuracies(mini, epoch)) >= last]
    overtaken = f"mini-batches have as much after {reached[0]}" if reached else "mini-batches do not get there"
    return Answer(
        f"With the same {shared} seeds full batches have {spread(evidence.accuracies(full, PASSES)[:shared])} after "
        f"{PASSES} passes over the images, and mini-batches of {size} {spread(evidence.accuracies(mini))}: "
        f"{gain.in_points}. After {passes} passes full batches have {told(last)}; {overtaken}.",
        [gain],
    )


def batches_of_w5(claim: Row, evidence: Evidence) -> Answer:
    """Compare mini-batches with full batches in speed and in steadiness (W5.2)."""
    full, mini = "w5", "w5 mini-batches"
    passes, size = evidence.runs[full][0].row.updates, evidence.runs[mini][0].row.batch_size
    falls = {
        name: [largest_fall([run.measured[epoch]["train"][1] for epoch in range(PASSES + 1)])[1] for run in runs]
        for name, runs in evidence.runs.items()
        if name in (full, mini)
    }
    what = f"W5's network, mini-batches of {size}, {PASSES} passes"
    faster = evidence.gain(f"{what} each", mini, full, PASSES, region=above(claim), part="faster, after as many passes")
    better = evidence.gain(
        f"{what} against {passes}", mini, full, region=above(claim), part=f"there, against full batches after {passes}"
    )
    steadier = Quantity(
        f"largest fall of the training accuracy below its best after each of {PASSES} passes, "
        "full batches less mini-batches",
        [of_full - of_mini for of_full, of_mini in zip(falls[full], falls[mini], strict=False)],
        "points",
        above(claim, "points_steadier"),
        part="more steadily",
    )
    reached = [epoch for epoch in range(PASSES + 1) if np.mean(evidence.accuracies(mini, epoch)) >= GOAL]
    there = f"have {told(GOAL)} after {reached[0]}" if reached else f"do not reach {told(GOAL)}"
    return Answer(
        f"After {PASSES} passes over the images full batches have {spread(evidence.accuracies(full, PASSES))} and "
        f"mini-batches of {size} {spread(evidence.accuracies(mini))}: {faster.in_points}. Mini-batches {there}; full "
        f"batches have {spread(evidence.accuracies(full))} after {passes}. Measured after each of {PASSES} "
        f"passes, the training accuracy falls below its best by at most {100 * max(falls[full]):.1f} points with full "
        f"batches and by at most {100 * max(falls[mini]):.1f} with mini-batches. Swings within a pass "
        "are not measured.",
        [faster, better, steadier],
    )


def largest_fall(trace: Sequence[float]) -> tuple[int, float]:
    """Return where a series is furthest below the highest value before, and how far."""
    depths = np.maximum.accumulate(trace) - trace
    return int(depths.argmax()), float(depths.max())


def dip(claim: Row, evidence: Evidence) -> Answer:
    """Look for the dip while the rate is high, and for falls once it is lower (W4.3)."""
    (stated,) = claim["numbers"]
    runs = evidence.runs["w4"]
    lowered = lowered_at(runs[0].row)
    falls = [largest_fall(run.trace[: lowered + 1]) for run in runs]
    later = [largest_fall(run.trace[lowered:])[1] for run in runs]
    update = f"a dip at update {stated['update']}"
    at_update = replace(claimed_number(claim, stated, evidence), part=f"{update} to {stated['value']} %")
    before = Quantity(
        f"largest fall of the accuracy on the training images up to update {lowered}",
        [depth for _, depth in falls],
        "points",
        above(claim, "points_of_a_dip"),
        part="a dip while the rate is high",
        least=0.0,
    )
    afterwards = Quantity(
        f"largest fall of the accuracy on the training images after update {lowered}",
        later,
        "points",
        (-inf, claim["limits"]["points_afterwards"] / 100),
        part="no fall once it is lower",
        least=0.0,
    )
    bottoms = [run.trace[update] for run, (update, _) in zip(runs, falls, strict=True)]
    first, last = min(falls)[0], max(falls)[0]
    where = f"at update {first}" if first == last else f"between the updates {first} and {last}"
    ends = evidence.accuracies("w4", part="train")
    return Answer(
        f"{sentence(at_update)} The largest fall up to update {lowered}, by {spread(before.values, 'points')}, has its "
        f"bottom {where}, where the accuracy is {spread(bottoms)}. With the lower rate it falls by at most "
        f"{100 * max(later):.2f} points, and ends at {spread(ends)}.",
        [at_update, before, afterwards],
    )


def first_test_image(claim: Row, evidence: Evidence) -> Answer:
    """Look at the first test image with W4's networks (W4.4)."""
    images = evidence.compared_on("w4")
    predicted = [int(run.network().forward(images.X[:, :1]).argmax()) for run in evidence.runs["w4"]]
    right = predicted.count(SEVEN)
    finding = f"Its label is {images.y[0]}, and {right} of {len(predicted)} networks, one for each seed, see a {SEVEN}."
    if not (images.as_claimed and images.part == "test"):
        return Answer(finding, [Shown("the first test image", None, "this is not the test set of the claim")])
    is_sure = 100 * right >= claim["limits"]["percent_of_networks"] * len(predicted)
    recognized = False if images.y[0] != SEVEN or 2 * right < len(predicted) else True if is_sure else None
    return Answer(finding, [Shown("the first test image", recognized, "too few of the networks agree")])


def vectorization(claim: Row, evidence: Evidence) -> Answer:
    """Report how matrices compare with loops (W4.5)."""
    speed = evidence.speed
    fast = {True: "in each", False: "in none", None: "in some"}
    parts = {"the forward and backward pass": speed.whole_pass, "the first product W X alone": speed.one_product}
    return Answer(
        f"On one processor core the forward and backward pass of W4's network as printed is at least {speed.times:g} "
        f"times as fast for {COLUMNS:,} examples at once as in a loop over them {fast[speed.whole_pass]} of "
        f"{ROUNDS} rounds; its first product W X alone {fast[speed.one_product]} of them.",
        [Shown(part, fast_enough, "the rounds disagree") for part, fast_enough in parts.items()],
    )


def scales_and_rates(claim: Row, evidence: Evidence) -> Answer:
    """Train from too small and too large weights, and with too low and too high rates (W5.3)."""
    names = [f"scale {scale:g}" for scale in SCALES] + [f"rate {rate:g}" for rate in RATES]
    highest = evidence.runs[names[-1]]
    limit, images = claim["limits"]["percent"] / 100, PARTS[evidence.compared_on(names[-1]).part]
    extremes = {
        names[0]: "weights of 0 fail",
        names[1]: f"weights as small as {SCALES[1]:g} fail",
        names[len(SCALES) - 1]: f"weights as large as {SCALES[-1]:g} fail",
        names[len(SCALES)]: f"a rate of {RATES[0]:g} takes forever",
    }
    measured = [
        Quantity(
            f"accuracy on the {images} images, {'initial ' * name.startswith('scale')}{name}",
            evidence.accuracies(name),
            region=(-inf, limit) if name in extremes else None,
            part=extremes.get(name, ""),
        )
        for name in names
    ]
    told_of = [f"{spread(of.values)} at {name.split()[1]}" for name, of in zip(names, measured, strict=True)]
    losses = [run.measured[END][evidence.compared_on(names[-1]).part][0] for run in highest]
    ends = [not loss < GUESSING for loss in losses]  # NaN is no loss below it
    diverges = ends[0] if len(set(ends)) == 1 else None
    row = highest[0].row
    return Answer(
        f"After {row.epochs} epochs of mini-batches of {row.batch_size}, by the scale of the initial weights: "
        f"{'; '.join(told_of[: len(SCALES)])}. By the rate: {'; '.join(told_of[len(SCALES) :])}. A network has failed "
        f"that is right less than {told(limit)} of the time. At the highest rate {sum(ends)} of {len(ends)} runs end "
        f"with a loss above that of guessing, {sum(run.diverged is not None for run in highest)} with NaN or infinity.",
        [*measured, Shown(f"a rate of {RATES[-1]:g} diverges", diverges, "the runs disagree")],
    )


def drawn_by_hand(claim: Row, evidence: Evidence) -> Answer:
    """Show digits drawn by hand to W5's networks (W5.4)."""
    X, y = evidence.drawn
    (stated,) = claim["numbers"]
    numbers = [
        Quantity(
            f"share of {len(y)} digits drawn by hand that is recognized, {words}",
            [evaluate(run.network(), X, y)[1] for run in evidence.runs[name]],
            region=region(stated, 100),
            claimed=stated["value"] / 100,
            rounding=stated["rounding"] / 100,
            part=words,
        )
        for name, words in (("w5", "as printed"), ("w5 mini-batches", "with mini-batches"))
    ]
    printed, mini = (spread(number.values) for number in numbers)
    return Answer(
        f"Of {len(y)} digits that were drawn for this study, as paths of a pen in three hands, the networks as printed "
        f"recognize {printed}, and those trained with mini-batches {mini}. As reliably as test images are claimed to "
        f"be: {stated['value']} %, with a margin of {stated['margin']:g} points for so few digits. What varies here is "
        "the seed, and not the digits; Wilson's interval for so many digits is "
        f"{' and '.join(wilson(number, len(y)) for number in numbers)}.",
        numbers,
    )


def wilson(number: Quantity, count: int) -> str:
    """Return the 95 % interval of a share of so many digits (Wilson 1927), in words."""
    recognized = round(count * number.mean)
    low, high = binomtest(recognized, count).proportion_ci(method="wilson")
    return f"{told(low)} to {told(high)} ({number.part}, {recognized} of {count})"


SPECIAL: dict[str, Answering] = {
    "W2.3": linear_network,
    "W2.4": of_changes("momentum", "rmsprop", "adam"),
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
    if "same_as" in claim:
        return same_experiment(claim, evidence)
    general = of_ablation if claim["kind"] == "ablation" else of_numbers
    return SPECIAL.get(claim["id"], general)(claim, evidence)
