"""The parts of a report in Markdown, for a comment on GitHub and for a page of the site."""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from publishing.markup import table
from publishing.markup import unbroken as escaped
from reviewing.models import OTHER_DATA, OTHER_TEST_IMAGES, ModelComparison, Results, datasets
from reviewing.revisions import WORKSPACE, Comparison, Rerun
from reviewing.significance import LEVEL, Paired, Spread
from stages.shared.changes import Change

BETTER = {"accuracy": 1, "cross_entropy": -1}  # 1 if more of it is, -1 if less
UNFOLDED = 10  # rows of a table
NOTHING = "Nothing differs: no parameter, no metric, no stage in `dvc.lock` and no result in git."
READING = (
    "**Chance:** McNemar's test (exact binomial, two-sided, at 5 %) of the test images that one revision alone gets "
    "right. **Seed:** in 95 % of the cases two runs that differ in the seed alone are no further apart than this, by "
    "the spread that `reproduce` measured."
)


def code(value: object) -> str:
    """Return a value as code for a cell of a table."""
    if value is None:
        return "-"
    text = " ".join((value if value and isinstance(value, str) else json.dumps(value, default=str)).split())
    if "`" in text or "|" in text:  # what ends code, and what ends a cell
        return f"<code>{''.join(c if c.isalnum() or c == ' ' else f'&#{ord(c)};' for c in text)}</code>"
    return f"`{text}`"


def folded(title: str, body: str, unfolded: bool = False) -> str:
    """Return a part that a click folds or unfolds."""
    summary = f"<summary>{html.escape(title)}</summary>"
    return f'<details{" open" if unfolded else ""} markdown="1">\n{summary}\n\n{body}\n\n</details>'


def heading(comparison: Comparison, models: Sequence[ModelComparison]) -> str:
    """Return what is compared with what, and warnings if the two or their parts do not belong together."""
    old, new = (code(commit[:7]) for commit in comparison.commits)
    state = ", with changes that are not committed" if comparison.dirty else ""
    before, after = datasets(model.before for model in models), datasets(model.after for model in models)
    parts = [
        "# What this change does",
        f"From {code(comparison.before.name)} ({old}{_on(before)}) to the workspace ({new}{state}{_on(after)}).",
    ]
    unlike = ", ".join(code(model.name) for model in models if model.apart)
    if unlike:
        parts.append(
            f"> **Not compared:** the results of {unlike} are of other data in the one than in the other, "
            "so nothing there is called better or worse."
        )
    if comparison.behind:
        stages = ", ".join(map(code, comparison.behind))
        parts.append(
            f"> **Not up to date:** what these stages read or made has changed since they ran: {stages}. "
            "`dvc repro` runs them."
        )
    return "\n\n".join(parts)


def _on(names: Sequence[str]) -> str:
    return f"; data: {escaped('; '.join(names))}" if names else ""


def summary(models: Sequence[ModelComparison], spreads: Mapping[str, Spread | None]) -> str:
    """Return the table of the models that differ, how to read it, and the names of the others."""
    rows = [_row(model, spreads[model.name]) for model in models if model.state != "the same"]
    if not rows:
        return "The results of every model are the same in both."
    head = ["model", "test accuracy", "change", "more than chance?", "more than the seed?"]
    same = ", ".join(code(model.name) for model in models if model.state == "the same")
    return "\n\n".join([table(head, rows), READING, *([f"The same in both: {same}."] if same else [])])


def _row(model: ModelComparison, spread: Spread | None) -> list[str]:
    name, before, after = code(model.name), _accuracy(model.before), _accuracy(model.after)
    if model.state != "changed":
        return [name, before if model.state == "removed" else after, model.state, "", ""]
    if model.apart:
        return [name, f"{before} → {after}", "not compared", model.apart, "-"]
    old, new = model.before.accuracy, model.after.accuracy
    if old is None or new is None:
        return [name, f"{before} → {after}", "-", by_chance(model.paired), "-"]
    return [
        name,
        f"{before} → {after}",
        direction("accuracy", old, new),
        by_chance(model.paired),
        by_seed(new - old, spread),
    ]


def _accuracy(results: Results) -> str:
    if results.accuracy is None:
        return "no test images" if results.metrics else "not measured"
    return f"{100 * results.accuracy:.2f} %"


