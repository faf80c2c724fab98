import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import large_data
from stages.shared import parameters
from stages.shared.errors import UserError
from stages.shared.mnist import FILES, RAW, read_csv, read_idx


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_sources_hold_images_that_show_their_class(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_data, "TEST", 100)
    monkeypatch.setattr(large_data, "BLOCK", 500)
    large_data.write_sources(1_234)
    images, labels = read_idx(RAW / FILES[0], RAW / FILES[1])
    assert images.shape == (1_234, 28, 28, 1)
    X = images.reshape(len(images), -1).astype(float)
    means = np.stack([X[labels == k].mean(axis=0) for k in range(10)])
    nearest = np.square(X[:100, np.newaxis] - means).sum(axis=2).argmin(axis=1)
    assert np.array_equal(nearest, labels[:100])
    assert len(read_idx(RAW / FILES[2], RAW / FILES[3])[1]) == 100
    from_csv = read_csv(folder / "own/train.csv")
    assert np.bincount(from_csv[1], minlength=10).min() > 0
    assert from_csv[0].shape == (411, 28, 28, 1)


@pytest.mark.usefixtures("folder")
def test_the_parameters_are_valid() -> None:
    large_data.write_parameters(1_000)
    models = parameters.load().models
    assert (models["streamed"].window, models["memory"].window) == (60_000, None)


def test_the_peak_is_that_of_memory_that_a_stage_gave_back(folder: Path) -> None:
    def stage(name: str) -> None:
        held = np.ones(25_000_000)
        time.sleep(0.2)
        del held

    small = large_data.watched(lambda _: time.sleep(0.2), "m", folder)["peak_anonymous_megabytes"]
    assert 190 < large_data.watched(stage, "m", folder)["peak_anonymous_megabytes"] - small < 220


def test_too_little_space_is_an_error_before_anything_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["large_data", "--images", str(10**12), "--folder", str(folder)])
    with pytest.raises(UserError, match=r"need 10976000\.0 GB of disk, .* --folder, or fewer images with --images"):
        large_data.main()
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_all_stages_are_measured_and_the_images_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "images").mkdir()
    (folder / "benchmarks").mkdir()
    monkeypatch.setattr(sys, "argv", ["large_data", "--images", "6100", "--folder", "images"])
    monkeypatch.setattr(large_data, "WINDOW", 1_000)
    monkeypatch.setattr(large_data, "TEST", 100)
    large_data.main()
    results = json.loads((folder / "benchmarks/large_data.json").read_text())
    assert [row["images"] for row in results["stages"].values()] == [6_100, 2_033, 6_100, 6_100, 6_100, 6_200, 6_200]
    assert all(50 < row["peak_anonymous_megabytes"] < 500 for row in results["stages"].values())
    assert results["ratio"] > 0
    assert list((folder / "images").iterdir()) == []
