"""What was measured, as sentences and tables of Markdown for the papers; their executed blocks print them.

Every number is read from metrics/, benchmarks/, params.yaml or stages/claims/write_ups.yaml, or computed here.
"""

import functools
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from publishing import ladder, measurements, words
from publishing.blocks import ROOT
from publishing.markup import literal, table
from publishing.markup import typeset as plain
from publishing.measurements import Ablation, Ablations, Answer, Benchmarks, Gradients, Metrics, Quantity, Reproductions
from publishing.words import PERCENT
from stages.claims.demonstrations import effects
from stages.claims.demonstrations.common import Lengths
from stages.claims.reproductions.runs import BATCHES, GRID_EPOCHS, NETWORKS, PASSES, PRINTED, experiments
from stages.claims.verdicts import FAILS, HOLDS, IN_PART, UNDECIDED
from stages.nn.optimizers import Adam, Momentum, RMSProp
from stages.shared.errors import UserError
from stages.shared.mnist import FORM, is_mnist
from stages.shared.parameters import Model, Parameters, describe_network
from stages.shared.parameters import load as load_parameters
from stages.shared.schema import PATH
from stages.shared.splits import not_mnist
from tools.check_gradients import compare_at_random

REQUIREMENTS = Path("requirements/run.txt")
RECIPE = re.compile(r", (from \S+ weights, .+)$")  # how the networks that a comparison is about are trained


@dataclass(frozen=True)
class Measurements:
    """Everything measured that the papers show."""

    parameters: Parameters
    models: dict[str, Metrics]
    reproductions: Reproductions
    ablations: Ablations
    benchmarks: Benchmarks
    gradients: Gradients


@functools.cache
def load() -> Measurements:
    """Return everything measured.

    Raises
    ------
    UserError
        If a file is missing, is not what its stage writes or is of another run, or the data are not MNIST; the message
        names the command that helps.
    """
    parameters = load_parameters()
    if tuple(parameters.data.classes) != FORM.classes:
        raise not_mnist(PATH, parameters.data.name, parameters.data.classes)
    models = {name: measurements.load_metrics(name) for name in parameters.models}
    for name, metrics in models.items():
        if not is_mnist(metrics.dataset):
            raise not_mnist(measurements.METRICS / f"{name}.json", metrics.dataset, parameters.data.classes)
    measurements.check_one_run(leftovers=True)
    return Measurements(parameters, models, Reproductions.load(), Ablations.load(), Benchmarks.load(), Gradients.load())


def captioned(
    label: str, caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]
) -> str:
    """Return a table with a caption; a negative width sets a column flush right."""
    dashes = [("-" * -width + ":") if width < 0 else ("-" * width) for width in widths]
    return f"{table(header, rows, *dashes)}\n\n: {caption} {{#tbl:{label}}}\n"


def figure(path: str, label: str, caption: str, alternative: str, width: int = 100) -> str:
    """Return a figure, at the top or the foot of a page; raise UserError where the pipeline has not drawn it."""
    if not (ROOT / path).exists():
        raise UserError(f"{path}: not there; run `dvc repro`, which makes it")
    return f'![{caption}]({path}){{#fig:{label} width={width}% placement=auto alt="{alternative}"}}\n'


def datasets() -> str:
    """Return the names of the data sets that the models were measured on."""
    return literal(words.listed(list(dict.fromkeys(metrics.dataset for metrics in load().models.values()))))


def notice() -> str:
    """Return what no reader may miss about the data, as a division of its own; nothing if there is nothing to say."""
    of_models = [metrics.notes for metrics in load().models.values()]
    notes = dict.fromkeys(
        note for some in [*of_models, load().reproductions.notes, load().ablations.notes] for note in some
    )
    return f"::: notice\n{plain(' '.join(notes))}\n:::\n" if notes else ""


def network(row: Model) -> str:
    """Return the layers of a model in a few words."""
    return plain(describe_network(row))


def breakable(text: str) -> str:
    """Return layer sizes joined by hyphens, so that a narrow column may break them."""
    return text.replace("-", "-\u200b")


def splits() -> str:
    """Return an item for each split: how many images of what, and what is kept out of training."""
    items = []
    for name, split in load().parameters.splits.items():
        source = "the training images" if split.source == "data/raw" else literal(split.source)
        kept = [f"{split.held_out:,} of them held out of training"] if split.held_out else []
        if split.validation:
            kept.append(f"{100 * split.validation:g}{PERCENT} of the rest kept for validation")
        items.append(", ".join([f"- `{name}`: {split.images:,} of {source}, shuffled with seed {split.seed}", *kept]))
    return ";\n".join(items) + ".\n"


def networks_table() -> str:
    """Return the layers of each model, from params.yaml."""
    rows = [[f"`{name}`", network(row)] for name, row in load().parameters.models.items()]
    caption = "The layers of the models, from the pixels to the logits."
    return captioned("networks", caption, ["Model", "Layers"], rows, [23, 77])


