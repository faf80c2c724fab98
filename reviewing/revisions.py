"""The two revisions that a report compares, a base and the workspace, as git and DVC have them."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import NoSCM, resolve_rev
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from reviewing.rows import count_classes, in_new_form
from stages.shared import git
from stages.shared.changes import Change, changes
from stages.shared.errors import UserError
from stages.shared.schema import PATH

WORKSPACE = "workspace"  # what DVC calls the files as they stand
LOCK = "dvc.lock"


class Rerun(NamedTuple):
    """A stage whose entry in dvc.lock differs: is it new, removed or changed, and in what it reads and makes."""

    stage: str
    state: str
    causes: list[str]
    outs: list[str]


class Revision:
    """The project's files at a revision.

    Parameters
    ----------
    name : str
        A revision of git, or `WORKSPACE`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._files = DVCFileSystem(rev=None if name == WORKSPACE else name)

    def text(self, path: str) -> str | None:
        """Return the text of a file, None if it is not there."""
        try:
            text: str = self._files.read_text(path, encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise self._unreadable(path, error) from None
        return text

    def json(self, path: str) -> dict[str, Any]:
        """Return the content of a JSON file, an empty map if it is not there."""
        return self._map(path, json.loads, self.text(path))

    def yaml(self, path: str) -> dict[str, Any]:
        """Return the content of a YAML file, an empty map if it is not there."""
        return self._map(path, YAML(typ="safe", pure=True).load, self.text(path))

    def table(self, path: str, columns: list[str], rows: int | None = None) -> pd.DataFrame | None:
        """Return these columns of a CSV file of integers, with so many rows if said; None if it is not there."""
        text = self.text(path)
        if text is None:
            return None
        try:
            table = pd.read_csv(io.StringIO(text), usecols=columns, dtype=int)
        except (ValueError, OverflowError) as error:
            raise self._unreadable(path, error) from None
        if rows not in (None, len(table)):
            raise self._unreadable(path, f"it has {len(table)} rows, not {rows}")
        return table

    def parameters(self) -> dict[str, Any]:
        """Return the content of params.yaml, its models in the form of today."""
        return self._in_new_form(self.yaml(str(PATH)))

    def models(self) -> dict[str, Any]:
        """Return the rows of the section models of params.yaml, none if there is no such file or section."""
        rows = self.parameters().get("models")
        return rows if isinstance(rows, dict) else {}

    def stages(self) -> dict[str, Any]:
        """Return the entries of dvc.lock by the names of their stages."""
        return self.yaml(LOCK).get("stages") or {}

    def stages_in_new_form(self) -> dict[str, Any]:
        """Return the same with the same network in the same words, so that a new form is no cause of a run."""
        return {
            name: entry | {"params": self._in_new_form(entry.get("params", {}))}
            for name, entry in self.stages().items()
        }

    def _in_new_form(self, content: dict[str, Any]) -> dict[str, Any]:
        new: dict[str, Any] = in_new_form(content, count_classes(self.yaml(str(PATH))))
        return new

    def _map(self, path: str, parse: Any, text: str | None) -> dict[str, Any]:
        try:
            content = {} if text is None else parse(text)
        except (ValueError, YAMLError) as error:
            raise self._unreadable(path, error) from None
        if not isinstance(content, dict):
            raise self._unreadable(path, "not a map of keys to values")
        return content

    def _unreadable(self, path: str, error: object) -> UserError:
        return UserError(f"{path} in {self.name}: not what belongs there ({error}); mend it there and commit it")


@dataclass(frozen=True)
class Comparison:
    """What differs between a base and the workspace.

    Attributes
    ----------
    before, after : Revision
        The base and the workspace.
    commits : tuple of str
        Hash of the base and of HEAD.
    dirty : bool
        Whether files in git differ from HEAD.
    parameters : list of Change
        Those that differ, in the form that rows of models have today.
    metrics : dict
        Numbers and texts that differ, by the file they are in, both in alphabetical order.
    reruns : list of Rerun
        Stages that differ in dvc.lock, in alphabetical order.
    behind : list of str
        Stages for which DVC sees changes since they ran. What is absent, as in a new clone, does not count.
    """

    before: Revision
    after: Revision
    commits: tuple[str, str]
    dirty: bool
    parameters: list[Change]
    metrics: dict[str, list[Change]]
    reruns: list[Rerun]
    behind: list[str]


def compare(base: str) -> Comparison:
    """Return what differs between a revision of git and the workspace.

    Raises
    ------
    UserError
        If there is no such revision, or a file of one of the two is not what DVC or this project can read.
    """
    try:
        with Repo(uninitialized=True) as repo:
            commits = (_resolve(repo, base), repo.scm.get_rev())
            before, after = Revision(base), Revision(WORKSPACE)
            return Comparison(
                before,
                after,
                commits,
                repo.scm.is_dirty(untracked_files=False),
                changes(before.parameters(), after.parameters()),
                _of_metrics(repo.metrics, base),
                reruns(before.stages_in_new_form(), after.stages_in_new_form()),
                sorted(stage for stage, entries in repo.status().items() if _is_behind(entries)),
            )
    except DvcException as error:
        raise UserError(f"DVC cannot compare with {base}: {error}") from None


def _resolve(repo: Any, base: str) -> str:
    if isinstance(repo.scm, NoSCM):
        raise UserError(
            f"{Path.cwd()} is not in a repository of git, and a report compares with a revision that git has; "
            "clone the project with `git clone`, and run this in the clone"
        )
    if not git.answer("rev-parse", "--verify", "--quiet", "HEAD"):
        raise UserError(
            f"{Path.cwd()} is in a repository of git that has no commit yet, and a report compares with one; "
            "`git add --all`, then `git commit --message 'First results'`, and make the report after the next change"
        )
    try:
        found: str = resolve_rev(repo.scm, base)
    except DvcException:
        found = ""
    commit = git.answer("rev-parse", "--verify", "--quiet", f"{found}^{{commit}}")  # which a file or a folder has not
    if not found or not commit:
        raise UserError(f"{base}: no revision that git knows here; {_what_there_is()}")
    return commit


def _what_there_is() -> str:
    """Return how to get the commits that are not here, or to see which there are."""
    if not git.answer("remote"):
        return "`git branch --all` and `git tag` list what there is"
    deepen = "--unshallow " if git.answer("rev-parse", "--is-shallow-repository") == "true" else ""
    return (
        f"`git fetch {deepen}origin '+refs/heads/*:refs/remotes/origin/*'` gets all branches; "
        "name one as git does, such as: make report BASE=origin/main"
    )


def _of_metrics(metrics: Any, base: str) -> dict[str, list[Change]]:
    """Return what DVC says has changed of the repository's metrics, by file."""
    files = metrics.diff(a_rev=base, b_rev=WORKSPACE).get("diff", {})
    return {
        path: [Change(key, value["old"], value["new"]) for key, value in sorted(files[path].items())]
        for path in sorted(files)
    }


def reruns(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Rerun]:
    """Return the stages whose entries differ between two files dvc.lock.

    Parameters
    ----------
    before, after : dict
        The entries of the files by the names of their stages.
    """
    found = []
    for stage in sorted({**before, **after}):
        old, new = before.get(stage, {}), after.get(stage, {})
        if old != new:
            state = "new" if not old else "removed" if not new else "changed"
            command = ["cmd"] if old.get("cmd") != new.get("cmd") else []
            causes = [*command, *_differing(_parameters(old), _parameters(new)), *_paths(old, new, "deps")]
            found.append(Rerun(stage, state, causes, _paths(old, new, "outs")))
    return found


def _parameters(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{path}:{key}": value for path, keys in entry.get("params", {}).items() for key, value in keys.items()}


def _paths(old: Mapping[str, Any], new: Mapping[str, Any], kind: str) -> list[str]:
    """Return the paths of dependencies or outputs whose hashes differ."""
    return _differing(*({item["path"]: item.get("md5") for item in entry.get(kind, [])} for entry in (old, new)))


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in {**old, **new} if old.get(key) != new.get(key))


def _is_behind(entries: list[Any]) -> bool:
    """Return whether something of a stage in `dvc status` has changed, and is not merely absent."""
    states = [state for entry in entries if isinstance(entry, dict) for kind in entry.values() for state in _flat(kind)]
    return any(entry != "always changed" for entry in entries if isinstance(entry, str)) or any(
        state not in ("deleted", "not in cache") for state in states
    )


def _flat(state: Any) -> list[str]:
    return [leaf for part in state.values() for leaf in _flat(part)] if isinstance(state, dict) else [state]
