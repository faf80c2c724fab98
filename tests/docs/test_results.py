"""The Markdown that shows measurements, from small files and from none."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from publishing import glance, measurements, results, speed_chart
from publishing.blocks import ROOT
from tests.networks import layer_rows

Write = Callable[[Path, Mapping[str, Any]], None]
ROW = {"split": "kaggle", "layers": layer_rows(10), "learning_rate": 0.1, "updates": 1500, "seed": 0}
PART = {"accuracy": 0.875, "interval": [0.85, 0.9], "cross_entropy": 0.25}
WRITE_UPS = """
write_ups:
  - {id: W1, author: null, title: First, year: null, network: a, training: b, data: c}
  - {id: W2, author: Ada, title: Second, companion: Third, year: 2022, network: d, training: e, data: f}
claims:
  - {id: W1.1, write_up: W1, kind: number, text: It reaches 85 %.}
  - {id: W2.1, write_up: W2, kind: comparison, text: "More | is [better](x)."}
  - {id: W2.2, write_up: W2, kind: ablation, text: Divide., page: docs/derivations/softmax.md}
errors:
  - {id: E1, write_ups: [W1, W2], where: code, text: One sum., page: docs/derivations/affine.md}
  - {id: E2, write_ups: [W1, W2, W3], where: text, text: One sign., page: docs/derivations/tanh.md}
"""
NUMBER = {
    "quantity": "accuracy",
    "unit": "share",
    "claimed": 0.85,
    "rounding": 0.005,
    "seeds": 4,
    "mean": 0.875,
    "sd": 0.0125,
    "min": 0.86,
    "max": 0.89,
    "interval": [0.8625, 0.8875],
    "region": [0.832, None],
    "better": True,
    "p": 0.00004,
    "corrected": 0.00016,
    "alone": "holds",
    "verdict": "holds",
}
DIFFERENCE = {key: value for key, value in NUMBER.items() if key not in ("claimed", "rounding", "better")} | {
    "quantity": "gain",
    "unit": "points",
    "region": [-0.01, 0.01],
    "p": 0.03,
    "corrected": 0.06,
    "alone": "does not hold",
    "verdict": "cannot be decided by this",
    "interval": [-0.02, -0.0105],
}
UNCLAIMED = {**DIFFERENCE, "unit": "", "quantity": "cost", "mean": 2.5, "interval": [2.25, 2.75], "region": None}
UNCLAIMED |= dict.fromkeys(("p", "corrected", "alone", "verdict"))
ANSWERS: list[dict[str, Any]] = [
    {
        "id": "W1.1",
        "kind": "number",
        "claim": "",
        "verdict": "holds",
        "alone": "holds",
        "finding": "It reaches 87.5%.",
        "measured": [NUMBER],
    },
    {
        "id": "W2.1",
        "kind": "comparison",
        "claim": "",
        "verdict": "cannot be decided by this",
        "alone": "does not hold",
        "finding": "Less_is_more.",
        "measured": [DIFFERENCE, UNCLAIMED],
    },
    {
        "id": "W2.2",
        "kind": "ablation",
        "same_as": "W2.1",
        "claim": "",
        "verdict": "holds",
        "alone": "holds",
        "finding": "NaN.",
        "measured": [],
    },
]
WHAT = {"group": "", "write_ups": ["W1", "W2"], "what": "One|sum.", "shown": True, "effect": None, "gain": ""}
ABLATIONS = [
    {
        **WHAT,
        "id": "E1",
        "finding": "It fails a check.",
        "effect": "does not change the result",
        "gain": "+0.1 points (-0.2 to +0.4), 6 seeds",
        "with": {"error": 0.62, "end": "a|b"},
        "without": {"error": "< 1e-9"},
    },
    {**WHAT, "id": "W2.2", "finding": "It ends.", "with": {"accuracy": 0.5}, "without": {"units": 9}},
]


def spread(smallest: float, median: float, largest: float) -> dict[str, float]:
    """Return what rounds of the same came to."""
    return {"smallest": smallest, "median": median, "largest": largest}


BENCHMARKS: dict[str, Any] = {
    "machine": {"processor": "A (R) CPU", "cores": 2},
    "warning": None,
    "rounds": 7,
    "works": [
        {
            "work": "full batch",
            "unit": "ms per update",
            "contestants": {
                "ours": {"time": 24.0, "ours_over_theirs": spread(1, 1, 1), "loss": 1.9, "peak_megabytes": 1234},
                "the_irs|": {"time": 60.0, "ours_over_theirs": spread(0.3, 0.4, 2), "loss": None, "peak_megabytes": 99},
            },
        }
    ],
    "cold_starts": [
        {
            "work": "mini-batch 32",
            "starts": 3,
            "seconds": {
                "ours": {"94%": spread(1.25, 1.3, 1.44), "97%": spread(3, 3.5, 4)},
                "the_irs|": {"94%": spread(6, 7, 8), "97%": None},
            },
        },
        {"work": "images", "starts": 3, "seconds": {"ours": {"99%": spread(8, 9, 10)}}},
    ],
}


@pytest.fixture
def folder(project: Path, write_parameters: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with two models and two write-ups in which nothing has been measured."""
    write_parameters(project, {"models": {"first": ROW, "second": ROW}})
    path = project / "write_ups.yaml"
    path.write_text(WRITE_UPS, encoding="utf-8")
    monkeypatch.setattr(measurements, "WRITE_UPS", path)
    return project


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def measured(folder: Path) -> Path:
    """Return the project with everything measured."""
    head = {"dataset": "MNIST", "notes": ["Few images."]}
    write(folder / "metrics/reproductions.json", {**head, "claims": ANSWERS})
    write(folder / "metrics/ablations.json", {**head, "images": {}, "rows": ABLATIONS})
    write(folder / "benchmarks/results.json", BENCHMARKS)
    return folder


