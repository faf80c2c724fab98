import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from publishing import ladder, ladder_chart
from publishing.ladder import Results
from publishing.measurements import load_literature
from stages.ladder import rungs
from stages.ladder.revision import since

ROOT = Path(__file__).parents[2]

ROW: dict[str, Any] = {
    "dataset": "MNIST",
    "images": {"train": 60000, "test": 10000},
    "parameters": 80202,
    "multiply_adds": 1116416,
    "mean": 0.9912,
    "spread": 0.00071,
    "interval": [0.9892, 0.9929],
    "seeds": 3,
    "wrong": 88.3,
    "seconds": 71.26,
    "revision": "0123456789ab",
    "machine": "A CPU, 2 cores",
}
DIGIT = {"index": 7, "label": 4, "predicted": 9, "seeds": 2}


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder where the convolution, what it is one change from, and the committee have been run."""
    monkeypatch.chdir(tmp_path)
    found = {
        "dropout": {**ROW, "mean": 0.98, "seconds": 20.0},
        "convolution": ROW,
        "he-adam-cosine": {**ROW, "mean": 0.98},
        "he-adam-cosine-without-adam": {**ROW, "mean": 0.9725},
        "committee": {**ROW, "mean": 0.997, "spread": None, "seconds": 3456.0, "seeds": 1},
    }
    pixels = base64.b64encode(bytes(784)).decode()
    Results.PATH.parent.mkdir()
    Results.PATH.write_text(json.dumps({"rungs": found, "digits": [{**DIGIT, "pixels": pixels}]}))
    return tmp_path


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def row_of(name: str) -> list[str]:
    signs = {rung: sign for sign, rung, _ in ladder.numbered(rungs.load(ladder.FOLDER))}
    return next(row for row in cells(ladder.steps_table()) if row[0] == signs[name])


def test_the_cells_of_a_rung_are_its_results(measured: Path) -> None:
    sign, after, change, *numbers = row_of("convolution")
    assert after == row_of("dropout")[0] != sign
    assert change == "[convolution and pooling, 128 units, 15 epochs, less dropout](derivations/convolution.md)"
    assert numbers == ["99.12 ± 0.07", "98.92\u00a0to\u00a099.29", "88.3", "80,202", "1,116,416", "3", "71.3"]
    assert row_of("committee")[3] == "99.70"
    assert row_of("committee")[-1] == "3,456"


def test_a_rung_that_has_not_been_run_says_so(measured: Path) -> None:
    assert row_of("large")[3] == "not run yet"
    assert set(row_of("large")[4:]) == {"-"}
    Results.PATH.unlink()
    assert row_of("convolution")[3] == "not run yet"
    assert ladder.origin() == ladder_chart.chart() == ladder_chart.still_wrong() == ladder.NOTHING


def test_links_lead_to_pages_that_are_there(measured: Path) -> None:
    links = re.findall(r"\]\(([\w/]+\.md)", ladder.steps_table())
    assert len(links) > 5
    assert all((ROOT / "docs" / link).exists() for link in links)


def test_what_is_left_out_is_compared_with_the_whole(measured: Path) -> None:
    rows = cells(ladder.left_out_table())
    without = next(row for row in rows if "Adam with its rate](" in row[1])
    assert without[2:] == ["97.25 ± 0.07", "+0.75"]
    whole = rows[rows.index(without) - 2]
    assert whole[1:] == ["nothing", "98.00 ± 0.07", "-"]


def test_the_origin_names_machine_data_and_revision_and_the_age_says_what_has_changed(measured: Path) -> None:
    assert ladder.origin() == "Measured on A CPU, 2 cores, by the code of revision 0123456789ab. Data: MNIST."
    Results.PATH.rename(measured / "results.json")
    assert "not in this clone" in since("0123456789ab")


def test_the_origin_says_which_steps_were_measured_on_another_machine(measured: Path) -> None:
    results = json.loads(Results.PATH.read_text())
    results["rungs"]["committee"] |= {"machine": "Another CPU", "revision": "ba9876543210"}
    results["rungs"]["he-adam-cosine-without-adam"]["revision"] = "aaaaaaaaaaaa"  # has no number
    Results.PATH.write_text(json.dumps(results))
    (sign,) = (sign for sign, name, _ in ladder.numbered(*ladder.load()) if name == "committee")
    usual, _, other = ladder.origin().partition("; ")
    assert usual == "Measured on A CPU, 2 cores, by the code of revision 0123456789ab"
    assert other.startswith(f"{sign} on Another CPU, by ba9876543210, with seconds that do not compare. ")


def test_what_others_have_reached_has_its_source() -> None:
    rows = cells(ladder.literature_table())[2:]
    assert ["0.23", "Cireşan et al. 2012 [@ciresan2012]"] in [row[2:] for row in rows]
    bibliography = (ROOT / "docs/references.bib").read_text()
    for of in load_literature():
        entry = bibliography.partition(f"{{{of.source},")[2].partition("\n}")[0]
        author, *_, year = of.who.split()
        assert author in entry, of.source
        assert re.search(rf"year\s*= \{{{year}\}}", entry), of.source


def test_the_chart_has_each_rung_at_its_seconds_and_error_joined_to_the_one_before(measured: Path) -> None:
    text = ladder_chart.chart()
    assert "convolution and pooling, 128 units, 15 epochs, less dropout: 0.88 % after 71 s" in text
    assert text.startswith('``` {.svg alt="')
    assert text.endswith("</svg>\n```")
    assert "#ffffff; stroke-linejoin: miter" not in text  # it has no background
    steps, found = ladder.load()
    drawn = {name: (sign, step, found[name]) for sign, name, step in ladder.numbered(steps) if name in found}
    panel = Figure().add_subfigure(GridSpec(1, 1)[0])
    ladder_chart.draw(panel, drawn, load_literature())
    axes, beside = panel.axes
    points = {text.get_text(): text.xy for text in axes.texts if hasattr(text, "xy")}
    assert points[row_of("convolution")[0]] == pytest.approx((71.26, 0.88))
    lines = [np.asarray(line.get_xydata()).tolist() for line in axes.lines]
    assert [[20.0, pytest.approx(2.0)], [71.26, pytest.approx(0.88)]] in lines
    assert "0.23%  Cireşan et al. 2012" in points
    assert [text.get_text() for text in beside.texts][:3] == [row_of("he-adam-cosine")[0], "2.00%", ANY_CHANGE]


ANY_CHANGE = "He's initializer, Adam with its\nrate, cosine schedule"


def test_the_digits_still_wrong_are_told_with_what_they_are_taken_for(measured: Path) -> None:
    content = json.loads(Results.PATH.read_text())
    content["rungs"][ladder.load()[0].best] = ROW
    Results.PATH.write_text(json.dumps(content))
    text = ladder_chart.still_wrong()
    assert text.startswith("![test image 7 is taken for 9, not 4](data:image/png;base64,")
    assert base64.b64decode(text.partition("base64,")[2]).startswith(b"\x89PNG")


def test_what_is_said_of_several_revisions_is_said_once(measured: Path) -> None:
    content = json.loads(Results.PATH.read_text())
    for name, made_by in (("dropout", "a" * 12), ("convolution", "b" * 12), ("committee", "b" * 12)):
        content["rungs"][name]["revision"] = made_by
    Results.PATH.write_text(json.dumps(content))
    revisions = f"{'a' * 12}, {'b' * 12} and {ROW['revision']}"
    assert ladder.age() == (
        f"Whether stages/nn has changed since revision {revisions} is not known: it is not in this clone."
    )
