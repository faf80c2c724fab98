"""Sets of images that are not MNIST's go through the stages by params.yaml alone."""

import gzip
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from publishing import paper_results
from reviewing import figures as reviewing_figures
from reviewing.models import Results
from reviewing.revisions import Revision
from reviewing.significance import pair
from stages import ablate, evaluate, fetch, plot, reproduce, train
from stages.preprocess import preprocess
from stages.shared import models, splits
from stages.shared.errors import UserError
from stages.shared.mnist import FILES, Form
from stages.shared.parameters import load
from tests.conftest import idx_bytes
from tests.networks import layer_rows
from tests.pipeline import MODELS, Project
from tools import check_gradients, predict

# Rendering takes longer than all else in a run of small models.
BLANK = {"stages/shared/figures.py": "\n\nFigure.savefig = lambda _, path, **options: path.touch()\n"}

Write = Callable[[Path, Mapping[str, Any]], None]
Bytes = NDArray[np.uint8]
TRAINING, TEST = 300, 100
DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
CHARACTERS = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")


@dataclass(frozen=True)
class Set:
    """A set of images that can be told apart: each class lights a pixel of its own in faint noise."""

    form: Form
    changes: Mapping[str, Any]
    first_label: int = 0
    transposed: bool = False
    wide_labels: bool = False
    csv: bool = False

    def images(self, count: int, seed: int) -> tuple[Bytes, Bytes]:
        """Return images as they are meant to be seen, and labels counted from 0."""
        rng = np.random.default_rng(seed)
        y = (np.arange(count) % len(self.form.classes)).astype(np.uint8)
        X = rng.integers(0, 10, (count, *self.form.shape), np.uint8)
        X.reshape(count, -1)[np.arange(count), 3 * y.astype(int)] = 255
        return X, y

    def files(self) -> dict[str, bytes]:
        """Return the contents of the four files."""
        contents = []
        for count, seed in ((TRAINING, 1), (TEST, 2)):
            X, y = self.images(count, seed)
            stored = X.swapaxes(1, 2) if self.transposed else X
            stored = stored[..., 0] if self.form.shape[2] == 1 else stored
            labels = y + np.uint8(self.first_label)
            contents += [idx_bytes(np.ascontiguousarray(stored)), idx_bytes(labels)]
            if self.wide_labels:
                table = np.zeros((count, 8), ">i4")
                table[:, 0], table[:, 1:] = labels, 100_000
                header = np.array([0xC02, count, 8], ">u4").tobytes()
                contents[-1] = header + table.tobytes()
        return {name: gzip.compress(content, mtime=0) for name, content in zip(FILES, contents, strict=True)}


SETS = {
    "EMNIST-like": Set(
        Form((28, 28, 1), CHARACTERS),
        {"data.classes": [*CHARACTERS], "data.first_label": 1, "data.transposed": True},
        first_label=1,
        transposed=True,
    ),
    "Fashion-like": Set(Form((28, 28, 1), CLOTHES), {"data.classes": [*CLOTHES]}),
    "QMNIST-like": Set(Form((28, 28, 1), DIGITS), {}, wide_labels=True),
    "20x20": Set(Form((20, 20, 1), DIGITS), {}),
    "CSV of 20x20": Set(Form((20, 20, 1), DIGITS), {"splits.kaggle.source": "own/small.csv"}, csv=True),
    "in color, not square": Set(Form((6, 9, 3), ("a$", "<b>", "c|d")), {"data.classes": ["a$", "<b>", "c|d"]}),
}


@pytest.fixture(params=SETS)
def chosen(
    request: pytest.FixtureRequest, project: Path, write_parameters: Write, monkeypatch: pytest.MonkeyPatch
) -> Set:
    """Return a set that has been fetched and preprocessed in a project with one model, `only`."""
    return prepare(SETS[request.param], request.param, project, write_parameters, monkeypatch)


def write_files(images: Set, folder: Path) -> dict[str, str]:
    """Write the four files into a folder, and return their sums."""
    folder.mkdir()
    sums = {}
    for name, content in images.files().items():
        (folder / name).write_bytes(content)
        sums[name] = hashlib.sha256(content).hexdigest()
    return sums


