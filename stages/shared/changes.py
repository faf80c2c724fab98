"""Where two contents of params.yaml differ: each leaf by its dotted key, a layer beside the one that it stood for."""

from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, NamedTuple

from stages.shared.parameters import LayerRow

Numbered = tuple[int, dict[str, Any]]  # a layer, and its place in the list
NOWHERE = (None, None)
MOST_NAMED = 3


class Change(NamedTuple):
    """A value that differs, None where there is none."""

    key: str
    before: Any
    after: Any


def changes(before: Any, after: Any, key: str = "") -> list[Change]:
    """Return the leaves that differ, in alphabetical order of their keys and in the order of layers.

    A layer has its place in `after` in its key, one that is gone its place in `before`; a whole layer stands in words.

    Parameters
    ----------
    before, after : object
        What stands in params.yaml at this key, None if nothing does.
    key : str
        Dotted; empty for all of the file.
    """
    there = [side for side in (before, after) if side is not None]
    if before == after:
        return []
    if all(isinstance(side, dict) for side in there):
        old, new = before or {}, after or {}
        names = sorted({**old, **new}, key=str)
        return [c for name in names for c in changes(old.get(name), new.get(name), f"{key}.{name}" if key else name)]
    if all(map(_are_layers, there)):
        if None in (before, after):
            return [Change(key, *(side and ", ".join(map(_words, side)) for side in (before, after)))]
        return _of_layers(before, after, key)
    return [Change(key, before, after)]


def name_leaves(before: Any, after: Any, key: str) -> str:
    """Return the keys of the leaves that differ, the key itself if these are many or none."""
    found = [change.key for change in changes(before, after, key)]
    return ", ".join(found) if 0 < len(found) <= MOST_NAMED else key


def _are_layers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) and "name" in row for row in value)


def _words(layer: dict[str, Any]) -> str:
    return str(_row(layer))


def _row(layer: dict[str, Any]) -> LayerRow:
    options = {
        key: list(map(_row, value)) if _are_layers(value) else value for key, value in layer.items() if key != "name"
    }
    return LayerRow(str(layer["name"]), options)


def _name(layer: dict[str, Any]) -> str:
    return str(layer["name"])


def _of_layers(before: list[dict[str, Any]], after: list[dict[str, Any]], key: str) -> list[Change]:
    found = []
    for old, new in _pairs(list(enumerate(before)), list(enumerate(after)), [_words, _name]):
        (i, was), (j, is_now) = old or NOWHERE, new or NOWHERE
        place = f"{key}.{i if j is None else j}"
        if was and is_now and _name(was) == _name(is_now):
            found += changes(was, is_now, place)
        else:
            found.append(Change(place, was and _words(was), is_now and _words(is_now)))
    return found


def _pairs(
    before: Sequence[Numbered], after: Sequence[Numbered], likenesses: Sequence[Callable[[dict[str, Any]], str]]
) -> Iterator[tuple[Numbered | None, Numbered | None]]:
    """Pair two lists in order: what is alike in the first way, what is left between by the next, the rest by place."""
    if not likenesses:
        yield from zip_longest(before, after)
        return
    likeness, *others = likenesses
    old, new = ([likeness(layer) for _, layer in side] for side in (before, after))
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from zip(before[i1:i2], after[j1:j2], strict=True)
        else:
            yield from _pairs(before[i1:i2], after[j1:j2], others)
