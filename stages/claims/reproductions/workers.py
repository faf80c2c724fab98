"""The runs of all experiments, several at a time, each by a worker: a process of this machine, or a rank."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, as_completed

from tqdm import tqdm

from stages.claims.reproductions.abreast import can_be_abreast, train_abreast
from stages.claims.reproductions.runs import Experiment, Run, gather, train
from stages.shared.schema import Seeds

ABREAST = 8  # runs at most


def make(experiment: Experiment, seeds: Sequence[int]) -> list[Run]:
    """Return the runs of an experiment with some seeds."""
    if can_be_abreast(experiment.row):
        return train_abreast(experiment, seeds)
    return [train(experiment, seed) for seed in seeds]


def jobs_of(tried: Mapping[str, Experiment], seeds: Seeds) -> list[tuple[str, list[int]]]:
    """Return what is to be made at a time: an experiment, and one seed, or the seeds of runs that are made abreast."""
    return [
        (name, [seeds.first + of for of in range(start, min(start + size, count))])
        for name, experiment in tried.items()
        for size in [ABREAST if can_be_abreast(experiment.row) else 1]
        for count in [getattr(seeds, experiment.seeds)]
        for start in range(0, count, size)
    ]


def run_all(tried: Mapping[str, Experiment], seeds: Seeds, executor: Executor) -> dict[str, list[Run]]:
    """Return the runs of all experiments, in the order of their seeds, wherever and whenever each is made."""
    jobs = jobs_of(tried, seeds)
    results: dict[tuple[str, int], Run] = {}
    try:
        futures = {executor.submit(make, tried[name], chosen): (name, chosen) for name, chosen in jobs}
        for future in tqdm(as_completed(futures), total=len(jobs), desc="reproduce", unit="job"):
            name, chosen = futures[future]
            results |= {(name, seed): run for seed, run in zip(chosen, future.result(), strict=True)}
    except BaseException:
        executor.shutdown(cancel_futures=True)
        raise
    return gather(results)
