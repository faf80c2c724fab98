"""The processes that an MPI launcher starts together, as in `mpiexec -n 4 python -m stages.train MODEL`.

If CHAINRULE_LAUNCHER is a launcher, such as "mpiexec -n 4" or "srun", a program starts itself under it, and so it does
when DVC runs it. Without a launcher nothing is imported but NumPy.
"""

import hashlib
import multiprocessing
import os
import platform
import shlex
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from stages.nn.parts import Alone, Team
from stages.shared import errors
from stages.shared.errors import UserError

LAUNCHER, START_SECONDS = "CHAINRULE_LAUNCHER", "CHAINRULE_START_SECONDS"
CODE = Path(__file__).parents[1]
# What launchers tell a process: those of Open MPI, of MPICH and its relatives (Intel, Cray), and Slurm's.
SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
NUMBERS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")
# MPI waits for all ranks in C and holds Python's lock meanwhile, so that no thread of the same process could end it.
WATCHDOG = """
import os, signal, sys, time
parent, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
while os.getppid() == parent and time.monotonic() < end:
    time.sleep(0.1)
if os.getppid() == parent:
    print(sys.argv[3], file=sys.stderr, flush=True)
    os.kill(parent, signal.SIGKILL)
"""


class Ranks:
    """A team of processes that an MPI launcher has started.

    Parameters
    ----------
    world : mpi4py.MPI.Intracomm
        All of them.
    """

    def __init__(self, world: Any) -> None:
        self.world, self.rank, self.size = world, world.rank, world.size

    def exchange(self, rows: NDArray[Any], counts: Sequence[int]) -> None:
        """Fill in the rows of the others."""
        from mpi4py import MPI

        sizes = [count * rows.itemsize for count in counts]
        wait_for(self.world.Iallgatherv(MPI.IN_PLACE, [rows.view(np.uint8), sizes, None, MPI.BYTE]))

    def share(self, value: Any) -> Any:
        """Return the value that rank 0 gives."""
        wait_for(self.world.Ibarrier())
        return self.world.bcast(value)


def wait_for(request: Any) -> None:
    """Wait as MPI does, by asking again and again, but let other ranks have the core if they are waiting for one."""
    while not request.Test():
        os.sched_yield()


def _told(names: Sequence[str], otherwise: int) -> int:
    return next((int(os.environ[name]) for name in names if name in os.environ), otherwise)


def launched() -> int:
    """Return how many processes a launcher has started together with this one, itself included."""
    return _told(SIZES, 1)


def join() -> Team:
    """Return the team of the processes that a launcher has started, or of this one alone.

    Raises
    ------
    UserError
        If MPI is missing or is not the launcher's.
    """
    if launched() == 1:
        return Alone()
    with _time_limit():
        try:
            from mpi4py import MPI  # which starts it
        except (ImportError, RuntimeError) as error:
            told = f"a launcher has started {launched()} processes, and there is no MPI for them"
            raise UserError(f"{told} ({error}); run `make mpi`") from None
        world = MPI.COMM_WORLD
        if world.size != launched():
            raise UserError(
                f"the launcher has started {launched()} processes, and MPI knows of {world.size}: it is not that of "
                f"the launcher, but {MPI.Get_library_version().splitlines()[0]}; use the launcher that belongs to it"
            )
        wait_for(world.Ibarrier())
    return Ranks(world)


@contextmanager
def _time_limit() -> Iterator[None]:
    """End this process with a message if it waits too long for the other ranks; rank 0 is the first to say so."""
    try:
        seconds = float(os.environ.get(START_SECONDS, "120"))
    except ValueError:
        raise UserError(f"{START_SECONDS} is {os.environ[START_SECONDS]!r}; it should be a number of seconds") from None
    message = (
        f"error: not all of {launched()} ranks have started within {seconds:g} s; look whether each machine can start "
        f"this program, or set {START_SECONDS} higher"
    )
    later = 5 if _told(NUMBERS, 0) else 0
    command = [sys.executable, "-I", "-c", WATCHDOG, str(os.getpid()), str(seconds + later), message]
    with subprocess.Popen(command) as watchdog:
        try:
            yield
        finally:
            watchdog.kill()


