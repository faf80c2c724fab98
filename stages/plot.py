"""Draw how a model learned, what it learned and what it gets wrong: `python -m stages.plot MODEL`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stages.nn.arrays import Array
from stages.shared import models, parameters, splits
from stages.shared.artifacts import missing, read_json, replacing
from stages.shared.errors import UserError, run
from stages.shared.explanations import SIGNED, counted, look_inside, over_images, rows, saliency
from stages.shared.figures import (
    BLUE,
    GRAY,
    INK,
    LIGHT_GRAY,
    LONGEST,
    PERCENT,
    ROOMY,
    VERMILION,
    Normalize,
    ScalarMappable,
    SubFigure,
    as_images,
    figure_at,
    literal,
    shortened,
    show_tiles,
)
from stages.shared.mnist import Form
from stages.shared.schema import named_row

SHOWN_IMAGES = 15
SHOWN_UNITS = 64
SHOWN_CLASSES = 10
ROWS = 20_000  # of a table, read together
PARTS = {"test": "test", "held_out": "held-out", "validation": "validation", "train": "training"}

HISTORY = dict.fromkeys(("update", "loss", "accuracy", "validation_loss", "validation_accuracy"), float)
CONFUSION = dict.fromkeys(("actual", "predicted", "count"), int)


def read_table(
    path: Path,
    columns: Mapping[str, type],
    rows: int | None = None,
    shorten: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
) -> pd.DataFrame:
    """Return these columns of a CSV file, each of its type.

    Parameters
    ----------
    path : Path
        The file.
    columns : dict
        Types by name.
    rows : int, optional
        How many there must be.
    shorten : callable, optional
        What to keep of some of the rows; all of them may be larger than memory.

    Raises
    ------
    UserError
        If the file is missing or is no CSV, a column is missing or holds something else, or there are not so many rows.
    """
    try:
        with pd.read_csv(path, usecols=list(columns), dtype=columns, chunksize=ROWS) as chunks:
            table = pd.concat(map(shorten, chunks))
        if len(table) == 0 or rows not in (None, len(table)):
            raise ValueError(f"it has {len(table)} rows, not {rows or 'any'}")
        return table
    except FileNotFoundError:
        raise missing(path) from None
    except (ValueError, OverflowError, OSError) as error:
        raise UserError(f"{path}: not the table that belongs here ({error}); delete it and run `dvc repro`") from None


def read_detailed(path: Path, classes: int) -> tuple[str, dict[str, Any]]:
    """Return the part of the split with precision and recall in metrics/<model>.json, and all that stands there of it.

    Raises
    ------
    UserError
        If the file is missing or is not what the evaluate stage writes.
    """
    metrics = read_json(path)
    for part in PARTS if isinstance(metrics, dict) else ():
        match metrics.get(part):
            case {
                "accuracy": float(),
                "interval": [float(), float()],
                "precision": [*precision],
                "recall": [*recall],
            } if len(precision) == len(recall) == classes:
                return part, metrics[part]
    raise UserError(f"{path}: not the metrics of a model; delete it and run `dvc repro`")


def draw_curves(figure: SubFigure, history: pd.DataFrame) -> None:
    """Draw loss and accuracy over the updates, in training and, where there is one, on the validation part."""
    lines = (("", "training", BLUE, "-"), ("validation_", "validation", VERMILION, "--"))
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    for axes, measure, form in ((loss_axes, "loss", ".3f"), (accuracy_axes, "accuracy", ".1%")):
        for prefix, name, color, style in lines:
            values = history[prefix + measure].dropna()
            if len(values):
                marker = "o" if len(values) <= 30 else None
                label = f"{name}, last {values.iloc[-1]:{form}}"
                axes.plot(history["update"][values.index], values, style, color=color, marker=marker, ms=3, label=label)
        axes.set_xlabel("update")
        axes.set_xlim(left=0)
        axes.grid(axis="y", color=LIGHT_GRAY, linewidth=0.6)
    loss_axes.set_ylabel("cross-entropy")
    loss_axes.legend(loc="upper right")
    accuracy_axes.set_ylabel("accuracy")
    accuracy_axes.legend(loc="lower right")
    accuracy_axes.yaxis.set_major_formatter(PERCENT)


def confusion_size(classes: Sequence[str]) -> tuple[float, float]:
    """Return width and height in inches of a figure in which a confusion matrix can be read."""
    more = 0.3 * len(classes) - 4.8 if len(classes) > ROOMY else 0.0
    more += 0.07 * (max(map(len, classes)) - 1)
    return 7 + more, 6.4 + more


def draw_confusion(
    figure: SubFigure,
    counts: NDArray[np.int64],
    precision: list[Any],
    recall: list[Any],
    classes: Sequence[str],
) -> None:
    """Draw a confusion matrix with precision and recall; the color of an error is its share of the actual class.

    The diagonal has no part in the color scale: it would leave the errors all alike. With many classes, counts of 0 are
    left out.
    """
    many, named = len(classes) > ROOMY, max(map(len, classes)) > 2
    size = 5.5 if many else None
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    errors = np.ma.masked_array(shares, np.eye(len(classes), dtype=bool))
    highest = max(errors.max(), 0.01)
    axes = figure.subplots()
    axes.set_facecolor(LIGHT_GRAY)
    edges = np.arange(len(classes) + 1) - 0.5
    cells = axes.pcolormesh(edges, edges, errors, cmap="Oranges", vmin=0, vmax=highest)
    axes.set(aspect="equal", ylim=(len(classes) - 0.5, -0.5))
    center: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": size}
    for (actual, predicted), count in np.ndenumerate(counts):
        if many and not count:
            continue
        dark = actual != predicted and shares[actual, predicted] > 0.66 * highest
        color = "white" if dark else INK if count else GRAY
        axes.text(
            predicted, actual, f"{count:,}", color=color, weight="bold" if actual == predicted else None, **center
        )
    end = len(classes) + (0.3 if many else 0)
    for k in range(len(classes)):
        axes.text(k, end, "" if precision[k] is None else f"{precision[k]:.1%}", rotation=90 if many else 0, **center)
        axes.text(end, k, "" if recall[k] is None else f"{recall[k]:.1%}", **center)
    axes.text(-0.8, end, "precision", ha="right", va="center", color=GRAY)
    axes.text(end, -0.8, "recall", color=GRAY, ha="center", va="bottom" if named else "center", rotation=90 * named)
    axes.set(xlabel="predicted", ylabel="actual", xticks=range(len(classes)), yticks=range(len(classes)))
    names = [literal(name) for name in classes]
    axes.set_xticklabels(names, rotation=90 * named)
    axes.set_yticklabels(names)
    axes.xaxis.set_label_position("top")
    axes.xaxis.labelpad = 8
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=7 if many else 9)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(cells, format=PERCENT, shrink=0.6, aspect=30)
    assert bar.solids is not None
    bar.solids.set(rasterized=False, edgecolor="face")
    bar.set_label("errors, as a share of the actual class")


def draw_predictions(figure: SubFigure, X: Array, predictions: pd.DataFrame, form: Form) -> None:
    """Draw the first images of X and the most confident errors, each with prediction and probability.

    Parameters
    ----------
    figure : SubFigure
        Where to.
    X : ndarray
        Shape (features, m).
    predictions : DataFrame
        As `most_probable` returns them, a row for each image.
    form : Form
        Of the images.
    """
    wrong = predictions["label"] != predictions["predicted"]
    probability = predictions["probability"]
    names = [shortened(name, LONGEST) for name in form.classes]
    apart = has_names(form)
    confident = probability[wrong].sort_values(ascending=False, kind="stable").index[:SHOWN_IMAGES]
    first = predictions.index[:SHOWN_IMAGES]
    halves = (
        (f"The first {len(first)} images", first),
        (
            f"The {len(confident)} most confident of the {wrong.sum():,} errors" if len(confident) else "No errors",
            confident,
        ),
    )
    for axes, (heading, shown) in zip(figure.subplots(1, 2, gridspec_kw={"wspace": 0.06}), halves, strict=True):
        labels = []
        for k in shown:
            truth = f"{chr(10) if apart else ', '}not {names[predictions['label'][k]]}" if wrong[k] else ""
            labels.append(f"{names[predictions['predicted'][k]]}{truth}\n{probability[k]:.1%}")
        axes.set_title(heading, fontsize=9)
        axes.set_axis_off()
        if labels:
            images = as_images(X[:, shown], form.shape)
            room = 26 if apart else 18
            show_tiles(axes, images, labels, list(wrong[shown]), columns=5, room=room, cmap="gray_r", vmin=0, vmax=1)


def probabilities(form: Form) -> list[str]:
    """Return the columns of the table of predictions that hold probabilities."""
    return [f"p{k}" for k in range(len(form.classes))]


def most_probable(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the columns label and predicted of the table of predictions, and the probability of what is predicted."""
    labels = predictions[["label", "predicted"]]
    return labels.assign(probability=predictions.drop(columns=labels).max(axis=1))


