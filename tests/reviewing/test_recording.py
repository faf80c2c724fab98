"""What recorded_run.json says of which machine made what."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from reviewing import recording
from reviewing.recording import Clock, Machine, Record, digest, updated
from stages.shared.errors import UserError
from tests.reviewing.repository import ROOT

LAPTOP = Machine(
    processor="laptop", system="Linux", python="3.12.1", numpy="2.4.6", blas="openblas 0.3", kernel="Haswell", simd=()
)


def entry(md5: str, **more: Any) -> dict[str, Any]:
    return {"cmd": "x", "outs": [{"path": "out", "md5": md5}]} | more


def machines(record: Record, entries: Mapping[str, Any]) -> dict[str, str]:
    return {stage: machine.processor for stage, (machine, _) in record.of(entries).items()}


@pytest.fixture
def by_laptop() -> Record:
    return Record(runs=[recording.Run(machine=LAPTOP, stages={"a": made("1"), "b": made("2")})])


def made(md5: str) -> recording.Made:
    return recording.Made(outputs=digest(entry(md5)), seconds=7)


def test_the_machine_is_this_one_and_has_no_name_of_a_host_or_a_path() -> None:
    here = recording.here()
    assert here.numpy == np.__version__
    assert here.kernel in [library.get("architecture") for library in threadpool_info()]
    text = here.model_dump_json()
    assert "/" not in text
    assert (
        subprocess.run(["uname", "-n"], capture_output=True, check=True, text=True).stdout.strip() not in text.split()
    )


@pytest.mark.skipif(recording.here().kernel is None, reason="the library of linear algebra does not tell its kernel")
def test_the_kernel_and_the_extensions_are_those_that_are_used() -> None:
    program = "from reviewing.recording import here; print(here().model_dump_json())"
    environment = {"OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": " ".join(recording.here().simd)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    there = Machine.model_validate_json(done.stdout)
    assert there.simd == ()
    assert there.kernel == "Nehalem" or recording.here().kernel not in ("Haswell", "SkylakeX", "Zen")
    assert there.arithmetic != recording.here().arithmetic


def test_the_library_of_linear_algebra_is_the_one_that_numpy_was_built_with() -> None:
    config: Any = np.show_config(mode="dicts")
    built_with = config["Build Dependencies"]["blas"]
    assert recording.here().blas == f"{built_with['name']} {built_with['version']}"


def test_another_python_or_processor_has_the_same_arithmetic() -> None:
    assert LAPTOP.model_copy(update={"python": "3.13", "processor": "x"}).arithmetic == LAPTOP.arithmetic
    for field in ("numpy", "blas", "kernel"):
        assert LAPTOP.model_copy(update={field: "x"}).arithmetic != LAPTOP.arithmetic


@pytest.mark.parametrize("path", ["/usr/bin:/bin", None])
def test_a_stage_finds_this_python_first(path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    if path is not None:
        monkeypatch.setenv("PATH", path)
    folder, *others = recording.environment()["PATH"].split(os.pathsep)
    assert folder == str(Path(sys.executable).parent)
    assert others == (path or os.defpath).split(os.pathsep)


def test_what_is_the_same_keeps_its_machine(by_laptop: Record) -> None:
    entries = {"a": entry("1", deps=[{"path": "code", "md5": "new"}]), "b": entry("2")}
    assert updated(by_laptop, entries, ["a", "b"], {"a": 100}) == by_laptop


def test_what_was_made_anew_has_this_machine_and_what_is_gone_is_forgotten(by_laptop: Record) -> None:
    entries = {"a": entry("9"), "c": entry("3")}
    record = updated(by_laptop, entries, ["a", "c"], {"a": 1.6})
    assert machines(record, entries) == dict.fromkeys("ac", recording.here().processor)
    assert [run.stages["a"].seconds for run in record.runs] == [2]


def test_of_what_came_from_elsewhere_nothing_is_said(by_laptop: Record) -> None:
    entries = {"a": entry("9"), "b": entry("2")}
    assert machines(updated(by_laptop, entries, [], {}), entries) == {"b": "laptop"}
    assert machines(by_laptop, entries) == {"b": "laptop"}


def test_a_clock_counts_what_ends_well() -> None:
    clock = Clock()
    printed = ["Running stage 'a':", "> python", "Stage 'b' didn't change, skipping", "Running stage 'c@d':"]
    assert [clock.read(line) for line in printed] == ["a", None, None, "c@d"]
    assert clock.running == "c@d"
    assert list(clock.seconds) == ["a"]
    clock.end()
    assert list(clock.seconds) == ["a", "c@d"]


@pytest.mark.parametrize("text", ["{", "[]", '{"runs": [{}]}', "<<<<<<< HEAD\n"])
def test_a_file_that_is_no_record_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "recorded_run.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"^recorded_run\.json: not what `make repro` writes"):
        recording.load(tmp_path)


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n", "", "stages\n", "schema: '2.0'\n"])
def test_a_file_that_is_no_lock_is_an_error(text: str) -> None:
    with pytest.raises(UserError, match=r"^dvc\.lock: not what DVC writes .*; `git restore dvc\.lock`$"):
        recording.entries_of(text)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a repository with a pipeline of two stages, of which nothing has been run."""
    monkeypatch.chdir(tmp_path)
    stage = "{cmd: 'cp in out-%s', deps: [in], outs: ['out-%s']}"
    Path("dvc.yaml").write_text(f"stages:\n  a: {stage % ('a', 'a')}\n  b: {{cmd: 'cp no out-b', outs: [out-b]}}\n")
    Path("in").write_text("1")
    for command in (["git", "init", "--quiet"], [sys.executable, "-m", "dvc", "init", "--quiet"]):
        subprocess.run(command, check=True)
    return tmp_path


