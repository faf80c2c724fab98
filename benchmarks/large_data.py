"""Train an epoch on more images than memory shall hold: `python -m benchmarks.large_data`.

The images are made up and lie in a temporary folder, a byte a pixel, in one .npy file. The file is mapped into memory a
window of neighboring images at a time, and the window is normalized into an array that serves for all of them. Windows
come in random order, and mini-batches are drawn at random from one window. Before and after that the same network
trains on MNIST in memory, which `make repro` has prepared. The results are in benchmarks/large_data.json.
"""

import argparse
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks.contestants import THREADS
from benchmarks.run import machine, peak_megabytes
from stages.nn.batches import epoch_batches
from stages.nn.layer import Start
from stages.nn.network import perceptron
from stages.nn.optimizers import GradientDescent
from stages.nn.relu import ReLU
from stages.nn.schedules import Constant
from stages.nn.training import Trainer
from stages.shared import splits
from stages.shared.artifacts import write_json
from stages.shared.errors import UserError, run
from stages.shared.mnist import CLASSES, PIXELS

RESULTS = Path("benchmarks/large_data.json")
WINDOW = 60_000  # images, as many as MNIST has
EPOCHS = 10  # in memory, each time
LAYER_SIZES, BATCH_SIZE, LEARNING_RATE = (PIXELS, 128, CLASSES), 128, 0.1
SPARE = 500_000_000  # bytes of the disk to leave free

Examples = tuple[NDArray[np.float32], NDArray[np.intp]]


def make_images(folder: Path, m: int, rng: np.random.Generator) -> None:
    """Write X.npy, bytes of shape (784, m) in Fortran order, and y.npy: a noisy pattern for each class.

    Raises
    ------
    UserError
        If the disk has too little space.
    """
    needed, free = PIXELS * m + SPARE, shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{folder}: {m:,} images need {needed / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free; "
            "name another folder with --folder, or fewer images with --images"
        )
    y = rng.integers(CLASSES, size=m, dtype=np.uint8)
    np.save(folder / "y.npy", y)
    patterns = rng.integers(128, size=(CLASSES, PIXELS), dtype=np.uint8)
    with (folder / "X.npy").open("wb") as file:
        npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": True, "shape": (PIXELS, m)})
        for labels in np.array_split(y, -(-m // 10_000)):
            noise = rng.integers(128, size=(len(labels), PIXELS), dtype=np.uint8)
            file.write((patterns[labels] + noise).data)
        file.flush()
        os.fsync(file.fileno())
        advise(file, "DONTNEED", 0, 0)  # the training shall read from the disk, not from the system's cache


def advise(file: IO[bytes], advice: str, offset: int, length: int) -> None:
    """Tell the operating system what will be needed of a file, if it takes advice."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), offset, length, getattr(os, f"POSIX_FADV_{advice}"))


def windows(folder: Path, size: int, rng: np.random.Generator) -> Iterator[Examples]:
    """Yield all examples in windows of `size` neighbors, in random order.

    Yields
    ------
    tuple of ndarray
        X, float32 of shape (784, size) in [0, 1], and y. The memory of X is used again for the next window.
    """
    y = np.load(folder / "y.npy")
    starts = rng.permutation(np.arange(0, len(y), size)).tolist()
    memory = np.empty((min(size, len(y)), PIXELS), np.float32)
    with (folder / "X.npy").open("rb") as file:
        for start, following in zip(starts, [*starts[1:], None], strict=True):
            labels = y[start : start + size].astype(np.intp)
            mapped = np.load(folder / "X.npy", mmap_mode="r")  # anew: the memory of the window before is given back
            if following is not None:  # it comes from the disk while this window is trained on
                advise(file, "WILLNEED", mapped.offset + following * PIXELS, size * PIXELS)
            images = np.divide(mapped.T[start : start + size], np.float32(255), out=memory[: len(labels)])
            yield images.T, labels


def train(folder: Path | None) -> dict[str, Any]:
    """Train on all windows of a folder, or some epochs on MNIST in memory; return time, accuracy and peak memory.

    The first epoch in memory is not counted: it warms up the process.
    """
    rng = np.random.default_rng(0)
    trainer = Trainer(
        perceptron(LAYER_SIZES, ReLU, Start(rng)), GradientDescent(), LEARNING_RATE, Constant(), updates=1
    )
    parts = windows(folder, WINDOW, rng) if folder else repeat(splits.require_part("standard", "train"), EPOCHS + 1)
    seconds, images, correct = [], [], []
    with threadpool_limits(THREADS):
        begin = time.perf_counter()
        for X, y in tqdm(parts, desc="streamed" if folder else "in memory"):
            correct.append(sum(trainer.step(X, y, chosen)[1] for chosen in epoch_batches(len(y), BATCH_SIZE, rng)))
            images.append(len(y))
            seconds.append(time.perf_counter() - begin)
            begin += seconds[-1]
    counted = slice(0 if folder else 1, None)
    return {
        "images": sum(images[counted]),
        "microseconds_per_image": round(1e6 * sum(seconds[counted]) / sum(images[counted]), 2),
        "accuracy_of_last_part": round(correct[-1] / images[-1], 4),
        "peak_megabytes": peak_megabytes(),
    }


def train_alone(folder: Path | None) -> dict[str, Any]:
    """Return what `train` returns in a process of its own, whose memory is then its alone."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(train, folder).result()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2_000_000, help="how many to make")
    parser.add_argument("--folder", type=Path, help="where, for the time being; 0.8 GB for a million")
    options = parser.parse_args()
    splits.require_part("standard", "train")  # or this ends here
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        make_images(Path(folder), options.images, np.random.default_rng(0))
        before, streamed, after = (train_alone(source) for source in (None, Path(folder), None))
    times = [result["microseconds_per_image"] for result in (before, after)]
    results = {
        "machine": machine(["numpy"]),
        "window": WINDOW,
        "in memory, before": before,
        "streamed": streamed,
        "in memory, after": after,
        "ratio": round(streamed["microseconds_per_image"] / (sum(times) / 2), 2),
    }
    write_json(RESULTS, results)
    print(RESULTS.read_text(), end="")


if __name__ == "__main__":
    run(main)
