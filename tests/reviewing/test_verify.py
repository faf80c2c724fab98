"""Running a small pipeline again: one whose outputs depend on a variable, as real ones do on the processor."""

import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from reviewing import recording, verify
from reviewing.proof import Proof, Stage, markdown
from stages.shared.errors import UserError
from stages.shared.mnist import FILES
from tests.pipeline import ROOT, Project, Write

MODEL = "w3-relu-10"
ORDER = ["digits", f"train@{MODEL}", f"evaluate@{MODEL}", "reproduce"]
WORK = """
import json, os, pathlib, sys, time

what, target = sys.argv[1], pathlib.Path(sys.argv[2])
noise = float(os.environ.get("NOISE", "0"))
with open(os.environ.get("LOG", os.devnull), "a") as log:
    print(os.getpid(), what, file=log)
time.sleep(float(os.environ.get("SLEEP", "0")))
if os.environ.get("FAIL") == what:
    sys.exit("it cannot be done")
test = {"accuracy": 0.87 + noise, "interval": [0.8, 0.9], "cross_entropy": 0.4}
spread = {"subject": {"quantity": "accuracy", "part": "test", "update": 500}, "seeds": 5, "mean": 0.86, "sd": 0.01}
claim = {"id": "W3.1", "write_up": "W3", "measured": [spread]}
network = json.loads(pathlib.Path("network.json").read_text())
texts = {
    "digits": os.environ.get("DIGITS", "digits"),
    "train": str(noise),
    "evaluate": json.dumps({"dataset": "MNIST", "test": test}),
    "reproduce": json.dumps({"dataset": "MNIST", "networks": {"W3": network}, "claims": [claim]}),
}
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(texts[what])
"""


def stage(what: str, target: str, dep: str, cache: bool = True) -> dict[str, Any]:
    return {
        "cmd": f"python work.py {what} {target}",
        "deps": ["work.py", dep],
        "outs": [{target: {"cache": cache}}],
    }


PIPELINE = {
    "stages": {
        "digits": stage("digits", "data/digits", "own.csv"),
        "train": {"foreach": "${models}", "do": stage("train", "models/${key}", "data/digits")},
        "evaluate": {
            "foreach": "${models}",
            "do": stage("evaluate", "metrics/${key}.json", "models/${key}", cache=False),
        },
        "reproduce": stage("reproduce", "metrics/reproductions.json", "work.py", cache=False) | {"deps": ["work.py"]},
    }
}


def write_yaml(path: str, content: object) -> None:
    with Path(path).open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(content, file)


def commit() -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "add", "--all"], check=True)
    subprocess.run(["git", *identity, "commit", "--quiet", "--allow-empty", "--message", "run"], check=True)