def rows(text: str) -> list[list[str]]:
    """Return the cells of each line of the tables in a text."""
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def section(text: str, anchor: str) -> str:
    """Return what stands in the fold with an anchor."""
    folds = re.findall(r"^<details [^\n]*\n(.*?)^</details>$", text, re.MULTILINE | re.DOTALL)
    (found,) = (fold for fold in folds if f'id="{anchor}"' in fold)
    return str(found)


def test_models_show_those_that_are_measured_and_name_the_others(folder: Path) -> None:
    content: dict[str, Any] = {"dataset": "MNIST", "train": PART, "held_out": None, "test": PART, "notes": []}
    assert results.models() == "Not measured yet: `first`, `second`. `make repro` does it."
    write(folder / "metrics/second.json", content)
    text = results.models()
    assert [row[0] for row in rows(text)[2:]] == ["`second`"]
    assert "87.5\u00a0% (85.0\u00a0to\u00a090.0)" in text
    assert text.endswith("\n\nNot measured yet: `first`. `make repro` does it.")
    write(folder / "metrics/first.json", content)
    text = results.models()
    assert "Not measured yet" not in text
    assert [row[0] for row in rows(text)[2:]] == ["`first`, `second`"]  # they have the same row


def test_a_figure_is_shown_if_it_is_there_with_a_link_to_its_svg(folder: Path) -> None:
    absent = "`figures/first/a.png` is not there yet; `make repro` makes it."
    assert results.figure_of_shown_model("a.png", "digits") == absent
    (folder / "figures/first").mkdir(parents=True)
    (folder / "figures/first/a.png").write_bytes(b"")
    assert results.figure_of_shown_model("a.png", "digits") == "![first: digits](figures/first/a.png)"
    (folder / "figures/first/a.svg").write_bytes(b"")
    image = "[![first: digits](figures/first/a.png)](figures/first/a.svg)"
    assert results.figure_of_shown_model("a.png", "digits") == image


def test_write_ups_are_credited(folder: Path) -> None:
    assert results.write_ups().splitlines() == [
        "- **W1**: “First”. Network: a. Training: b. Data: c.",
        "- **W2**: Ada, “Second”, with the paper “Third” (2022). Network: d. Training: e. Data: f.",
    ]