def protocol_table() -> str:
    """Return how each model is trained, from params.yaml."""
    rows = []
    for name, row in load().parameters.models.items():
        options = row.model_dump(mode="json")
        start = member(options["initializer"])
        optimizer = member(options["optimizer"], usual(row.optimizer))
        decay = f", {'decoupled ' * row.decoupled_decay}weight decay {row.weight_decay:g}" if row.weight_decay else ""
        means = {"clipped at norm": row.clip_norm, "label smoothing": row.label_smoothing, "averaging": row.averaging}
        others = "".join(f", {what} {value:g}" for what, value in means.items() if value)
        batch = "all" if row.batch_size is None else f"{row.batch_size:,}"
        trained = words.length(row) + (f", early stopping {row.early_stopping}" if row.early_stopping else "")
        optimizer = f"{optimizer}{decay}{others}"
        cells = [start, optimizer, rate(row), batch, trained, literal(row.split), str(row.seed)]
        rows.append([f"`{name}`", *cells])
    header = ["Model", "First weights", "Optimizer", "Rate", "Batch", "Length", "Split", "Seed"]
    caption = (
        "How the models are trained, from `params.yaml`. An optimizer's options are stated where they are not those of "
        "its listing."
    )
    return captioned("models", caption, header, rows, [23, 17, 17, 14, 6, 11, 9, -5])


def rate(row: Model) -> str:
    """Return the learning rate of a row, and its schedule if it has one."""
    schedule = member(row.model_dump(mode="json")["schedule"])
    return f"{row.learning_rate:g}" + ("" if schedule == "constant" else f", {schedule}")


def usual(member: Any) -> set[str]:
    """Return the options of a member of a family that have their default."""
    return {option.name for option in fields(member) if getattr(member, option.name) == option.default}


def member(options: dict[str, Any], left_out: Collection[str] = ()) -> str:
    """Return a member of a family as in params.yaml, with its options in brackets but for some."""
    name, *rest = ((key, value) for key, value in options.items() if key not in left_out)
    given = ", ".join(
        f"{key} {', '.join(map(str, value)) if isinstance(value, list) else value}" for key, value in rest
    )
    return plain(f"{name[1].replace('-', ' ')} ({given})" if given else name[1].replace("-", " "))


def settings_table() -> str:
    """Return how the networks that the claims are tested with are trained, from the experiments of the stage."""
    networks = {PRINTED[NETWORKS[name]]: row for name, row in load().reproductions.networks.items()}
    rows = []
    for name, experiment in experiments(networks).items():
        row = Model.model_validate(experiment.row)
        options = row.model_dump(mode="json")
        cells = [
            member(options["initializer"]),
            member(options["optimizer"], usual(row.optimizer)),
            rate(row),
        ]
        batch = "all" if row.batch_size is None else f"{row.batch_size:,}"
        units = "-".join(str(layer["units"]) for layer in experiment.row["layers"] if layer.get("units")) or "none"
        seeds = getattr(load().parameters.reproduce.seeds, experiment.seeds)
        rows.append([plain(name), breakable(units), *cells, batch, words.length(row), str(seeds)])
    caption = (
        "The experiments that the claims are tested with: hidden units, and how they are trained. Where W3's recipe is "
        "compared with 10 units, and W5's scale and rate with others, runs of `w3` and `w5 mini-batches` are cut short."
    )
    header = ["Experiment", "Units", "First weights", "Optimizer", "Rate", "Batch", "Length", "Seeds"]
    return captioned("settings", caption, header, rows, [16, 8, 27, 16, 11, -6, 12, -5])


def threads() -> str:
    """Return the numbers of threads of the linear algebra library, that of all models first."""
    parameters = load().parameters
    own = sorted({row.blas_threads for row in parameters.models.values() if row.blas_threads})
    others = f" or, where a model says so, {words.listed([str(count) for count in own])}"
    return f"{parameters.blas_threads}{others if own else ''}"


def results_table() -> str:
    """Return the accuracy of each model on each part of its split."""
    rows = [[f"`{name}`", *words.results(metrics)] for name, metrics in load().models.items()]
    what = f"Accuracy in percent with its 95{PERCENT} Wilson interval, and mean cross-entropy on the test part."
    caption = f"{what} Data: {datasets()}."
    header = ["Model", "Training", "Held out", "Test", "Cross-entropy"]
    return captioned("results", caption, header, rows, [19, 18, 18, 18, -11])


def ladder_table() -> str:
    """Return the rungs of the ladder that have been run, what each changes and reaches; nothing if none has."""
    steps, found = ladder.load()
    if not found:
        return ""
    numbered = list(ladder.numbered(steps, found))
    signs = {name: sign for sign, name, _ in numbered}
    rows = [
        [sign, signs.get(step.after or "", ""), plain(step.change), *cells[:3], *cells[4:]]
        for sign, name, step in numbered
        for cells in [ladder.cells(found[name])]
    ]
    images = words.listed([f"{count:,}" for count in sorted({row.images["test"] for row in found.values()})])
    caption = (
        "The ladder: what each step changes, and from which one; accuracy on the test images in percent, mean and "
        f"standard deviation over the seeds, with Wilson's 95{PERCENT} interval for {images} images, of which the mean "
        "is taken as a whole number; images not recognized; multiply-adds of the products for an image; seeds; and "
        "seconds of training with one seed, the least of these, for a committee times its members."
    )
    header = ["", "From", "What changes", "Accuracy", "Interval", "Wrong", "Multiply-adds", "Seeds", "Seconds"]
    return captioned("ladder", caption, header, rows, [4, 6, 33, -13, -15, -7, -11, -6, -8])


