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
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from threadpoolctl import threadpool_info, threadpool_limits
from tqdm import tqdm

from benchmarks.contestants import CONTESTANTS, Contestant, Work
from reviewing.recording import processor
from stages.shared import splits
from stages.shared.artifacts import write_json
from stages.shared.errors import run

RESULTS = Path("benchmarks/results.json")
THREADS = 2
CAMPAIGN = [
    (Work("full batch, 784-10-10, 41,000 images", (784, 10, 10), None), "kaggle"),
    (Work("mini-batch 128, 784-128-10, 60,000 images", (784, 128, 10), 128), "standard"),
    (Work("mini-batch 32, 784-128-10, 60,000 images", (784, 128, 10), 32), "standard"),
    (Work("mini-batch 128, 784-512-10, 60,000 images", (784, 512, 10), 128), "standard"),
]
COLD_START = Work("mini-batch 32, 784-128-10, from a cold start", (784, 128, 10), 32)
TARGETS = (0.94, 0.97)
PACKAGES = ("numpy", "scikit-learn", "torch", "jax")


def _serve(contestant: Contestant, work: Work, split: str, connection: Connection) -> None:
    """Train two rounds at each request, answer with the seconds of the second, and at last with the peak memory."""
    with threadpool_limits(THREADS):
        train, _ = contestant(work, *splits.require_part(split, "train"))
        train()
        connection.send(None)
        while connection.recv():
            train()  # not timed: the threads of the contestant before still spin, and the caches are its own
            begin = time.perf_counter()
            train()
            connection.send(time.perf_counter() - begin)
    connection.send(peak_megabytes())


def peak_megabytes() -> int:
    """Return the peak memory of this process."""
    status = Path("/proc/self/status")
    if status.exists():  # there getrusage returns what the parent had, if that is more
        return round(int(re.findall(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)[0]) / 1e3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3))


def measure(work: Work, split: str, rounds: int, contestants: Mapping[str, Contestant] = CONTESTANTS) -> dict[str, Any]:
    """Return for each contestant its median time, its peak memory, and the median over rounds of ours divided by it."""
    context = multiprocessing.get_context("spawn")
    connections: dict[str, Connection] = {}
    absent = ("scikit-learn",) if work.batch_size is None else ("plain loop, float64", "plain loop, float32")
    names = [name for name in contestants if name not in absent]
    for name in names:
        connections[name], theirs = context.Pipe()
        context.Process(target=_serve, args=(contestants[name], work, split, theirs), daemon=True).start()
        theirs.close()
        connections[name].recv()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in tqdm(range(rounds), desc=work.name, unit="round"):
        for name in names:
            connections[name].send(True)
            seconds[name].append(connections[name].recv())
    results: dict[str, Any] = {}
    for name in names:
        connections[name].send(False)
        per = 1000 / work.updates if work.batch_size is None else 1
        ratios = [ours / theirs for ours, theirs in zip(seconds["ours"], seconds[name], strict=True)]
        results[name] = {
            "time": float(f"{median(seconds[name]) * per:.3g}"),
            "ours_over_theirs": round(median(ratios), 2),
            "peak_megabytes": connections[name].recv(),
        }
    return {"work": work.name, "unit": "s per epoch" if work.batch_size else "ms per update", "contestants": results}


def _run_cold(contestant: Contestant, connection: Connection) -> None:
    with threadpool_limits(THREADS):
        X_test, y_test = splits.require_part("standard", "test")
        train, predict = contestant(COLD_START, *splits.require_part("standard", "train"))
        while True:
            train()
            connection.send(float((predict(X_test) == y_test).mean()))


def cold_start(contestant: Contestant, limit: float) -> dict[str, float | None]:
    """Return the seconds from starting Python to each target accuracy on the test images, None if past the limit."""
    context = multiprocessing.get_context("spawn")
    connection, theirs = context.Pipe()
    process = context.Process(target=_run_cold, args=(contestant, theirs), daemon=True)
    begin = time.perf_counter()
    process.start()
    theirs.close()
    reached: dict[str, float | None] = dict.fromkeys((f"{target:.0%}" for target in TARGETS), None)
    while None in reached.values():
        left = begin + limit - time.perf_counter()
        if left <= 0 or not connection.poll(left):
            break
        accuracy = connection.recv()
        for target in TARGETS:
            if accuracy >= target and reached[f"{target:.0%}"] is None:
                reached[f"{target:.0%}"] = round(time.perf_counter() - begin, 1)
    process.terminate()
    return reached


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
    parser.add_argument("--limit", type=float, default=60, help="seconds until a cold start is given up")
    arguments = parser.parse_args()
    works = [measure(work, split, arguments.rounds) for work, split in CAMPAIGN]
    names = [name for name in CONTESTANTS if name != "bare products"]
    bar = tqdm(names, desc="cold start", unit="contestant")
    cold = {name: cold_start(CONTESTANTS[name], arguments.limit) for name in bar}
    write_json(
        RESULTS, {"machine": machine(), "works": works, "cold_start": {"work": COLD_START.name, "seconds": cold}}
    )


if __name__ == "__main__":
    run(main)
