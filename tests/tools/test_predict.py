"""Prediction for a person: the table, the figure, and each error."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from PIL import Image

from stages.claims.drawn_digits import draw_digits
from stages.nn.network import Network
from stages.nn.softmax import softmax
from stages.shared import models, picture_files, splits
from stages.shared.artifacts import write_json
from stages.shared.drawings import normalize
from stages.shared.errors import UserError, run
from stages.shared.explanations import Inside, over_images
from stages.shared.figures import BLUE
from stages.shared.mnist import FORM, Form
from stages.shared.parameters import Model
from tests import photographs
from tests.networks import layer_rows
from tools import predict
from tools.predict import Explanation, Sample, draw_explanation, explain, explained, from_test_part

ROOT = Path(__file__).parents[2]
TEST_IMAGES = 20


def row(**keys: Any) -> Model:
    """Return a row of params.yaml."""
    return Model.model_validate(
        {"split": "kaggle", "layers": layer_rows(6), "learning_rate": 0.1, "updates": 1, "seed": 0} | keys
    )


def nearest_mean(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Network:
    """Return the linear network whose largest logit belongs to the digit with the nearest mean image.

    It maximizes -|x - mean|² = 2 mean·x - |mean|² - |x|², of which the last term is the same for all digits.
    """
    means = np.stack([images[labels == k].mean(axis=0) for k in range(10)]) / 255
    network = models.start_network("means", row(layers=layer_rows()), FORM, np.random.default_rng(0))
    W, b = network.parameters.values()
    W[...] = 2 * means
    b[...] = -np.square(means).sum(axis=1, keepdims=True)
    return network


@pytest.fixture
def trained(
    project: Path,
    digits: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    write_parameters: Callable[[Path, Mapping[str, Any]], None],
) -> Path:
    """Return a project with trained models and an untrained one, a test part of 20 digits, and 0.png to 9.png."""
    rows = {
        "means": row(layers=layer_rows()),
        "hidden": row(layers=layer_rows(6, 4)),
        "untrained": row(),
        "no-test": row(split="standard"),
    }
    write_parameters(project, {"models": {name: model.model_dump(mode="json") for name, model in rows.items()}})
    images, labels = digits
    models.save(Path("models/means.npz"), nearest_mean(images, labels), rows["means"], FORM, "digits")
    for name in ("hidden", "no-test"):
        network = models.start_network(name, rows[name], FORM, np.random.default_rng(0))
        models.save(Path(f"models/{name}.npz"), network, rows[name], FORM, "digits")
    for split, size in (("kaggle", TEST_IMAGES), ("standard", 0)):
        parts = dict.fromkeys(splits.PARTS, 0) | {"test": size}
        write_json(
            splits.directory(split) / "split.json", {"dataset": "digits", **asdict(FORM), "parts": parts, "notes": []}
        )
    np.save(splits.directory("kaggle") / "X_test.npy", (images[:TEST_IMAGES] / np.float32(255)).T)
    np.save(splits.directory("kaggle") / "y_test.npy", labels[:TEST_IMAGES])
    for digit, image in enumerate(draw_digits()[0][20:30]):
        image.save(f"{digit}.png")
    return project


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run the program in this process."""
    monkeypatch.setattr(sys, "argv", ["predict", *arguments])
    run(predict.main)


def rows_of(output: str) -> dict[str, list[str]]:
    """Return the rows of the printed table, without its header."""
    found = re.findall(r"^(\S+|test image \d+) +((?: +\d+\.\d){10} .*)$", output, re.MULTILINE)
    return {name: rest.split() for name, rest in found}


@pytest.mark.usefixtures("trained")
def test_the_table_shows_ten_probabilities_and_the_prediction(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, "means", *(f"{k}.png" for k in range(10)))
    output = capsys.readouterr().out
    assert output.startswith("means on digits, probabilities in percent\n")
    rows = rows_of(output)
    assert list(rows) == [f"{k}.png" for k in range(10)]
    network = models.load(Path("models/means.npz")).network
    for name, (*percents, prediction) in rows.items():
        p = softmax(network.forward(normalize(picture_files.read(Path(name)))[:, np.newaxis]))[:, 0]
        assert np.allclose(np.array(percents, float), 100 * p, atol=0.051)
        assert int(prediction) == p.argmax()
    right = sum(name == f"{prediction}.png" for name, (*_, prediction) in rows.items())
    assert right >= 5
    header, *lines = output.splitlines()[2:]
    assert header.split() == ["image", *map(str, range(10)), "prediction"]
    assert {line.index(line.split()[-1], len(line) - 3) for line in lines} == {header.index("prediction")}