def _simd_features() -> list[str]:
    found: list[str] = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    return found


def circumstances() -> dict[str, str]:
    """Return what decides the bits of a training beside its parameters and data: arithmetic and code."""
    libraries = sorted(  # they come in an order that changes from process to process
        ", ".join(f"{key} {value}" for key, value in library.items() if key != "filepath")
        for library in threadpool_info()
    )
    digest = hashlib.sha256()
    files = {Path(str(getattr(module, "__file__", None))) for module in list(sys.modules.values())}
    for file in sorted(file for file in files if file.is_relative_to(CODE)):
        digest.update(str(file.relative_to(CODE)).encode() + file.read_bytes())
    return {
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "SIMD features": " ".join(_simd_features()),
        "linear algebra": "; ".join(libraries),
        "code": digest.hexdigest(),
    }


def require_same(team: Team, facts: Mapping[str, str]) -> None:
    """Raise UserError if not all ranks have the same facts, which decide the bits of what they compute."""
    if not isinstance(team, Ranks):
        return
    everyone = team.world.allgather(dict(facts))
    lines = []
    for what in facts:
        holders = defaultdict(list)
        for rank, theirs in enumerate(everyone):
            holders[theirs[what]].append(str(rank))
        if len(holders) > 1:
            lines += [f"  {what} of rank {', '.join(ranks)}: {value}" for value, ranks in holders.items()]
    if lines:
        told = "\n".join(lines)
        raise UserError(f"the ranks differ; start them on machines of one kind, in the same folder:\n{told}")


def available_cores(team: Team | None = None) -> int:
    """Return how many processor cores this process may use; those that ranks have in common are divided."""
    own = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    if not isinstance(team, Ranks):
        return len(own)
    from mpi4py import MPI

    here = team.world.Split_type(MPI.COMM_TYPE_SHARED).allgather(own)
    return max(1, len(set.union(*here)) // len(here))


@contextmanager
def workers(team: Team) -> Iterator[Executor | None]:
    """Yield what runs functions side by side: processes of this machine, or the ranks above 0.

    To these it yields None, once rank 0 has no more work for them.
    """
    if isinstance(team, Ranks):
        from mpi4py.futures import MPICommExecutor

        others: Any = MPICommExecutor(team.world, root=0)
        with others as executor:
            yield executor
    else:
        with ProcessPoolExecutor(available_cores(), multiprocessing.get_context("spawn"), _start_worker) as executor:
            yield executor


def _start_worker() -> None:
    """Give a process one thread for linear algebra, and let it end when the one that started it has ended."""
    threadpool_limits(1, user_api="blas")
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def run(main: Callable[[Team], None]) -> None:
    """Call `main` with its team as `errors.run` does, under the launcher if there is one; what ends a rank ends all."""
    launcher = os.environ.pop(LAUNCHER, "")
    if launcher and launched() == 1:
        _start_under(launcher)
    try:
        errors.run(lambda: main(join()))
    except SystemExit as error:
        if error.code and launched() > 1:
            _end_all(str(error.code))
        raise
    except BaseException:
        if launched() > 1:
            _end_all(traceback.format_exc())
        raise


def _end_all(message: str) -> NoReturn:
    """End all ranks with one message: of those that have one, the lowest speaks first, and with it all end."""
    time.sleep(min(_told(NUMBERS, 0), 10) * 0.5)
    print(message, file=sys.stderr, flush=True)
    if "mpi4py.MPI" in sys.modules:
        sys.modules["mpi4py.MPI"].COMM_WORLD.Abort(1)
    os._exit(1)


def _start_under(launcher: str) -> NoReturn:
    """Start this program under the launcher; end it if this process is ended, or DVC, which has started it."""
    command, parent = [*shlex.split(launcher), sys.executable, *sys.orig_argv[1:]], os.getppid()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        sys.exit(f"error: {LAUNCHER}: {command[0]}: {error.strerror}; is the launcher installed? `make mpi` brings one")
    try:
        while process.poll() is None and ("DVC_STAGE" not in os.environ or os.getppid() == parent):
            time.sleep(0.1)
    except KeyboardInterrupt:
        pass
    finally:
        process.terminate()
    sys.exit(process.wait())
