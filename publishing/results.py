"""What was measured, as Markdown for the pages that show it.

Where something has not been measured, a sentence names the command that does it: the site can be built before that.
"""

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from publishing import markup, readme
from publishing.blocks import ROOT
from publishing.measurements import ABLATIONS, BENCHMARKS, FIGURES, METRICS, PAPER, REPRODUCTIONS, is_of_this_run
from stages.shared import parameters, schema
from stages.shared.artifacts import read_json

PROCESSORS = Path("benchmarks/processors.json")
WRITE_UPS = ROOT / "stages/claims/write_ups.yaml"
PERCENT = "\u00a0%"


def absent(path: Path, command: str) -> str:
    """Return the sentence for a file that has not been made."""
    return f"`{path.as_posix()}` is not there yet; `{command}` makes it."


def figure(name: str, text: str) -> str:
    """Return an image of figures/, with the text for those who do not see it, and a link to its SVG, which zooms."""
    path = FIGURES / name
    if not path.exists():
        return absent(path, "make repro")
    image, vector = f"![{escaped(text)}]({path.as_posix()})", path.with_suffix(".svg")
    return f"[{image}]({vector.as_posix()})" if vector.exists() else image


def figure_of_first_model(name: str, text: str) -> str:
    """Return an image of figures/ of the first model of params.yaml, with its name before the text."""
    first = next(iter(parameters.load().models))
    return figure(f"{first}/{name}", f"{first}: {text}")


def paper() -> str:
    """Return a link to the paper or, if it is not there or of another run, what makes it."""
    if not PAPER.exists():
        return absent(PAPER, "make paper")
    if not is_of_this_run(PAPER):
        return f"`{PAPER.as_posix()}` is of another run than this page, and so not shown; `dvc repro` makes it anew."
    return f"[Download it as PDF]({PAPER.as_posix()}){{ download }}."


def models() -> str:
    """Return the table of the models of params.yaml, and the names of those that have not been measured."""
    content = parameters.load()
    measured = {name: row for name, row in content.models.items() if (METRICS / f"{name}.json").exists()}
    parts = [readme.results(content.model_copy(update={"models": measured}))] if measured else []
    left = ", ".join(f"`{name}`" for name in content.models if name not in measured)
    if left:
        parts.append(f"Not measured yet: {left}. `make repro` does it.")
    return "\n\n".join(parts)


def write_ups() -> str:
    """Return an item for each write-up: who wrote it, and what it trains."""
    return "\n".join(f"- {_credit(row)}" for row in schema.read(WRITE_UPS)["write_ups"])


def _credit(row: dict[str, Any]) -> str:
    author = f"{escaped(row['author'])}, " if row["author"] else ""
    companion = f", with the paper “{escaped(row['companion'])}”" if row.get("companion") else ""
    year = f" ({row['year']})" if row["year"] else ""
    what = " ".join(f"{key.capitalize()}: {escaped(row[key])}." for key in ("network", "training", "data"))
    return f"**{row['id']}**: {author}“{escaped(row['title'])}”{companion}{year}. {what}"


def data(path: Path) -> str:
    """Return on which data a file of metrics/ was measured, with the notes on it."""
    if not path.exists():
        return absent(path, "make repro")
    content = read_json(path)
    return escaped(" ".join([f"Data: {content['dataset']}.", *content["notes"]]))


def verdicts() -> str:
    """Return how many claims have each verdict, and a table of all claims with links to what was measured."""
    answers = _rows(REPRODUCTIONS, "claims")
    counts = Counter(answer["verdict"] for answer in answers.values())
    listed = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    rows = [
        [f"[{claim['id']}](#{_anchor(claim)})", escaped(claim["text"]), _verdict(claim, answers)] for claim in _claims()
    ]
    counted = f"Of {len(answers)} claims: {listed}.\n\n" if answers else ""
    return counted + table(["Id", "Claim", "Verdict"], rows)


