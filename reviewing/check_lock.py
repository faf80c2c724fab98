"""Check that params.yaml, dvc.lock and the results in git belong together: `python -m reviewing.check_lock`.

What was run in part passes: a stage that dvc.yaml marks as reading all models may be older than some of them. With
`--all`, as on the branch main, it may not. A clone without data and models will do: of what the stages make, only what
is in git is looked at. The ladder, a pipeline of its own, may be older than the mathematics; that is told.
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.graph import get_subgraph_of_nodes
from dvc.scm import NoSCM

from stages.ladder import revision
from stages.shared.changes import name_leaves
from stages.shared.errors import UserError, run

READS = "reads"  # the key of a stage's meta in dvc.yaml
ALL_MODELS = "all models"
COMMIT = "commit params.yaml, dvc.lock and metrics/ together"


@dataclass(frozen=True)
class Findings:
    """What does not belong together.

    Attributes
    ----------
    mismatches : list of str
        A line for each parameter, result and stage.
    remedies : list of str
        Commands that mend them, in the order in which to run them.
    older : list of str
        Names of the stages that read all models, and are allowed to be older than some of them.
    """

    mismatches: list[str]
    remedies: list[str]
    older: list[str]


def check(everything: bool = False) -> Findings:
    """Compare what is in git with what dvc.lock says.

    Parameters
    ----------
    everything : bool
        Whether the stages that read all models must belong to it too.

    Raises
    ------
    UserError
        If this is no repository of git, or DVC cannot read the pipeline.
    """
    try:
        with Repo(uninitialized=True) as repo:
            if isinstance(repo.scm, NoSCM):
                raise UserError(
                    f"{Path.cwd()} is not in a repository of git, and what git has is checked; go to a clone, or make "
                    "this folder a repository: `git init && git add .`"
                )
            return _compare(repo.index, repo.scm, everything)
    except DvcException as error:
        raise UserError(
            f"DVC cannot read the pipeline: {error}; mend the file, or take that of the last commit, which loses what "
            "has changed since, such as: `git checkout HEAD -- dvc.lock`"
        ) from None


def _compare(index: Any, git: Any, everything: bool) -> Findings:
    mismatches, to_run, older, to_add = [], [], [], []
    makers = {out.fs_path: (stage, out) for stage in index.stages for out in stage.outs}
    for stage in index.stages:
        found = [*_recorded(stage), *_made_of_others(stage, makers)]
        if found and _may_be_older(stage, everything):
            older.append(stage.addressing)
        elif found:
            mismatches += found
            to_run.append(stage)
        to_add += [
            out.def_path for out in stage.outs if not out.use_cache and out.exists and not git.is_tracked(out.fs_path)
        ]
    mismatches += [f"{path}: not in git" for path in to_add]
    to_remove = [path for path in _made_by_none(makers) if git.is_tracked(path)]
    mismatches += [f"{path}: in git, but no stage makes it" for path in to_remove]
    ends = _ends(to_run, index.graph, everything) if to_run else []
    remedies = [
        f"`{command} {' '.join(sorted(names))}`"
        for command, names in (("git rm", to_remove), ("dvc repro", ends), ("git add", to_add))
        if names
    ]
    return Findings(mismatches, remedies, older)


def _may_be_older(stage: Any, everything: bool) -> bool:
    return not everything and stage.meta == {READS: ALL_MODELS}


def _ends(to_run: list[Any], graph: Any, everything: bool) -> list[str]:
    """Return the last of the stages that are to be run and of those behind them: `dvc repro` runs what is before."""
    behind = get_subgraph_of_nodes(graph, to_run, downstream=True)
    needed = behind.subgraph([stage for stage in behind if not _may_be_older(stage, everything)])
    return [stage.addressing for stage, readers in needed.in_degree() if not readers]


def _recorded(stage: Any) -> Iterator[str]:
    """Yield in what a stage is not what dvc.lock has recorded of it."""
    if not all(out.hash_info for out in stage.outs):
        yield f"dvc.lock: {stage.addressing} has not been run as it stands in dvc.yaml"
        return
    if stage.cmd_changed:
        yield f"dvc.yaml: cmd is not what {stage.addressing} was run with"
    for dependency in stage.deps:
        if isinstance(dependency, ParamsDependency):
            for path, changed in dependency.status().items():
                keys = _name_leaves(dependency, changed) if isinstance(changed, dict) else "all of it"
                yield f"{path}: {keys} is not what {stage.addressing} was run with"
    for out in stage.outs:
        if not out.use_cache:
            for path, state in out.status().items():
                yield f"{path}: {state} since {stage.addressing} was run"


def _name_leaves(dependency: ParamsDependency, keys: Iterable[str]) -> str:
    recorded, here = dependency.hash_info.value or {}, dependency.read_params()
    return ", ".join(name_leaves(recorded.get(key), here.get(key), key) for key in keys)


def _made_of_others(stage: Any, makers: dict[str, tuple[Any, Any]]) -> Iterator[str]:
    """Yield what a stage has read, by dvc.lock, that is not what the stages before it have made since."""
    if not all(out.hash_info for out in stage.outs):
        return
    for dependency in stage.deps:
        if dependency.fs_path in makers:
            maker, out = makers[dependency.fs_path]
            if out.hash_info and out.hash_info != dependency.hash_info:
                path = dependency.def_path
                yield f"dvc.lock: {stage.addressing} has not read the {path} that {maker.addressing} has made"
        elif _is_folder_in_git(dependency, makers) and dependency.status():
            yield f"{dependency.def_path}: has changed since {stage.addressing} was run"


def _is_folder_in_git(dependency: Any, makers: dict[str, tuple[Any, Any]]) -> bool:
    """Return whether a dependency is a folder of results that are all in git."""
    inside = [out for path, (_, out) in makers.items() if Path(dependency.fs_path) in Path(path).parents]
    return bool(inside) and not any(out.use_cache for out in inside)


def _made_by_none(makers: dict[str, tuple[Any, Any]]) -> list[str]:
    """Return the files in the folders of the results in git that are no stage's result."""
    folders = {Path(out.def_path).parent for _, out in makers.values() if not out.use_cache} - {Path()}
    paths = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
    return sorted(path.as_posix() for path in paths if str(path.absolute()) not in makers)


def main() -> None:
    """Check this folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="let no stage be older than the models that it reads")
    found = check(parser.parse_args().all)
    if found.mismatches:
        raise UserError("\n".join((*found.mismatches, f"run {', then '.join(found.remedies)}, and {COMMIT}")))
    for stage in found.older:
        print(f"{stage} is older than some models; before this goes to main: `dvc repro {stage}`, and commit dvc.lock")
    for note in revision.notes():
        print(note)


if __name__ == "__main__":
    run(main)
