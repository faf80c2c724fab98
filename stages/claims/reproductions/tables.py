"""The answers to the claims as tables, for files."""

from pathlib import Path
from typing import Any

import pandas as pd

from stages.claims.reproductions.answers import Answer
from stages.claims.reproductions.verdicts import summary
from stages.claims.write_ups import Row
from stages.shared.artifacts import replacing

READING = (
    "A number that is claimed is compared with the interval in which one more run is expected with a probability of "
    "95 % (Student t, from as many seeds as stated), widened by the rounding of the claim: it is consistent, claimed "
    "above or claimed below what is measured; for an accuracy, below means that ours is better. A comparison is "
    "consistent if the 95 % interval of the mean difference, seed by seed, is on the side that is claimed, "
    "contradicted if it is on the other side, and not confirmed if it holds 0. A claim whose parts disagree is "
    "consistent in part if one of them is. A seed decides which images are held out, the initial weights and the "
    "shuffles. Accuracies are shares of the images."
)


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
