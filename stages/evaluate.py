"""Measure a trained model on each part of its split: `python -m stages.evaluate MODEL`."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest
from threadpoolctl import threadpool_limits

from stages.nn.arrays import Array, Labels
from stages.nn.cross_entropy import cross_entropy
from stages.nn.layer import Layer
from stages.nn.softmax import softmax
from stages.nn.training import logits
from stages.shared import models, parameters, splits
from stages.shared.artifacts import replacing, write_json
from stages.shared.errors import UserError, run
from stages.shared.schema import named_row

# Which part to look at by class and by image: the first of these that the split has.
DETAILED = ("test", "held_out", "validation", "train")


def measure(network: Layer, X: Array, y: Labels, classes: int) -> tuple[float, NDArray[np.int64]]:
    """Return the mean cross-entropy and the confusion matrix, for X of shape (features, m) and y of shape (m,)."""
    loss, confusion = 0.0, np.zeros((classes, classes), np.int64)
    for Z, y_block in logits(network, X, y):
        loss += cross_entropy(Z, y_block, len(y))
        confusion += confusion_matrix(y_block, Z.argmax(axis=0), classes)
    return loss, confusion


def summary(loss: float, confusion: NDArray[np.int64]) -> dict[str, Any]:
    """Return how well a model does, by what `measure` returns.

    Rounded, so that the last bits, which differ between processors, do not show.

    Returns
    -------
    dict
        accuracy; interval, its 95 % confidence interval (Wilson 1927); cross_entropy, the mean.
    """
    m, correct = int(confusion.sum()), int(confusion.trace())
    return {
        "accuracy": round(correct / m, 6),
        "interval": interval(correct, m),
        "cross_entropy": round(loss, 6),
    }


def interval(correct: int, m: int) -> list[float]:
    """Return the 95 % confidence interval of an accuracy (Wilson 1927), for so many of m images."""
    found = binomtest(correct, m).proportion_ci(confidence_level=0.95, method="wilson")
    return [round(found.low, 6), round(found.high, 6)]


def confusion_matrix(y: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Return how often each class (row) was predicted as each class (column), from two arrays of shape (m,)."""
    return np.bincount(classes * y + predicted, minlength=classes**2).reshape(classes, classes)


def precision_recall(confusion: NDArray[np.int64]) -> dict[str, list[float | None]]:
    """Return precision and recall of each class; None for one never predicted, or with no image."""
    hits = confusion.diagonal().tolist()
    totals = {"precision": confusion.sum(axis=0).tolist(), "recall": confusion.sum(axis=1).tolist()}
    return {
        name: [round(right / of, 6) if of else None for right, of in zip(hits, ofs, strict=True)]
        for name, ofs in totals.items()
    }


def predictions(network: Layer, X: Array, y: Labels) -> Iterator[dict[str, Any]]:
    """Yield the columns of the table of predictions, with a row for each image, in blocks of rows."""
    start = 0
    for Z, y_block in logits(network, X, y):
        index = np.arange(start, start := start + len(y_block))
        probabilities = {f"p{k}": p for k, p in enumerate(softmax(Z))}
        yield {"index": index, "label": y_block, "predicted": Z.argmax(axis=0), **probabilities}


def write_csv(path: Path, blocks: Iterable[Mapping[str, Any]]) -> None:
    """Write blocks of columns, one below the other, as a CSV file, floats with 6 decimals."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        for number, columns in enumerate(blocks):
            table = pd.DataFrame(columns)
            table.to_csv(file, index=False, header=number == 0, float_format="%.6f", lineterminator="\n")


def evaluate(name: str) -> None:
    """Measure the model of this name on each part of its split.

    Writes metrics/<name>.json, metrics/confusion/<name>.csv, predictions/<name>.csv (with probabilities) and
    metrics/predictions/<name>.csv. The last is of the test part alone, and has no row where there is none. The others
    are of the first part of `DETAILED` that is there; precision and recall stand under its key.

    Raises
    ------
    UserError
        If the model or its split is missing or is not what it should be, or they do not belong together.
    """
    path = Path("models") / f"{name}.npz"
    model = models.load(path)
    network, row, dataset = model.network, model.row, model.dataset
    split = splits.load_description(row.split)
    if split.dataset != dataset:
        folder = splits.directory(row.split)
        raise UserError(f"{path}: trained on {dataset!r}, but {folder} holds {split.dataset!r}; run `dvc repro`")
    splits.require_form(row.split, model.form)
    loaded = {part: splits.load_part(row.split, part, mapped=True) for part in splits.PARTS}
    parts = {part: examples for part, examples in loaded.items() if examples}
    measured = {part: measure(network, *examples, len(model.form.classes)) for part, examples in parts.items()}

    detailed = next(part for part in DETAILED if part in parts)
    confusion = measured[detailed][1]
    metrics = {part: summary(*measured[part]) if part in parts else None for part in splits.PARTS}
    metrics[detailed] = summary(*measured[detailed]) | precision_recall(confusion)
    write_json(Path("metrics") / f"{name}.json", {"dataset": dataset, **metrics, "notes": split.notes})

    file = f"{name}.csv"
    actual, predicted = np.indices(confusion.shape)
    cells = {"actual": actual.ravel(), "predicted": predicted.ravel(), "count": confusion.ravel()}
    write_csv(Path("metrics/confusion") / file, [cells])
    write_csv(Path("predictions") / file, predictions(network, *parts[detailed]))
    labels: Iterable[dict[str, Any]] = [{"label": [], "predicted": []}]
    if "test" in parts:
        labels = ({"label": y, "predicted": Z.argmax(axis=0)} for Z, y in logits(network, *parts["test"]))
    write_csv(Path("metrics/predictions") / file, labels)


def main() -> None:
    """Read the command line."""
    name = named_row(__doc__, "model")
    parameters.load_model(name)
    with threadpool_limits(parameters.load().blas_threads, user_api="blas"):
        evaluate(name)


if __name__ == "__main__":
    run(main)
