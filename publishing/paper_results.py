"""What was measured, as sentences and tables of Markdown for the paper; its executed blocks print them.

Every number is read from metrics/, benchmarks/results.json, params.yaml or stages/write_ups.yaml, or computed here.
"""

import functools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from threadpoolctl import threadpool_limits

from publishing.blocks import ROOT
from stages import readme, schema
from stages.artifacts import read_json
from stages.check_gradients import compare_at_random
from stages.errors import UserError
from stages.parameters import Model, Parameters
from stages.parameters import load as load_parameters

REPRODUCTIONS = Path("metrics/reproductions.json")
ABLATIONS = Path("metrics/ablations.json")
BENCHMARKS = Path("benchmarks/results.json")
WRITE_UPS = Path("stages/write_ups.yaml")


class Quantity(BaseModel):
    """Something measured once for each seed, and the claim about it, if any."""

    quantity: str
    unit: str
    claimed: float | None = None
    rounding: float = 0.0
    seeds: int
    mean: float
    sd: float
    interval: tuple[float, float]
    verdict: str | None


class Claim(BaseModel):
    """A claim with its verdict."""

    id: str
    claim: str
    verdict: str
    finding: str
    measured: list[Quantity]


class Reproductions(BaseModel):
    """What the paper shows of metrics/reproductions.json."""

    dataset: str
    notes: list[str]
    reading: str
    claims: list[Claim]


class Ablation(BaseModel):
    """An error, or a warning that is right, and what was measured."""

    id: str
    group: str
    write_ups: list[str]
    what: str
    shown: bool
    finding: str


class Ablations(BaseModel):
    """What the paper shows of metrics/ablations.json."""

    notes: list[str]
    reading: str
    rows: list[Ablation]


class Contestant(BaseModel):
    """A contestant at a work: median time, ours divided by it, and peak memory."""

    time: float
    ours_over_theirs: float
    peak_megabytes: int


class Work(BaseModel):
    """A work of the benchmark."""

    work: str
    unit: str
    contestants: dict[str, Contestant]


class ColdStart(BaseModel):
    """Seconds to each target accuracy, by contestant."""

    work: str
    seconds: dict[str, dict[str, float | None]]


class Benchmarks(BaseModel):
    """What the paper shows of benchmarks/results.json."""

    machine: dict[str, Any]
    works: list[Work]
    cold_start: ColdStart


@dataclass(frozen=True)
class Results:
    """Everything measured that the paper shows."""

    parameters: Parameters
    models: dict[str, readme.Metrics]
    reproductions: Reproductions
    ablations: Ablations
    benchmarks: Benchmarks


Content = TypeVar("Content", bound=BaseModel)


def _read(path: Path, content: type[Content], command: str) -> Content:
    if not path.exists():
        raise UserError(f"{path}: not there; run `{command}`, which makes it")
    try:
        return content.model_validate(read_json(path))
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise UserError(f"{path}: {key} is missing or is not what it should be; run `{command}`") from None


@functools.cache
def load() -> Results:
    """Return everything measured.

    Raises
    ------
    UserError
        If a file is missing or is not what its stage writes; the message names the command that makes it.
    """
    parameters = load_parameters()
    return Results(
        parameters,
        {name: readme.load_metrics(name) for name in parameters.models},
        _read(REPRODUCTIONS, Reproductions, "dvc repro"),
        _read(ABLATIONS, Ablations, "dvc repro"),
        _read(BENCHMARKS, Benchmarks, "make bench"),
    )


def plain(text: str) -> str:
    """Return a text with what Markdown would read as markup escaped."""
    return re.sub(r"([\\*_\[\]<>$@^~|#])", r"\\\1", text)


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.1f} %"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def table(label: str, caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]) -> str:
    """Return a table with a caption; a negative width sets a column flush right."""
    dashes = [("-" * -width + ":") if width < 0 else ("-" * width) for width in widths]
    lines = [" | ".join(cells) for cells in (header, dashes, *rows)]
    return "\n".join(f"| {line} |" for line in lines) + f"\n\n: {caption} {{#tbl:{label}}}\n"


