"""What was measured of the write-ups' claims, in words."""

import math
from collections.abc import Sequence

import numpy as np

from stages.claims.reproductions.verdicts import BELOW, NOT_TESTABLE, Difference, Number, Subject

PARTS = {"train": "training", "held_out": "held-out", "test": "test"}
RECIPES = {
    "full": "by W3's recipe, 150 full-batch updates",
    "mini": "from He's weights, 5 epochs of mini-batches of 128",
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


def named(subject: Subject) -> str:
    """Return what was measured, in words."""
    when = f"after {subject.update:,} updates" if subject.update else "before the first update"
    return f"{subject.quantity} on the {PARTS[subject.part]} images {when}"


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
