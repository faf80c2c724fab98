import io
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure, SubFigure
from PIL import Image

from stages import plot
from stages.shared import models, splits
from stages.shared.errors import UserError
from stages.shared.explanations import over_images, saliency
from stages.shared.figures import BLUE, VERMILION
from stages.shared.mnist import FORM
from stages.shared.parameters import Model
from tests.networks import layer_rows

ROOT = Path(__file__).parent.parent
M = 20  # images of the detailed part
RIGHT = 12  # of them, those with a right prediction


def panel() -> SubFigure:
    figure = Figure()
    return figure.add_subfigure(figure.add_gridspec()[0])


def write_results(
    part: str = "test",
    hidden: tuple[int, ...] = (4,),
    dataset: str = "digits",
    layers: list[dict[str, Any]] | None = None,
) -> None:
    """Write all that the stages before would leave of a model named w3-relu-10."""
    rng = np.random.default_rng(0)
    row = Model.model_validate(
        {"split": "kaggle", "layers": layers or layer_rows(*hidden), "learning_rate": 0.1, "updates": 2, "seed": 0}
    )
    network = models.start_network("m", row, FORM, rng)
    models.save(Path("models/w3-relu-10.npz"), network, row, FORM, dataset)

    folder = splits.directory("kaggle")
    folder.mkdir(parents=True)
    labels = np.arange(M) % 10
    np.save(folder / f"X_{part}.npy", rng.random((M, 784), np.float32).T)
    np.save(folder / f"y_{part}.npy", labels.astype(np.uint8))
    parts = dict.fromkeys(splits.PARTS, 0) | {part: M}
    (folder / "split.json").write_text(
        json.dumps({"dataset": dataset, **asdict(FORM), "parts": parts, "notes": ["few"]})
    )

    predicted = np.where(np.arange(M) < RIGHT, labels, 0)
    shares = {"precision": [None] + 9 * [1.0], "recall": 10 * [0.5]}
    measured = {"accuracy": RIGHT / M, "interval": [0.387, 0.781], "cross_entropy": 1.0} | shares
    for name in ("metrics/history", "metrics/confusion", "predictions"):
        Path(name).mkdir(parents=True)
    Path("metrics/w3-relu-10.json").write_text(json.dumps({"dataset": dataset, part: measured, "notes": ["few"]}))
    history = {"update": [1, 2], "loss": [2.5, 2.0], "accuracy": [0.125, 0.25]}
    validation = {"validation_loss": [2.25, 2.125], "validation_accuracy": [0.125, 0.1875]}
    pd.DataFrame(history | validation).to_csv("metrics/history/w3-relu-10.csv", index=False)
    actual, guess = np.indices((10, 10)).reshape(2, -1)
    counts = {"actual": actual, "predicted": guess, "count": np.arange(100)}
    pd.DataFrame(counts).to_csv("metrics/confusion/w3-relu-10.csv", index=False)
    write_predictions(labels, predicted, np.linspace(0.5, 0.9, M))


def predictions(labels: Any, predicted: Any, probability: Any) -> pd.DataFrame:
    table = np.full((len(labels), 10), 0.01)
    table[np.arange(len(labels)), predicted] = probability
    columns = {"index": np.arange(len(labels)), "label": labels, "predicted": predicted}
    return pd.DataFrame(columns | {f"p{k}": table[:, k] for k in range(10)})


def condensed(labels: Any, predicted: Any, probability: Any) -> pd.DataFrame:
    return plot.most_probable(predictions(labels, predicted, probability).drop(columns="index"))


def write_predictions(labels: Any, predicted: Any, probability: Any) -> None:
    predictions(labels, predicted, probability).to_csv("predictions/w3-relu-10.csv", index=False)


def figures() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path("figures/w3-relu-10").iterdir()}


