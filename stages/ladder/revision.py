"""Which revision of the code made what was measured, and whether the mathematics has changed since."""

from pathlib import Path

from stages.shared import git
from stages.shared.artifacts import read_json

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path("ladder/results.json")
MATHEMATICS = "stages/nn"
CODE = ("stages", "ladder/params.yaml", "ladder/rungs.yaml", "params.yaml")
CHANGED = " with changes"


def revision(folder: Path = ROOT) -> str:
    """Return the commit that is checked out, and whether code or parameters differ from it."""
    commit = git.answer("rev-parse", "--short=12", "HEAD", folder=folder)
    if commit is None:
        return "unknown"
    return commit + (CHANGED if git.answer("status", "--porcelain", "--", *CODE, folder=folder) else "")


def since(made_by: str, folder: Path = ROOT) -> str:
    """Return in a sentence whether the mathematics has changed since a revision."""
    commit = made_by.removesuffix(CHANGED)
    count = git.answer("rev-list", "--count", f"{commit}..HEAD", "--", MATHEMATICS, folder=folder)
    if count is None:
        return f"Whether {MATHEMATICS} has changed since revision {made_by} is not known: it is not in this clone."
    if git.answer("diff", "--quiet", commit, "--", MATHEMATICS, folder=folder) is not None:
        return f"{MATHEMATICS} is what it was at revision {made_by}."
    how = f"in {count} {'commit' if count == '1' else 'commits'}" if count != "0" else "in the working tree"
    return f"{MATHEMATICS} has changed since revision {made_by}, {how}: the figures are older than it, not wrong."


def notes(folder: Path = Path()) -> list[str]:
    """Return, for a folder of the project, whether the mathematics has changed since its ladder was run."""
    if not (folder / RESULTS).exists():
        return []
    made_by = dict.fromkeys(row["revision"] for row in read_json(folder / RESULTS)["rungs"].values())
    return [f"The ladder: {since(each, folder)}" for each in made_by]
