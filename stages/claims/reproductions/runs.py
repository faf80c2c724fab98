"""The training runs that the claims of the write-ups are tested with, over several seeds."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stages.claims import as_printed
from stages.claims.write_ups import Row
from stages.nn.arrays import Array, Labels
from stages.nn.layer import Start
from stages.nn.network import Network
from stages.nn.schedules import Steps
from stages.nn.training import Diverged, evaluate, fit
from stages.shared import models, splits
from stages.shared.errors import UserError
from stages.shared.mnist import CLASSES, FORM, PIXELS
from stages.shared.parameters import Model
from stages.shared.schema import PATH

Part = tuple[Array, Labels]

IMAGES = {"kaggle": 42_000, "standard": 60_000}  # that the claims are about, those of the test part aside
END = -1  # epoch under which the end of a run is kept, whenever it came

# The networks as printed are rows of params.yaml; one run of W3's serves W1 and W2 too.
PRINTED = {"w3": "w3-relu-10", "w4": "w4-tanh-16-16", "w5": "w5-relu-128"}
NETWORKS = {"W1": "w3", "W2": "w3", "W3": "w3", "W4": "w4", "W5": "w5"}
PASSES = 10
BATCHES: Row = {"updates": None, "epochs": PASSES, "batch_size": 128, "parts": 1}
COLUMNS, ROUNDS = 2000, 5  # of the timing
SHORT = 150  # updates of W3's recipe, cut short


def layers(*units: int, activation: str | None = "relu") -> list[Row]:
    """Return affine layers with an activation between them, in the words of params.yaml; the last one is added."""
    between: list[Row] = [{"name": activation}] if activation else []
    return [row for n in units for row in ({"name": "affine", "units": n}, *between)] + [{"name": "affine"}]


# Other units, layers and optimizers are compared by W3's recipe, cut short, and with mini-batches from He's weights.
HIDDEN: dict[str, Row] = {
    name: {"layers": layers(*map(int, name.split("-")))} for name in ("10", "128", "256", "10-10", "128-128")
}
FULL_OPTIMIZERS: dict[str, Row] = {
    "momentum": {"optimizer": {"name": "momentum"}, "learning_rate": 0.1},
    "rmsprop": {"optimizer": {"name": "rmsprop"}, "learning_rate": 0.01},
    "adam": {"optimizer": {"name": "adam"}, "learning_rate": 0.01},
}
MINI_OPTIMIZERS: dict[str, Row] = {
    "momentum": {"optimizer": {"name": "momentum"}, "learning_rate": 0.02},
    "rmsprop": {"optimizer": {"name": "rmsprop"}, "learning_rate": 0.003},
    "adam": {"optimizer": {"name": "adam"}, "learning_rate": 0.003},
}

# W5's network with mini-batches has another initial scale or another rate; its own are among them.
SCALES, RATES = (0.0, 0.0001, 0.01, 0.1, 1.0, 10.0), (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
OWN = ("scale 0.01", "rate 0.1")
GRID_EPOCHS = 3


@dataclass(frozen=True)
class Experiment:
    """A row as in params.yaml, how many seeds it gets, and the epochs after which it is measured beside the end."""

    row: Row
    seeds: Literal["costly", "usual", "many"] = "usual"
    marks: Sequence[int] = ()


def printed(rows: Mapping[str, Model], name: str) -> Row:
    """Return the network of a write-up from its row in params.yaml, the length of its training in updates.

    Raises
    ------
    UserError
        If there is no such row, or the claims cannot be tested with what it has become.
    """
    key = PRINTED[name]
    if key not in rows:
        raise UserError(f"{PATH}: models has no {key!r}, which claims are tested with; put its row back")
    row = rows[key]
    if row.split not in IMAGES:
        raise _unfit(key, f"split must be one of {', '.join(IMAGES)}, not {row.split!r}")
    if row.batch_size is not None:
        raise _unfit(key, f"batch_size must be null, not {row.batch_size}")
    return row.model_dump() | {"updates": row.updates or row.epochs, "epochs": None}


def _unfit(key: str, what: str) -> UserError:
    return UserError(
        f"{PATH}: models.{key}.{what}, since the claims are tested with this row; put it back, "
        "and give the change a row of its own"
    )


def lowered_at(row: Model) -> int:
    """Return the update after which the rate of W4's network is lower; raise UserError if there is not just one."""
    match row.schedule:
        case Steps(at=[update]):
            return update
    raise _unfit(PRINTED["w4"], "schedule must be steps, with one update in `at`")


