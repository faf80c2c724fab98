"""Faults made on purpose: a stage ends with one message that says where and what to do, and damages nothing."""

import gc
import itertools
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import YAMLFileCorruptedError, load_yaml
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from stages import fetch
from stages.evaluate import evaluate
from stages.plot import plot
from stages.preprocess import preprocess
from stages.shared import parameters, schema
from stages.shared.errors import UserError, run
from stages.shared.mnist import FILES
from stages.train import train
from tests.pipeline import Project

ROOT = Path(__file__).parent.parent
Write = Callable[[Path, Mapping[str, Any]], None]
MODEL = "w3-relu-10"
STAGES: dict[str, Callable[[], None]] = {
    "preprocess": lambda: preprocess("kaggle"),
    "train": lambda: train(MODEL),
    "evaluate": lambda: evaluate(MODEL),
    "plot": lambda: plot(MODEL),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, mirror: Path, write_parameters: Write) -> Path:
    """Return a folder in which the stages before `plot` have run for one model."""
    folder = tmp_path_factory.mktemp("finished")
    write_parameters(folder, {f"models.{MODEL}.updates": 5})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fetch.fetch(schema.load_data(), str(mirror))
        for name in ("preprocess", "train", "evaluate"):
            STAGES[name]()
    return folder


@pytest.fixture
def there(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to that folder."""
    monkeypatch.chdir(finished)
    return finished


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def message(stage: Callable[[], None]) -> str:
    """Return what a stage that fails ends with."""
    with pytest.raises(SystemExit) as caught:
        run(stage)
    return str(caught.value.code)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow larger: writing fails as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("stage", "size", "target"),
    [
        ("preprocess", 100_000, "data/splits/kaggle"),
        ("train", 10_000, f"models/{MODEL}.npz"),
        ("evaluate", 5_000, f"predictions/{MODEL}.csv"),
        ("plot", 10_000, f"figures/.{MODEL}.partial/curves.png"),
    ],
)
def test_a_full_disk_is_one_message_and_leaves_the_old_files(stage: str, size: int, target: str, there: Path) -> None:
    before = files(there)
    with largest_file(size):
        said = message(STAGES[stage])
    assert said.startswith(f"error: {target}: ")
    assert "File too large" in said or "not written in full" in said
    assert "mend this and run it again" in said
    assert "\n" not in said
    assert files(there) == before


def test_a_disk_that_fills_up_during_a_download_leaves_nothing(
    project: Path, mirror: Path, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/" + FILES[0]).respond_with_data((mirror / FILES[0]).read_bytes())
    with largest_file(10_000):
        said = message(lambda: fetch.fetch(schema.load_data(), httpserver.url_for("/")))
    assert said.startswith("error: data/raw: File too large; ")
    assert list((project / "data/raw").iterdir()) == []
    gc.collect()


def test_a_mirror_that_never_ends_is_left(
    project: Path, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MOST_BYTES", 1_000_000)
    httpserver.expect_request("/" + FILES[0]).respond_with_handler(lambda _: Response(itertools.repeat(bytes(10_000))))
    with pytest.raises(UserError, match=f"{FILES[0]}: sends more than 1 MB"):
        fetch.fetch(schema.load_data(), httpserver.url_for("/"))
    assert list((project / "data/raw").iterdir()) == []
    gc.collect()


def without_privileges(*command: str) -> list[str]:
    """Return a command to which the permissions of files apply, for root as well."""
    if os.geteuid() != 0:
        return list(command)
    prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]
    if not shutil.which("setpriv") or subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode:
        pytest.skip("permissions do not apply to root, and setpriv cannot change that here")
    return [*prefix, *command]


def test_a_read_only_folder_is_one_message(there: Path) -> None:
    before = files(there)
    command = without_privileges(sys.executable, "-m", "stages.evaluate", MODEL)
    folder = there / "predictions"
    folder.chmod(0o555)
    try:
        done = subprocess.run(
            command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
        )
    finally:
        folder.chmod(0o755)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: predictions/.{MODEL}.csv.partial: Permission denied; ")
    assert files(there) == before


@pytest.mark.usefixtures("project")
def test_a_file_in_place_of_a_folder_is_one_message() -> None:
    Path("data").touch()
    assert message(fetch.main).startswith("error: data/raw: Not a directory; ")


@pytest.mark.usefixtures("project")
def test_a_folder_in_place_of_a_file_is_one_message() -> None:
    Path("params.yaml").unlink()
    Path("params.yaml").mkdir()
    assert message(fetch.main).startswith("error: params.yaml: Is a directory; ")


@pytest.mark.parametrize("damage", ["truncated", "foreign", "empty"])
@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("preprocess", f"data/raw/{FILES[0]}"),
        ("preprocess", "data/raw/source.json"),
        ("train", "data/splits/kaggle/X_train.npy"),
        ("train", "data/splits/kaggle/y_train.npy"),
        ("evaluate", "data/splits/kaggle/split.json"),
        ("evaluate", f"models/{MODEL}.npz"),
        ("plot", f"metrics/{MODEL}.json"),
        ("plot", f"predictions/{MODEL}.csv"),
    ],
)
def test_a_damaged_artifact_is_one_message(stage: str, name: str, damage: str, there: Path) -> None:
    path = there / name
    before = files(there)
    content = path.read_bytes()
    foreign = (
        there / ("data/splits/kaggle/X_train.npy" if path.suffix == ".npz" else f"models/{MODEL}.npz")
    ).read_bytes()
    try:
        path.write_bytes({"truncated": content[: len(content) // 2], "foreign": foreign, "empty": b""}[damage])
        said = message(STAGES[stage])
    finally:
        path.write_bytes(content)
    assert said.startswith(f"error: {name}: ")
    assert "`dvc repro`" in said
    assert files(there) == before


def test_nothing_of_a_killed_download_is_taken_for_good(project: Path, mirror: Path, httpserver: HTTPServer) -> None:
    half_way, over = threading.Event(), threading.Event()
    contents = [(mirror / name).read_bytes() for name in FILES]

    def half(_: Request) -> Response:
        def chunks() -> Iterator[bytes]:
            yield contents[1][:100]
            half_way.set()
            over.wait(10)

        return Response(chunks(), headers={"Content-Length": str(len(contents[1]))})

    httpserver.expect_request("/" + FILES[0]).respond_with_data(contents[0])
    httpserver.expect_request("/" + FILES[1]).respond_with_handler(half)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MNIST_MIRROR": httpserver.url_for("/")}
    command = [sys.executable, "-m", "stages.fetch"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as download:
        assert half_way.wait(30)
        download.kill()
    over.set()
    assert (project / "data/raw" / FILES[0]).read_bytes() == contents[0]
    assert not any((project / "data/raw" / name).exists() for name in (*FILES[1:], "source.json"))
    fetch.fetch(schema.load_data(), str(mirror))
    assert {path.name for path in (project / "data/raw").iterdir()} == {*FILES, "source.json"}
    assert [(project / "data/raw" / name).read_bytes() for name in FILES] == contents


@pytest.mark.slow
def test_of_two_runs_at_once_the_second_says_that_it_is_busy(
    tmp_path: Path, mirror: Path, write_parameters: Write, httpserver: HTTPServer
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def wait(_: Request) -> Response:
        asked.set()
        go_on.wait(60)
        return Response((mirror / FILES[0]).read_bytes())

    httpserver.expect_request("/" + FILES[0]).respond_with_handler(wait)
    for name in FILES[1:]:
        httpserver.expect_request("/" + name).respond_with_data((mirror / name).read_bytes())
    project = Project(tmp_path, mirror, write_parameters)
    write_parameters(tmp_path, {"data.timeout": 60})
    first = project.start("dvc", "repro", "preprocess@kaggle", MNIST_MIRROR=httpserver.url_for("/"))
    assert asked.wait(60)
    second = project.run("dvc", "repro", "preprocess@kaggle")
    go_on.set()
    _, errors = first.communicate()
    assert second.returncode != 0
    assert "is busy" in second.stderr
    assert first.returncode == 0, errors
    assert project.repro("preprocess@kaggle") == []


def changed(old: str, new: str) -> str:
    """Return the project's params.yaml with the first `old` replaced."""
    text = (ROOT / "params.yaml").read_text()
    assert old in text
    return text.replace(old, new, 1)


EQUIVALENT = {
    "BOM": lambda: changed("", "\ufeff"),
    "CRLF": lambda: changed("", "").replace("\n", "\r\n"),
    "anchor": lambda: changed("seed: 0", "seed: &seed 0").replace("seed: 0", "seed: *seed"),
    "merge key": lambda: changed("    seed: 0\n", "    <<: {seed: 0}\n"),
}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", EQUIVALENT)
def test_another_way_to_write_the_same_is_read_alike_by_dvc_and_by_the_stages(name: str) -> None:
    Path("params.yaml").write_bytes(changed("", "").encode())
    expected = parameters.load()
    Path("params.yaml").write_bytes(EQUIVALENT[name]().encode())
    assert Path("params.yaml").read_bytes() != changed("", "").encode()
    assert parameters.load() == expected
    assert schema.read() == load_yaml("params.yaml")


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "text",
    [
        changed("  name:", "\tname:"),
        changed("blas_threads: 2", "blas_threads: 2\nblas_threads: 3"),
        changed("blas_threads: 2", "blas_threads: 2\n---\nblas_threads: 2"),
        changed("blas_threads: 2", "blas_threads: *two"),
        changed("blas_threads: 2", "blas_threads: [2"),
        changed("blas_threads: 2", "blas_threads: 2 # \0"),
    ],
    ids=["tab", "duplicate key", "two documents", "unknown anchor", "no end", "NUL"],
)
def test_what_the_stages_refuse_dvc_refuses(text: str) -> None:
    Path("params.yaml").write_text(text)
    with pytest.raises(UserError, match=r"^params\.yaml: does not parse"):
        schema.read()
    with pytest.raises(YAMLFileCorruptedError):
        load_yaml("params.yaml")


def laughs() -> str:
    """Return YAML in which a name is a list of lists of lists ..., in all 9^6 of them, each written once."""
    names = "abcdefg"
    lists = ["&a [x]", *(f"&{name} [{', '.join([f'*{last}'] * 9)}]" for last, name in itertools.pairwise(names))]
    return changed("name: MNIST", f"name: [{', '.join(lists)}, *g]")


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (changed("", "# " + "x" * 10_000_000 + "\n"), "has more than 100 kB"),
        (changed("blas_threads: 2", "blas_threads: " + "[" * 1_000), "does not parse"),
        (laughs(), "data.name is "),
    ],
    ids=["10 MB", "deep", "laughs"],
)
def test_a_hostile_params_yaml_is_refused_with_a_short_message(text: str, reason: str) -> None:
    Path("params.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        parameters.load()
    assert str(caught.value).startswith("params.yaml: ")
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 1_000
