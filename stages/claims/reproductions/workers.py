"""The runs of all experiments, several at a time, each by a worker: a process of this machine, or a rank."""

from collections.abc import Mapping
from concurrent.futures import Executor, as_completed

from tqdm import tqdm

from stages.claims.reproductions.runs import Experiment, Run, gather, train
from stages.shared.schema import Seeds


def run_all(tried: Mapping[str, Experiment], seeds: Seeds, executor: Executor) -> dict[str, list[Run]]:
    """Return the runs of all experiments, in the order of their seeds, wherever and whenever each is made."""
    jobs = [(name, seed) for name, experiment in tried.items() for seed in range(getattr(seeds, experiment.seeds))]
    results: dict[tuple[str, int], Run] = {}
    try:
        futures = {executor.submit(train, tried[name], seed): (name, seed) for name, seed in jobs}
        for future in tqdm(as_completed(futures), total=len(jobs), desc="reproduce", unit="run"):
            results[futures[future]] = future.result()
    except BaseException:
        executor.shutdown(cancel_futures=True)
        raise
    return gather(results)