def experiments(rows: Mapping[str, Model]) -> dict[str, Experiment]:
    """Return all experiments by name, from the rows of the section models of params.yaml.

    Raises
    ------
    UserError
        If a network of the write-ups is not among them, or the claims cannot be tested with what it has become.
    """
    w3, w4, w5 = (printed(rows, name) for name in PRINTED)
    lowered_at(rows[PRINTED["w4"]])
    full = w3 | {"updates": SHORT}
    mini = w3 | BATCHES | {"epochs": 5, "initializer": {"name": "he"}}
    grid = w5 | BATCHES | {"epochs": GRID_EPOCHS}
    # An update with all images is an epoch too. The long runs come first, so that none is left for the end.
    found = {
        "w3": Experiment(w3, "many", [*range(PASSES + 1), 20, 50, 100, 150, 200, 500, 750]),
        "full 128": Experiment(full | HIDDEN["128"], "costly"),
        "w5": Experiment(w5, marks=[*range(PASSES + 1), 20, 50, 100]),
        "w4": Experiment(w4, "many", [0, 70, 140]),
        "full 10-10": Experiment(full | HIDDEN["10-10"]),
        **{f"full {name}": Experiment(full | change) for name, change in FULL_OPTIMIZERS.items()},
        "w5 mini-batches": Experiment(w5 | BATCHES, marks=range(PASSES + 1)),
        "w3 mini-batches": Experiment(w3 | BATCHES, marks=range(PASSES + 1)),
        **{f"mini {name}": Experiment(mini | change) for name, change in (HIDDEN | MINI_OPTIMIZERS).items()},
        "linear": Experiment(mini | {"layers": layers(10, activation=None)}),
        "softmax regression": Experiment(mini | {"layers": layers()}),
        **{
            f"scale {s:g}": Experiment(grid | {"initializer": {"name": "normal", "scale": s}}, "costly") for s in SCALES
        },
        **{f"rate {rate:g}": Experiment(grid | {"learning_rate": rate}, "costly") for rate in RATES},
    }
    for name in OWN:  # which runs of w5 with mini-batches give
        del found[name]
    for name, key in PRINTED.items():
        last, updates = max(found[name].marks), found[name].row["updates"]
        if updates < last:
            raise _unfit(key, f"updates (or epochs) must be at least {last}, not {updates}")
    return found


@dataclass(frozen=True)
class Run:
    """What one seed of an experiment gave.

    Attributes
    ----------
    row : Model
        The network and its training.
    trace : list of float
        Training accuracy: with full batches before each update, with mini-batches in the course of each epoch.
    measured : dict
        Mean cross-entropy and accuracy of each part, by epoch.
    parameters : dict
        Those at the end, by name.
    diverged : int or None
        The update at which NaN or infinity ended it.
    """

    row: Model
    trace: list[float]
    measured: dict[int, dict[str, tuple[float, float]]]
    parameters: dict[str, Array]
    diverged: int | None

    def network(self, dtype: DTypeLike = np.float32) -> Network:
        """Return the trained network."""
        network = models.build_network(self.row, FORM, Start(np.random.default_rng(self.row.seed), dtype=dtype))
        for name, theta in network.kept.items():
            theta[...] = self.parameters[name]
        return network


@lru_cache(maxsize=1)
def images_of(split: str) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return all images of a split but the test part, a row each, and their labels."""
    loaded = [splits.load_part(split, part) for part in ("train", "validation", "held_out")]
    there = [part for part in loaded if part]
    return np.concatenate([X.T for X, _ in there]), np.concatenate([y for _, y in there])


def draw_held_out(split: str, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return which of so many images are held out: as many as the split has, drawn anew."""
    return rng.permutation(count)[: splits.load_description(split).parts["held_out"]]


def divide_anew(split: str, rng: np.random.Generator) -> dict[str, Part]:
    """Return the parts of a split, with as many images held out as it has, but drawn anew; the test part as it is."""
    rows, y = images_of(split)
    parts: dict[str, Part] = {"train": (rows.T, y)}
    held_out = draw_held_out(split, len(y), rng)
    if len(held_out):
        train = np.setdiff1d(np.arange(len(y)), held_out)
        parts = {"train": (rows[train].T, y[train]), "held_out": (rows[held_out].T, y[held_out])}
    test = splits.load_part(split, "test")
    return parts | ({"test": test} if test else {})