def test_every_claim_has_a_row_of_short_cells_that_leads_to_the_whole(
    measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glance, "WORDS", measured / "glance.yaml")
    glance.WORDS.write_text(
        'W1.1: {claimed: "{0.claimed}", measured: "{0}"}\nW2.2: {claimed: a|b, measured: "{ignored[units]:g}"}\n',
        encoding="utf-8",
    )
    text = results.glance()
    assert text.startswith("Of 2 claims: 1 holds, 1 cannot be decided by this.\n\n| ")
    assert rows(text)[2:] == [
        ["[W1.1](#w1-1)", "85\u00a0%", "87.5\u00a0% (86.2 to 88.8)", "holds"],
        ["[W2.1](#w2-1)", "More &#124; is &#91;better&#93;(x).", "Less&#95;is&#95;more.", "cannot be decided by this"],
        ["[W2.2](#w2-2)", "a&#124;b", "9", "holds"],
    ]


def test_a_claim_stands_beside_what_was_measured(measured: Path) -> None:
    claim = section(results.claims(), "w1-1")
    head = '<summary markdown="span">**W1.1**, holds: It reaches 85\u00a0%.</summary>'
    target = '<div class="anchor" id="w1-1"></div>'
    assert claim.startswith(f"{head}\n{target}\n\nIt reaches 87.5%.\n")
    assert rows(claim)[0] == [
        "Quantity",
        "Claimed",
        "Mean ± standard deviation",
        "95 % interval of the mean",
        "Seeds",
        "Holds if the mean is",
        "p",
        "Corrected",
        "Verdict",
    ]
    assert rows(claim)[2:] == [
        [
            "accuracy",
            "85\u00a0%",
            "87.50\u00a0% ± 1.25\u00a0%",
            "86.25\u00a0% to 88.75\u00a0%",
            "4",
            "above 83.2\u00a0%",
            "&#60; 0.0001",
            "0.0002",
            "holds, measured is better",
        ]
    ]


def test_a_difference_is_told_from_a_number_and_a_share_from_a_plain_number(measured: Path) -> None:
    claim = section(results.claims(), "w2-1")
    assert "Less&#95;is&#95;more." in claim
    head, _, gain, cost = rows(claim)
    assert "Claimed" not in head
    assert gain[2] == "-2.00 points to -1.05 points"
    assert gain[4:] == [
        "above -1 points and below 1 points",
        "0.0300",
        "0.0600",
        "cannot be decided by this (alone: does not hold)",
    ]
    assert [cost[1], cost[2], *cost[4:]] == ["2.5 ± 0.0125", "2.25 to 2.75", "", "", "", ""]


def test_warnings_are_kept_apart_from_the_other_claims(measured: Path) -> None:
    assert 'id="w2-2"' not in results.claims()
    assert "[below](#warnings): [W2.2](#w2-2)." in results.claims().partition("### W2")[2]
    assert '<summary markdown="span">**W2.2**, holds: Divide.</summary>\n' in results.warnings()
    text = section(results.warnings(), "w2-2")
    assert "It ends. Explained in [Softmax](derivations/softmax.md)." in text
    assert rows(text)[0] == ["Quantity", "Heeded", "Not heeded"]
    assert rows(text)[2:] == [["accuracy", "0.5", ""], ["units", "", "9"]]


def test_errors_have_their_numbers_and_the_page_that_explains_them(measured: Path) -> None:
    text = results.errors("code")
    error = section(text, "e1")
    head = '<summary markdown="span">**E1**, in W1 and W2: One sum.</summary>'
    target = '<div class="anchor" id="e1"></div>'
    assert error.startswith(f"{head}\n{target}\n\nIt fails a check. Explained in [")
    assert "](derivations/affine.md)." in text
    assert rows(text)[0] == ["Quantity", "With the error", "Without"]
    assert rows(text)[2:] == [["error", "0.62", "&#60; 1e-9"], ["end", "a&#124;b", ""]]
    assert 'id="e2"' not in text


