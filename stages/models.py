"""Models: from a row of params.yaml to a network and its trainer, and the .npz files of trained ones."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from stages.artifacts import load_archive, missing, save_archive
from stages.errors import UserError
from stages.nn.network import Network, build
from stages.nn.training import Trainer
from stages.parameters import Model


def build_network(row: Model, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Network:
    """Return the untrained network of a row."""
    return build(row.layer_sizes, row.activation, row.initializer, rng, row.dropout, dtype)


def build_trainer(row: Model, network: Network, m: int) -> Trainer:
    """Return the trainer of a row for m training examples, from which epochs become updates."""
    per_epoch = -(-m // row.batch_size) if row.batch_size else 1
    updates = row.updates or (row.epochs or 0) * per_epoch
    return Trainer(network, row.optimizer, row.learning_rate, row.schedule, updates, row.weight_decay)


def save(path: Path, network: Network, row: Model, dataset: str) -> None:
    """Write a trained network: its parameters by name, its layer sizes, and as JSON the row and data that made it."""
    description = json.dumps({"dataset": dataset, "parameters": row.model_dump(mode="json")})
    arrays: dict[str, Any] = {**network.parameters, "layer_sizes": row.layer_sizes, "description": description}
    save_archive(path, arrays)


def load(path: Path) -> tuple[Network, Model, str]:
    """Return a trained network, the row of params.yaml that made it and the name of its data set.

    Raises
    ------
    UserError
        If the file is missing, cannot be read or does not hold the network that it describes, in finite numbers.
    """
    try:
        arrays = load_archive(path)
        description = json.loads(str(arrays.pop("description")).encode())  # NumPy lets any 32 bits be a character
        row = Model.model_validate(description["parameters"])
        found = {name: f"{array.dtype} of shape {array.shape}" for name, array in arrays.items()}
        expected = {"layer_sizes": f"int64 of shape ({len(row.layer_sizes)},)"}
        for l, (inputs, units) in enumerate(pairwise(row.layer_sizes), 1):
            expected |= {f"W{l}": f"float32 of shape {units, inputs}", f"b{l}": f"float32 of shape {units, 1}"}
        if found != expected:  # before memory is taken for a network of these sizes
            raise ValueError(f"it has {found}, not {expected}")
        dataset = str(description["dataset"])
        network = build_network(row, np.random.default_rng(row.seed))
        for name, theta in network.parameters.items():
            theta[...] = arrays[name]
            if not np.isfinite(theta).all():
                raise ValueError(f"{name} is not finite everywhere")
        return network, row, dataset
    except FileNotFoundError:
        raise missing(path) from None
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError, OSError) as error:
        raise UserError(f"{path}: not a model of this project ({error}); delete it and run `dvc repro`") from None
