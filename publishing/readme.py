"""Write what was measured into README.md, or check that it stands there: `python -m publishing.readme [--check]`."""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

from publishing import ladder, words
from publishing.markup import escaped, table
from publishing.measurements import FIGURES, Benchmarks, Reproductions, check_one_run, load_metrics
from stages.shared import parameters
from stages.shared.artifacts import missing, replacing, write_text
from stages.shared.errors import UserError, run
from stages.shared.parameters import Parameters, describe_network

README = Path("README.md")
PICTURE = Path("docs/images/predictions.png")


def results(rows: Parameters) -> str:
    """Return the table of all models of params.yaml, with the data they were measured on and the notes on it."""
    metrics = {name: load_metrics(name) for name in rows.models}
    head = ["model", "network", "training", "train", "held out", "test", "test cross-entropy"]
    cells = [
        [f"`{name}`", describe_network(row), words.length(row), *words.results(metrics[name], words.PERCENT)]
        for name, row in rows.models.items()
    ]
    datasets = (measured.dataset for measured in metrics.values())
    data = words.data(datasets, (note for measured in metrics.values() for note in measured.notes))
    return f"{table(head, cells)}\n\nAccuracy, with its 95 % Wilson interval in brackets. {escaped(data)}"


def picture(rows: Parameters) -> str:
    """Return the picture of the model that is shown."""
    return f"![Test digits, each with the prediction of {escaped(rows.shown)}]({PICTURE})"


def claims(rows: Parameters) -> str:
    """Return the table of the write-ups' claims, each with its verdict and what was measured."""
    measured = Reproductions.load()
    cells = [[*map(escaped, (claim.id, claim.claim, claim.verdict, claim.finding))] for claim in measured.claims]
    data = escaped(words.data([measured.dataset], measured.notes))
    return f"{table(['', 'claim', 'verdict', 'measured'], cells)}\n\n{data}"


def benchmarks(rows: Parameters) -> str:
    """Return the table of the benchmark's ratios, a row for each work and a column for each contestant."""
    measured = Benchmarks.load()
    peers = list(dict.fromkeys(name for work in measured.works for name in work.ratios))
    cells = [
        [escaped(work.work)] + [f"{work.ratios[peer].median:.2f}" if peer in work.ratios else "-" for peer in peers]
        for work in measured.works
    ]
    machine = measured.machine
    on = f"On {escaped(str(machine['processor']))}, {machine['cores']} cores, NumPy {machine['numpy']}."
    return f"{table(['work', *map(escaped, peers)], cells)}\n\n{on}"


def climbed(rows: Parameters) -> str:
    """Return the table of the ladder."""
    _, found = ladder.load()
    return f"{ladder.steps_table('docs/', run=True)}\n\n{ladder.origin()}" if found else ladder.origin()


SECTIONS: dict[str, Callable[[Parameters], str]] = {
    "results": results,
    "picture": picture,
    "ladder": climbed,
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
    figure = FIGURES / rows.shown / "predictions.png"
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