def ladder_section() -> str:
    """Return a section with the ladder; nothing if no rung has been run."""
    rungs = ladder_table()
    if not rungs:
        return ""
    text = (
        "How far does the same code lead from the network of the write-ups? @tbl:ladder lists the steps, each a "
        "change or a few of the one that it names, all trained on the 60,000 training images. Each change of a network "
        "but the committee is derived in the lecture notes; the page on the ladder of the site has what some reach "
        "without each of their changes. What was chosen was chosen on a sixth of the training images, and the test "
        "figure of each step was read once. Twice the epochs, and a committee with them, are steps that were added "
        "when the test figures of those before had been read."
    )
    return f"# The ladder {{#sec:ladder}}\n\n{text} {ladder.origin()}\n\n{rungs}"


def added_steps() -> str:
    """Return in what steps of the ladder rest on test images; nothing if there is no ladder."""
    said = "Two steps of the ladder were added when the test figures of others had been read (@sec:ladder)."
    return said if ladder_table() else ""


def cost() -> str:
    """Return what training costs, of the benchmark's works on the networks of the write-ups, as sentences."""
    benchmarks = load().benchmarks
    items = []
    for work in benchmarks.works:
        if re.search(r"\d+-\d+-10", work.work):
            ours = work.contestants["ours"]
            time = f"{ours.time:#.3g} {work.unit}".replace(". ", " ")
            items.append(f"- {plain(work.work)}: {time}, in {ours.peak_megabytes:,} MB")
    machine = benchmarks.machine
    on = f"On {machine['cores']} cores ({plain(str(machine['processor']))})"
    beside = "the supplement has the times beside those of libraries in common use"
    return f"{on} training takes the following; {beside}.\n\n" + ";\n".join(items) + "."


def headline() -> str:
    """Return what the model that is shown reaches, in a sentence."""
    parameters = load().parameters
    row, metrics = parameters.models[parameters.shown], load().models[parameters.shown]
    parts = {"the training images": metrics.train, "images held out": metrics.held_out, "the test images": metrics.test}
    reached = words.listed([f"{100 * part.accuracy:.1f}{PERCENT} of {of}" for of, part in parts.items() if part])
    return f"After {words.length(row)} a network of the layers {network(row)} classifies {reached} correctly."


def without_seeds() -> dict[str, str]:
    """Return, by the id of a claim, in brackets what its verdict rests on where it is not runs with several seeds."""
    return {claim.id: f" ({claim.basis})" for claim in measurements.load_write_ups().claims if claim.basis}


def seeds_sentence() -> str:
    """Return how many claims get their verdict from runs with several seeds, as the end of a sentence."""
    ids, basis = {claim.id for claim in load().reproductions.counted}, without_seeds()
    return (
        f"for {len(ids - basis.keys())} of them from runs with several seeds, for the other {len(basis)} from one "
        "start, arithmetic or a timing"
    )


def verdict_counts() -> str:
    """Return how many claims got which verdict, in words for a sentence."""
    counts = words.verdict_counts(load().reproductions.claims)
    return f"that {words.listed(counts)}"


def named(ids: Sequence[str], one: str, several: str) -> str:
    """Return which claims do something, as a clause."""
    return f"{words.listed(ids)} {one if len(ids) == 1 else several}"


def claims_sentences() -> str:
    """Return what the table of the claims does not say: failing parts, tests, and claims that share their runs."""
    claims = load().reproductions.counted
    in_part = [claim for claim in claims if claim.verdict == IN_PART]
    failing = [claim.id for claim in in_part if any(part.verdict == FAILS for part in claim.parts)]
    tested = [of for claim in claims for of in claim.measured if of.p is not None]
    opened = [of for of in tested if of.alone != of.verdict]
    tested_in_part = [claim for claim in in_part if any(of.p is not None for of in claim.measured)]
    shown = [claim.id for claim in tested_in_part if all(of.verdict != HOLDS for of in claim.measured)]
    without = f" What holds of {words.listed(shown)} is arithmetic." if shown else ""
    have = f"{named(failing, 'has', 'have')} a part that fails; " if failing else ""
    return (
        f"Of the {len(in_part)} that hold in part {have}of the others, parts are undecided. The claims rest on "
        f"{len(tested)} tests; {len(opened)} of these are decided alone, and open after the correction. W2.4 includes "
        "W3.8 and W3.10. W1 to W3 describe one network: W2.1, W2.2, W3.1 and W3.2 are read from the same runs, after "
        "as many updates as each prints, and W1 adds none. By its criteria W3.7 can only be "
        f"undecided, and W4.1 hold in part at best.{without}"
    )


