"""Measure every contestant at every work in turn, and write benchmarks/results.json: `python -m benchmarks.run`."""

import argparse
import importlib.metadata
import multiprocessing
import os
import platform
import re
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits
from tqdm import tqdm

from benchmarks.contestants import BARE, CONTESTANTS, THREADS, Contestant, Work
from benchmarks.image_networks import CONVOLUTION, TRANSFORMER
from stages.nn.cross_entropy import cross_entropy
from stages.shared import splits
from stages.shared.artifacts import write_json
from stages.shared.errors import UserError, run
from stages.shared.machine import processor

RESULTS = Path("benchmarks/results.json")
LEARNERS = {name: contestant for name, contestant in CONTESTANTS.items() if name != BARE}
CONVOLUTIONAL = Work(
    "mini-batch 128, convolutional network, 6,400 images",
    (784, 16, 32, 128, 10),
    *(128, 0.002),
    parts=2,
    blas_threads=1,
    images=6_400,
)
CAMPAIGN: list[tuple[Work, str, Mapping[str, Contestant]]] = [
    (Work("full batch, 784-10-10, 41,000 images", (784, 10, 10), None, parts=2, blas_threads=1), "kaggle", CONTESTANTS),
    (Work("mini-batch 128, 784-128-10, 60,000 images", (784, 128, 10), 128), "standard", CONTESTANTS),
    (Work("mini-batch 32, 784-128-10, 60,000 images", (784, 128, 10), 32, blas_threads=1), "standard", CONTESTANTS),
    (Work("mini-batch 128, 784-512-10, 60,000 images", (784, 512, 10), 128), "standard", CONTESTANTS),
    (CONVOLUTIONAL, "standard", CONVOLUTION),
    (
        replace(CONVOLUTIONAL, name="mini-batch 128, transformer, 6,400 images", layer_sizes=(784, 64, 128, 10)),
        *("standard", TRANSFORMER),
    ),
]
COLD_STARTS: list[tuple[Work, Sequence[float], Mapping[str, Contestant]]] = [
    (Work("mini-batch 32, 784-128-10, from a cold start", (784, 128, 10), 32), (0.94, 0.97), LEARNERS),
    (
        replace(
            CONVOLUTIONAL, name="mini-batch 100, convolutional network, from a cold start", batch_size=100, images=None
        ),
        (0.99,),
        CONVOLUTION,
    ),
]
VALIDATION = 1 / 6  # of the training images, the last of them: what a cold start is judged on
JUDGED = 10_000  # training images, the first of them: what the losses are taken on
BAND = 1.2  # how many times as large as another's a loss may be
PACKAGES = ("numpy", "scikit-learn", "torch", "jax", "mygrad")
KERNEL_SETTINGS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def _serve(contestant: Contestant, work: Work, split: str, connection: Connection) -> None:
    """Send the loss at the start; at each request train two rounds, and send the seconds of the second and the loss.

    At last, send the peak memory.
    """
    X, y = splits.require_part(split, "train")
    X, y = X[:, : work.images], y[: work.images]
    X_judged, y_judged = X[:, :JUDGED], y[:JUDGED]
    with threadpool_limits(THREADS):
        train, logits = contestant(work, X, y)

        def loss() -> float:
            return cross_entropy(logits(X_judged).astype(np.float64), y_judged, len(y_judged))

        at_start = loss()
        train()
        connection.send(at_start)
        while connection.recv():
            train()  # not timed: the threads of the contestant before still spin, and the caches are its own
            begin = time.perf_counter()
            train()
            seconds = time.perf_counter() - begin
            connection.send((seconds, loss()))
    connection.send(peak_megabytes())


def _answer(name: str, connection: Connection) -> Any:
    """Return what a contestant sends."""
    try:
        return connection.recv()
    except EOFError:
        raise UserError(f"{name}: ended before it was measured; its traceback is above") from None