def program(module: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository in which the pipeline has been run, with what it needs and git does not have."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("work.py").write_text(WORK, encoding="utf-8")
        Path("own.csv").write_text("label\n", encoding="utf-8")
        Path(".gitignore").write_text("/data/\n/models/\n/verify/\n/own.csv\n", encoding="utf-8")
        write_yaml("dvc.yaml", PIPELINE)
        row = YAML(typ="safe").load(ROOT / "params.yaml")["models"][MODEL]
        write_yaml("params.yaml", {"models": {MODEL: row}})
        Path("network.json").write_text(json.dumps(row), encoding="utf-8")
        subprocess.run(["git", "init", "--quiet"], check=True)
        subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
        cache = tmp_path_factory.mktemp("cache")  # one that every clone would share
        subprocess.run([sys.executable, "-m", "dvc", "cache", "dir", str(cache)], check=True)
        commit()
        with program("reviewing.recording") as process:
            printed, _ = process.communicate()
        assert process.returncode == 0, printed
        commit()
    return folder


@pytest.fixture
def project(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a copy of the repository; return a folder that takes the place of /tmp."""
    shutil.copytree(recorded, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    return temporary


def proof_of(seconds: dict[str, float], folder: Path) -> Callable[[], Proof]:
    """Return what compares a finished run with what the last commit has recorded by now."""

    def prove() -> Proof:
        with verify.checkout("HEAD") as clean:
            return Proof("0" * 40, recording.here(), verify.compare(folder, verify.read(clean), seconds))

    return prove


@pytest.fixture(scope="module")
def runs(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, float], Path]]:
    """Return the times and the folders of two runs: on the machine of the record, and on another one."""
    finished = {}
    for noise in ("0", "0.001"):
        folder = tmp_path_factory.mktemp("run") / "copy"
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(recorded)
            patch.setenv("NOISE", noise)
            with verify.checkout("HEAD") as clean:
                shutil.copytree(clean, folder)
            shutil.copy("own.csv", folder)
            (folder / "dvc.lock").unlink()
            finished[noise] = verify.run_again(folder, [], len(ORDER)), folder
    return finished


@pytest.fixture
def same(project: Path, runs: dict[str, tuple[dict[str, float], Path]]) -> Callable[[], Proof]:
    """Return what compares a run with the same bytes with the last commit."""
    return proof_of(*runs["0"])


@pytest.fixture
def other(project: Path, runs: dict[str, tuple[dict[str, float], Path]]) -> Callable[[], Proof]:
    """Return what compares a run with other bytes with the last commit."""
    return proof_of(*runs["0.001"])


def edit(path: str, old: str, new: str) -> None:
    """Change a file of the last commit."""
    text = Path(path).read_text(encoding="utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new), encoding="utf-8")
    commit()


def another_kernel() -> None:
    """Let the record name another kernel than that of this machine."""
    record = json.loads(Path("recorded_run.json").read_text(encoding="utf-8"))
    record["runs"][0]["machine"]["kernel"] = "of another processor"
    Path("recorded_run.json").write_text(json.dumps(record), encoding="utf-8")
    commit()


def by_name(proof: Proof) -> dict[str, Stage]:
    return {stage.name: stage for stage in proof.stages}


def test_it_runs_everything_without_the_cache_and_leaves_nothing_but_the_proof(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("LOG", str(log))
    monkeypatch.setattr(sys, "argv", ["verify", "--stages"])
    Path("work.py").write_text("not what was committed", encoding="utf-8")
    verify.main()
    assert sorted(line.split()[1] for line in log.read_text().splitlines()) == sorted(
        name.partition("@")[0] for name in ORDER
    )
    found = json.loads(Path("verify/verify.json").read_text(encoding="utf-8"))
    assert found["reproduced"]
    assert {stage["name"] for stage in found["stages"]} == set(ORDER)
    assert all(stage["same_bytes"] and stage["recorded_on"] == found["here"] for stage in found["stages"])
    text = Path("verify/verify.md").read_text(encoding="utf-8")
    assert text.count("| same bytes |") == len(ORDER)
    assert list(project.glob("verify-*")) == []
    printed = capsys.readouterr().out
    assert "what is committed is verified; 1 tracked file" in printed
    assert "4 stages to run; recorded are about 1 min" in printed
    assert " 4/4 " in printed


def test_a_part_is_run_with_what_it_depends_on(project: Path) -> None:
    proof = verify.verify([f"train@{MODEL}"])
    assert [stage.name for stage in proof.stages] == ORDER[:2]
    assert proof.failed == []


def test_a_stage_that_is_not_there_is_named_with_those_that_are(project: Path) -> None:
    with pytest.raises(UserError, match=r"^train@x, plot: not a stage of the last commit, which has (.*)$") as caught:
        verify.verify(["train", "train@x", "plot"])
    assert sorted(str(caught.value).partition(" has ")[2].split(", ")) == sorted(ORDER)


def test_a_lock_with_another_hash_fails_and_names_the_stage(same: Callable[[], Proof]) -> None:
    assert same().failed == []
    lock = YAML(typ="safe").load(Path("dvc.lock"))
    (out,) = lock["stages"][f"train@{MODEL}"]["outs"]
    edit("dvc.lock", out["md5"], "0" * 32)
    proof = same()
    assert proof.failed == [f"train@{MODEL}"]
    assert f"| `train@{MODEL}` | {by_name(proof)[f'train@{MODEL}'].seconds:.0f} s | **not reproduced** | `models/" in (
        markdown(proof)
    )


@pytest.mark.parametrize("kernel", ["same", "another"])
def test_a_metric_that_is_not_that_of_the_lock_fails_on_any_machine(same: Callable[[], Proof], kernel: str) -> None:
    if kernel == "another":
        another_kernel()
    edit(f"metrics/{MODEL}.json", '"accuracy": 0.87', '"accuracy": 0.871')
    proof = same()
    assert proof.failed == [f"evaluate@{MODEL}"]
    assert "(not what `dvc.lock` says, already in git)" in markdown(proof)


def test_a_stage_that_is_not_recorded_fails(same: Callable[[], Proof]) -> None:
    lock = YAML(typ="safe").load(Path("dvc.lock"))
    del lock["stages"]["reproduce"]
    write_yaml("dvc.lock", lock)
    commit()
    assert same().failed == ["reproduce"]


def test_other_bytes_fail_where_the_arithmetic_is_the_same_and_name_where_they_come_from(
    other: Callable[[], Proof],
) -> None:
    proof = other()
    assert proof.failed == [f"train@{MODEL}"]
    assert not by_name(proof)[f"evaluate@{MODEL}"].is_same


def test_other_bytes_fail_where_the_machine_is_not_known(other: Callable[[], Proof]) -> None:
    Path("recorded_run.json").unlink()
    commit()
    proof = other()
    assert proof.failed == [f"train@{MODEL}", f"evaluate@{MODEL}"]
    assert "On what they were recorded is not known of 4 stages" in markdown(proof)


def test_on_another_kernel_the_spread_over_seeds_decides(other: Callable[[], Proof]) -> None:
    another_kernel()
    proof = other()
    assert proof.failed == []
    assert proof.verdict.startswith("reproduced on another kind of machine")
    (differing,) = by_name(proof)[f"evaluate@{MODEL}"].metrics[f"metrics/{MODEL}.json"]
    assert (differing.place, differing.verdict) == ("test.accuracy", "within")
    assert differing.allowed is not None
    margin = 2.776 * 2**0.5 * 0.01  # t of 5 seeds, from a table
    assert differing.allowed.low == pytest.approx(0.87 - margin, abs=1e-5)
    assert differing.allowed.high == pytest.approx(0.87 + margin, abs=1e-5)
    text = markdown(proof)
    assert "| of another processor |" in text
    assert "5 seeds | yes |" in text


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "fails"), [("0.039", False), ("-0.0395", True)])
def test_on_another_kernel_more_than_the_spread_fails(project: Path, monkeypatch: Any, noise: str, fails: bool) -> None:
    another_kernel()
    monkeypatch.setenv("NOISE", noise)
    assert verify.verify([f"evaluate@{MODEL}"]).failed == ([f"evaluate@{MODEL}"] if fails else [])


@pytest.mark.slow
def test_data_must_have_the_same_bytes_on_any_kernel(project: Path, monkeypatch: Any) -> None:
    another_kernel()
    monkeypatch.setenv("DIGITS", "others")
    assert verify.verify(["digits"]).failed == ["digits"]


@pytest.mark.slow
def test_a_stage_that_fails_is_shown_with_what_it_said(project: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("FAIL", "train")
    with pytest.raises(UserError, match=rf"(?s)^train@{MODEL} fails when it is run again.*it cannot be done"):
        verify.verify([])
    assert list(project.glob("verify-*")) == []
    assert not Path("verify").exists()


@pytest.mark.parametrize("content", [None, "another\n"])
def test_a_file_of_the_users_own_that_is_not_the_recorded_one_is_named(project: Path, content: str | None) -> None:
    Path("own.csv").unlink()
    if content:
        Path("own.csv").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"^own\.csv: was read when this was recorded, is not in git"):
        verify.verify([])
    assert verify.verify(["reproduce"]).failed == []


def test_images_that_are_there_and_right_are_taken_over(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    for name in FILES[:2]:
        (Path("data/raw") / name).write_text("digits", encoding="utf-8")
    right = hashlib.sha256(b"digits").hexdigest()
    data = YAML(typ="safe").load(ROOT / "params.yaml")["data"]
    data["sha256"] = dict.fromkeys(FILES, "0" * 64) | {FILES[0]: right}
    state = verify.Recorded({"fetch": {"outs": [{"path": "data/raw", "md5": "x.dir"}]}}, {}, {}, {"data": data})
    verify.take_over(tmp_path / "clone", state, ["fetch"])
    assert [path.name for path in (tmp_path / "clone/data/raw").iterdir()] == [FILES[0]]
    verify.take_over(tmp_path / "other", state, [])
    assert not (tmp_path / "other").exists()


def test_what_cannot_be_verified_is_one_message(project: Path, tmp_path: Path, monkeypatch: Any) -> None:
    Path("recorded_run.json").write_text("{", encoding="utf-8")
    commit()
    with pytest.raises(UserError, match=r"^recorded_run\.json: not what `make repro` writes"):
        verify.verify([])
    Path("dvc.lock").unlink()
    commit()
    with pytest.raises(UserError, match=r"^dvc\.lock: not in the last commit; run `make repro`"):
        verify.verify([])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^git rev-parse .*: .*not a git repository"):
        verify.verify([])


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something has come about, however slow the machine is."""
    while not condition():
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_process_and_no_file(project: Path, tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "log"
    process = program("reviewing.verify", LOG=str(log), SLEEP="1000000")
    wait_for(lambda: process.poll() is not None or (log.exists() and bool(log.read_text().strip())))
    assert process.poll() is None
    assert list(project.glob("verify-*"))
    process.send_signal(number)
    printed, _ = process.communicate()
    assert process.returncode == 1
    assert printed.rstrip().endswith("interrupted")
    (line,) = log.read_text().splitlines()
    wait_for(lambda: not is_running(int(line.split()[0])))
    assert list(project.glob("verify-*")) == []
    assert not Path("verify").exists()


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the kernels are those of x86-64")
def test_the_real_stages_on_the_same_and_on_another_kernel(
    tmp_path: Path, mirror: Path, write_parameters: Write
) -> None:
    project = Project(tmp_path / "project", mirror, write_parameters)
    project.set({"models.first.updates": 100})

    def run(module: str, kernel: str) -> subprocess.CompletedProcess[str]:
        environment = {"PYTHONPATH": str(ROOT), "OPENBLAS_CORETYPE": kernel}
        return project.run(sys.executable, "-m", module, **environment)

    assert run("reviewing.recording", "Haswell").returncode == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        commit()
    assert run("reviewing.verify", "Haswell").returncode == 0
    found = json.loads((project.folder / "verify/verify.json").read_text(encoding="utf-8"))
    assert all(stage["same_bytes"] for stage in found["stages"])
    assert len(found["stages"]) == 9
    assert run("reviewing.verify", "Nehalem").returncode == 0
    found = json.loads((project.folder / "verify/verify.json").read_text(encoding="utf-8"))
    differing = {stage["name"] for stage in found["stages"] if not stage["same_bytes"]}
    assert "train@first" in differing
    assert not {name for name in differing if name.startswith(("fetch", "preprocess"))}
