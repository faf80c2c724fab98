import json
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from PIL import Image

from stages import ablate
from stages.claims.demonstrations.common import Curve, Lengths, Panel, Setup
from stages.claims.demonstrations.table import DEMONSTRATIONS
from stages.shared import figures, schema, splits
from stages.shared.errors import UserError
from stages.shared.mnist import FORM

SHORT = Lengths(columns=200, updates=5, short=5, overflow=15, draws=2)
CONTENT = schema.read(ablate.WRITE_UPS)


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
        return figures.drawing(*arguments)

    monkeypatch.setattr(ablate, "drawing", recorded)
    ablate.ablate(SHORT)
    table = json.loads(Path("metrics/ablations.json").read_text(encoding="utf-8"), parse_constant=no_constant)
    assert table["dataset"] == "MNIST, a few digits"
    assert table["notes"] == ["Of 300 digits only."]
    assert table["images"] == {"all": 300, "part": 200}
    assert [row["id"] for row in table["rows"]] == list(DEMONSTRATIONS)
    for row in table["rows"]:
        assert list(row) == ["id", "group", "write_ups", "what", "page", "shown", "with", "without", "finding"]
        assert row["with"]
        assert row["without"]
        assert (row["finding"] == ablate.NOT_SHOWN) == (not row["shown"])
    assert "MNIST, a few digits" in called[2]
    assert called[-1] == ["Of 300 digits only."]
    assert Path("figures/ablations.svg").stat().st_size > 10_000
    with Image.open("figures/ablations.png") as image:
        image.load()
        assert image.width > 1000


def test_the_same_images_give_the_same_rows_and_panels(split: Path) -> None:
    part = splits.load_part("kaggle", "train")
    assert part is not None
    (table, panels), again = (ablate.measure(Setup(*part, SHORT)) for _ in range(2))
    assert (table, repr(panels)) == (again[0], repr(again[1]))


def test_the_figure_marks_where_a_run_could_not_go_on() -> None:
    stopped = Curve("stopped", "wrong", range(3), [0.1, 0.2, 0.3], 3)
    axes = Figure().subplots()
    ablate.plot(axes, Panel("title", [Curve("right", "right", range(4), [0.1, 0.2, 0.3, 0.4]), stopped]))
    lines = [(line.get_marker(), line.get_xydata()) for line in axes.lines]
    assert [marker for marker, _ in lines] == ["None", "None", "X"]
    np.testing.assert_array_equal(lines[2][1], [[3, 0.3]])
    assert axes.get_ylim() == (0, 1)


def test_a_split_that_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(UserError, match=r"data/splits/kaggle/split\.json: not there"):
        ablate.ablate(SHORT)
    assert not Path("metrics").exists()


def test_floats_are_rounded_and_what_is_not_finite_is_said_in_words() -> None:
    measured: dict[str, float | int | str] = {
        "a": 0.123456,
        "b": float("nan"),
        "c": float("inf"),
        "d": 123456,
        "e": "text",
    }
    assert ablate.rounded(measured) == {"a": 0.1235, "b": "NaN", "c": "infinity", "d": 123456, "e": "text"}


def test_every_error_and_warning_has_a_demonstration_and_a_page() -> None:
    rows = ablate.rows()
    assert [row["id"] for row in rows] == list(DEMONSTRATIONS)
    assert [row["id"] for row in rows if row["group"] == "warnings"] == ["W3.3", "W3.4", "W3.5", "W3.6", "W3.7"]
    for row in rows:
        assert (Path(__file__).parent.parent / row["page"]).is_file(), row["page"]


def test_every_claim_names_its_write_up_and_its_kind() -> None:
    write_ups = {row["id"] for row in CONTENT["write_ups"]}
    counts = {"W1": 1, "W2": 4, "W3": 10, "W4": 5, "W5": 4}
    assert [claim["id"] for claim in CONTENT["claims"]] == [f"{w}.{k + 1}" for w, n in counts.items() for k in range(n)]
    for claim in CONTENT["claims"]:
        assert claim["write_up"] in write_ups
        assert claim["id"].startswith(f"{claim['write_up']}.")
        assert claim["kind"] in {"number", "comparison", "shown", "ablation"}
        assert ("numbers" in claim) >= (claim["kind"] == "number")
    for error in CONTENT["errors"]:
        assert set(error["write_ups"]) <= write_ups
        assert error["where"] in {"code", "text"}


def half_a_unit_of_the_last_digit(text: str) -> float:
    return 0.5 * 10.0 ** -len(text.partition(".")[2])


def test_the_rounding_of_a_percentage_is_half_a_unit_of_its_last_digit() -> None:
    for claim in CONTENT["claims"]:
        for number in claim.get("numbers", []):
            if number["unit"] == "%":
                assert number["rounding"] == pytest.approx(half_a_unit_of_the_last_digit(str(number["value"])))


def test_published_error_rates_have_sources() -> None:
    for row in CONTENT["published"]:
        assert 0 < row["error"] < 10
        assert any(f" {year}" in row["source"] for year in range(1998, 2016))