@pytest.mark.slow
@pytest.mark.usefixtures("project")
def test_a_run_is_recorded_up_to_the_stage_that_fails_and_once() -> None:
    for _ in range(2):
        with pytest.raises(SystemExit) as caught:
            recording.main()
        assert caught.value.code not in (0, None)
        (run,) = json.loads(Path("recorded_run.json").read_text(encoding="utf-8"))["runs"]
        assert list(run["stages"]) == ["a"]
        assert Machine.model_validate(run["machine"]) == recording.here()
    before = Path("recorded_run.json").stat().st_mtime_ns
    recording.note({})
    assert Path("recorded_run.json").stat().st_mtime_ns == before


@pytest.mark.slow
@pytest.mark.usefixtures("project")
def test_what_was_run_by_dvc_alone_is_recorded_before_its_commit_and_not_after() -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", *identity, "commit", "--quiet", "--allow-empty", "--message", "x"], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet", "a"], check=True)
    recording.note({})
    text = Path("recorded_run.json").read_text(encoding="utf-8")
    assert recording.load().of(recording.entries_of(Path("dvc.lock").read_text())).keys() == {"a"}
    assert json.loads(text)["runs"][0]["stages"]["a"]["seconds"] is None
    Path("recorded_run.json").unlink()
    subprocess.run(["git", "add", "dvc.lock"], check=True)
    subprocess.run(["git", *identity, "commit", "--quiet", "--message", "x"], check=True)
    recording.note({})
    assert not Path("recorded_run.json").exists()


def test_what_is_in_git_already_and_was_not_run_here_is_not_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_lock(**hashes: str) -> None:
        stages = {stage: entry(md5) for stage, md5 in hashes.items()}
        Path("dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}), encoding="utf-8")

    monkeypatch.chdir(tmp_path)
    recording.note({})
    write_lock(committed="1", changed="2", again="3")
    for command in (
        ["init", "--quiet"],
        ["add", "dvc.lock"],
        ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "--message", "x"],
    ):
        subprocess.run(["git", *command], check=True)
    recording.note({})
    assert not Path("recorded_run.json").exists()
    write_lock(committed="1", changed="9", again="3", new="4")
    recording.note({"again": 3.4})
    (run,) = recording.load().runs
    assert {stage: made.seconds for stage, made in run.stages.items()} == {"changed": None, "again": 3, "new": None}


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="only Linux has this file")
def test_the_processor_has_the_name_that_the_system_gives_it() -> None:
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    if not names:
        pytest.skip("it does not name the processor")
    assert recording.here().processor == names[0]
