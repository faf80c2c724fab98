"""The workflows of GitHub Actions and the hooks of pre-commit: what they may do, and how the comment is made."""

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".github/workflows"
NAMES = sorted(path.name for path in FOLDER.iterdir())
HEAD = "1" * 40
MARKER = "<!-- report of the pull request workflow -->"

GH = """
import json, os, pathlib, sys
assert sys.argv[1] == "api"
path, *options = sys.argv[2:]
answers = pathlib.Path(os.environ["ANSWERS"])
if "--input" in options:
    call = {"path": path, "method": options[options.index("--method") + 1], "body": json.load(sys.stdin)["body"]}
    (answers / "call").write_text(json.dumps(call))
else:
    sys.stdout.buffer.write((answers / path.replace("/", "_").partition("?")[0]).read_bytes())
"""


def workflow(name: str) -> dict[str, Any]:
    """Return the content of a workflow, with the key `on` as a string."""
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(FOLDER / name)
    return content


def steps(name: str) -> Iterator[dict[str, Any]]:
    """Yield all steps of a workflow."""
    for job in workflow(name)["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("name", NAMES)
def test_every_action_is_pinned_to_a_commit_and_says_which_version_it_is(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    pinned = re.findall(r"uses: [\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", text, re.MULTILINE)
    assert len(pinned) == text.count("uses:") == sum("uses" in step for step in steps(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_workflow_states_its_permissions_and_no_checkout_keeps_its_token(name: str) -> None:
    assert workflow(name)["permissions"] in ({}, {"contents": "read"})
    for step in steps(name):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_others_write_is_pasted_into_a_command(name: str) -> None:
    assert not [step["run"] for step in steps(name) if "${{" in step.get("run", "")]


def test_a_pull_request_has_a_token_that_reads_and_no_secret() -> None:
    text = (FOLDER / "pull-request.yml").read_text(encoding="utf-8")
    content = workflow("pull-request.yml")
    assert content["on"] == "pull_request"
    assert content["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in content["jobs"].values())
    assert "secrets" not in text
    assert "github.token" not in text


def test_the_workflow_that_comments_runs_no_action_and_may_do_no_more_than_that() -> None:
    content = workflow("report-comment.yml")
    assert content["on"] == {
        "workflow_run": {"workflows": [workflow("pull-request.yml")["name"]], "types": ["completed"]}
    }
    assert content["jobs"]["comment"]["permissions"] == {"actions": "read", "pull-requests": "write"}
    (step,) = steps("report-comment.yml")
    assert "uses" not in step
    assert not re.search(r"git (clone|fetch|checkout)|extract|exec\(|eval\(|shell=", step["run"])


def test_what_the_one_uploads_is_what_the_other_reads() -> None:
    (upload,) = [step["with"] for step in steps("pull-request.yml") if "/upload-artifact@" in step.get("uses", "")]
    commands = [step["run"] for step in steps("pull-request.yml") if "run" in step]
    (script,) = [step["run"] for step in steps("report-comment.yml")]
    assert f"artifacts?name={upload['name']}" in script
    (written,) = re.findall(rf"> {upload['path']}/(\S+)", "\n".join(commands))
    assert f'read(archive, "{written}"' in script


@pytest.mark.parametrize("hook", YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"])
def test_every_hook_runs_a_module_of_the_environment(hook: dict[str, Any]) -> None:
    program, option, module, *_ = hook["entry"].split()
    assert (program, option) == (".venv/bin/python", "-m")
    assert importlib.util.find_spec(module)


Comment = Callable[..., tuple[str, dict[str, Any] | None]]


@pytest.fixture
def comment(tmp_path: Path) -> Comment:
    """Return a function that runs the script that comments, beside a `gh` that answers from files.

    It takes the files of the artifact, the head of pull request 7 and the comments that are there, and returns what
    the script printed and its call that writes.
    """
    answers = tmp_path / "answers"
    answers.mkdir()
    gh = tmp_path / "bin/gh"
    gh.parent.mkdir()
    gh.write_text(f"#!{sys.executable}\n{GH}", encoding="utf-8")
    gh.chmod(0o755)
    (step,) = steps("report-comment.yml")

    def run(
        files: dict[str, bytes], head: str = HEAD, comments: tuple[Any, ...] = ()
    ) -> tuple[str, dict[str, Any] | None]:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in files.items():
                file.writestr(name, content)
        artifacts = {"artifacts": [{"id": 4}, {"id": 5}] if files else []}
        answer = {
            "actions_runs_3_artifacts": json.dumps(artifacts).encode(),
            "actions_artifacts_5_zip": archive.getvalue(),
            "pulls_7": json.dumps({"head": {"sha": head}}).encode(),
            "issues_7_comments": json.dumps([[*comments[:1]], [*comments[1:]]]).encode(),
        }
        for name, content in answer.items():
            (answers / f"repos_owner_name_{name}").write_bytes(content)
        environment = {
            "PATH": f"{gh.parent}{os.pathsep}{os.environ['PATH']}",
            "ANSWERS": str(answers),
            "GITHUB_REPOSITORY": "owner/name",
            "GH_TOKEN": "",
            "HEAD": HEAD,
            "RUN": "3",
            "RUN_PAGE": "https://example.org/runs/3",
        }
        assert {*step["env"], "GITHUB_REPOSITORY"} == environment.keys() - {"PATH", "ANSWERS"}
        done = subprocess.run(
            [sys.executable, "-c", step["run"]],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        call = answers / "call"
        return done.stdout, json.loads(call.read_text(encoding="utf-8")) if call.exists() else None

    return run


def report(text: str, number: str = "7\n") -> dict[str, bytes]:
    return {"report.md": text.encode(), "pull-request.txt": number.encode()}


def test_the_first_report_is_a_new_comment(comment: Comment) -> None:
    others = (
        {"id": 1, "user": {"login": "someone"}, "body": f"{MARKER}\nnot ours"},
        {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "of another workflow"},
    )
    _, call = comment(report("# Report\n\n![loss](loss.png) and $(touch x) `y` ü\n"), comments=others)
    assert call is not None
    assert (call["method"], call["path"]) == ("POST", "repos/owner/name/issues/7/comments")
    assert call["body"].startswith(f"{MARKER}\n")
    assert "(https://example.org/runs/3)" in call["body"]
    assert call["body"].endswith("# Report\n\n(picture: loss) and $(touch x) `y` ü\n")


def test_a_later_report_takes_its_place(comment: Comment) -> None:
    there = (
        {"id": 1, "user": {"login": "someone"}, "body": "nice"},
        {"id": 2, "user": {"login": "github-actions[bot]"}, "body": f"{MARKER}\nold"},
    )
    _, call = comment(report("new"), comments=there)
    assert call is not None
    assert (call["method"], call["path"]) == ("PATCH", "repos/owner/name/issues/comments/2")


def test_a_report_that_is_too_long_is_cut_and_says_so(comment: Comment) -> None:
    _, call = comment(report("ü" * 300_000))
    assert call is not None
    assert 60_000 < len(call["body"]) < 65_536
    assert "this is its beginning" in call["body"]


@pytest.mark.parametrize("number", ["", "0", "7; touch x", "../7", "7/../8", "-7", "7\n8", "\u0667", "1" * 30])
def test_what_is_no_number_is_refused(comment: Comment, number: str) -> None:
    said, call = comment(report("x", number))
    assert call is None
    assert "pull-request.txt holds no number" in said


def test_the_number_of_another_pull_request_is_refused(comment: Comment) -> None:
    said, call = comment(report("x"), head="2" * 40)
    assert call is None
    assert "head of pull request 7" in said


def test_a_run_without_a_report_makes_no_comment(comment: Comment) -> None:
    said, call = comment({})
    assert call is None
    assert "made no report" in said
