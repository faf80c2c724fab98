"""Measure a committee of the ladder, by the mean of its probabilities: `python -m stages.ladder.committee NAME`."""

from collections.abc import Sequence
from pathlib import Path

from threadpoolctl import threadpool_limits

from stages.ladder import measuring, rungs
from stages.ladder.climb import MODELS
from stages.ladder.measuring import RUNS
from stages.ladder.rungs import FINAL
from stages.shared import models, parameters, splits
from stages.shared.artifacts import read_json
from stages.shared.errors import UserError, run
from stages.shared.models import Trained
from stages.shared.schema import named_row


def load_alike(paths: Sequence[Path]) -> list[Trained]:
    """Return trained models that may vote together.

    Raises
    ------
    UserError
        If one cannot be read, or they were trained on images of different classes, forms or data sets.
    """
    members = [models.load(path) for path in paths]
    kinds = [f"{member.dataset}, {member.form}: {', '.join(member.form.classes)}" for member in members]
    for path, kind in zip(paths, kinds, strict=True):
        if kind != kinds[0]:
            raise UserError(
                f"{path}: trained on {kind}, and {paths[0]} on {kinds[0]}; a committee needs the same classes and "
                "data, so leave one of them out"
            )
    return members


def measure(name: str) -> None:
    """Measure a committee on the test images; write what `climb` does, but for models.

    Raises
    ------
    UserError
        If there is no such committee, or a member is missing or does not belong with the others.
    """
    known = rungs.load().committees
    if name not in known:
        raise UserError(f"{rungs.RUNGS}: committees has no {name!r}; it has {', '.join(known) or 'none'}")
    committee = known[name]
    paths = [MODELS / committee.members / f"{seed}.npz" for seed in range(committee.seeds)]
    members = load_alike(paths)
    of_members = read_json(RUNS / f"{committee.members}.json")
    split = splits.load_description(FINAL)
    splits.require_form(FINAL, members[0].form)
    networks = [member.network for member in members]
    result = measuring.assess(networks, *splits.require_part(FINAL, "test"), len(split.form.classes))
    counts = {
        "parameters": sum(network.size for network in networks),
        "multiply_adds": sum(network.multiply_adds for network in networks),
    }
    measuring.write(name, {"dataset": split.dataset, "images": split.parts, **counts}, [result])
    seconds = round(committee.seeds * min(of_members["seconds"]), 3)
    measuring.write_run(name, of_members["revision"], of_members["machine"], [seconds])


def main() -> None:
    """Read the command line."""
    name = named_row(__doc__, "committee")
    with threadpool_limits(parameters.load().blas_threads, user_api="blas"):
        measure(name)


if __name__ == "__main__":
    run(main)