def prepare(images: Set, name: str, project: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> Set:
    own = project / "own"
    sums = write_files(images, own)
    if images.csv:
        X, y = images.images(TRAINING, 1)
        columns = ["label", *(f"pixel{k}" for k in range(400))]
        pd.DataFrame(np.column_stack([y, X.reshape(TRAINING, -1)]), columns=columns).to_csv(
            own / "small.csv", index=False
        )
        (own / "small.csv.dvc").write_text("")
    row = {
        "split": "kaggle",
        "layers": layer_rows(64),
        "optimizer": {"name": "adam"},
        "learning_rate": 0.01,
        "epochs": 30,
        "batch_size": 20,
        "record_every": 10,
        "seed": 0,
    }
    changes = {
        "data.name": name,
        "data.mirrors": ["own"],
        "data.sha256": sums,
        "data.fallback": False,
        "splits.kaggle.images": TRAINING,
        "splits.kaggle.held_out": 100,
        "models": {"only": row},
    }
    write(project, {**changes, **images.changes})
    if not images.csv:
        fetch.main()
    preprocess("kaggle")
    return images


def test_the_split_has_the_images_as_they_are_meant_to_be_seen(chosen: Set) -> None:
    assert splits.load_description("kaggle").form == chosen.form
    part = splits.load_part("kaggle", "train" if chosen.csv else "test")
    assert part is not None
    X, y = part
    assert X.shape[0] == np.prod(chosen.form.shape)
    assert X.argmax(axis=0).tolist() == (3 * y).tolist()
    if not chosen.csv:
        images, labels = chosen.images(TEST, 2)
        assert np.array_equal(np.rint(255 * X.T), images.reshape(TEST, -1))
        assert np.array_equal(y, labels)


def test_only_a_csv_of_mnists_form_is_said_to_mix_the_official_test_images(chosen: Set) -> None:
    notes = splits.load_description("kaggle").notes
    assert notes == (["No test part: a CSV has none."] if chosen.csv else [])


def test_all_stages_run(chosen: Set, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    form, classes = chosen.form, len(chosen.form.classes)
    train.train("only")
    model = models.load(Path("models/only.npz"))
    assert (model.form, model.network.shape) == (form, (classes,))
    evaluate.evaluate("only")
    part = "held_out" if chosen.csv else "test"
    measured = json.loads(Path("metrics/only.json").read_text())[part]
    assert measured["accuracy"] > 0.9
    assert len(measured["precision"]) == len(measured["recall"]) == classes
    assert len(pd.read_csv("metrics/confusion/only.csv")) == classes**2
    assert list(pd.read_csv("predictions/only.csv").columns)[3:] == [f"p{k}" for k in range(classes)]

    plot.plot("only")
    assert {path.name for path in Path("figures/only").glob("*.png")} == {
        f"{name}.png" for name in ("confusion", "curves", "predictions", "saliency", "weights")
    }
    capsys.readouterr()
    check_gradients.report("only")
    assert f"examples of {form}, as in data/splits/kaggle" in capsys.readouterr().out
    report(form)

    Image.fromarray(np.full((40, 30, 3), 255, np.uint8)).save("white.png")
    if form.shape == (28, 28, 1) and form.classes == DIGITS:
        with pytest.raises(UserError, match="is empty"):
            predict.predict("only", [Path("white.png")], None, False)
    else:
        predict.predict("only", [Path("white.png")], None, True)
        assert f"Image files are scaled to {form.shape[0]} x {form.shape[1]} " in capsys.readouterr().out
    if not chosen.csv:
        predict.predict("only", [], 1, True)
        name = form.classes[1]
        assert f"{name} (label {name})" in capsys.readouterr().out
        with Image.open("explained/only-test-1.png") as image:
            assert image.format == "PNG"


def report(form: Form) -> None:
    """Draw what a report has of a model, here compared with itself."""
    results = Results(Revision("workspace"), "only", {})
    assert results.confusion is not None
    assert results.confusion.shape == (len(form.classes),) * 2
    folder = Path("pictures")
    folder.mkdir()
    counts = (results.confusion, results.confusion)
    reviewing_figures.draw_confusion(folder / "confusion", "only", ("main", "workspace"), counts, form.classes)
    part = splits.load_part("kaggle", "test")
    if part:
        X, y = part
        was, now = y.copy(), y.copy()
        was[3], now[5] = 0, 1
        before, after = (pd.DataFrame({"label": y, "predicted": guess}) for guess in (was, now))
        paired = pair(before, after)
        assert paired is not None
        reviewing_figures.draw_digits(folder / "digits", "only", X, was, now, paired, form)


@pytest.fixture
def clothes(project: Path, write_parameters: Write, monkeypatch: pytest.MonkeyPatch) -> Set:
    return prepare(SETS["Fashion-like"], "Fashion", project, write_parameters, monkeypatch)


@pytest.mark.usefixtures("clothes")
def test_the_claims_are_not_tested_on_other_images() -> None:
    content = load()
    stages: list[Callable[[], None]] = [
        ablate.ablate,
        lambda: reproduce.reproduce(content.models, content.reproduce.seeds, Executor()),
    ]
    for stage in stages:
        with pytest.raises(UserError) as error:
            stage()
        assert str(error.value).startswith("data/splits/kaggle: this is Fashion, with the classes T-shirt/top, Trouser")
        assert "about MNIST's digits (28 x 28, 10 classes)" in str(error.value)
        assert "Run `dvc repro plot`" in str(error.value)
        assert "data.name" not in str(error.value)


@pytest.mark.usefixtures("clothes")
def test_the_paper_is_not_written_about_other_images() -> None:
    with pytest.raises(
        UserError, match=r"^params\.yaml: this is Fashion, .*the paper are about MNIST's digits .*`dvc repro plot`"
    ):
        paper_results.load()


@pytest.fixture
def kuzushiji(project: Path, write_parameters: Write, monkeypatch: pytest.MonkeyPatch) -> Set:
    """Return a set of MNIST's form, with the names of its classes left as they were."""
    return prepare(Set(Form((28, 28, 1), DIGITS), {}), "KMNIST", project, write_parameters, monkeypatch)


@pytest.mark.usefixtures("kuzushiji")
def test_the_claims_are_not_tested_on_a_set_of_another_name(project: Path, write_parameters: Write) -> None:
    content = load()
    train.train("only")
    evaluate.evaluate("only")
    needing: Mapping[str, Callable[[], Any]] = {
        "data/splits/kaggle": ablate.ablate,
        r"metrics/only\.json": paper_results.load.__wrapped__,
    }
    for place, need in needing.items():
        with pytest.raises(
            UserError, match=f"^{place}: this is KMNIST, .*`dvc repro plot`.*let data.name .* begin with"
        ):
            need()
    with pytest.raises(UserError, match=r"^data/splits/kaggle: this is KMNIST"):
        reproduce.reproduce(content.models, content.reproduce.seeds, Executor())


@pytest.mark.usefixtures("kuzushiji")
def test_a_set_that_is_called_mnist_after_all_is_mnist() -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("name: KMNIST", "name: MNIST, the old copy"))
    assert splits.require_mnist("kaggle").dataset == "MNIST, the old copy"


@pytest.mark.usefixtures("clothes")
def test_a_model_does_not_meet_images_of_another_form(project: Path, write_parameters: Write) -> None:
    train.train("only")
    description = json.loads((splits.directory("kaggle") / "split.json").read_text())
    for change, found in (
        ({"classes": [*CLOTHES[:9], "Boot"]}, "28 x 28, 10 classes with other names"),
        ({"shape": [14, 56, 1]}, "14 x 56, 10 classes"),
    ):
        (splits.directory("kaggle") / "split.json").write_text(json.dumps(description | change))
        for stage in (evaluate.evaluate, lambda name: predict.predict(name, [], 0, False)):
            with pytest.raises(UserError, match=f"data/splits/kaggle: holds images of {found}, and .*run `dvc repro`"):
                stage("only")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.classes": ["a", 7]}, 'data.classes.1 is 7: should be text of 1 to 40 .* in quotes, such as "0"'),
        ({"data.classes": ["a"]}, "data.classes .*at least 2"),
        ({"data.classes": ["a", "b\x1b"]}, "data.classes.1 .*should be text"),
        ({"data.classes": ["a", "a"]}, "data: classes has 'a' twice"),
        ({"data.classes": ["a", "b"], "data.fallback": True}, "data: fallback is true, .*set fallback: false"),
        ({"data.first_label": 250}, "labels up to 259, and a label is a byte"),
        ({"data.transposed": 1}, "data.transposed is 1: should be a valid boolean"),
    ],
)
def test_wrong_names_are_an_error(
    changes: Mapping[str, Any], message: str, project: Path, write_parameters: Write
) -> None:
    write_parameters(project, {"data.fallback": False, **changes})
    with pytest.raises(UserError, match=message):
        load()


