import contextlib
import functools
import http.server
import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from filelock import FileLock

from stages.nn.affine import Affine
from stages.nn.layer import Start
from stages.nn.network import Network
from stages.nn.relu import ReLU
from tests.conftest import unavailable
from tests.test_export import read_tensors

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def touched(browser: "Browser", address: str) -> "Iterator[Page]":
    """Yield a page in a browser that has a mouse and a touch screen, and see that it throws no error."""
    context = browser.new_context(has_touch=True)
    context.set_default_timeout(60_000)  # the machine may be busy
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert errors == []


@pytest.fixture(scope="session")
def npm() -> Path:
    """Return the folder of the npm packages."""
    folder = ROOT / "node_modules"
    if not (folder / ".package-lock.json").is_file():
        unavailable("the npm packages are not installed: `make docs` installs them")
    return folder


@pytest.fixture(scope="session")
def mkdocs() -> None:
    """Ask for what `mkdocs build` needs of Python."""
    if not importlib.util.find_spec("mkdocs"):
        unavailable("MkDocs is not installed: `make docs` installs it")


@pytest.fixture(scope="session")
def site(mkdocs: None, npm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the site: the one in SITE, or it is built strictly, once for all processes of a run."""
    if built := os.environ.get("SITE"):
        return Path(built).resolve(strict=True)
    temporary = tmp_path_factory.getbasetemp()
    folder = (temporary.parent if "PYTEST_XDIST_WORKER" in os.environ else temporary) / "site"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            building = f"{folder}.building"
            process = subprocess.run(
                [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", building],
                check=False,
                cwd=ROOT,
                env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
                capture_output=True,
                encoding="utf-8",
            )
            assert process.returncode == 0, process.stderr
            assert "WARNING" not in process.stderr
            Path(building).rename(folder)
    return folder


@pytest.fixture(scope="session")
def pages(site: Path) -> list[str]:
    """Return the paths of all pages of the site."""
    return sorted(path.parent.relative_to(site).as_posix() + "/" for path in site.rglob("index.html"))


@contextlib.contextmanager
def serving(folder: Path, index: bytes | None = None) -> Iterator[str]:
    """Serve a folder, with another index of the search if one is given, and yield its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            if index is not None and self.path.endswith("/search_index.json"):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(index)
            else:
                super().do_GET()

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # a page was left before it had all its files
                super().handle()

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128  # a page asks for many files at once

    server = Server(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Serve the site and yield its address."""
    with serving(site) as address:
        yield address


@pytest.fixture(scope="session")
def address_without_search(site: Path) -> Iterator[str]:
    """Serve the site with an empty index of the search, which takes a while to load with each page."""
    with serving(
        site, b'{"config": {"lang": ["en"], "separator": " ", "pipeline": [], "fields": {}}, "docs": []}'
    ) as at:
        yield at


@pytest.fixture(scope="module")
def network() -> Network:
    """Return the trained network of the page Draw a digit, in float64."""
    start = Start(np.random.default_rng(0), dtype=np.float64, classes=10)
    network = Network((784,), start, layers=[partial(Affine, units=10), ReLU, Affine])
    arrays, _ = read_tensors(ROOT / "docs/assets/draw/packed/w3-relu-10.safetensors")
    for name, theta in network.parameters.items():
        theta[...] = arrays[name]
    return network
