import re
import subprocess
import sys
from pathlib import Path

import pytest

from publishing.blocks import ROOT

pytestmark = pytest.mark.usefixtures("mkdocs")

CONFIGURATION = """
site_name: test
theme: mkdocs
plugins: []
hooks: [{hook}]
markdown_extensions:
  - pymdownx.arithmatex: {{generic: true}}
  - pymdownx.superfences
nav: [index.md, derivations/one.md, derivations/two.md]
"""


def _build(folder: Path, index: str) -> "subprocess.CompletedProcess[str]":
    """Build a site of three pages strictly."""
    hook = ROOT / "publishing" / "site.py"
    (folder / "mkdocs.yml").write_text(CONFIGURATION.format(hook=hook), encoding="utf-8")
    (folder / "docs" / "derivations").mkdir(parents=True)
    (folder / "docs" / "index.md").write_text(index, encoding="utf-8")
    (folder / "docs" / "derivations" / "one.md").write_text("# One\n\n$$\na\n\\label{eq:a}\n$$\n", encoding="utf-8")
    (folder / "docs" / "derivations" / "two.md").write_text("# Two\n\n$$\nb \\label{eq:b}\n$$\n", encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        check=False,
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
    )


@pytest.mark.usefixtures("npm")
def test_derivations_are_numbered_chapters_and_references_lead_to_their_equations(tmp_path: Path) -> None:
    process = _build(tmp_path, "See @eq:b.\n")
    assert process.returncode == 0, process.stderr
    index = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'href="derivations/two/#eq:b">(2.1)</a>' in index
    two = (tmp_path / "site" / "derivations" / "two" / "index.html").read_text(encoding="utf-8")
    assert ">2. Two</h1>" in two
    assert 'id="eq:b"' in two


@pytest.mark.usefixtures("npm")
def test_every_fault_of_a_page_fails_a_strict_build(tmp_path: Path) -> None:
    page = "# Page\n\nText\n$$\nx\n$$\n\n$\\unknown$ and @eq:c and [@nobody1900].\n\n$$\nb \\label{eq:b}\n$$\n"
    process = _build(tmp_path, page)
    assert process.returncode != 0
    assert "index.md: KaTeX parse error: Undefined control sequence: \\unknown" in process.stderr
    assert "index.md: no equation has the label eq:c" in process.stderr
    assert "index.md: docs/references.bib has no entry nobody1900" in process.stderr
    assert "index.md: left as text: $$" in process.stderr
    assert "the label eq:b is on " in process.stderr


def test_a_block_that_raises_fails_a_build_with_its_page_and_line(tmp_path: Path) -> None:
    process = _build(tmp_path, "---\ntitle: Page\n---\n\n# Page\n\n``` {.python .exec}\n1 / 0\n```\n")
    assert process.returncode != 0
    assert f'File "{tmp_path}/docs/index.md", line 8, in <module>' in process.stderr
    assert "ZeroDivisionError" in process.stderr


@pytest.mark.usefixtures("npm")
def test_a_guarantee_leads_to_the_source_of_its_test(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    row = "| It holds. | `tests/test_readme.py` `test_table_has_a_line_for_each_model_of_the_parameters` |\n"
    page = "# Guarantees\n\n| Guarantee | Test |\n| --- | --- |\n" + 2 * row
    (tmp_path / "docs/page.md").write_text(page, encoding="utf-8")
    process = _build(tmp_path, "# Index\n")
    assert process.returncode == 0, process.stderr
    html = (tmp_path / "site/page/index.html").read_text(encoding="utf-8")
    link, anchor = (f'{name}test_table_has_a_line_for_each_model_of_the_parameters"' for name in ('href="#', 'id="'))
    assert (html.count(link), html.count(anchor)) == (2, 1)
    assert "readme.update(check=False)" in re.sub("<[^>]+>", "", html.partition(anchor)[2])