@pytest.mark.usefixtures("project")
def test_the_figures_are_images_and_the_same_in_another_process() -> None:
    write_results()
    command = [sys.executable, "-m", "stages.plot", "w3-relu-10"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "5", "TZ": "Asia/Tokyo", "MPLBACKEND": "pdf"}
    subprocess.run(command, env=environment, check=True)
    first = figures()
    names = ["confusion", "curves", "predictions", "saliency", "weights"]
    assert sorted(first) == [f"{name}.{suffix}" for name in names for suffix in ("png", "svg")]
    plot.plot("w3-relu-10")
    assert figures() == first
    for name, content in first.items():
        if name.endswith("png"):
            with Image.open(io.BytesIO(content)) as image:
                assert image.getextrema() != tuple((255, 255) for _ in image.getbands()), f"{name} is blank"
        else:
            assert ET.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 (just written by us)
    assert b"<image" in first["predictions.svg"]
    assert b"<image" not in first["confusion.svg"] + first["curves.svg"]


class Drawn(NamedTuple):
    """A figure that is not written."""

    title: str
    subtitle: str
    notes: list[str]
    panel: SubFigure


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Drawn]:
    """Return the figures by name; while this is in use, none is written."""
    record: dict[str, Drawn] = {}

    @contextmanager
    def kept(path: Path, _: tuple[float, float], title: str, subtitle: str, notes: list[str]) -> Iterator[SubFigure]:
        record[path.name] = Drawn(title, subtitle, notes, panel())
        yield record[path.name].panel

    monkeypatch.setattr(plot, "figure_at", kept)
    return record


@pytest.mark.parametrize(("part", "name"), [("test", "test"), ("held_out", "held-out"), ("train", "training")])
@pytest.mark.usefixtures("project")
def test_headings_name_the_data_and_the_part(part: str, name: str, drawn: dict[str, Drawn]) -> None:
    write_results(part, dataset="five digits (fallback)")
    plot.plot("w3-relu-10")
    assert {figure.title for figure in drawn.values()} == {"w3-relu-10 on five digits (fallback)"}
    assert all(figure.notes == ["few"] for figure in drawn.values())
    right = f"60.0% of the 20 {name} images are right (95% interval 38.7% to 78.1%)"
    assert drawn["confusion"].subtitle == right
    assert f"the 20 {name} images" in drawn["predictions"].subtitle


@pytest.mark.usefixtures("project")
def test_each_figure_shows_the_file_that_it_is_of(drawn: dict[str, Drawn]) -> None:
    write_results()
    plot.plot("w3-relu-10")
    losses, accuracies = (
        [np.asarray(line.get_ydata()).tolist() for line in axes.lines] for axes in drawn["curves"].panel.axes
    )
    assert (losses, accuracies) == ([[2.5, 2.0], [2.25, 2.125]], [[0.125, 0.25], [0.125, 0.1875]])
    written = {text.get_position(): text.get_text() for text in drawn["confusion"].panel.axes[0].texts}
    table = pd.read_csv("metrics/confusion/w3-relu-10.csv")
    cells = zip(table["predicted"], table["actual"], table["count"], strict=True)
    assert all(written[predicted, actual] == str(count) for predicted, actual, count in cells)
    assert [written[k, 10] for k in range(10)] == ["", *9 * ["100.0%"]], "precision, by what is predicted"
    assert [written[10, k] for k in range(10)] == 10 * ["50.0%"], "recall, by what it is"
    X = np.load("data/splits/kaggle/X_test.npy")
    first, errors = drawn["predictions"].panel.axes
    for axes, shown in ((first, range(15)), (errors, [19, 18, 17, 16, 15, 14, 13, 12])):
        tiles = [np.asarray(image.get_array()) for image in axes.images]
        assert np.array_equal(tiles, X.T[shown].reshape(-1, 28, 28))


