"""The blocks of a page: each page in a process of its own, which is gone when it has been executed."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from publishing.executing import Blocks, execute
from stages.shared.errors import UserError

ROOT = Path(__file__).parents[2]


def block(code: str) -> Blocks:
    return [(1, code, False)]


def test_a_page_knows_nothing_of_another() -> None:
    change = "import numpy as np, sys; np.kept = 1; sys.path.clear(); kept = 1; print(np.kept)"
    look = "import numpy as np; print(hasattr(np, 'kept'), 'kept' in globals())"
    assert execute("one.md", block(change)) == ["1\n"]
    assert execute("other.md", block(look)) == ["False False\n"]


def test_each_page_is_executed_once_and_many_at_a_time() -> None:
    pages = range(60)
    with ThreadPoolExecutor(8) as pool:
        printed = list(
            pool.map(lambda page: execute(f"{page}.md", block(f"import os; print({page}, os.getpid())")), pages)
        )
    numbers, processes = zip(*(lines[0].split() for lines in printed), strict=True)
    assert list(map(int, numbers)) == list(pages)
    assert len(set(processes)) == len(pages)


def test_a_block_that_ends_its_process_is_an_error_and_the_next_page_is_executed() -> None:
    with pytest.raises(UserError, match=r"^page\.md: a block ended the process"):
        execute("page.md", block("import os; os._exit(0)"))
    assert execute("page.md", block("print(1)")) == ["1\n"]


def test_what_a_program_of_a_block_prints_is_not_taken_for_an_answer() -> None:
    code = "import subprocess; subprocess.run(['echo', 'x' * 100_000]); print(1)"
    assert execute("page.md", block(code)) == ["1\n"]


@pytest.mark.parametrize("end", ["pass", "import os; os._exit(0)"])
def test_nothing_is_left_when_the_process_that_asked_has_ended(end: str, tmp_path: Path) -> None:
    blocks = block("import os; print(os.getppid())")
    ask = f"from publishing.executing import execute; print(*execute('page.md', {blocks}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{ask}; import sys; sys.stdout.flush(); {end}"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    server = int(done.stdout)
    for _ in range(100):
        if not is_running(server) and not list(tmp_path.iterdir()):
            return
        time.sleep(0.1)
    pytest.fail("the server runs on, or its folder is still there")


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
