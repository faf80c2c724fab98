"""Trainings by several ranks, started on this machine; what they need is installed by `make mpi`."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stages.claims.reproductions.runs import Experiment, Run
from stages.claims.reproductions.workers import run_all
from stages.fetch import fetch
from stages.nn.parts import Alone
from stages.preprocess import preprocess
from stages.shared import ranks
from stages.shared.errors import UserError
from stages.shared.schema import Seeds, load_data
from tests.networks import layer_rows
from tests.pipeline import ROOT, Project, Write

NAME = "w3-relu-10"
OUTPUTS = (f"models/{NAME}.npz", f"metrics/history/{NAME}.csv")
ADAM: dict[str, Any] = {
    "layers": layer_rows(12, dropout=0.3),
    "optimizer": {"name": "adam"},
    "learning_rate": 0.01,
    "batch_size": 60,
    "updates": 120,
    "early_stopping": 3,
    "parts": 8,
}
ROWS: dict[str, dict[str, Any]] = {
    "full batches": {"updates": 12, "parts": 2},
    "tanh, weight decay": {
        "updates": 12,
        "parts": 3,
        "weight_decay": 0.01,
        "layers": layer_rows(8, 8, activation="tanh"),
    },
    "eight parts, dropout, early stopping, adam": ADAM,
    "smoothed labels, clipping, decoupled decay, averages of weights and state": {
        "layers": [{"name": "affine", "units": 8}, {"name": "batch_normalization"}, {"name": "affine"}],
        "optimizer": {"name": "adam"},
        "learning_rate": 0.01,
        "batch_size": 60,
        "updates": 60,
        "early_stopping": 3,
        "parts": 3,
        "label_smoothing": 0.1,
        "clip_norm": 0.5,
        "weight_decay": 0.1,
        "decoupled_decay": True,
        "averaging": 0.9,
    },
    "parts without an image": {"batch_size": 5, "updates": 30, "parts": 8, "optimizer": {"name": "momentum"}},
    "fewer parts than ranks": {"batch_size": 64, "updates": 20, "parts": 1},
}
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
needs_mpi = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or shutil.which("mpiexec", path=PATH) is None,
    reason="mpi4py or a launcher of MPI is not installed: `make mpi`",
)

TRAIN = f"""
import os, sys, time
from pathlib import Path
from stages.shared import checkpoints, ranks
from stages.shared.errors import UserError
from stages import train
def main(team):
    rank = team.rank
    {{0}}
    train.train("{NAME}", team)
ranks.run(main)
"""
# Rank 0 waits after each checkpoint for as long as there is a file of this name.
WAIT = """checkpoints.SECONDS = 0
    Path(f"{rank}.pid").write_text(str(os.getpid()))
    save = checkpoints.Checkpoint.save
    def save_and_wait(checkpoint):
        save(checkpoint)
        while Path("wait").exists():
            time.sleep(0.01)
    checkpoints.Checkpoint.save = save_and_wait"""


def prepare(folder: Path, mirror: Path, write_parameters: Write, row: Mapping[str, Any]) -> Path:
    """Write parameters with this row, and the split kaggle of a few digits, into the current folder."""
    changes = {f"models.{NAME}.{key}": value for key, value in row.items()}
    write_parameters(folder, {"blas_threads": 1, "splits.kaggle.validation": 0.1, **changes})
    fetch(load_data(), str(mirror))
    preprocess("kaggle")
    return folder


@pytest.fixture
def prepared(project: Path, mirror: Path, write_parameters: Write) -> Path:
    return prepare(project, mirror, write_parameters, ADAM | {"early_stopping": None})


def program(prelude: str = "pass") -> list[str]:
    return [sys.executable, "-c", TRAIN.format(prelude)]


def start(*command: str, **environment: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PATH": PATH, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", **environment}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str], status: int | None = 0) -> str:
    """Return what a program has written to standard error; without a status it must have failed."""
    try:
        output, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == status if status is not None else process.returncode, output + errors
    return errors


def outputs() -> list[bytes]:
    contents = [Path(path).read_bytes() for path in OUTPUTS]
    for path in OUTPUTS:
        Path(path).unlink()
    return contents


def test_without_a_launcher_mpi_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ranks.SIZES:
        monkeypatch.delenv(name, raising=False)
    tell = "import sys; from stages.shared import ranks; print(ranks.join().size, 'mpi4py' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", tell], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "1 False\n"


def test_where_mpi_is_missing_the_message_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(UserError, match=r"started 2 processes, and there is no MPI for them .*; run `make mpi`$"):
        ranks.join()


def test_a_launcher_that_is_not_there_is_one_message() -> None:
    process = start(sys.executable, "-m", "stages.train", NAME, CHAINRULE_LAUNCHER="no-such-launcher -n 2")
    assert said(process, 1).startswith("error: CHAINRULE_LAUNCHER: no-such-launcher: No such file or directory; ")


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_no_byte_depends_on_the_number_of_ranks(
    row: dict[str, Any], project: Path, mirror: Path, write_parameters: Write
) -> None:
    prepare(project, mirror, write_parameters, row)
    command = [sys.executable, "-m", "stages.train", NAME]
    said(start(*command))
    expected = outputs()
    for size in (1, 2, 4):
        assert said(start("mpiexec", "-n", str(size), *command)).count(f"{NAME}: 100%") == 1
        assert outputs() == expected, size
    said(start(*command, CHAINRULE_LAUNCHER="mpiexec -n 3"))
    assert outputs() == expected


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 3])
def test_after_the_death_of_a_rank_the_next_run_goes_on_with_another_number(size: int, prepared: Path) -> None:
    said(start(*program()))
    expected = outputs()
    Path("wait").touch()
    process = start("mpiexec", "-n", "2", *program(WAIT))
    while not Path(f"checkpoints/{NAME}.npz").exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(int(Path("1.pid").read_text()), signal.SIGKILL)
    told = said(process, None)
    assert "Traceback" not in told
    assert not any(Path(path).exists() for path in OUTPUTS)
    Path("wait").unlink()
    assert "goes on at update" in said(start("mpiexec", "-n", str(size), *program()))
    assert outputs() == expected


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize("absent", [0, 1])
def test_a_rank_that_never_starts_ends_the_others_with_one_message(absent: int, prepared: Path) -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
    first, second = (sleep, program()) if absent == 0 else (program(), sleep)
    process = start("mpiexec", "-n", "1", *first, ":", "-n", "1", *second, CHAINRULE_START_SECONDS="2")
    assert said(process, None).count("error: not all of 2 ranks have started within 2 s") == 1


OTHER_LABELS = """load = train.splits.require_part
    def other(*arguments, **options):
        X, y = load(*arguments, **options)
        return X, y ^ rank
    train.splits.require_part = other"""
FAULTS = {
    "a mixture": ("if rank: ranks.platform.python_version = lambda: '3.0'", "Python of rank 1: 3.0\n"),
    "other data": (OTHER_LABELS, "parameters and labels of rank 1: "),
    "an error of all": ("raise UserError('of all')", "error: of all\n"),
    "an error of one": ("if rank: raise UserError('of one')", "error: of one\n"),
    "a fault of one": ("if rank: raise LookupError('of the program')", "LookupError: of the program\n"),
}


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize(("prelude", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_ends_all_ranks_with_one_message(prelude: str, message: str, prepared: Path) -> None:
    told = said(start("mpiexec", "-n", "2", *program(prelude)), None)
    assert told.count(message) == 1
    assert told.count("rror: ") == 1
    assert not any(Path(path).exists() for path in OUTPUTS)


@needs_mpi
@pytest.mark.slow
def test_divergence_is_one_message(project: Path, mirror: Path, write_parameters: Write) -> None:
    prepare(project, mirror, write_parameters, {"learning_rate": 1e30, "parts": 4})
    told = said(start("mpiexec", "-n", "3", *program()), None)
    assert told.count(f"error: models.{NAME}: NaN or infinity at update ") == told.count("error: ") == 1
    assert not any(Path(path).exists() for path in OUTPUTS)


@needs_mpi
@pytest.mark.slow
def test_a_launcher_of_another_mpi_is_refused(prepared: Path) -> None:
    told = said(start(*program(), PMI_SIZE="3", PMI_RANK="0"), None)
    assert "error: the launcher has started 3 processes, and MPI knows of 1: " in told


@needs_mpi
@pytest.mark.slow
def test_under_dvc_the_launcher_leaves_no_trace_and_ends_with_it(
    tmp_path: Path, mirror: Path, write_parameters: Write
) -> None:
    wait = """

