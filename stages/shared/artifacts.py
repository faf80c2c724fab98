"""The files that stages hand on: written beside their target and moved into place, read without unpickling."""

import io
import json
import math
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from stages.shared.errors import UserError


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` to write a file or make a folder at; move it into place if all went well.

    Whatever was there before is replaced as a whole; after an error it is still there as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    _remove(partial)
    try:
        with naming(target):
            yield partial
            if target.is_dir():
                shutil.rmtree(target)
            partial.replace(target)
    finally:
        _remove(partial)


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Give an OSError that names no file, such as that of a full disk, the name of the file being written."""
    try:
        yield
    except OSError as error:
        if error.filename:
            raise
        raise OSError(error.errno, error.strerror or f"not written in full ({error})", str(target)) from None


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
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error}); delete it and run `dvc repro`") from None


def read_array(
    path: Path, shape: tuple[int | None, ...], dtype: type[np.generic], mapped: bool = False
) -> NDArray[Any]:
    """Return the array of a .npy file.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple
        The shape to expect, None for any length.
    dtype : dtype
        The dtype to expect.
    mapped : bool
        Whether to return a read-only map of the file instead of a copy in memory.

    Raises
    ------
    UserError
        If the file is missing, is no .npy file or holds something else.
    """
    try:
        with path.open("rb") as file:
            array = load_array(file, path.stat().st_size, mapped)
    except FileNotFoundError:
        raise missing(path) from None
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: not a readable .npy file ({error}); delete it and run `dvc repro`") from None
    fits = (
        array.dtype == dtype
        and len(array.shape) == len(shape)
        and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    )
    if not fits:
        found = f"{array.dtype} of shape {array.shape}"
        expected = f"{np.dtype(dtype)} of shape {shape}".replace("None", "any")
        raise UserError(f"{path}: expected {expected}, found {found}; delete it and run `dvc repro`")
    return array


def load_array(file: IO[bytes], size: int, mapped: bool = False) -> NDArray[Any]:
    """Return the array of an open .npy file of `size` bytes, or a read-only map of it, without unpickling.

    NumPy makes room for as much as a header promises, so that is first compared with what follows the header.

    Raises
    ------
    ValueError
        If the file is not just a .npy file of version 1.0 of the format, the one that NumPy writes for plain arrays.
    """
    try:
        if npy.read_magic(file) != (1, 0):
            raise ValueError("not of version 1.0 of the format")
        shape, is_fortran, dtype = npy.read_array_header_1_0(file)
    except Exception as error:  # noqa: BLE001 (whatever their parsers raise, from TokenError to MemoryError)
        raise ValueError(f"its header cannot be read: {error!r}") from None
    promised, follow = math.prod(shape) * dtype.itemsize, size - file.tell()
    if promised != follow or max(shape, default=0) > size:
        raise ValueError(f"its header promises {dtype} of shape {shape}, and {follow} bytes follow")
    if mapped and follow and not dtype.hasobject:
        return np.asarray(np.memmap(file, dtype, "r", file.tell(), shape, "F" if is_fortran else "C"))
    file.seek(0)
    array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    return array


def save_archive(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays as a .npz file whose bytes depend on them alone; np.savez lets them depend on Python's version."""
    with replacing(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            npy.write_array(content, np.asanyarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())


def load_archive(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a .npz file by name, without unpickling and in no more memory than the file's own size.

    Raises
    ------
    ValueError
        If it is damaged, or is not such a file as `save_archive` writes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            is_packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
            if is_packed or sum(member.file_size for member in members) > path.stat().st_size:
                raise ValueError("its members unpack to more than it has")
            arrays = {}
            for member in members:
                with archive.open(member) as file:
                    arrays[member.filename.removesuffix(".npy")] = load_array(file, member.file_size)
            return arrays
    except (zipfile.BadZipFile, EOFError, RuntimeError) as error:  # the last for encryption and unknown methods
        raise ValueError(str(error)) from None


def missing(path: Path) -> UserError:
    """Return the error for an artifact that is not there."""
    return UserError(f"{path}: not there; run `dvc repro`, which makes it")
