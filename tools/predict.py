"""Show what a trained model makes of images: `python -m tools.predict MODEL IMAGE ...`."""

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from stages.nn.arrays import Array
from stages.nn.network import Network
from stages.nn.softmax import softmax
from stages.shared import drawings, models, parameters, picture_files, splits
from stages.shared.artifacts import replacing
from stages.shared.errors import UserError, run
from stages.shared.explanations import Inside, look_inside, over_images, rows, saliency
from stages.shared.figures import (
    BLUE,
    GRAY,
    INK,
    LONGEST,
    PERCENT,
    Axes,
    SubFigure,
    as_images,
    figure_at,
    literal,
    shortened,
)
from stages.shared.mnist import FORM, Form

FOLDER = Path("explained")  # where the figures of --explain go
WIDE = 100  # characters that the probabilities of all classes may take in a table
SHOWN = 5  # of more classes, the most probable ones
MODES = {1: "L", 3: "RGB"}  # of Pillow, by the number of channels
ADVICE = "give them the ground, the margins and the proportions that the images of the set have."
BARS = 15  # the same in a figure


@dataclass(frozen=True)
class Sample:
    """An image to predict.

    Attributes
    ----------
    name : str
        What the table calls it.
    stem : str
        What its figure is called by.
    image : Image
        As it was given.
    x : ndarray of shape (features,)
        As the network sees it.
    label : int or None
        The class that it is, where that is known.
    steps : sequence of (str, ndarray)
        What is seen on the way from the image to x, and its name.
    done : sequence of str
        What had to be done to find the digit in the image.
    doubts : sequence of str
        Why it may be no digit, or not all of one.
    """

    name: str
    stem: str
    image: Image.Image
    x: Array
    label: int | None = None
    steps: Sequence[tuple[str, Array]] = ()
    done: Sequence[str] = ()
    doubts: Sequence[str] = ()


def from_file(path: Path, form: Form = FORM) -> Sample:
    """Return an image file in the form of a data set; raise UserError if it is no such file or has no digit to find.

    For images as MNIST's, the digit is looked for and brought to its size and place. Any other image is scaled.
    """
    image = picture_files.read(path)
    try:
        if form != FORM:
            return Sample(str(path), path.stem, image, scaled(image, form.shape))
        digit = drawings.find(image)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    steps = [("without ground and light", digit.ink), ("the digit's ink", np.where(digit.kept, digit.ink, 0))]
    return Sample(str(path), path.stem, image, digit.x, None, steps, digit.done, digit.doubts)


def files(path: Path) -> list[Path]:
    """Return the images in a folder, sorted, or the path itself if it is none; raise UserError if there are none."""
    if not path.is_dir():
        return [path]
    suffixes = {suffix for suffix, name in Image.registered_extensions().items() if name in picture_files.FORMATS}
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes and file.is_file())
    if not found:
        raise UserError(f"{path}: no image is in this folder; put files in it that end in .png, .jpg or the like")
    return found


def scaled(image: Image.Image, shape: tuple[int, int, int]) -> Array:
    """Return an image in RGB as one of this shape, of shape (features,), light and dark as they are."""
    height, width, channels = shape
    if channels not in MODES:
        raise UserError(f"cannot be made an image of {channels} channels; give --test-index N for an image of the set")
    pixels = np.asarray(image.convert(MODES[channels]).resize((width, height), Image.Resampling.BOX), np.float32)
    return (pixels / np.float32(255)).reshape(-1)


def from_test_part(split: str, index: int, form: Form = FORM) -> Sample:
    """Return an image of the test part of a split; raise UserError if there is none with this index."""
    splits.require_form(split, form)
    X, y = splits.require_part(split, "test", mapped=True)
    if not 0 <= index < len(y):
        raise UserError(f"--test-index {index}: the test part of {split} has the images 0 to {len(y) - 1}")
    x = X[:, index]
    image = Image.fromarray(np.rint(255 * as_images(X[:, [index]], form.shape)[0]).astype(np.uint8))
    return Sample(f"test image {index}", f"test-{index}", image, x, int(y[index]))


