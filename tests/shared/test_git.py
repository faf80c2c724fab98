import subprocess
from pathlib import Path

import pytest

from stages.shared.errors import UserError
from stages.shared.git import answer, git


def test_a_command_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match=r"^git rev-parse HEAD: fatal: not a git repository"):
        git("rev-parse", "HEAD", folder=tmp_path)
    assert answer("rev-parse", "HEAD", folder=tmp_path) is None


def test_without_git_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^git: No such file"):
        git("--version")


def test_in_a_hook_it_is_the_folder_that_says_which_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "other"):
        subprocess.run(["git", "init", "--quiet", tmp_path / name], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.chdir(tmp_path / "one")
    assert Path(git("rev-parse", "--show-toplevel")) == tmp_path / "one"
    assert Path(git("rev-parse", "--show-toplevel", folder=tmp_path / "other")) == tmp_path / "other"
