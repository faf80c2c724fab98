"""Put the claims of the write-ups to the test: `python -m stages.reproduce`."""

import argparse
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path

from threadpoolctl import threadpool_limits

from stages.claims import write_ups
from stages.claims.drawn_digits import load_drawn_digits
from stages.claims.reproductions.answers import Evidence, answer
from stages.claims.reproductions.figures import WIDTH, draw_claims, draw_comparisons
from stages.claims.reproductions.runs import IMAGES, NETWORKS, compare_speed, compared, experiments
from stages.claims.reproductions.tables import READING, as_markdown, entry, write_csv
from stages.claims.reproductions.workers import run_all
from stages.claims.verdicts import Quantity, correct, judge
from stages.claims.write_ups import Row
from stages.nn.parts import Team
from stages.shared import parameters, ranks, splits
from stages.shared.artifacts import read_json, write_json, write_text
from stages.shared.errors import UserError
from stages.shared.figures import figure_at
from stages.shared.parameters import Model
from stages.shared.schema import Seeds

ABLATIONS, TARGET, FIGURES = Path("metrics/ablations.json"), Path("metrics/reproductions"), Path("figures")


def load_ablations(ids: Sequence[str]) -> dict[str, Row]:
    """Return rows of metrics/ablations.json, by their ids.

    Raises
    ------
    UserError
        If the file is missing or has no such row.
    """
    match read_json(ABLATIONS):
        case {"rows": list(rows)} if all(isinstance(row, dict) for row in rows):
            found = {row.get("id"): row for row in rows if {"parts", "why", "finding"} <= row.keys()}
            if set(ids) <= found.keys():
                return {name: found[name] for name in ids}
    raise UserError(f"{ABLATIONS}: not what the ablate stage writes; delete it and run `dvc repro`")


def reproduce(rows: Mapping[str, Model], seeds: Seeds, executor: Executor) -> None:
    """Answer every claim of write_ups.yaml.

    Writes metrics/reproductions.json, .csv and .md, and figures/reproductions and figures/comparisons, each as .png
    and .svg.

    Parameters
    ----------
    rows : dict
        The section models of params.yaml, which has the networks as printed.
    seeds : Seeds
        How many runs an experiment gets.
    executor : Executor
        Makes the runs.

    Raises
    ------
    UserError
        If a split, metrics/ablations.json or a network as printed is missing or is not what it should be.
    """
    described = [splits.require_mnist(split) for split in IMAGES]
    claims = write_ups.claims()
    ablations = load_ablations([warning["id"] for warning in write_ups.warnings()])
    tried = experiments(rows)
    dataset = "; ".join(dict.fromkeys(description.dataset for description in described))
    notes = list(dict.fromkeys(note for description in described for note in description.notes))
    (times,) = (stated["value"] for stated in claims["W4.5"]["numbers"])
    with threadpool_limits(1, user_api="blas"):
        speed, on = compare_speed(times), {split: compared(split) for split in IMAGES}
        evidence = Evidence(run_all(tried, seeds, executor), on, ablations, load_drawn_digits(), speed)
        answers = {name: answer(claim, evidence) for name, claim in claims.items()}
    measured = {name: answer.measured for name, answer in answers.items()}
    corrected, verdicts = correct(measured), judge(measured, write_ups.rests_on())
    entries = [
        entry(claims[name], found, verdicts[name], {k: p for (claim, k), p in corrected.items() if claim == name})
        for name, found in answers.items()
    ]
    networks = {write_up: tried[name].row for write_up, name in NETWORKS.items()}
    head = {"dataset": dataset, "notes": notes, "reading": READING, "networks": networks}
    write_json(TARGET.with_suffix(".json"), {**head, "claims": entries})
    write_csv(TARGET.with_suffix(".csv"), entries)
    write_text(TARGET.with_suffix(".md"), as_markdown(dataset, notes, entries))
    numbers = [
        (name, number, number.verdict(corrected.get((name, k))) or "")
        for name, quantities in measured.items()
        for k, number in enumerate(quantities)
        if isinstance(number, Quantity) and number.claimed is not None
    ]
    FIGURES.mkdir(exist_ok=True)
    with figure_at(
        FIGURES / "reproductions",
        (WIDTH, 0.9 + 0.42 * len(numbers)),
        f"The write-ups' claims on {dataset}",
        "A dot is a run, the bar the uncorrected 95 % interval, the diamond the claim, the shade where it has the mean",
        notes,
    ) as figure:
        draw_claims(figure, numbers)
    with figure_at(
        FIGURES / "comparisons",
        (WIDTH, 5.6),
        f"What the write-ups compare, on {dataset}",
        "Test accuracy of each run; for W4.3 training accuracy",
        notes,
    ) as figure:
        draw_comparisons(figure, evidence, claims["W4.3"])


def main(team: Team) -> None:
    """Read the command line."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    loaded = parameters.load()
    with threadpool_limits(1, user_api="blas"):
        ranks.require_same(team, ranks.circumstances())
        with ranks.workers(team) as executor:
            if executor:
                reproduce(loaded.models, loaded.reproduce.seeds, executor)


if __name__ == "__main__":
    ranks.run(main)
