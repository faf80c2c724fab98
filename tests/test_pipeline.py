"""The whole pipeline on a few real digits, through `dvc repro` itself in a copy of the project."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from ruamel.yaml import YAML

from publishing.blocks import FENCE
from publishing.lecture_notes import LEFT_OUT, sections
from tests.pipeline import APART, MODELS, ROOT, Project, Write

PACKAGES = ("stages.", "publishing.", "tools.")
MATHEMATICS = "stages/nn"
# Rendering takes longer than all else in a run of the small models, and has tests of its own.
BLANK = {"stages/shared/figures.py": "\n\nFigure.savefig = lambda _, path, **options: path.touch()\n"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, mirror: Path, write_parameters: Write) -> Project:
    """Return a project in which everything has been run once."""
    project = Project(tmp_path_factory.mktemp("project"), mirror, write_parameters, changes=BLANK)
    ran = project.repro()
    assert len(ran) == len(set(ran))
    assert {stage.partition("@")[0] for stage in ran} == stages_of_dvc_yaml().keys() - set(APART)
    return project


def stages_of_dvc_yaml(folder: str = ".") -> dict[str, dict[str, Any]]:
    """Return the stages of dvc.yaml by name, a foreach stage by what it does for each item."""
    stages = YAML(typ="safe").load(ROOT / folder / "dvc.yaml")["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


def test_a_second_run_does_nothing_although_bytecode_appeared(project: Project) -> None:
    assert list(project.folder.rglob("*.pyc"))
    assert project.repro() == []
    assert "up to date" in project.run("dvc", "status").stdout


def test_every_output_is_there(project: Project) -> None:
    lock = YAML(typ="safe").load(project.folder / "dvc.lock")
    outputs = {out["path"] for stage in lock["stages"].values() for out in stage["outs"]}
    assert {"models/first.npz", "metrics/first.json", "metrics/history/second.csv", "figures/second"} <= outputs
    assert all((project.folder / path).exists() for path in outputs)


def test_metrics_show_has_a_row_for_each_model(project: Project) -> None:
    table = project.run("dvc", "metrics", "show").stdout
    for name in MODELS:
        assert re.search(rf"metrics/{name}\.json +MNIST", table), table
    assert "test.accuracy" in table


def test_a_changed_row_runs_what_belongs_to_it_alone(project: Project) -> None:
    project.set({"models.second.learning_rate": 0.2})
    ran = project.repro()
    assert ran[:2] == ["train@second", "evaluate@second"]
    assert not any(stage.endswith("@first") or stage.startswith(("fetch", "preprocess")) for stage in ran)


def test_a_new_name_of_the_data_trains_nothing_again(project: Project) -> None:
    project.set({})
    project.repro()
    project.set({"data.name": "digits"})
    ran = {stage.partition("@")[0] for stage in project.repro()}
    assert ran == {"evaluate", "plot"}
    assert '"dataset": "digits"' in (project.folder / "metrics/first.json").read_text()
    assert b"digits" not in (project.folder / "models/first.npz").read_bytes()


def test_a_deleted_or_edited_artifact_is_made_again(project: Project) -> None:
    model = project.folder / "models/first.npz"
    metrics = project.folder / "metrics/first.json"
    before = model.read_bytes(), metrics.read_text()
    model.unlink()
    metrics.write_text("{}")
    assert project.repro() == ["evaluate@first"]  # the model comes from DVC's cache; metrics are in git alone
    assert (model.read_bytes(), metrics.read_text()) == before


def test_a_changed_split_leaves_the_other_split_alone(project: Project) -> None:
    project.set({"splits.kaggle.seed": 1, "models.second.learning_rate": 0.2})
    assert project.repro("preprocess@standard", "train@first") == ["preprocess@kaggle", "train@first"]


def test_bad_parameters_stop_the_run_with_a_message_and_no_traceback(project: Project) -> None:
    project.set({"models.first.learning_rate": 0})
    done = project.run("dvc", "repro")
    assert done.returncode != 0
    assert "models.first.learning_rate is 0: should be greater than 0" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(project.folder.rglob("*.partial"))


def test_who_began_offline_gets_the_real_data_later(tmp_path: Path, mirror: Path, write_parameters: Write) -> None:
    project = Project(tmp_path, mirror, write_parameters)
    split = tmp_path / "data/splits/kaggle/split.json"
    project.repro("preprocess@kaggle", MNIST_MIRROR="")
    assert '"fallback": true' in (tmp_path / "data/raw/source.json").read_text()
    assert "fallback" in split.read_text()
    assert project.repro("preprocess@kaggle", MNIST_MIRROR="") == []
    assert project.repro("--force", "--single-item", "fetch") == ["fetch"]
    assert project.repro("preprocess@kaggle") == ["preprocess@kaggle"]
    assert '"fallback": false' in (tmp_path / "data/raw/source.json").read_text()
    assert "fallback" not in split.read_text()


def imported(programs: Iterable[str]) -> set[Path]:
    """Return the modules of this project that programs import, directly or not, without the packages' __init__.py."""
    found: set[Path] = set()
    waiting = list(programs)
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop())):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                module = ROOT / (name.replace(".", "/") + ".py")
                if name.startswith(PACKAGES) and module.exists() and module not in found:
                    found.add(module)
                    waiting.append(module.read_text())
    return found


def executed(dependency: str) -> Iterator[str]:
    """Yield the blocks that the stage of the papers executes of a text or of the derivations, which it depends on."""
    path = ROOT / dependency
    for page in path.glob("*.md") if dependency == "docs/derivations" else [path] if path.match("paper/*.md") else []:
        kept = (text for title, text in sections(page.read_text(encoding="utf-8")) if title not in LEFT_OUT)
        yield from (dedent(fence["body"]) for fence in FENCE.finditer("".join(kept)) if ".exec" in fence["header"])


def modules(dependency: str) -> set[str]:
    """Return the modules that a dependency is or holds; none of stages/nn, which counts as one, whatever is used."""
    path = ROOT / dependency
    found = [path] if path.suffix == ".py" else path.rglob("*.py")
    names = {str(module.relative_to(ROOT)) for module in found if module.name != "__init__.py"}
    return {MATHEMATICS} if dependency == MATHEMATICS else names


@pytest.mark.parametrize(
    ("folder", "name"), [(folder, name) for folder in (".", "ladder") for name in stages_of_dvc_yaml(folder)]
)
def test_a_stage_depends_on_exactly_the_modules_that_it_imports(folder: str, name: str) -> None:
    stage = stages_of_dvc_yaml(folder)[name]
    module = ROOT / (stage["cmd"].split()[2].replace(".", "/") + ".py")
    programs = [module.read_text(), *(block for path in stage["deps"] for block in executed(path))]
    needed = {str(path.relative_to(ROOT)) for path in imported(programs) | {module}}
    needed = {MATHEMATICS if path.startswith(f"{MATHEMATICS}/") else path for path in needed}
    assert set().union(*map(modules, stage["deps"])) == needed
