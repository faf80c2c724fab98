"""Which revision of the code made what was measured, and whether the mathematics has changed since."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MATHEMATICS = "stages/nn"
CODE = ("stages", "ladder/params.yaml", "ladder/rungs.yaml", "params.yaml")
CHANGED = " with changes"
OF_A_HOOK = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")  # they would name another folder


def git(*arguments: str) -> str | None:
    """Return what a git command prints in the project's folder, None if it fails."""
    env = {name: value for name, value in os.environ.items() if name not in OF_A_HOOK}
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, env=env, capture_output=True, check=True, encoding="utf-8")
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def revision() -> str:
    """Return the commit that is checked out, and whether code or parameters differ from it."""
    commit = git("rev-parse", "--short=12", "HEAD")
    if commit is None:
        return "unknown"
    return commit + (CHANGED if git("status", "--porcelain", "--", *CODE) else "")


def since(made_by: str) -> str:
    """Return in a sentence whether the mathematics has changed since a revision."""
    commit = made_by.removesuffix(CHANGED)
    count = git("rev-list", "--count", f"{commit}..HEAD", "--", MATHEMATICS)
    if count is None:
        return f"Whether {MATHEMATICS} has changed since revision {commit} is not known: it is not in this clone."
    if git("diff", "--quiet", commit, "--", MATHEMATICS) is not None:
        return f"{MATHEMATICS} is what it was at revision {commit}."
    how = f"in {count} {'commit' if count == '1' else 'commits'}" if count != "0" else "in the working tree"
    return f"{MATHEMATICS} has changed since revision {commit}, {how}: the figures are older than it, not wrong."
