"""Run what has changed of the pipeline and note the machine that made it: `python -m reviewing.recording`.

dvc.lock says what the stages made, recorded_run.json beside it on which kind of machine, and how long that took. It is
no output of a stage, and it does not change where the same bytes are made again.
"""

import hashlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from threadpoolctl import threadpool_info

from stages.shared import git
from stages.shared.artifacts import write_json
from stages.shared.errors import UserError, run
from stages.shared.machine import processor

RECORD = Path("recorded_run.json")
LOCK = Path("dvc.lock")
REPRO = (sys.executable, "-m", "dvc", "repro")

Entries = Mapping[str, Any]  # of dvc.lock, by the names of their stages


class Machine(BaseModel):
    """What a run's bytes may depend on.

    Attributes
    ----------
    processor, system, python : str
        Its name and kind, and the version of Python. The bytes have been the same on different ones.
    numpy, blas : str
        Versions of NumPy and of its library of linear algebra.
    kernel : str or None
        The kind of processor that this library has chosen its products for, None if it does not tell.
    simd : tuple of str
        Extensions of the processor's instructions that NumPy uses, beyond those that it always does.
    """

    model_config = ConfigDict(frozen=True)

    processor: str
    system: str
    python: str
    numpy: str
    blas: str
    kernel: str | None
    simd: tuple[str, ...]

    @property
    def arithmetic(self) -> tuple[Any, ...]:
        """What decides in which order numbers are added, and so the last bits of a sum."""
        return self.numpy, self.blas, self.kernel, self.simd


class Made(BaseModel):
    """A stage that was run: a digest of its outputs in dvc.lock, and the seconds that it took, if they are known."""

    outputs: str
    seconds: int | None


class Run(BaseModel):
    """The stages whose outputs were made on one machine."""

    machine: Machine
    stages: dict[str, Made]


class Record(BaseModel):
    """All of recorded_run.json."""

    runs: list[Run] = []

    def of(self, entries: Entries) -> dict[str, tuple[Machine, Made]]:
        """Return, by stage, what is known of the run that made just the outputs of this dvc.lock."""
        return {
            stage: (run.machine, made)
            for run in self.runs
            for stage, made in run.stages.items()
            if stage in entries and made.outputs == digest(entries[stage])
        }


def here() -> Machine:
    """Return the machine that this runs on."""
    config: Any = np.show_config(mode="dicts")  # without what is empty
    blas = config.get("Build Dependencies", {}).get("blas", {})
    kernels = [library.get("architecture") for library in threadpool_info() if library["user_api"] == "blas"]
    return Machine(
        processor=processor(),
        system=" ".join((platform.system(), platform.machine(), *platform.libc_ver())).strip(),
        python=platform.python_version(),
        numpy=np.__version__,
        blas=f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
        kernel=next(iter(kernels), None),
        simd=tuple(config.get("SIMD Extensions", {}).get("found", ())),
    )


def digest(entry: Mapping[str, Any]) -> str:
    """Return a hash of the outputs in a stage's entry of dvc.lock."""
    outputs = sorted((out["path"], out.get("md5")) for out in entry.get("outs", []))
    return hashlib.sha256(json.dumps(outputs).encode()).hexdigest()[:16]


def entries_of(text: str) -> Entries:
    """Return the entries of a dvc.lock; raise UserError if it is none."""
    try:
        stages: Entries = YAML(typ="safe", pure=True).load(text)["stages"]
    except (YAMLError, LookupError, TypeError) as error:
        raise UserError(f"{LOCK}: not what DVC writes ({' '.join(str(error).split())}); `git restore {LOCK}`") from None
    return stages


def parse(text: str | None) -> Record:
    """Return a record, an empty one if there is no text; raise UserError if it is not what `make repro` writes."""
    try:
        return Record() if text is None else Record.model_validate_json(text)
    except ValidationError as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{RECORD}: not what `make repro` writes ({reason}); `git restore {RECORD}`, or delete it and commit that"
        ) from None


