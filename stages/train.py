"""Train one model of params.yaml: `python -m stages.train MODEL`."""

import sys
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.nn.early_stopping import EarlyStopping
from stages.nn.network import Network
from stages.nn.parts import Alone, Team
from stages.nn.training import Diverged, Trainer, fit
from stages.shared import checkpoints, models, parameters, ranks, splits
from stages.shared.artifacts import replacing
from stages.shared.errors import UserError
from stages.shared.parameters import Model
from stages.shared.schema import named_row


@dataclass(frozen=True)
class Learned:
    """What a training has come to.

    Attributes
    ----------
    network : Network
        The trained network.
    split : Description
        What it was trained on.
    checkpoint : Checkpoint
        With the history; not yet removed.
    """

    network: Network
    split: splits.Description
    checkpoint: checkpoints.Checkpoint


def train(name: str, team: Team | None = None) -> None:
    """Train the model of this name and write models/<name>.npz and metrics/history/<name>.csv.

    Parameters
    ----------
    name : str
        A key of the section models.
    team : Team, optional
        The processes that train it together. All but rank 0 read from the images only their own parts, and write
        nothing.

    Raises
    ------
    UserError
        As `learn` does.
    """
    team = team or Alone()
    row = parameters.load_model(name)
    with checkpoints.alone(name) if team.rank == 0 else nullcontext():
        learned = learn(name, row, team)
        if team.rank == 0:
            write_history(Path("metrics/history") / f"{name}.csv", learned)
            save(Path("models") / f"{name}.npz", row, learned)
            learned.checkpoint.remove()


def learn(name: str, row: Model, team: Team) -> Learned:
    """Return the network of a row, trained. An interrupted training goes on from its last checkpoint.

    Parameters
    ----------
    name : str
        What the checkpoint and the messages call it.
    row : Model
        The network and how it is trained.
    team : Team
        As in `train`.

    Raises
    ------
    UserError
        If a parameter or the split is not what it should be, or they do not fit each other, another process is training
        the model, or the loss becomes NaN or infinite.
    """
    leads = team.rank == 0
    split = splits.load_description(row.split)
    mapped = row.window is not None or not leads
    X, y = splits.require_part(row.split, "train", mapped=mapped, checked=leads)
    validation = splits.load_part(row.split, "validation", mapped=mapped, checked=leads)
    ranks.require_same(team, ranks.circumstances())
    ranks.require_same(team, {"parameters and labels": checkpoints.origin(row, [y])})
    rng = np.random.default_rng(row.seed)
    network = models.start_network(name, row, split.form, rng)
    with models.options_of(name):
        trainer = models.build_trainer(row, network, len(y), ranks.available_cores(team), team)
    stopping = EarlyStopping(row.early_stopping) if row.early_stopping else None
    origin = checkpoints.origin(row, [X, y, *(validation or ())]) if leads else ""
    checkpoint = checkpoints.Checkpoint(name, origin, trainer, rng, stopping)
    checkpoint.restore()
    try:
        with progress_bar(name, trainer, shown=leads) as bar, np.errstate(all="ignore"):
            records = fit(trainer, X, y, row.batch_size, rng, validation, row.record_every, stopping, row.window)
            for record in records:
                checkpoint.history.append(record)
                if leads:
                    checkpoint.save_now_and_then()
                bar.set_postfix(loss=f"{record.loss:.4f}", accuracy=f"{record.accuracy:.2%}", refresh=False)
                bar.update(record.update - bar.n)
    except Diverged as error:
        raise UserError(
            f"models.{name}: {error}. A lower learning_rate usually helps, or an initializer with smaller weights."
        ) from None
    return Learned(network, split, checkpoint)


def write_history(path: Path, learned: Learned) -> None:
    """Write the records of a training as a CSV file."""
    with replacing(path) as partial:
        table = pd.DataFrame(asdict(record) for record in learned.checkpoint.history)
        table.to_csv(partial, index=False, float_format="%.6g")


def save(path: Path, row: Model, learned: Learned) -> None:
    """Write a trained network with the row and the data that made it."""
    models.save(path, learned.network, row, learned.split.form, learned.split.label)


def progress_bar(name: str, trainer: Trainer, shown: bool) -> "tqdm[NoReturn]":
    """Return the bar of a training; into a log file it is written seldom."""
    seconds = 0.1 if sys.stderr.isatty() else 10
    return tqdm(
        total=trainer.updates,
        initial=trainer.update,
        desc=name,
        unit="update",
        mininterval=seconds,
        disable=not shown,
    )


def main(team: Team) -> None:
    """Read the command line."""
    name = named_row(__doc__, "model")
    row = parameters.load_model(name)
    with threadpool_limits(row.blas_threads or parameters.load().blas_threads, user_api="blas"):
        train(name, team)


if __name__ == "__main__":
    ranks.run(main)
