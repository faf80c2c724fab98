"""The claims in a few words: from small measurements, and each claim of the project from what was measured."""

import re
from pathlib import Path
from typing import Any

import pytest

from publishing import glance, measurements
from publishing.blocks import ROOT
from publishing.measurements import Ablation, Answer

SHARE = {"unit": "share", "seeds": 3, "sd": 0.01, "min": 0.83, "mean": 0.83862, "interval": [0.8047, 0.8726]}
SHARE |= dict.fromkeys(("p", "corrected", "alone"))
NUMBER = {**SHARE, "quantity": "accuracy", "claimed": 0.877, "rounding": 0.0005, "verdict": "holds"}
COST = {**NUMBER, "quantity": "cost", "unit": "", "claimed": 0.23, "rounding": 0.0005, "mean": 0.23081}
GAIN = {
    **SHARE,
    "unit": "points",
    "quantity": "gain, momentum",
    "mean": 0.1586,
    "interval": [0.1299, 0.187],
    "verdict": "holds",
}
LOSS = {
    **GAIN,
    "quantity": "gain, RMSProp",
    "mean": -0.0044,
    "interval": [-0.0121, 0.0034],
    "verdict": "cannot be decided by this",
}
JUDGED = {**SHARE, "quantity": "accuracy on the test images, scale 10", "verdict": "holds"}
UNJUDGED = {**SHARE, "quantity": "rate 10", "verdict": None}


def answer(*quantities: dict[str, Any]) -> Answer:
    """Return what came of a claim."""
    of = {
        "id": "W1",
        "kind": "number",
        "claim": "At least 10 times.",
        "verdict": "holds",
        "alone": "holds",
        "finding": "5 of 6 do.",
    }
    return Answer.model_validate({**of, "measured": quantities})


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets the words for the measured cell of the claim W1."""
    monkeypatch.setattr(glance, "WORDS", tmp_path / "glance.yaml")

    def write(measured: str) -> None:
        glance.WORDS.write_text(f"W1: {{claimed: \"some\", measured: '{measured}'}}\n", encoding="utf-8")

    return write


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{0}", "83.9 % (80.5 to 87.3)"),
        ("{0.claimed} or {0.mean}", "87.7 % or 83.9 %"),
        ("{1.claimed} or {1.mean}", "0.230 or 0.2308"),
        ("{of[momentum]}", "+15.9 points (+13.0 to +18.7)"),
        ("{of[RMSProp].mean}", "-0.4 points"),
        ("{of[rate 10]}", "83.9 % (80.5 to 87.3)"),
        ("{of[scale 10].mean}", "83.9 %"),
        ("{claim:least \\d+}; {finding:\\d of \\d}", "least 10; 5 of 6"),
        ("{heeded[a: b]:.1%} and {ignored[[-5, 5): end]}", "64.1 % and NaN"),
    ],
)
def test_fields_are_filled_with_what_was_measured(template: str, shown: str, words: Any) -> None:
    words(template)
    warning = Ablation.model_validate(
        {
            "id": "W1",
            "group": "",
            "write_ups": [],
            "what": "",
            "shown": True,
            "effect": None,
            "gain": "",
            "finding": "",
            "with": {"a: b": 0.641},
            "without": {"[-5, 5): end": "NaN"},
        }
    )
    of = answer(NUMBER, COST, GAIN, LOSS, JUDGED, UNJUDGED)
    assert glance.cells("W1", of, warning) == ["some", shown]


def test_gains_are_counted_among_what_has_a_verdict(words: Any) -> None:
    words("{gains}")
    assert glance.cells("W1", answer(GAIN, LOSS, UNJUDGED), None) == ["some", "1 of 2 do, -0.4 to +15.9 points"]


@pytest.mark.parametrize(
    "template",
    ["{0}", "{0.claimed}", "{of[rate 1]}", "{of[gain]}", "{finding:\\d+ networks}", "{heeded[end]}", "{gains}"],
)
def test_words_that_do_not_fit_are_none(template: str, words: Any) -> None:
    words(template)
    measured = [] if template == "{0}" else [UNJUDGED]
    assert glance.cells("W1", answer(*measured), None) is None
    assert glance.cells("W2", answer(NUMBER), None) is None


def test_every_claim_of_the_project_has_short_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    answers = {answer.id: answer for answer in measurements.Reproductions.load().claims}
    warnings = {row.id: row for row in measurements.Ablations.load().rows}
    claims = [claim.id for claim in measurements.load_write_ups().claims]
    assert list(glance.words()) == claims
    for claim in claims:
        cells = glance.cells(claim, answers[claim], warnings.get(claim))
        assert cells, claim
        assert all(0 < len(cell) <= 80 for cell in cells), cells


def test_the_words_hold_no_number_themselves() -> None:
    for claim, of in glance.words().items():
        for text in (of.claimed, of.measured):
            assert not re.search(r"\d", re.sub(r"{[^{}]*}", "", text)), f"{claim}: {text}"
