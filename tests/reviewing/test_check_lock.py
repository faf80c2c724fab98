import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from reviewing import check_lock
from reviewing.check_lock import Findings, check
from stages.shared.errors import UserError
from tests.networks import layer_rows

COPY = "import pathlib, sys; pathlib.Path(sys.argv[2]).write_bytes(pathlib.Path(sys.argv[1]).read_bytes())"
PIPELINE: dict[str, Any] = {
    "stages": {
        "train": {
            "foreach": "${models}",
            "do": {"cmd": "python copy.py params.yaml ${key}.npz", "params": ["models.${key}"], "outs": ["${key}.npz"]},
        },
        "evaluate": {
            "foreach": "${models}",
            "do": {
                "cmd": "python copy.py ${key}.npz metrics/${key}.yaml",
                "deps": ["${key}.npz"],
                "metrics": [{"metrics/${key}.yaml": {"cache": False}}],
            },
        },
        "pack": {
            "cmd": "python copy.py copy.py docs/packed/copy.txt",
            "deps": ["copy.py"],
            "outs": [{"docs/packed/copy.txt": {"cache": False}}],
        },
        "paper": {
            "cmd": "python copy.py params.yaml paper.pdf",
            "deps": ["metrics"],
            "params": ["models"],
            "outs": ["paper.pdf"],
            "meta": {"reads": "all models"},
        },
    }
}
PARAMETERS = {"models": {"first": {"learning_rate": 0.1}, "second": {"learning_rate": 0.1}}}


def write(path: str, content: object) -> None:
    with Path(path).open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(content, file)


