"""The pages of `dvc plots show` and `dvc plots diff`, in a browser that reaches no network."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reviewing import plots
from stages.shared.errors import UserError
from tests.reviewing.repository import Repository

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

DRAWN = 60_000  # milliseconds; the machine may be busy


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """Yield a page that may read files alone, and fails the test if it asks for more or if a script fails."""
    faults: list[str] = []

    def allow(route: "Route") -> None:
        if route.request.url.startswith(("file:", "data:")):
            route.fallback()
        else:
            faults.append(route.request.url)
            route.abort()

    page = browser.new_page()
    page.set_default_timeout(DRAWN)
    page.route("**/*", allow)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    page.close()
    assert faults == []


def show(page: "Page", *arguments: str, folder: str = ".") -> None:
    """Open the page that a command of `dvc plots` writes into a folder."""
    command = [sys.executable, "-m", "dvc", "plots", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, encoding="utf-8")
    page.goto(done.stdout.strip())


def texts(page: "Page", plot: int) -> list[str]:
    """Return the texts that a plot has drawn, once it has."""
    page.locator("svg.marks").nth(plot).wait_for()
    drawn: list[str] = page.locator("svg.marks").nth(plot).locator("text").all_text_contents()
    return drawn


@pytest.mark.slow
def test_curves_and_confusion_matrices_of_both_revisions_are_drawn(repository: Repository, page: "Page") -> None:
    plots.main()
    repository.train("first", range(6), losses=[4, 2, 1])
    show(page, "diff", "main", "--targets", "metrics/history/first.csv", "metrics/confusion/first.csv")
    assert {"first", "cross-entropy", "workspace", "main", "4.0"} <= set(texts(page, 0))
    lines = page.locator("svg.marks").nth(0).locator(".mark-line path").all()
    boxes = [box for line in lines if (box := line.bounding_box())]
    assert sum(box["width"] > 50 and box["height"] > 50 for box in boxes) == 2  # the loss; the accuracy is constant
    counts = [text for text in texts(page, 1) if text in ("3", "4")]
    assert counts.count("4") >= 4  # in the workspace four digits are always right, in main none
    assert {"first", "workspace", "main", "predicted", "actual"} <= set(texts(page, 1))


@pytest.mark.slow
@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(("folder", "arguments"), [(".", []), ("metrics", []), ("metrics/history", ["--out", "page"])])
def test_all_plots_are_drawn_from_wherever_the_page_lies(page: "Page", folder: str, arguments: list[str]) -> None:
    plots.main()
    show(page, "show", *arguments, folder=folder)
    page.locator("svg.marks").nth(3).wait_for()
    assert page.locator("svg.marks").count() == 4  # curves and confusion of two models
    assert page.locator("#missing").is_hidden()


@pytest.mark.slow
@pytest.mark.usefixtures("repository")
def test_without_the_script_the_page_names_the_command_that_makes_it(page: "Page") -> None:
    show(page, "show")
    page.locator("#missing").wait_for()
    python, *command = page.locator("#missing pre").inner_text().split()
    assert python == ".venv/bin/python"
    assert command == ["-m", plots.__name__]
    plots.main()
    page.reload()
    assert "first" in texts(page, 0)


def test_the_script_is_not_for_git_and_made_in_the_folder_of_a_project_only(project: Path) -> None:
    with pytest.raises(UserError, match=rf"^{project} has no folder \.dvc; go to the project's folder"):
        plots.main()
    assert list(project.iterdir()) == [project / "params.yaml"]
    assert plots.SCRIPT.as_posix().startswith(".dvc/tmp/")
