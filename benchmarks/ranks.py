"""Measure updates on 1, 2 and 4 ranks of this machine, and predict them for more: `python -m benchmarks.ranks`.

Writes benchmarks/ranks.json and docs/images/ranks.png and .svg. `make mpi` installs what it needs.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from threadpoolctl import threadpool_info, threadpool_limits

from stages.nn.layer import Start
from stages.nn.network import Network, perceptron
from stages.nn.optimizers import GradientDescent
from stages.nn.parts import Team, loss_and_gradients
from stages.nn.relu import ReLU
from stages.nn.schedules import Constant
from stages.nn.training import Trainer
from stages.shared import ranks
from stages.shared.artifacts import write_json
from stages.shared.errors import UserError
from stages.shared.figures import GRAY, Axes, figure_at

RESULTS, FIGURE, NETWORKS = Path("benchmarks/ranks.json"), Path("docs/images/ranks"), Path("benchmarks/networks.yaml")
TEAMS = ((1, 1), (1, 2), (2, 1), (4, 1))  # ranks, and threads of each
MOST = 1024  # workers that are predicted
HEAD = 16  # bytes of a row before the gradients: the loss, and the number of correct predictions
COLUMNS = (1, 8, 64, 512, 2048)  # of the parts that are timed; a larger one is taken in blocks of the last size
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")


@dataclass(frozen=True)
class Work:
    """An update: the network's layer sizes, the images of a batch, and the parts that it is taken in."""

    name: str
    sizes: tuple[int, ...]
    m: int
    parts: int


WORKS = (
    Work("60,000 images, 784-128-10", (784, 128, 10), 60_000, 4),
    Work("1,024 images, 784-512-10", (784, 512, 10), 1024, 4),
    Work("128 images, 784-128-10", (784, 128, 10), 128, 4),
)


@dataclass(frozen=True)
class Costs:
    """What one processor core needs for a work, in seconds, and what a part sends, in bytes.

    Attributes
    ----------
    parts : dict of str to float
        To take a part of so many images forward and backward.
    add : float
        To add the gradients of a part to the sum.
    step : float
        For the optimizer's step.
    row : int
        Bytes of a part's gradients, loss and number of correct predictions.
    """

    parts: dict[str, float]
    add: float
    step: float
    row: int

    def part(self, images: float) -> float:
        """Return the seconds of a part, between the measured ones by a straight line, beyond them in proportion."""
        sizes, times = [int(size) for size in self.parts], list(self.parts.values())
        return float(np.interp(images, sizes, times)) * max(1.0, images / sizes[-1])


@dataclass(frozen=True)
class Link:
    """A network between ranks: latency in seconds, bandwidth in bytes a second."""

    name: str
    latency: float
    bandwidth: float
    source: str


def exchange_seconds(row: int, parts: int, size: int, link: Link) -> float:
    """Return how long it takes until each of so many ranks has the rows of all parts.

    An allgather doubles what each rank has in every one of its steps, so there are log2 of the size; in the end a rank
    has received all rows but its own.
    """
    return math.ceil(math.log2(size)) * link.latency + parts * row * (1 - 1 / size) / link.bandwidth


def update_seconds(
    costs: Costs, m: int, parts: int, workers: int, link: Link | None = None, cores: int | None = None
) -> float:
    """Return how long an update takes on so many workers with a core each, unless there are fewer cores.

    Workers are ranks that a link connects or, without one, threads of a process.
    """
    own = math.ceil(parts / workers) * costs.part(m / parts)
    waiting = max(1.0, workers / cores) if cores else 1.0
    exchange = exchange_seconds(costs.row, parts, workers, link) if link else 0.0
    return own * waiting + exchange + (parts - 1) * costs.add + costs.step


def rounded(seconds: float) -> float:
    """Return a time with as many digits as mean something."""
    return float(f"{seconds:.3g}")


def build(work: Work) -> tuple[Network, Any, Any]:
    """Return the network of a work, and images and labels that are made up: they take as long as others."""
    rng = np.random.default_rng(0)
    X = np.asfortranarray(rng.random((work.sizes[0], work.m), dtype=np.float32))
    return perceptron(work.sizes, ReLU, Start(rng)), X, rng.integers(0, work.sizes[-1], work.m)


