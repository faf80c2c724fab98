"""What git says of the project."""

import os
import subprocess
from pathlib import Path

from stages.shared.errors import UserError

OF_A_HOOK = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")  # they would name the repository that the hook runs in


def environment() -> dict[str, str]:
    """Return the environment variables for a program that finds its repository by its folder."""
    return {name: value for name, value in os.environ.items() if name not in OF_A_HOOK}


def git(*arguments: str | Path, folder: Path | None = None) -> str:
    """Return what a git command prints in a folder, in this one if none is given; raise UserError if it fails."""
    command = ["git", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, check=False, encoding="utf-8", env=environment()
        )
    except OSError as error:
        raise UserError(f"git: {error.strerror}") from None
    if done.returncode:
        raise UserError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout.strip()


def answer(*arguments: str | Path, folder: Path | None = None) -> str | None:
    """Return what a git command prints, None if it fails."""
    try:
        return git(*arguments, folder=folder)
    except UserError:
        return None
