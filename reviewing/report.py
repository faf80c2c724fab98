"""Report what a change did to the numbers, against a revision of git: `python -m reviewing.report --base main`.

It writes report/report.md, with pictures beside it. The metrics, histories, confusion matrices and predictions that it
needs are in git; the images are in data/splits/.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reviewing import markdown
from reviewing.figures import draw_confusion, draw_curves, draw_digits, shrink
from reviewing.models import OTHER_DATA, ModelComparison, read_models
from reviewing.proof import made_on
from reviewing.revisions import WORKSPACE, Comparison, compare
from reviewing.significance import REPRODUCTIONS, Spread, find_spread
from stages.shared import parameters, splits
from stages.shared.artifacts import replacing
from stages.shared.errors import UserError, run

FOLDER = Path("report")
DEFAULT_BASE = "main"
UNFOLDED = 2  # models with pictures

Pictures = list[tuple[str, str]]  # what each shows, and its file


def find_spreads(models: Sequence[ModelComparison], comparison: Comparison) -> dict[str, Spread | None]:
    """Return by model what the seed does to its network as it is in the base, or else in the workspace."""
    measured = comparison.after.json(REPRODUCTIONS) or comparison.before.json(REPRODUCTIONS)
    return {
        model.name: find_spread(model.before.row, model.before.metrics.get("dataset"), measured)
        or find_spread(model.after.row, model.after.metrics.get("dataset"), measured)
        for model in models
        if model.state != "the same"
    }


def draw_pictures(models: Sequence[ModelComparison], base: str, folder: Path) -> tuple[dict[str, Pictures], list[str]]:
    """Draw what there is to see of the models that differ; return the pictures by model, and what is missing for more.

    Parameters
    ----------
    models : sequence of ModelComparison
        All models.
    base : str
        Name of the base.
    folder : Path
        Where to.
    """
    pictures: dict[str, Pictures] = {model.name: [] for model in models}
    missing: list[str] = []
    learned = [model.name for model in models if model.state in ("new", "changed") and model.has_new_history]
    unlike = {model.name for model in models if model.apart == OTHER_DATA}
    if learned:
        draw_curves(base, [f"metrics/history/{name}.csv" for name in learned], folder)
    for name in learned:
        other = ", on other data" if name in unlike else ""
        pictures[name].append((f"{name}: loss and accuracy in training{other}", f"{name}-curves.png"))
    for model in models:
        if model.state == "changed":
            missing += _absent(model, base)
        if model.state == "changed" and not model.apart:
            pictures[model.name] += _draw_confusion(model, base, folder)
            try:
                pictures[model.name] += _draw_digits(model, base, folder)
            except UserError as error:
                split = model.after.row["split"]
                missing.append(
                    f"The images of {markdown.code(model.name)} are not drawn. {error}. For the images alone it is "
                    f"`dvc repro preprocess@{split}`, or `dvc pull data/splits/{split}` from a remote."
                )
    for png in folder.glob("*.png"):
        shrink(png)
    for svg in folder.glob("*.svg"):
        svg.unlink()
    return {name: drawn for name, drawn in pictures.items() if drawn}, missing


def _absent(model: ModelComparison, base: str) -> list[str]:
    """Return what is not there of a model that is in both revisions, and how to get it."""
    return [
        f"`{path}` is not in git at {markdown.code(base)}. Check that out, run `dvc repro` and commit the file."
        for path, text in model.before.files.items()
        if text is None
    ] + [f"`{path}` is not here. `dvc repro` makes it." for path, text in model.after.files.items() if text is None]


def _draw_confusion(model: ModelComparison, base: str, folder: Path) -> Pictures:
    before, after = model.before.confusion, model.after.confusion
    if before is None or after is None or np.array_equal(before, after):
        return []
    if not np.array_equal(before.sum(axis=1), after.sum(axis=1)):  # not the same images
        return []
    name = f"{model.name}-confusion"
    named = parameters.load().data.classes
    classes = named if len(named) == len(after) else list(map(str, range(len(after))))
    draw_confusion(folder / name, model.name, (base, WORKSPACE), (before, after), classes)
    return [(f"{model.name}: confusion matrices and their difference", f"{name}.png")]


def _draw_digits(model: ModelComparison, base: str, folder: Path) -> Pictures:
    before, after, paired = model.before.predictions, model.after.predictions, model.paired
    if before is None or after is None or isinstance(paired, str) or not len(paired.gained) + len(paired.lost):
        return []
    X, y = splits.require_part(model.after.row["split"], "test", mapped=True)
    if not np.array_equal(y, after["label"]):
        folder_of_split = splits.directory(model.after.row["split"])
        raise UserError(f"{folder_of_split}: has other test images than the predictions; run `dvc repro`")
    name = f"{model.name}-digits"
    form = splits.load_description(model.after.row["split"]).form
    was, now = (table["predicted"].to_numpy() for table in (before, after))
    draw_digits(folder / name, model.name, X, was, now, paired, form)
    return [(f"{model.name}: images that {base} or the workspace alone gets right", f"{name}.png")]


def report(base: str) -> None:
    """Write report/report.md and its pictures.

    Parameters
    ----------
    base : str
        The revision of git to compare with.

    Raises
    ------
    UserError
        If there is no such revision, params.yaml is not valid, or a file of one of the two cannot be read.
    """
    parameters.load()
    comparison = compare(base)
    models = read_models(comparison)
    spreads = find_spreads(models, comparison)
    apart = {model.name: model.apart for model in models}
    with replacing(FOLDER) as folder:
        folder.mkdir()
        pictures, missing = draw_pictures(models, base, folder)
        details = [
            markdown.of_parameters(comparison.parameters, base) if comparison.parameters else "",
            markdown.of_metrics(comparison.metrics, base, spreads, apart) if comparison.metrics else "",
            markdown.of_stages(comparison.reruns) if comparison.reruns else "",
            markdown.of_missing(missing) if missing else "",
            *(markdown.of_pictures(name, drawn, len(pictures) <= UNFOLDED) for name, drawn in pictures.items()),
        ]
        differ = any(details) or any(model.state != "the same" for model in models)
        summary = markdown.summary(models, spreads) if differ else markdown.NOTHING
        head = [markdown.heading(comparison, models), made_on(comparison.before, comparison.after)]
        text = "\n\n".join(filter(None, [*head, summary, *details])) + "\n"
        (folder / "report.md").write_text(text, encoding="utf-8", newline="\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="", help=f"the revision of git to compare with (default: {DEFAULT_BASE})")
    report(parser.parse_args().base.strip() or DEFAULT_BASE)  # an empty one is what `make report BASE=` gives
    print(f"{FOLDER / 'report.md'} is written")


if __name__ == "__main__":
    run(main)
