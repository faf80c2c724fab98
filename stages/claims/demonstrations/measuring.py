"""All demonstrations run, as the rows of a table and the panels of a figure."""

from dataclasses import asdict
from typing import Any

import numpy as np
from tqdm import tqdm

from stages.claims import write_ups
from stages.claims.demonstrations.common import Measured, Panel, Setup
from stages.claims.demonstrations.effects import Effect, measure_effects
from stages.claims.demonstrations.table import DEMONSTRATIONS

READING = (
    "Errors: `without` is the right network, `with` is the same one with this error. Warnings: `with` is the right "
    "network, which heeds the warning, `without` is the same one without that. A measurement at update n comes after "
    "n updates. Training is in float32, on all images for W3.3 to W3.5, on a part of them for the others; gradient "
    "checks are in float64."
)
NOT_SHOWN = "These images do not show it; the measured values stand as they are."


def rows() -> list[dict[str, Any]]:
    """Return the errors and the warnings of write_ups.yaml, as rows of the table still without measurements."""
    errors = [("errors", row["write_ups"], row) for row in write_ups.errors()]
    warnings = [("warnings", [row["write_up"]], row) for row in write_ups.warnings()]
    return [
        {"id": row["id"], "group": group, "write_ups": authors, "what": row["text"], "page": row["page"]}
        for group, authors, row in errors + warnings
    ]


def rounded(measured: Measured) -> Measured:
    """Return values for a file: floats to four significant digits, what is not finite in words."""
    words = {"nan": "NaN", "inf": "infinity", "-inf": "-infinity"}
    return {
        name: words.get(str(value), float(f"{value:.4g}")) if isinstance(value, float) else value
        for name, value in measured.items()
    }


def measure(setup: Setup) -> tuple[list[dict[str, Any]], list[Panel]]:
    """Return the rows of the table with their measurements, and the panels of the figure."""
    table, panels = [], []
    with np.errstate(all="ignore"):
        effects = measure_effects(setup)
    for row in tqdm(rows(), desc="ablate"):
        with np.errstate(all="ignore"):
            found = DEMONSTRATIONS[row["id"]](setup)
        measured = {"shown": bool(found.shown), "with": rounded(found.with_it), "without": rounded(found.without)}
        finding = {"finding": found.finding if found.shown else NOT_SHOWN}
        effect = asdict(effects.get(row["id"], Effect(None, "")))
        judged = {**effect, "parts": dict(found.parts), "why": found.why}
        table.append({**row, **measured, **finding, **judged})
        panels += [found.panel] if found.panel else []
    return table, panels
