"""What make says before it installs anything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
IDENTITY = {f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, env=os.environ | IDENTITY, capture_output=True, text=True)


@pytest.mark.parametrize("target", ["repro", "report", "verify"])
def test_an_archive_is_made_a_repository_before_anything_is_installed(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/run.txt").touch()
    monkeypatch.chdir(tmp_path)
    refused = run("make", target)
    assert refused.returncode != 0
    assert refused.stderr.startswith("error: DVC needs a git repository, and this folder is none;")
    assert not Path(".venv").exists()

    advice = refused.stderr.splitlines()[0].partition("make it one: ")[2]
    for command in advice.split(" && "):
        assert run(*command.split()).returncode == 0, command
    assert run("git", "status", "--porcelain").stdout == ""
    followed = run("make", "--dry-run", target)
    assert followed.returncode == 0
    assert "git repository" not in followed.stdout + followed.stderr