def trainer_of(work: Work, network: Network, threads: int = 1, team: Team | None = None) -> Trainer:
    """Return a trainer with plain gradient descent, at a rate that changes little."""
    return Trainer(network, GradientDescent(), 1e-3, Constant(), 1, parts=work.parts, threads=threads, team=team)


def seconds(work: Callable[[], object], least: float = 0.5, rounds: int = 7) -> float:
    """Return how long a call takes in the least of some rounds, in which nothing else has held it up.

    A round is as many calls as fill its share of a time.
    """
    work()
    begin = time.perf_counter()
    work()
    calls = max(1, round(least / rounds / (time.perf_counter() - begin)))
    measured = []
    for _ in range(rounds):
        begin = time.perf_counter()
        for _ in range(calls):
            work()
        measured.append((time.perf_counter() - begin) / calls)
    return min(measured)


def costs_of(work: Work) -> Costs:
    """Measure what one core needs."""
    network, X, y = build(Work(work.name, work.sizes, COLUMNS[-1], 1))
    trainer = trainer_of(work, network)
    parts = {
        str(columns): rounded(seconds(partial(loss_and_gradients, network, X[:, :columns], y[:columns], len(y))))
        for columns in COLUMNS
    }
    total, more = trainer.parts.gradients, np.ones_like(trainer.parts.gradients)
    add = seconds(partial(np.add, total, more, total))
    step = seconds(partial(trainer.optimizer.step, trainer.parts.parameters, total, trainer.state, 1e-9, 1))
    return Costs(parts, rounded(add), rounded(step), total.nbytes + HEAD)


