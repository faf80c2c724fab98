"""Compare the metrics just made with the committed ones: `python -m stages.compare_metrics`."""

import json
import math
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.artifacts import read_json
from stages.errors import UserError, run

REPEATED = "finding"  # the key of sentences made from numbers that stand beside them
TOLERANCE = 0.005  # other processors and libraries round otherwise, and training amplifies it


def distance(old: Any, new: Any) -> float:
    """Return how far apart two JSON documents are.

    Parameters
    ----------
    old, new : object
        The documents.

    Returns
    -------
    float
        The largest difference of two numbers that stand in the same place, of numbers beyond 1 the relative one;
        infinity if anything else differs, but for the sentences that repeat the numbers.
    """
    before, after = dict(leaves(old)), dict(leaves(new))
    if before.keys() != after.keys():
        return math.inf
    return max((_apart(before[key], after[key]) for key in before), default=0.0)


def leaves(content: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield the place and the value of everything in a JSON document that holds nothing else."""
    if isinstance(content, dict | list) and content:
        for key, part in content.items() if isinstance(content, dict) else enumerate(content):
            if key != REPEATED:
                yield from leaves(part, (*place, key))
    else:
        yield place, content


def _apart(a: Any, b: Any) -> float:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return abs(a - b) / max(1, abs(a), abs(b))
    return 0.0 if a == b else math.inf


def committed() -> dict[Path, Any]:
    """Return the content of each metrics/*.json of the last commit."""
    paths = [Path(name) for name in _git("ls-tree", "--name-only", "HEAD", "metrics/").splitlines()]
    return {path: json.loads(_git("show", f"HEAD:{path}")) for path in paths if path.suffix == ".json"}


def _git(*arguments: str) -> str:
    git = subprocess.run(["git", *arguments], capture_output=True, check=False, encoding="utf-8")
    if git.returncode:
        raise UserError(f"git {' '.join(arguments)}: {git.stderr.strip()}")
    return git.stdout


def compare() -> None:
    """Print for each metrics file how it compares with the last commit's.

    Raises
    ------
    UserError
        If a number is further than TOLERANCE from the committed one, anything else differs, or a file is in one place
        only. Files with figures of another data set are not compared.
    """
    old = committed()
    new = {path: read_json(path) for path in sorted(Path("metrics").glob("*.json"))}
    if not old | new:
        raise UserError("metrics/: nothing to compare, neither here nor in the last commit")
    failures = [f"{path}: in the last commit only" for path in old if path not in new]
    failures += [f"{path}: not committed" for path in new if path not in old]
    for path in sorted(old.keys() & new.keys()):
        here, there = new[path].get("dataset"), old[path].get("dataset")
        apart = distance(old[path], new[path])
        if here != there:
            print(f"{path}: comparison skipped, of {here!r} here and of {there!r} in the last commit")
        elif apart > TOLERANCE:
            failures.append(f"{path}: not within {TOLERANCE} of the last commit's; see `git diff {path}`")
        else:
            equal = "equal to" if old[path] == new[path] else f"not equal to, but within {apart:.2g} of"
            print(f"{path}: {equal} the last commit's")
    if failures:
        raise UserError("\n".join(failures))


if __name__ == "__main__":
    run(compare)
