"""Contestants whose times, losses, memory and accuracies are known; the processes that they run in import this."""

import time
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from benchmarks.contestants import THREADS, Images, Labels, Logits, Train, Work
from benchmarks.run import JUDGED
from stages.shared import splits


def logits(right: NDArray[np.floating[Any]], y: Labels) -> NDArray[np.float64]:
    """Return logits of ten classes of which the right one has these probabilities, and the others share the rest."""
    shares = np.tile((1 - right) / 9, (10, 1))
    shares[y, np.arange(len(y))] = right
    return np.log(shares) + 7


def timed(
    work: Work, X: Images, y: Labels, seconds: Sequence[float], losses: Sequence[float] = (2, 1), hoard: int = 0
) -> tuple[Train, Logits]:
    """Take so long for the third, the fifth, the seventh round, by a clock of its own, and an hour for the others.

    The losses are those before training, and from the third round on.
    """
    now, rounds = 0.0, 0
    memory = np.ones(hoard * 125_000)
    patch("time.perf_counter", lambda: now).start()  # in a process of its own

    def train() -> None:
        nonlocal now, rounds
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} <= {THREADS}
        rounds += 1
        now += seconds[rounds // 2 - 1] if rounds % 2 and rounds > 1 else 3600

    def known(X_judged: Images) -> NDArray[np.float64]:
        assert memory.all()
        assert np.array_equal(X_judged, X[:, :JUDGED])
        loss = losses[rounds > 2]
        return logits(np.full(X_judged.shape[1], np.exp(-loss)), y[:JUDGED])

    return train, known


def sleeping(work: Work, X: Images, y: Labels, seconds: float) -> tuple[Train, Logits]:
    """Sleep so long in each round."""
    right = 0.1

    def train() -> None:
        nonlocal right
        right = 0.5
        time.sleep(seconds)

    return train, lambda X_judged: logits(np.full(X_judged.shape[1], right), y[:JUDGED])


def failing(work: Work, X: Images, y: Labels) -> tuple[Train, Logits]:
    """End the process."""
    raise SystemExit("no such library")


def improving(_: Work, X: Images, y: Labels, accuracies: Sequence[float]) -> tuple[Train, Logits]:
    """Have these accuracies on the last sixth of the training images after each round, and then always the last one."""
    rounds = 0
    X_all, y_all = splits.require_part("standard", "train")
    m = len(y_all) // 6
    assert np.array_equal(X, X_all[:, :-m])
    assert np.array_equal(y, y_all[:-m])

    def train() -> None:
        nonlocal rounds
        rounds += 1

    def known(X_validation: Images) -> NDArray[np.float64]:
        assert np.array_equal(X_validation, X_all[:, -m:])
        accuracy = accuracies[min(rounds, len(accuracies)) - 1]
        return logits(np.where(np.arange(m) < round(m * accuracy), 0.9, 0.01), y_all[-m:])

    return train, known