def test_an_error_without_measurement_says_so(measured: Path) -> None:
    text = results.errors("text")
    assert "**E2**, in W1, W2 and W3: " in section(text, "e2")
    assert "`metrics/ablations.json` is not there yet; `make repro` makes it." in text
    assert "[Tanh](derivations/tanh.md)" in text


def test_effects_are_those_of_the_errors(measured: Path) -> None:
    assert rows(results.effects())[2:] == [
        ["[E1](#e1)", "W1 and W2", "One&#124;sum.", "does not change the result", "+0.1 points (-0.2 to +0.4), 6 seeds"]
    ]


def test_effects_that_are_not_measured_yet_say_so(folder: Path) -> None:
    assert results.effects() == "`metrics/ablations.json` is not there yet; `make repro` makes it."


def test_the_data_is_named_with_its_notes(measured: Path) -> None:
    assert results.data(measurements.Ablations) == "Data: MNIST. Few images."


def test_every_anchor_is_there_before_anything_is_measured(folder: Path) -> None:
    text = "\n".join([results.claims(), results.errors("code"), results.errors("text"), results.warnings()])
    anchors = re.findall(r'{#([\w-]+)}|id="([\w-]+)"', text)
    assert ["".join(anchor) for anchor in anchors] == ["w1", "w1-1", "w2", "w2-1", "e1", "e2", "w2-2"]
    assert [row[2:] for row in rows(results.glance())[2:]] == [["-", "not measured yet"]] * 3
    for file in (measurements.Reproductions, measurements.Ablations):
        assert f"`{file.PATH}` is not there yet; `make repro` makes it." in text
        assert results.data(file) == f"`{file.PATH}` is not there yet; `make repro` makes it."


def test_benchmarks(measured: Path) -> None:
    text = results.benchmarks()
    assert text.startswith("### Full batch\n")
    assert rows(text) == [
        ["Contestant", "Time, ms per update", "Ours / theirs", "Loss after 3 rounds", "Peak memory, MB"],
        ["---", "--:", "--:", "--:", "--:"],
        ["ours", "24", "1.00 (1.00\u00a0to\u00a01.00)", "1.9", "1,234"],
        ["the&#95;irs&#124;", "60", "0.40 (0.30\u00a0to\u00a02.00)", "-", "99"],
    ]


@pytest.mark.parametrize(
    ("goal", "verdict"), [(0.3999, "goal 0.40: not reached"), (0.4, "goal 0.40: reached"), (1.0, "goal 1.00: reached")]
)
def test_goals_stand_beside_what_was_measured(
    goal: float, verdict: str, measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurements.Goals, "PATH", measured / "benchmarks/goals.json")
    write(measured / "benchmarks/goals.json", {"full batch": {"the_irs|": goal}, "mini-batch": {"others": 1}})
    assert rows(results.goals()) == [
        ["Work", "the&#95;irs&#124;", "others"],
        ["---", "--:", "--:"],
        ["full batch", f"0.40 (0.30\u00a0to\u00a02.00)<br>{verdict}", "-"],
    ]


def test_kernels_that_the_environment_chose_are_said_on_the_page(measured: Path) -> None:
    assert "!!!" not in results.goals()
    write(measured / "benchmarks/results.json", BENCHMARKS | {"warning": "A=b is set"})
    assert results.goals().startswith('!!! warning "Not as it should be"\n\n    A=b is set\n\n|')


def test_the_chart_shows_each_ratio_with_its_spread(measured: Path) -> None:
    shown = re.fullmatch(r'``` {\.svg alt="([^"]*)"}\n<svg .*</svg>\n```', speed_chart.speed_chart())
    assert shown
    assert shown[1].endswith("full batch: the_irs| 0.40 (0.30\u00a0to\u00a02.00)")
    figure = Figure()
    axes = figure.subplots()
    (work,) = measurements.Benchmarks.load().works
    speed_chart.draw_work(axes, work, {"the_irs|": 0.5})
    (range_,) = [collection for collection in axes.collections if isinstance(collection, LineCollection)]
    assert np.asarray(range_.get_segments()[0]).tolist() == [[0.3, 0], [2, 0]]
    points = {str(line.get_label()): np.asarray(line.get_xydata()).tolist() for line in axes.lines}
    assert points["median of the rounds"] == [[0.4, 0]]
    assert points["goal"] == [[0.5, 0]]
    left, right = axes.get_xlim()
    assert left < 0.3 < 2 < right