def figure(path: str, label: str, caption: str, alternative: str, sentence: str, width: int = 100) -> str:
    """Return a figure with the sentence that refers to it, or nothing where the figure was not made."""
    if not (ROOT / path).exists():
        return ""
    return f'{sentence}\n\n![{caption}]({path}){{#fig:{label} width={width}% alt="{alternative}"}}\n'


def first_model() -> str:
    """Return the name of the first model of params.yaml, of which the paper shows the figures."""
    return next(iter(load().models))


def datasets() -> str:
    """Return the names of the data sets that the models were measured on."""
    return listed(list(dict.fromkeys(metrics.dataset for metrics in load().models.values())))


def notice() -> str:
    """Return what no reader may miss about the data, as a division of its own; nothing if there is nothing to say."""
    results = load()
    all_notes = [metrics.notes for metrics in results.models.values()]
    all_notes += [results.reproductions.notes, results.ablations.notes]
    notes = dict.fromkeys(note for some in all_notes for note in some)
    return f"::: notice\n{plain(' '.join(notes))}\n:::\n" if notes else ""


def network(row: Model) -> str:
    """Return the layers of a model in a few words."""
    return f"{breakable('-'.join(map(str, row.layer_sizes)))}, {row.activation or 'linear'}"


def breakable(text: str) -> str:
    """Return layer sizes joined by hyphens, so that a narrow column may break them."""
    return text.replace("-", "-\u200b")


def length(row: Model) -> str:
    """Return how long a model is trained."""
    return f"{row.updates:,} updates" if row.updates else f"{row.epochs:,} epochs"


def protocol_table() -> str:
    """Return how each model is trained, from params.yaml."""
    rows = []
    for name, row in load().parameters.models.items():
        start, optimizer, schedule = (
            " ".join(str(value) for value in options.values())
            for options in (row.model_dump(mode="json")[key] for key in ("initializer", "optimizer", "schedule"))
        )
        batch = "all" if row.batch_size is None else f"{row.batch_size:,}"
        rate = f"{row.learning_rate:g}" + ("" if schedule == "constant" else f", {schedule}")
        rows.append(
            [f"`{name}`", network(row), plain(start), plain(optimizer), plain(rate), batch, length(row), row.split]
        )
    header = ["model", "network", "weights at the start", "optimizer", "rate", "batch", "length", "split"]
    caption = "The models and how they are trained, from `params.yaml`."
    return table("models", caption, header, rows, [16, 13, 13, 11, 14, 6, 11, 9])


def results_table() -> str:
    """Return the accuracy of each model on each part of its split."""
    rows = []
    for name, metrics in load().models.items():
        parts = [_accuracy(part) for part in (metrics.train, metrics.held_out, metrics.test)]
        rows.append([f"`{name}`", *parts, f"{metrics.test.cross_entropy:.3f}" if metrics.test else "-"])
    caption = (
        "Accuracy in percent with its 95 % Wilson interval, and mean cross-entropy on the test part. "
        f"Data: {plain(datasets())}."
    )
    header = ["model", "training", "held out", "test", "cross-entropy"]
    return table("results", caption, header, rows, [19, 18, 18, 18, -11])


def _accuracy(part: readme.Measured | None) -> str:
    if part is None:
        return "-"
    low, high = part.interval
    return f"{100 * part.accuracy:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def headline() -> str:
    """Return what the first model reaches, in a sentence."""
    name = first_model()
    row, metrics = load().parameters.models[name], load().models[name]
    parts = [
        ("the training images", metrics.train),
        ("images held out", metrics.held_out),
        ("the test images", metrics.test),
    ]
    reached = listed([f"{percent(part.accuracy)} of {words}" for words, part in parts if part])
    sizes = "-".join(map(str, row.layer_sizes))
    return f"After {length(row)} of training the {sizes} network classifies {reached} correctly."


def verdict_counts() -> str:
    """Return how many claims got which verdict, in words for a sentence."""
    verdicts = [claim.verdict for claim in load().reproductions.claims]
    return listed([f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts)])


def _quantity(value: float, unit: str) -> str:
    return percent(value) if unit == "share" else f"{value:.3g}"


def _difference(value: float, unit: str) -> str:
    return f"{100 * value:.1f}" if unit == "share" else f"{value:.3g}"