def _save_and_wait(checkpoint: Checkpoint, save: Any = Checkpoint.save) -> None:
    save(checkpoint)
    while Path("wait").exists():
        time.sleep(0.01)


SECONDS, Checkpoint.save = 0.0, _save_and_wait
"""
    project = Project(tmp_path, mirror, write_parameters, changes={"stages/shared/checkpoints.py": wait})
    project.set({f"models.first.{key}": value for key, value in (ADAM | {"early_stopping": None}).items()})
    project.repro("train@first")
    paths = [tmp_path / name for name in ("models/first.npz", "metrics/history/first.csv", "dvc.lock")]
    expected = [path.read_bytes() for path in paths]
    again = ("dvc", "repro", "--force", "--single-item", "train@first")
    (tmp_path / "wait").touch()
    killed = project.start(*again, CHAINRULE_LAUNCHER="mpiexec -n 2")
    while not (tmp_path / "checkpoints/first.npz").exists():
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()  # DVC alone
    killed.communicate(timeout=60)  # returns when the ranks, which have inherited the pipes, have ended too
    (tmp_path / "wait").unlink()
    done = project.run(*again, CHAINRULE_LAUNCHER="mpiexec -n 4")
    assert done.returncode == 0, done.stderr
    assert "goes on at update" in done.stderr
    assert [path.read_bytes() for path in paths] == expected


MANY = """
from stages.claims.reproductions.runs import Experiment
from stages.claims.reproductions.workers import run_all
from stages.shared import ranks
from tests.shared.test_ranks import EXPERIMENTS, SEEDS, digests
def main(team):
    with ranks.workers(team) as executor:
        if executor:
            print(digests(run_all(EXPERIMENTS, SEEDS, executor)))
ranks.run(main)
"""
SEEDS = Seeds(first=0, costly=2, usual=2, many=2)
SHORTENED = {"split": "kaggle", "layers": layer_rows(5), "learning_rate": 0.1, "updates": 150}
EXPERIMENTS = {"w3": Experiment(SHORTENED, marks=[150]), "mini-batches": Experiment(SHORTENED | {"batch_size": 50})}


def digests(runs: Mapping[str, list[Run]]) -> dict[str, list[Any]]:
    """Return what runs gave, as text that is another if a bit of it is."""
    return {
        name: [
            (run.trace, run.measured, {key: theta.tobytes().hex()[:80] for key, theta in run.parameters.items()})
            for run in of
        ]
        for name, of in runs.items()
    }


@needs_mpi
@pytest.mark.slow
def test_many_trainings_give_the_same_on_ranks_and_in_processes(prepared: Path) -> None:
    with ranks.workers(Alone()) as executor:
        assert executor
        expected = digests(run_all(EXPERIMENTS, SEEDS, executor))
    process = start("mpiexec", "-n", "3", sys.executable, "-c", MANY)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert output == f"{expected}\n"
