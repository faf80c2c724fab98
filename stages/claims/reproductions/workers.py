"""The runs of all experiments, several at a time, each in a process of its own."""

import multiprocessing
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.claims.reproductions.runs import Experiment, Run, gather, train
from stages.shared.schema import Seeds


def start_worker() -> None:
    """Give a process one thread for linear algebra, and let it end when the one that started it has ended."""
    threadpool_limits(1, user_api="blas")
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def run_all(tried: Mapping[str, Experiment], seeds: Seeds, processes: int) -> dict[str, list[Run]]:
    """Return the runs of all experiments, in the order of their seeds."""
    jobs = [(name, seed) for name, experiment in tried.items() for seed in range(getattr(seeds, experiment.seeds))]
    results: dict[tuple[str, int], Run] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, start_worker) as executor:
        try:
            futures = {executor.submit(train, tried[name], seed): (name, seed) for name, seed in jobs}
            for future in tqdm(as_completed(futures), total=len(jobs), desc="reproduce", unit="run"):
                results[futures[future]] = future.result()
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise
    return gather(results)