@pytest.mark.parametrize("index", [0, TEST_IMAGES - 1])
@pytest.mark.usefixtures("trained")
def test_a_test_image_instead(
    index: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    digits: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    call(monkeypatch, "means", "--test-index", str(index))
    (*_, prediction, word, label) = rows_of(capsys.readouterr().out)[f"test image {index}"]
    assert (word, label) == ("(label", f"{digits[1][index]})")
    sample = from_test_part("kaggle", index)
    assert np.array_equal(np.asarray(sample.image).ravel(), digits[0][index])
    assert np.array_equal(sample.x, digits[0][index] / np.float32(255))
    network = models.load(Path("models/means.npz")).network
    assert int(prediction) == network.forward(sample.x[:, np.newaxis]).argmax()


@pytest.mark.usefixtures("trained")
def test_the_others_are_predicted_where_files_are_bad(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.png").write_text("seven")
    Image.new("RGB", (50, 60), "white").save("empty.png")
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, "means", "text.png", "2.png", "none.png", "empty.png", "4.png")
    assert list(rows_of(capsys.readouterr().out)) == ["2.png", "4.png"]
    errors = str(stopped.value).splitlines()
    assert [error.split()[:2] for error in errors] == [["error:", f"{name}.png:"] for name in ("text", "none", "empty")]
    assert "is empty" in errors[2]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["means", "--test-index", "20"], "--test-index 20: the test part of kaggle has the images 0 to 19"),
        (["means", "--test-index", "-1"], "--test-index -1: the test part of kaggle has the images 0 to 19"),
        (["no-test", "--test-index", "0"], "the part test is empty"),
        (["unknown", "2.png"], "models has no 'unknown'"),
        (["untrained", "2.png"], "models/untrained.npz: not there; run `dvc repro`"),
        (["means", "none.png"], "none.png: there is no such file"),
        (["means", "none.png", "--explain"], "none.png: there is no such file"),
    ],
)
@pytest.mark.usefixtures("trained")
def test_what_cannot_be_predicted_is_an_error(
    arguments: list[str], problem: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, *arguments)
    assert str(stopped.value).startswith("error: ")
    assert problem in str(stopped.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arguments", [["means"], ["means", "2.png", "--test-index", "0"], ["means", "--explain"]])
@pytest.mark.usefixtures("trained")
def test_either_files_or_a_test_image(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, *arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith("error: give image files or --test-index N, one of the two\n")


@pytest.mark.usefixtures("trained")
def test_a_name_of_no_characters_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"\x1b[31m\xff2\n.png")
    shutil.copyfile("2.png", name)
    call(monkeypatch, "means", name)
    assert list(rows_of(capsys.readouterr().out)) == ["?[31m?2?.png"]


@pytest.mark.usefixtures("trained")
def test_explanations_are_written_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other").mkdir()
    shutil.copyfile("3.png", "other/2.png")
    before = {path: path.read_bytes() for path in Path().rglob("*.png")}
    call(monkeypatch, "hidden", "--explain", "2.png", "other/2.png")
    written = [Path("explained/hidden-2.png"), Path("explained/hidden-2-2.png")]
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"2.png is explained in {written[0]}",
        f"other/2.png is explained in {written[1]}",
    ]
    assert {path: path.read_bytes() for path in Path().rglob("*.png") if path not in written} == before
    assert sorted(Path("explained").iterdir()) == sorted(written)
    assert written[0].read_bytes() != written[1].read_bytes()


@pytest.mark.usefixtures("trained")
def test_another_process_prints_and_draws_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["hidden", "--test-index", "7", "--explain"]
    call(monkeypatch, *arguments)
    figure = Path("explained/hidden-test-7.png")
    first = figure.read_bytes()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "5", "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-m", "tools.predict", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == capsys.readouterr().out
    assert figure.read_bytes() == first
    with Image.open(figure) as image:
        assert image.format == "PNG"
        assert len(image.convert("L").getcolors() or []) > 10


def panel() -> SubFigure:
    figure = Figure()
    return figure.add_subfigure(figure.add_gridspec()[0])


