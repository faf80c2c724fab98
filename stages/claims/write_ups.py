"""The write-ups as write_ups.yaml has them: what they claim, warn of and get wrong."""

from pathlib import Path
from typing import Any

from stages.shared import schema

WRITE_UPS = Path(__file__).with_suffix(".yaml")
Row = dict[str, Any]  # of a YAML file


def claims() -> dict[str, Row]:
    """Return the claims, warnings included, by their ids."""
    return {claim["id"]: claim for claim in schema.read(WRITE_UPS)["claims"]}


def errors() -> list[Row]:
    """Return what the write-ups get wrong."""
    rows: list[Row] = schema.read(WRITE_UPS)["errors"]
    return rows


def rests_on() -> dict[str, list[str]]:
    """Return, by the id of a claim, the claims whose verdicts are parts of its own, or are all of it."""
    return {
        name: claim.get("rests_on", []) + ([claim["same_as"]] if "same_as" in claim else [])
        for name, claim in claims().items()
    }


def warnings() -> list[Row]:
    """Return the claims that warn of something."""
    return [claim for claim in claims().values() if claim["kind"] == "ablation"]
