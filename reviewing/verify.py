"""Prove what is recorded by running it again, from the last commit and without the cache: `python -m reviewing.verify`.

It writes verify/verify.md for people and verify/verify.json for machines.
"""

import argparse
import hashlib
import itertools
import os
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pooch
from dvc.exceptions import DvcException
from dvc.repo import Repo

from reviewing import recording
from reviewing.judging import differences, parsed
from reviewing.proof import Output, Proof, Stage, content, markdown
from reviewing.recording import LOCK, REPRO, Clock, Entries, Machine, Made, environment
from reviewing.significance import REPRODUCTIONS, Spread, find_spread
from stages.ladder import revision
from stages.shared import schema
from stages.shared.artifacts import replacing, write_json, write_text
from stages.shared.errors import UserError, run
from stages.shared.git import git
from stages.shared.mnist import FILES, RAW

FOLDER = Path("verify")
DATA = "data/"  # what lies in there has the same bytes on any machine
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAST_LINES = 40  # of what a stage prints, shown if it fails


@dataclass(frozen=True)
class Recorded:
    """What a commit says of a run.

    Attributes
    ----------
    entries : dict
        Of dvc.lock, by stage.
    files : dict
        Outputs in git, by their paths.
    known : dict
        The machine and the time of a stage, as far as recorded_run.json has them.
    parameters : dict
        Content of params.yaml.
    """

    entries: Entries
    files: Mapping[str, bytes]
    known: Mapping[str, tuple[Machine, Made]]
    parameters: Mapping[str, Any]

    def spread(self, path: str, part: str) -> Spread | None:
        """Return what the seed does to an accuracy: of the model with these metrics, on this part of its split."""
        rows = self.parameters.get("models")
        row = rows.get(Path(path).stem) if isinstance(rows, dict) else None
        dataset = (parsed(self.files.get(path)) or {}).get("dataset")
        return find_spread(row, dataset, parsed(self.files.get(REPRODUCTIONS)) or {}, part)


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """Yield a folder with the project at a commit, a clone with a cache of its own; remove it afterwards."""
    with TemporaryDirectory(prefix="verify-") as temporary:
        clone = Path(temporary) / "clone"
        git("clone", "--quiet", "--shared", "--no-checkout", git("rev-parse", "--show-toplevel"), clone)
        git("-C", clone, "checkout", "--quiet", "--detach", commit)
        folder = clone / git("rev-parse", "--show-prefix")
        if not (folder / LOCK).exists():
            raise UserError(f"{LOCK}: not in the last commit; run `make repro`, and commit it with metrics/")
        (folder / ".dvc/config.local").write_text("[cache]\n    dir = cache\n", encoding="utf-8")
        yield folder


def stages_of(folder: Path, targets: Sequence[str]) -> list[str]:
    """Return the names of these stages, all if there are none, and of those that they depend on."""
    try:
        with chdir(folder), Repo() as repo:
            known = [stage.addressing for stage in repo.index.stages]
            groups = [name.partition("@")[0] for name in known]
            wrong = [target for target in targets if target not in [*known, *groups]]
            if wrong:
                raise UserError(f"{', '.join(wrong)}: not a stage of the last commit, which has {', '.join(known)}")
            found = [stage for target in targets or [""] for stage in repo.stage.collect(target, with_deps=True)]
            return list(dict.fromkeys(stage.addressing for stage in found if stage.cmd))
    except DvcException as error:
        raise UserError(f"DVC cannot read the pipeline of the last commit: {error}") from None


def read(folder: Path) -> Recorded:
    """Return what is recorded in the checkout of a commit."""
    entries = recording.entries_of((folder / LOCK).read_text(encoding="utf-8"))
    paths = [path for entry in entries.values() for path in _hashes(entry, "outs") if (folder / path).is_file()]
    return Recorded(
        entries,
        {path: (folder / path).read_bytes() for path in paths},
        recording.load(folder).of(entries),
        schema.read(folder / schema.PATH),
    )


def _hashes(entry: Mapping[str, Any], kind: str) -> dict[str, str | None]:
    """Return the hashes of a stage's dependencies or outputs, by path."""
    return {item["path"]: item.get("md5") for item in entry.get(kind, [])}


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def take_over(folder: Path, recorded: Recorded, names: Sequence[str]) -> None:
    """Copy what the stages read and git does not have: images that were fetched, and files of the user's own.

    Raises
    ------
    UserError
        If such a file of the user's own is not here, or is not the recorded one.
    """
    entries = [recorded.entries.get(name, {}) for name in names]
    made = {path for entry in entries for path in _hashes(entry, "outs")}
    if str(RAW) in made:
        sums = schema.validate(schema.Data, recorded.parameters.get("data"), "data").sha256
        for name in FILES:
            if (RAW / name).is_file() and pooch.file_hash(RAW / name) == sums[name]:
                _copy(RAW / name, folder)
    for entry in entries:
        for path, md5 in _hashes(entry, "deps").items():
            if not (folder / path).exists() and not any(_overlap(path, out) for out in made):
                if not Path(path).is_file() or _md5(Path(path).read_bytes()) != md5:
                    raise UserError(
                        f"{path}: was read when this was recorded, is not in git, and is not here with the recorded "
                        f"MD5 {md5}; put it there, or verify stages that do not need it with --stages"
                    )
                _copy(Path(path), folder)


def _copy(path: Path, folder: Path) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / path)


def _overlap(one: str, other: str) -> bool:
    """Return whether two paths are the same, or one is in the other."""
    return Path(one).is_relative_to(other) or Path(other).is_relative_to(one)


