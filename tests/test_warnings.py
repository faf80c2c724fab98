"""Which warnings fail a test: pyproject.toml says it, and pytest is run here to see it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIBRARY = """
import sqlite3, warnings

class Failing:
    def __del__(self):
        raise ValueError

def warn():
    warnings.warn("deprecated", DeprecationWarning)
    warnings.warn("unclosed database", ResourceWarning)  # as of Python 3.13, when it is collected

def cycle(content):
    content = [content]
    content.append(content)
"""
OURS = """
import gc, socket, threading, warnings
import library
import numpy as np
import pytest

@pytest.mark.parametrize("program", [
    "library.warn()",
    "warnings.warn('unclosed database in <sqlite3.Connection object>', ResourceWarning)",
    "library.cycle(library.sqlite3.connect(':memory:')); gc.collect()",
    "library.cycle(socket.socket()); gc.collect()",
    "library.Failing()",
])
def test_of_a_library(program):
    exec(program)

@pytest.mark.parametrize("program", [
    "warnings.warn('ours')",
    "warnings.warn('ours', DeprecationWarning)",
    "np.float64(1) / 0",
    "np.mean([])",
    "open(__file__)",
    "library.cycle(open(__file__)); gc.collect()",
    "thread = threading.Thread(target=int, args='x'); thread.start(); thread.join()",
])
def test_of_ours(program):
    exec(program)

def test_of_ours_that_returns():
    return 1
"""


def test_what_our_code_warns_of_fails_its_test_and_what_a_library_warns_of_fails_none(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "library.py").write_text(LIBRARY)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_it.py").write_text(OURS)
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider"]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    outcomes = re.findall(r"^(PASSED|FAILED) tests/test_it.py::(test_of_(?:a_library|ours))", done.stdout, re.MULTILINE)
    expected = 5 * [("PASSED", "test_of_a_library")] + 8 * [("FAILED", "test_of_ours")]
    assert sorted(outcomes) == sorted(expected), done.stdout
