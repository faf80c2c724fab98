"""From runs over several seeds to a verdict on a claim: intervals of Student's t, and what they say."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy.stats import t

Unit = Literal["share", ""]  # of the images, or a plain number
Interval = tuple[float, float]

CONSISTENT = "consistent"
ABOVE = "claimed above what is measured"
BELOW = "claimed below what is measured"
IN_PART = "consistent in part"
NOT_CONFIRMED = "not confirmed"
CONTRADICTED = "contradicted"
NOT_TESTABLE = "not testable as stated"

DIGITS = 6  # decimals in a file: the last bits, which differ between processors, do not show


def _interval(values: Sequence[float], variance: float) -> Interval:
    """Return the mean of the values, and t of their standard deviation times the root of `variance` to both sides."""
    reach = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) * np.sqrt(variance)
    return float(np.mean(values) - reach), float(np.mean(values) + reach)


def prediction_interval(values: Sequence[float]) -> Interval:
    """Return where one more run lies with a probability of 95 %: mean ± t s sqrt(1 + 1/k) of k values, k at least 2."""
    return _interval(values, 1 + 1 / len(values))


def confidence_interval(values: Sequence[float]) -> Interval:
    """Return the 95 % confidence interval of the mean: mean ± t s sqrt(1/k) of k values, k at least 2."""
    return _interval(values, 1 / len(values))


def compare(low: float, high: float, reference: float, below: str, inside: str, above: str) -> str:
    """Return the word for where `reference` lies: below, inside or above the interval from low to high."""
    return below if reference < low else above if reference > high else inside


@dataclass(frozen=True)
class Subject:
    """What a number is of: the accuracy or the cost, on a part of a split, after so many updates."""

    quantity: str
    part: str
    update: int


@dataclass(frozen=True)
class Number:
    """Something measured once for each seed, and what is claimed of it, if anything.

    Parameters
    ----------
    quantity : str
        What was measured.
    values : sequence of float
        One for each seed, at least two.
    unit : str
        "share" of the images, or "" for a plain number.
    claimed : float, optional
        In the same unit.
    rounding : float
        Half a unit of the last digit of the claim.
    testable : bool
        Whether it was measured on the images that the claim is about.
    subject : Subject, optional
        What `quantity` says, for programs.
    """

    quantity: str
    values: Sequence[float]
    unit: Unit = "share"
    claimed: float | None = None
    rounding: float = 0.0
    testable: bool = True
    subject: Subject | None = None

    @property
    def interval(self) -> Interval:
        """The prediction interval of one more run."""
        return prediction_interval(self.values)

    @property
    def verdict(self) -> str | None:
        """What the prediction interval, widened by the rounding, says of the claim; None if there is no claim."""
        if self.claimed is None:
            return None
        if not self.testable:
            return NOT_TESTABLE
        low, high = self.interval
        return compare(low - self.rounding, high + self.rounding, self.claimed, BELOW, CONSISTENT, ABOVE)


@dataclass(frozen=True)
class Difference:
    """Paired differences of which a claim says that they are above 0, or no difference at all.

    Parameters
    ----------
    quantity : str
        Of what, and which less which.
    values : sequence of float
        One for each seed, at least two.
    unit : str
        "share" of the images, or "" for a plain number.
    within : float, optional
        For a claim that there is no difference: the size below which a difference is none.
    """

    quantity: str
    values: Sequence[float]
    unit: Unit = "share"
    within: float | None = None

    @property
    def interval(self) -> Interval:
        """The confidence interval of the mean."""
        return confidence_interval(self.values)

    @property
    def verdict(self) -> str:
        """Consistent if the interval is where it is claimed, contradicted if it is elsewhere, else not confirmed."""
        low, high = self.interval
        if self.within is None:
            return compare(low, high, 0, CONSISTENT, NOT_CONFIRMED, CONTRADICTED)
        if max(-low, high) < self.within:
            return CONSISTENT
        return CONTRADICTED if max(low, -high) > self.within else NOT_CONFIRMED


def shown(holds: bool) -> str:
    """Return the verdict on something that either is so or is not."""
    return CONSISTENT if holds else NOT_CONFIRMED


def overall(verdicts: Iterable[str]) -> str:
    """Return the verdict on a claim of several parts: theirs if they agree, else whether any part is consistent.

    A part that is not testable leaves the whole so.
    """
    distinct = set(verdicts)
    if len(distinct) == 1:
        return distinct.pop()
    if NOT_TESTABLE in distinct:
        return NOT_TESTABLE
    return IN_PART if CONSISTENT in distinct else NOT_CONFIRMED


def summary(measured: Number | Difference) -> dict[str, Any]:
    """Return what was measured as it goes into a file: its spread over the seeds, the claim if any, the verdict."""
    values, claim = measured.values, {}
    subject = measured.subject if isinstance(measured, Number) else None
    if isinstance(measured, Number) and measured.claimed is not None:
        claim = {"claimed": round(measured.claimed, DIGITS), "rounding": round(measured.rounding, DIGITS)}
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    spread = {"mean": mean, "sd": sd, "min": min(values), "max": max(values)}
    return {
        "quantity": measured.quantity,
        **({"subject": asdict(subject)} if subject else {}),
        "unit": measured.unit,
        **claim,
        "seeds": len(values),
        **{name: round(value, DIGITS) for name, value in spread.items()},
        "interval": [round(end, DIGITS) for end in measured.interval],
        "verdict": measured.verdict,
    }
