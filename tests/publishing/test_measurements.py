"""The files of what was measured: what is said where one is missing, is another or is of another run."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from publishing import measurements
from stages.shared.errors import UserError
from tests.lock import write_lock
from tests.networks import layer_rows
from tests.pipeline import ROOT, Project

Write = Callable[[Path, Mapping[str, Any]], None]

PART = '{"accuracy": 0.5, "interval": [0.4, 0.6], "cross_entropy": 1.5, "more": 1}'
METRICS = f'{{"dataset": "MNIST", "train": {PART}, "held_out": null, "test": {PART}}}'


@pytest.fixture
def metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    path = Path("metrics/first.json")
    path.write_text(METRICS, encoding="utf-8")
    return path


@pytest.mark.usefixtures("metrics")
def test_metrics_of_a_model() -> None:
    measured = measurements.load_metrics("first")
    assert (measured.dataset, measured.held_out, measured.notes) == ("MNIST", None, [])
    assert measured.test
    assert (measured.test.accuracy, measured.test.interval, measured.test.cross_entropy) == (0.5, (0.4, 0.6), 1.5)


def test_a_missing_file_is_named_with_the_command_that_makes_it(metrics: Path) -> None:
    metrics.unlink()
    with pytest.raises(UserError, match=r"^metrics/first\.json: not there; run `dvc repro`, which makes it$"):
        measurements.load_metrics("first")


@pytest.mark.parametrize(
    ("old", "new", "key"), [('"train"', '"other"', "train"), ("0.4", '"low"', r"train\.interval\.0")]
)
def test_what_is_missing_or_wrong_is_named(metrics: Path, old: str, new: str, key: str) -> None:
    metrics.write_text(METRICS.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=rf"^metrics/first\.json: {key} is missing or is not what `dvc repro` writes"):
        measurements.load_metrics("first")


ROW = {"split": "kaggle", "layers": layer_rows(10), "learning_rate": 0.1, "updates": 9, "seed": 0}


@pytest.fixture
def run_project(project: Path, write_parameters: Write) -> Path:
    """Return a project in which all that is shown is of one run."""
    write_parameters(project, {"models": {"first": ROW, "second": ROW}})
    for name in ("first", "second"):
        write(f"metrics/{name}.json", METRICS)
        write(f"metrics/confusion/{name}.csv", "actual,predicted,count\n")
        write(f"figures/{name}/curves.png", name)
    for name in (
        "metrics/reproductions.json",
        "metrics/ablations.json",
        "figures/ablations.svg",
        "paper/reproduction.pdf",
    ):
        write(name, name)
    write_lock(project)
    return project


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")


def replace(name: str, old: str, new: str) -> None:
    text = Path(name).read_text(encoding="utf-8")
    assert old in text
    write(name, text.replace(old, new))


def faults() -> list[str]:
    """Return the lines of what is found wrong."""
    with pytest.raises(UserError) as error:
        measurements.check_one_run()
    *lines, last = str(error.value).splitlines()
    assert last == "what is shown together must be of one run; `dvc repro` makes it so"
    return lines


def test_what_the_project_has_in_git_is_of_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    measurements.check_one_run()


@pytest.mark.usefixtures("run_project")
def test_a_whole_run_belongs_together_and_so_do_its_metrics_without_figures_and_code_that_is_mended() -> None:
    measurements.check_one_run()
    shutil.rmtree("figures")
    write("stages/train.py", "# another comment")
    measurements.check_one_run()


@pytest.mark.usefixtures("run_project")
@pytest.mark.parametrize(
    ("path", "maker"),
    [
        ("metrics/second.json", "evaluate@second"),
        ("metrics/reproductions.json", "reproduce"),
        ("metrics/ablations.json", "ablate"),
        ("figures/ablations.svg", "ablate"),
        ("figures/first/curves.png", "plot@first"),
    ],
)
def test_a_file_of_another_run_is_named(path: str, maker: str) -> None:
    write(path, "of another run")
    shown = "figures/first" if path.endswith(".png") else path
    assert faults() == [f"{shown}: not what {maker} made"]


@pytest.mark.usefixtures("run_project")
@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("name: MNIST", "name: Letters", "data.name is not what evaluate@first was run with"),
        ("images: 42000", "images: 4200", "splits.kaggle.images is not what preprocess@kaggle was run with"),
        ("usual: 5", "usual: 7", "reproduce.seeds.usual is not what reproduce was run with"),
    ],
)
def test_a_parameter_of_another_run_is_named(old: str, new: str, fault: str) -> None:
    replace("params.yaml", old, new)
    assert f"params.yaml: {fault}" in faults()


def test_of_two_models_the_one_that_has_changed_is_named(run_project: Path, write_parameters: Write) -> None:
    changed = {**ROW, "learning_rate": 0.2}
    write_parameters(run_project, {"models": {"first": ROW, "second": changed, "third": ROW}})
    assert faults() == ["params.yaml: models.second.learning_rate is not what train@second was run with"]


@pytest.mark.parametrize(
    ("layers", "leaf"),
    [(layer_rows(32), "0.units"), (layer_rows(10, dropout=0.5), "2"), (layer_rows(10, activation="tanh"), "1")],
)
def test_a_layer_that_has_changed_is_named_by_its_leaf(
    run_project: Path, write_parameters: Write, layers: list[dict[str, Any]], leaf: str
) -> None:
    write_parameters(run_project, {"models": {"first": ROW, "second": ROW | {"layers": layers}}})
    assert faults() == [f"params.yaml: models.second.layers.{leaf} is not what train@second was run with"]


@pytest.mark.usefixtures("run_project")
def test_a_stage_that_ran_alone_is_named_with_what_the_next_one_read() -> None:
    yaml = YAML(typ="safe")
    lock = yaml.load(Path("dvc.lock"))
    lock["stages"]["train@first"]["outs"][0]["md5"] = "0" * 32
    yaml.dump(lock, Path("dvc.lock"))
    expected = [f"models/first.npz: {stage}@first read another than train@first made" for stage in ("evaluate", "plot")]
    assert sorted(faults()) == expected


def test_images_of_another_run_are_named(run_project: Path, write_parameters: Write) -> None:
    write_parameters(run_project, {"models": {"first": ROW, "second": ROW}, "splits.kaggle.source": "own/train.csv"})
    write("own/train.csv", "label")
    write_lock(run_project)
    measurements.check_one_run()
    write("own/train.csv", "another")
    assert faults() == ["own/train.csv: not what preprocess@kaggle read"]


@pytest.mark.usefixtures("run_project")
def test_a_paper_of_another_run_is_told_from_that_of_this_one() -> None:
    paper = Path("paper/reproduction.pdf")
    assert paper in measurements.PAPERS
    assert measurements.is_of_this_run(paper)
    write(paper.as_posix(), "another")
    assert not measurements.is_of_this_run(paper)
    write(paper.as_posix(), paper.as_posix())
    write("metrics/history/first.csv", "another")
    assert not measurements.is_of_this_run(paper)
    paper.unlink()
    assert not measurements.is_of_this_run(paper)


@pytest.mark.usefixtures("run_project")
def test_without_a_record_nothing_is_of_a_run() -> None:
    Path("dvc.lock").unlink()
    assert "metrics/first.json: dvc.lock has no stage that made it" in faults()


@pytest.mark.usefixtures("run_project")
@pytest.mark.parametrize("text", ["<<<<<<< HEAD\nstages: {}", "[]", "stages: 3", "{}", "stages:\n  a: 3", "\0"])
def test_a_record_that_dvc_did_not_write_is_named(text: str) -> None:
    write("dvc.lock", text)
    with pytest.raises(UserError, match=r"^dvc\.lock: not what DVC writes; delete it and run `dvc repro`"):
        measurements.check_one_run()


@pytest.mark.parametrize("recorded", [True, False])
def test_what_is_left_of_a_model_is_named_with_the_command_that_removes_it(
    recorded: bool, run_project: Path, write_parameters: Write
) -> None:
    measurements.check_one_run(leftovers=True)
    write_parameters(run_project, {"models": {"first": ROW}})
    if not recorded:
        shutil.rmtree("figures/second")
    write_lock(run_project)
    if recorded:
        replace("dvc.lock", "stages:\n", "stages:\n  plot@second: {outs: [{path: figures/second, md5: a}]}\n")
    measurements.check_one_run(leftovers=True)
    with pytest.raises(
        UserError, match=r"^params\.yaml has no model second; remove what is left of it: `rm -r "
    ) as error:
        measurements.check_one_run()
    subprocess.run(["sh", "-c", str(error.value).split("`")[1]], check=True)
    measurements.check_one_run()
    assert not list(run_project.rglob("*second*"))
    assert Path("metrics/confusion/first.csv").exists()


@pytest.mark.usefixtures("run_project")
def test_what_a_stage_of_ones_own_made_is_nobodys_leftover() -> None:
    write("metrics/own.json", "{}")
    write("figures/own/one.png", "")
    replace("dvc.lock", "stages:\n", "stages:\n  own: {outs: [{path: metrics/own.json, md5: a}]}\n")
    measurements.check_one_run()


@pytest.mark.slow
def test_each_advice_is_followed_to_its_end(tmp_path: Path, mirror: Path, write_parameters: Write) -> None:
    project = Project(tmp_path, mirror, write_parameters)
    shutil.copytree(ROOT / "publishing", tmp_path / "publishing", ignore=shutil.ignore_patterns("__pycache__"))
    check = (
        sys.executable,
        "-c",
        "from stages.shared.errors import run; from publishing import measurements as m; run(m.check_one_run)",
    )

    def refused() -> str:
        """Return the command that the message names."""
        done = project.run(*check)
        assert done.returncode == 1, done.stderr
        return done.stderr.split("`")[1]

    def follow(command: str) -> None:
        project.output("sh", "-c", command.replace("dvc", f"{sys.executable} -m dvc"))
        project.output(*check)

    project.output(*check)
    project.repro()
    project.output(*check)
    first = (tmp_path / "metrics/first.json").read_text(encoding="utf-8")
    rows = YAML(typ="safe").load(tmp_path / "params.yaml")["models"]
    rows["first"]["updates"] = 3
    project.set({"models": rows})
    follow(refused())
    (tmp_path / "metrics/first.json").write_text(first, encoding="utf-8")
    follow(refused())
    project.set({"models": rows, "data.name": "$another"})
    follow(refused())
    project.set({"models": {"first": rows["first"]}, "data.name": "$another"})
    follow(refused())
    (tmp_path / "dvc.lock").write_text("<<<<<<<", encoding="utf-8")
    assert refused() == "dvc repro"
    (tmp_path / "dvc.lock").unlink()
    follow("dvc repro")