def peak_megabytes() -> int:
    """Return the peak memory of this process."""
    status = Path("/proc/self/status")
    if status.exists():  # there getrusage returns what the parent had, if that is more
        return round(int(re.findall(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)[0]) / 1e3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3))


def measure(work: Work, split: str, rounds: int, contestants: Mapping[str, Contestant] = CONTESTANTS) -> dict[str, Any]:
    """Return each contestant's median time, the spread of ours divided by it, its loss and its peak memory.

    Raises
    ------
    UserError
        If a contestant does not learn, or not as the others do.
    """
    context = multiprocessing.get_context("spawn")
    connections: dict[str, Connection] = {}
    processes = []
    absent = ("scikit-learn",) if work.batch_size is None else ("plain loop, float64", "plain loop, float32")
    names = [name for name in contestants if name not in absent]
    starts: dict[str, float] = {}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    losses: dict[str, list[float]] = {name: [] for name in names}
    try:
        for name in names:
            connections[name], theirs = context.Pipe()
            processes.append(context.Process(target=_serve, args=(contestants[name], work, split, theirs), daemon=True))
            processes[-1].start()
            theirs.close()
            starts[name] = _answer(name, connections[name])
        for number in tqdm(range(rounds), desc=work.name, unit="round"):
            for name in names:
                connections[name].send(True)
                taken, loss = _answer(name, connections[name])
                seconds[name].append(taken)
                losses[name].append(loss)
            if number == 0:
                check_learning(work.name, starts, {name: losses[name][0] for name in names})
        for connection in connections.values():
            connection.send(False)
        memory = {name: _answer(name, connections[name]) for name in names}
    finally:
        for process in processes:
            process.terminate()
    per = 1000 / work.updates if work.batch_size is None else 1
    results = {
        name: {
            "time": float(f"{median(seconds[name]) * per:.3g}"),
            "ours_over_theirs": spread(
                [ours / theirs for ours, theirs in zip(seconds["ours"], seconds[name], strict=True)], 2
            ),
            "loss": None if name == BARE else float(f"{losses[name][0]:.4g}"),
            "peak_megabytes": memory[name],
        }
        for name in names
    }
    return {"work": work.name, "unit": "s per epoch" if work.batch_size else "ms per update", "contestants": results}


def check_learning(work: str, starts: Mapping[str, float], losses: Mapping[str, float]) -> None:
    """Check that each loss after the first measured round is below that at the start, and that all are about the same.

    All contestants start from the same parameters, and have made as many updates from the same images.

    Raises
    ------
    UserError
        If a loss is not below that at the start, or is more than BAND times another.
    """
    learners = [name for name in losses if name != BARE]
    where = "its time would say nothing; mend it in benchmarks/contestants.py"
    for name in learners:
        if not losses[name] < starts[name]:
            raise UserError(
                f"{name}: does not learn at {work}: its loss is {losses[name]:.4g} after the first measured round, "
                f"and was {starts[name]:.4g} at the start; {where}"
            )
    best, worst = (choose(learners, key=losses.__getitem__) for choose in (min, max))
    if losses[worst] > BAND * losses[best]:
        raise UserError(
            f"{worst}: does not learn as the others at {work}: its loss is {losses[worst]:.4g} after the first "
            f"measured round, more than {BAND} times the {losses[best]:.4g} of {best}; one does other work: {where}"
        )


def spread(values: Sequence[float], digits: int) -> dict[str, float]:
    """Return the smallest, the median and the largest of values."""
    found = {"smallest": min(values), "median": median(values), "largest": max(values)}
    return {name: round(value, digits) for name, value in found.items()}


def _run_cold(contestant: Contestant, work: Work, connection: Connection) -> None:
    X, y = splits.require_part("standard", "train")
    m = len(y) - round(VALIDATION * len(y))
    with threadpool_limits(THREADS):
        train, logits = contestant(work, X[:, :m], y[:m])
        while True:
            train()
            connection.send(float((logits(X[:, m:]).argmax(axis=0) == y[m:]).mean()))


