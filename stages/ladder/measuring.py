"""How well a network, or several together, do on the test images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.evaluate import confusion_matrix, interval, summary
from stages.nn.arrays import Array, Labels
from stages.nn.network import Network
from stages.nn.softmax import softmax
from stages.nn.training import logits
from stages.shared.artifacts import replacing, write_json

METRICS, RUNS = Path("metrics"), Path("runs")


@dataclass(frozen=True)
class Result:
    """What was found on the images of a part.

    Attributes
    ----------
    seed : int
        Of the network; of a committee 0.
    measured : dict
        Accuracy with its interval, and cross-entropy.
    wrong : DataFrame
        Columns index, label and predicted, a row for each image that is not recognized.
    """

    seed: int
    measured: dict[str, Any]
    wrong: pd.DataFrame


def mean_probabilities(networks: Sequence[Network], X: Array, y: Labels) -> Iterator[tuple[Array, Labels]]:
    """Yield the mean of the networks' probabilities, of shape (classes, columns), and the labels, in blocks."""
    for blocks in zip(*(logits(network, X, y) for network in networks), strict=True):
        yield np.mean([softmax(Z) for Z, _ in blocks], axis=0), blocks[0][1]


def assess(networks: Sequence[Network], X: Array, y: Labels, classes: int, seed: int = 0) -> Result:
    """Return how networks do together on examples; one alone is a committee of one."""
    loss, predicted = 0.0, []
    for P, y_block in mean_probabilities(networks, X, y):
        loss -= float(np.log(np.maximum(P[y_block, np.arange(len(y_block))], np.finfo(P.dtype).tiny)).sum()) / len(y)
        predicted.append(P.argmax(axis=0))
    found = np.concatenate(predicted)
    table = pd.DataFrame({"index": np.arange(len(y)), "label": y, "predicted": found})
    return Result(seed, summary(loss, confusion_matrix(y, found, classes)), table[found != y])


def write(name: str, about: dict[str, Any], results: Sequence[Result]) -> None:
    """Write metrics/<name>.json and, with a row for each image that is not recognized, metrics/wrong/<name>.csv.

    The mean over the seeds has the 95 % interval of Wilson (1927) for a network that is right as often; the spread is
    the standard deviation over the seeds.

    Parameters
    ----------
    name : str
        The rung or committee.
    about : dict
        What holds for all seeds, with the number of images in each part.
    results : sequence of Result
        One for each seed.
    """
    accuracies = [result.measured["accuracy"] for result in results]
    mean, m = float(np.mean(accuracies)), about["images"]["test"]
    over_seeds = {
        "mean": round(mean, 6),
        "spread": round(float(np.std(accuracies, ddof=1)), 6) if len(results) > 1 else None,
        "interval": interval(round(mean * m), m),
    }
    seeds = [{"seed": result.seed, "wrong": len(result.wrong), **result.measured} for result in results]
    write_json(METRICS / f"{name}.json", {**about, **over_seeds, "seeds": seeds})
    with replacing(METRICS / "wrong" / f"{name}.csv") as partial:
        table = pd.concat([result.wrong.assign(seed=result.seed) for result in results])
        table[["seed", "index", "label", "predicted"]].to_csv(partial, index=False, lineterminator="\n")


def write_run(name: str, revision: str, machine: str, seconds: Sequence[float]) -> None:
    """Write runs/<name>.json: what made the metrics, and in how many seconds of training, by seed."""
    write_json(RUNS / f"{name}.json", {"revision": revision, "machine": machine, "seconds": list(seconds)})