def test_the_figure_shows_images_activations_and_probabilities() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(256, size=(30, 20, 3), dtype=np.uint8))
    ink, digit = rng.random((30, 20)), rng.random((30, 20))
    sample = Sample("a.png", "a", image, rng.random(784), steps=[("ink", ink), ("digit", digit)])
    hidden = [np.array([0.0, 1.5, 0.25]), np.array([-0.5, 0.5])]
    p = np.array([0.05, 0.5, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05])
    dx = rng.normal(size=784)
    figure = panel()
    draw_explanation(figure, sample, Explanation(p, Inside(hidden), {1: dx}))
    given, *steps, seen, gradient, probabilities = figure.axes[:6]
    layers = figure.axes[6:]
    assert np.array_equal(np.asarray(given.images[0].get_array()), np.asarray(image) / 255)
    for axes, name, picture in zip(steps, ("ink", "digit"), (ink, digit), strict=True):
        assert axes.get_title() == name
        assert np.array_equal(np.asarray(axes.images[0].get_array()), picture / picture.max())
    assert np.array_equal(np.asarray(seen.images[0].get_array()), sample.x.reshape(28, 28))
    assert seen.images[0].get_clim() == (0, 1)
    assert gradient.get_title() == "for 1 (red),\nagainst it (blue)"
    tile, _ = over_images(sample.x[:, np.newaxis], dx[:, np.newaxis], FORM.shape)
    assert np.array_equal(np.asarray(gradient.images[0].get_array()), tile[0])
    bars = probabilities.patches
    assert [bar.get_width() for bar in bars] == p.tolist()  # type: ignore[attr-defined]
    assert [same_color(bar.get_facecolor(), BLUE) for bar in bars] == [k == 1 for k in range(10)]
    assert [text.get_text() for text in probabilities.texts][:3] == ["5.0%", "50.0%", "10.0%"]
    assert [axes.get_title() for axes in layers] == [
        "hidden layer 1: 2 of 3 units above 0",
        "hidden layer 2: 1 of 2 units above 0",
    ]
    for axes, A in zip(layers, hidden, strict=True):
        assert [bar.get_height() for bar in axes.patches] == A.tolist()  # type: ignore[attr-defined]


def test_a_network_without_hidden_layers_has_no_activations() -> None:
    figure = panel()
    sample = Sample("a.png", "a", Image.new("L", (28, 28)), np.zeros(784))
    draw_explanation(figure, sample, Explanation(np.full(10, 0.1), Inside(), {0: np.ones(784)}))
    assert len(figure.axes) == 4


def test_hidden_layers_and_then_heads_are_drawn_in_their_order() -> None:
    rng = np.random.default_rng(0)
    hidden, heads = [rng.random((9, 8, 3)), rng.random(5), rng.random((4, 4, 20))], [rng.random((2, 7, 7))]
    sample = Sample("a.png", "a", Image.new("L", (28, 28)), rng.random(784))
    figure = panel()
    draw_explanation(figure, sample, Explanation(np.full(10, 0.1), Inside(hidden, heads), {}))
    maps, units, more, attention = figure.axes[3:]
    assert np.array_equal([np.asarray(image.get_array()) for image in maps.images], hidden[0].transpose(2, 0, 1))
    assert [bar.get_height() for bar in units.patches] == hidden[1].tolist()  # type: ignore[attr-defined]
    assert [axes.get_title().split(":")[0] for axes in (maps, units, more, attention)] == [
        "hidden layer 1",
        "hidden layer 2",
        "hidden layer 3",
        "attention 1",
    ]
    assert [len(axes.images) for axes in (maps, units, more, attention)] == [3, 0, 16, 2]


def test_an_explanation_has_the_class_that_is_predicted_and_the_right_one() -> None:
    """In a linear network the log-odds of a class have its weights as gradient, less those of the others by weight."""
    network = models.start_network("m", row(layers=layer_rows()), FORM, np.random.default_rng(0))
    x = np.random.default_rng(1).random(784, np.float32)
    Z = network.forward(x[:, np.newaxis])[:, 0]
    right, predicted = np.argsort(Z)[[0, -1]]
    sample = Sample("a.png", "a", Image.new("L", (28, 28)), x, int(right))
    found = explained(network, sample)
    assert list(found.saliencies) == [predicted, right]
    assert np.allclose(found.p, softmax(Z[:, np.newaxis])[:, 0])
    W = network.parameters["0.W"]
    for k, dx in found.saliencies.items():
        others = np.delete(np.arange(10), k)
        assert np.allclose(dx, W[k] - softmax(Z[others][:, np.newaxis])[:, 0] @ W[others], atol=1e-6)
    assert list(explained(network, replace(sample, label=int(predicted))).saliencies) == [predicted]
    assert list(explained(network, replace(sample, label=None)).saliencies) == [predicted]


