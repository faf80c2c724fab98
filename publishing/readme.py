"""Write what was measured into README.md, or check that it stands there: `python -m publishing.readme [--check]`."""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

from publishing import ladder, networks, words
from publishing.markup import escaped
from publishing.measurements import FIGURES, Reproductions, check_one_run
from stages.shared import parameters
from stages.shared.artifacts import missing, replacing, write_text
from stages.shared.errors import UserError, run
from stages.shared.parameters import Parameters

README = Path("README.md")
PICTURE = Path("docs/images/predictions.png")


def picture(rows: Parameters) -> str:
    """Return the picture of the model that is shown, with the words for its network."""
    network = networks.kind(rows.models[rows.shown])
    return f"![Test digits, each with the prediction of a network: {escaped(network)}]({PICTURE})"


def climbed(rows: Parameters) -> str:
    """Return what the best step of the ladder reaches."""
    steps, found = ladder.load()
    run = [(found[name], step) for _, name, step in ladder.numbered(steps) if name in found]
    if not run:
        return ladder.NOTHING
    best, step = max(run, key=lambda each: each[0].mean)
    return f"The best of its {len(run)} rungs is right on {ladder.accuracy(best)} %: {escaped(step.change)}."


def claims(rows: Parameters) -> str:
    """Return how many claims of the write-ups have each verdict."""
    measured = Reproductions.load()
    return escaped(f"Of {len(measured.counted)} claims: {', '.join(words.verdict_counts(measured.claims))}.")


SECTIONS: dict[str, Callable[[Parameters], str]] = {
    "results": networks.results,
    "picture": picture,
    "ladder": climbed,
    "claims": claims,
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