@pytest.mark.parametrize(
    ("hidden", "heading", "first", "last"),
    [
        ((), "Weights of the 10 classes", "class 0", "class 9"),
        ((4,), "Weights of the 4 units of the first layer", "unit 1", "unit 4"),
        ((65,), "Weights of the first 64 of 65 units of the first layer", "unit 1", "unit 64"),
    ],
)
@pytest.mark.usefixtures("project")
def test_the_weights_are_those_of_the_first_layer(
    hidden: tuple[int, ...], heading: str, first: str, last: str, drawn: dict[str, Drawn]
) -> None:
    write_results(hidden=hidden)
    plot.plot("w3-relu-10")
    assert drawn["weights"].subtitle == heading
    axes = drawn["weights"].panel.axes[0]
    shown = models.load(Path("models/w3-relu-10.npz")).network.parameters["0.W"][:64]
    assert np.array_equal([np.asarray(image.get_array()) for image in axes.images], shown.reshape(-1, 28, 28))
    names = [text.get_text() for text in axes.texts]
    assert (names[0], names[-1], len(names)) == (first, last, len(shown))


CONVOLUTIONAL: list[dict[str, Any]] = [
    *({"name": "convolution", "filters": 3, "size": 5}, {"name": "batch_normalization"}, {"name": "relu"}),
    {"name": "residual", "layers": [{"name": "convolution", "filters": 3, "padding": 1}, {"name": "relu"}]},
    *({"name": "max_pooling", "size": 2}, {"name": "affine", "units": 7}, {"name": "relu"}, {"name": "affine"}),
]


def tiles_of(axes: Any) -> list[Any]:
    return [np.asarray(image.get_array()) for image in axes.images]


@pytest.mark.usefixtures("project")
def test_a_planted_filter_is_shown_at_its_place_and_its_map_in_that_place(drawn: dict[str, Drawn]) -> None:
    write_results(layers=CONVOLUTIONAL)
    trained = models.load(Path("models/w3-relu-10.npz"))
    planted = np.zeros((5, 5), np.float32)
    planted[2, 2] = 1  # returns the image itself
    trained.network.parameters["0.W"][1] = planted.ravel()
    models.save(Path("models/w3-relu-10.npz"), trained.network, trained.row, FORM, "digits")
    plot.plot("w3-relu-10")
    assert drawn["weights"].subtitle == "Weights of the 3 filters of the first layer"
    filters = drawn["weights"].panel.axes[0]
    assert [text.get_text() for text in filters.texts] == ["filter 1", "filter 2", "filter 3"]
    assert np.array_equal(tiles_of(filters)[1], planted)
    assert (
        drawn["features"].subtitle == "The first of the 20 test images (0) in the network: red is above 0, blue below"
    )
    first, second = drawn["features"].panel.axes
    assert [axes.get_title().split(",")[0] for axes in (first, second)] == [
        "hidden layer 1: feature maps of the 3 filters",
        "hidden layer 2: feature maps of the 3 filters",
    ]
    digit = np.load("data/splits/kaggle/X_test.npy")[:, 0].reshape(28, 28)
    assert np.allclose(tiles_of(first)[1], digit[2:-2, 2:-2], rtol=1e-4)
    assert [len(axes.images) for axes in (first, second)] == [3, 3]


@pytest.mark.usefixtures("project")
def test_what_the_gradient_by_the_image_says_is_drawn_over_an_image_of_each_class(drawn: dict[str, Drawn]) -> None:
    write_results(layers=CONVOLUTIONAL)
    plot.plot("w3-relu-10")
    network = models.load(Path("models/w3-relu-10.npz")).network
    X = np.load("data/splits/kaggle/X_test.npy")[:, :10]
    predictions = pd.read_csv("predictions/w3-relu-10.csv")["predicted"][:10]
    tiles, limit = over_images(X, saliency(network, X, predictions.to_numpy()), FORM.shape)
    axes, scale = drawn["saliency"].panel.axes
    assert np.allclose(tiles_of(axes), tiles)
    assert [text.get_text() for text in axes.texts] == [str(k) for k in range(10)]
    assert scale.get_ylim() == (-limit, limit)
    assert drawn["saliency"].subtitle.startswith("Where a larger value of the pixel speaks for the class")