def cold_start(
    name: str, contestant: Contestant, work: Work, targets: Sequence[float], limit: float
) -> dict[str, float | None]:
    """Return the seconds from starting Python to each accuracy on the validation images, None if past the limit."""
    context = multiprocessing.get_context("spawn")
    connection, theirs = context.Pipe()
    process = context.Process(target=_run_cold, args=(contestant, work, theirs), daemon=True)
    begin = time.perf_counter()
    process.start()
    theirs.close()
    reached: dict[str, float | None] = dict.fromkeys((f"{target:.0%}" for target in targets), None)
    while None in reached.values():
        left = begin + limit - time.perf_counter()
        if left <= 0 or not connection.poll(left):
            break
        accuracy = _answer(name, connection)
        for target in targets:
            if accuracy >= target and reached[f"{target:.0%}"] is None:
                reached[f"{target:.0%}"] = time.perf_counter() - begin
    process.terminate()
    return reached


def cold_starts(
    contestants: Mapping[str, Contestant], work: Work, targets: Sequence[float], rounds: int, limit: float
) -> dict[str, Any]:
    """Start each contestant in turn, so many times; return the spread of its seconds to each target accuracy.

    None is an accuracy that was not reached within the limit, after which that contestant is not started again.
    """
    starts: dict[str, list[dict[str, float | None]]] = {name: [] for name in contestants}
    for _ in tqdm(range(rounds), desc=work.name, unit="round"):
        for name, contestant in contestants.items():
            if all(None not in start.values() for start in starts[name]):
                starts[name].append(cold_start(name, contestant, work, targets, limit))
    seconds: dict[str, Any] = {name: {} for name in contestants}
    for name, (first, *_) in starts.items():
        for target in first:
            reached = [taken for start in starts[name] if (taken := start[target]) is not None]
            seconds[name][target] = spread(reached, 1) if len(reached) == len(starts[name]) else None
    return seconds


def kernel_warning() -> str | None:
    """Return what is wrong where the environment chooses OpenBLAS's kernels; None where OpenBLAS does."""
    settings = [f"{name}={os.environ[name]}" for name in KERNEL_SETTINGS if name in os.environ]
    if not settings:
        return None
    without = " ".join(f"-u {name}" for name in KERNEL_SETTINGS)
    return (
        f"{' and '.join(settings)} is set: OpenBLAS may not use the kernels of this processor, as JAX and PyTorch do; "
        f"run `env {without} make bench`"
    )


def machine(packages: Sequence[str] = PACKAGES) -> dict[str, Any]:
    """Return what a reader needs to judge the figures: processor, cores, versions."""
    blas = next(library for library in threadpool_info() if library["user_api"] == "blas")
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": THREADS,
        "python": platform.python_version(),
        "blas": f"{blas['internal_api']} {blas['version']}, {blas.get('architecture')}",
        **{package: importlib.metadata.version(package) for package in packages},
    }


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each contestant at each work")
    parser.add_argument("--starts", type=int, default=3, help="cold starts of each contestant")
    parser.add_argument("--limit", type=float, default=120, help="seconds until a cold start is given up")
    arguments = parser.parse_args()
    if min(arguments.rounds, arguments.starts) < 1:
        parser.error("--rounds and --starts must be at least 1")
    on, warning = machine(), kernel_warning()
    print(f"BLAS: {on['blas']} kernels")
    if warning:
        print(f"warning: {warning}")
    works = [measure(work, split, arguments.rounds, contestants) for work, split, contestants in CAMPAIGN]
    cold = [
        {
            "work": work.name,
            "starts": arguments.starts,
            "seconds": cold_starts(contestants, work, targets, arguments.starts, arguments.limit),
        }
        for work, targets, contestants in COLD_STARTS
    ]
    write_json(
        RESULTS,
        {
            "machine": on,
            "warning": warning,
            "rounds": arguments.rounds,
            "works": works,
            "cold_starts": cold,
        },
    )


if __name__ == "__main__":
    run(main)
