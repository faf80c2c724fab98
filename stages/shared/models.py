"""Models: from a row of params.yaml to a network and its trainer, and the .npz files of trained ones."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from pydantic import ValidationError

from stages.nn.arrays import Array
from stages.nn.batches import batch_sizes, batches_per_epoch
from stages.nn.layer import OptionError, Outline, Start
from stages.nn.network import Network
from stages.nn.parts import Team, fewest_columns
from stages.nn.training import Trainer
from stages.shared.artifacts import load_archive, missing, save_archive
from stages.shared.errors import UserError
from stages.shared.mnist import Form
from stages.shared.parameters import Model
from stages.shared.schema import PATH, describe, own_name


def build_network(row: Model, form: Form, start: Start) -> Network:
    """Return the untrained network of a row, for images of this form.

    Raises
    ------
    OptionError
        If a layer does not fit what it is given, or the last one does not return a row for each class.
    """
    network = Network(
        form.shape, replace(start, initializer=row.initializer, classes=len(form.classes)), layers=row.layers
    )
    if network.shape != (len(form.classes),):
        last = len(row.layers) - 1
        found = " x ".join(map(str, network.shape))
        raise OptionError(
            f"layers.{last}", f"returns {found}, not {len(form.classes)} classes; end with an affine layer"
        )
    return network


def start_network(
    name: str, row: Model, form: Form, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> Network:
    """Return the untrained network of a row of params.yaml; raise UserError if its layers do not fit the images."""
    with options_of(name):
        return build_network(row, form, Start(rng, dtype=dtype))


@contextmanager
def options_of(name: str) -> Iterator[None]:
    """Turn the OptionError of a row into a UserError that names the key in params.yaml."""
    try:
        yield
    except OptionError as error:
        raise UserError(f"{PATH}: models.{name}.{error}") from None


def build_trainer(row: Model, network: Network, m: int, threads: int = 1, team: Team | None = None) -> Trainer:
    """Return the trainer of a row for m training examples, from which epochs become updates.

    What it does depends on neither of its workers: the threads of this process, and the team of processes.

    Raises
    ------
    OptionError
        If some update would give a layer fewer columns at a time than it needs.
    """
    _require_columns(row, network, m)
    updates = row.updates or (row.epochs or 0) * batches_per_epoch(m, row.batch_size)
    return Trainer(
        network,
        row.optimizer,
        row.learning_rate,
        row.schedule,
        updates,
        row.weight_decay,
        row.parts,
        row.seed,
        threads,
        team,
        label_smoothing=row.label_smoothing,
        clip_norm=row.clip_norm,
        decoupled_decay=row.decoupled_decay,
        averaging=row.averaging,
    )


def _require_columns(row: Model, network: Network, m: int) -> None:
    least = network.least_columns

    def fewest(batch_size: int | None, parts: int) -> int:
        return min(fewest_columns(network, size, parts) for size in batch_sizes(m, batch_size))

    found = fewest(row.batch_size, row.parts)
    if found >= least:
        return
    largest = min(m, row.window or m)
    asked = min(row.batch_size or m, largest)
    sizes = (size for size in (*range(asked, largest + 1), *range(asked, 0, -1)) if fewest(size, row.parts) >= least)
    counts = (*range(row.parts, 0, -1), row.parts + 1)
    parts = (parts for parts in counts if fewest(row.batch_size, parts) >= least)
    working = [f"{key}: {n}" for key, values in (("batch_size", sizes), ("parts", parts)) for n in islice(values, 1)]
    index, kind = next(
        (k, row.layers[k].name) for k, layer in enumerate(network.layers) if layer.least_columns == least
    )
    raise OptionError(
        "batch_size",
        f"is {row.batch_size or 'null'}, with parts {row.parts}: of {m} training images layers.{index} ({kind}) would "
        f"get {found} at a time in some update, and needs at least {least}; "
        f"{' or '.join(working) or 'more training images'} would do",
    )


def save(path: Path, network: Network, row: Model, form: Form, label: str) -> None:
    """Write a trained network: parameters and state by name, and as JSON the row and the data that made it."""
    description = {"dataset": label, **asdict(form), "parameters": row.model_dump(mode="json")}
    save_archive(path, {**network.kept, "description": np.asarray(json.dumps(description))})


@dataclass(frozen=True)
class Trained:
    """What a model's file holds.

    Attributes
    ----------
    network : Network
        The trained network.
    row : Model
        The row of params.yaml that made it.
    form : Form
        Of the images it was trained on.
    dataset : str
        Their name.
    """

    network: Network
    row: Model
    form: Form
    dataset: str


def load(path: Path) -> Trained:
    """Return a trained model.

    Raises
    ------
    UserError
        If the file is missing, cannot be read or does not hold the network that it describes, in finite numbers.
    """
    try:
        arrays = load_archive(path)
        description = json.loads(str(arrays.pop("description")).encode())  # NumPy lets any 32 bits be a character
        row = Model.model_validate(description["parameters"])
        height, width, channels = map(int, description["shape"])
        form = Form((height, width, channels), tuple(map(str, description["classes"])))
        rng = np.random.default_rng(row.seed)
        _compare(arrays, build_network(row, form, Outline(rng)).kept)  # before memory is taken for these sizes
        network = build_network(row, form, Start(rng))
        for name, array in network.kept.items():
            array[...] = arrays[name]
            if not np.isfinite(array).all():
                raise ValueError(f"{name} is not finite everywhere")
        label = str(description["dataset"])
    except FileNotFoundError:
        raise missing(path) from None
    except ValidationError as error:
        reason = "; ".join(describe(error))
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError, OSError) as error:
        reason = str(error)
    else:
        return Trained(network, row, form, own_name(label))
    raise UserError(f"{path}: not a model of this project ({reason}); delete it and run `dvc repro`")


def _compare(found: dict[str, NDArray[Any]], expected: dict[str, Array]) -> None:
    told = [
        {name: f"{array.dtype} of shape {array.shape}" for name, array in arrays.items()}
        for arrays in (found, expected)
    ]
    if told[0] != told[1]:
        raise ValueError(f"it has {told[0]}, not {told[1]}")
