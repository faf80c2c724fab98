"""The parts of a split, as the preprocess stage leaves them in data/splits/<split>/."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.shared.artifacts import read_array, read_json
from stages.shared.errors import UserError
from stages.shared.mnist import CLASSES, PIXELS, RAW
from stages.shared.schema import own_name

PARTS = ("train", "validation", "held_out", "test")


@dataclass(frozen=True)
class Description:
    """What a split consists of.

    Attributes
    ----------
    label : str
        Which data set it is, without its name if the user has given it one.
    parts : dict
        Number of examples of each of PARTS.
    notes : list of str
        What a reader of a figure must know.
    """

    label: str
    parts: dict[str, int]
    notes: list[str]

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return own_name(self.label)


def directory(split: str) -> Path:
    """Return the folder of a split."""
    return Path("data/splits") / split


def load_description(split: str) -> Description:
    """Return what a split consists of.

    Raises
    ------
    UserError
        If split.json is missing or is not what the preprocess stage writes.
    """
    path = directory(split) / "split.json"
    match read_json(path):
        case {"dataset": str(label), "parts": dict(parts), "notes": list(notes)} if (
            set(parts) == set(PARTS)
            and all(isinstance(count, int) and count >= 0 for count in parts.values())
            and all(isinstance(note, str) for note in notes)
        ):
            return Description(label, parts, notes)
    raise UserError(f"{path}: not the description of a split; delete it and run `dvc repro`")


def load_part(split: str, part: str) -> tuple[NDArray[np.float32], NDArray[np.intp]] | None:
    """Return the examples of one part of a split, or None if the part is empty.

    Parameters
    ----------
    split : str
        Name of the split.
    part : str
        One of PARTS.

    Returns
    -------
    X : ndarray
        float32 of shape (784, m), in [0, 1], each example contiguous.
    y : ndarray
        Integers of shape (m,).

    Raises
    ------
    UserError
        If a file is missing, is not what the preprocess stage writes, or does not fit the others.
    """
    m = load_description(split).parts[part]
    if not m:
        return None
    images_path = directory(split) / f"X_{part}.npy"
    X: NDArray[Any] = read_array(images_path, (PIXELS, m), np.float32)
    if not (X.min() >= 0 and X.max() <= 1):  # which NaN is not either
        raise UserError(f"{images_path}: has values outside of [0, 1]; delete it and run `dvc repro`")
    labels_path = directory(split) / f"y_{part}.npy"
    y = read_array(labels_path, (m,), np.uint8)
    if y.max() >= CLASSES:
        raise UserError(
            f"{labels_path}: has the label {y.max()}, not a digit from 0 to 9; delete it and run `dvc repro`"
        )
    return X, y.astype(np.intp)


def require_part(split: str, part: str) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return what `load_part` returns; raise UserError also if the part is empty."""
    loaded = load_part(split, part)
    if loaded is None:
        remedy = {
            "train": f"raise splits.{split}.images",
            "validation": f"raise splits.{split}.validation",
            "held_out": f"raise splits.{split}.held_out",
            "test": f"a CSV brings no test images: set splits.{split}.source to {RAW}",
        }[part]
        raise UserError(f"{directory(split)}: the part {part} is empty; {remedy} in params.yaml and run `dvc repro`")
    return loaded
