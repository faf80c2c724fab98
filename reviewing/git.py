"""What git says of the project."""

import subprocess
from pathlib import Path

from reviewing import recording
from stages.shared.errors import UserError

OF_GIT = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")  # set in a hook; they would name the project's own folder


def environment() -> dict[str, str]:
    """Return the environment variables for a program that finds its repository by its folder."""
    return {name: value for name, value in recording.environment().items() if name not in OF_GIT}


def git(*arguments: str | Path) -> str:
    """Return what a git command prints; raise UserError if it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=False, encoding="utf-8", env=environment())
    if done.returncode:
        raise UserError(f"git {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return done.stdout.strip()
