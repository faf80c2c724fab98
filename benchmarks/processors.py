"""Train under the kernels that OpenBLAS has for other processors: `python -m benchmarks.processors`.

Products of the same numbers differ in their last bits from one kind of processor to another. This measures by how much
the trained networks then differ, and writes benchmarks/processors.json.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from stages.nn.training import evaluate, fit
from stages.shared import models, parameters, splits
from stages.shared.artifacts import write_json
from stages.shared.errors import run
from stages.shared.mnist import FORM

RESULTS = Path("benchmarks/processors.json")
KERNELS = ("Haswell", "Sandybridge", "Nehalem")  # with fused multiply-add, with AVX, with SSE alone


def train(name: str, target: Path) -> None:
    """Train a model as the training stage does, and save its parameters, its test accuracy and the kernels used."""
    row = parameters.load_model(name)
    X, y = splits.require_part(row.split, "train")
    rng = np.random.default_rng(row.seed)
    network = models.start_network(name, row, FORM, rng)
    for _ in fit(models.build_trainer(row, network, len(y)), X, y, row.batch_size, rng):
        pass
    loss, accuracy = evaluate(network, *splits.require_part(row.split, "test"))
    kernels = next(library["architecture"] for library in threadpool_info() if library["user_api"] == "blas")
    arrays: dict[str, Any] = {**network.kept, "measured": [loss, accuracy], "kernels": kernels}
    np.savez(target, **arrays)


def compare(name: str) -> list[dict[str, Any]]:
    """Return for each kind of kernels how far the trained model is from that of the first kind."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for kernels in KERNELS:
            target = Path(folder) / f"{kernels}.npz"
            command = [sys.executable, "-m", "benchmarks.processors", "--train", name, str(target)]
            subprocess.run(command, env={**os.environ, "OPENBLAS_CORETYPE": kernels}, check=True)
            with np.load(target, allow_pickle=False) as archive:
                runs.append({key: archive[key] for key in archive.files})
    first, results = runs[0], []
    for run_ in runs:
        loss, accuracy = run_.pop("measured").tolist()
        kernels = str(run_.pop("kernels"))
        distance = sum(float(np.square(theta - first[key]).sum()) for key, theta in run_.items()) ** 0.5
        size = sum(float(np.square(first[key]).sum()) for key in run_) ** 0.5
        results.append(
            {
                "kernels": kernels,
                "test_accuracy": accuracy,
                "test_cross_entropy": round(loss, 6),
                "relative_distance": float(f"{distance / size:.1e}"),
            }
        )
    return results


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="keys of models in params.yaml; all if none is given")
    parser.add_argument("--train", nargs=2, metavar=("MODEL", "FILE"), help="train one model under these kernels")
    arguments = parser.parse_args()
    settings = parameters.load()
    with threadpool_limits(settings.blas_threads, user_api="blas"):
        if arguments.train:
            train(arguments.train[0], Path(arguments.train[1]))
        else:
            write_json(RESULTS, {name: compare(name) for name in arguments.models or settings.models})


if __name__ == "__main__":
    run(main)
