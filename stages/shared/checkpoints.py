"""Checkpoints: what an interrupted training needs to go on as if nothing had happened.

They lie in checkpoints/, outside of what DVC knows: DVC removes the outputs of a stage before it runs it again.
"""

import fcntl
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.nn.arrays import Array
from stages.nn.early_stopping import EarlyStopping
from stages.nn.training import Record, Trainer
from stages.shared import ranks
from stages.shared.artifacts import load_archive, save_archive
from stages.shared.errors import UserError
from stages.shared.parameters import Model

SECONDS = 10.0  # between two checkpoints
FOLDER = Path("checkpoints")


def origin(row: Model, examples: Sequence[NDArray[Any]]) -> str:
    """Return a hash of all that decides the course of a training: parameters, data, code and arithmetic.

    Parameters
    ----------
    row : Model
        The model's row of params.yaml.
    examples : sequence of ndarray
        Examples and labels that it is trained and validated on.
    """
    digest = hashlib.sha256(json.dumps([row.model_dump(mode="json"), ranks.circumstances()]).encode())
    for array in examples:
        digest.update(array.T.data)  # examples are contiguous columns
    return digest.hexdigest()


def path_of(name: str) -> Path:
    """Return where the checkpoint of a training is."""
    return FOLDER / f"{name}.npz"


class Checkpoint:
    """The state of one model's training, on disk.

    Parameters
    ----------
    name : str
        The model.
    origin : str
        Hash of what decides the training; a checkpoint of another origin is not taken up.
    trainer : Trainer
        Is saved and restored, with its network.
    rng : numpy.random.Generator
        Is saved and restored.
    early_stopping : EarlyStopping, optional
        Is saved and restored.

    Attributes
    ----------
    history : list of Record
        The records so far.
    """

    def __init__(
        self,
        name: str,
        origin: str,
        trainer: Trainer,
        rng: np.random.Generator,
        early_stopping: EarlyStopping | None = None,
    ) -> None:
        self.path = path_of(name)
        self.origin, self.trainer, self.rng, self.early_stopping = origin, trainer, rng, early_stopping
        self.history: list[Record] = []
        self._begun = self._saved = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the training has taken so far, without what an interruption has lost."""
        return time.monotonic() - self._begun

    def _arrays(self) -> dict[str, Array]:
        trainer = self.trainer
        state = {f"optimizer {number}": array for number, array in enumerate(trainer.state)}
        averages = trainer.average.network.kept if trainer.average else {}
        return trainer.network.kept | state | {f"{name} average": array for name, array in averages.items()}

    def save(self) -> None:
        """Write the state, which must be that at a record."""
        stopping = self.early_stopping
        description = {
            "origin": self.origin,
            "update": self.trainer.update,
            "rng": self.rng.bit_generator.state,
            "history": [asdict(record) for record in self.history],
            "seconds": self.seconds,
            "early_stopping": [stopping.best_loss, stopping.since_best] if stopping else None,
        }
        best = {f"{name} best": theta for name, theta in stopping.best.items()} if stopping else {}
        arrays: dict[str, Any] = {**self._arrays(), **best, "description": json.dumps(description)}
        save_archive(self.path, arrays)
        self._saved = time.monotonic()

    def save_now_and_then(self) -> None:
        """Write the state if that was last done some seconds ago."""
        if time.monotonic() - self._saved >= SECONDS:
            self.save()

    def restore(self) -> None:
        """Bring everything to the state of the checkpoint, if there is one of this origin; rank 0 reads it for all."""
        team = self.trainer.parts.team
        found = team.share(None if team.rank else self._read())
        if not found:
            return
        stored, description = found
        for name, array in self._arrays().items():
            array[...] = stored[name]
        self.trainer.update = description["update"]
        self.rng.bit_generator.state = description["rng"]
        self.history = [Record(**record) for record in description["history"]]
        self._begun -= description["seconds"]
        if self.early_stopping:
            self.early_stopping.best_loss, self.early_stopping.since_best = description["early_stopping"]
            self.early_stopping.best = {
                name: stored[f"{name} best"] for name in self.trainer.network.kept if f"{name} best" in stored
            }

    def _read(self) -> tuple[dict[str, Array], dict[str, Any]] | None:
        try:
            stored = load_archive(self.path)
            description = json.loads(str(stored["description"]))
            if description["origin"] != self.origin:
                raise ValueError("made from other parameters, data or code")
            print(f"goes on at update {description['update']}, from {self.path}", file=sys.stderr)
        except FileNotFoundError:
            return None
        except (ValueError, LookupError, TypeError, OSError) as error:
            print(f"{self.path} is not used: {error}", file=sys.stderr)
            return None
        return stored, description

    def remove(self) -> None:
        """Delete the file: the training has ended."""
        self.path.unlink(missing_ok=True)


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Keep a second process from training the same model; raise UserError in that one."""
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"models.{name}: another process is training it; wait for it, or end it") from None
        yield
