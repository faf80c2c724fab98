"""What differs between a revision and the workspace, in a small repository."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reviewing.revisions import WORKSPACE, Rerun, Revision, compare, reruns
from stages.shared.changes import Change
from stages.shared.errors import UserError
from tests.reviewing.repository import Repository


def entry(**changes: Any) -> dict[str, Any]:
    """Return an entry of dvc.lock."""
    return {
        "cmd": "train",
        "deps": [{"path": "code.py", "md5": "1"}, {"path": "data", "md5": "2"}],
        "params": {"params.yaml": {"rate": 0.1, "seed": 0}},
        "outs": [{"path": "model", "md5": "3"}],
    } | changes


@pytest.mark.parametrize(
    ("changes", "causes", "outs"),
    [
        ({"cmd": "train --fast"}, ["cmd"], []),
        ({"params": {"params.yaml": {"rate": 0.2, "seed": 0}}}, ["params.yaml:rate"], []),
        ({"params": {"params.yaml": {"rate": 0.1}}}, ["params.yaml:seed"], []),
        ({"deps": [{"path": "code.py", "md5": "9"}, {"path": "data", "md5": "2"}]}, ["code.py"], []),
        ({"deps": [{"path": "data", "md5": "2"}]}, ["code.py"], []),
        ({"outs": [{"path": "model", "md5": "9"}]}, [], ["model"]),
        ({"cmd": "x", "outs": [{"path": "model", "md5": "9"}, {"path": "b", "md5": "1"}]}, ["cmd"], ["b", "model"]),
    ],
)
def test_what_differs_of_a_stage(changes: dict[str, Any], causes: list[str], outs: list[str]) -> None:
    both = {"same": entry()}
    found = reruns({"train": entry(), **both}, {"train": entry(**changes), **both})
    assert found == [Rerun("train", "changed", causes, outs)]


def test_new_and_removed_stages() -> None:
    found = reruns({"a": entry(), "b": entry()}, {"b": entry(), "c": entry()})
    assert [(rerun.stage, rerun.state) for rerun in found] == [("a", "removed"), ("c", "new")]
    assert found[1].outs == ["model"]


@pytest.mark.usefixtures("repository")
def test_nothing_differs_in_a_clone_without_the_networks() -> None:
    found = compare("main")
    assert (found.parameters, found.metrics, found.reruns, found.behind) == ([], {}, [], [])
    assert not found.dirty
    assert found.commits[0] == found.commits[1]


def test_a_change_that_is_not_committed(repository: Repository) -> None:
    repository.train("first", range(8), learning_rate=0.2, batch_size=128)
    found = compare("main")
    assert found.dirty
    assert found.parameters == [
        Change("models.first.batch_size", None, 128),
        Change("models.first.learning_rate", 0.1, 0.2),
    ]
    assert found.metrics == {"metrics/first.json": [Change("test.accuracy", 0.75, 0.8)]}
    assert [(rerun.stage, rerun.causes) for rerun in found.reruns] == [("evaluate@first", ["params.yaml:models.first"])]
    assert found.behind == []


def test_a_change_that_is_committed_is_told_from_the_branch_it_left(repository: Repository) -> None:
    repository.git("switch", "--quiet", "--create", "branch")
    repository.train("first", range(8))
    repository.commit()
    found = compare("main")
    assert not found.dirty
    assert found.commits[0] != found.commits[1]
    assert found.metrics == {"metrics/first.json": [Change("test.accuracy", 0.75, 0.8)]}
    assert compare("branch").metrics == {}


@pytest.mark.parametrize(
    ("path", "text", "behind"),
    [
        ("code.py", "2\n", ["evaluate@first", "evaluate@second"]),
        ("metrics/first.json", "{}", ["evaluate@first"]),
    ],
)
def test_stages_that_have_not_run_since_something_changed_are_named(
    repository: Repository, path: str, text: str, behind: list[str]
) -> None:
    repository.write(path, text)
    assert compare("main").behind == behind


def test_a_changed_command_and_a_row_without_a_run_are_behind(repository: Repository) -> None:
    pipeline = Path("dvc.yaml").read_text(encoding="utf-8")
    repository.write("dvc.yaml", pipeline.replace("'false'", "'true'"))
    assert compare("main").behind == ["evaluate@first", "evaluate@second"]
    repository.write("dvc.yaml", pipeline)
    repository.write_parameters(Path(), {"models": {**repository.rows, "third": repository.row}})
    assert compare("main").behind == ["evaluate@third"]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("base", ["unknown", "--all", WORKSPACE, "HEAD:params.yaml", "HEAD:metrics", "HEAD~1"])
def test_a_revision_that_is_not_there(base: str) -> None:
    with pytest.raises(UserError, match=f"^{base}: no revision that git knows here; `git branch --all` and `git tag`"):
        compare(base)


@pytest.mark.parametrize("base", ["before", "HEAD", "main", "HEAD~1"])
def test_a_revision_by_any_name(repository: Repository, base: str) -> None:
    repository.git("tag", "--annotate", "--message", "before the change", "before")
    repository.train("first", range(8))
    if base == "HEAD~1":
        repository.commit()
    assert compare(base).metrics == {"metrics/first.json": [Change("test.accuracy", 0.75, 0.8)]}


@pytest.mark.parametrize("options", [["--depth", "1"], ["--single-branch"]])
def test_a_base_that_a_small_clone_lacks_comes_by_the_advice(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    repository.git("switch", "--quiet", "--create", "branch")
    repository.train("first", range(8))
    repository.commit()
    clone = tmp_path / "clone"
    origin = repository.folder.as_uri()
    repository.git("clone", "--quiet", *options, "--branch", "branch", origin, str(clone))
    monkeypatch.chdir(clone)
    with pytest.raises(UserError, match=r"^main: no revision that git knows here; `git fetch ") as caught:
        compare("main")
    _, command, example = str(caught.value).split("`")
    subprocess.run(["sh", "-c", command], check=True)
    for base in (example.partition("BASE=")[2], "HEAD~1"):
        assert compare(base).metrics == {"metrics/first.json": [Change("test.accuracy", 0.75, 0.8)]}


def test_a_folder_without_a_repository(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    with pytest.raises(UserError, match=rf"^{project} is not in a repository of git.* clone the project with"):
        compare("main")


@pytest.mark.parametrize("base", ["main", "HEAD", "HEAD~1"])
def test_a_repository_without_a_commit_gets_one_by_the_advice(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "x")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "x@example.org")
    shutil.rmtree(".git")
    repository.git("init", "--quiet", "--initial-branch=main")
    with pytest.raises(
        UserError, match=rf"^{repository.folder} is in a repository of git that has no commit"
    ) as caught:
        compare(base)
    for command in str(caught.value).split("`")[1::2]:
        subprocess.run(["sh", "-c", command], check=True)
    assert compare("HEAD").metrics == {}


def test_files_of_a_base_are_read_from_git(repository: Repository) -> None:
    repository.write("metrics/first.json", '{"new": 1}')
    assert Revision(WORKSPACE).json("metrics/first.json") == {"new": 1}
    assert Revision("main").json("metrics/first.json")["test"]["accuracy"] == 0.75
    assert Revision("main").text("metrics/none.json") is None
    assert Revision("main").json("metrics/none.json") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,predicted\n1,one\n", "invalid literal"),
        ("label\n1\n", "predicted"),
        ("", "No columns"),
        ("label,predicted\n1,1\n", "it has 1 rows, not 2"),
    ],
)
def test_a_table_that_does_not_belong_there(repository: Repository, text: str, message: str) -> None:
    repository.write("table.csv", text)
    with pytest.raises(UserError, match=rf"^table\.csv in workspace: not what belongs there \(.*{message}"):
        Revision(WORKSPACE).table("table.csv", ["label", "predicted"], 2)


@pytest.mark.parametrize("text", ["{", "[]", "\x80"])
def test_a_json_file_that_is_no_map(repository: Repository, text: str) -> None:
    (repository.folder / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"^a\.json in workspace: not what belongs there"):
        Revision(WORKSPACE).json("a.json")