def claims() -> str:
    """Return a section for each write-up, and in it one for each claim; the warnings have sections of their own."""
    answers = _rows(REPRODUCTIONS, "claims")
    parts = []
    for write_up in schema.read(WRITE_UPS)["write_ups"]:
        own = [claim for claim in _claims() if claim["write_up"] == write_up["id"]]
        parts.append(f"### {write_up['id']}: {escaped(write_up['title'])} {{#{write_up['id'].lower()}}}")
        parts += [_claim(claim, answers) for claim in own if claim["kind"] != "ablation"]
        warnings = [f"[{claim['id']}](#{_anchor(claim)})" for claim in own if claim["kind"] == "ablation"]
        if warnings:
            parts.append(f"What it rightly warns of is [below](#warnings): {', '.join(warnings)}.")
    return "\n\n".join(parts)


def _claim(claim: dict[str, Any], answers: dict[str, Any]) -> str:
    answer = answers.get(claim["id"])
    finding = escaped(answer["finding"]) if answer else absent(REPRODUCTIONS, "make repro")
    parts = [f"#### {_title(claim, answers)}", f"**Claim.** {escaped(claim['text'])}", f"**Measured.** {finding}"]
    if answer and answer["measured"]:
        head = ["Quantity", "Claimed", "Mean", "Standard deviation", "95 % interval", "Seeds", "Verdict"]
        rows = [_number(measured) for measured in answer["measured"]]
        columns = [column for column in zip(head, *rows, strict=True) if any(column[1:])]
        head, *rows = map(list, zip(*columns, strict=True))
        parts.append(_folded("Numbers", table(head, rows)))
    return "\n\n".join(parts)


def _number(measured: dict[str, Any]) -> list[str]:
    share = measured["unit"] == "share"

    def shown(value: float, digits: str = ".2f") -> str:
        return f"{100 * value:{digits}}{PERCENT}" if share else f"{value:.4g}"

    low, high = measured["interval"]
    # a number that is claimed, or has no verdict, is compared with one more run; a difference by its mean
    of = "one more run" if "claimed" in measured or measured["verdict"] is None else "the mean"
    return [
        escaped(measured["quantity"]),
        shown(measured["claimed"], ".4g") if "claimed" in measured else "",
        shown(measured["mean"]),
        shown(measured["sd"]),
        f"{shown(low)} to {shown(high)} for {of}",
        str(measured["seeds"]),
        measured["verdict"] or "",
    ]


def errors(where: str) -> str:
    """Return a section for each thing that the write-ups get wrong in their "code" or in their "text"."""
    found = _rows(ABLATIONS, "rows")
    parts = []
    for error in schema.read(WRITE_UPS)["errors"]:
        if error["where"] == where:
            title = f"#### {error['id']}, in {_joined(error['write_ups'])} {{#{_anchor(error)}}}"
            parts += [title, escaped(error["text"]), *_shown(error, found, ["With the error", "Without"])]
    return "\n\n".join(parts)


def warnings() -> str:
    """Return a section for each thing that the write-ups rightly warn of."""
    answers, found = _rows(REPRODUCTIONS, "claims"), _rows(ABLATIONS, "rows")
    parts = []
    for claim in _claims():
        if claim["kind"] == "ablation":
            parts += [f"### {_title(claim, answers)}", escaped(claim["text"])]
            parts += _shown(claim, found, ["Heeded", "Not heeded"])
    return "\n\n".join(parts)


def _shown(row: dict[str, Any], found: dict[str, Any], head: list[str]) -> list[str]:
    """Return what came out with and without, and a link to the page that explains it."""
    page = Path(row["page"])
    link = f"Explained in [{_page_title(page)}]({page.relative_to('docs').as_posix()})."
    if row["id"] not in found:
        return [absent(ABLATIONS, "make repro"), link]
    measured = found[row["id"]]
    with_it, without = measured["with"], measured["without"]
    rows = [[escaped(key), _value(with_it, key), _value(without, key)] for key in {**with_it, **without}]
    return [f"{escaped(measured['finding'])} {link}", _folded("Numbers", table(["Quantity", *head], rows))]