def reached_again() -> str:
    """Return which of the accuracies that were reached by one run hold, are undecided and fail, in a sentence."""
    taken = {claim.id for claim in measurements.load_write_ups().claims for number in claim.numbers if number.of}
    surpassed = "are surpassed by more than their margin"
    said = {
        HOLDS: "are reached again, within their margin",
        surpassed: surpassed,
        UNDECIDED: "cannot be decided",
        FAILS: "are not reached",
    }
    found: dict[str, list[str]] = {outcome: [] for outcome in said}
    for name, of in quantities(are_claimed=True):
        if of.region and of.region[1] is None and name not in taken:
            found[surpassed if of.better else str(of.verdict)].append(name)
    clauses = [f"those of {words.listed(ids)} {said[outcome]}" for outcome, ids in found.items() if ids]
    return f"Of the accuracies that were reached by one run {words.listed(clauses)}."


def advice() -> str:
    """Return what came of the comparisons of layers, units and optimizers."""
    gains = [of for name, of in quantities(are_claimed=False) if name in ("W2.4", "W3.8", "W3.10")]
    said = []
    for verdict, count in Counter(of.verdict for of in gains).most_common():
        alone = sum(of.alone != of.verdict for of in gains if of.verdict == verdict)
        only = f", {alone} of them for the correction alone" if alone else ""
        said.append(f"{count} {verdict if count == 1 else words.PLURAL[str(verdict)]}{only}")
    return (
        f"Of {len(gains)} gains by more layers, more units or another optimizer {', and '.join(said)}. The "
        f"{len(gains)} have "
        f"{_distinct([of.seeds for of in gains])} seeds, the numbers "
        f"{_distinct([of.seeds for _, of in quantities(are_claimed=True)])}."
    )


def _distinct(counts: Sequence[int]) -> str:
    return words.listed(list(map(str, sorted(set(counts)))))


def seeds_of_intervals() -> str:
    """Return what the intervals assume, and what comes of it where there are seeds enough to see."""
    many = [(claim.id, of) for claim in load().reproductions.counted for of in claim.measured if of.bootstrap]
    text = "**Seeds.** An interval rests on the assumption that the mean is normally distributed."
    if not many:
        return f"{text} The runs are too few to test it."
    lowest = max((of.mean - of.min) / of.sd for _, of in many)
    moved = max(
        abs(ours - theirs)
        for _, of in many
        if of.unit
        for ours, theirs in zip(of.interval, of.bootstrap or (), strict=True)
    )
    crossing = {name: of for name, of in many if _sides(of.interval, of) != _sides(of.bootstrap or (), of)}
    return (
        f"{text} Not all runs are: some of W1 to W4 are skewed, with one as far as {lowest:.1f} standard "
        "deviations below its mean. With so many seeds that matters little. Intervals by the bootstrap "
        f"[@efron1987], which assumes no distribution, have ends that are at most {100 * moved:.2f} points away, "
        f"and {_otherwise(crossing)}. Where there are five seeds or three, the assumption cannot be tested."
    )


def _otherwise(crossing: Mapping[str, Quantity]) -> str:
    """Return which claims have two intervals that do not lie alike to the limits, and whether a verdict is of one."""
    names = list(crossing)
    if not names:
        return "none lies otherwise to its limits"
    lie = (
        f"that of {names[0]} lies otherwise to its"
        if len(names) == 1
        else f"those of {words.listed(names)} lie otherwise to their"
    )
    undecided = all(of.verdict == UNDECIDED for of in crossing.values())
    return f"only {lie} limits" + "; after the correction it is open with either" * (undecided and len(names) == 1)


def _sides(ends: Sequence[float], of: Quantity) -> list[bool]:
    """Return whether each of these is where a claim has the mean."""
    low, high = of.region or (None, None)
    return [(low is None or end > low) and (high is None or end < high) for end in ends]


def at_least() -> str:
    """Return which claims of a number are read as reached, so that more is no contradiction, and where that decides."""
    open_above = [(name, of) for name, of in quantities(are_claimed=True) if of.region and of.region[1] is None]
    names = list(dict.fromkeys(name for name, _ in open_above))
    more = list(dict.fromkeys(name for name, of in open_above if of.better))
    other = f"; {named(more, 'holds', 'hold')} by that alone, with more than the margin" if more else ""
    return (
        f"As reached, and not as about so much, are read the figures of {words.listed(names)}, whether or not they "
        f"were reached here{other}."
    )


def what_is_compared() -> str:
    """Return what the table of comparisons means by recipes, batches and rates."""
    return (
        "The table has a letter for each recipe; what has none has the first weights and the rate of its own write-up, "
        f"but for what W5.3 changes, which is measured after {GRID_EPOCHS} epochs of mini-batches of "
        f"{BATCHES['batch_size']}. Batches are compared after as many passes over the images, for W5.2 also with ten "
        "times as many of full batches, and not after as many updates or seconds. Each optimizer has one rate for each "
        "recipe: what differs is optimizer and rate together, but for momentum in full batches, which has the rate of "
        "descent. The supplement has the rates, and the part of W5.3 that is judged by its loss."
    )


def seeds_and_constants() -> str:
    """Return how many seeds there are, and the constants of the optimizers that are compared."""
    seeds = load().parameters.reproduce.seeds
    return (
        f"The networks of W1 to W4 as printed have {seeds.many} seeds, the errors {Lengths().seeds}, other experiments "
        f"{seeds.usual}, but {seeds.costly} those of 128 units by W3's recipe, and of W5.3 where it departs from W5's "
        f"own. Momentum has $\\mu = {Momentum().momentum:g}$, RMSProp $\\rho = {RMSProp().decay:g}$, "
        f"Adam $\\beta_1 = {Adam().beta1:g}$ and $\\beta_2 = {Adam().beta2:g}$."
    )


def warnings_sentence() -> str:
    """Return which warnings hold, in a sentence."""
    warnings = [claim for claim in load().reproductions.claims if claim.kind == "ablation"]
    by_verdict: dict[str, list[str]] = {}
    for claim in warnings:
        by_verdict.setdefault(claim.verdict, []).append(claim.id)
    said = [named(ids, verdict, words.PLURAL[verdict]) for verdict, ids in by_verdict.items()]
    return f"Of {len(warnings)} warnings {words.listed(said)}."


def accuracy_of_w5() -> str:
    """Return what W5's network reaches as printed and with mini-batches, beside what is claimed, in a sentence."""
    claims = {claim.id: claim.measured for claim in load().reproductions.claims}
    printed = claims["W5.1"][0]
    minis = [printed.mean + of.mean for of in claims["W5.2"] if " against " in of.quantity]  # with the same seeds
    claimed = _rounded(printed.claimed or 0, "share", printed.rounding)
    full, *mini = (_rounded(x, "share", 0.0005) for x in (printed.mean, *minis))
    return (
        f"With one full-batch update in an epoch, as its program has it, W5's network recognizes {full} of the test "
        f"images, where {claimed} is claimed (W5.1)"
        + "".join(
            f"; with mini-batches, which its text describes, of {BATCHES['batch_size']} images here, it is {of} after "
            f"{PASSES} epochs"
            for of in mini
        )
    )


def _rounded(value: float, unit: str, rounding: float) -> str:
    """Return a value with as many decimals as a number rounded by at most `rounding` has."""
    scale, sign = (100, {"share": PERCENT, "points": " points"}[unit]) if unit else (1, "")
    decimals = max(0, math.ceil(-math.log10(2 * scale * rounding) - 1e-9)) if rounding else 1
    return f"{scale * value:.{decimals}f}{sign}"


def _number(value: float, unit: str, rounding: float) -> str:
    """Return what `_rounded` does, without the unit."""
    return _rounded(value, unit, rounding).split()[0]


def quantities(are_claimed: bool) -> list[tuple[str, Quantity]]:
    """Return what has a verdict, each with the claim that it belongs to: numbers that are claimed, or differences."""
    claims = load().reproductions.claims
    judged = [(claim.id, quantity) for claim in claims for quantity in claim.measured if quantity.verdict]
    return [(name, quantity) for name, quantity in judged if (quantity.claimed is not None) == are_claimed]


def numbers_table() -> str:
    """Return the claims that are numbers: claim, mean and spread over the seeds, interval and verdict."""
    rows = []
    taken = {
        claim.id: number.of for claim in measurements.load_write_ups().claims for number in claim.numbers if number.of
    }
    for name, of in quantities(are_claimed=True):
        finer = 0.0005 if of.unit == "share" else of.rounding / 10
        mean, sd = _number(of.mean, of.unit, finer), _rounded(of.sd, of.unit, finer)
        claimed = _rounded(of.claimed or 0, of.unit, of.rounding)
        if of.region and of.claimed is not None and of.region[0] is not None:
            margin = of.claimed - of.region[0]
            claimed += f" ({100 * margin:.1f})" if of.unit == "share" else f" ({margin:.4f})"
        claimed += "\\*" if name in taken else ""
        tested = [*map(words.chance, (of.p, of.corrected)), words.verdict(of)]
        measured = [claimed, f"{mean} ± {sd}", _interval(of, finer), str(of.seeds), *map(plain, tested)]
        rows.append([name, plain(of.quantity), *measured])
    caption = (
        "Numbers that the write-ups claim, each with its margin in brackets, of an accuracy in points, and what was "
        f"measured: mean and standard deviation over the seeds, the 95{PERCENT} interval of the mean, p alone and "
        "corrected, and the verdict. "
        + " ".join(
            f"* {name} states no number here; that of {of} is used, with $n$ the images of {name}."
            for name, of in taken.items()
        )
    )
    header = ["Claim", "Quantity", "Claimed", "Measured", "Interval", "Seeds", "p", "Holm", "Verdict"]
    return captioned("numbers", caption, header, rows, [7, 18, -11, 14, 15, -6, -8, -8, 16])


def _interval(of: Quantity, finer: float) -> str:
    """Return the interval of a mean, rounded; in words where there is none."""
    low, high = of.interval
    return words.ALIKE if of.alike else f"{_number(low, of.unit, finer)} to {_rounded(high, of.unit, finer)}"


def _limit(of: Quantity) -> str:
    """Return where a claim has a mean: on one side of a limit, or within as much of 0."""
    low, high = (None if end is None else f"{end * (100 if of.unit else 1):g}" for end in of.region or (None, None))
    return f"> {low}" if high is None else f"< {high}" if low is None else f"within ±{high}"


def comparisons_table() -> str:
    """Return the differences that claims are about: their mean, confidence interval and verdict."""
    rows = []
    recipes: dict[str, str] = {}  # the letter of each, by what it is
    for name, of in quantities(are_claimed=False):
        scale, digits = (100, ".2f") if of.unit else (1, ".3g")
        mean, *ends = (f"{scale * x:{digits}}" for x in (of.mean, *of.interval))
        interval = words.ALIKE if of.alike else " to ".join(ends)
        tested = [*map(words.chance, (of.p, of.corrected)), words.verdict(of)]
        quantity = re.sub("^gain in accuracy on the (test|held-out) images, ", "", of.quantity)
        if recipe := RECIPE.search(quantity):
            letter = recipes.setdefault(recipe[1], "ABCDEFGH"[len(recipes)])
            quantity = f"{quantity[: recipe.start()]} ({letter})"
        rows.append([name, *map(plain, (quantity, _limit(of), mean, interval, str(of.seeds), *tested))])
    if not rows:
        return ""
    caption = (
        "What claims compare or set a limit to, and where a claim has the mean (the limit): gains in accuracy by what "
        "the row names, on images that were not trained on, and falls of the training accuracy in percentage points, "
        f"accuracies in percent; the mean, its 95{PERCENT} confidence interval over the seeds, p alone and corrected, "
        "and the verdict on this part of the claim."
    )
    if recipes:
        caption += f" {'; '.join(f'{letter}: {plain(recipe)}' for recipe, letter in recipes.items())}."
    header = ["Claim", "Quantity", "Limit", "Mean", "Interval", "Seeds", "p", "Holm", "Verdict"]
    return captioned("comparisons", caption, header, rows, [7, 23, 8, -7, 15, -6, -8, -8, 21])


def runs_table() -> str:
    """Return every quantity that was measured for a claim, judged or not, over its seeds."""
    rows = []
    for claim in load().reproductions.claims:
        for of in claim.measured:
            finer = 0.0005 if of.unit else 0.00005
            mean, sd = (_rounded(x, of.unit, finer) for x in (of.mean, of.sd))
            rows.append([claim.id, plain(of.quantity), str(of.seeds), mean, sd, _interval(of, finer)])
    caption = (
        "What was measured with several seeds for verdicts, and accuracies beside it: seeds, mean, standard deviation, "
        "and the interval of the mean."
    )
    header = ["Claim", "Quantity", "Seeds", "Mean", "Deviation", "Interval"]
    return captioned("runs", caption, header, rows, [6, 50, -6, -10, -10, -18])


def verdicts_table() -> str:
    """Return every claim with its verdict, and in brackets what that rests on where it is not several seeds."""
    basis = without_seeds()
    rows = [
        [c.id, plain(c.claim), f"as {c.same_as}, not counted" if c.same_as else c.verdict + basis.get(c.id, "")]
        for c in load().reproductions.claims
    ]
    caption = (
        "The claims, in our words, and their verdicts; in brackets what a verdict rests on, if no part of it rests on "
        "several seeds."
    )
    return captioned("claims", caption, ["Claim", "What is claimed", "Verdict"], rows, [7, 68, 25])


def claims_table() -> str:
    """Return every claim with its verdict and what was measured, in words; for a warning the reasons alone.

    What was measured of the warnings has a table of its own.
    """
    found = {row.id: row.finding for row in load().ablations.rows}
    rows = [
        [c.id, plain(c.claim), c.verdict, _referred(c, found[c.id]) if c.kind == "ablation" else plain(c.finding)]
        for c in load().reproductions.claims
    ]
    caption = "Every claim of the five write-ups, its verdict, and what was measured."
    header = ["Claim", "What is claimed", "Verdict", "What was measured"]
    return captioned("claims", caption, header, rows, [6, 28, 13, 53])


def _referred(warning: Answer, finding: str) -> str:
    return f"See @tbl:warnings. {plain(warning.finding.removeprefix(finding))}".strip()


def write_ups_table() -> str:
    """Return the five write-ups: their authors and titles, networks, training and data as they state them."""
    rows = []
    for entry in measurements.load_write_ups().write_ups:
        source = ", ".join(str(part) for part in (entry.author, f"“{entry.title}”", entry.year) if part)
        source += f", with “{entry.companion}”" if entry.companion else ""
        rows.append([entry.id, *map(plain, (source, breakable(entry.network), entry.training, entry.data))])
    caption = "The five write-ups, what they train, how, and on what."
    return captioned("write-ups", caption, ["", "Write-up", "Network", "Training", "Data"], rows, [5, 32, 15, 27, 21])