IDENTITY = {f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
FASTER = {"models": {"first": {"learning_rate": 0.2}, "second": {"learning_rate": 0.1}}}


def call(command: str) -> str:
    """Run a command as a user would, with the interpreter of these tests first on PATH, and return what it printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | IDENTITY | {"PATH": path}
    done = subprocess.run(["sh", "-c", command], check=False, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which a pipeline has been run; what it made that DVC keeps is gone."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("metrics").mkdir()
        Path("docs/packed").mkdir(parents=True)
        Path("docs/page.md").write_text("written by hand, beside a folder of results", encoding="utf-8")
        Path("copy.py").write_text(COPY, encoding="utf-8")
        write("dvc.yaml", PIPELINE)
        write("params.yaml", PARAMETERS)
        call("git init --quiet && dvc init --quiet && dvc repro --quiet && git add . && git commit --quiet -m results")
    for name in ("first.npz", "second.npz", "paper.pdf"):
        (folder / name).unlink()
    shutil.rmtree(folder / ".dvc/cache")
    return folder


@pytest.fixture(autouse=True)
def copy(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a copy of the project, and let the command check it without arguments."""
    shutil.copytree(project, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setattr(sys, "argv", ["check_lock"])


def follow(error: pytest.ExceptionInfo[UserError]) -> None:
    """Run the commands that a message names, in their order, and commit as it says."""
    commands = re.findall("`((?:git|dvc) [^`]+)`", str(error.value))
    assert commands
    for command in commands:
        call(command)
    call("git add params.yaml dvc.lock metrics && git commit --quiet --allow-empty --message followed")


def test_a_clone_without_data_and_models_passes(capsys: pytest.CaptureFixture[str]) -> None:
    for everything in (False, True):
        assert check(everything) == Findings([], [], [])
    check_lock.main()
    assert capsys.readouterr().out == ""


def test_a_file_in_a_folder_of_results_is_made_by_a_stage() -> None:
    for folder in ("metrics/old", "docs/packed"):
        Path(folder).mkdir(exist_ok=True)
        Path(folder, "gone.txt").touch()
    call("git add --force metrics docs")
    assert check().mismatches == [
        "docs/packed/gone.txt: in git, but no stage makes it",
        "metrics/old/gone.txt: in git, but no stage makes it",
    ]


def test_a_changed_parameter_names_its_stage_and_the_last_stage_of_its_model() -> None:
    write("params.yaml", FASTER)
    assert check() == Findings(
        ["params.yaml: models.first.learning_rate is not what train@first was run with"],
        ["`dvc repro evaluate@first`"],
        ["paper"],
    )
    assert check(everything=True) == Findings(
        [
            "params.yaml: models.first.learning_rate is not what paper was run with",
            "params.yaml: models.first.learning_rate is not what train@first was run with",
        ],
        ["`dvc repro paper`"],
        [],
    )


def test_a_changed_layer_is_named_by_its_leaf() -> None:
    lock = YAML(typ="safe").load(Path("dvc.lock"))
    row = {"learning_rate": 0.1, "layers": layer_rows(10)}
    lock["stages"]["train@first"]["params"]["params.yaml"]["models.first"] = row
    write("dvc.lock", lock)
    write("params.yaml", {"models": PARAMETERS["models"] | {"first": row}})
    assert check().mismatches == []
    for layers, leaf in (
        (layer_rows(32), "0.units"),
        (layer_rows(10, dropout=0.5), "2"),
        (layer_rows(), "0, models.first.layers.1"),
    ):
        write("params.yaml", {"models": PARAMETERS["models"] | {"first": row | {"layers": layers}}})
        assert check().mismatches == [f"params.yaml: models.first.layers.{leaf} is not what train@first was run with"]


@pytest.mark.slow
def test_one_model_that_was_run_as_a_whole_passes_until_everything_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("params.yaml", FASTER)
    call("dvc repro evaluate@first")
    check_lock.main()
    advice = capsys.readouterr().out
    assert (
        advice == "paper is older than some models; before this goes to main: `dvc repro paper`, and commit dvc.lock\n"
    )
    monkeypatch.setattr(sys, "argv", ["check_lock", "--all"])
    with pytest.raises(UserError, match=r"^params\.yaml: models\.first\.learning_rate is not what paper was run with"):
        check_lock.main()
    call(advice.split("`")[1])
    check_lock.main()


@pytest.mark.slow
def test_one_model_that_was_run_in_part_does_not_pass() -> None:
    write("params.yaml", FASTER)
    call("dvc repro train@first")
    assert check() == Findings(
        ["dvc.lock: evaluate@first has not read the first.npz that train@first has made"],
        ["`dvc repro evaluate@first`"],
        ["paper"],
    )


@pytest.mark.slow
def test_results_that_changed_with_the_code_alone_make_what_reads_them_older() -> None:
    Path("copy.py").write_text(COPY + "; open(sys.argv[2], 'a').write('# new')", encoding="utf-8")
    pipeline = YAML(typ="safe").load(Path("dvc.yaml"))
    pipeline["stages"]["train"]["do"]["deps"] = ["copy.py"]
    write("dvc.yaml", pipeline)
    call("dvc repro evaluate@first evaluate@second")
    assert check() == Findings([], [], ["paper"])
    assert check(everything=True).mismatches == ["metrics: has changed since paper was run"]


def test_a_changed_command_is_named() -> None:
    write("dvc.yaml", {"stages": {**PIPELINE["stages"], "paper": {**PIPELINE["stages"]["paper"], "cmd": "true"}}})
    assert check(everything=True).mismatches == ["dvc.yaml: cmd is not what paper was run with"]


def test_a_file_of_parameters_that_is_not_there_is_named() -> None:
    pipeline = YAML(typ="safe").load(Path("dvc.yaml"))
    pipeline["stages"]["train"]["do"]["params"].append({"other.yaml": ["seed"]})
    write("dvc.yaml", pipeline)
    assert check().mismatches == [
        "other.yaml: all of it is not what train@first was run with",
        "other.yaml: all of it is not what train@second was run with",
    ]


def edit_and_delete_results() -> None:
    with Path("metrics/first.yaml").open("ab") as file:
        file.write(b"\r\n")
    Path("metrics/second.yaml").unlink()


def leave_a_result_out_of_git() -> None:
    call("git rm --quiet --cached metrics/second.yaml")


def add_a_row() -> None:
    write("params.yaml", {"models": {**PARAMETERS["models"], "third": {"learning_rate": 0.1}}})


def remove_a_row() -> None:
    write("params.yaml", {"models": {"first": {"learning_rate": 0.1}}})


def change_both_rows() -> None:
    write("params.yaml", {"models": {"first": {"learning_rate": 0.2}, "second": {"learning_rate": 0.2}}})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            edit_and_delete_results,
            [
                "metrics/first.yaml: modified since evaluate@first was run",
                "metrics/second.yaml: deleted since evaluate@second was run",
            ],
        ),
        (leave_a_result_out_of_git, ["metrics/second.yaml: not in git"]),
        (
            add_a_row,
            [
                "dvc.lock: evaluate@third has not been run as it stands in dvc.yaml",
                "dvc.lock: train@third has not been run as it stands in dvc.yaml",
            ],
        ),
        (remove_a_row, ["metrics/second.yaml: in git, but no stage makes it"]),
        (
            change_both_rows,
            [
                f"params.yaml: models.{name}.learning_rate is not what train@{name} was run with"
                for name in ("first", "second")
            ],
        ),
    ],
)
def test_the_advice_of_a_message_leads_to_the_end(change: Callable[[], None], expected: list[str]) -> None:
    change()
    assert sorted(check().mismatches) == expected
    with pytest.raises(UserError) as caught:
        check_lock.main()
    *lines, advice = str(caught.value).splitlines()
    assert sorted(lines) == expected
    assert advice.startswith("run `")
    assert advice.endswith(", and commit params.yaml, dvc.lock and metrics/ together")
    follow(caught)
    assert check().mismatches == []


@pytest.mark.parametrize(("path", "content"), [("dvc.lock", "<<<<<<< HEAD\n"), ("params.yaml", "splits: {}\n")])
def test_a_pipeline_that_cannot_be_read_is_an_error(path: str, content: str) -> None:
    Path(path).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"DVC cannot read the pipeline: .*(dvc\.lock|models).*; mend the file, or"):
        check()


@pytest.mark.slow
def test_a_conflict_in_the_lock_is_mended_by_what_the_message_says() -> None:
    for branch, rate in (("ours", 0.2), ("theirs", 0.3)):
        write("params.yaml", {"models": {"first": {"learning_rate": rate}, "second": {"learning_rate": 0.1}}})
        call(f"git checkout --quiet -b {branch} && dvc repro --quiet && git commit --quiet --all --message {branch}")
        call("git checkout --quiet -") if branch == "ours" else None
    call("git merge ours || true")
    write("params.yaml", FASTER)
    with pytest.raises(UserError, match=r"dvc\.lock.*`git checkout HEAD -- dvc\.lock`") as caught:
        check()
    call(str(caught.value).split("`")[-2])
    with pytest.raises(UserError, match="run with") as caught:
        check_lock.main()
    follow(caught)
    assert check().mismatches == []


def test_a_source_archive_is_told_how_it_can_be_checked() -> None:
    shutil.rmtree(".git")
    with pytest.raises(UserError, match="is not in a repository of git, and what git has is checked") as caught:
        check()
    call(str(caught.value).split("`")[-2])
    assert check() == Findings([], [], [])
