"""How far the metrics of one run are from those of another, set against what the seed does to them."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from reviewing.significance import Spread
from stages.claims.verdicts import IN_PART, UNDECIDED
from stages.shared.errors import UserError

REPEATED = "finding"  # the key of sentences made from numbers that stand beside them
TOLERANCE = 0.005  # other processors and libraries round otherwise, and training amplifies it
# Keys of words that must be the same on any machine, but for a verdict near a limit, where the last bits may decide.
CONCLUSIONS = ("dataset", "shown", "verdict")
ABSENT = "absent"

Place = tuple[str | int, ...]
SpreadOf = Callable[[str], Spread | None]  # of a model's accuracy on a part of its split


class Allowed(NamedTuple):
    """From where to where a number may be on another machine, and why there."""

    low: float
    high: float
    why: str


class Difference(NamedTuple):
    """A value in a file of metrics that differs."""

    place: str
    recorded: Any
    here: Any
    allowed: Allowed | None
    verdict: Literal["within", "beyond", "not judged"]


def differences(recorded: Any, here: Any, spread_of: SpreadOf) -> list[Difference]:
    """Return what differs between two JSON documents of metrics, but for the sentences that repeat their numbers.

    Parameters
    ----------
    recorded, here : object
        The documents.
    spread_of : callable
        Returns what the seed does to the accuracy that the documents have on a part of the split, None if not measured.
    """
    before, after, allowed = dict(leaves(recorded)), dict(leaves(here)), allowances(recorded, here, spread_of)
    return [
        Difference(_named(place, recorded, here), old, new, allowed.get(place), _judged(place, old, new, allowed))
        for place in {**before, **after}
        if (old := before.get(place, ABSENT)) != (new := after.get(place, ABSENT))
    ]


def leaves(content: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield the place and the value of everything in a JSON document that holds nothing else."""
    if isinstance(content, dict | list) and content:
        for key, part in content.items() if isinstance(content, dict) else enumerate(content):
            if key != REPEATED:
                yield from leaves(part, (*place, key))
    else:
        yield place, content


def _judged(
    place: Place, old: Any, new: Any, allowed: Mapping[Place, Allowed]
) -> Literal["within", "beyond", "not judged"]:
    if ABSENT in (old, new):
        return "beyond"
    if place and place[-1] in CONCLUSIONS:
        near_a_limit = place[-1] == "verdict" and {old, new} & {IN_PART, UNDECIDED}
        return "not judged" if near_a_limit else "beyond"
    if place not in allowed:
        return "not judged"
    low, high, _ = allowed[place]
    return "within" if isinstance(new, int | float) and low <= new <= high else "beyond"


def allowances(recorded: Any, here: Any, spread_of: SpreadOf) -> dict[Place, Allowed]:
    """Return which numbers of a document of metrics are judged, and from where to where each may be.

    An accuracy may be as far from the recorded one as two runs that differ in the seed alone; where that is not
    measured, within the 95 % interval that is recorded with it. A mean over seeds may be as far as that of as many
    other seeds. A cross-entropy, for which neither is known, may differ by `TOLERANCE`.
    """
    found: dict[Place, Allowed] = {}
    others = dict(_maps(here))
    for place, numbers in _maps(recorded):
        try:
            if {"accuracy", "interval", "cross_entropy"} <= numbers.keys():
                part = str(place[-1]) if place else ""
                found[*place, "accuracy"] = _of_accuracy(numbers["accuracy"], numbers["interval"], spread_of(part))
                found[*place, "cross_entropy"] = _of_cross_entropy(numbers["cross_entropy"])
            if {"mean", "sd", "seeds"} <= numbers.keys():
                sd = max(numbers["sd"], others.get(place, numbers)["sd"])
                found[*place, "mean"] = _of_mean(numbers["mean"], sd, numbers["seeds"])
        except (LookupError, TypeError, ValueError) as error:
            raise UserError(f"{'.'.join(map(str, place))}: not numbers where they belong ({error})") from None
    return found


def _of_accuracy(value: float, interval: Sequence[float], spread: Spread | None) -> Allowed:
    if spread:
        return _around(value, spread.margin, f"{spread.seeds} seeds")
    low, high = interval
    return Allowed(low, high, "95 % interval")


def _of_cross_entropy(value: float) -> Allowed:
    return _around(value, TOLERANCE * max(1, value), f"{TOLERANCE:g}")


def _of_mean(value: float, sd: float, seeds: int) -> Allowed:
    return _around(value, Spread(sd, seeds, 0).margin / math.sqrt(seeds), f"{seeds} seeds")


def _around(value: float, margin: float, why: str) -> Allowed:
    return Allowed(value - margin, value + margin, why)


def _maps(content: Any, place: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the place and the content of every map in a JSON document."""
    if isinstance(content, dict):
        yield place, content
    if isinstance(content, dict | list):
        for key, part in content.items() if isinstance(content, dict) else enumerate(content):
            yield from _maps(part, (*place, key))


def _named(place: Place, *documents: Any) -> str:
    """Return a place in words: an item of a list by its id, or by the quantity that it is about, if it has one."""
    words: list[str] = []
    for key in place:
        documents = tuple(_part(document, key) for document in documents)
        named = next((document for document in documents if isinstance(document, dict)), {})
        words.append(str(named.get("id", named.get("quantity", key)) if isinstance(key, int) else key))
    return ".".join(words)


def _part(document: Any, key: str | int) -> Any:
    try:
        return document[key]
    except (LookupError, TypeError):
        return None


def parsed(content: bytes | None) -> Any:
    """Return the content of a JSON file, None if there is no file or no JSON in it."""
    try:
        return json.loads(content or b"")
    except ValueError:
        return None
