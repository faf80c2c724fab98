import json
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import large_data
from stages.fetch import fetch
from stages.preprocess import preprocess
from stages.shared.errors import UserError
from stages.shared.schema import load_data
from stages.shared.splits import require_part

M = 12_345


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    large_data.make_images(folder, M, np.random.default_rng(0))
    return folder


def test_each_image_is_contiguous_and_shows_its_class(folder: Path) -> None:
    X, y = np.load(folder / "X.npy"), np.load(folder / "y.npy")
    assert (X.dtype, X.shape, y.dtype, y.shape) == (np.uint8, (784, M), np.uint8, (M,))
    assert X.flags.f_contiguous
    assert X.max() > 128
    means = np.stack([X[:, y == k].mean(axis=1) for k in range(10)], axis=1)
    nearest = np.square(X[:, :100, np.newaxis] - means[:, np.newaxis]).sum(axis=0).argmin(axis=1)
    assert np.array_equal(nearest, y[:100])


def test_the_system_is_told_not_to_keep_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    advice: list[tuple[int, ...]] = []
    monkeypatch.setattr("os.POSIX_FADV_DONTNEED", 4, raising=False)
    monkeypatch.setattr("os.posix_fadvise", lambda _, *arguments: advice.append(arguments), raising=False)
    large_data.make_images(tmp_path, 10, np.random.default_rng(0))
    assert advice == [(0, 0, 4)]


def test_the_windows_hold_each_image_once_with_its_label_in_another_order(folder: Path) -> None:
    X, y = np.load(folder / "X.npy"), np.load(folder / "y.npy")
    starts = []
    for images, labels in large_data.windows(folder, 1_000, np.random.default_rng(1)):
        assert images.dtype == np.float32
        assert images.flags.f_contiguous
        pixels = np.rint(255 * images).astype(np.uint8)
        assert np.array_equal(images, pixels / np.float32(255))
        starts.append(int(np.flatnonzero((X == pixels[:, :1]).all(axis=0))[0]))
        assert np.array_equal(pixels, X[:, starts[-1] : starts[-1] + 1_000])
        assert np.array_equal(labels, y[starts[-1] : starts[-1] + 1_000])
    assert sorted(starts) == list(range(0, M, 1_000))
    assert starts != sorted(starts)


def test_the_memory_is_that_of_a_window(folder: Path) -> None:
    window = 4 * 784 * 1_000
    tracemalloc.start()
    for _ in large_data.windows(folder, 1_000, np.random.default_rng(1)):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert window < peak < 1.2 * window
    assert (folder / "X.npy").stat().st_size > 3 * window


def test_too_little_space_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"need 784000\.5 GB of disk, .* --folder, or fewer images with --images"):
        large_data.make_images(tmp_path, 10**12, np.random.default_rng(0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_both_trainings_are_measured_and_the_images_removed(
    project: Path,
    mirror: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_parameters: Callable[[Path, Mapping[str, Any]], None],
) -> None:
    fetch(load_data(), str(mirror))
    preprocess("standard")
    (project / "images").mkdir()
    monkeypatch.setattr(sys, "argv", ["large_data", "--images", "61000", "--folder", "images"])
    large_data.main()
    results = json.loads((project / "benchmarks/large_data.json").read_text())
    assert results["streamed"]["images"] == 61_000
    assert results["in memory, after"]["images"] == 10 * len(require_part("standard", "train")[1])
    assert results["streamed"]["accuracy_of_last_part"] > 0.99
    assert results["streamed"]["peak_megabytes"] > 50
    assert results["ratio"] > 0
    assert list((project / "images").iterdir()) == []
