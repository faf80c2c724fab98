"""The parts of a split, as the preprocess stage leaves them in data/splits/<split>/."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.shared.artifacts import read_array, read_json
from stages.shared.errors import UserError
from stages.shared.mnist import FORM, RAW, Form
from stages.shared.schema import own_name

FOR_ANY_IMAGES = "dvc repro plot"
PARTS = ("train", "validation", "held_out", "test")
BLOCK = 2048  # images whose values are checked together


@dataclass(frozen=True)
class Description:
    """What a split consists of.

    Attributes
    ----------
    label : str
        Which data set it is, without its name if the user has given it one.
    form : Form
        Of its images.
    parts : dict
        Number of examples of each of PARTS.
    notes : list of str
        What a reader of a figure must know.
    """

    label: str
    form: Form
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
        case {
            "dataset": str(label),
            "shape": [int(height), int(width), int(channels)],
            "classes": [str(), str(), *_] as classes,
            "parts": dict(parts),
            "notes": list(notes),
        } if (
            min(height, width, channels) > 0
            and all(isinstance(name, str) for name in classes)
            and set(parts) == set(PARTS)
            and all(isinstance(count, int) and count >= 0 for count in parts.values())
            and all(isinstance(note, str) for note in notes)
        ):
            return Description(label, Form((height, width, channels), tuple(classes)), parts, notes)
    raise UserError(f"{path}: not the description of a split; delete it and run `dvc repro`")


def require_mnist(split: str) -> Description:
    """Return what a split consists of; raise UserError if its images are not of MNIST's form."""
    description = load_description(split)
    if description.form != FORM:
        classes = ", ".join(description.form.classes)
        raise UserError(
            f"{directory(split)} holds {description.dataset} ({description.form}: {classes}); "
            f"the claims and the paper are about MNIST's digits ({FORM}) and cannot be tested on other images. "
            f"Run `{FOR_ANY_IMAGES}`, which trains, measures and draws all models, and nothing else"
        )
    return description


def require_form(split: str, form: Form) -> None:
    """Raise UserError if the images of a split are not of the form that a model was trained on."""
    found = load_description(split).form
    if found != form:
        classes = "" if str(found) != str(form) else " with other names"
        raise UserError(
            f"{directory(split)}: holds images of {found}{classes}, and the model was trained on {form}; "
            "run `dvc repro`"
        )


def load_part(split: str, part: str, mapped: bool = False) -> tuple[NDArray[np.float32], NDArray[np.intp]] | None:
    """Return the examples of one part of a split, or None if the part is empty.

    Parameters
    ----------
    split : str
        Name of the split.
    part : str
        One of PARTS.
    mapped : bool
        Whether X shall be a read-only map of its file, which may be larger than memory.

    Returns
    -------
    X : ndarray
        float32 of shape (features, m), in [0, 1], each example contiguous.
    y : ndarray
        Integers of shape (m,).

    Raises
    ------
    UserError
        If a file is missing, is not what the preprocess stage writes, or does not fit the others.
    """
    description = load_description(split)
    form, m = description.form, description.parts[part]
    if not m:
        return None
    images_path = directory(split) / f"X_{part}.npy"
    X: NDArray[Any] = read_array(images_path, (math.prod(form.shape), m), np.float32, mapped)
    blocks = (X[:, start : start + BLOCK] for start in range(0, m, BLOCK))  # so that a map is read once, not twice
    if not all(block.min() >= 0 and block.max() <= 1 for block in blocks):  # which NaN is not either
        raise UserError(f"{images_path}: has values outside of [0, 1]; delete it and run `dvc repro`")
    labels_path = directory(split) / f"y_{part}.npy"
    y = read_array(labels_path, (m,), np.uint8)
    if y.max() >= len(form.classes):
        raise UserError(
            f"{labels_path}: has the label {y.max()}, and the {len(form.classes)} classes have those from 0 on; "
            "delete it and run `dvc repro`"
        )
    return X, y.astype(np.intp)


def require_part(split: str, part: str, mapped: bool = False) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return what `load_part` returns; raise UserError also if the part is empty."""
    loaded = load_part(split, part, mapped)
    if loaded is None:
        remedy = {
            "train": f"raise splits.{split}.images",
            "validation": f"raise splits.{split}.validation",
            "held_out": f"raise splits.{split}.held_out",
            "test": f"a CSV brings no test images: set splits.{split}.source to {RAW}",
        }[part]
        raise UserError(f"{directory(split)}: the part {part} is empty; {remedy} in params.yaml and run `dvc repro`")
    return loaded