def numbers_table() -> str:
    """Return the claims that are numbers: claim, mean and spread over the seeds, interval and verdict."""
    rows = []
    for claim in load().reproductions.claims:
        for measured in claim.measured:
            if measured.claimed is None:
                continue
            unit = measured.unit
            low, high = (_quantity(end, unit) for end in measured.interval)
            rows.append(
                [
                    claim.id,
                    plain(measured.quantity),
                    _quantity(measured.claimed, unit),
                    f"{_quantity(measured.mean, unit)} ± {_quantity(measured.sd, unit)}",
                    f"{low} to {high}",
                    str(measured.seeds),
                    measured.verdict or "",
                ]
            )
    caption = (
        "Numbers that the write-ups claim, and what was measured: mean and standard deviation over the seeds, and the "
        "interval in which one more run is expected with a probability of 95 %."
    )
    header = ["claim", "quantity", "claimed", "measured", "interval", "seeds", "verdict"]
    return table("numbers", caption, header, rows, [6, 28, -9, 15, 17, -6, 19])


def comparisons_table() -> str:
    """Return the differences that claims are about: their mean, confidence interval and verdict."""
    rows = []
    for claim in load().reproductions.claims:
        for measured in claim.measured:
            if measured.claimed is not None or measured.verdict is None:
                continue
            unit = measured.unit
            low, high = (_difference(end, unit) for end in measured.interval)
            mean = _difference(measured.mean, unit)
            rows.append(
                [claim.id, plain(measured.quantity), mean, f"{low} to {high}", str(measured.seeds), measured.verdict]
            )
    if not rows:
        return ""
    caption = (
        "What claims compare: the mean difference, in percentage points where it is one of accuracies, its 95 % "
        "confidence interval over the seeds, and the verdict."
    )
    header = ["claim", "difference", "mean", "interval", "seeds", "verdict"]
    return table("comparisons", caption, header, rows, [6, 37, -9, 18, -6, 16])


def claims_table() -> str:
    """Return every claim with its verdict and what was measured, in words."""
    rows = [[c.id, plain(c.claim), c.verdict, plain(c.finding)] for c in load().reproductions.claims]
    caption = "Every claim of the five write-ups, its verdict, and what was measured."
    return table("claims", caption, ["claim", "what is claimed", "verdict", "what was measured"], rows, [6, 28, 13, 53])


def write_ups_table() -> str:
    """Return the five write-ups: their authors and titles, networks, training and data as they state them."""
    rows = []
    for entry in schema.read(WRITE_UPS)["write_ups"]:
        source = ", ".join(str(part) for part in (entry["author"], entry["title"], entry["year"]) if part)
        if "companion" in entry:
            source += f", with {entry['companion']}"
        rows.append([entry["id"], *map(plain, (source, breakable(entry["network"]), entry["training"], entry["data"]))])
    caption = "The five write-ups, what they train, how, and on what, as they state it."
    return table("write-ups", caption, ["", "write-up", "network", "training", "data"], rows, [5, 32, 15, 27, 21])


def published_table() -> str:
    """Return published error rates of networks of this kind."""
    rows = [
        [breakable(entry["network"]), plain(entry["method"]), f"{entry['error']:g} %", plain(entry["source"].strip())]
        for entry in schema.read(WRITE_UPS)["published"]
    ]
    caption = "Error rates of plain multilayer perceptrons on the 10,000 test images, as published."
    return table("published", caption, ["network", "method", "error", "source"], rows, [19, 22, -8, 51])


def shown(*ids: str) -> bool:
    """Return whether the measurements show what each of these ablations says."""
    return all(row.shown for row in load().ablations.rows if row.id in ids)


def ablations_table(group: str, label: str, caption: str) -> str:
    """Return a group of the ablations, "errors" or "warnings", with what was measured."""
    rows = [
        [row.id, ", ".join(row.write_ups), plain(row.what), plain(row.finding)]
        for row in load().ablations.rows
        if row.group == group
    ]
    header = ["", "in", "what it says or does", "what was measured"]
    return table(label, caption, header, rows, [5, 7, 32, 56])


