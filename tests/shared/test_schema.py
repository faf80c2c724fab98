from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from stages.shared.errors import UserError
from stages.shared.schema import load_data, load_split, named_row, own_name, read

Write = Callable[[Path, Mapping[str, Any]], None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", 'duplicate key "a"'),
        ("a:\n\t b: 1\n", "cannot start any token"),
        ("a: [1\n", "does not parse"),
        ("- 1\n", "must be a map"),
        ("", "must be a map"),
        ("a: &x [*x]\nb: {<<: 3}\n", "does not parse"),
        ("a: !!python/object:os.system {}\n", "does not parse"),
    ],
)
def test_what_is_no_map_of_unique_keys_is_an_error(project: Path, text: str, message: str) -> None:
    Path("params.yaml").write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read()
    assert str(caught.value).startswith("params.yaml: ")


def test_bytes_that_are_no_text_are_an_error(project: Path) -> None:
    Path("params.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(UserError, match=r"params\.yaml: does not parse"):
        read()


def test_a_missing_file_is_an_error(project: Path) -> None:
    Path("params.yaml").unlink()
    with pytest.raises(UserError, match=r"params\.yaml: not there; run this in the project's folder"):
        read()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", "", "data.name is '': String should have at least 1 character"),
        ("timeout", 0, "data.timeout is 0: should be greater than 0"),
        ("retries", -1, "data.retries is -1: should be greater than or equal to 0"),
        ("fallback", "maybe", "data.fallback is 'maybe': should be a valid boolean"),
        ("mirrors", "http://127.0.0.1/", "data.mirrors is 'http://127.0.0.1/': should be a valid list"),
        ("sha256", {}, "data: sha256 must have exactly the keys train-images"),
        ("miror", 1, "data.miror is not a known key"),
    ],
)
def test_a_wrong_key_of_the_data_is_named(
    project: Path, write_parameters: Write, key: str, value: object, message: str
) -> None:
    write_parameters(project, {f"data.{key}": value})
    with pytest.raises(UserError, match=message):
        load_data()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("images", 0, "splits.kaggle.images is 0"),
        ("held_out", 42000, "held_out must be less than images, not 42000 of 42000"),
        ("validation", 1, "splits.kaggle.validation is 1: should be less than 1"),
        ("seed", -1, "splits.kaggle.seed is -1"),
        ("source", "", "splits.kaggle.source is '': should be data/raw or a file in own/"),
        ("source", "train.csv", "splits.kaggle.source is 'train.csv': should be data/raw or a file in own/: move it"),
        ("source", "data/train.csv", "should be data/raw or a file in own/"),
        ("source", "data/raw/train.csv", "should be data/raw or a file in own/"),
        ("source", "own", "should be data/raw or a file in own/"),
        ("source", "own/../train.csv", "should be data/raw or a file in own/"),
        ("source", "/own/train.csv", "should be data/raw or a file in own/"),
    ],
)
def test_a_wrong_key_of_a_split_is_named(
    project: Path, write_parameters: Write, key: str, value: object, message: str
) -> None:
    write_parameters(project, {f"splits.kaggle.{key}": value})
    with pytest.raises(UserError, match=message):
        load_split("kaggle")


@pytest.mark.parametrize("source", ["data/raw", "./data/raw/", "own/train.csv", "own/a/b.csv.gz"])
def test_a_source_in_its_place_is_taken(project: Path, write_parameters: Write, source: str) -> None:
    write_parameters(project, {"splits.kaggle.source": source})
    assert load_split("kaggle").source == source


def test_a_label_is_read_with_the_name_of_today(project: Path, write_parameters: Write) -> None:
    label = load_data().label
    write_parameters(project, {"data.name": "<a> & {data.name} \\\\1"})
    assert own_name(label) == "<a> & {data.name} \\\\1"
    assert own_name("{data.name}, Kaggle train.csv") == "<a> & {data.name} \\\\1, Kaggle train.csv"
    assert own_name("5,000 digits") == "5,000 digits"


def test_a_name_is_not_given_to_other_files(project: Path, write_parameters: Write) -> None:
    label = load_data().label
    sums = load_data().sha256
    write_parameters(project, {"data.name": "letters", "data.sha256": dict.fromkeys(sums, "0" * 64)})
    assert own_name(label) == "files that data.sha256 does not name"
    assert own_name(load_data().label) == "letters"


def test_an_unknown_split_is_an_error_that_lists_the_known_ones(project: Path) -> None:
    with pytest.raises(UserError, match=r"splits has no 'x'; it has .*kaggle, standard"):
        load_split("x")


def test_a_missing_section_is_an_error(project: Path) -> None:
    Path("params.yaml").write_text("a: 1\n")
    with pytest.raises(UserError, match="splits has no 'kaggle'; it has none"):
        load_split("kaggle")
    with pytest.raises(UserError, match="data"):
        load_data()


@pytest.mark.parametrize(
    ("arguments", "stage", "name"),
    [
        (["second"], None, "second"),
        ([], "train@first", "first"),
        ([], "dvc.yaml:train@first", "first"),
        (["second"], "train@first", "second"),
    ],
    ids=["argument", "of DVC", "of DVC in another folder", "an argument comes first"],
)
def test_the_row_of_a_stage(
    arguments: list[str], stage: str | None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["train", *arguments])
    monkeypatch.delenv("DVC_STAGE", raising=False)
    if stage:
        monkeypatch.setenv("DVC_STAGE", stage)
    assert named_row(None, "model") == name


@pytest.mark.parametrize("stage", [None, "ablate"])
def test_a_row_must_be_named(
    stage: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["train"])
    monkeypatch.delenv("DVC_STAGE", raising=False)
    if stage:
        monkeypatch.setenv("DVC_STAGE", stage)
    with pytest.raises(SystemExit):
        named_row(None, "model")
    assert "the following arguments are required: model" in capsys.readouterr().err
