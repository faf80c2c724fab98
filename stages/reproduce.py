"""Put the claims of the write-ups to the test: `python -m stages.reproduce`."""

import argparse
import multiprocessing
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.claims.answers import Answer, Evidence, answer
from stages.claims.drawn_digits import load_drawn_digits
from stages.claims.figures import draw_claims, draw_comparisons
from stages.claims.runs import (
    IMAGES,
    NETWORKS,
    Experiment,
    Row,
    Run,
    compare_speed,
    compared,
    experiments,
    gather,
    train,
)
from stages.claims.verdicts import Number, summary
from stages.shared import parameters, schema, splits
from stages.shared.artifacts import read_json, replacing, write_json, write_text
from stages.shared.errors import UserError, run
from stages.shared.figures import drawing
from stages.shared.parameters import Model
from stages.shared.schema import Seeds

WRITE_UPS = Path(__file__).parent / "claims/write_ups.yaml"
ABLATIONS, TARGET, FIGURES = Path("metrics/ablations.json"), Path("metrics/reproductions"), Path("figures")
READING = (
    "A number that is claimed is compared with the interval in which one more run is expected with a probability of "
    "95 % (Student t, from as many seeds as stated), widened by the rounding of the claim: it is consistent, claimed "
    "above or claimed below what is measured; for an accuracy, below means that ours is better. A comparison is "
    "consistent if the 95 % interval of the mean difference, seed by seed, is on the side that is claimed, "
    "contradicted if it is on the other side, and not confirmed if it holds 0. A claim whose parts disagree is "
    "consistent in part if one of them is. A seed decides which images are held out, the initial weights and the "
    "shuffles. Accuracies are shares of the images."
)


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


def load_ablations(ids: Sequence[str]) -> dict[str, Row]:
    """Return rows of metrics/ablations.json, by their ids.

    Raises
    ------
    UserError
        If the file is missing or has no such row.
    """
    match read_json(ABLATIONS):
        case {"rows": list(rows)} if all(isinstance(row, dict) for row in rows):
            found = {row.get("id"): row for row in rows if {"shown", "finding"} <= row.keys()}
            if set(ids) <= found.keys():
                return {name: found[name] for name in ids}
    raise UserError(f"{ABLATIONS}: not what the ablate stage writes; delete it and run `dvc repro`")


def entry(claim: Row, answer: Answer) -> dict[str, Any]:
    """Return an answer as it goes into the file."""
    return {
        "id": claim["id"],
        "write_up": claim["write_up"],
        "kind": claim["kind"],
        "claim": claim["text"],
        "verdict": answer.verdict,
        "finding": answer.finding,
        "measured": [summary(measured) for measured in answer.measured],
    }


def write_csv(path: Path, entries: list[dict[str, Any]]) -> None:
    """Write a row for everything measured, and one for each claim that has no number."""
    columns = ("quantity", "unit", "claimed", "rounding", "seeds", "mean", "sd", "min", "max")
    rows = []
    for claim in entries:
        for measured in claim["measured"] or [{"verdict": claim["verdict"]}]:
            low, high = measured.get("interval", (None, None))
            numbers = {column: measured.get(column) for column in columns}
            rows.append({"id": claim["id"], **numbers, "low": low, "high": high, "verdict": measured["verdict"]})
    with replacing(path) as partial:
        pd.DataFrame(rows).astype({"seeds": "Int64"}).to_csv(partial, index=False)


def as_markdown(dataset: str, notes: list[str], entries: list[dict[str, Any]]) -> str:
    """Return a table with a row for each claim."""
    rows = [[claim[key].replace("|", "\\|") for key in ("id", "claim", "verdict", "finding")] for claim in entries]
    table = [["", "claim", "verdict", "what was measured"], ["---"] * 4, *rows]
    lines = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([" ".join([f"Data: {dataset}.", *notes]), "", *lines, "", READING, ""])


def reproduce(rows: Mapping[str, Model], seeds: Seeds, processes: int) -> None:
    """Answer every claim of write_ups.yaml.

    Writes metrics/reproductions.json, .csv and .md, and figures/reproductions and figures/comparisons, each as .png
    and .svg.

    Parameters
    ----------
    rows : dict
        The section models of params.yaml, which has the networks as printed.
    seeds : Seeds
        How many runs an experiment gets.
    processes : int
        Runs at a time.

    Raises
    ------
    UserError
        If a split, metrics/ablations.json or a network as printed is missing or is not what it should be.
    """
    described = [splits.require_mnist(split) for split in IMAGES]
    claims = {claim["id"]: claim for claim in schema.read(WRITE_UPS)["claims"]}
    ablations = load_ablations([name for name, claim in claims.items() if claim["kind"] == "ablation"])
    tried = experiments(rows)
    dataset = "; ".join(dict.fromkeys(description.dataset for description in described))
    notes = list(dict.fromkeys(note for description in described for note in description.notes))
    (times,) = (stated["value"] for stated in claims["W4.5"]["numbers"])
    with threadpool_limits(1, user_api="blas"):
        speed, on = compare_speed(times), {split: compared(split) for split in IMAGES}
        evidence = Evidence(run_all(tried, seeds, processes), on, ablations, load_drawn_digits(), speed)
        answers = {name: answer(claim, evidence) for name, claim in claims.items()}
    entries = [entry(claims[name], answer) for name, answer in answers.items()]
    networks = {write_up: tried[name].row for write_up, name in NETWORKS.items()}
    head = {"dataset": dataset, "notes": notes, "reading": READING, "networks": networks}
    write_json(TARGET.with_suffix(".json"), {**head, "claims": entries})
    write_csv(TARGET.with_suffix(".csv"), entries)
    write_text(TARGET.with_suffix(".md"), as_markdown(dataset, notes, entries))
    numbers = [
        (name, number)
        for name, answer in answers.items()
        for number in answer.measured
        if isinstance(number, Number) and number.claimed is not None
    ]
    FIGURES.mkdir(exist_ok=True)
    with drawing(
        FIGURES / "reproductions",
        (9, 0.6 + 0.42 * len(numbers)),
        f"The write-ups' claims on {dataset}",
        "A dot is a run, the bar where one more is expected (95%), the diamond the claim with its rounding",
        notes,
    ) as figure:
        draw_claims(figure, numbers)
    with drawing(
        FIGURES / "comparisons",
        (9, 7.5),
        f"What the write-ups compare, on {dataset}",
        "Test accuracy of each run; for W4.3 training accuracy",
        notes,
    ) as figure:
        draw_comparisons(figure, evidence, claims["W4.3"])


def main() -> None:
    """Read the command line."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    loaded = parameters.load()
    reproduce(loaded.models, loaded.reproduce.seeds, loaded.reproduce.processes)


if __name__ == "__main__":
    run(main)
