"""Git gives every clone the committed bytes: DVC's sums, Bash and the tests all depend on them."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINK = "120000"  # what git calls a symbolic link


def git(*arguments: str, folder: Path = ROOT) -> bytes:
    """Return what git prints."""
    return subprocess.run(["git", *arguments], check=True, cwd=folder, stdout=subprocess.PIPE).stdout


pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists() or not git("for-each-ref", "--count=1"), reason="not a git checkout"
)


@pytest.mark.parametrize("option", ["core.autocrlf=true", "core.eol=crlf"])
def test_a_clone_that_asks_for_crlf_has_the_committed_bytes(tmp_path: Path, option: str) -> None:
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--no-local", "-c", option, str(ROOT), str(clone))
    entries = [entry.split("\t") for entry in git("ls-tree", "-r", "-z", "HEAD").decode().split("\0")[:-1]]
    committed = {path: information.split()[2] for information, path in entries if not information.startswith(LINK)}
    found = git("hash-object", "--no-filters", *committed, folder=clone).decode().split()
    assert dict(zip(committed, found, strict=True)) == committed


def test_git_need_not_guess_what_is_text() -> None:
    paths = [path for path in git("ls-files", "-z").decode().split("\0")[:-1] if not (ROOT / path).is_symlink()]
    fields = git("check-attr", "-z", "eol", "binary", "--", *paths).decode().split("\0")[:-1]
    attributes = {(path, name): value for path, name, value in zip(*[iter(fields)] * 3, strict=True)}
    for path in paths:
        content = (ROOT / path).read_bytes()
        if b"\0" in content:
            assert attributes[path, "binary"] == "set", f"{path} is binary: add its kind to .gitattributes"
        else:
            assert (attributes[path, "binary"], attributes[path, "eol"]) == ("unspecified", "lf")
            assert b"\r" not in content, path
