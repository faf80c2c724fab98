"""Train one model of params.yaml: `python -m stages.train MODEL`."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.nn.early_stopping import EarlyStopping
from stages.nn.training import Diverged, Trainer, fit
from stages.shared import checkpoints, models, parameters, splits
from stages.shared.artifacts import replacing
from stages.shared.errors import UserError, run
from stages.shared.schema import named_row


def train(name: str) -> None:
    """Train the model of this name and write models/<name>.npz and metrics/history/<name>.csv.

    An interrupted training goes on from its last checkpoint.

    Raises
    ------
    UserError
        If a parameter or the split is not what it should be, another process is training the model, or the loss becomes
        NaN or infinite.
    """
    row = parameters.load_model(name)
    split = splits.load_description(row.split)
    mapped = row.window is not None
    X, y = splits.require_part(row.split, "train", mapped)
    validation = splits.load_part(row.split, "validation", mapped)
    rng = np.random.default_rng(row.seed)
    network = models.start_network(name, row, split.form, rng)
    trainer = models.build_trainer(row, network, len(y), available_cores())
    stopping = EarlyStopping(row.early_stopping) if row.early_stopping else None
    with checkpoints.alone(name):
        origin = checkpoints.origin(row, [X, y, *(validation or ())])
        checkpoint = checkpoints.Checkpoint(name, origin, trainer, rng, stopping)
        checkpoint.restore()
        try:
            with progress_bar(name, trainer) as bar, np.errstate(all="ignore"):
                records = fit(trainer, X, y, row.batch_size, rng, validation, row.record_every, stopping, row.window)
                for record in records:
                    checkpoint.history.append(record)
                    checkpoint.save_now_and_then()
                    bar.set_postfix(loss=f"{record.loss:.4f}", accuracy=f"{record.accuracy:.2%}", refresh=False)
                    bar.update(record.update - bar.n)
        except Diverged as error:
            raise UserError(
                f"models.{name}: {error}. A lower learning_rate usually helps, or an initializer with smaller weights."
            ) from None
        with replacing(Path("metrics/history") / f"{name}.csv") as partial:
            table = pd.DataFrame(asdict(record) for record in checkpoint.history)
            table.to_csv(partial, index=False, float_format="%.6g")
        models.save(Path("models") / f"{name}.npz", network, row, split.form, split.label)
        checkpoint.remove()


def available_cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def progress_bar(name: str, trainer: Trainer) -> "tqdm[NoReturn]":
    """Return the bar of a training; into a log file it is written seldom."""
    seconds = 0.1 if sys.stderr.isatty() else 10
    return tqdm(total=trainer.updates, initial=trainer.update, desc=name, unit="update", mininterval=seconds)


def main() -> None:
    """Read the command line."""
    name = named_row(__doc__, "model")
    row = parameters.load_model(name)
    with threadpool_limits(row.blas_threads or parameters.load().blas_threads, user_api="blas"):
        train(name)


if __name__ == "__main__":
    run(main)