def run_again(folder: Path, targets: Sequence[str], total: int) -> dict[str, float]:
    """Run the stages in a checkout, telling of each as it begins and ends; return how long each took.

    Raises
    ------
    UserError
        If one fails.
    """
    clock, last = Clock(), deque[str](maxlen=LAST_LINES)
    with subprocess.Popen(
        [*REPRO, *targets],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                last.append(line)
                _tell(clock, line, total)
        except BaseException:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.stdout.read()  # it ends when the last of them has gone
            raise
    if process.returncode:
        print()
        failed = clock.running or "dvc repro"
        raise UserError(f"{failed} fails when it is run again; the last that it said:\n{''.join(last)}")
    if clock.running:
        clock.end()
        print(f"{list(clock.seconds.values())[-1]:.0f} s")
    return clock.seconds


def _tell(clock: Clock, line: str, total: int) -> None:
    before = clock.running
    begun = clock.read(line)
    if before and clock.running != before:
        print(f"{clock.seconds[before]:.0f} s")
    if begun:
        print(f"{len(clock.seconds) + 1:>3}/{total} {begun} ... ", end="", flush=True)


def compare(folder: Path, recorded: Recorded, seconds: Mapping[str, float]) -> list[Stage]:
    """Return how what the stages have made in a checkout compares with what is recorded."""
    here, new = recording.here(), recording.entries_of((folder / LOCK).read_text(encoding="utf-8"))
    made = {path: name for name in seconds for path in _hashes(new[name], "outs")}
    stages = []
    for name, took in seconds.items():
        old = recorded.entries.get(name, {})
        machine, _ = recorded.known.get(name, (None, None))
        outs, new_outs = _hashes(old, "outs"), _hashes(new[name], "outs")
        deps, new_deps = _hashes(old, "deps"), _hashes(new[name], "deps")
        is_downstream = any(
            deps.get(dep) != md5 and any(_overlap(dep, path) for path in made) for dep, md5 in new_deps.items()
        )
        is_data = all(path.startswith(DATA) for path in outs)
        has_own_arithmetic = machine is not None and machine.arithmetic != here.arithmetic
        stages.append(
            Stage(
                name,
                took,
                machine,
                is_data or machine is None or not (is_downstream or has_own_arithmetic),
                [_output(folder, recorded, path, outs.get(path), new_outs.get(path)) for path in {**outs, **new_outs}],
                _metrics(folder, recorded, new_outs),
            )
        )
    return stages


def _output(folder: Path, recorded: Recorded, path: str, before: str | None, after: str | None) -> Output:
    committed, lines = recorded.files.get(path), ""
    if committed is not None and before != after and (folder / path).is_file():
        pairs = list(itertools.zip_longest(committed.splitlines(), (folder / path).read_bytes().splitlines()))
        lines = f"{sum(one != other for one, other in pairs):,} of {len(pairs):,} lines"
    return Output(path, before, after, None if committed is None else _md5(committed), lines)


def _metrics(folder: Path, recorded: Recorded, paths: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs in each JSON file of these that is in git."""
    found = {
        path: differences(
            parsed(recorded.files[path]), parsed((folder / path).read_bytes()), partial(recorded.spread, path)
        )
        for path in paths
        if path in recorded.files and path.endswith(".json")
    }
    return {path: differing for path, differing in found.items() if differing}


def expectation(names: Sequence[str], recorded: Recorded) -> str:
    """Return how long the run will take, by how long it took when it was recorded."""
    timed = {name: recorded.known[name] for name in names if name in recorded.known}
    seconds = [made.seconds for _, made in timed.values() if made.seconds is not None]
    if not seconds:
        return f"{len(names)} stages to run; how long they take is not recorded"
    minutes = max(1, round(sum(seconds) / 60))
    processors = " and ".join(sorted({machine.processor for machine, _ in timed.values()}))
    known = "" if len(seconds) == len(names) else f" for {len(seconds)} of them"
    return f"{len(names)} stages to run; recorded{known} are about {minutes} min, on {processors}"


def verify(targets: Sequence[str]) -> Proof:
    """Run stages of the last commit, and those that they depend on, and compare.

    Parameters
    ----------
    targets : sequence of str
        Names of stages; all if there are none.

    Raises
    ------
    UserError
        If this is no git repository with a recorded run, there is no such stage, or one fails.
    """
    commit = git("rev-parse", "--verify", "HEAD^{commit}")
    changed = git("status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        print(f"note: what is committed is verified; {len(changed)} tracked files have changes that are not in it")
    with checkout(commit) as folder:
        names, recorded = stages_of(folder, targets), read(folder)
        print(f"HEAD is {commit[:7]}. {expectation(names, recorded)}.", flush=True)
        (folder / LOCK).unlink()  # so that no stage counts as run
        take_over(folder, recorded, names)
        return Proof(commit, recording.here(), compare(folder, recorded, run_again(folder, targets, len(names))))


def _end(*_: object) -> None:
    """End this program once; what else would end it does not disturb it in clearing up."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", nargs="*", default=[], help="with those that they depend on; all if none is given")
    targets = parser.parse_args().stages
    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as it is under nohup
            signal.signal(number, _end)
    proof = verify(targets)
    with replacing(FOLDER) as folder:
        write_text(folder / "verify.md", markdown(proof))
        write_json(folder / "verify.json", content(proof))
    print(f"{proof.verdict}\n{FOLDER / 'verify.md'} and verify.json are written")
    for note in revision.notes():
        print(f"{note} It is no part of what was verified.")
    if proof.failed:
        raise UserError(f"{', '.join(proof.failed)}: not reproduced; {FOLDER / 'verify.md'} says what differs")


if __name__ == "__main__":
    run(main)
