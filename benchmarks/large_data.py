"""Run the stages on more images than memory shall hold: `python -m benchmarks.large_data`.

The images are made up and lie in a temporary folder, as IDX files and as a CSV. Each stage runs in a process of its
own, and its anonymous memory is watched: what is mapped from files does not count, as the system takes it back when it
needs to. Before and after the training that streams, the same network trains in memory, on a part of the images. The
results are in benchmarks/large_data.json.
"""

import argparse
import contextlib
import gzip
import multiprocessing
import os
import re
import shutil
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.contestants import THREADS
from benchmarks.run import machine
from stages import evaluate, plot, preprocess, train
from stages.nn import training
from stages.shared.artifacts import write_json
from stages.shared.errors import UserError, run
from stages.shared.mnist import CLASSES, FILES, OWN, PIXELS, RAW, SOURCE, Examples

RESULTS = Path("benchmarks/large_data.json")
WINDOW = 60_000  # images, as many as MNIST has
EPOCHS = 10  # in memory, on a tenth of the images
TEST = 10_000
BLOCK = 10_000  # images made together
DISK = 14 * PIXELS  # bytes of the disk for an image: as IDX, CSV, float32 in splits, and unpacked for the time being
CELLS = np.array([list(f"{value:03d},".encode()) for value in range(256)], np.uint8)  # of a CSV


def make_images(m: int, patterns: NDArray[np.uint8], seed: int) -> Iterator[Examples]:
    """Yield m images as rows, each a noisy pattern of its class, and their labels, in blocks."""
    rng = np.random.default_rng(seed)
    for start in range(0, m, BLOCK):
        y = rng.integers(CLASSES, size=min(BLOCK, m - start), dtype=np.uint8)
        yield patterns[y] + rng.integers(128, size=(len(y), PIXELS), dtype=np.uint8), y


