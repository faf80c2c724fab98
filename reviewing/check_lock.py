"""Check that params.yaml, dvc.lock and the results in git belong together: `python -m reviewing.check_lock`.

A clone without data and models will do: of what the stages make, only what is in git is looked at.
"""

from collections.abc import Iterator
from typing import Any

from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.errors import UserError, run

REMEDY = "run `dvc repro`, and commit params.yaml, dvc.lock and metrics/ together"


def mismatches() -> list[str]:
    """Return a line for each parameter and each result in git that is not what dvc.lock says.

    Raises
    ------
    UserError
        If DVC cannot read the pipeline.
    """
    try:
        with Repo() as repo:
            return [line for stage in repo.index.stages for line in _of_stage(stage, repo.scm)]
    except DvcException as error:
        raise UserError(f"DVC cannot read the pipeline: {error}; mend it, or `git restore` the file") from None


def _of_stage(stage: Any, git: Any) -> Iterator[str]:
    if not all(out.hash_info for out in stage.outs):
        yield f"dvc.lock: {stage.addressing} has not been run as it stands in dvc.yaml"
        return
    for dependency in stage.deps:
        if isinstance(dependency, ParamsDependency):
            for path, changed in dependency.status().items():
                keys = ", ".join(changed) if isinstance(changed, dict) else "all of it"
                yield f"{path}: {keys} is not what {stage.addressing} was run with"
    for out in stage.outs:
        if not out.use_cache:
            for path, state in out.status().items():
                yield f"{path}: {state} since {stage.addressing} was run"
            if out.exists and not git.is_tracked(out.fs_path):
                yield f"{out.def_path}: not in git; `git add {out.def_path}`"


def main() -> None:
    """Check this folder."""
    found = mismatches()
    if found:
        raise UserError("\n".join((*found, REMEDY)))


if __name__ == "__main__":
    run(main)
