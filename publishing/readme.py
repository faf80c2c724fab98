"""Write what was measured into README.md, or check that it stands there: `python -m publishing.readme [--check]`."""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from publishing.markup import escaped
from publishing.measurements import BENCHMARKS, REPRODUCTIONS, Measured, check_one_run, load, load_metrics
from stages.shared import parameters
from stages.shared.artifacts import missing, replacing, write_text
from stages.shared.errors import UserError, run
from stages.shared.parameters import Parameters

README = Path("README.md")
PICTURE = Path("docs/images/predictions.png")


def results(rows: Parameters) -> str:
    """Return the table of all models of params.yaml, with the data they were measured on and the notes on it."""
    metrics = {name: load_metrics(name) for name in rows.models}
    lines = [
        "| model | network | training | train | held out | test | test cross-entropy |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, measured in metrics.items():
        row = rows.models[name]
        training = f"{row.updates:,} updates" if row.updates else f"{row.epochs:,} epochs"
        parts = [_accuracy(part) for part in (measured.train, measured.held_out, measured.test)]
        cross_entropy = f"{measured.test.cross_entropy:.3f}" if measured.test else "-"
        lines.append(
            f"| `{name}` | {' | '.join([parameters.describe_network(row), training, *parts, cross_entropy])} |"
        )
    datasets = dict.fromkeys(measured.dataset for measured in metrics.values())
    notes = dict.fromkeys(note for measured in metrics.values() for note in measured.notes)
    explanation = f"Accuracy, with its 95 % Wilson interval in brackets. Data: {'; '.join(map(escaped, datasets))}."
    return "\n".join([*lines, "", " ".join([explanation, *map(escaped, notes)])])


def _accuracy(part: Measured | None) -> str:
    if part is None:
        return "-"
    low, high = part.interval
    percent = f"{100 * part.accuracy:.1f} %"
    interval = f"({100 * low:.1f} to {100 * high:.1f})"
    return " ".join(text.replace(" ", "\N{NO-BREAK SPACE}") for text in (percent, interval))


def picture(rows: Parameters) -> str:
    """Return the picture of the first model."""
    return f"![Test digits, each with the prediction of {escaped(next(iter(rows.models)))}]({PICTURE})"


class Claim(BaseModel):
    """What the README shows of an answer in metrics/reproductions.json."""

    id: str
    claim: str
    verdict: str
    finding: str


class Reproductions(BaseModel):
    """What the README shows of metrics/reproductions.json."""

    dataset: str
    notes: list[str]
    claims: list[Claim]


def claims(rows: Parameters) -> str:
    """Return the table of the write-ups' claims, each with its verdict and what was measured."""
    reproductions = load(REPRODUCTIONS, Reproductions, "dvc repro")
    lines = ["| | claim | verdict | measured |", "|---|---|---|---|"]
    for claim in reproductions.claims:
        cells = (claim.id, claim.claim, claim.verdict, claim.finding)
        lines.append(f"| {' | '.join(map(escaped, cells))} |")
    data = escaped(" ".join([f"Data: {reproductions.dataset}.", *reproductions.notes]))
    return "\n".join([*lines, "", data])


class Contestant(BaseModel):
    """What the README shows of a contestant in benchmarks/results.json."""

    ours_over_theirs: float


class Comparison(BaseModel):
    """What the README shows of a work in benchmarks/results.json."""

    work: str
    contestants: dict[str, Contestant]


class Benchmarks(BaseModel):
    """What the README shows of benchmarks/results.json."""

    machine: dict[str, str | int]
    works: list[Comparison]


def benchmarks(rows: Parameters) -> str:
    """Return the table of the benchmark's ratios, a row for each work and a column for each contestant."""
    measured = load(BENCHMARKS, Benchmarks, "make bench")
    peers = dict.fromkeys(name for work in measured.works for name in work.contestants if name != "ours")
    lines = [f"| work | {' | '.join(peers)} |", "|---" * (1 + len(peers)) + "|"]
    for work in measured.works:
        ratios = [
            f"{work.contestants[peer].ours_over_theirs:.2f}" if peer in work.contestants else "-" for peer in peers
        ]
        lines.append(f"| {' | '.join([work.work, *ratios])} |")
    machine = measured.machine
    return "\n".join(
        [*lines, "", f"On {escaped(str(machine['processor']))}, {machine['cores']} cores, NumPy {machine['numpy']}."]
    )


SECTIONS: dict[str, Callable[[Parameters], str]] = {
    "results": results,
    "picture": picture,
    "claims": claims,
    "benchmarks": benchmarks,
}


def fill(text: str, contents: dict[str, str]) -> str:
    """Return a text with new contents between the two HTML comments of each section.

    Parameters
    ----------
    text : str
        Markdown with a comment `<!-- name -->`, and after it a comment `<!-- /name -->`, for each section.
    contents : dict of str to str
        Markdown by the name of its section.

    Raises
    ------
    UserError
        If a section does not have its two comments, once each and in this order.
    """
    for name, content in contents.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        if text.count(start) != 1 or text.count(end) != 1 or end not in rest:
            raise UserError(f"{README}: must have {start} and after it {end}, each once, around the section {name}")
        text = f"{before}{start}\n\n{content}\n\n{end}{after}"
    return text


def update(check: bool) -> None:
    """Write the sections of README.md and its picture, or check them.

    Parameters
    ----------
    check : bool
        Whether to check only. The picture can then be compared only where the pipeline has been run.

    Raises
    ------
    UserError
        If the check fails, or metrics and figures do not belong together, or a metrics file, a comment in README.md, or
        outside a check the figure, is missing.
    """
    rows = parameters.load()
    check_one_run()
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    filled = fill(text, {name: section(rows) for name, section in SECTIONS.items()})
    figure = Path("figures") / next(iter(rows.models)) / "predictions.png"
    if check:
        is_right = PICTURE.exists() and (not figure.exists() or PICTURE.read_bytes() == figure.read_bytes())
        stale = [str(path) for path, fits in ((README, filled == text), (PICTURE, is_right)) if not fits]
        if stale:
            raise UserError(f"{' and '.join(stale)}: not what metrics/ and figures/ say; run `make readme`")
        return
    if not figure.exists():
        raise missing(figure)
    write_text(README, filled)
    with replacing(PICTURE) as partial:
        shutil.copyfile(figure, partial)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if there would be something to write")
    update(parser.parse_args().check)


if __name__ == "__main__":
    run(main)