def seconds_together(work: Callable[[], object], calls: int) -> list[float]:
    """Return the times of a call that all ranks make together, without the first ones, which are for warming up."""
    measured = []
    for _ in range(calls):
        begin = time.perf_counter()
        work()
        measured.append(time.perf_counter() - begin)
    return measured[calls // 5 :]


def on_ranks(team: Team, threads: int) -> dict[str, Any]:
    """Return the median times of the updates of all works, and the least of exchanges of rows, on these ranks."""
    updates = {}
    for work in WORKS:
        network, X, y = build(work)
        step = trainer_of(work, network, threads, team).step
        updates[work.name] = rounded(median(seconds_together(partial(step, X, y), 20 if work.m > COLUMNS[-1] else 200)))
    exchanges = {}
    for size in (1 << 10, 1 << 22):
        rows = np.zeros(team.size, f"V{size}")
        exchanges[size] = rounded(min(seconds_together(partial(team.exchange, rows, [1] * team.size), 50)))
    return {"updates": updates, "exchanges": exchanges}


def measured_link(exchanges: Mapping[str, float]) -> Link:
    """Return latency and bandwidth between two ranks, from exchanges of a small and of a large row of each."""
    small, large = sorted(exchanges, key=int)
    latency = exchanges[small]
    bandwidth = rounded(int(large) / (exchanges[large] - latency))
    return Link("this machine", latency, bandwidth, "measured with two ranks")


def links() -> list[Link]:
    """Return the networks that updates are predicted for."""
    return [Link(**row) for row in YAML(typ="safe").load(NETWORKS)]


def prediction(costs: Costs, work: Work, link: Link) -> list[tuple[int, float]]:
    """Return the time of an update for 1, 2, 4, ... workers, the batch in as many parts as there are workers."""
    sizes = [2**power for power in range(MOST.bit_length()) if 2**power <= work.m]
    return [(size, update_seconds(costs, work.m, size, size, link)) for size in sizes]


def campaign() -> dict[str, Any]:
    """Return all measurements, each beside what the model says."""
    found = {}
    for size, threads in TEAMS:
        command = ["mpiexec", "-n", str(size), sys.executable, "-m", "benchmarks.ranks", "--on-ranks", str(threads)]
        try:
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UserError(f"{' '.join(command)}: {error}; `make mpi` installs what it needs") from None
        found[size, threads] = json.loads(done.stdout)
    cores = ranks.available_cores()
    link = measured_link(found[2, 1]["exchanges"])
    works = []
    for work in WORKS:
        costs = costs_of(work)
        updates = [
            {
                "ranks": size,
                "threads": threads,
                "measured": found[size, threads]["updates"][work.name],
                "predicted": rounded(
                    update_seconds(costs, work.m, work.parts, size * threads, link if size > 1 else None, cores)
                ),
            }
            for size, threads in TEAMS
        ]
        works.append({**asdict(work), "costs": asdict(costs), "updates": updates})
    kernels = next(library["architecture"] for library in threadpool_info() if library["user_api"] == "blas")
    return {"cores": cores, "kernels": kernels, "numpy": np.__version__, "link": asdict(link), "works": works}


def draw(results: Mapping[str, Any]) -> None:
    """Draw the measured points beside the model, and the model for other networks and more workers."""
    subtitle = (
        "Time of an update in ms; left measured on this machine (dots) and by the model (lines), right the model alone"
    )
    with figure_at(FIGURE, (9, 3.4), "More workers", subtitle) as figure:
        here, *ahead = figure.subplots(1, 3)
        draw_measured(here, results)
        for ax, row in zip(ahead, results["works"], strict=False):
            draw_predicted(ax, row)
        for ax, location, room in ((here, "lower left", (0.02, 1)), (ahead[-1], "upper left", (1, 300))):
            bottom, top = ax.get_ylim()
            ax.set_ylim(bottom * room[0], top * room[1])
            ax.legend(loc=location, fontsize=7)


def draw_measured(ax: Axes, results: Mapping[str, Any]) -> None:
    """Draw the updates on 1, 2 and 4 ranks."""
    for color, row in zip(COLORS, results["works"], strict=False):
        points = [update for update in row["updates"] if update["threads"] == 1]
        sizes = [update["ranks"] for update in points]
        ax.plot(sizes, [1e3 * update["predicted"] for update in points], "-", color=color, label=row["name"])
        ax.plot(sizes, [1e3 * update["measured"] for update in points], "o", color=color, markersize=4)
    ax.set(xscale="log", yscale="log", xlabel=f"ranks, on {results['cores']} cores", ylabel="ms")
    ax.set_xticks(sizes, map(str, sizes))
    ax.set_xticks([], minor=True)
    ax.set_title("Measured here, 4 parts", fontsize=9)


def draw_predicted(ax: Axes, row: Mapping[str, Any]) -> None:
    """Draw what the model says of a work on each network, and the time divided by the workers alone."""
    work, costs = Work(row["name"], tuple(row["sizes"]), row["m"], row["parts"]), Costs(**row["costs"])
    for color, link in zip(COLORS, links(), strict=False):
        sizes, times = zip(*prediction(costs, work, link), strict=True)
        ax.plot(sizes, [1e3 * seconds for seconds in times], "-", color=color, label=link.name)
    ax.plot(sizes, [1e3 * times[0] / size for size in sizes], ":", color=GRAY, label="time / workers")
    ax.set(xscale="log", yscale="log", xlabel="workers, a part for each")
    ax.set_xticks([1, 4, 16, 64, 256, 1024], ["1", "4", "16", "64", "256", "1,024"])
    ax.set_xticks([], minor=True)
    ax.set_title(row["name"], fontsize=9)


def main(team: Team) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on-ranks", type=int, metavar="THREADS", help="measure on these ranks, and print it")
    parser.add_argument("--draw", action="store_true", help="draw benchmarks/ranks.json anew")
    arguments = parser.parse_args()
    with threadpool_limits(1, user_api="blas"):
        if arguments.on_ranks:
            found = on_ranks(team, arguments.on_ranks)
            if team.rank == 0:
                print(json.dumps(found))
            return
        if not arguments.draw:
            write_json(RESULTS, campaign())
    draw(json.loads(RESULTS.read_text(encoding="utf-8")))


if __name__ == "__main__":
    ranks.run(main)
