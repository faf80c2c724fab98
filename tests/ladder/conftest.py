"""A ladder of two small networks and a committee, on a few real digits."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.fetch import fetch
from stages.preprocess import preprocess
from stages.shared.schema import load_data
from tests.networks import layer_rows

ROW = {
    "split": "final",
    "layers": layer_rows(8, dropout=0.2),
    "learning_rate": 0.1,
    "batch_size": 50,
    "epochs": 2,
    "parts": 2,
    "seed": 0,
}
SPLIT = {"source": "data/raw", "images": 600, "held_out": 0, "validation": 0, "seed": 0}
STEP = {"part": "ladder", "after": None, "change": "a beginning", "page": "derivations/affine.md"}
RUNGS = {
    "best": "both",
    "rungs": {
        "low": {**STEP, "parameters": "../params.yaml", "model": "w3-relu-10", "seeds": 2, "minutes": 30},
        "high": {**STEP, "parameters": "params.yaml", "model": "small", "seeds": 3, "minutes": 1, "after": "low"},
    },
    "committees": {"both": {**STEP, "members": "high", "seeds": 2, "after": "high"}},
}

Write = Callable[[Path, Mapping[str, Any]], None]


@pytest.fixture
def ladder(project: Path, write_parameters: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder ladder/ with params.yaml and rungs.yaml, in a project of small models, and return it."""
    folder = project / "ladder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    change = {"models": {"w3-relu-10": {**ROW, "split": "kaggle", "updates": 5, "epochs": None}}}
    write_parameters(project, change)
    rows = {"small": dict(ROW)}
    write_parameters(
        folder,
        {
            "blas_threads": 1,
            "models": rows,
            "data.fallback": False,
            "splits": {"final": SPLIT, "choosing": {**SPLIT, "validation": 0.25}},
        },
    )
    YAML(typ="safe").dump(RUNGS, folder / "rungs.yaml")
    return folder


@pytest.fixture
def prepared(ladder: Path, mirror: Path) -> Path:
    """Go to a ladder whose splits are made."""
    fetch(load_data(), str(mirror))
    preprocess("final")
    preprocess("choosing")
    return ladder
