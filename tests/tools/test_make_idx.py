"""IDX files made of folders of pictures."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from stages import fetch
from stages.preprocess import preprocess
from stages.shared import splits
from stages.shared.errors import UserError, run
from stages.shared.mnist import FILES, Form, read_idx
from tools import make_idx

SHADES = {"dark": 20, "light": 230, "middle": 120}


@pytest.fixture
def pictures(project: Path) -> Path:
    """Return a folder of three classes, each with ten pictures of its shade of red on their whole area."""
    folder = project / "shades"
    for name, shade in SHADES.items():
        (folder / name).mkdir(parents=True)
        for k in range(10):
            color = (shade, shade // 2, k)
            Image.new("RGB", (30 + k, 20), color).save(folder / name / f"{k}.{'png' if k % 2 else 'BMP'}")
        (folder / name / "notes.txt").write_text("no picture")
    (folder / ".hidden").mkdir()
    return folder


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["make_idx", *arguments])
    run(make_idx.main)


@pytest.mark.usefixtures("pictures")
def test_what_it_prints_is_what_params_yaml_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, "shades", "own/shades", "--size", "8x12", "--color", "--test", "0.3")
    printed = YAML(typ="safe").load(capsys.readouterr().out)
    yaml = YAML(typ="safe")
    parameters = yaml.load(Path("params.yaml"))
    yaml.dump(parameters | printed, Path("params.yaml"))
    fetch.main()
    preprocess("standard")
    description = splits.load_description("standard")
    assert description.dataset == "shades"
    assert description.form == Form((8, 12, 3), ("dark", "light", "middle"))
    assert description.parts == {"train": 21, "validation": 0, "held_out": 0, "test": 9}
    for part in ("train", "test"):
        X, y = splits.require_part("standard", part)
        red = np.rint(255 * X.reshape(8 * 12, 3, -1)[:, 0].mean(axis=0))
        assert red.tolist() == [[20, 230, 120][label] for label in y]
        assert sorted(set(y.tolist())) == [0, 1, 2]


@pytest.mark.usefixtures("pictures")
def test_gray_is_the_default_and_can_be_inverted(monkeypatch: pytest.MonkeyPatch) -> None:
    call(monkeypatch, "shades", "own/plain", "--size", "5")
    call(monkeypatch, "shades", "own/inverted", "--size", "5", "--invert")
    plain, inverted = (
        read_idx(Path(f"own/{name}") / FILES[0], Path(f"own/{name}") / FILES[1]) for name in ("plain", "inverted")
    )
    assert plain[0].shape == (24, 5, 5, 1)
    assert np.array_equal(plain[0], 255 - inverted[0])
    assert np.array_equal(plain[1], inverted[1])
    assert len(np.unique(plain[1][:12])) > 1, "the classes are mixed"


def test_no_time_is_in_a_file() -> None:
    mtime = slice(4, 8)  # of the header of gzip
    assert make_idx.idx(np.zeros((1, 2, 2), np.uint8))[mtime] == bytes(4)


@pytest.mark.usefixtures("pictures")
def test_the_same_pictures_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        call(monkeypatch, "shades", f"own/{name}")
    for file in FILES:
        assert Path("own/a", file).read_bytes() == Path("own/b", file).read_bytes()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "dark/3.png").write_bytes(b"no picture"), r"shades/dark/3\.png: not an image"),
        (
            lambda folder: [path.unlink() for path in (folder / "dark").glob("*[0-8].*")],
            "dark: has 1 pictures, and needs 2",
        ),
        (
            lambda folder: (folder / "dark").rename(folder / ("x" * 41)),
            "a folder is named as its class, and that should",
        ),
        (lambda folder: folder.rename("elsewhere"), "shades: no folder; give one"),
        (lambda folder: [(folder / name).rename(folder / f".{name}") for name in ("dark", "light")], "has 1 folders"),
        (lambda folder: Path("own/shades").mkdir(parents=True), "own/shades: is there already; name a new folder"),
    ],
)
def test_what_cannot_be_made_is_an_error_and_nothing_is_written(
    damage: object, message: str, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(damage)
    damage(pictures)
    with pytest.raises(SystemExit, match=message):
        call(monkeypatch, "shades", "own/shades")
    assert not list(Path("own").rglob("*.gz"))
    assert not list(Path().rglob("*.partial"))


@pytest.mark.parametrize("option", [["--size", "0"], ["--size", "3x4x5"], ["--size", "big"], ["--test", "1"]])
@pytest.mark.usefixtures("pictures")
def test_a_wrong_option_is_an_error(
    option: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, "shades", "own/shades", *option)
    assert stopped.value.code == 2
    assert f"argument {option[0]}" in capsys.readouterr().err


def test_only_few_pictures_of_a_class_are_divided_too() -> None:
    pictures = [make_idx.Picture(Path(str(k)), k // 2) for k in range(6)]
    training, test = make_idx.divide(pictures, 0.9)
    assert [sorted(picture.label for picture in part) for part in (training, test)] == [[0, 1, 2]] * 2
    assert {picture.path for picture in (*training, *test)} == {picture.path for picture in pictures}


def test_the_error_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        make_idx.find(tmp_path / "none")