def has_names(form: Form) -> bool:
    """Return whether two names of classes side by side are too long to stand below an image."""
    return max(map(len, form.classes)) > 2


def draw_weights(figure: SubFigure, W: Array, labels: list[str], columns: int) -> None:
    """Draw weights W, of shape (pictures, height, width, channels), on one scale that is symmetric about 0.

    Those of three channels are drawn as red, green and blue, of any other number the mean.
    """
    limit = np.abs(W).max() or 1.0
    axes = figure.subplots()
    marked = [False] * len(W)
    if W.shape[3] == 3:
        show_tiles(axes, 0.5 + W / (2 * limit), labels, marked, columns, room=8)
        return
    image = show_tiles(axes, W.mean(axis=3), labels, marked, columns, room=8, cmap=SIGNED, vmin=-limit, vmax=limit)
    figure.colorbar(image, aspect=60, pad=0.02).set_label("weight of the pixel")


def describe_pictures(model: models.Trained, count: int, name: str) -> tuple[str, list[str]]:
    """Return what the pictures of the first layer's units or filters are called together, and one by one.

    Units that return the logits are the classes.
    """
    if len(model.network.layers) == 1:
        names = [shortened(name, LONGEST) for name in model.form.classes]
        return f"Weights of the {count} classes", [f"class {name}" for name in names]
    which = counted(count, SHOWN_UNITS, name)
    return f"Weights of the {which} of the first layer", [f"{name} {k}" for k in range(1, 1 + count)]