def train(experiment: Experiment, seed: int) -> Run:
    """Return the run of an experiment with one seed: for the images to hold out, the weights and the shuffles.

    Raises
    ------
    UserError
        If a part of the split is not what the preprocess stage writes.
    """
    row = Model.model_validate(experiment.row | {"seed": seed})
    split_rng, rng = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    parts = divide_anew(row.split, split_rng)
    X, y = parts["train"]
    network = models.build_network(row, FORM, Start(rng))
    trainer = models.build_trainer(row, network, len(y))
    trace: list[float] = []
    measured: dict[int, dict[str, tuple[float, float]]] = {}
    diverged = None

    def measure(epoch: int) -> None:
        measured[epoch] = {part: evaluate(network, *examples) for part, examples in parts.items()}

    with np.errstate(all="ignore"):
        if 0 in experiment.marks:
            measure(0)
        try:
            for record in fit(trainer, X, y, row.batch_size, rng):
                trace.append(record.accuracy)
                if len(trace) in experiment.marks:
                    measure(len(trace))
        except Diverged as error:
            diverged = error.update
        measure(END)
    return Run(row, trace, measured, network.kept, diverged)


def gather(results: dict[tuple[str, int], Run]) -> dict[str, list[Run]]:
    """Return the runs of each experiment in the order of their seeds, from runs by experiment and seed.

    W3's runs give those of its recipe cut short, and W5's with mini-batches those of its own scale and rate.
    """
    runs: dict[str, list[Run]] = {}
    for name, seed in sorted(results):
        runs.setdefault(name, []).append(results[name, seed])
    runs["full 10"] = cut_short(runs["w3"], SHORT)
    return runs | dict.fromkeys(OWN, cut_short(runs["w5 mini-batches"], GRID_EPOCHS))


def cut_short(runs: Sequence[Run], epoch: int) -> list[Run]:
    """Return what runs were after an epoch, but for their parameters, as if they had ended there."""
    return [replace(run, measured={END: run.measured[epoch]}) for run in runs]


@dataclass(frozen=True)
class Compared:
    """The part of a split that comparisons are made on.

    Attributes
    ----------
    part : str
        test, or held_out where a Kaggle CSV leaves no test part.
    X : ndarray of shape (784, n)
        Its first images, a thousand at most.
    y : ndarray of shape (n,)
        Their labels.
    as_claimed : bool
        Whether the split has as many images as the claims on it are about.
    """

    part: str
    X: Array
    y: Labels
    as_claimed: bool


def compared(split: str) -> Compared:
    """Return the part of a split that comparisons are made on; raise UserError if it is not what it should be."""
    counts = splits.load_description(split).parts
    part = "test" if counts["test"] else "held_out"
    X, y = splits.require_part(split, part)
    return Compared(part, X[:, :1000], y[:1000], sum(counts.values()) - counts["test"] == IMAGES[split])


@dataclass(frozen=True)
class Speed:
    """Whether work on all examples at once is at least so many times as fast as a loop; None where rounds disagree."""

    times: float
    whole_pass: bool | None
    one_product: bool | None


def compare_speed(times: float, columns: int = COLUMNS, rounds: int = ROUNDS) -> Speed:
    """Time W4's forward and backward pass as printed, and its first product alone, against loops over the examples.

    Processor time is taken, so that other processes count little. A first round is for warming up, and not counted.
    """
    rng = np.random.default_rng(0)
    X, y = rng.random((columns, PIXELS)).T, np.arange(columns) % CLASSES
    network = as_printed.normal([PIXELS, 16, 16, CLASSES], 0.1, rng)

    def whole_pass(chosen: slice) -> None:
        Zs, As = as_printed.forward(network, X[:, chosen], as_printed.W4)
        as_printed.backward(network, Zs, As, y[chosen], as_printed.W4)

    def one_product(chosen: slice) -> None:
        network[0][0] @ X[:, chosen]

    def ratio(work: Callable[[slice], None]) -> float:
        start = time.process_time()
        for k in range(columns):
            work(slice(k, k + 1))
        middle = time.process_time()
        work(slice(columns))
        return (middle - start) / (time.process_time() - middle)

    def fast_enough(work: Callable[[slice], None]) -> bool | None:
        _, *counted = [ratio(work) >= times for _ in range(rounds + 1)]
        return counted[0] if len(set(counted)) == 1 else None

    return Speed(times, fast_enough(whole_pass), fast_enough(one_product))
