"""Whether a change of the test accuracy is more than chance: by the test images, and by the seed."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError
from scipy.stats import binomtest, t

from reviewing.rows import in_new_form
from stages.shared.parameters import Model

LEVEL = 0.05
REPRODUCTIONS = "metrics/reproductions.json"
NOT_OF_THE_NETWORK = {"seed", "updates", "epochs", "record_every", "early_stopping"}


@dataclass(frozen=True)
class Paired:
    """Two networks on the same images.

    Attributes
    ----------
    gained, lost : ndarray
        Indices of the images that only the second, and only the first gets right.
    """

    gained: np.ndarray[Any, np.dtype[np.intp]]
    lost: np.ndarray[Any, np.dtype[np.intp]]

    @property
    def p(self) -> float:
        """How probable so unequal a number of gained and lost images, or a more unequal one, is by chance.

        If the networks are equally good, an image on which one of them alone is right is gained or lost with equal
        probability: McNemar's test (1947), in its exact form, two-sided, for any number of such images.
        """
        discordant = len(self.gained) + len(self.lost)
        return float(binomtest(len(self.gained), discordant).pvalue) if discordant else 1.0


def pair(before: pd.DataFrame, after: pd.DataFrame) -> Paired | None:
    """Return how two networks do on the same images, None if the images are not the same.

    Parameters
    ----------
    before, after : DataFrame
        Columns label and predicted, a row for each image.
    """
    if not before["label"].equals(after["label"]):
        return None
    was, is_now = (table["label"].eq(table["predicted"]).to_numpy() for table in (before, after))
    return Paired(np.flatnonzero(is_now & ~was), np.flatnonzero(was & ~is_now))


@dataclass(frozen=True)
class Spread:
    """What the seed does to the test accuracy of a network.

    Attributes
    ----------
    deviation : float
        Standard deviation over the seeds.
    seeds : int
        How many.
    updates : int
        After how many updates.
    """

    deviation: float
    seeds: int
    updates: int

    @property
    def margin(self) -> float:
        """How far apart two runs that differ in the seed alone are, with a probability of 95 %.

        The variance of a difference is twice that of a run; Student's t makes up for the few seeds it is known from.
        """
        return float(t.ppf(1 - LEVEL / 2, self.seeds - 1)) * math.sqrt(2) * self.deviation


def find_spread(row: Any, dataset: Any, reproductions: dict[str, Any], part: str = "test") -> Spread | None:
    """Return what the reproduce stage measured of a network, at the last time up to the end of its training.

    Parameters
    ----------
    row : object
        The network, as in params.yaml. Its seed and its length of training may be any.
    dataset : object
        Name of the data set it was measured on.
    reproductions : dict
        Content of metrics/reproductions.json.
    part : str
        The part of the split whose accuracy it is.

    Returns
    -------
    Spread or None
        None if the stage has not run this network, not on this data set, or not measured this part.
    """
    try:
        model = Model.model_validate(in_new_form(row))
    except ValidationError:
        return None
    printed = {
        write_up
        for write_up, network in reproductions.get("networks", {}).items()
        if _network(Model.model_validate(network)) == _network(model)
    }
    spreads = [
        Spread(number["sd"], number["seeds"], subject["update"])
        for claim in reproductions.get("claims", [])
        if claim["write_up"] in printed and reproductions["dataset"] == dataset
        for number in claim["measured"]
        if (subject := number.get("subject"))
        and (subject["quantity"], subject["part"]) == ("accuracy", part)
        and subject["update"]
    ]
    length = model.updates or model.epochs or 0  # in full batches, as all of these networks are trained, the same
    return max((spread for spread in spreads if spread.updates <= length), key=lambda s: s.updates, default=None)


def _network(model: Model) -> dict[str, Any]:
    return model.model_dump(exclude=NOT_OF_THE_NETWORK)