def test_an_error_among_the_images_of_the_classes_is_marked() -> None:
    table = condensed([0, 1, 2], [0, 7, 2], [0.5, 0.5, 0.5])
    figure = panel()
    plot.draw_saliency(figure, np.zeros((784, 3)), np.ones((784, 3)), table, FORM)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["0", "7\nnot 1", "2"]
    assert [same_color(text.get_color(), VERMILION) for text in axes.texts] == [False, True, False]


@pytest.mark.usefixtures("project")
def test_there_is_no_picture_of_feature_maps_where_there_are_none(drawn: dict[str, Drawn]) -> None:
    write_results()
    plot.plot("w3-relu-10")
    assert drawn.keys() == {"curves", "confusion", "predictions", "weights", "saliency"}


@pytest.mark.usefixtures("project")
def test_there_are_no_pictures_of_weights_of_what_is_no_image(drawn: dict[str, Drawn]) -> None:
    write_results(layers=[{"name": "batch_normalization"}, *layer_rows(4)])
    plot.plot("w3-relu-10")
    assert "weights" not in drawn


def history(**columns: list[float]) -> pd.DataFrame:
    empty = [float("nan")] * len(columns["update"])
    return pd.DataFrame({"validation_loss": empty, "validation_accuracy": empty} | columns)


def test_the_curves_are_the_history() -> None:
    figure = panel()
    plot.draw_curves(figure, history(update=[1, 2, 3], loss=[2.5, 2.0, 1.5], accuracy=[0.1, 0.2, 0.85]))
    loss, accuracy = figure.axes
    for axes, values, label in ((loss, [2.5, 2, 1.5], "last 1.500"), (accuracy, [0.1, 0.2, 0.85], "last 85.0%")):
        (line,) = axes.lines
        assert np.array_equal(np.asarray(line.get_xydata()), np.transpose([[1, 2, 3], values]))
        assert line.get_label() == f"training, {label}"


def test_the_validation_has_its_own_curves_where_it_was_measured() -> None:
    figure = panel()
    missing = float("nan")
    measured = {"validation_loss": [missing, 2.0], "validation_accuracy": [missing, 0.3]}
    plot.draw_curves(figure, history(update=[1, 2], loss=[2.5, 2.25], accuracy=[0.1, 0.2], **measured))
    for axes, value in zip(figure.axes, (2.0, 0.3), strict=True):
        training, validation = axes.lines
        assert np.array_equal(np.asarray(validation.get_xydata()), [[2, value]])
        assert same_color(training.get_color(), BLUE)
        assert same_color(validation.get_color(), VERMILION)
        assert training.get_linestyle() != validation.get_linestyle()


def test_the_color_of_an_error_is_its_share_of_the_class() -> None:
    counts = 90 * np.eye(10, dtype=np.int64)
    counts[4, 9] = 10
    counts[2] = 0
    figure = panel()
    plot.draw_confusion(figure, counts, [None] + 9 * [0.9], 9 * [0.75] + [None], FORM.classes)
    axes = figure.axes[0]
    shares = axes.collections[0].get_array()
    assert isinstance(shares, np.ma.MaskedArray)
    assert np.array_equal(shares.mask, np.eye(10, dtype=bool))
    assert shares[4, 9] == 10 / 100
    assert shares.sum() == shares[4, 9]
    assert axes.collections[0].get_clim() == (0, 0.1)
    written = {text.get_position(): text for text in axes.texts}
    assert written[9, 4].get_text() == "10"
    assert same_color(written[9, 4].get_color(), "white")
    assert written[3, 3].get_text() == "90"
    assert not same_color(written[3, 3].get_color(), "white")
    assert [written[k, 10].get_text() for k in range(3)] == ["", "90.0%", "90.0%"]
    assert [written[10, k].get_text() for k in (0, 9)] == ["75.0%", ""]


