"""The claims of the write-ups at a glance: what is claimed and what was measured, each in a few words."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, RootModel

from publishing.measurements import Ablation, Answer, Quantity
from publishing.words import ALIKE
from stages.shared import schema

WORDS = Path(__file__).with_name("glance.yaml")


class Words(BaseModel):
    """The two cells of a claim, with fields for what is filled in."""

    claimed: str
    measured: str


@dataclass
class Shown:
    """A measured quantity in a few words: its mean, and the interval that its verdict goes by."""

    of: Quantity

    def _number(self, value: float) -> str:
        if not self.of.unit:
            return f"{value:.4g}"
        return f"{100 * value:+.1f}" if self.of.unit == "points" else f"{100 * value:.1f}"

    @property
    def _unit(self) -> str:
        return {"share": " %", "points": " points"}.get(self.of.unit, "")

    @property
    def claimed(self) -> str:
        """The claimed value, with the digits that the write-up gives."""
        if self.of.claimed is None:
            raise LookupError(self.of.quantity)
        scale = 100 if self.of.unit == "share" else 1
        digits = -math.floor(math.log10(2 * scale * self.of.rounding)) if self.of.rounding else 0
        return f"{scale * self.of.claimed:.{max(digits, 0)}f}{self._unit}"

    @property
    def mean(self) -> str:
        """The mean over the seeds."""
        return f"{self._number(self.of.mean)}{self._unit}"

    def __str__(self) -> str:
        if self.of.alike:
            return f"{self.mean}, {ALIKE}"
        low, high = map(self._number, self.of.interval)
        return f"{self.mean} ({low} to {high})"


@dataclass
class ByEnd:
    """Measured quantities by how their names end."""

    shown: Sequence[Shown]

    def __getitem__(self, end: str) -> Shown:
        (found,) = [shown for shown in self.shown if shown.of.quantity.endswith(end)]
        return found


class Text(str):
    """A text of which a format takes what a regular expression finds."""

    def __format__(self, pattern: str) -> str:
        found = re.search(pattern, self)
        if not found:
            raise LookupError(pattern)
        return found[0]


def words() -> dict[str, Words]:
    """Return the words for each claim by its id."""
    return RootModel[dict[str, Words]].model_validate(schema.read(WORDS)).root


def gains(quantities: Sequence[Quantity]) -> str:
    """Return how many of the differences are as claimed, and from where to where they go."""
    compared = [of for of in quantities if of.verdict is not None]
    means = [100 * of.mean for of in compared]
    kept = sum(of.verdict == "holds" for of in compared)
    return f"{kept} of {len(compared)} do, {min(means):+.1f} to {max(means):+.1f} points"


def cells(claim: str, answer: Answer, ablation: Ablation | None) -> list[str] | None:
    """Return the two cells of a claim; None if there are no words for it, or not what they need was measured."""
    shown = [Shown(of) for of in answer.measured]
    fields: dict[str, Any] = {"of": ByEnd(shown), "claim": Text(answer.claim), "finding": Text(answer.finding)}
    if ablation:
        fields |= {"heeded": ablation.with_it, "ignored": ablation.without}
    if answer.measured and any(of.verdict for of in answer.measured):
        fields["gains"] = gains(answer.measured)
    try:
        of = words()[claim]
        texts = [text.format(*shown, **fields) for text in (of.claimed, of.measured)]
    except (LookupError, ValueError):
        return None
    return [re.sub(r"(?<=\d)%", " %", text) for text in texts]