def _value(values: dict[str, Any], key: str) -> str:
    value = values.get(key, "")
    return f"{value:g}" if isinstance(value, float) else escaped(str(value))


def benchmarks() -> str:
    """Return a section for each work of the benchmarks, with the time and the memory of each contestant."""
    if not BENCHMARKS.exists():
        return absent(BENCHMARKS, "make bench")
    parts = []
    for work in read_json(BENCHMARKS)["works"]:
        rows = [
            [name, f"{result['time']:g}", f"{result['ours_over_theirs']:.2f}", f"{result['peak_megabytes']:,}"]
            for name, result in work["contestants"].items()
        ]
        head = ["Contestant", f"Time, {work['unit']}", "Ours / theirs", "Peak memory, MB"]
        parts.append(f"### {work['work'].capitalize()}\n\n{table(head, rows, '--:')}")
    return "\n\n".join(parts)


def processors() -> str:
    """Return the table of what the kernels of other processors make of the same training."""
    if not PROCESSORS.exists():
        return absent(PROCESSORS, "python -m benchmarks.processors")
    rows = [
        [
            f"`{name}`" if number == 0 else "",
            result["kernels"],
            f"{100 * result['test_accuracy']:.2f}{PERCENT}",
            f"{result['test_cross_entropy']:.6f}",
            f"{result['relative_distance']:.1e}" if number else "-",
        ]
        for name, results in read_json(PROCESSORS).items()
        for number, result in enumerate(results)
    ]
    return table(["Model", "Kernels", "Test accuracy", "Test cross-entropy", "Distance from the first"], rows, "--:")


def cold_start() -> str:
    """Return the table of the seconds from starting Python to each accuracy."""
    if not BENCHMARKS.exists():
        return absent(BENCHMARKS, "make bench")
    cold = read_json(BENCHMARKS)["cold_start"]
    targets = list(next(iter(cold["seconds"].values())))
    rows = [
        [name, *("not within the limit" if seconds[target] is None else f"{seconds[target]:.1f}" for target in targets)]
        for name, seconds in cold["seconds"].items()
    ]
    head = ["Contestant", *(f"Seconds to {target.replace('%', ' %')}" for target in targets)]
    return f"The work: {escaped(cold['work'])}.\n\n{table(head, rows, '--:')}"


def machine() -> str:
    """Return the table of what the benchmarks ran on."""
    if not BENCHMARKS.exists():
        return absent(BENCHMARKS, "make bench")
    return table(
        ["What", "Measured on"], [[key, escaped(str(of))] for key, of in read_json(BENCHMARKS)["machine"].items()]
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str = "---") -> str:
    """Return a Markdown table, its columns after the first aligned as `align` says."""
    marks = ["---", *[align] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, marks, *rows])


def escaped(text: str) -> str:
    """Return text of which no character is taken for markup, and no line begins with a percent sign."""
    return re.sub(r"(?<=\d) %", PERCENT, markup.escaped(text))


def _claims() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = schema.read(WRITE_UPS)["claims"]
    return rows


def _rows(path: Path, key: str) -> dict[str, Any]:
    """Return the rows of a file of metrics/ by their ids, none if it is not there."""
    return {row["id"]: row for row in read_json(path)[key]} if path.exists() else {}


def _anchor(row: dict[str, Any]) -> str:
    return str(row["id"]).lower().replace(".", "-")


def _verdict(claim: dict[str, Any], answers: dict[str, Any]) -> str:
    return str(answers[claim["id"]]["verdict"]) if claim["id"] in answers else "not measured yet"


def _title(claim: dict[str, Any], answers: dict[str, Any]) -> str:
    return f"{claim['id']}: {_verdict(claim, answers)} {{#{_anchor(claim)}}}"


def _joined(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _page_title(page: Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def _folded(title: str, content: str) -> str:
    """Return content that a click unfolds."""
    return f'??? abstract "{title}"\n\n{textwrap.indent(content, "    ")}'