def load(folder: Path = Path()) -> Record:
    """Return the record in a folder of the project."""
    path = folder / RECORD
    return parse(path.read_text(encoding="utf-8", errors="replace") if path.exists() else None)


def updated(record: Record, entries: Entries, made: Collection[str], seconds: Mapping[str, float]) -> Record:
    """Return the record that belongs to a dvc.lock.

    Parameters
    ----------
    record : Record
        The one before; what it says of outputs that are still the same is kept.
    entries : dict
        Entries of the dvc.lock.
    made : collection of str
        Stages that this machine has run.
    seconds : dict
        How long stages took, as far as that is known.
    """
    runs: dict[Machine, dict[str, Made]] = {run.machine: {} for run in record.runs}
    known = record.of(entries)
    for stage, entry in entries.items():
        if stage in known:
            machine, kept = known[stage]
            runs[machine][stage] = kept
        elif stage in made:
            took = round(seconds[stage]) if stage in seconds else None
            runs.setdefault(here(), {})[stage] = Made(outputs=digest(entry), seconds=took)
    return Record(runs=[Run(machine=machine, stages=stages) for machine, stages in runs.items() if stages])


class Clock:
    """Times the stages of a `dvc repro` by what it prints.

    Attributes
    ----------
    running : str or None
        The stage that runs.
    seconds : dict
        How long each took that has ended.
    """

    def __init__(self) -> None:
        self.running: str | None = None
        self.seconds: dict[str, float] = {}
        self._began = 0.0

    def read(self, line: str) -> str | None:
        """Take a line; return the stage that begins with it, if one does."""
        found = re.match(r"(Running s|S)tage '(.+?)'", line)
        if not found:
            return None
        self.end()
        if found[1] == "S":  # "Stage ... didn't change" or "... is cached"
            return None
        self.running, self._began = found[2], time.monotonic()
        return self.running

    def end(self) -> None:
        """Note that the stage that runs has ended, and well: DVC begins no other one after a failure."""
        if self.running:
            self.seconds[self.running] = time.monotonic() - self._began
        self.running = None


def environment() -> dict[str, str]:
    """Return the environment variables for a `dvc repro` whose stages find this Python, as `python`, first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return git.environment() | {"PATH": path, "PYTHONUNBUFFERED": "1"}


def repro() -> tuple[int, dict[str, float]]:
    """Run `dvc repro`; return its exit status, and how long each stage took that it ran to the end."""
    clock = Clock()
    with subprocess.Popen(REPRO, env=environment(), stdout=subprocess.PIPE, text=True, errors="replace") as process:
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # DVC gets it too, and ends in its own way
        for line in process.stdout or ():
            print(line, end="", flush=True)
            clock.read(line)
        status = process.wait()
        signal.signal(signal.SIGINT, handler)
    if status == 0:
        clock.end()
    return status, clock.seconds


def note(seconds: Mapping[str, float]) -> None:
    """Write recorded_run.json anew if dvc.lock has outputs that it does not know, and that were made here.

    That is by a stage that was just run, or by one whose entry is not in git yet.
    """
    if not LOCK.exists():
        return
    record, entries = load(), entries_of(LOCK.read_text(encoding="utf-8"))
    git = subprocess.run(["git", "show", f"HEAD:./{LOCK}"], capture_output=True, check=False, encoding="utf-8")
    committed = {} if git.returncode else entries_of(git.stdout)
    fresh = {stage for stage, entry in entries.items() if digest(entry) != digest(committed.get(stage, {}))}
    new = updated(record, entries, fresh | seconds.keys(), seconds)
    if new != record:
        write_json(RECORD, new.model_dump(mode="json"))


def main() -> None:
    """Run the pipeline in this folder."""
    status, seconds = repro()
    if status == 0 or seconds:
        note(seconds)
    sys.exit(status)


if __name__ == "__main__":
    run(main)
