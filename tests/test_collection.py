"""`make test` alone installs less than the tests of the site need: these are skipped then."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
OF_THE_SITE = ("griffe", "markdown", "mkdocs", "playwright", "pymdownx")
PROGRAM = f"""
import sys
import pytest

sys.modules |= dict.fromkeys({OF_THE_SITE})
sys.exit(pytest.main(["--collect-only", "-q", "tests/docs", "tests/publishing"]))
"""


def test_the_tests_are_found_without_what_the_site_needs() -> None:
    process = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout
