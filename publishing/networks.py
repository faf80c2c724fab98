"""The models of params.yaml by their networks, in words that need no model's name: for the README and the home page."""

from collections.abc import Iterator, Sequence

from publishing import words
from publishing.charts import embedded
from publishing.markup import escaped, table
from publishing.measurements import METRICS, Measured, Metrics, load_metrics
from stages.shared import parameters
from stages.shared.figures import BLUE, LIGHT_GRAY, SubFigure
from stages.shared.parameters import LayerRow, Model, Parameters, describe_network

ACTIVATIONS = {"relu": "ReLU", "gelu": "GELU", "tanh": "tanh", "sigmoid": "sigmoid"}
NAMED = {"transformer": "attention", "convolutional network": "convolution"}  # by a layer that they have
NUMBERS = ("no hidden layer", "one hidden layer", "two hidden layers", "three hidden layers")
ERRORS = (0.5, 1, 2, 5, 10, 20, 50)  # percent

Found = dict[str, list[tuple[str, Metrics]]]  # by network: how it was trained, and what came of it


def kind(row: Model) -> str:
    """Return what kind of network it is; of one that is neither a perceptron nor known by name, its layers."""
    names = set(_names(row.layers))
    named = [name for name, layer in NAMED.items() if layer in names]
    if named:
        return named[0]
    units = [layer.options.get("units") for layer in row.layers if layer.name == "affine"][:-1]
    if not names <= {"affine", *ACTIVATIONS} or None in units or len(units) >= len(NUMBERS):
        return describe_network(row)
    of_units = f" of {words.listed([str(n) for n in dict.fromkeys(units)])} units" if units else ""
    activations = dict.fromkeys(ACTIVATIONS[layer.name] for layer in row.layers if layer.name in ACTIVATIONS)
    return ", ".join([NUMBERS[len(units)] + of_units, *activations])


def _names(layers: Sequence[LayerRow]) -> Iterator[str]:
    for layer in layers:
        yield layer.name
        yield from _names(layer.options.get("layers", []))


def training(row: Model) -> str:
    """Return how long it is trained, and on batches of how many examples."""
    return f"{words.length(row)}, {f'batches of {row.batch_size}' if row.batch_size else 'full batch'}"


def alike(models: dict[str, Model]) -> list[tuple[list[str], Model]]:
    """Return each row once, with the names of all models that have it: they are one network, trained in one way."""
    groups: list[tuple[list[str], Model]] = []
    for name, row in models.items():
        same = next((names for names, other in groups if other == row), None)
        if same:
            same.append(name)
        else:
            groups.append(([name], row))
    return groups


def measured(models: dict[str, Model]) -> dict[str, Model]:
    """Return the models that have been measured."""
    return {name: row for name, row in models.items() if (METRICS / f"{name}.json").exists()}


def by_network(models: dict[str, Model]) -> Found:
    """Return the metrics of the models by network."""
    found: Found = {}
    for (name, *_), row in alike(models):
        found.setdefault(kind(row), []).append((training(row), load_metrics(name)))
    return found


def results(rows: Parameters) -> str:
    """Return a row for each network, with each way it is trained, and on which data that was measured."""
    found = by_network(rows.models)
    cells = [
        [
            escaped(network),
            "<br>".join(escaped(training) for training, _ in ways),
            "<br>".join(words.accuracy(metrics.test, words.PERCENT) for _, metrics in ways),
        ]
        for network, ways in found.items()
    ]
    of_all = [metrics for ways in found.values() for _, metrics in ways]
    data = words.data((of.dataset for of in of_all), (note for of in of_all for note in of.notes))
    head = ["network", "training", "test accuracy"]
    return f"{table(head, cells)}\n\nIn brackets is the 95 % Wilson interval. {escaped(data)}"


def chart() -> str:
    """Return a chart of the test error of each network that has been measured, with its numbers as text."""
    found = by_network(measured(parameters.load().models))
    rows = [
        (f"{network}\n{training}", metrics.test)
        for network, ways in found.items()
        for training, metrics in ways
        if metrics.test
    ]
    if not rows:
        return "No network has been measured yet; `make repro` does it."
    told = "; ".join(f"{label.replace(chr(10), ', ')}: {words.accuracy(test, ' %')}" for label, test in rows)
    return embedded(
        lambda figure: draw(figure, rows),
        (7, 0.8 + 0.45 * len(rows)),
        "How often each network is wrong",
        "share of the test images; bars: 95 % interval",
        f"How often each network is right on the test images. {told}.",
    )


def draw(figure: SubFigure, rows: Sequence[tuple[str, Measured]]) -> None:
    """Draw the error of each row and its interval, the most accurate last."""
    axes = figure.subplots()
    ordered = sorted(rows, key=lambda row: row[1].accuracy)
    for place, (_, test) in enumerate(ordered):
        low, high = (100 * (1 - end) for end in reversed(test.interval))
        error = 100 * (1 - test.accuracy)
        axes.hlines(place, low, high, color=BLUE, linewidth=2)
        axes.plot(error, place, "o", color=BLUE, ms=6)
        axes.annotate(f"{error:.1f}%", (high, place), xytext=(6, 0), textcoords="offset points", va="center")
    axes.set(xscale="log", yticks=range(len(ordered)), ylim=(len(ordered) - 0.5, -0.5), xlabel="test error")
    axes.set_yticklabels([label for label, _ in ordered], parse_math=False)
    axes.set_xticks(ERRORS, [f"{error:g}%" for error in ERRORS])
    axes.minorticks_off()
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=LIGHT_GRAY, linewidth=0.6)
