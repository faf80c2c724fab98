"""How the learning rate changes in the course of training: a factor for each update."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Schedule(Protocol):
    """Gives the factor by which the learning rate is multiplied."""

    def __call__(self, update: int, updates: int) -> float:
        """Return the factor for this update, counted from 1, of so many updates in all."""


@dataclass(frozen=True)
class Constant:
    """The learning rate stays as it is."""

    def __call__(self, update: int, updates: int) -> float:
        """Return 1."""
        return 1.0


@dataclass(frozen=True)
class Steps:
    """The learning rate is multiplied by `factor` after each of the updates `at`.

    Parameters
    ----------
    at : list of int
        Numbers of updates, each at least 1, ascending.
    factor : float
        Above 0.
    """

    at: list[int]
    factor: float = 0.1

    def __post_init__(self) -> None:
        if not self.at or self.at[0] < 1 or any(a >= b for a, b in zip(self.at, self.at[1:], strict=False)):
            raise ValueError(f"at must list ascending numbers of updates, the first at least 1, not {self.at}")
        if not self.factor > 0:
            raise ValueError(f"factor must be above 0, not {self.factor}")

    def __call__(self, update: int, updates: int) -> float:
        """Return the factor for this update, counted from 1."""
        return self.factor ** sum(update > at for at in self.at)


@dataclass(frozen=True)
class Cosine:
    """Linear warm-up from 0, then half a cosine down to 0 (Loshchilov and Hutter 2017, one cycle).

    Parameters
    ----------
    warmup : int
        Number of updates until the full learning rate is reached; at least 0.
    """

    warmup: int = 0

    def __post_init__(self) -> None:
        if not self.warmup >= 0:
            raise ValueError(f"warmup must be at least 0, not {self.warmup}")

    def __call__(self, update: int, updates: int) -> float:
        """Return the factor for this update, counted from 1, of so many updates in all."""
        if update <= self.warmup:
            return update / self.warmup
        done = (update - 1 - self.warmup) / max(1, updates - self.warmup)
        return float((1 + np.cos(np.pi * done)) / 2)


SCHEDULES: dict[str, type[Schedule]] = {"constant": Constant, "steps": Steps, "cosine": Cosine}
