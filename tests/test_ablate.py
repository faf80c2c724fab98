import json
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import SubFigure
from numpy.typing import NDArray
from PIL import Image

from stages import ablate
from stages.claims.demonstrations.common import Lengths, Setup
from stages.claims.demonstrations.measuring import NOT_SHOWN, measure
from stages.claims.demonstrations.table import DEMONSTRATIONS
from stages.shared import figures, splits
from stages.shared.errors import UserError
from stages.shared.mnist import FORM

SHORT = Lengths(columns=200, updates=5, short=5, overflow=15, draws=2, seeds=2, columns_of_seeds=100)


@pytest.fixture
def split(project: Path, digits: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> Path:
    """Return the folder of a split of 300 digits, below the current folder."""
    images, labels = digits
    folder = project / "data/splits/kaggle"
    folder.mkdir(parents=True)
    np.save(folder / "X_train.npy", np.asfortranarray((images[:300] / np.float32(255)).T))
    np.save(folder / "y_train.npy", labels[:300])
    parts = {"train": 300, "validation": 0, "held_out": 0, "test": 0}
    description = {"dataset": "MNIST, a few digits", **asdict(FORM), "parts": parts, "notes": ["Of 300 digits only."]}
    (folder / "split.json").write_text(json.dumps(description))
    return folder


def no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def test_the_stage_writes_its_table_and_its_figure(split: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []

    def recorded(*arguments: Any) -> AbstractContextManager[SubFigure]:
        called.extend(arguments)
        return figures.figure_at(*arguments)

    monkeypatch.setattr(ablate, "figure_at", recorded)
    ablate.ablate(SHORT)
    table = json.loads(Path("metrics/ablations.json").read_text(encoding="utf-8"), parse_constant=no_constant)
    assert table["dataset"] == "MNIST, a few digits"
    assert table["notes"] == ["Of 300 digits only."]
    assert table["images"] == {"all": 300, "part": 200}
    assert [row["id"] for row in table["rows"]] == list(DEMONSTRATIONS)
    for row in table["rows"]:
        measured = ["shown", "with", "without", "finding", "effect", "gain", "parts", "why"]
        assert list(row) == ["id", "group", "write_ups", "what", "page", *measured]
        assert (row["effect"] is None) == (row["group"] == "warnings") == bool(row["parts"])
        assert row["with"]
        assert row["without"]
        assert (row["finding"] == NOT_SHOWN) == (not row["shown"])
    assert "MNIST, a few digits" in called[2]
    assert called[-1] == ["Of 300 digits only."]
    assert Path("figures/ablations.svg").stat().st_size > 10_000
    with Image.open("figures/ablations.png") as image:
        image.load()
        assert image.width > 1000


def test_the_same_images_give_the_same_rows_and_panels(split: Path) -> None:
    part = splits.load_part("kaggle", "train")
    assert part is not None
    (table, panels), again = (measure(Setup(*part, SHORT)) for _ in range(2))
    assert (table, repr(panels)) == (again[0], repr(again[1]))


def test_a_split_that_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(UserError, match=r"data/splits/kaggle/split\.json: not there"):
        ablate.ablate(SHORT)
    assert not Path("metrics").exists()
