import zipfile
from pathlib import Path

import numpy as np
import pytest

from stages.shared.artifacts import load_archive, read_array, read_json, replacing, save_archive, write_json
from stages.shared.errors import UserError


def test_a_file_is_moved_into_place_only_when_all_went_well(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    with replacing(target) as partial:
        partial.write_text("one")
        assert not target.exists()
    assert target.read_text() == "one"
    with pytest.raises(ZeroDivisionError), replacing(target) as partial:
        partial.write_text("half" * (1 // 0))
    assert target.read_text() == "one"
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for name in ("first", "second"):
        with replacing(target) as partial:
            partial.mkdir()
            (partial / name).touch()
    assert [path.name for path in target.iterdir()] == ["second"]
    with pytest.raises(FileNotFoundError), replacing(target) as partial:
        (partial / "deeper").mkdir()
    assert [path.name for path in target.iterdir()] == ["second"]


def test_what_a_killed_run_left_does_not_get_in(tmp_path: Path) -> None:
    left = tmp_path / ".folder.partial"
    left.mkdir()
    (left / "rest").touch()
    with replacing(tmp_path / "folder") as partial:
        partial.mkdir()
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_linked_file_is_not_written_through(tmp_path: Path) -> None:
    cached, target = tmp_path / "cached", tmp_path / "target"
    cached.write_text("cached")
    target.hardlink_to(cached)
    write_json(target, {})
    assert cached.read_text() == "cached"


def test_json_is_read_as_it_was_written(tmp_path: Path) -> None:
    content = {"b": [1, None, "é"], "a": {"x": 0.5}}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


def test_json_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(UserError, match=r"a\.json: not valid JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"b\.json: not there; run `dvc repro`"):
        read_json(tmp_path / "b.json")


def test_an_array_keeps_its_values_and_its_order(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    np.save(tmp_path / "a.npy", array)
    read = read_array(tmp_path / "a.npy", (2, None), np.float32)
    assert np.array_equal(read, array)
    assert read.flags.f_contiguous


@pytest.mark.parametrize("shape", [(3, None), (None,), (2, 3, None)])
def test_an_array_of_another_shape_is_an_error(tmp_path: Path, shape: tuple[int | None, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3), np.float32))
    with pytest.raises(UserError, match=r"expected float32 of shape .*, found float32 of shape \(2, 3\)"):
        read_array(tmp_path / "a.npy", shape, np.float32)


def test_an_array_of_another_dtype_is_an_error(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"expected float32 .*, found float64"):
        read_array(tmp_path / "a.npy", (None,), np.float32)


def test_pickles_archives_and_damaged_files_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="not a readable"):
        read_array(path, (None,), np.float32)
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3, np.float32))
    with pytest.raises(UserError, match="not a readable"):
        read_array(path, (None,), np.float32)
    np.save(path, np.zeros(100, np.float32))
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(UserError, match="not a readable"):
        read_array(path, (None,), np.float32)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="not a readable"):
        read_array(path, (None,), np.float32)
    with pytest.raises(UserError, match="not there"):
        read_array(tmp_path / "b.npy", (None,), np.float32)


def test_an_archive_holds_its_arrays_and_nothing_of_the_python_that_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "arrays.npz"
    arrays = {"W1": np.arange(6, dtype=np.float32).reshape(2, 3), "text": np.array("{}")}
    save_archive(path, arrays)
    with np.load(path, allow_pickle=False) as loaded:
        assert loaded.files == list(arrays)
        assert all(np.array_equal(loaded[name], array) for name, array in arrays.items())
    assert all(np.array_equal(array, arrays[name]) for name, array in load_archive(path).items())
    with zipfile.ZipFile(path) as archive:
        assert {(member.date_time, member.extract_version, member.extra) for member in archive.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), 20, b"")
        }


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error, replacing(tmp_path / "target"):
        (tmp_path / "source").read_bytes()
    assert error.value.filename == str(tmp_path / "source")