def test_nothing_is_cut_off(tmp_path: Path) -> None:
    """Of a network of many kinds of layers, on images in color with long names of classes."""
    form = Form((20, 32, 3), ("a sandal of leather", "$5 shirt", *(f"class number {k}" for k in range(20))))
    layers = [
        *({"name": "convolution", "filters": 20}, {"name": "relu"}, {"name": "max_pooling", "size": 2}),
        *({"name": "convolution", "filters": 3}, {"name": "relu"}, *layer_rows(6)),
    ]
    network = models.start_network("m", row(layers=layers), form, np.random.default_rng(0))
    x = np.random.default_rng(1).random(1920, np.float32)
    explain(tmp_path / "a.png", "title", Sample("a", "a", Image.new("RGB", (32, 20)), x, 3), network, form)
    with Image.open(tmp_path / "a.png") as image:
        pixels = np.asarray(image.convert("L"))
    margin = 4
    inner = pixels.copy()
    inner[margin:-margin, margin:-margin] = 255
    assert (inner == 255).all(), "something reaches the edge"


@pytest.mark.usefixtures("trained")
def test_a_file_has_the_name_in_its_error() -> None:
    Image.new("RGB", (50, 60), "white").save("empty.png")
    with pytest.raises(UserError, match=r"^empty\.png: is empty"):
        predict.from_file(Path("empty.png"))


@pytest.mark.usefixtures("trained")
def test_a_folder_stands_for_its_images(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("notes.txt").write_text("not an image")
    Path("sub.png").mkdir()
    call(monkeypatch, "means", ".")
    assert list(rows_of(capsys.readouterr().out)) == [f"{k}.png" for k in range(10)]


@pytest.mark.usefixtures("trained")
def test_a_folder_without_images_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("none").mkdir()
    with pytest.raises(SystemExit, match=r"none: no image is in this folder; put files in it that end in \.png"):
        call(monkeypatch, "means", "none", "2.png")
    assert list(rows_of(capsys.readouterr().out)) == ["2.png"]
    shutil.copyfile("2.png", "none/2.PNG")
    call(monkeypatch, "means", "none")
    assert list(rows_of(capsys.readouterr().out)) == ["none/2.PNG"]


@pytest.mark.usefixtures("trained")
def test_a_line_says_what_was_done_and_one_what_is_doubted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    four, seven = (photographs.coverage(draw_digits()[0][k]) for k in (4, 7))
    sheet = photographs.plain().painted(photographs.placed(four, 0.4, column=0.27), photographs.BLACK)
    sheet.lit(photographs.shade(0.5)).photograph().save("shaded.png")
    sheet.painted(photographs.placed(seven, 0.4, column=0.75), photographs.BLACK).photograph().save("both.png")
    call(monkeypatch, "means", "2.png", "shaded.png", "both.png")
    shaded, left_out, both = capsys.readouterr().out.splitlines()[-3:]
    assert shaded.startswith("shaded.png: the light was evened out, which falls to ")
    assert left_out == "both.png: left out as no part of it: 1 line or spot"
    assert both == "both.png: warning: looks like two digits; cut one of them out"


@pytest.mark.usefixtures("trained")
def test_a_model_that_is_not_finite_predicts_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = models.load(Path("models/means.npz"))
    model.network.parameters["0.b"][3] = np.nan
    models.save(Path("models/means.npz"), model.network, model.row, FORM, model.dataset)
    with pytest.raises(SystemExit, match=r"models/means\.npz: .*0\.b is not finite everywhere"):
        call(monkeypatch, "means", "2.png")
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("trained")
def test_a_figure_says_what_is_predicted_and_what_is_right(
    monkeypatch: pytest.MonkeyPatch, digits: tuple[NDArray[np.uint8], NDArray[np.uint8]]
) -> None:
    said: list[str] = []

    @contextmanager
    def record(path: Path, size: tuple[float, float], title: str, subtitle: str) -> Iterator[SubFigure]:
        said.extend((title, subtitle))
        path.with_suffix(".png").touch()
        yield panel()

    monkeypatch.setattr(predict, "figure_at", record)
    call(monkeypatch, "means", "--explain", "--test-index", "7")
    model = models.load(Path("models/means.npz"))
    p = softmax(model.network.forward(from_test_part("kaggle", 7).x[:, np.newaxis]))[:, 0]
    label = digits[1][7]
    assert said == ["means on digits", f"Prediction {p.argmax()}, with a probability of {p.max():.1%}; label {label}"]


def test_every_bar_of_the_probabilities_is_in_view() -> None:
    figure = panel()
    sample = Sample("a.png", "a", Image.new("L", (28, 28)), np.zeros(784))
    draw_explanation(figure, sample, Explanation(np.full(10, 0.1), Inside(), {}))
    probabilities = figure.axes[2]
    assert probabilities.get_ylim() == (9.5, -0.5)
    assert probabilities.get_xlim()[0] == 0
    assert probabilities.get_xlim()[1] > 1
