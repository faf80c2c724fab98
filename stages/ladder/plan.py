"""Say what `make ladder` is going to run, and how long that takes: `python -m stages.ladder.plan [TARGET...]`.

It is by what was measured when a rung was last run and, where it has not been, by the estimate in rungs.yaml.
"""

import argparse
from collections.abc import Sequence

from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.ladder import rungs
from stages.ladder.measuring import RUNS
from stages.ladder.rungs import Rung
from stages.shared.artifacts import read_json
from stages.shared.errors import UserError, run


def to_run(targets: Sequence[str]) -> list[str]:
    """Return the rungs that are not what dvc.lock has, of these targets or of all.

    Raises
    ------
    UserError
        If DVC cannot read the pipeline, or has no such target.
    """
    try:
        with Repo() as repo:
            found = [repo.status(targets=target, with_deps=True) for target in targets] or [repo.status()]
    except DvcException as error:
        raise UserError(f"DVC cannot read the ladder's pipeline: {error}") from None
    return [name for name in rungs.load().rungs if any(f"climb@{name}" in changed for changed in found)]


def minutes(name: str, rung: Rung) -> tuple[float, str]:
    """Return how long a rung takes, with all its seeds, and how that is known."""
    path = RUNS / f"{name}.json"
    if not path.exists():
        return rung.seeds * rung.minutes, "estimated"
    ran = read_json(path)
    return rung.seeds * sum(ran["seconds"]) / len(ran["seconds"]) / 60, f"as on {ran['machine']}"


def plan(targets: Sequence[str]) -> str:
    """Return what is going to be run, a line for each rung."""
    known = rungs.load().rungs
    rows = [(name, *minutes(name, known[name])) for name in to_run(targets)]
    if not rows:
        return "No rung is to be run."
    width = max(len(name) for name, *_ in rows)
    lines = [f"  {name:{width}}  {known[name].seeds} seeds  {time:6.1f} min, {how}" for name, time, how in rows]
    total = sum(time for _, time, _ in rows)
    told = f"{total / 60:.1f} hours" if total >= 90 else f"{total:.0f} minutes"
    return "\n".join([f"{len(rows)} of {len(known)} rungs are to be run, about {told} of training:", *lines])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="stages of ladder/dvc.yaml; all if none is given")
    print(plan(parser.parse_args().targets), flush=True)
    print("What is interrupted goes on where it was: give the same command again.", flush=True)


if __name__ == "__main__":
    run(main)
