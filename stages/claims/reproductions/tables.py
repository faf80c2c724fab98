"""The answers to the claims as tables, for files."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from stages.claims.reproductions.answers import Answer
from stages.claims.reproductions.words import reasons
from stages.claims.verdicts import Quantity, Verdict, summary
from stages.claims.write_ups import Row
from stages.shared.artifacts import replacing

READING = (
    "A claim holds if the confidence interval of the mean over the seeds, at the level that the correction leaves, "
    "lies where the claim has it: for a number within its margin, for an accuracy that is reached also above it, for "
    "a comparison on the claimed side. It does not hold if the interval lies wholly outside, and cannot be decided by "
    "this if the interval holds an end. Where all runs are alike the interval is their mean alone. Margins and limits "
    "were stated before these seeds were run. All tests of the claims together are corrected by Holm's "
    "method, so that with a probability of 95 % none of these verdicts is wrong by chance; `alone` is the verdict "
    "without that. A claim of several parts holds in part if some of them do. A seed decides which images are held "
    "out, the initial weights and the shuffles. Accuracies are shares of the images, points differences of two such "
    "shares."
)


def entry(claim: Row, answer: Answer, judged: Verdict, corrected: Mapping[int, float]) -> dict[str, Any]:
    """Return an answer as it goes into the file.

    Parameters
    ----------
    claim : dict
        A row of write_ups.yaml.
    answer : Answer
        What was measured.
    judged : Verdict
        What it comes to.
    corrected : dict
        The corrected p of what was tested, by its place among what was measured.
    """
    same = {"same_as": claim["same_as"]} if "same_as" in claim else {}
    return {
        "id": claim["id"],
        "write_up": claim["write_up"],
        "kind": claim["kind"],
        **same,
        "claim": claim["text"],
        "verdict": judged.verdict,
        "alone": judged.alone,
        "parts": [asdict(part) for part in judged.parts],
        "finding": " ".join(filter(None, [answer.finding, reasons(judged)])),
        "measured": [summary(of, corrected.get(k)) for k, of in enumerate(answer.measured) if isinstance(of, Quantity)],
    }


def write_csv(path: Path, entries: list[dict[str, Any]]) -> None:
    """Write a row for everything measured, and one for each claim that has no number."""
    columns = ("quantity", "unit", "claimed", "rounding", "seeds", "mean", "sd", "min", "max")
    ends, last = ("from", "to", "low", "high"), ("p", "corrected", "alone", "verdict")
    rows = []
    for claim in entries:
        for measured in claim["measured"] or [claim]:
            limits = *measured.get("region", (None, None)), *measured.get("interval", (None, None))
            row = {column: measured.get(column) for column in columns} | dict(zip(ends, limits, strict=True))
            rows.append({"id": claim["id"], **row, **{column: measured.get(column) for column in last}})
    with replacing(path) as partial:
        pd.DataFrame(rows).astype({"seeds": "Int64"}).to_csv(partial, index=False)


def as_markdown(dataset: str, notes: list[str], entries: list[dict[str, Any]]) -> str:
    """Return a table with a row for each claim."""
    rows = [[claim[key].replace("|", "\\|") for key in ("id", "claim", "verdict", "finding")] for claim in entries]
    table = [["", "claim", "verdict", "what was measured"], ["---"] * 4, *rows]
    lines = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([" ".join([f"Data: {dataset}.", *notes]), "", *lines, "", READING, ""])
