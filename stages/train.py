"""Train one model of params.yaml: `python -m stages.train MODEL`."""

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages import models, parameters, splits
from stages.artifacts import replacing
from stages.errors import UserError, run
from stages.nn.early_stopping import EarlyStopping
from stages.nn.training import Diverged, Record, fit


def train(name: str) -> None:
    """Train the model of this name and write models/<name>.npz and metrics/history/<name>.csv.

    Raises
    ------
    UserError
        If a parameter or the split is not what it should be, or the loss becomes NaN or infinite.
    """
    row = parameters.load_model(name)
    X, y = splits.require_part(row.split, "train")
    validation = splits.load_part(row.split, "validation")
    rng = np.random.default_rng(row.seed)
    network = models.build_network(row, rng)
    trainer = models.build_trainer(row, network, len(y))
    stopping = EarlyStopping(row.early_stopping) if row.early_stopping else None
    history: list[Record] = []
    try:
        with tqdm(total=trainer.updates, desc=name, unit="update") as bar, np.errstate(all="ignore"):
            for record in fit(trainer, X, y, row.batch_size, rng, validation, row.record_every, stopping):
                history.append(record)
                bar.set_postfix(loss=f"{record.loss:.4f}", accuracy=f"{record.accuracy:.2%}", refresh=False)
                bar.update(record.update - bar.n)
    except Diverged as error:
        raise UserError(
            f"models.{name}: {error}. A lower learning_rate usually helps, or an initializer with smaller weights."
        ) from None
    with replacing(Path("metrics/history") / f"{name}.csv") as partial:
        pd.DataFrame(asdict(record) for record in history).to_csv(partial, index=False, float_format="%.6g")
    models.save(Path("models") / f"{name}.npz", network, row, splits.load_description(row.split).dataset)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a key of models in params.yaml")
    name = parser.parse_args().model
    with threadpool_limits(parameters.load().blas_threads, user_api="blas"):
        train(name)


if __name__ == "__main__":
    run(main)