def table(samples: Sequence[Sample], P: Array, classes: Sequence[str]) -> str:
    """Return the probabilities P, of shape (classes, samples), in percent and the predictions, an image a row.

    Of many classes each row has those that are most probable.
    """
    classes = [printable(name) for name in classes]
    names = ["image", *(printable(sample.name) for sample in samples)]
    pitch = max(7, 2 + max(map(len, classes)))
    if pitch * len(classes) <= WIDE:
        numbers = ["".join(f"{name:>{pitch}}" for name in classes)]
        numbers += ["".join(f"{100 * p_k:{pitch}.1f}" for p_k in p) for p in P.T]
    else:
        numbers = ["   most probable", *(f"   {_most_probable(p, classes)}" for p in P.T)]
        numbers = [text.ljust(max(map(len, numbers))) for text in numbers]
    truths = ["" if sample.label is None else f" (label {classes[sample.label]})" for sample in samples]
    last = ["prediction", *(f"{classes[k]}{truth}" for k, truth in zip(P.argmax(axis=0), truths, strict=True))]
    width = max(map(len, names))
    return "\n".join(f"{a:{width}}{b}   {c}" for a, b, c in zip(names, numbers, last, strict=True))


def remarks(sample: Sample) -> list[str]:
    """Return what was done to find the digit, and each reason to doubt that it is one."""
    done = ["; ".join(sample.done)] if sample.done else []
    return [f"{printable(sample.name)}: {text}" for text in [*done, *(f"warning: {text}" for text in sample.doubts)]]


def _most_probable(p: Array, classes: Sequence[str]) -> str:
    return ", ".join(f"{classes[k]} {100 * p[k]:.1f}" for k in np.argsort(-p, kind="stable")[:SHOWN])


def printable(text: str) -> str:
    """Return text that any terminal can show: the name of a file may hold what is no character."""
    return "".join(char if char.isprintable() else "?" for char in text)


@dataclass(frozen=True)
class Explanation:
    """What a network makes of an image.

    Attributes
    ----------
    p : ndarray of shape (classes,)
        The probabilities.
    inside : Inside
        What its layers make of it.
    saliencies : dict of int to ndarray of shape (features,)
        The gradient by the image of the log-odds of the class that is predicted and, where known, of the right one.
    """

    p: Array
    inside: Inside
    saliencies: Mapping[int, Array]


def explained(network: Network, sample: Sample) -> Explanation:
    """Return what a network makes of an image."""
    X = sample.x[:, np.newaxis]
    p = softmax(network.forward(X))[:, 0]
    classes = dict.fromkeys([int(p.argmax()), *([] if sample.label is None else [sample.label])])
    return Explanation(p, look_inside(network, sample.x), {k: saliency(network, X, [k])[:, 0] for k in classes})


def draw_explanation(figure: SubFigure, sample: Sample, explanation: Explanation, form: Form = FORM) -> None:
    """Draw an image from as given to as the network sees it, what speaks for a class, and the probabilities.

    Below these is what each hidden layer makes of it, and each layer that attends. Of many classes the most probable
    ones are shown.
    """
    X = sample.x[:, np.newaxis]
    pictures = [
        ("as given", np.asarray(sample.image) / 255),
        *((name, ink / ink.max()) for name, ink in sample.steps),
        ("as the network sees it", as_images(X, form.shape)[0]),
    ]
    for k, dx in explanation.saliencies.items():
        (tile,), _ = over_images(X, dx[:, np.newaxis], form.shape)
        name = literal(shortened(form.classes[k], LONGEST))
        pictures.append((f"for {name} (red),\nagainst it (blue)", tile))
    drawn = rows(explanation.inside, sample.x, form.shape)
    heights, widths = [2.2, *(height for height, _ in drawn)], [1] * len(pictures) + [1.2]
    grid = figure.add_gridspec(len(heights), len(widths), height_ratios=heights, width_ratios=widths)
    for column, (title, picture) in enumerate(pictures):
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(title, fontsize=9, wrap=True)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
    draw_probabilities(figure.add_subplot(grid[0, -1]), explanation.p, form)
    for row, (_, draw) in enumerate(drawn, 1):
        draw(figure.add_subplot(grid[row, :]))


