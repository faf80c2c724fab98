"""The walk of docs/tutorial.md, done in a copy of the project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from publishing.blocks import FENCE, ROOT

TITLE = re.compile(r'title="([^",]+)(?:, under (\w+))?"')


class Copy:
    """A copy of the project with the files and lines of the tutorial."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("docs", "publishing", "stages", "tests", "tools"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("params.yaml", "mkdocs.yml", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)

    def run(self, *arguments: str) -> str:
        """Run Python, which must succeed, and return what it prints."""
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def follow(self, tutorial: str) -> list[str]:
        """Write each file of the tutorial, and add each row and line where it says; return their titles."""
        titles = []
        for fence in FENCE.finditer(tutorial):
            title = TITLE.search(fence["header"])
            if not title:
                continue
            titles.append(title[0])
            path, section, body = self.folder / title[1], title[2], fence["body"]
            if section == "nav":
                line = "\n          - derivations/affine.md\n"
                self._replace(path, line, line + body)
            elif section:
                self._replace(path, f"\n{section}:\n", f"\n{section}:\n{body}")
            elif path.suffix == ".bib":
                path.write_text(f"{path.read_text(encoding='utf-8')}\n{body}", encoding="utf-8")
            elif path.exists():
                imported, entry = (line for line in body.splitlines() if "maxout" in line)
                first = "from stages.nn.relu import"
                self._replace(path, first, f"{imported}\n{first}")
                last = '    "affine": Affine,\n'
                self._replace(path, last, f"{last}{entry}\n")
            else:
                path.write_text(body, encoding="utf-8")
        return titles

    def _replace(self, path: Path, old: str, new: str) -> None:
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path.name} has {text.count(old)} of {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    if (ROOT / "stages/nn/maxout.py").exists():
        pytest.skip("the tutorial was followed in this copy of the project")
    copy = Copy(tmp_path_factory.mktemp("project"))
    titles = copy.follow((ROOT / "docs/tutorial.md").read_text(encoding="utf-8"))
    assert len(titles) == 11
    return copy


def test_the_rows_are_valid(copy: Copy) -> None:
    assert "all keys are valid" in copy.run("-m", "stages.shared.parameters")


def test_the_new_layer_and_its_page_pass_their_tests(copy: Copy) -> None:
    files = ("nn/test_maxout.py", "derivations/test_maxout.py", "nn/test_layer_table.py", "docs/test_derivations.py")
    options = ("-m", "pytest", "-v", "-p", "no:cacheprovider", "-k", "maxout or navigation")
    printed = copy.run(*options, *(f"tests/{file}" for file in files))
    for test in (
        "nn/test_maxout.py::test_by_hand",
        "derivations/test_maxout.py::test_the_derivative_is_that_of_the_larger_piece",
        "nn/test_layer_table.py::test_central_differences[maxout]",
        "nn/test_layer_table.py::test_central_differences_inside_a_network[maxout]",
        "docs/test_derivations.py::test_a_page_has_its_parts[maxout]",
        "docs/test_derivations.py::test_every_block_of_a_page_runs[maxout]",
        "docs/test_derivations.py::test_every_page_is_in_the_navigation_in_one_order",
    ):
        assert f"tests/{test} PASSED" in printed


def test_the_new_model_passes_its_gradient_check(copy: Copy) -> None:
    printed = copy.run("-m", "tools.check_gradients", "maxout-10")
    assert "maxout-10: maxout (units 10, pieces 3), affine; weight decay 0" in printed
    assert printed.count("  right\n") == 4
