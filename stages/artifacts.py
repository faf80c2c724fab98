"""The files that stages hand on: written beside their target and moved into place, read without unpickling."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.errors import UserError


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` to write a file or make a folder at; move it into place if all went well.

    Whatever was there before is replaced as a whole; after an error it is still there as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    _remove(partial)
    try:
        yield partial
        if target.is_dir():
            shutil.rmtree(target)
        partial.replace(target)
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file for people and diffs: indented, in the order given."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file that an earlier stage wrote.

    Raises
    ------
    UserError
        If it is missing or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise missing(path) from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); delete it and run `dvc repro`") from None


def read_array(path: Path, shape: tuple[int | None, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """Return the array of a .npy file.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple
        The shape to expect, None for any length.
    dtype : dtype
        The dtype to expect.

    Raises
    ------
    UserError
        If the file is missing, is no .npy file or holds something else.
    """
    try:
        with path.open("rb") as file:
            array = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        raise missing(path) from None
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path}: not a readable .npy file ({error}); delete it and run `dvc repro`") from None
    fits = (
        isinstance(array, np.ndarray)
        and array.dtype == dtype
        and len(array.shape) == len(shape)
        and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    )
    if not fits:
        found = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else "an archive"
        expected = f"{np.dtype(dtype)} of shape {shape}".replace("None", "any")
        raise UserError(f"{path}: expected {expected}, found {found}; delete it and run `dvc repro`")
    checked: NDArray[Any] = array
    return checked


def missing(path: Path) -> UserError:
    """Return the error for an artifact that is not there."""
    return UserError(f"{path}: not there; run `dvc repro`, which makes it")
