"""What README, site and paper say in the same words of what was measured."""

from collections import Counter
from collections.abc import Iterable, Sequence

from publishing.measurements import Answer, Measured, Metrics, Quantity, Spread
from stages.claims.verdicts import FAILS, HOLDS, IN_PART, UNDECIDED
from stages.shared.parameters import Model

PLURAL = {HOLDS: "hold", IN_PART: "hold in part", FAILS: "do not hold", UNDECIDED: UNDECIDED}
NO_BREAK = "\N{NO-BREAK SPACE}"
PERCENT = f"{NO_BREAK}%"
ALIKE = "all runs alike"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def length(row: Model) -> str:
    """Return how long a model is trained."""
    return f"{row.updates:,} updates" if row.updates else f"{row.epochs:,} epochs"


def accuracy(part: Measured | None, sign: str = "") -> str:
    """Return an accuracy in percent, after it a sign, and its interval; a dash if the split has no such part."""
    if part is None:
        return "-"
    low, high = (f"{100 * end:.1f}" for end in part.interval)
    return f"{100 * part.accuracy:.1f}{sign} ({low}{NO_BREAK}to{NO_BREAK}{high})"


def spread(of: Spread, digits: int = 2) -> str:
    """Return the median of rounds, with the smallest and the largest."""
    low, middle, high = (f"{value:.{digits}f}" for value in (of.smallest, of.median, of.largest))
    return f"{middle} ({low}{NO_BREAK}to{NO_BREAK}{high})"


def results(metrics: Metrics, sign: str = "") -> list[str]:
    """Return the cells of a model: its accuracy on each part as `accuracy` has it, and its test cross-entropy."""
    parts = [accuracy(part, sign) for part in (metrics.train, metrics.held_out, metrics.test)]
    return [*parts, f"{metrics.test.cross_entropy:.3f}" if metrics.test else "-"]


def data(datasets: Iterable[str], notes: Iterable[str]) -> str:
    """Return on which data something was measured, with the notes on them, each once."""
    return " ".join([f"Data: {'; '.join(dict.fromkeys(datasets))}.", *dict.fromkeys(notes)])


def verdict_counts(claims: Iterable[Answer]) -> list[str]:
    """Return how many claims have each verdict, the most frequent one first; one experiment counts once."""
    counted = Counter(claim.verdict for claim in claims if claim.same_as is None)
    return [f"{count} {verdict if count == 1 else PLURAL[verdict]}" for verdict, count in counted.most_common()]


def chance(p: float | None) -> str:
    """Return a p for a table; nothing where nothing was tested."""
    return "" if p is None else f"{p:.4f}" if p >= 0.0001 else f"<{NO_BREAK}0.0001"


def verdict(of: Quantity) -> str:
    """Return the verdict on a quantity, whether it is better, and the uncorrected verdict where it is another."""
    if of.alone != of.verdict:
        return f"{of.verdict} (alone: {of.alone})"
    return f"{of.verdict}, measured is better" if of.better else of.verdict or ""
