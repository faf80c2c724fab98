"""What a report says of the machines, and what a proof shows."""

from pathlib import Path
from typing import Any

import pytest

from reviewing.judging import Allowed, Difference
from reviewing.proof import Output, Proof, Stage, content, made_on, markdown
from reviewing.recording import Machine, Made, Record, Run, digest
from reviewing.revisions import Revision

ENTRIES = {"train": {"outs": [{"path": "model", "md5": "1"}]}}
HERE = Machine(
    processor="a|b", system="Linux", python="3.12", numpy="2.4", blas="blas 1", kernel="Zen", simd=("A", "B")
)
THERE = HERE.model_copy(update={"kernel": "Haswell"})


class Files(Revision):
    """A revision whose files are in memory: a dvc.lock, and a record of the machine that made it."""

    def __init__(self, name: str, machine: Machine | None, entries: dict[str, Any] = ENTRIES) -> None:
        self.name, self.entries = name, entries
        stages = {"train": Made(outputs=digest(ENTRIES["train"]), seconds=1)}
        self.record = Record(runs=[Run(machine=machine, stages=stages)]) if machine else None

    def text(self, path: str) -> str | None:
        assert path == "recorded_run.json"
        return self.record.model_dump_json() if self.record else None

    def stages(self) -> dict[str, Any]:
        return self.entries


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (HERE, HERE, "Both were made on a&#124;b with NumPy 2.4, kernel Zen."),
        (
            THERE,
            HERE,
            (
                "What `main` has was made on a&#124;b with NumPy 2.4, kernel Haswell. "
                "What the workspace has was made on a&#124;b with NumPy 2.4, kernel Zen. "
                "Numbers may differ by that alone."
            ),
        ),
        (None, HERE, "What the workspace has was made on a&#124;b with NumPy 2.4, kernel Zen."),
        (None, None, ""),
    ],
)
def test_a_report_says_on_what_its_two_revisions_were_made(
    before: Machine | None, after: Machine | None, expected: str
) -> None:
    assert made_on(Files("main", before), Files("workspace", after)) == expected


def test_the_machine_of_other_outputs_is_not_named() -> None:
    assert made_on(Files("main", None), Files("workspace", HERE, {"train": {"outs": []}})) == ""


def stage(
    recorded: str | None = "1", here: str | None = "1", committed: str | None = None, must: bool = True, **more: Any
) -> Stage:
    return Stage("train", 1.4, HERE, must, [Output("model", recorded, here, committed, "")], more.get("metrics", {}))


def differing(verdict: Any) -> dict[str, Any]:
    allowed = None if verdict == "not judged" else Allowed(0.1, 0.3, "5 seeds")
    return {"metrics/m.json": [Difference("test.accuracy", 0.2, 0.25, allowed, verdict)]}


@pytest.mark.parametrize(
    ("run", "same", "reproduced"),
    [
        (stage(), True, True),
        (stage(here="2"), False, False),
        (stage(here="2", must=False), False, True),
        (stage(here="2", must=False, metrics=differing("within")), False, True),
        (stage(here="2", must=False, metrics=differing("not judged")), False, True),
        (stage(here="2", must=False, metrics=differing("beyond")), False, False),
        (stage(here=None, must=False), False, False),
        (stage(recorded=None, must=False), False, False),
        (stage(committed="1"), True, True),
        (stage(committed="2"), False, False),
        (stage(committed="2", here="2", must=False), False, False),
        (Stage("train", 1.4, HERE, False, [], {}), False, False),
    ],
)
def test_when_a_stage_is_reproduced(run: Stage, same: bool, reproduced: bool) -> None:
    assert (run.is_same, run.is_reproduced) == (same, reproduced)
    proof = Proof("abcdef0123", HERE, [run])
    assert content(proof)["reproduced"] is reproduced
    assert proof.failed == ([] if reproduced else ["train"])


def test_the_page_shows_by_how_much_a_metric_differs_and_both_machines() -> None:
    run = Stage("train", 1.4, THERE, False, [Output("model", "1", "2", None, "")], differing("within"))
    text = markdown(Proof("abcdef0123", HERE, [run]))
    assert "# Run again from `abcdef0`" in text
    assert "**Reproduced on another kind of machine: what differs is within the rule.** 0 of 1 stages" in text
    assert "| `train` | 1 s | other bytes, within the rule | `model` |" in text
    assert "| file | metric | recorded | here | difference | allowed, by | within |" in text
    assert "| `metrics/m.json` | test.accuracy | 0.2 | 0.25 | +0.05 | 0.1 to 0.3, 5 seeds | yes |" in text
    assert "| | recorded, 1 stages | here |" in text
    assert "| kernel | Haswell | Zen |" in text
    assert "| processor | a&#124;b | a&#124;b |" in text
    assert "| SIMD extensions | A, B | A, B |" in text


def test_a_folder_of_the_page_is_out_of_the_way_of_git_and_dvc() -> None:
    root = Path(__file__).parents[2]
    assert "/verify/" in (root / ".gitignore").read_text().splitlines()
    assert "/verify" in (root / ".dvcignore").read_text().splitlines()


def test_the_page_shows_the_worst_first_and_what_is_wrong_with_each_output() -> None:
    metrics = {
        "m.json": [
            Difference("words", "a", "b", None, "not judged"),
            Difference("test.accuracy", 0.2, 0.25, Allowed(0.1, 0.3, "5 seeds"), "within"),
            Difference("dataset", "MNIST", "mine", None, "beyond"),
        ]
    }
    outputs = [
        Output("same", "1", "1", "1", ""),
        Output("torn", "1", "1", "2", ""),
        Output("gone", "1", None, None, ""),
        Output("extra", None, "1", None, ""),
        Output("text", "1", "2", "1", "3 lines"),
    ]
    text = markdown(Proof("abcdef0123", HERE, [Stage("train", 1.4, None, True, outputs, metrics)]))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert [(row[1], row[-2], row[-1]) for row in rows if row[0] == "`m.json`"] == [
        ("dataset", "nothing", "**no**"),
        ("test.accuracy", "0.1 to 0.3, 5 seeds", "yes"),
        ("words", "", "not judged"),
    ]
    (result,) = [row[2:] for row in rows if row[0] == "`train`"]
    assert result == [
        "**not reproduced**",
        (
            "`torn` (not what `dvc.lock` says, already in git), `gone` (not made), "
            "`extra` (not recorded), `text` (3 lines)"
        ),
    ]
    assert "On what they were recorded is not known of 1 stages: `train`." in text


def test_machines_read_each_stage_with_its_outputs_and_metrics() -> None:
    run = Stage("train", 1.44, THERE, False, [Output("model", "1", "2", None, "3 lines")], differing("within"))
    assert content(Proof("abcdef0123", HERE, [run])) == {
        "commit": "abcdef0123",
        "reproduced": True,
        "verdict": "reproduced on another kind of machine: what differs is within the rule",
        "here": HERE.model_dump(),
        "stages": [
            {
                "name": "train",
                "seconds": 1.4,
                "same_bytes": False,
                "must_be_same": False,
                "reproduced": True,
                "recorded_on": THERE.model_dump(),
                "outputs": [{"path": "model", "recorded": "1", "here": "2", "committed": None, "lines": "3 lines"}],
                "metrics": {
                    "metrics/m.json": [
                        {
                            "place": "test.accuracy",
                            "recorded": 0.2,
                            "here": 0.25,
                            "allowed": {"low": 0.1, "high": 0.3, "why": "5 seeds"},
                            "verdict": "within",
                        }
                    ]
                },
            }
        ],
    }
