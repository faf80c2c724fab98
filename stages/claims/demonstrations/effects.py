"""Which errors change what a write-up's own program computes: as printed against the same with one error mended."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from tqdm import trange

from stages.claims import as_printed, write_ups
from stages.claims.as_printed import Parameters, WriteUp
from stages.claims.demonstrations.common import LAYER_SIZES, RATE, RIGHT, Setup, train
from stages.claims.verdicts import FAILS, HOLDS, UNDECIDED, Quantity, holm
from stages.nn.arrays import Array

FIRST_SEED = 2000  # the next start has the next seed; no earlier run had one of these
SAME = 0.01  # accuracies whose mean difference is surely smaller are the same
CHANGES, CHANGES_NOT, READER = "changes the result", "does not change the result", "misleads the reader only"
WORDS = {FAILS: CHANGES, HOLDS: CHANGES_NOT}


@dataclass(frozen=True)
class Effect:
    """What an error does in the program of its write-up: a word of this module, and how the accuracy differs."""

    effect: str | None
    gain: str


@dataclass(frozen=True)
class Program:
    """A write-up's own training, with nothing wrong: how it starts, at what rate, and for how many updates at most."""

    right: WriteUp
    start: Callable[[np.random.Generator], Parameters]
    rate: float
    updates: int


def tanh_derivative(Z: Array) -> Array:
    """Return 1 - tanh(Z)²."""
    return 1 - np.tanh(Z) ** 2


W3 = Program(RIGHT, lambda rng: as_printed.uniform(LAYER_SIZES, rng, np.float32), RATE, 150)
W4 = Program(
    replace(RIGHT, activation=np.tanh, activation_derivative=tanh_derivative),
    lambda rng: as_printed.normal([784, 16, 16, 10], 0.1, rng, np.float32),
    1,
    75,  # after which its rate is lower
)
# The plotted loss (E2) has no part in an update.
PRINTED: dict[str, tuple[Program, WriteUp]] = {
    "E1": (W3, replace(W3.right, bias_sum=np.sum)),
    "E3": (W3, replace(W3.right, softmax=as_printed.softmax)),
    "E4": (W3, replace(W3.right, labels=as_printed.one_hot)),
    "E5": (W4, replace(W4.right, softmax=as_printed.softmax_of_whole_maximum)),
    "E6": (
        W4,
        replace(W4.right, activation=as_printed.tanh, activation_derivative=as_printed.tanh_derivative),
    ),
}


def accuracy(program: Program, write_up: WriteUp, setup: Setup, seed: int) -> float:
    """Return the training accuracy at the end from a start of this seed; 0 if NaN ended it."""
    start, columns = program.start(np.random.default_rng(seed)), slice(setup.lengths.columns_of_seeds)
    updates = min(program.updates, setup.lengths.updates)
    trial = train(start, setup.X[:, columns], setup.y[columns], write_up, updates, updates + 2, program.rate)
    return 0.0 if trial.nan_share else trial.accuracies[-1]


def measure_effects(setup: Setup) -> dict[str, Effect]:
    """Return what each error of write_ups.yaml does in the program of its write-up."""
    gains: dict[str, list[float]] = {name: [] for name in PRINTED}
    for seed in trange(FIRST_SEED, FIRST_SEED + setup.lengths.seeds, desc="effects", unit="start"):
        right = {id(program): accuracy(program, program.right, setup, seed) for program in (W3, W4)}
        for name, (program, printed) in PRINTED.items():
            gains[name].append(accuracy(program, printed, setup, seed) - right[id(program)])
    measured = {name: Quantity(name, values, "points", (-SAME, SAME)) for name, values in gains.items()}
    tested = {name: p for name, of in measured.items() if (p := of.p) is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    effects = {
        name: Effect(
            WORDS.get(of.verdict(corrected.get(name)) or "", UNDECIDED), f"{of.in_points}, {len(of.values)} seeds"
        )
        for name, of in measured.items()
    }
    return {row["id"]: effects.get(row["id"], Effect(READER, "")) for row in write_ups.errors()}
