"""What came of running stages again, and whether it proves what is recorded of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from publishing.markup import table
from publishing.markup import unbroken as escaped
from reviewing import recording
from reviewing.judging import TOLERANCE, Difference
from reviewing.markdown import code, folded
from reviewing.recording import Machine
from reviewing.revisions import Revision

UNFOLDED = 20  # rows of a table
VERDICTS = {"beyond": "**no**", "within": "yes", "not judged": "not judged"}

RULE = f"""**The rule.** Where NumPy, its library of linear algebra, the kernel and the SIMD extensions are the
recorded ones, or the recorded ones are not known, every output must have the recorded bytes. Elsewhere the data must,
and so must the words of the metrics: the data set, what was shown, and a verdict, unless it leaves something open in
one of the two runs. An accuracy may be as far from the recorded one as two runs that differ in the seed alone (95 %);
where that is not measured, it must lie in the 95 % interval recorded with it. A mean over seeds may be as far as that
of as many other seeds, a cross-entropy by {TOLERANCE:g}, or as much of its size if that is above 1. Other numbers,
figures, arrays and the PDF may differ: they are named and not judged."""


class Output(NamedTuple):
    """A file or folder that a stage makes.

    Attributes
    ----------
    path : str
        Where.
    recorded, here : str or None
        Its hash in dvc.lock and now, None if it is missing there.
    committed : str or None
        The hash of the file in git, None if it is not in git.
    lines : str
        How many lines of a text in git differ.
    """

    path: str
    recorded: str | None
    here: str | None
    committed: str | None
    lines: str

    @property
    def is_same(self) -> bool:
        """Whether it has the recorded bytes."""
        return self.recorded == self.here

    @property
    def is_torn(self) -> bool:
        """Whether the record contradicts itself: dvc.lock and the file in git are not of one run."""
        return self.committed not in (None, self.recorded)


@dataclass(frozen=True)
class Stage:
    """A stage that was run again.

    Attributes
    ----------
    name : str
        As in dvc.lock.
    seconds : float
        How long it took.
    machine : Machine or None
        On what it was recorded, if that is known.
    must_be_same : bool
        Whether nothing that is known excuses other bytes.
    outputs : list of Output
        All that it was recorded to make, and all that it has made.
    metrics : dict
        What differs, by the JSON file of metrics/ that it is in.
    """

    name: str
    seconds: float
    machine: Machine | None
    must_be_same: bool
    outputs: Sequence[Output]
    metrics: Mapping[str, Sequence[Difference]]

    @property
    def is_same(self) -> bool:
        """Whether all outputs have the recorded bytes, and are recorded in one way."""
        return bool(self.outputs) and not any(output.is_torn or not output.is_same for output in self.outputs)

    @property
    def is_reproduced(self) -> bool:
        """Whether the rule holds."""
        if self.is_same:
            return True
        beyond = any(found.verdict == "beyond" for differing in self.metrics.values() for found in differing)
        gone = any(output.is_torn or None in (output.recorded, output.here) for output in self.outputs)
        return bool(self.outputs) and not (self.must_be_same or beyond or gone)


@dataclass(frozen=True)
class Proof:
    """What came of a run from a commit.

    Attributes
    ----------
    commit : str
        Its hash.
    here : Machine
        On what it was run.
    stages : list of Stage
        In the order in which they were run.
    """

    commit: str
    here: Machine
    stages: Sequence[Stage]

    @property
    def failed(self) -> list[str]:
        """The stages that are not reproduced."""
        return [stage.name for stage in self.stages if not stage.is_reproduced]

    @property
    def verdict(self) -> str:
        """What is to be said first."""
        if self.failed:
            return f"not reproduced: {', '.join(self.failed)}"
        if all(stage.is_same for stage in self.stages):
            return "reproduced: every output has the recorded bytes"
        return "reproduced on another kind of machine: what differs is within the rule"


def content(proof: Proof) -> dict[str, Any]:
    """Return all of it for machines."""
    return {
        "commit": proof.commit,
        "reproduced": not proof.failed,
        "verdict": proof.verdict,
        "here": proof.here.model_dump(),
        "stages": [
            {
                "name": stage.name,
                "seconds": round(stage.seconds, 1),
                "same_bytes": stage.is_same,
                "must_be_same": stage.must_be_same,
                "reproduced": stage.is_reproduced,
                "recorded_on": stage.machine.model_dump() if stage.machine else None,
                "outputs": [output._asdict() for output in stage.outputs],
                "metrics": {
                    path: [found._asdict() | {"allowed": found.allowed and found.allowed._asdict()} for found in listed]
                    for path, listed in stage.metrics.items()
                },
            }
            for stage in proof.stages
        ],
    }


def markdown(proof: Proof) -> str:
    """Return all of it for people."""
    stages = proof.stages
    same = sum(stage.is_same for stage in stages)
    rows = [[code(stage.name), f"{stage.seconds:.0f} s", _result(stage), _differing(stage)] for stage in stages]
    parts = [
        f"# Run again from `{proof.commit[:7]}`",
        f"**{proof.verdict[0].upper()}{proof.verdict[1:]}.** {same} of {len(stages)} stages have the recorded bytes.",
        table(["stage", "took", "outputs", "that differ"], rows),
        _metrics(stages),
        _machines(proof),
        RULE,
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _result(stage: Stage) -> str:
    if stage.is_same:
        return "same bytes"
    if not stage.is_reproduced:
        return "**not reproduced**"
    return "other bytes, within the rule"


def _differing(stage: Stage) -> str:
    if not stage.outputs:
        return "it is not in `dvc.lock`"
    return ", ".join(
        f"{code(output.path)}{_how(output)}" for output in stage.outputs if output.is_torn or not output.is_same
    )


def _how(output: Output) -> str:
    if output.is_torn:
        return " (not what `dvc.lock` says, already in git)"
    if output.here is None:
        return " (not made)"
    if output.recorded is None:
        return " (not recorded)"
    return f" ({output.lines})" if output.lines else ""


def _metrics(stages: Sequence[Stage]) -> str:
    """Return the table of the metrics that differ, the worst first."""
    found = [(path, differing) for stage in stages for path, listed in stage.metrics.items() for differing in listed]
    rows = [
        [
            code(path),
            escaped(differing.place),
            _shown(differing.recorded),
            _shown(differing.here),
            _apart(differing),
            _allowed(differing),
            VERDICTS[differing.verdict],
        ]
        for path, differing in sorted(found, key=lambda row: list(VERDICTS).index(row[1].verdict))
    ]
    if not rows:
        return ""
    head = ["file", "metric", "recorded", "here", "difference", "allowed, by", "within"]
    return folded(f"Metrics that differ: {len(rows)}", table(head, rows), len(rows) <= UNFOLDED)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else escaped(str(value))


def _apart(differing: Difference) -> str:
    old, new = differing.recorded, differing.here
    return f"{new - old:+.2g}" if isinstance(old, int | float) and isinstance(new, int | float) else ""


def _allowed(differing: Difference) -> str:
    if differing.allowed is None:
        return "" if differing.verdict == "not judged" else "nothing"
    low, high, why = differing.allowed
    return f"{low:.6g} to {high:.6g}, {why}"


def _machines(proof: Proof) -> str:
    """Return a table of what the stages were recorded on, and of what they were run on now."""
    recorded: dict[Machine | None, list[str]] = {}
    for stage in proof.stages:
        recorded.setdefault(stage.machine, []).append(stage.name)
    known = [machine for machine in recorded if machine]
    columns = [(f"recorded, {len(recorded[machine])} stages", machine) for machine in known]
    columns.append(("here", proof.here))
    rows = [
        [words, *(_cell(getattr(machine, field)) for _, machine in columns)]
        for field, words in (
            ("processor", "processor"),
            ("system", "system"),
            ("python", "Python"),
            ("numpy", "NumPy"),
            ("blas", "linear algebra"),
            ("kernel", "kernel"),
            ("simd", "SIMD extensions"),
        )
    ]
    unknown = recorded.get(None, [])
    note = f"On what they were recorded is not known of {len(unknown)} stages: {', '.join(map(code, unknown))}."
    return "\n\n".join([table(["", *(head for head, _ in columns)], rows), *([note] if unknown else [])])


def made_on(base: Revision, workspace: Revision) -> str:
    """Return on which kinds of machines the results of two revisions were made, nothing if that is not known."""
    before, after = (_made_on(revision) for revision in (base, workspace))
    if before and before == after:
        return f"Both were made on {after}."
    where = [(code(base.name), before), (f"the {workspace.name}", after)]
    known = [f"What {name} has was made on {machines}." for name, machines in where if machines]
    return " ".join([*known, "Numbers may differ by that alone."] if before and after else known)


def _made_on(revision: Revision) -> str:
    record = recording.parse(revision.text(str(recording.RECORD)))
    machines = dict.fromkeys(machine for machine, _ in record.of(revision.stages()).values())
    kinds = [f"{machine.processor} with NumPy {machine.numpy}, kernel {machine.kernel}" for machine in machines]
    return escaped("; ".join(kinds))


def _cell(value: Any) -> str:
    return escaped(", ".join(value) if isinstance(value, tuple) else str(value or "not known"))