def published_table() -> str:
    """Return published error rates of plain networks."""
    rows = [
        [breakable(of.network), plain(of.method), f"{of.error}{PERCENT}", f"{plain(of.who)} [@{of.source}]"]
        for of in measurements.load_literature()
        if of.plain
    ]
    caption = "Error rates of plain multilayer perceptrons on the 10,000 test images, as published."
    return captioned("published", caption, ["Network", "Method", "Error", "Source"], rows, [26, 36, -8, 30])


def shown(*ids: str) -> bool:
    """Return whether the measurements show what each of these ablations says."""
    return all(row.shown for row in load().ablations.rows if row.id in ids)


def ablations_table(group: str, label: str, caption: str) -> str:
    """Return a group of the ablations, "errors" or "warnings", with what was measured."""
    return _ablations_table([row for row in load().ablations.rows if row.group == group], label, caption)


def _ablations_table(ablations: Iterable[Ablation], label: str, caption: str) -> str:
    rows = [[of.id, ", ".join(of.write_ups), plain(of.what), plain(of.finding)] for of in ablations]
    header = ["", "In", "What it says or does", "What was measured"]
    return captioned(label, caption, header, rows, [6, 11, 31, 52])


def errors_table(where: str, label: str, caption: str) -> str:
    """Return the errors in the "code" or in the "text" of the write-ups, with what was measured."""
    there = {error.id for error in measurements.load_write_ups().errors if error.where == where}
    return _ablations_table([row for row in load().ablations.rows if row.id in there], label, caption)


def errors_of_text() -> str:
    """Return which errors stand in a text alone, in a sentence."""
    errors = [error.id for error in measurements.load_write_ups().errors if error.where == "text"]
    return (
        f"{len(errors)} more stand in a text whose own code does it right ({errors[0]} to {errors[-1]}); they mislead "
        "the reader and not the program, and are in the supplement."
    )


def gradients_sentence() -> str:
    """Return how far all gradients are at most from central differences, and from other engines, in words."""
    gradients = load().gradients.gradients
    engine, *others = gradients[0].errors
    largest = {name: max(of.errors[name] or 0 for of in gradients) for name in (engine, *others)}
    exact = max(largest[name] for name in others)
    return (
        f"In {len(gradients)} comparisons, of every kind of layer but deformation, the loss and deep networks, the "
        "gradients differ "
        f"from {engine} by less than {bound(largest[engine])}, and from those of {words.listed(engines())}, where "
        f"each has the operations, by less than {bound(exact)}, in float64. Every network of `params.yaml` passes "
        "a check of entries that are drawn. The supplement has each comparison."
    )


def effects_table() -> str:
    """Return what each error that enters an update changes in the program of its write-up."""
    rows = [
        [row.id, ", ".join(row.write_ups), plain(row.what), row.effect or "", plain(row.gain)] for row in in_updates()
    ]
    caption = (
        "The errors that enter an update, each alone in the right program of its write-up: the training accuracy "
        f"with the error less that without, from the same starts, with the 95{PERCENT} interval of the mean."
    )
    header = ["", "In", "Error", "Effect", "Difference"]
    return captioned("effects", caption, header, rows, [6, 11, 41, 18, 24])


def in_updates() -> list[Ablation]:
    """Return the errors that enter an update, and so were run with and without."""
    return [row for row in load().ablations.rows if row.gain]


def effects_sentences() -> str:
    """Return how the errors that enter an update were run, and how many change the result."""
    lengths, rows = Lengths(), in_updates()
    changing = [row.id for row in rows if row.effect == effects.CHANGES]
    open_yet = [row.id for row in rows if row.effect not in (effects.CHANGES, effects.CHANGES_NOT)]
    changed = (
        f"{len(changing) or 'None'} of the {len(rows)} that enter an update change{'' if len(changing) > 1 else 's'}"
    )
    undecided = f"; {words.listed(open_yet)} cannot be decided" if open_yet else ""
    return (
        f"{changed} the accuracy of its program by a point where it was tested{undecided} (@tbl:effects). Each was put "
        f"alone into the right program of its write-up: W3's for {effects.W3.updates} full-batch updates (E1, E3 and "
        "E4), W4's for the "
        f"{effects.W4.updates} before its rate is lowered (E5 and E6). With the error and without, it began from the "
        f"same {lengths.seeds} starts and saw the same {lengths.columns_of_seeds:,} training images, on which the "
        "accuracies are compared. An error does not change the result if the interval of the mean difference, "
        f"corrected where several vary, lies within {100 * effects.SAME:g} point. That was open for E1 alone: pixels "
        "are at most 1, and a full batch has every digit, so that E3 to E6 compute there what is right. For the same "
        "reason a gradient check on such data finds E1, and can find none of these. Large numbers find E3, E5 and E6, "
        "and a batch that lacks the last class finds E4; the supplement has what each does then. E2 has no part in an "
        "update."
    )