def gradients_table() -> str:
    """Return the gradients of every model against central differences, computed now."""
    rows = []
    with threadpool_limits(1, user_api="blas"):
        for name, row in load().parameters.models.items():
            comparisons, _ = compare_at_random(row)
            wrong = [c.name for c in comparisons if c.verdict == "WRONG"]
            if wrong:
                raise UserError(f"models.{name}: the gradient of {', '.join(wrong)} fails its check")
            parameters = sum(math.prod(c.shape) for c in comparisons)
            checked = sum(len(c.analytic) for c in comparisons)
            error = bound(max(c.error for c in comparisons))
            names = ", ".join(c.name for c in comparisons)
            rows.append([f"`{name}`", network(row), names, f"{parameters:,}", f"{checked:,}", error])
    caption = (
        "Analytic gradients against central differences, in float64, computed while this paper was built. The error is "
        "the largest of the relative errors of the arrays."
    )
    header = ["model", "network", "arrays", "parameters", "entries checked", "error below"]
    return table("gradients", caption, header, rows, [24, 20, 22, -11, -9, -11])


def bound(error: float) -> str:
    """Return the power of ten next above an error: its digits differ between machines, its size hardly does."""
    return f"$10^{{{math.floor(math.log10(error)) + 1}}}$" if error else "0"


def version(package: str) -> str:
    """Return the locked version of a package, from the requirements files.

    Raises
    ------
    UserError
        If none of them names it.
    """
    for path in sorted(ROOT.glob("requirements*.txt")):
        found = re.search(rf"^{re.escape(package)}==([^\s;\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1]
    raise UserError(f"requirements*.txt: none of them names {package}; run `make lock`")


def engines_table() -> str:
    """Return the engines that the tests compare the gradients with."""
    engines = (
        ("central differences", None, "test_check_gradients.py", "each layer, and each model of the table above"),
        ("HIPS autograd", "autograd", "engines/test_autograd.py", "each layer, and deep random networks with dropout"),
        ("PyTorch", "torch", "engines/test_torch.py", "the same, and 50 updates of each optimizer and schedule"),
        ("micrograd", "micrograd", "engines/test_micrograd.py", "affine layer, ReLU, and random networks of them"),
        ("JAX", "jax", "engines/test_jax.py", "a deep network of every activation"),
    )
    rows = []
    for engine, package, file, compared in engines:
        if not (ROOT / "tests" / file).exists():
            raise UserError(f"tests/{file}: not there, but the paper names it")
        rows.append([engine, version(package) if package else "own", compared, f"`tests/{file}`"])
    caption = "What the gradients are tested against. The tests are part of the project."
    return table("engines", caption, ["engine", "version", "compared", "test"], rows, [19, 9, 39, 33])


def performance_tables() -> str:
    """Return a table of times, ratios and memory for all works, and one of the times to a target accuracy."""
    benchmarks = load().benchmarks
    rows = [
        [
            plain(work.work) if name == next(iter(work.contestants)) else "",
            name,
            f"{measured.time:g} {work.unit}",
            f"{measured.ours_over_theirs:.2f}",
            f"{measured.peak_megabytes:,} MB",
        ]
        for work in benchmarks.works
        for name, measured in work.contestants.items()
    ]
    header = ["work", "contestant", "time", "ours over theirs", "peak memory"]
    caption = (
        "Median time of each contestant, our time divided by it (median over rounds), and peak memory of its process."
    )
    times = table("performance", caption, header, rows, [38, 17, -20, -12, -13])
    cold = benchmarks.cold_start
    targets = list(next(iter(cold.seconds.values())))
    cells = [
        [name, *("not reached" if seconds[target] is None else f"{seconds[target]:g} s" for target in targets)]
        for name, seconds in cold.seconds.items()
    ]
    caption = f"Time from starting Python to a test accuracy. Work: {plain(cold.work)}."
    return times + "\n" + table("cold", caption, ["contestant", *targets], cells, [30, *[-15] * len(targets)])


def machine() -> str:
    """Return the machine of the benchmark, in a sentence."""
    machine = load().benchmarks.machine
    described = ", ".join(f"{key} {plain(str(value))}" for key, value in machine.items() if key != "processor")
    return f"The machine: {plain(str(machine['processor']))}; {described}."


def checksums_table() -> str:
    """Return the SHA-256 sums of the data files, from params.yaml."""
    rows = [[f"`{name}`", f"`{sha256}`"] for name, sha256 in load().parameters.data.sha256.items()]
    return table("sums", "The SHA-256 sums of the data files.", ["file", "SHA-256"], rows, [28, 72])
