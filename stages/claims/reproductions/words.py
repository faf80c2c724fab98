"""What was measured of the write-ups' claims, in words."""

import math
from collections.abc import Sequence

import numpy as np

from stages.claims.verdicts import IN_PART, UNDECIDED, Quantity, Subject, Verdict
from stages.nn.initializers import He
from stages.shared.parameters import Model

PARTS = {"train": "training", "held_out": "held-out", "test": "test"}
CHANGES = {  # what it is compared with, and in words
    "128": ("10", "128 hidden units in place of 10"),
    "256": ("10", "256 hidden units in place of 10"),
    "10-10": ("10", "a second hidden layer of 10 units"),
    "128-128": ("128", "a second hidden layer of 128 units"),
    "momentum": ("10", "momentum"),
    "rmsprop": ("10", "RMSProp"),
    "adam": ("10", "Adam"),
}
SIGNS = {"share": " %", "points": " points"}


def recipe(row: Model) -> str:
    """Return how a network of a comparison is trained."""
    start = "He's weights" if isinstance(row.initializer, He) else "W3's weights"
    if row.batch_size is None:
        return f"from {start}, {row.updates} full-batch updates"
    return f"from {start}, {row.epochs} epochs of mini-batches of {row.batch_size}"


def told(value: float, unit: str = "share") -> str:
    """Return a value for a sentence."""
    return f"{100 * value:.1f}{SIGNS[unit]}" if unit else f"{value:.4f}"


def spread(values: Sequence[float], unit: str = "share") -> str:
    """Return mean and range for a sentence."""
    mean, low, high = (told(value, unit) for value in (float(np.mean(values)), min(values), max(values)))
    return f"{mean} in all runs alike" if len(set(values)) == 1 else f"{mean} ({low.removesuffix(' points')} to {high})"


def named(subject: Subject) -> str:
    """Return what was measured, in words."""
    when = f"after {subject.update:,} updates" if subject.update else "before the first update"
    return f"{subject.quantity} on the {PARTS[subject.part]} images {when}"


def sentence(number: Quantity) -> str:
    """Return what was measured of a number that is claimed, with the claim and its margin."""
    assert number.claimed is not None
    scale, sign = (100, " %") if number.unit == "share" else (1, "")
    decimals = max(0, round(-math.log10(2 * number.rounding * scale)))
    claim = f"Claimed is {number.claimed * scale:.{decimals}f}{sign}"
    if number.region:
        margin = scale * (number.claimed - number.region[0])
        claim += f", with a margin of {f'{margin:.1f} points' if number.unit == 'share' else f'{margin:.4f}'}"
        claim += ": measured is better" if number.is_better else ""
    low, high = (told(end, number.unit) for end in number.interval)
    interval = "" if number.alike else f"; the interval of the mean is {low} to {high}"
    return (
        f"Over {len(number.values)} seeds the {number.quantity} is {spread(number.values, number.unit)}{interval}. "
        f"{claim}."
    )


def reasons(judged: Verdict) -> str:
    """Return which part of a claim holds, where they differ, and why what cannot be decided cannot."""
    said = []
    if len({part.verdict for part in judged.parts}) > 1 or judged.verdict == IN_PART:
        for verdict in dict.fromkeys(part.verdict for part in judged.parts):
            which = "; ".join(part.part for part in judged.parts if part.verdict == verdict)
            said.append(f"{verdict[0].upper()}{verdict[1:]}: {which}.")
    undecided = [part for part in judged.parts if part.why and part.verdict == UNDECIDED]
    causes = list(dict.fromkeys(part.why for part in undecided))
    for why in causes:
        which = ": " + "; ".join(part.part for part in undecided if part.why == why) if len(causes) > 1 else ""
        said.append(f"Undecided, because {why}{which}.")
    if judged.alone != judged.verdict:
        said.append(f"Without the correction for many tests: {judged.alone}.")
    return " ".join(dict.fromkeys(said))
