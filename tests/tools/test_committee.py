import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.fetch import fetch
from stages.nn.softmax import softmax
from stages.preprocess import preprocess
from stages.shared import models, splits
from stages.shared.errors import UserError
from stages.shared.schema import load_data
from stages.train import train
from tests.networks import layer_rows
from tools.committee import committee

NAMES = ("first", "second")


@pytest.fixture
def trained(project: Path, mirror: Path, write_parameters: Callable[[Path, Mapping[str, Any]], None]) -> None:
    """Go to a project with two trained models."""
    row = {"split": "standard", "layers": layer_rows(8), "learning_rate": 0.1, "batch_size": 50, "epochs": 2}
    write_parameters(project, {"models": {name: {**row, "seed": seed} for seed, name in enumerate(NAMES)}})
    fetch(load_data(), str(mirror))
    preprocess("standard")
    for name in NAMES:
        train(name)


@pytest.mark.usefixtures("trained")
def test_it_tells_how_each_does_and_all_of_them_together(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = splits.require_part("standard", "test")
    alone = [softmax(models.load(Path(f"models/{name}.npz")).network.forward(X)) for name in NAMES]
    committee(NAMES)
    lines = capsys.readouterr().out.splitlines()
    for line, name, P in zip(lines, (*NAMES, "together"), (*alone, sum(alone)), strict=True):
        wrong = int(np.count_nonzero(np.asarray(P).argmax(axis=0) != y))
        assert re.fullmatch(rf"{name} +{1 - wrong / len(y):.2%} \([\d.]+% to [\d.]+%\), {wrong} wrong", line)
    assert len({line.split()[-2] for line in lines}) > 1


@pytest.mark.usefixtures("trained")
def test_a_member_of_other_data_is_refused_before_anything_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    second = models.load(Path("models/second.npz"))
    models.save(Path("models/second.npz"), second.network, second.row, second.form, "letters")
    with pytest.raises(UserError, match=r"^models/second\.npz: trained on letters,.*a committee needs the same"):
        committee(NAMES)
    assert capsys.readouterr().out == ""
