"""The report as a whole, on a small repository."""

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reviewing import recording
from reviewing import report as module
from reviewing.report import report
from reviewing.revisions import WORKSPACE, Revision
from stages.shared import schema
from stages.shared.errors import UserError
from stages.shared.mnist import FORM
from stages.shared.splits import PARTS
from tests.reviewing.repository import LABELS, ROOT, Repository

REPORT = Path("report/report.md")


@pytest.fixture(autouse=True)
def curves(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Put white pictures in place of those that take long to draw; return the histories that curves were asked of."""
    asked: list[list[str]] = []

    def draw_curves(base: str, histories: list[str], folder: Path) -> None:
        asked.append(histories)
        for history in histories:
            Image.new("RGB", (9, 9)).save(folder / f"{Path(history).stem}-curves.png")

    def draw(path: Path, *_: object) -> None:
        Image.new("RGB", (9, 9)).save(path.with_suffix(".png"))

    monkeypatch.setattr(module, "draw_curves", draw_curves)
    monkeypatch.setattr(module, "draw_confusion", draw)
    monkeypatch.setattr(module, "draw_digits", draw)
    return asked


def text(base: str = "main") -> str:
    """Make the report and return it."""
    report(base)
    return REPORT.read_text(encoding="utf-8")


def rows(table: str) -> list[list[str]]:
    """Return the cells of the rows of the first table of a report."""
    lines = [line for line in table.partition("<details")[0].splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def titles(written: str) -> list[str]:
    return re.findall("<summary>(.*)</summary>", written)


def put_images(repository: Repository, labels: list[int]) -> None:
    """Put a split there that has test images with these labels."""
    folder = repository.folder / "data/splits/kaggle"
    folder.mkdir(parents=True)
    np.save(folder / "X_test.npy", np.asfortranarray(np.full((784, len(labels)), 0.5, dtype=np.float32)))
    np.save(folder / "y_test.npy", np.array(labels, dtype=np.uint8))
    parts = dict.fromkeys(PARTS, 0) | {"test": len(labels)}
    (folder / "split.json").write_text(json.dumps({"dataset": "MNIST", **asdict(FORM), "parts": parts, "notes": []}))


@pytest.mark.usefixtures("repository")
def test_no_change_at_all() -> None:
    written = text()
    assert "Nothing differs" in written
    assert titles(written) == []
    assert [path.name for path in REPORT.parent.iterdir()] == ["report.md"]


def test_a_change_has_its_numbers_in_the_first_table(repository: Repository) -> None:
    claim = {
        "write_up": "W3",
        "measured": [{"subject": {"quantity": "accuracy", "part": "test", "update": 750}, "seeds": 5, "sd": 0.05}],
    }
    networks = {"W3": schema.read(ROOT / "params.yaml")["models"]["w3-relu-10"]}
    content = {"dataset": "MNIST", "networks": networks, "claims": [claim]}
    repository.write("metrics/reproductions.json", json.dumps(content))
    repository.train("first", [0], learning_rate=0.2)
    written = text()
    assert rows(written) == [
        [
            "`first`",
            "75.00 % → 97.50 %",
            "↑ 22.50 points, better",
            "yes, p = 0.0039: 9 newly right, 0 newly wrong",  # 2 / 2^9
            "yes: the seed makes up to 19.63 points",  # 2.776 √2 0.05
        ]
    ]
    assert "The same in both: `second`." in written
    assert "with changes that are not committed" in written
    assert titles(written) == [
        "Parameters that differ: 1",
        "Metrics that differ: 1",
        "Stages that ran again: 1",
        "What is missing: 1",
        "Pictures of first",
    ]


def commit_in_the_old_form(repository: Repository) -> None:
    """Commit both models as they were written before layers were listed; the workspace has them as they are today."""
    rows = repository.rows
    kept = {key: value for key, value in repository.row.items() if key != "layers"}
    repository.rows = dict.fromkeys(rows, kept | {"layer_sizes": [784, 10, 10], "activation": "relu"})
    repository.write_parameters(Path(), {"models": repository.rows})
    repository.lock()
    repository.commit()
    repository.rows = rows
    repository.write_parameters(Path(), {"models": rows})
    repository.lock()


def test_a_network_that_is_only_written_in_another_form_is_the_same(repository: Repository) -> None:
    commit_in_the_old_form(repository)
    assert "Nothing differs" in text()
    *layers, last = repository.row["layers"]
    repository.rows = {name: row | {"layers": [*layers, last | {"units": 10}]} for name, row in repository.rows.items()}
    repository.write_parameters(Path(), {"models": repository.rows})
    repository.lock()
    assert "Nothing differs" in text()


def test_another_network_than_that_of_the_old_form_is_shown_by_its_layers(repository: Repository) -> None:
    subject = {"quantity": "accuracy", "part": "test", "update": 750}
    claim = {"write_up": "W3", "measured": [{"subject": subject, "seeds": 5, "sd": 0.05}]}
    networks = {"W3": schema.read(ROOT / "params.yaml")["models"]["w3-relu-10"]}
    content = {"dataset": "MNIST", "networks": networks, "claims": [claim]}
    repository.write("metrics/reproductions.json", json.dumps(content))
    commit_in_the_old_form(repository)
    affine, relu, last = repository.row["layers"]
    repository.train("first", [0], layers=[affine | {"units": 32}, relu, {"name": "dropout", "rate": 0.5}, last])
    written = text()
    (row,) = rows(written)
    assert row[1:3] == ["75.00 % → 97.50 %", "↑ 22.50 points, better"]
    assert row[3:] == [
        "yes, p = 0.0039: 9 newly right, 0 newly wrong",
        "yes: the seed makes up to 19.63 points",  # of the network of W3, which the base has in the old form
    ]
    assert "| `models.first.layers.0.units` | `10` | `32` |" in written
    assert "| `models.first.layers.2` | - | `dropout 0.5` |" in written
    assert "Parameters that differ: 2" in titles(written)
    assert "layer_sizes" not in written
    assert "`evaluate@second`" not in written


def test_a_change_that_may_be_chance(repository: Repository) -> None:
    repository.train("second", [0, *range(20, 28)])
    (row,) = rows(text())
    assert row[2:] == ["↑ 2.50 points, better", "no, p = 1: 9 newly right, 8 newly wrong", "not measured"]


def test_added_and_removed_models(repository: Repository, curves: list[list[str]]) -> None:
    repository.train("third", range(4))
    repository.remove("first")
    written = text()
    assert rows(written) == [["`third`", "90.00 %", "new", "", ""], ["`first`", "75.00 %", "removed", "", ""]]
    assert "| `evaluate@first` | removed |" in written
    assert curves == [["metrics/history/third.csv"]]
    assert "missing" not in written


def test_a_base_without_some_files_says_how_to_get_them(repository: Repository) -> None:
    repository.git("rm", "--quiet", "metrics/predictions/first.csv", "metrics/confusion/first.csv")
    repository.commit()
    repository.train("first", range(8))
    written = text()
    assert rows(written)[0][3] == "predictions are missing"
    assert "- `metrics/predictions/first.csv` is not in git at `main`. Check that out, run `dvc repro`" in written
    assert "Pictures" not in written


def test_a_base_without_any_results(repository: Repository) -> None:
    repository.git("switch", "--quiet", "--orphan", "empty")
    repository.git("commit", "--quiet", "--allow-empty", "--message", "nothing")
    repository.git("switch", "--quiet", "main")
    assert [row[1:3] for row in rows(text("empty"))] == [["75.00 %", "new"], ["75.00 %", "new"]]


def test_a_row_that_has_not_been_run(repository: Repository) -> None:
    repository.write_parameters(Path(), {"models": {**repository.rows, "third": repository.row}})
    written = text()
    assert rows(written) == [["`third`", "not measured", "new", "", ""]]
    assert (
        "> **Not up to date:** what these stages read or made has changed since they ran: `evaluate@third`." in written
    )


def test_models_without_test_images(repository: Repository) -> None:
    for loss in ("0.5", "0.4"):
        repository.write(
            "metrics/first.json", f'{{"dataset": "digits", "train": {{"cross_entropy": {loss}}}, "test": null}}'
        )
        repository.write("metrics/predictions/first.csv", "label,predicted\n")
        repository.lock()
        if loss == "0.5":
            repository.commit()
    assert rows(text()) == [["`first`", "no test images → no test images", "-", "no test images", "-"]]


def test_other_test_images_are_not_compared(repository: Repository) -> None:
    repository.train("first", range(8))
    repository.write("metrics/predictions/first.csv", "label,predicted\n1,1\n2,2\n")
    repository.write("metrics/confusion/first.csv", "count\n" + "1\n" * 100)
    repository.lock()
    written = text()
    assert rows(written)[0] == ["`first`", "75.00 % → 80.00 %", "not compared", "other test images", "-"]
    assert "| `first` | `test.accuracy` | 75.00 % | 80.00 % | other test images |" in written
    assert "> **Not compared:** the results of `first` are of other data in the one than in the other" in written
    assert "Pictures" not in written


def test_nothing_on_other_data_is_called_better_or_worse(repository: Repository) -> None:
    repository.train("first", range(12), losses=[5, 4], dataset="5,000 *digits* <b>")
    written = text()
    assert "From `main` (`" in written
    assert re.search(
        r"From `main` \(`\w+`; data: MNIST\) to the workspace \(.*; data: 5,000 &#42;digits&#42; .*; MNIST\)", written
    )
    assert rows(written) == [["`first`", "75.00 % → 70.00 %", "not compared", "other data", "-"]]
    assert "| `first` | `test.accuracy` | 75.00 % | 70.00 % | other data |" in written
    assert not re.search("better|worse", written.replace("called better or worse", ""))
    assert re.findall(r"!\[(.*)\]", written) == ["first: loss and accuracy in training, on other data"]
    assert "<b>" not in written


def test_a_changed_model_has_three_pictures(repository: Repository, curves: list[list[str]]) -> None:
    put_images(repository, LABELS)
    repository.train("first", range(8), losses=[3, 1])
    written = text()
    files = [f"first-{kind}.png" for kind in ("curves", "confusion", "digits")]
    assert re.findall(r"!\[first: [^]]+\]\((.*)\)", written) == files
    assert sorted(path.name for path in REPORT.parent.iterdir()) == sorted([*files, "report.md"])
    assert curves == [["metrics/history/first.csv"]]
    assert "missing" not in written


def test_digits_that_cannot_be_drawn_say_why(repository: Repository) -> None:
    repository.train("first", range(8))
    assert "- The images of `first` are not drawn. data/splits/kaggle/split.json: not there; run `dvc repro`" in text()
    put_images(repository, LABELS[::-1])
    assert "`first` are not drawn. data/splits/kaggle: has other test images than the predictions; run" in text()


def test_the_report_is_replaced_as_a_whole(repository: Repository) -> None:
    repository.train("first", range(8))
    text()
    assert Path("report/first-confusion.png").exists()
    before = {path.name: path.read_bytes() for path in REPORT.parent.iterdir()}
    text()
    assert {path.name: path.read_bytes() for path in REPORT.parent.iterdir()} == before
    repository.train("first", range(10))
    text()
    assert [path.name for path in REPORT.parent.iterdir()] == ["report.md"]


def test_errors_leave_the_last_report(repository: Repository) -> None:
    before = text()
    repository.write("metrics/first.json", "{")
    with pytest.raises(UserError, match=r"^metrics/first\.json in workspace: not what belongs there"):
        report("main")
    assert REPORT.read_text(encoding="utf-8") == before


def test_the_command_takes_a_base(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.git("tag", "before")
    repository.train("first", range(8))
    repository.commit()
    for base, name in (("before", "before"), ("", "main"), (" ", "main")):
        monkeypatch.setattr(sys, "argv", ["report", "--base", base])
        module.main()
        assert capsys.readouterr().out == "report/report.md is written\n"
        assert f"From `{name}`" in REPORT.read_text(encoding="utf-8")


@pytest.mark.usefixtures("repository")
def test_the_machine_that_made_the_results_is_named_if_it_is_known() -> None:
    assert "made on" not in text()
    entries = Revision(WORKSPACE).stages()
    here = recording.updated(recording.Record(), entries, entries, {})
    Path("recorded_run.json").write_text(here.model_dump_json(), encoding="utf-8")
    assert f"What the workspace has was made on {recording.here().processor} with NumPy {np.__version__}, " in text()


def test_stages_that_have_not_run_since_something_changed_are_named(repository: Repository) -> None:
    assert "Not up to date" not in text()
    repository.write("code.py", "2\n")
    assert (
        "> **Not up to date:** what these stages read or made has changed since they ran: "
        "`evaluate@first`, `evaluate@second`. `dvc repro` runs them.\n"
    ) in text()