def write_sources(m: int) -> None:
    """Write m images as IDX files in data/raw, those to test with, and a third of them as a CSV in own/."""
    patterns = np.random.default_rng(0).integers(128, size=(CLASSES, PIXELS), dtype=np.uint8)
    RAW.mkdir(parents=True)
    for (images_name, labels_name), count, seed in ((FILES[:2], m, 1), (FILES[2:], TEST, 2)):
        with gzip.open(RAW / images_name, "wb", 1) as images, gzip.open(RAW / labels_name, "wb") as labels:
            images.write(struct.pack(">4I", 0x803, count, 28, 28))
            labels.write(struct.pack(">2I", 0x801, count))
            for rows, y in make_images(count, patterns, seed):
                images.write(rows.tobytes())
                labels.write(y.tobytes())
    write_json(SOURCE, {"dataset": "{data.name}", "fallback": False})
    OWN.mkdir()
    (OWN / "train.csv.dvc").touch()
    with (OWN / "train.csv").open("wb") as file:
        file.write(",".join(["label", *(f"pixel{index}" for index in range(PIXELS))]).encode() + b"\n")
        for rows, y in make_images(m // 3, patterns, 1):
            text = CELLS[np.column_stack([y, rows])].reshape(len(y), -1)
            text[:, -1] = ord("\n")
            file.write(text.tobytes())


def write_parameters(m: int) -> None:
    """Write a params.yaml with three splits of the images, and with a model that streams and one in memory."""
    split = {"held_out": 0, "validation": 0, "seed": 0}
    model: dict[str, Any] = {
        "layers": [{"name": "affine", "units": 128}, {"name": "relu"}, {"name": "affine"}],
        "learning_rate": 0.1,
        "batch_size": 128,
        "seed": 0,
    }
    content = {
        "shown": "streamed",
        "blas_threads": THREADS,
        "data": {
            "name": "made up",
            "mirrors": [],
            "sha256": dict.fromkeys(FILES, "0" * 64),
            "classes": [str(k) for k in range(CLASSES)],
            "first_label": 0,
            "transposed": False,
            "timeout": 1,
            "retries": 0,
            "fallback": False,
        },
        "splits": {
            "streamed": {"source": str(RAW), "images": m, **split},
            "memory": {"source": str(RAW), "images": m // EPOCHS, **split},
            "csv": {"source": str(OWN / "train.csv"), "images": m, **split},
        },
        "models": {
            "streamed": {"split": "streamed", **model, "window": WINDOW, "epochs": 1},
            "memory": {"split": "memory", **model, "epochs": EPOCHS},
        },
        "reproduce": {"seeds": {"first": 0, "costly": 2, "usual": 2, "many": 2}},
    }
    write_json(Path("params.yaml"), content)  # which JSON is, too


def drop(file: IO[bytes]) -> None:
    """Let the system forget what it has of a file in memory, so that it is read from the disk."""
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def train_timed(name: str) -> float:
    """Train a model as the stage does; return the seconds that its updates took."""
    seconds = []

    def fit(*arguments: Any) -> Iterator[training.Record]:
        begin = time.perf_counter()
        yield from training.fit(*arguments)
        seconds.append(time.perf_counter() - begin)

    with patch("stages.train.fit", fit), threadpool_limits(THREADS):
        train.train(name)
    return seconds[0]


def anonymous_megabytes() -> float:
    """Return how much memory of this process belongs to no file."""
    found = re.search(r"^RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found, "Linux tells it"
    return int(found[1]) / 1e3


def watched(stage: Callable[[str], float | None], name: str, folder: Path) -> dict[str, Any]:
    """Run a stage in `folder`; return its seconds, or those that it returns, and its peak of anonymous memory."""
    os.chdir(folder)
    peak, ended = anonymous_megabytes(), threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.02):
            peak = max(peak, anonymous_megabytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    begin = time.perf_counter()
    try:
        seconds = stage(name) or time.perf_counter() - begin
    finally:
        ended.set()
        watcher.join()
    return {"seconds": round(seconds, 1), "peak_anonymous_megabytes": round(peak)}


def measure(stage: Callable[[str], float | None], name: str, folder: Path, images: int) -> dict[str, Any]:
    """Return what `watched` returns, in a process whose memory is its alone, and the time for each of these images."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        row = pool.submit(watched, stage, name, folder).result()
    print(stage.__name__, name, row, flush=True)
    return {"images": images, **row, "microseconds_per_image": round(1e6 * row["seconds"] / images, 2)}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2_000_000, help="how many to make")
    parser.add_argument("--folder", type=Path, help="where, for the time being; 11 GB for a million")
    options = parser.parse_args()
    m: int = options.images
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name).resolve()
        needed, free = DISK * m, shutil.disk_usage(folder).free
        if needed > free:
            raise UserError(
                f"{folder}: {m:,} images need {needed / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free; "
                "name another folder with --folder, or fewer images with --images"
            )
        with contextlib.chdir(folder):
            write_parameters(m)
            write_sources(m)
        stages = {
            "preprocess, IDX": measure(preprocess.preprocess, "streamed", folder, m),
            "preprocess, CSV": measure(preprocess.preprocess, "csv", folder, m // 3),
        }
        shutil.rmtree(folder / "data/splits/csv")
        measure(preprocess.preprocess, "memory", folder, m // EPOCHS)
        stages["train, in memory, before"] = measure(train_timed, "memory", folder, m)
        with (folder / "data/splits/streamed/X_train.npy").open("rb") as file:
            drop(file)
        stages["train, streamed"] = measure(train_timed, "streamed", folder, m)
        stages["train, in memory, after"] = measure(train_timed, "memory", folder, m)
        stages["evaluate, streamed"] = measure(evaluate.evaluate, "streamed", folder, m + TEST)
        stages["plot, streamed"] = measure(plot.plot, "streamed", folder, m + TEST)
    before, streamed, after = (
        stages[f"train, {how}"]["microseconds_per_image"]
        for how in ("in memory, before", "streamed", "in memory, after")
    )
    ratio = round(streamed / ((before + after) / 2), 2)
    write_json(RESULTS, {"machine": machine(["numpy"]), "window": WINDOW, "stages": stages, "ratio": ratio})
    print(RESULTS.read_text(), end="")


if __name__ == "__main__":
    run(main)