def test_labels_outside_the_classes_are_an_error_that_says_where_these_are(
    project: Path, write_parameters: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = replace(SETS["EMNIST-like"], changes={**SETS["EMNIST-like"].changes, "data.first_label": 2})
    with pytest.raises(UserError, match=r"is 1, not an integer from 2 to 48, as data.classes and data.first_label in"):
        prepare(images, "letters", project, write_parameters, monkeypatch)


def test_images_of_two_sizes_are_an_error(
    project: Path, write_parameters: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = SETS["20x20"], SETS["QMNIST-like"]
    files = {**first.files(), **dict(list(second.files().items())[2:])}
    monkeypatch.setattr(Set, "files", lambda _: files)
    with pytest.raises(UserError, match="training and test images differ, they are of 20 x 20 x 1 and of 28 x 28 x 1"):
        prepare(first, "two", project, write_parameters, monkeypatch)


def test_without_a_split_the_gradient_check_takes_images_as_mnists(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["check_gradients", "w3-relu-10"])
    check_gradients.main()
    assert "as MNIST has them, since data/splits/kaggle is not there" in capsys.readouterr().out


@pytest.mark.slow
def test_the_refusal_names_a_command_that_runs_all_the_rest(tmp_path: Path, write_parameters: Write) -> None:
    project = Project(tmp_path, tmp_path / "own", write_parameters, without=("reproduce", "paper"), changes=BLANK)
    images = SETS["Fashion-like"]
    sums = write_files(images, tmp_path / "own")
    size = {"splits.kaggle.images": TRAINING, "splits.standard.images": TRAINING, "splits.kaggle.held_out": 100}
    project.set({**images.changes, "data.sha256": sums, "data.fallback": False, "data.name": "Fashion", **size})
    refused = project.run("dvc", "repro")
    assert refused.returncode != 0
    (message,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in refused.stderr
    command = re.findall("Run `(.*?)`", message)
    assert len(command) == 1
    project.output(*command[0].split())
    for name in MODELS:
        assert '"dataset": "Fashion"' in (tmp_path / f"metrics/{name}.json").read_text()
        assert (tmp_path / f"figures/{name}/confusion.png").exists()
    assert re.findall("^Running stage", project.output(*command[0].split()), re.MULTILINE) == []
