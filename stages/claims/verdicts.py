"""The verdict on a claim: whether a mean surely lies where the claim has it, and what its parts make together."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy.stats import bootstrap, t

Unit = Literal["share", "points", ""]  # of the images, a difference of two such shares, or a plain number
Interval = tuple[float, float]

HOLDS = "holds"
IN_PART = "holds in part"
FAILS = "does not hold"
UNDECIDED = "cannot be decided by this"

LEVEL = 0.05  # the probability of a wrong verdict: of each by itself, and after Holm's correction of any of them
MANY = 20  # values, whose own distribution says enough to compare the interval with
DIGITS = 6  # decimals in a file: the last bits, which differ between processors, do not show


@dataclass(frozen=True)
class Subject:
    """What a number is of: the accuracy or the cost, on a part of a split, after so many updates."""

    quantity: str
    part: str
    update: int


@dataclass(frozen=True)
class Quantity:
    """Something measured once for each seed, and where a claim has its mean, if one does.

    Parameters
    ----------
    quantity : str
        What was measured.
    values : sequence of float
        One for each seed, at least two.
    unit : str
        "share" of the images, "points" for a difference of two such shares, or "" for a plain number.
    region : tuple of float, optional
        The claim holds if the mean lies between these two numbers, of which one may be infinite.
    claimed, rounding : float, optional
        The number as claimed, and half a unit of its last digit.
    part : str
        The part of the claim that this is, if it has several, in a few words.
    why : str
        Why it cannot be decided, whatever is measured; empty if it can.
    subject : Subject, optional
        What `quantity` says, for programs.
    least : float
        What no value can be below, so that no interval begins below it.
    """

    quantity: str
    values: Sequence[float]
    unit: Unit = "share"
    region: Interval | None = None
    claimed: float | None = None
    rounding: float = 0.0
    part: str = ""
    why: str = ""
    subject: Subject | None = None
    least: float = -np.inf

    @property
    def alike(self) -> bool:
        """Whether all runs came to the same, so that there is no spread to test with, and the mean alone decides."""
        return len(set(self.values)) == 1

    @property
    def mean(self) -> float:
        """Of the values."""
        return float(np.mean(self.values))

    @property
    def sd(self) -> float:
        """Standard deviation of one value."""
        return float(np.std(self.values, ddof=1))

    @property
    def interval(self) -> Interval:
        """The 95 % confidence interval of the mean: mean ± t s / sqrt(k) of k values."""
        k = len(self.values)
        reach = float(t.ppf(1 - LEVEL / 2, k - 1)) * self.sd / math.sqrt(k)
        return max(self.least, self.mean - reach), self.mean + reach

    @property
    def bootstrap(self) -> Interval | None:
        """The interval of the mean that asks for no normal distribution (BCa, Efron 1987); None for few values."""
        if len(self.values) < MANY or self.alike:
            return None
        found = bootstrap((self.values,), np.mean, confidence_level=1 - LEVEL, rng=np.random.default_rng(0))
        low, high = map(float, found.confidence_interval)
        return low, high

    @property
    def is_better(self) -> bool:
        """Whether what is reached surely is more than the claim by its margin, where at least so much is claimed."""
        if self.claimed is None or self.region is None or self.why:
            return False
        margin = self.claimed - self.region[0]
        return math.isinf(self.region[1]) and self.interval[0] > self.claimed + margin

    @property
    def in_points(self) -> str:
        """Mean and interval of differences of shares, for a sentence."""
        if self.alike:
            return f"{100 * self.mean:+.1f} points in all runs alike"
        low, high = self.interval
        return f"{100 * self.mean:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"

    @property
    def p(self) -> float | None:
        """The level at which the confidence interval of the mean reaches the nearest end of the region.

        Below 0.05 the 95 % interval lies wholly in the region or wholly outside. None if nothing is to be decided, or
        all runs are alike.
        """
        if self.region is None or self.why or self.alike:
            return None
        distance, k = min(abs(self.mean - end) for end in self.region), len(self.values)
        return float(2 * t.sf(distance / (self.sd / math.sqrt(k)), k - 1))

    def verdict(self, p: float | None) -> str | None:
        """Return the verdict at this p, its own or a corrected one; None if no claim is about it."""
        if self.region is None and not self.why:
            return None
        is_open = self.mean in (self.region or ()) if self.alike else p is None or p >= LEVEL
        if self.region is None or self.why or is_open:
            return UNDECIDED
        low, high = self.region
        return HOLDS if low < self.mean < high else FAILS


@dataclass(frozen=True)
class Shown:
    """A part of a claim that needs no statistics: whether it is so, None if this cannot decide it, and why."""

    part: str
    holds: bool | None
    why: str = ""

    @property
    def verdict(self) -> str:
        """The word for it."""
        return UNDECIDED if self.holds is None else HOLDS if self.holds else FAILS


def holm(ps: Sequence[float]) -> list[float]:
    """Return p after Holm's correction for how many there are (1979), in the same order.

    Of n, the smallest is multiplied by n, the next one by n - 1, and so on. None becomes smaller than one before it,
    or larger than 1.
    """
    order = np.argsort(ps, kind="stable")
    corrected = np.empty(len(ps))
    corrected[order] = np.minimum(1, np.maximum.accumulate(np.asarray(ps)[order] * np.arange(len(ps), 0, -1)))
    return [float(p) for p in corrected]


def overall(verdicts: Iterable[str]) -> str:
    """Return the verdict on a claim of several parts.

    It holds if all do, and in part if some do. Where none does, it does not hold if each surely does not.
    """
    distinct = set(verdicts)
    if len(distinct) == 1:
        return distinct.pop()
    return IN_PART if distinct & {HOLDS, IN_PART} else UNDECIDED


@dataclass(frozen=True)
class Judged:
    """A part of a claim with its verdicts: by itself, and with all tests corrected for their number."""

    part: str
    alone: str
    verdict: str
    why: str = ""


@dataclass(frozen=True)
class Verdict:
    """What is said of a claim, by its parts: by themselves, and corrected."""

    parts: Sequence[Judged]

    @property
    def alone(self) -> str:
        """The verdict if each test stood alone."""
        return overall(part.alone for part in self.parts)

    @property
    def verdict(self) -> str:
        """The verdict."""
        return overall(part.verdict for part in self.parts)


def correct(measured: Mapping[str, Sequence[Quantity | Shown]]) -> dict[tuple[str, int], float]:
    """Return the corrected p of all that is tested, by the claim and the place among what was measured for it."""
    ps = {
        (claim, place): p
        for claim, quantities in measured.items()
        for place, quantity in enumerate(quantities)
        if isinstance(quantity, Quantity) and (p := quantity.p) is not None
    }
    return dict(zip(ps, holm(list(ps.values())), strict=True))


def judge(
    measured: Mapping[str, Sequence[Quantity | Shown]], rests_on: Mapping[str, Sequence[str]]
) -> dict[str, Verdict]:
    """Return the verdict on each claim.

    Parameters
    ----------
    measured : dict
        By claim, what was measured for it. All tests in it are corrected together.
    rests_on : dict
        By claim, the other claims whose verdicts are parts of its own. Their tests are not counted a second time.
    """
    corrected = correct(measured)
    own = {
        claim: [
            judged
            for place, quantity in enumerate(quantities)
            if (judged := _judged(quantity, corrected.get((claim, place))))
        ]
        for claim, quantities in measured.items()
    }
    whole = {claim: Verdict(parts) for claim, parts in own.items()}
    others = {
        claim: [Judged(name, whole[name].alone, whole[name].verdict) for name in rests_on.get(claim, ())]
        for claim in own
    }
    return {claim: Verdict([*parts, *others[claim]]) for claim, parts in own.items()}


def _judged(of: Quantity | Shown, corrected: float | None) -> Judged | None:
    """Return a part of a claim with its verdicts, None if the claim does not rest on it."""
    if isinstance(of, Shown):
        return Judged(of.part, of.verdict, of.verdict, of.why if of.holds is None else "")
    alone, verdict = of.verdict(of.p), of.verdict(corrected)
    if alone is None or verdict is None:
        return None
    open_yet = "the interval of the mean holds a limit" if alone == UNDECIDED else "corrected for many tests it is open"
    return Judged(of.part or of.quantity, alone, verdict, of.why or (open_yet if verdict == UNDECIDED else ""))


def summary(measured: Quantity, corrected: float | None) -> dict[str, Any]:
    """Return what was measured as it goes into a file: its spread over the seeds, the claim if any, the verdicts."""
    claim: dict[str, Any] = {}
    if measured.claimed is not None:
        claim = {"claimed": round(measured.claimed, DIGITS), "rounding": round(measured.rounding, DIGITS)}
    if measured.region is not None:
        claim["region"] = [round(end, DIGITS) if np.isfinite(end) else None for end in measured.region]
        claim["better"] = measured.is_better
    values, p = measured.values, measured.p
    spread = {"mean": measured.mean, "sd": measured.sd, "min": min(values), "max": max(values)}
    return {
        "quantity": measured.quantity,
        **({"subject": asdict(measured.subject)} if measured.subject else {}),
        "unit": measured.unit,
        **claim,
        "seeds": len(values),
        **{name: round(value, DIGITS) for name, value in spread.items()},
        "interval": [round(end, DIGITS) for end in measured.interval],
        **({"bootstrap": [round(end, DIGITS) for end in measured.bootstrap]} if measured.bootstrap else {}),
        "p": None if p is None else round(p, DIGITS),
        "corrected": None if corrected is None else round(corrected, DIGITS),
        "alone": measured.verdict(p),
        "verdict": measured.verdict(corrected),
        **({"why": measured.why} if measured.why else {}),
    }