def test_predictions_show_the_first_images_and_the_most_confident_errors() -> None:
    labels = np.arange(M) % 10
    predicted = labels.copy()
    predicted[[1, 16, 18]] = [7, 0, 3]
    probability = np.full(M, 0.5)
    probability[[16, 18]] = [0.875, 0.9]
    X = np.random.default_rng(0).random((784, M))
    figure = panel()
    plot.draw_predictions(figure, X, condensed(labels, predicted, probability), FORM)
    first, errors = figure.axes
    assert first.get_title() == "The first 15 images"
    assert errors.get_title() == "The 3 most confident of the 3 errors"
    expected = [f"{k % 10}\n50.0%" for k in range(15)]
    expected[1] = "7, not 1\n50.0%"
    assert [text.get_text() for text in first.texts] == expected
    assert [text.get_text() for text in errors.texts] == ["3, not 8\n90.0%", "0, not 6\n87.5%", "7, not 1\n50.0%"]
    assert [same_color(text.get_color(), VERMILION) for text in first.texts] == [k == 1 for k in range(15)]
    for axes, shown in ((first, list(range(15))), (errors, [18, 16, 1])):
        tiles = [np.asarray(image.get_array()) for image in axes.images]
        assert np.array_equal(tiles, X.T[shown].reshape(-1, 28, 28))


def test_predictions_without_an_error() -> None:
    figure = panel()
    plot.draw_predictions(figure, np.zeros((784, 3)), condensed([1, 2, 3], [1, 2, 3], [0.9, 0.9, 0.9]), FORM)
    assert [axes.get_title() for axes in figure.axes] == ["The first 3 images", "No errors"]
    assert [len(axes.images) for axes in figure.axes] == [3, 0]


def test_weights_of_colors_are_shown_in_color_and_gray_is_zero() -> None:
    W = np.zeros((2, 4, 4, 3))
    W[0, 1, 2] = [2, -2, 1]
    figure = panel()
    plot.draw_weights(figure, W, ["filter 1", "filter 2"], 5)
    (axes,) = figure.axes
    first, second = tiles_of(axes)
    assert np.array_equal(first[1, 2], [1, 0, 0.75])
    assert (second == 0.5).all()


def test_weights_of_zero_can_be_drawn() -> None:
    figure = panel()
    plot.draw_weights(figure, np.zeros((2, 4, 4, 1)), ["filter 1", "filter 2"], 5)
    assert {image.get_clim() for image in figure.axes[0].images} == {(-1, 1)}


def test_weights_share_one_scale_around_zero() -> None:
    W = np.random.default_rng(0).uniform(-1, 1, (11, 28, 28, 1))
    W[3, 5, 5] = -1.5
    figure = panel()
    plot.draw_weights(figure, W, [f"unit {k}" for k in range(11)], 8)
    axes = figure.axes[0]
    assert np.array_equal([np.asarray(image.get_array()) for image in axes.images], W.reshape(11, 28, 28))
    assert {image.get_clim() for image in axes.images} == {(-1.5, 1.5)}
    assert [text.get_text() for text in axes.texts] == [f"unit {k}" for k in range(11)]


INPUTS = [
    "models/w3-relu-10.npz",
    "data/splits/kaggle/split.json",
    "data/splits/kaggle/X_test.npy",
    "metrics/w3-relu-10.json",
    "metrics/history/w3-relu-10.csv",
    "metrics/confusion/w3-relu-10.csv",
    "predictions/w3-relu-10.csv",
]


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.usefixtures("project")
def test_a_missing_input_is_an_error(name: str) -> None:
    write_results()
    Path(name).unlink()
    with pytest.raises(UserError, match=f"{name}: not there; run `dvc repro`"):
        plot.plot("w3-relu-10")
    assert not Path("figures").exists()


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x00\xff\xfe"])
@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.usefixtures("project")
def test_a_foreign_input_is_an_error(name: str, content: bytes) -> None:
    write_results()
    Path(name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}: .*run `dvc repro`"):
        plot.plot("w3-relu-10")
    assert not Path("figures").exists()


