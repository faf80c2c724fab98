import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from reviewing import check_lock
from reviewing.check_lock import mismatches
from stages.errors import UserError

COPY = "import pathlib, sys; pathlib.Path(sys.argv[2]).write_bytes(pathlib.Path(sys.argv[1]).read_bytes())"
PIPELINE = {
    "stages": {
        "train": {
            "foreach": "${models}",
            "do": {
                "cmd": "python copy.py params.yaml metrics/${key}.yaml && python copy.py params.yaml ${key}.npz",
                "params": ["models.${key}"],
                "metrics": [{"metrics/${key}.yaml": {"cache": False}}],
                "outs": ["${key}.npz"],
            },
        },
    }
}
PARAMETERS = {"models": {"first": {"learning_rate": 0.1}, "second": {"learning_rate": 0.1}}}


def write(path: str, content: object) -> None:
    with Path(path).open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(content, file)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which a pipeline of two stages has been run; what it made that DVC keeps is gone."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
        Path("metrics").mkdir()
        Path("copy.py").write_text(COPY, encoding="utf-8")
        write("dvc.yaml", PIPELINE)
        write("params.yaml", PARAMETERS)
        for command in ("git init --quiet", "dvc init --quiet", "dvc repro --quiet", "git add ."):
            subprocess.run(command.split(), check=True, capture_output=True)
    for name in ("first.npz", "second.npz"):
        (folder / name).unlink()
    shutil.rmtree(folder / ".dvc/cache")
    return folder


@pytest.fixture(autouse=True)
def copy(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a copy of the project."""
    shutil.copytree(project, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")


def test_a_clone_without_data_and_models_passes() -> None:
    assert mismatches() == []
    check_lock.main()


def test_a_changed_parameter_names_its_stage_and_no_other() -> None:
    write("params.yaml", {"models": {"first": {"learning_rate": 0.2}, "second": {"learning_rate": 0.1}}})
    assert mismatches() == ["params.yaml: models.first is not what train@first was run with"]


def test_a_file_of_parameters_that_is_not_there_is_named() -> None:
    pipeline = YAML(typ="safe").load(Path("dvc.yaml"))
    pipeline["stages"]["train"]["do"]["params"].append({"other.yaml": ["seed"]})
    write("dvc.yaml", pipeline)
    assert mismatches() == [
        "other.yaml: all of it is not what train@first was run with",
        "other.yaml: all of it is not what train@second was run with",
    ]


def test_an_edited_and_a_deleted_result_are_named() -> None:
    with Path("metrics/first.yaml").open("ab") as file:
        file.write(b"\r\n")
    Path("metrics/second.yaml").unlink()
    assert mismatches() == [
        "metrics/first.yaml: modified since train@first was run",
        "metrics/second.yaml: deleted since train@second was run",
    ]


def test_a_result_that_is_not_in_git_is_named() -> None:
    subprocess.run(["git", "rm", "--quiet", "--cached", "metrics/second.yaml"], check=True)
    assert mismatches() == ["metrics/second.yaml: not in git; `git add metrics/second.yaml`"]


def test_a_row_that_has_not_been_run_is_named_once() -> None:
    write("params.yaml", {"models": {**PARAMETERS["models"], "third": {"learning_rate": 0.1}}})
    assert mismatches() == ["dvc.lock: train@third has not been run as it stands in dvc.yaml"]


def test_a_removed_row_is_no_mismatch() -> None:
    write("params.yaml", {"models": {"first": {"learning_rate": 0.1}}})
    assert mismatches() == []


@pytest.mark.parametrize(("path", "content"), [("dvc.lock", "<<<<<<< HEAD\n"), ("params.yaml", "splits: {}\n")])
def test_a_pipeline_that_cannot_be_read_is_an_error(path: str, content: str) -> None:
    Path(path).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"DVC cannot read the pipeline: .*(dvc\.lock|models).*; mend it"):
        mismatches()


def test_the_message_ends_with_what_to_do() -> None:
    Path("metrics/first.yaml").write_text("", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        check_lock.main()
    assert str(caught.value).splitlines() == [
        "metrics/first.yaml: modified since train@first was run",
        "run `dvc repro`, and commit params.yaml, dvc.lock and metrics/ together",
    ]
