"""A model of params.yaml in two revisions, by what the stages leave in git of it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from reviewing.revisions import Comparison, Revision
from reviewing.significance import Paired, pair
from stages.shared.errors import UserError

OTHER_DATA, OTHER_TEST_IMAGES = "other data", "other test images"


class Results:
    """What is in git of a model at a revision.

    Parameters
    ----------
    revision : Revision
        The revision.
    name : str
        The model's key in params.yaml.
    row : object
        What stands there, None if it is not there.

    Attributes
    ----------
    row : object
        As above.
    files : dict
        Texts of its files by their paths, None where one is not there.
    history : str or None
        Text of its training history.
    metrics : dict
        Content of metrics/<name>.json, an empty map if that is not there.
    dataset : str or None
        Name of the data that it was measured on, None if nothing was measured.
    accuracy : float or None
        On the test images, None if there are none or nothing was measured.
    predictions : DataFrame or None
        Columns label and predicted, a row for each test image.
    confusion : ndarray or None
        How often each class (row) was predicted as each class (column).
    """

    def __init__(self, revision: Revision, name: str, row: Any) -> None:
        metrics = f"metrics/{name}.json"
        history, confusion, predictions = (
            f"metrics/{kind}/{name}.csv" for kind in ("history", "confusion", "predictions")
        )
        self.row = row
        self.files = {path: revision.text(path) for path in (metrics, history, confusion, predictions)}
        self.history = self.files[history]
        self.metrics = revision.json(metrics)
        self.dataset = None if "dataset" not in self.metrics else str(self.metrics["dataset"])
        match self.metrics:
            case {"test": {"accuracy": float(accuracy)}}:
                self.accuracy: float | None = accuracy
            case _:
                self.accuracy = None
        self.predictions: pd.DataFrame | None = revision.table(predictions, ["label", "predicted"])
        counts = revision.table(confusion, ["count"])
        classes = 0 if counts is None else math.isqrt(len(counts))
        if counts is not None and (not classes or classes**2 != len(counts)):
            raise UserError(
                f"{confusion} in {revision.name}: not what belongs there ({len(counts)} rows are not one for each pair "
                "of classes); mend it there and commit it"
            )
        self.confusion = None if counts is None else counts["count"].to_numpy().reshape(classes, classes)


@dataclass(frozen=True)
class ModelComparison:
    """A model in a base and in the workspace.

    Attributes
    ----------
    name : str
        Its key in params.yaml.
    before, after : Results
        What is in git of it.
    """

    name: str
    before: Results
    after: Results

    @property
    def state(self) -> str:
        """Whether it is new, removed, changed or the same, by its results."""
        if self.before.row is None:
            return "new"
        if self.after.row is None:
            return "removed"
        return "the same" if self.before.files == self.after.files else "changed"

    @property
    def has_new_history(self) -> bool:
        """Whether the workspace has a training history that the base has not."""
        return self.after.history not in (None, self.before.history)

    @cached_property
    def paired(self) -> Paired | str:
        """How both do on the same test images, or why that is not known."""
        before, after = self.before.predictions, self.after.predictions
        if before is None or after is None:
            return "predictions are missing"
        if before.empty and after.empty:
            return "no test images"
        return pair(before, after) or OTHER_TEST_IMAGES

    @property
    def apart(self) -> str | None:
        """Why the results of both cannot be compared, None if they can."""
        if None not in (self.before.dataset, self.after.dataset) and self.before.dataset != self.after.dataset:
            return OTHER_DATA
        return OTHER_TEST_IMAGES if self.paired == OTHER_TEST_IMAGES else None


def datasets(sides: Iterable[Results]) -> list[str]:
    """Return the names of the data that a revision's models were measured on."""
    return list(dict.fromkeys(side.dataset for side in sides if side.dataset is not None))


def read_models(comparison: Comparison) -> list[ModelComparison]:
    """Return the models of both revisions, in the order of the workspace, those that are removed last."""
    before, after = comparison.before.models(), comparison.after.models()
    return [
        ModelComparison(
            name, Results(comparison.before, name, before.get(name)), Results(comparison.after, name, after.get(name))
        )
        for name in dict.fromkeys([*after, *before])
    ]
