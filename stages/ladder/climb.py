"""Train a rung of the ladder with each of its seeds, and measure it: `python -m stages.ladder.climb RUNG`.

With `--choose` it is trained with one seed and without the validation share, and measured on that share alone: how a
rung is chosen without a look at the test images.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from stages.ladder import measuring, rungs
from stages.ladder.revision import revision
from stages.ladder.rungs import CHOOSING, FINAL, Rung
from stages.nn.parts import Alone
from stages.shared import checkpoints, machine, parameters, splits
from stages.shared.artifacts import write_json
from stages.shared.errors import UserError, run
from stages.shared.parameters import Model
from stages.train import Learned, learn, save

MODELS, CHOICES = Path("models"), Path("choices")


def climb(name: str) -> None:
    """Train a rung with all its seeds and measure it on the test images.

    Writes models/<name>/<seed>.npz, metrics/<name>.json, metrics/wrong/<name>.csv and, with what differs from run to
    run, runs/<name>.json. A seed that an interrupted run has trained is not trained again.

    Raises
    ------
    UserError
        If there is no such rung, or what it reads is not what it should be.
    """
    rung, made_by = require(name), revision()
    X, y = splits.require_part(FINAL, "test")
    results, seconds = [], []
    for seed in range(rung.seeds):
        row, learned = trained(name, rung, seed, FINAL)
        seconds.append(round(learned.checkpoint.seconds, 3))
        save(MODELS / name / f"{seed}.npz", row, learned)
        results.append(measuring.assess([learned.network], X, y, len(learned.split.form.classes), seed))
        learned.checkpoint.save()
    network = learned.network
    counts = {"parameters": network.size, "multiply_adds": network.multiply_adds}
    measuring.write(name, {"dataset": learned.split.dataset, "images": learned.split.parts, **counts}, results)
    measuring.write_run(name, made_by, machine.in_words(), seconds)
    for seed in range(rung.seeds):
        checkpoints.path_of(f"{name}-{seed}").unlink()


def choose(name: str) -> dict[str, Any]:
    """Train a rung once without the validation share; write choices/<name>.json and return what it holds.

    Raises
    ------
    UserError
        As `climb` does.
    """
    rung = require(name)
    X, y = splits.require_part(CHOOSING, "validation")
    row, learned = trained(name, rung, 0, CHOOSING)
    result = measuring.assess([learned.network], X, y, len(learned.split.form.classes))
    found = {"images": len(y), "wrong": len(result.wrong), **result.measured}
    write_json(CHOICES / f"{name}.json", {"validation": found, "row": row.model_dump(mode="json")})
    learned.checkpoint.remove()
    return found


def require(name: str) -> Rung:
    """Return a rung; raise UserError if there is none of that name."""
    known = rungs.load().rungs
    if name not in known:
        raise UserError(f"{rungs.RUNGS}: rungs has no {name!r}; it has {', '.join(known)}")
    return known[name]


def trained(name: str, rung: Rung, seed: int, split: str) -> tuple[Model, Learned]:
    """Return the row of a rung for a seed and a split, and what its training has come to."""
    row = rungs.load_row(rung).model_copy(update={"seed": seed, "split": split})
    run_name = f"{name}-{seed}" if split == FINAL else f"{name}-{seed}-{split}"
    with (
        checkpoints.alone(run_name),
        threadpool_limits(row.blas_threads or parameters.load().blas_threads, user_api="blas"),
    ):
        return row, learn(run_name, row, Alone())


def main() -> None:
    """Read the command line."""
    _, _, of_dvc = os.environ.get("DVC_STAGE", "").partition("@")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rung", nargs="?" if of_dvc else None, default=of_dvc, help="a key of rungs in rungs.yaml")
    parser.add_argument("--choose", action="store_true", help="measure on the validation share, and not on test images")
    options = parser.parse_args()
    if options.choose:
        found = choose(options.rung)
        print(f"{options.rung}: {found['accuracy']:.2%} of the {found['images']:,} validation images are right")
    else:
        climb(options.rung)


if __name__ == "__main__":
    run(main)
