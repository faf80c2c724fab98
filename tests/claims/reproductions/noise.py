"""Splits of noise, for runs that need no digits."""

import json
from dataclasses import asdict

import numpy as np

from stages.shared import splits
from stages.shared.mnist import FORM


def write_split(split: str, parts: dict[str, int]) -> None:
    """Write a split whose images are all different: their number is in the first pixels; the test part comes last."""
    folder = splits.directory(split)
    folder.mkdir(parents=True)
    rng, start = np.random.default_rng(0), 0
    for part, count in parts.items():
        X = rng.random((count, 784), np.float32)
        X[:, 0] = np.arange(start, start + count) / 4096
        np.save(folder / f"X_{part}.npy", X.T)
        np.save(folder / f"y_{part}.npy", (np.arange(start, start + count) % 10).astype(np.uint8))
        start += count
    counts = dict.fromkeys(splits.PARTS, 0) | parts
    (folder / "split.json").write_text(json.dumps({"dataset": "noise", **asdict(FORM), "parts": counts, "notes": []}))
