import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.shared import splits
from stages.shared.errors import UserError
from stages.shared.mnist import FORM

M = 5


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a split named small, which has only a training part, and return its folder."""
    monkeypatch.chdir(tmp_path)
    folder = splits.directory("small")
    folder.mkdir(parents=True)
    X = np.linspace(0, 1, 784 * M, dtype=np.float32).reshape(M, 784).T
    np.save(folder / "X_train.npy", X)
    np.save(folder / "y_train.npy", np.array([0, 1, 9, 3, 4], np.uint8))
    describe(folder, {})
    return folder


def describe(folder: Path, changes: dict[str, Any]) -> None:
    parts = {"train": M, "validation": 0, "held_out": 0, "test": 0}
    description = {"dataset": "digits", **asdict(FORM), "parts": parts, "notes": ["few"], **changes}
    (folder / "split.json").write_text(json.dumps(description))


def test_a_part_comes_back(folder: Path) -> None:
    part = splits.load_part("small", "train")
    assert part is not None
    X, y = part
    assert np.array_equal(X, np.load(folder / "X_train.npy"))
    assert X.dtype == np.float32
    assert X.flags.f_contiguous
    assert np.array_equal(X[y, np.arange(M)], [X[label, column] for column, label in enumerate([0, 1, 9, 3, 4])])


def test_a_part_can_be_a_map_of_its_file(folder: Path) -> None:
    X, _ = splits.require_part("small", "train", mapped=True)
    assert np.array_equal(X, np.load(folder / "X_train.npy"))
    assert X.flags.f_contiguous
    assert not X.flags.writeable
    assert isinstance(X.base, np.memmap)


@pytest.mark.usefixtures("folder")
def test_an_empty_part_is_none() -> None:
    assert splits.load_part("small", "test") is None


@pytest.mark.usefixtures("folder")
def test_a_description_comes_back() -> None:
    description = splits.load_description("small")
    assert description.dataset == "digits"
    assert description.parts == {"train": 5, "validation": 0, "held_out": 0, "test": 0}
    assert description.notes == ["few"]


@pytest.mark.parametrize("name", ["split.json", "X_train.npy", "y_train.npy"])
def test_a_missing_file_is_an_error(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"{name}: not there; run `dvc repro`"):
        splits.load_part("small", "train")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("X_train.npy", np.zeros((784, M + 1), np.float32, order="F")),
        ("X_train.npy", np.zeros((28, M), np.float32, order="F")),
        ("X_train.npy", np.zeros((784, M), np.float64, order="F")),
        ("y_train.npy", np.zeros(M - 1, np.uint8)),
        ("y_train.npy", np.zeros(M, np.int64)),
        ("y_train.npy", np.zeros((M, 1), np.uint8)),
    ],
)
def test_an_array_that_does_not_fit_is_an_error(name: str, array: Any, folder: Path) -> None:
    np.save(folder / name, array)
    with pytest.raises(UserError, match=rf"{name}: expected .*, found .* of shape"):
        splits.load_part("small", "train")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\1\0", b"label,pixel0\n"])
def test_a_file_that_is_no_array_is_an_error(content: bytes, folder: Path) -> None:
    (folder / "X_train.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"X_train\.npy: .*dvc repro"):
        splits.load_part("small", "train")


def test_a_pickle_is_not_loaded(folder: Path) -> None:
    np.save(folder / "y_train.npy", np.array([{}] * M, object), allow_pickle=True)
    with pytest.raises(UserError, match=r"y_train\.npy"):
        splits.load_part("small", "train")


def test_a_label_that_is_no_digit_is_an_error(folder: Path) -> None:
    np.save(folder / "y_train.npy", np.array([0, 1, 10, 3, 4], np.uint8))
    with pytest.raises(UserError, match=r"y_train\.npy: has the label 10"):
        splits.load_part("small", "train")


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": None},
        {"parts": {"train": M}},
        {"parts": {"train": "5", "validation": 0, "held_out": 0, "test": 0}},
        {"parts": {"train": -1, "validation": 0, "held_out": 0, "test": 0}},
        {"notes": "few"},
        {"notes": [1]},
    ],
)
def test_a_foreign_description_is_an_error(changes: dict[str, Any], folder: Path) -> None:
    describe(folder, changes)
    with pytest.raises(UserError, match=r"split\.json: not the description of a split"):
        splits.load_description("small")


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5, 1.5])
def test_pixels_outside_of_their_range_are_an_error(
    value: float, mapped: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits, "BLOCK", 2)
    X = np.load(folder / "X_train.npy")
    X[3, M - 1] = value
    np.save(folder / "X_train.npy", X)
    with pytest.raises(UserError, match=r"X_train\.npy: has values outside of \[0, 1\]; delete it and run `dvc repro`"):
        splits.load_part("small", "train", mapped)


def test_who_needs_a_few_images_alone_maps_them_and_does_not_read_all(folder: Path) -> None:
    X = np.load(folder / "X_train.npy")
    X[0, 0] = 2
    np.save(folder / "X_train.npy", X)
    mapped, _ = splits.require_part("small", "train", mapped=True, checked=False)
    assert np.array_equal(mapped, X)
    assert not mapped.flags.writeable
    assert not mapped.flags.owndata