def draw_saliency(figure: SubFigure, X: Array, dX: Array, predictions: pd.DataFrame, form: Form) -> None:
    """Draw the gradient dX over the images X, both of shape (features, m), with a row of predictions for each."""
    tiles, limit = over_images(X, dX, form.shape)
    axes = figure.subplots()
    names = [shortened(name, LONGEST) for name in form.classes]
    wrong = (predictions["label"] != predictions["predicted"]).tolist()
    labels = [
        names[predicted] + f"{chr(10)}not {names[label]}" * (label != predicted)
        for label, predicted in zip(predictions["label"], predictions["predicted"], strict=True)
    ]
    show_tiles(axes, tiles, labels, wrong, columns=5, room=12 if any(wrong) else 8)
    scale = ScalarMappable(Normalize(-limit, limit), SIGNED)
    figure.colorbar(scale, ax=axes, aspect=40, pad=0.02).set_label("log-odds for each unit of the pixel's value")


def plot(name: str) -> None:
    """Draw the figures of the model of this name into figures/<name>/, each as PNG and as SVG.

    Raises
    ------
    UserError
        If something that an earlier stage writes is missing or is not what it should be.
    """
    file = f"{name}.csv"
    model = models.load(Path("models") / f"{name}.npz")
    row, dataset, form = model.row, model.dataset, model.form
    splits.require_form(row.split, form)
    notes = splits.load_description(row.split).notes
    part, measured = read_detailed(Path("metrics") / f"{name}.json", len(form.classes))
    loaded = splits.load_part(row.split, part, mapped=True)
    if loaded is None:
        folder = splits.directory(row.split)
        raise UserError(f"{folder}: has no part {part}, of which there are metrics; run `dvc repro`")
    X, _ = loaded
    history = read_table(Path("metrics/history") / file, HISTORY)
    confusion = read_table(Path("metrics/confusion") / file, CONFUSION, rows=len(form.classes) ** 2)
    columns_read = {"label": int, "predicted": int, **dict.fromkeys(probabilities(form), float)}
    predictions = read_table(Path("predictions") / file, columns_read, X.shape[1], most_probable)
    if not predictions[["label", "predicted"]].isin(range(len(form.classes))).all(axis=None):
        raise UserError(f"predictions/{file}: has a class that is none of the {form}; delete it and run `dvc repro`")

    images = f"the {X.shape[1]:,} {PARTS[part]} images"
    low, high = measured["interval"]
    examples = predictions.drop_duplicates("label").sort_values("label")[:SHOWN_CLASSES]
    shown_X = X[:, examples.index]
    dX = saliency(model.network, shown_X, examples["predicted"].to_numpy())
    features = rows(look_inside(model.network, X[:, 0]), X[:, 0], form.shape, units=False)
    _, first, _ = next(model.network.walk(X[:, :1]))
    pictures = first.pictures()
    heading, names = ("", []) if pictures is None else describe_pictures(model, len(pictures), first.makes)
    subtitles = {
        "curves": "Loss and accuracy in training",
        "confusion": f"{measured['accuracy']:.1%} of {images} are right (95% interval {low:.1%} to {high:.1%})",
        "predictions": f"Predictions for {images} with their probabilities, errors marked",
        "weights": heading + ", in color: gray is 0" * (form.shape[2] == 3),
        "features": f"The first of {images} ({form.classes[predictions['label'][0]]}) in the network: "
        "red is above 0, blue below",
        "saliency": "Where a larger value of the pixel speaks for the class that is predicted (red), or against (blue)",
    }
    with replacing(Path("figures") / name) as folder:
        folder.mkdir()

        def new(figure: str, width: float, height: float) -> AbstractContextManager[SubFigure]:
            return figure_at(folder / figure, (width, height), f"{name} on {dataset}", subtitles[figure], notes)

        with new("curves", 7, 3.2) as figure:
            draw_curves(figure, history)
        with new("confusion", *confusion_size(form.classes)) as figure:
            counts = confusion["count"].to_numpy().reshape(len(form.classes), len(form.classes))
            draw_confusion(figure, counts, measured["precision"], measured["recall"], form.classes)
        with new("predictions", *((10, 6) if has_names(form) else (7, 3.7))) as figure:
            draw_predictions(figure, X, predictions, form)
        if pictures is not None:
            shown = pictures[:SHOWN_UNITS]
            columns = 5 if len(shown) <= 10 else 8
            with new("weights", 7, 0.6 + 7 * -(-len(shown) // columns) / columns) as figure:
                draw_weights(figure, shown, names[: len(shown)], columns)
        if features:
            heights = [height for height, _ in features]
            with new("features", 7, 0.6 + sum(heights)) as figure:
                places = figure.subplots(len(features), 1, squeeze=False, height_ratios=heights)[:, 0]
                for axes, (_, draw) in zip(places, features, strict=True):
                    draw(axes)
        with new("saliency", 7, 0.9 + 1.5 * -(-len(examples) // 5)) as figure:
            draw_saliency(figure, shown_X, dX, examples, form)


def main() -> None:
    """Read the command line."""
    name = named_row(__doc__, "model")
    parameters.load_model(name)
    with threadpool_limits(parameters.load().blas_threads, user_api="blas"):
        plot(name)


if __name__ == "__main__":
    run(main)