def test_cold_starts(measured: Path) -> None:
    text, other = results.cold_starts().split("The work: images.")
    assert "The work: mini-batch 32." in text
    assert rows(text)[0] == ["Contestant", "Seconds to 94 %", "Seconds to 97 %"]
    assert rows(text)[2:] == [
        ["ours", "1.3 (1.2\u00a0to\u00a01.4)", "3.5 (3.0\u00a0to\u00a04.0)"],
        ["the&#95;irs&#124;", "7.0 (6.0\u00a0to\u00a08.0)", "not within the limit"],
    ]
    assert rows(other) == [["Contestant", "Seconds to 99 %"], ["---", "--:"], ["ours", "9.0 (8.0\u00a0to\u00a010.0)"]]


def test_machine(measured: Path) -> None:
    assert rows(results.machine())[2:] == [["processor", "A (R) CPU"], ["cores", "2"]]


def test_more_images_than_memory(folder: Path) -> None:
    assert results.large_data().startswith("`benchmarks/large_data.json` is not there yet; `python -m benchmarks.")
    passed = {"images": 600000, "microseconds_per_image": 4.98, "peak_anonymous_megabytes": 261}
    stages = {"train, in memory": passed, "train, streamed": {**passed, "images": 2000000}}
    write(folder / "benchmarks/large_data.json", {"stages": stages, "window": 60000, "ratio": 1.17})
    text = results.large_data()
    assert rows(text)[2:] == [
        ["train, in memory", "600,000", "4.98 µs", "261 MB"],
        ["train, streamed", "2,000,000", "4.98 µs", "261 MB"],
    ]
    assert text.endswith("A window has 60,000 images. Streamed / in memory is 1.17.")


def test_kernels_of_other_processors(folder: Path) -> None:
    assert results.processors().startswith("`benchmarks/processors.json` is not there yet; `python -m benchmarks.")
    first = {"kernels": "A_B", "test_accuracy": 0.8722, "test_cross_entropy": 0.4264361, "relative_distance": 0.0}
    other = {"kernels": "C", "test_accuracy": 0.9, "test_cross_entropy": 0.5, "relative_distance": 6e-07}
    write(folder / "benchmarks/processors.json", {"small": [first, other]})
    text = results.processors()
    assert rows(text)[0] == ["Model", "Kernels", "Test accuracy", "Test cross-entropy", "Distance from the first"]
    assert rows(text)[2:] == [
        ["`small`", "A&#95;B", "87.22\u00a0%", "0.426436", "-"],
        ["", "C", "90.00\u00a0%", "0.500000", "6.0e-07"],
    ]


def test_the_measurements_of_the_project_on_many_images_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    if not measurements.LargeData.PATH.exists():
        pytest.skip("`python -m benchmarks.large_data` has not been run since the form of its file changed")
    assert len(rows(results.large_data())) > 3


@pytest.mark.parametrize(
    "shown", [results.goals, results.benchmarks, results.cold_starts, results.machine, speed_chart.speed_chart]
)
def test_benchmarks_that_have_not_been_run(folder: Path, shown: Callable[[], str]) -> None:
    assert shown() == "`benchmarks/results.json` is not there yet; `make bench` makes it."


def test_write_ups_of_the_project_name_pages_that_are_there() -> None:
    content = measurements.load_write_ups()
    warnings = [claim for claim in content.claims if claim.kind == "ablation"]
    pages = {error.page for error in content.errors} | {warning.page for warning in warnings}
    assert len(pages) > 1
    assert all((ROOT / page).is_file() for page in pages)