def by_chance(paired: Paired | str) -> str:
    """Return whether a change is more than chance in the test images."""
    if isinstance(paired, str):
        return paired
    p = "p < 0.001" if paired.p < 0.001 else f"p = {paired.p:.2g}"
    counts = f"{len(paired.gained):,} newly right, {len(paired.lost):,} newly wrong"
    return f"{'yes' if paired.p < LEVEL else 'no'}, {p}: {counts}"


def by_seed(change: float, spread: Spread | None) -> str:
    """Return whether a change of the test accuracy is more than that of another seed."""
    if spread is None:
        return "not measured"
    verdict = "yes" if abs(change) > spread.margin else "no"
    return f"{verdict}: the seed makes up to {100 * spread.margin:.2f} points"


def direction(key: str, before: float, after: float) -> str:
    """Return an arrow with the size of a change and, where that is known of a metric, whether it is for the better."""
    if after == before:
        return "equal"
    name = key.rpartition(".")[2]
    size = f"{100 * abs(after - before):.2f} points" if name == "accuracy" else f"{abs(after - before):.3g}"
    gain = BETTER.get(name, 0) * (after - before)
    return f"{'↑' if after > before else '↓'} {size}{', better' if gain > 0 else ', worse' if gain < 0 else ''}"


def of_parameters(changes: Sequence[Change], base: str) -> str:
    """Return the parameters that differ."""
    rows = [[code(key), code(before), code(after)] for key, before, after in changes]
    body = table(["parameter", code(base), WORKSPACE], rows)
    return folded(f"Parameters that differ: {len(rows)}", body, len(rows) <= UNFOLDED)


def of_metrics(
    metrics: Mapping[str, Sequence[Change]],
    base: str,
    spreads: Mapping[str, Spread | None],
    apart: Mapping[str, str | None],
) -> str:
    """Return the metrics that differ, with why a model's are not compared if so, and what is known of the seed."""
    rows = [
        [
            code(Path(path).stem),
            code(change.key),
            _shown(change.key, change.before),
            _shown(change.key, change.after),
            _change(change, OTHER_DATA if "dataset" in (key for key, _, _ in changes) else apart.get(Path(path).stem)),
        ]
        for path, changes in metrics.items()
        for change in changes
    ]
    seeds = [
        f"Over {spread.seeds} seeds the test accuracy of {code(name)} has a standard deviation of "
        f"{100 * spread.deviation:.2f} points, after {spread.updates:,} updates."
        for name, spread in spreads.items()
        if spread
    ]
    body = "\n\n".join([table(["model", "metric", code(base), WORKSPACE, "change"], rows), *seeds])
    return folded(f"Metrics that differ: {len(rows)}", body)


def _shown(key: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{100 * value:.2f} %" if key.rpartition(".")[2] == "accuracy" else f"{value:.4f}"
    return "-" if value is None else escaped(str(value))


def _change(change: Change, apart: str | None) -> str:
    key, before, after = change
    if apart == OTHER_DATA or (apart == OTHER_TEST_IMAGES and key.startswith("test.")):
        return apart
    if isinstance(before, int | float) and isinstance(after, int | float):
        return direction(key, before, after)
    return "new" if before is None else "removed" if after is None else ""


def of_stages(reruns: Sequence[Rerun]) -> str:
    """Return the stages that ran again."""
    rows = [
        [code(stage), _listed(causes) if state == "changed" else state, _listed(outs)]
        for stage, state, causes, outs in reruns
    ]
    return folded(f"Stages that ran again: {len(rows)}", table(["stage", "because of", "made anew"], rows))


def _listed(items: Sequence[str]) -> str:
    return ", ".join(map(code, items)) or "nothing in `dvc.lock`"


def of_missing(missing: Sequence[str]) -> str:
    """Return what the report would need that is not there."""
    return folded(f"What is missing: {len(missing)}", "\n".join(f"- {line}" for line in missing), unfolded=True)


def of_pictures(name: str, pictures: Sequence[tuple[str, str]], unfolded: bool) -> str:
    """Return the pictures of a model, from what each shows and its file."""
    return folded(
        f"Pictures of {name}", "\n\n".join(f"![{escaped(what)}]({file})" for what, file in pictures), unfolded
    )
