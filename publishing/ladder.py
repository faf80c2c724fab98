"""The ladder in tables and words, for site, README and paper: its rungs, what they reach, and what others have."""

from collections.abc import Container, Iterable, Iterator
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel

from publishing import words
from publishing.blocks import ROOT
from publishing.markup import escaped, table
from publishing.measurements import Read, load_literature
from stages.ladder import revision, rungs
from stages.ladder.rungs import Committee, Ladder, Rung

FOLDER = ROOT / "ladder"
NOT_RUN = "not run yet"
LEFT_OUT = "left out"
NOTHING = "No rung has been run yet; `make ladder` does it."


class Row(BaseModel):
    """What a rung has come to: mean and spread over its seeds."""

    dataset: str
    images: dict[str, int]
    parameters: int
    multiply_adds: int
    mean: float
    spread: float | None
    interval: tuple[float, float]
    seeds: int
    wrong: float
    seconds: float
    revision: str
    machine: str

    @property
    def error(self) -> float:
        """In percent."""
        return float(100 - 100 * Decimal(str(self.mean)))


class Digit(BaseModel):
    """A test image that is not recognized, what most seeds take it for, and how many do not recognize it."""

    index: int
    label: int
    predicted: int
    seeds: int
    pixels: str


class Results(Read):
    """All of ladder/results.json."""

    PATH, COMMAND = Path("ladder/results.json"), "make ladder"
    rungs: dict[str, Row]
    digits: list[Digit]


def load() -> tuple[Ladder, dict[str, Row]]:
    """Return the rungs, and what those that have been run have come to."""
    return rungs.load(FOLDER), Results.load().rungs if Results.PATH.exists() else {}


def numbered(ladder: Ladder, among: Container[str] | None = None) -> Iterator[tuple[str, str, Rung | Committee]]:
    """Yield a sign, the name and the step, for each that is not there to show what is left when something is left out.

    The steps of the ladder are numbered, those beside it have letters; with `among`, those whose names are among these.
    """
    for part, signs in (("ladder", map(str, range(1, 100))), ("transformer", "ABCDEFGH")):
        of_part = [(name, step) for name, step in ladder.steps.items() if step.part == part]
        of_part = [(name, step) for name, step in of_part if among is None or name in among]
        for sign, (name, step) in zip(signs, of_part, strict=False):
            yield sign, name, step


def accuracy(row: Row) -> str:
    """Return mean and spread in percent; a half, as of two seeds, to the even digit, as the interval has it."""
    spread = "" if row.spread is None else f" ± {100 * row.spread:.2f}"
    return f"{100 * Decimal(str(row.mean)):.2f}{spread}"


def interval(row: Row) -> str:
    """Return the interval in percent."""
    low, high = (f"{100 * end:.2f}" for end in row.interval)
    return f"{low}{words.NO_BREAK}to{words.NO_BREAK}{high}"


def duration(seconds: float) -> str:
    """Return seconds with three digits or so."""
    return f"{seconds:.1f}" if seconds < 100 else f"{seconds:,.0f}"


def cells(row: Row | None) -> list[str]:
    """Return what a row of the table shows of a rung that has been run, or that it has not been."""
    if row is None:
        return [NOT_RUN, *["-"] * 6]
    counts = [f"{row.parameters:,}", f"{row.multiply_adds:,}", str(row.seeds), duration(row.seconds)]
    return [accuracy(row), interval(row), f"{row.wrong:,g}", *counts]


HEAD = [
    "",
    "From",
    "What changed",
    "Test accuracy (%)",
    "95 % interval",
    "Wrong",
    "Parameters",
    "Multiply-adds",
    "Seeds",
    "Seconds",
]


def change(step: Rung | Committee) -> str:
    """Return what a step changes, with a link to where it is derived, if that page is there."""
    page = step.page.partition("#")[0]
    text = escaped(step.change)
    return f"[{text}]({step.page})" if (ROOT / "docs" / page).exists() else text


def steps_table() -> str:
    """Return the table of all steps that are drawn."""
    ladder, found = load()
    signs = {name: sign for sign, name, _ in numbered(ladder)}
    rows = [
        [sign, signs.get(step.after or "", ""), change(step), *cells(found.get(name))]
        for sign, name, step in numbered(ladder)
    ]
    return table(HEAD, rows, "---", "---", "---", "--:")


def left_out_table() -> str:
    """Return for each rung with several changes what it reaches without each of them."""
    ladder, found = load()
    without = {name: step for name, step in ladder.rungs.items() if step.part == LEFT_OUT}
    rows = []
    for whole in dict.fromkeys(step.after for step in without.values() if step.after):
        rows.append([change(ladder.steps[whole]), "nothing", *_difference(found.get(whole), None)])
        rows += [
            ["", change(step), *_difference(found.get(name), found.get(whole))]
            for name, step in without.items()
            if step.after == whole
        ]
    return table(["Rung", "Left out", "Test accuracy (%)", "Points lost"], rows, "---", "---", "--:")


def _difference(row: Row | None, whole: Row | None) -> list[str]:
    if row is None:
        return [NOT_RUN, "-"]
    return [accuracy(row), f"{100 * (whole.mean - row.mean):+.2f}" if whole else "-"]


def literature_table() -> str:
    """Return what others have reached, with citations."""
    rows = [
        [escaped(of.network), escaped(of.method), f"{of.error:g}", f"{escaped(of.who)} [@{of.source}]"]
        for of in load_literature()
    ]
    return table(["Network", "Trained on", "Test error, %", "Source"], rows, "---", "---", "--:", "---")


def origin() -> str:
    """Return on which machine and data the numbered rungs were run, and by which revision of the code."""
    steps, found = load()
    if not found:
        return NOTHING
    on: dict[str, dict[str, Row]] = {}  # of each machine its steps, by their signs
    for sign, name, _ in numbered(steps, found):
        on.setdefault(escaped(found[name].machine), {})[sign] = found[name]
    usual, *others = sorted(on, key=lambda machine: -len(on[machine]))
    elsewhere = "".join(
        f"; {words.listed(list(on[machine]))} on {machine}, by {_revisions(on[machine].values())}, "
        "with seconds that do not compare"
        for machine in others
    )
    data = escaped(words.data((row.dataset for row in found.values()), []))
    return f"Measured on {usual}, by the code of revision {_revisions(on[usual].values())}{elsewhere}. {data}"


def _revisions(rows: Iterable[Row]) -> str:
    return words.listed(list(dict.fromkeys(escaped(row.revision) for row in rows)))


def age() -> str:
    """Return whether the mathematics has changed since the rungs were run, for all revisions of which that is alike."""
    _, found = load()
    revisions: dict[str, list[str]] = {}  # by what is said of them
    for made_by in dict.fromkeys(row.revision for row in found.values()):
        said = revision.since(made_by, ROOT).replace(made_by, "{}")
        revisions.setdefault(said, []).append(made_by)
    return " ".join(escaped(said.format(words.listed(made_by))) for said, made_by in revisions.items())