def draw_probabilities(axes: Axes, p: Array, form: Form) -> None:
    """Draw a bar for each class, of many classes for the most probable ones."""
    shown = np.argsort(-p, kind="stable")[:BARS] if len(p) > BARS else np.arange(len(p))
    rows = range(len(shown))
    axes.barh(rows, p[shown], color=[BLUE if k == p.argmax() else GRAY for k in shown])
    for row, p_k in enumerate(p[shown]):
        axes.text(p_k + 0.02, row, f"{p_k:.1%}", va="center", color=INK)
    axes.set_title("probabilities", fontsize=9)
    axes.set(xlim=(0, 1.2), ylim=(len(shown) - 0.5, -0.5), xticks=(0, 0.5, 1), yticks=rows)
    axes.set_yticklabels([literal(shortened(form.classes[k], LONGEST)) for k in shown])
    axes.xaxis.set_major_formatter(PERCENT)


def explain(path: Path, title: str, sample: Sample, network: Network, form: Form) -> None:
    """Write the explanation of one image as a PNG file."""
    explanation = explained(network, sample)
    p = explanation.p
    truth = "" if sample.label is None else f"; label {form.classes[sample.label]}"
    subtitle = f"Prediction {form.classes[p.argmax()]}, with a probability of {p.max():.1%}{truth}"
    longest = min(max(map(len, form.classes)), LONGEST)
    width = 7 + 1.5 * (len(sample.steps) + len(explanation.saliencies) - 1) + 0.2 * (longest - 1)
    height = 3 + sum(height for height, _ in rows(explanation.inside, sample.x, form.shape))
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "explanation"
        with figure_at(draft, (width, height), title, subtitle) as figure:
            draw_explanation(figure, sample, explanation, form)
        with replacing(path) as partial:
            shutil.copyfile(draft.with_suffix(".png"), partial)


def predict(name: str, paths: Sequence[Path], test_index: int | None, drawn: bool) -> None:
    """Print what the model of this name makes of image files or of a test image; write figures of it if wanted.

    Raises
    ------
    UserError
        If the model is missing, there is no such test image, or at least one of the files cannot be read; the
        others are predicted first.
    """
    model = models.load(Path("models") / f"{name}.npz")
    form = model.form
    samples = [] if test_index is None else [from_test_part(model.row.split, test_index, form)]
    problems = []
    for given in paths:
        try:
            found = files(given)
        except UserError as error:
            problems.append(printable(str(error)))
            continue
        for path in found:
            try:
                samples.append(from_file(path, form))
            except UserError as error:
                problems.append(printable(str(error)))
    title = f"{name} on {model.dataset}"
    if samples:
        print(f"{title}, probabilities in percent\n")
        X = np.stack([sample.x for sample in samples], axis=1)
        print(table(samples, softmax(model.network.forward(X)), form.classes))
        said = [remark for sample in samples for remark in remarks(sample)]
        print(*(["", *said] if said else []), sep="\n", end="\n" if said else "")
    if paths and samples and form != FORM:
        height, width, _ = form.shape
        print(f"\nImage files are scaled to {height} x {width} (height x width) and else taken as they are: {ADVICE}")
    if samples and drawn:
        print()
        times = Counter[str]()
        for sample in samples:
            times[sample.stem] += 1
            repeated = f"-{times[sample.stem]}" if times[sample.stem] > 1 else ""
            target = FOLDER / f"{name}-{sample.stem}{repeated}.png"
            explain(target, title, sample, model.network, form)
            print(f"{printable(sample.name)} is explained in {printable(str(target))}")
    if problems:
        raise UserError("\nerror: ".join(problems))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Show what a trained model makes of images.")
    parser.add_argument("model", help="a key of models in params.yaml")
    parser.add_argument(
        "images",
        nargs="*",
        type=Path,
        metavar="IMAGE",
        help=f"for a model of digits, a drawn or photographed one; or a folder: {', '.join(picture_files.FORMATS)}",
    )
    parser.add_argument("--test-index", type=int, metavar="N", help="show image N of the test part (from 0) instead")
    parser.add_argument("--explain", action="store_true", help=f"draw how the network comes to it, in {FOLDER}/")
    options = parser.parse_intermixed_args()
    if bool(options.images) == (options.test_index is not None):
        parser.error("give image files or --test-index N, one of the two")
    parameters.load_model(options.model)
    with threadpool_limits(parameters.load().blas_threads, user_api="blas"):
        predict(options.model, options.images, options.test_index, options.explain)


if __name__ == "__main__":
    run(main)