def gradients_table() -> str:
    """Return the gradients of every model against central differences, computed now."""
    rows = []
    with threadpool_limits(1, user_api="blas"):
        for name, row in load().parameters.models.items():
            comparisons, _ = compare_at_random(name, row)
            wrong = [c.name for c in comparisons if c.verdict == "WRONG"]
            if wrong:
                raise UserError(f"models.{name}: the gradient of {', '.join(wrong)} fails its check")
            parameters = sum(math.prod(c.shape) for c in comparisons)
            checked = sum(len(c.analytic) for c in comparisons)
            error = bound(max(c.error for c in comparisons if c.verdict == "right"))
            names = ", ".join(c.name for c in comparisons)
            rows.append([f"`{name}`", names, f"{parameters:,}", f"{checked:,}", error])
    caption = (
        "Analytic gradients against central differences, in float64, computed while this paper was built. The error is "
        "the largest of the relative errors of the arrays; those whose gradient is 0, such as a bias before a batch "
        "normalization, have none but rounding's."
    )
    header = ["Model", "Arrays", "Parameters", "Entries checked", "Error below"]
    return captioned("gradients", caption, header, rows, [24, 42, -11, -9, -11])


def bound(error: float) -> str:
    """Return the power of ten next above an error: its digits differ between machines, its size hardly does."""
    return f"$10^{{{math.floor(math.log10(error)) + 1}}}$" if error else "0"


def version(package: str) -> str:
    """Return the version of a package that requirements/run.txt locks.

    Raises
    ------
    UserError
        If it does not name it.
    """
    text = REQUIREMENTS.read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(package)}==([^\s;\\]+)", text, re.MULTILINE)
    if not found:
        raise UserError(f"{REQUIREMENTS}: does not name {package}; run `make lock`")
    return found[1]


def engines() -> list[str]:
    """Return the engines that gradients are compared with, each with its version."""
    return [f"{engine} {version}" for engine, version in load().gradients.versions.items()]


def engines_table() -> str:
    """Return how far the gradients of each layer and of deep networks are from those of other engines."""
    rows = [
        [plain(row.gradient), str(row.entries), *map(scientific, row.errors.values())]
        for row in load().gradients.gradients
    ]
    caption = (
        "Relative errors of the gradients against central differences and against engines of automatic "
        "differentiation, in float64: the largest over the arrays of a row. A network is given by the size of its "
        "input, the units of its affine layers, and what stands between these."
    )
    header = ["Gradients of", "Entries", *load().gradients.gradients[0].errors]
    return captioned("engines", caption, header, rows, [33, -8, *[-12] * (len(header) - 2)])


def scientific(error: float | None) -> str:
    """Return an error with two digits and its power of ten; a dash if there is none."""
    if not error:
        return "-" if error is None else "0"
    digits, exponent = f"{error:.1e}".split("e")
    return rf"${digits} \cdot 10^{{{int(exponent)}}}$"


def performance_tables() -> str:
    """Return a table of times, ratios and memory for all works, and one of the times to a target accuracy."""
    benchmarks = load().benchmarks
    rows = []
    for work in benchmarks.works:
        for name, of in work.contestants.items():
            time, memory = f"{of.time:#.3g} {work.unit}".replace(". ", " "), f"{of.peak_megabytes:,} MB"
            rows.append([plain(work.work), plain(name), time, words.spread(of.ours_over_theirs), memory])
    header = ["Work", "Contestant", "Time", "Ours over theirs", "Peak memory"]
    caption = (
        "Median time of each contestant, our time divided by it (the median over the rounds, with the smallest and "
        "the largest), and peak memory of its process."
    )
    times = captioned("performance", caption, header, rows, [37, 15, -17, -19, -12])
    starts = benchmarks.cold_starts
    cells = [
        [
            plain(cold.work),
            plain(name),
            plain(target),
            "not within the limit" if seconds is None else f"{words.spread(seconds, 1)} s",
        ]
        for cold in starts
        for name, of in cold.seconds.items()
        for target, seconds in of.items()
    ]
    caption = (
        "Time from starting Python to an accuracy on training images that are kept out of training: the median of "
        f"{starts[0].starts} starts, with the smallest and the largest. A start that "
        "takes more than two minutes, the limit of `make bench`, is given up. The plain loop trains on full batches "
        "here too."
    )
    header = ["Work", "Contestant", "Accuracy", "Time"]
    return f"{times}\n{captioned('cold', caption, header, cells, [36, 20, -12, -32])}"


def machine() -> str:
    """Return the machine of the benchmark, in a sentence."""
    machine = load().benchmarks.machine
    described = ", ".join(f"{key} {plain(str(value))}" for key, value in machine.items() if key != "processor")
    return f"The machine: {plain(str(machine['processor']))}; {described}."


def checksums_table() -> str:
    """Return the SHA-256 sums of the data files, from params.yaml."""
    rows = [[f"`{name}`", f"`{sha256}`"] for name, sha256 in load().parameters.data.sha256.items()]
    return captioned("sums", "The SHA-256 sums of the data files.", ["File", "SHA-256"], rows, [28, 72])
