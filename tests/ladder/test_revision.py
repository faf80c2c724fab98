import json
import subprocess
from pathlib import Path

import pytest

from stages.ladder.revision import notes, revision, since


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "stages/nn").mkdir(parents=True)
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "stages/nn/affine.py")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, path: str) -> None:
    with (folder / path).open("a") as file:
        file.write("line\n")
    git(folder, "add", path)
    git(folder, "commit", "--quiet", "--message", path)


def test_the_revision_tells_whether_code_differs_from_it(repository: Path) -> None:
    clean = revision(repository)
    assert len(clean) == 12
    (repository / "report.md").write_text("not code")
    assert revision(repository) == clean
    (repository / "stages/train.py").write_text("code")
    assert revision(repository) == f"{clean} with changes"
    assert revision(repository / "stages").startswith(clean)


def test_a_folder_without_git_has_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert revision(tmp_path) == "unknown"
    assert "is not known" in since("unknown", tmp_path)


def test_only_a_change_of_the_mathematics_makes_figures_older(repository: Path) -> None:
    made_by = revision(repository)
    commit(repository, "README.md")
    assert since(made_by, repository) == f"stages/nn is what it was at revision {made_by}."
    commit(repository, "stages/nn/affine.py")
    commit(repository, "stages/nn/affine.py")
    told = f"stages/nn has changed since revision {made_by}, in 2 commits: the figures are older than it, not wrong."
    assert since(made_by, repository) == told
    later = revision(repository)
    (repository / "stages/nn/affine.py").write_text("other")
    assert f"since revision {later}, in the working tree:" in since(later, repository)
    assert "not in this clone" in since("0" * 12, repository)


def test_there_is_a_note_for_each_revision_of_the_results(repository: Path) -> None:
    assert notes(repository) == []
    made_by = revision(repository)
    (repository / "ladder").mkdir()
    rows = {name: {"revision": of} for name, of in (("a", made_by), ("b", made_by), ("c", "0" * 12))}
    (repository / "ladder/results.json").write_text(json.dumps({"rungs": rows, "digits": []}))
    first, second = notes(repository)
    assert first == f"The ladder: stages/nn is what it was at revision {made_by}."
    assert "not in this clone" in second
