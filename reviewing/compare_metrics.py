"""Compare the metrics just made with the committed ones: `python -m reviewing.compare_metrics`."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from reviewing.judging import differences
from reviewing.significance import REPRODUCTIONS, find_spread
from stages.shared.artifacts import read_json
from stages.shared.errors import UserError, run
from stages.shared.git import git
from stages.shared.schema import read


def committed() -> dict[Path, Any]:
    """Return the content of each metrics/*.json of the last commit."""
    paths = [Path(name) for name in git("ls-tree", "--name-only", "HEAD", "metrics/").splitlines()]
    return {path: json.loads(git("show", f"HEAD:{path}")) for path in paths if path.suffix == ".json"}


def compare() -> None:
    """Print for each metrics file how it compares with the last commit's.

    Raises
    ------
    UserError
        If a number differs by more than another kind of processor or another seed explains, a conclusion is another, or
        a file is in one place only. Files with figures of another data set are not compared.
    """
    old = committed()
    rows, reproductions = read().get("models", {}), old.get(Path(REPRODUCTIONS), {})
    new = {path: read_json(path) for path in sorted(Path("metrics").glob("*.json"))}
    if not old | new:
        raise UserError("metrics/: nothing to compare, neither here nor in the last commit")
    failures = [f"{path}: in the last commit only" for path in old if path not in new]
    failures += [f"{path}: not committed" for path in new if path not in old]
    for path in sorted(old.keys() & new.keys()):
        here, there = new[path].get("dataset"), old[path].get("dataset")
        if here != there:
            print(f"{path}: comparison skipped, of {here!r} here and of {there!r} in the last commit")
            continue
        spread_of = partial(find_spread, rows.get(path.stem), there, reproductions)
        differing = differences(old[path], new[path], spread_of)
        beyond = [difference for difference in differing if difference.verdict == "beyond"]
        failures += [f"{path}: {d.place} is {d.here}, and {d.recorded} in the last commit" for d in beyond]
        if not beyond:
            equal = f"not equal to, but {len(differing)} values are within the rule of" if differing else "equal to"
            print(f"{path}: {equal} the last commit's")
    if failures:
        raise UserError("\n".join(failures))


if __name__ == "__main__":
    run(compare)
