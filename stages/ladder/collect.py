"""Collect what the rungs have come to, for README, site and paper: `python -m stages.ladder.collect`."""

import base64
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.ladder import rungs
from stages.ladder.measuring import METRICS, RUNS
from stages.ladder.rungs import FINAL
from stages.shared import splits
from stages.shared.artifacts import read_json, write_json
from stages.shared.errors import run

RESULTS = Path("results.json")
MOST_DIGITS = 60


def collect() -> None:
    """Write results.json: a row for each rung that has been run, and the digits that the best one has still wrong.

    Raises
    ------
    UserError
        If a file that the rungs have written is not what it should be.
    """
    ladder = rungs.load()
    found = [name for name in ladder.steps if (METRICS / f"{name}.json").exists()]
    digits = still_wrong(ladder.best) if ladder.best in found else []
    write_json(RESULTS, {"rungs": {name: row(name) for name in found}, "digits": digits})


def row(name: str) -> dict[str, Any]:
    """Return what README, site and paper show of a rung; the seconds are the least of a seed."""
    metrics, ran = read_json(METRICS / f"{name}.json"), read_json(RUNS / f"{name}.json")
    seeds = metrics.pop("seeds")
    return {
        **metrics,
        "seeds": len(seeds),
        "wrong": round(float(np.mean([of["wrong"] for of in seeds])), 1),
        "seconds": round(min(ran["seconds"]), 1),  # other work on the machine can only lengthen them
        "revision": ran["revision"],
        "machine": ran["machine"],
    }


def still_wrong(name: str) -> list[dict[str, Any]]:
    """Return the test images that a rung has wrong, by most seeds first, and of each what most of them predict.

    The pixels are bytes in base 64, row by row.
    """
    wrong = pd.read_csv(METRICS / "wrong" / f"{name}.csv")
    X, _ = splits.require_part(FINAL, "test", mapped=True)
    counts = Counter(wrong["index"].tolist())
    digits = []
    for index in sorted(counts, key=lambda index: (-counts[index], index))[:MOST_DIGITS]:
        of = wrong[wrong["index"] == index]
        digits.append(
            {
                "index": index,
                "label": int(of["label"].iloc[0]),
                "predicted": int(of["predicted"].mode().iloc[0]),
                "seeds": counts[index],
                "pixels": base64.b64encode(np.rint(255 * X[:, index]).astype(np.uint8).tobytes()).decode(),
            }
        )
    return digits


if __name__ == "__main__":
    run(collect)