@pytest.mark.parametrize(
    ("name", "lines", "problem"),
    [
        ("metrics/history/w3-relu-10.csv", slice(1), "0 rows"),
        ("metrics/confusion/w3-relu-10.csv", slice(100), "99 rows, not 100"),
        ("predictions/w3-relu-10.csv", slice(M), f"{M - 1} rows, not {M}"),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_truncated_table_is_an_error(name: str, lines: slice, problem: str) -> None:
    write_results()
    path = Path(name)
    path.write_text("\n".join(path.read_text().splitlines()[lines]) + "\n")
    with pytest.raises(UserError, match=rf"{name}: .*{problem}"):
        plot.plot("w3-relu-10")


@pytest.mark.parametrize("cell", ["seven", "", "1.5", "1" * 30])
@pytest.mark.usefixtures("project")
def test_a_label_that_is_no_integer_is_an_error(cell: str) -> None:
    write_results()
    path = Path("predictions/w3-relu-10.csv")
    path.write_text(path.read_text().replace("\n3,3,", f"\n3,{cell},"))
    with pytest.raises(UserError, match=r"predictions/w3-relu-10\.csv: not the table"):
        plot.plot("w3-relu-10")


@pytest.mark.parametrize("content", ["[]", "{}", '{"test": null}', '{"test": {"accuracy": 1.0}}'])
@pytest.mark.usefixtures("project")
def test_other_json_in_place_of_the_metrics_is_an_error(content: str) -> None:
    write_results()
    Path("metrics/w3-relu-10.json").write_text(content)
    with pytest.raises(UserError, match=r"metrics/w3-relu-10\.json: not the metrics of a model"):
        plot.plot("w3-relu-10")


@pytest.mark.usefixtures("project")
def test_metrics_of_a_part_that_is_not_there_are_an_error() -> None:
    write_results()
    path = Path("metrics/w3-relu-10.json")
    path.write_text(path.read_text().replace('"test"', '"held_out"'))
    with pytest.raises(UserError, match="data/splits/kaggle: has no part held_out"):
        plot.plot("w3-relu-10")


@pytest.mark.usefixtures("project")
def test_an_unknown_model_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["plot", "nobody"])
    with pytest.raises(UserError, match=r"params\.yaml: models has no 'nobody'"):
        plot.main()


@pytest.mark.usefixtures("project")
def test_dvc_fills_the_templates_with_both_revisions() -> None:
    write_results()
    dvc = [sys.executable, "-m", "dvc"]
    git = ["git", "-c", "user.name=name", "-c", "user.email=name@localhost"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*dvc, "init", "--quiet"], check=True)
    shutil.copytree(ROOT / ".dvc/plots", ".dvc/plots")
    curves = {"template": "curves", "x": "update", "y": "loss"}
    confusion = {"template": "confusion_counts", "x": "predicted", "y": "actual"}
    plots = [{"metrics/history/w3-relu-10.csv": curves}, {"metrics/confusion/w3-relu-10.csv": confusion}]
    Path("dvc.yaml").write_text(json.dumps({"plots": plots}))
    subprocess.run([*git, "add", "dvc.yaml", "metrics"], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "first"], check=True)
    path = Path("metrics/confusion/w3-relu-10.csv")
    path.write_text(path.read_text().replace("4,9,49", "4,9,55"))
    for name, marks in (("history", 4), ("confusion", 200)):
        command = [*dvc, "plots", "diff", "HEAD", "--show-vega", "--targets", f"metrics/{name}/w3-relu-10.csv"]
        diff = subprocess.run(command, check=True, capture_output=True).stdout
        assert b"<DVC_METRIC" not in diff
        values = json.loads(diff)["data"]["values"]
        assert len(values) == marks
        assert {value["rev"] for value in values} == {"HEAD", "workspace"}
    counts = {value["rev"]: value["count"] for value in values if (value["actual"], value["predicted"]) == ("4", "9")}
    assert counts == {"HEAD": "49", "workspace": "55"}
