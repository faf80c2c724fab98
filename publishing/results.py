"""What was measured, as Markdown for the pages that show it.

Where something has not been measured, a sentence names the command that does it: the site can be built before that.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from publishing import measurements, networks, words
from publishing.blocks import ROOT
from publishing.glance import cells
from publishing.markup import table
from publishing.markup import unbroken as escaped
from publishing.measurements import (
    Ablation,
    Ablations,
    Answer,
    Benchmarks,
    Claim,
    Error,
    Goals,
    LargeData,
    Processors,
    Reproductions,
    Work,
    load_metrics,
)
from stages.shared import parameters
from stages.shared.parameters import describe_network


def not_there(file: type[measurements.Read]) -> str:
    """Return the sentence for a file of measurements that has not been made."""
    return absent(file.PATH, file.COMMAND.replace("dvc", "make"))  # make installs DVC as well


def absent(path: Path, command: str) -> str:
    """Return the sentence for a file that has not been made."""
    return f"`{path.as_posix()}` is not there yet; `{command}` makes it."


def figure(name: str, text: str) -> str:
    """Return an image of figures/, with the text for those who do not see it, and a link to its SVG, which zooms."""
    path = measurements.FIGURES / name
    if not path.exists():
        return absent(path, "make repro")
    image, vector = f"![{escaped(text)}]({path.as_posix()})", path.with_suffix(".svg")
    return f"[{image}]({vector.as_posix()})" if vector.exists() else image


def figure_of_shown_model(name: str, text: str) -> str:
    """Return an image of figures/ of the model that is shown, with its name before the text."""
    shown = parameters.load().shown
    return figure(f"{shown}/{name}", f"{shown}: {text}")


def paper(name: str) -> str:
    """Return a link to a paper or, if it is not there or of another run, what makes it."""
    (path,) = (path for path in measurements.PAPERS if path.stem == name)
    if not path.exists():
        return absent(path, "make paper")
    if not measurements.is_of_this_run(path):
        return f"`{path.as_posix()}` is of another run than this page, and so not shown; `dvc repro` makes it anew."
    return f"[Download it as PDF]({path.as_posix()}){{ download }}."


def models() -> str:
    """Return the table of the models of params.yaml that have been measured, and the names of those that have not."""
    rows = parameters.load().models
    shown = networks.measured(rows)
    metrics = {name: load_metrics(name) for name in shown}
    head = ["Model", "Network", "Training", "Train", "Held out", "Test", "Test cross-entropy"]
    cells = [
        [code(names), networks.kind(row), words.length(row), *words.results(metrics[names[0]], words.PERCENT)]
        for names, row in networks.alike(shown)
    ]
    layers = [
        f"- {code(names)}: {describe_network(row)}"
        for names, row in networks.alike(shown)
        if networks.kind(row) in networks.NAMED
    ]
    data = words.data((of.dataset for of in metrics.values()), (note for of in metrics.values() for note in of.notes))
    interval = "Accuracy, with its 95 % Wilson interval in brackets."
    parts = [table(head, cells), f"{interval} {escaped(data)}"] if metrics else []
    if layers:
        parts.append("\n".join(["The layers:", "", *layers]))
    left = [name for name in rows if name not in shown]
    if left:
        parts.append(f"Not measured yet: {code(left)}. `make repro` does it.")
    return "\n\n".join(parts)


def code(names: Sequence[str]) -> str:
    """Return names in code type."""
    return ", ".join(f"`{name}`" for name in names)


def write_ups() -> str:
    """Return an item for each write-up: who wrote it, and what it trains."""
    return "\n".join(f"- {_credit(write_up)}" for write_up in measurements.load_write_ups().write_ups)


def _credit(write_up: measurements.WriteUp) -> str:
    author = f"{escaped(write_up.author)}, " if write_up.author else ""
    companion = f", with the paper “{escaped(write_up.companion)}”" if write_up.companion else ""
    year = f" ({write_up.year})" if write_up.year else ""
    what = f"Network: {write_up.network}. Training: {write_up.training}. Data: {write_up.data}."
    return f"**{write_up.id}**: {author}“{escaped(write_up.title)}”{companion}{year}. {escaped(what)}"


def data(file: type[Reproductions | Ablations]) -> str:
    """Return on which data a file of metrics/ was measured, with the notes on it."""
    if not file.PATH.exists():
        return not_there(file)
    measured = file.load()
    return escaped(words.data([measured.dataset], measured.notes))


def glance() -> str:
    """Return how many claims have each verdict, and a table of all claims in a few words, with links to the whole."""
    answers, found = _answers(), _ablations()
    rows = [
        [f"[{claim.id}](#{_anchor(claim)})", *_in_short(claim, answers, found), _verdict(claim, answers)]
        for claim in measurements.load_write_ups().claims
    ]
    counts = ", ".join(words.verdict_counts(answers.values()))
    total = sum(answer.same_as is None for answer in answers.values())
    counted = f"Of {total} claims: {counts}.\n\n" if answers else ""
    return counted + table(["", "Claimed", "Measured", "Verdict"], rows)


def _in_short(claim: Claim, answers: Mapping[str, Answer], found: Mapping[str, Ablation]) -> list[str]:
    """Return what is claimed and what was measured in a few words; in full where there are none that fit."""
    answer = answers.get(claim.id)
    if answer is None:
        return [escaped(claim.text), "-"]
    return list(map(escaped, cells(claim.id, answer, found.get(claim.id)) or (claim.text, answer.finding)))


def claims() -> str:
    """Return a section for each write-up, and in it a fold for each claim; the warnings have a section of their own."""
    answers, said = _answers(), measurements.load_write_ups()
    parts = []
    for write_up in said.write_ups:
        own = [claim for claim in said.claims if claim.write_up == write_up.id]
        parts.append(f"### {write_up.id}: {escaped(write_up.title)} {{#{write_up.id.lower()}}}")
        parts += [_claim(claim, answers) for claim in own if claim.kind != "ablation"]
        warnings = [f"[{claim.id}](#{_anchor(claim)})" for claim in own if claim.kind == "ablation"]
        if warnings:
            parts.append(f"What it warns of is [below](#warnings): {', '.join(warnings)}.")
    return "\n\n".join(parts)


def _claim(claim: Claim, answers: Mapping[str, Answer]) -> str:
    answer = answers.get(claim.id)
    parts = [escaped(answer.finding) if answer else not_there(Reproductions)]
    if answer and answer.measured:
        head = ["Quantity", "Claimed", "Mean ± standard deviation", "95 % interval of the mean", "Seeds"]
        head += ["Holds if the mean is", "p", "Corrected", "Verdict"]
        rows = [_number(measured) for measured in answer.measured]
        columns = [column for column in zip(head, *rows, strict=True) if any(column[1:])]
        head, *rows = map(list, zip(*columns, strict=True))
        parts.append(table(head, rows))
    return _folded(claim, _verdict(claim, answers), parts)


def _number(measured: measurements.Quantity) -> list[str]:
    def shown(value: float, digits: str = ".2f") -> str:
        sign = {"share": words.PERCENT, "points": " points"}.get(measured.unit)
        return f"{100 * value:{digits}}{sign}" if sign else f"{value:.4g}"

    interval = words.ALIKE if measured.alike else " to ".join(map(shown, measured.interval))
    claimed = shown(measured.claimed, ".4g") if measured.claimed is not None else ""
    mean = f"{shown(measured.mean)} ± {shown(measured.sd)}"
    ends = measured.region or (None, None)
    words_for = zip(("above", "below"), ends, strict=True)
    limits = [f"{word} {shown(end, '.4g')}" for word, end in words_for if end is not None]
    tested = [" and ".join(limits), *map(words.chance, (measured.p, measured.corrected)), words.verdict(measured)]
    return [escaped(measured.quantity), claimed, mean, interval, str(measured.seeds), *map(escaped, tested)]


def errors(where: str) -> str:
    """Return a fold for each thing that the write-ups get wrong in their "code" or in their "text"."""
    found = _ablations()
    return "\n\n".join(
        _folded(error, f"in {words.listed(error.write_ups)}", _shown(error, found, ["With the error", "Without"]))
        for error in measurements.load_write_ups().errors
        if error.where == where
    )


def effects() -> str:
    """Return the table of what each error changes in the program of its write-up."""
    if not Ablations.PATH.exists():
        return not_there(Ablations)
    rows = [
        [
            f"[{row.id}](#{row.id.lower()})",
            words.listed(row.write_ups),
            escaped(row.what),
            row.effect,
            escaped(row.gain),
        ]
        for row in Ablations.load().rows
        if row.effect
    ]
    return table(["", "In", "Error", "Effect", "Training accuracy with it, less without"], rows)


def warnings() -> str:
    """Return a fold for each thing that the write-ups warn of."""
    answers, found = _answers(), _ablations()
    return "\n\n".join(
        _folded(claim, _verdict(claim, answers), _shown(claim, found, ["Heeded", "Not heeded"]))
        for claim in measurements.load_write_ups().claims
        if claim.kind == "ablation"
    )


def _shown(row: Claim | Error, found: Mapping[str, Ablation], head: Sequence[str]) -> list[str]:
    """Return what came out with and without, and a link to the page that explains it."""
    link = f"Explained in [{_page_title(row.page)}]({row.page.relative_to('docs').as_posix()})."
    if row.id not in found:
        return [not_there(Ablations), link]
    measured = found[row.id]
    rows = [
        [escaped(key), *(_value(values.get(key, "")) for values in (measured.with_it, measured.without))]
        for key in {**measured.with_it, **measured.without}
    ]
    return [f"{escaped(measured.finding)} {link}", table(["Quantity", *head], rows)]


def _value(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, float) else escaped(str(value))


def goals() -> str:
    """Return the table of our time divided by that of each contestant that a goal is set for, beside the goal."""
    if not Benchmarks.PATH.exists():
        return not_there(Benchmarks)
    measured, goals = Benchmarks.load(), Goals.load().root
    names = list(dict.fromkeys(name for goal in goals.values() for name in goal))

    def cell(work: Work, name: str) -> str:
        goal = goals.get(work.work, {}).get(name)
        if name not in work.ratios or goal is None:
            return "-"
        verdict = "reached" if work.ratios[name].median <= goal else "not reached"
        return f"{words.spread(work.ratios[name])}<br>goal {goal:.2f}: {verdict}"

    rows = [[escaped(work.work), *(cell(work, name) for name in names)] for work in measured.works]
    warning = f'!!! warning "Not as it should be"\n\n    {escaped(measured.warning)}\n\n' if measured.warning else ""
    return f"{warning}{table(['Work', *map(escaped, names)], rows, '---', '--:')}"


def benchmarks() -> str:
    """Return a section for each work of the benchmarks, with the time, the loss and the memory of each contestant."""
    if not Benchmarks.PATH.exists():
        return not_there(Benchmarks)
    parts = []
    for work in Benchmarks.load().works:
        rows = [
            [
                escaped(name),
                f"{result.time:g}",
                words.spread(result.ours_over_theirs),
                "-" if result.loss is None else f"{result.loss:.4g}",
                f"{result.peak_megabytes:,}",
            ]
            for name, result in work.contestants.items()
        ]
        head = ["Contestant", f"Time, {work.unit}", "Ours / theirs", "Loss after 3 rounds", "Peak memory, MB"]
        parts.append(f"### {escaped(work.work.capitalize())}\n\n{table(head, rows, '---', '--:')}")
    return "\n\n".join(parts)


def processors() -> str:
    """Return the table of what the kernels of other processors make of the same training."""
    if not Processors.PATH.exists():
        return not_there(Processors)
    rows = [
        [
            f"`{name}`" if number == 0 else "",
            escaped(result.kernels),
            f"{100 * result.test_accuracy:.2f}{words.PERCENT}",
            f"{result.test_cross_entropy:.6f}",
            f"{result.relative_distance:.1e}" if number else "-",
        ]
        for name, results in Processors.load().root.items()
        for number, result in enumerate(results)
    ]
    head = ["Model", "Kernels", "Test accuracy", "Test cross-entropy", "Distance from the first"]
    return table(head, rows, "---", "--:")


def cold_starts() -> str:
    """Return for each work the table of the seconds from starting Python to each accuracy."""
    if not Benchmarks.PATH.exists():
        return not_there(Benchmarks)
    parts = []
    for cold in Benchmarks.load().cold_starts:
        rows = [
            [
                escaped(name),
                *("not within the limit" if s is None else words.spread(s, 1) for s in map(seconds.get, cold.targets)),
            ]
            for name, seconds in cold.seconds.items()
        ]
        head = ["Contestant", *(f"Seconds to {target.replace('%', ' %')}" for target in cold.targets)]
        parts.append(f"The work: {escaped(cold.work)}.\n\n{table(head, rows, '---', '--:')}")
    return "\n\n".join(parts)


def large_data() -> str:
    """Return the table of the stages on more images than memory has room for, and of training in memory."""
    if not LargeData.PATH.exists():
        return not_there(LargeData)
    measured = LargeData.load()
    rows = [
        [escaped(name), f"{of.images:,}", f"{of.microseconds_per_image} µs", f"{of.peak_anonymous_megabytes} MB"]
        for name, of in measured.stages.items()
    ]
    shown = table(["", "Images", "Time per image", "Peak memory"], rows, "---", "--:")
    return f"{shown}\n\nA window has {measured.window:,} images. Streamed / in memory is {measured.ratio}."


def machine() -> str:
    """Return the table of what the benchmarks ran on."""
    if not Benchmarks.PATH.exists():
        return not_there(Benchmarks)
    rows = [[escaped(key), escaped(str(of))] for key, of in Benchmarks.load().machine.items()]
    return table(["What", "Measured on"], rows)


def _answers() -> dict[str, Answer]:
    """Return the answers by the ids of their claims, none if they are not there."""
    return {claim.id: claim for claim in Reproductions.load().claims} if Reproductions.PATH.exists() else {}


def _ablations() -> dict[str, Ablation]:
    """Return the ablations by their ids, none if they are not there."""
    return {row.id: row for row in Ablations.load().rows} if Ablations.PATH.exists() else {}


def _anchor(row: Claim | Error) -> str:
    return row.id.lower().replace(".", "-")


def _verdict(claim: Claim, answers: Mapping[str, Answer]) -> str:
    return answers[claim.id].verdict if claim.id in answers else "not measured yet"


def _page_title(page: Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def _folded(row: Claim | Error, said: str, parts: Sequence[str]) -> str:
    """Return a claim or an error that a click unfolds, as does a link, without scripts too: its target is within."""
    summary = f'<summary markdown="span">**{row.id}**, {said}: {escaped(row.text)}</summary>'
    head = f'<details class="abstract" markdown="1">\n{summary}\n<div class="anchor" id="{_anchor(row)}"></div>'
    return "\n\n".join([head, *parts, "</details>"])
