import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from stages.ladder import rungs
from stages.ladder.rungs import FINAL, Rung
from stages.shared import models, parameters, schema
from stages.shared.errors import UserError
from stages.shared.mnist import FORM
from tests.ladder.conftest import RUNGS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "ladder"


@pytest.fixture(params=rungs.load(FOLDER).rungs.items(), ids=lambda item: item[0])
def rung(request: pytest.FixtureRequest) -> tuple[str, Rung]:
    found: tuple[str, Rung] = request.param
    return found


def test_every_rung_learns_from_a_batch(rung: tuple[str, Rung]) -> None:
    name, of = rung
    row = rungs.load_row(of, FOLDER)
    rng = np.random.default_rng(0)
    trainer = models.build_trainer(row, models.start_network(name, row, FORM, rng), 60_000)
    X, y = rng.random((784, 8), np.float32), rng.integers(0, 10, 8)
    losses = [trainer.step(X, y)[0] for _ in range(2)]
    assert np.isfinite(losses).all()
    assert losses[0] != losses[1]


SAID = {
    "batch_size": "mini-batches",
    "updates": "epochs",
    "epochs": "epochs",
    "initializer": "initializer",
    "optimizer": "Adam",
    "learning_rate": "rate",
    "schedule": "cosine",
    "label_smoothing": "smoothing",
    "averaging": "averaged",
    "dropout": "dropout",
    "deformation": "deformed",
    "units": "units",
    "filters": "convolution|filters",
}


@functools.cache
def options(name: str) -> dict[str, Any]:
    """Return how a rung is trained: the options of its row that change what it learns, two of its layers, and sizes."""
    row = rungs.load_row(rungs.load(FOLDER).rungs[name], FOLDER).model_dump(mode="json")
    layers = {layer["name"]: layer for layer in row["layers"]}
    sizes = {size: [layer[size] for layer in row["layers"] if size in layer] for size in ("units", "filters")}
    return {option: row[option] if option in row else (sizes | layers).get(option) for option in SAID}


def test_every_option_that_a_rung_changes_is_said(rung: tuple[str, Rung]) -> None:
    name, of = rung
    if of.after:
        before, now = options(of.after), options(name)
        for option in (option for option in now if now[option] != before[option]):
            assert re.search(SAID[option], of.change), f"{name}: {option}"


def test_every_row_is_of_one_rung() -> None:
    of_rungs = [rung.model for rung in rungs.load(FOLDER).rungs.values() if rung.parameters == "params.yaml"]
    assert sorted(of_rungs) == sorted(schema.read(FOLDER / "params.yaml")["models"])


def test_the_test_images_are_those_of_the_main_pipeline_and_nothing_of_them_is_used_to_choose() -> None:
    main, here = (
        schema.validate(parameters.Parameters, schema.read(folder / "params.yaml")) for folder in (ROOT, FOLDER)
    )
    assert here.data.sha256 == main.data.sha256
    assert here.splits[FINAL].validation == 0
    assert here.splits[rungs.CHOOSING].validation > 0.1
    assert {row.split for row in here.models.values()} == {FINAL}


def test_every_page_is_there() -> None:
    for name, step in rungs.load(FOLDER).steps.items():
        page, _, anchor = step.page.partition("#")
        text = (ROOT / "docs" / page).read_text()
        headings = [
            re.sub(r"\W+", "-", line.lstrip("# ").lower()) for line in text.splitlines() if line.startswith("#")
        ]
        assert not anchor or anchor in headings, name


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ladder: ladder.update(best="top"), "best is 'top': should be one of high, low, both"),
        (lambda ladder: ladder["rungs"]["high"].update(after="deep"), r"high\.after is 'deep': should be one of"),
        (lambda ladder: ladder["committees"]["both"].update(members="all"), "members is 'all': should be one of high"),
        (lambda ladder: ladder["committees"]["both"].update(seeds=5), "seeds is 5: high has 3; raise its seeds"),
        (lambda ladder: ladder["rungs"]["high"].update(seeds=0), r"rungs\.high\.seeds is 0: should be greater than or"),
        (lambda ladder: ladder["rungs"]["high"].pop("page"), r"rungs\.high\.page is missing"),
        (lambda ladder: ladder["committees"].update(high=ladder["committees"]["both"]), "high names a rung and a"),
    ],
)
def test_a_wrong_rung_is_told_with_what_is_allowed(change: Change, message: str, tmp_path: Path) -> None:
    yaml = YAML(typ="safe")
    ladder = yaml.load((_dump(tmp_path, RUNGS)).read_text())
    change(ladder)
    _dump(tmp_path, ladder)
    with pytest.raises(UserError, match=rf"rungs\.yaml: .*{message}"):
        rungs.load(tmp_path)


def test_a_row_that_is_not_there_is_named(ladder: Path) -> None:
    rung = rungs.load().rungs["low"].model_copy(update={"model": "none"})
    with pytest.raises(UserError, match="models has no 'none'; it has w3-relu-10"):
        rungs.load_row(rung)


def _dump(folder: Path, content: object) -> Path:
    path = folder / "rungs.yaml"
    YAML(typ="safe").dump(content, path)
    return path
