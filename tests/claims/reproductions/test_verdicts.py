import math

import pytest

from stages.claims.reproductions.verdicts import (
    Difference,
    Number,
    Subject,
    confidence_interval,
    overall,
    prediction_interval,
    shown,
    summary,
)

# Two-sided 95 % points of Student's t, as tables have them, by degrees of freedom.
T = {1: 12.706, 2: 4.303, 4: 2.776}

THREE = [0.84, 0.85, 0.86]  # mean 0.85, standard deviation 0.01
REACH = T[2] * 0.01 * math.sqrt(1 + 1 / 3)  # 0.0497: one more run is expected from 0.8003 to 0.8997


@pytest.mark.parametrize(
    ("values", "mean", "deviation"),
    [([1, 2, 3, 4, 5], 3, math.sqrt(2.5)), ([2, 4], 3, math.sqrt(2)), (THREE, 0.85, 0.01)],
)
def test_intervals_are_those_of_the_t_table(values: list[float], mean: float, deviation: float) -> None:
    k = len(values)
    one_more, of_mean = (T[k - 1] * deviation * math.sqrt(share + 1 / k) for share in (1, 0))
    assert prediction_interval(values) == pytest.approx((mean - one_more, mean + one_more), rel=1e-3)
    assert confidence_interval(values) == pytest.approx((mean - of_mean, mean + of_mean), rel=1e-3)


@pytest.mark.parametrize(
    ("claimed", "rounding", "verdict"),
    [
        (0.85, 0, "consistent"),
        (0.85 + REACH - 0.001, 0, "consistent"),
        (0.85 + REACH + 0.001, 0, "claimed above what is measured"),
        (0.85 + REACH + 0.001, 0.005, "consistent"),
        (0.85 + REACH + 0.006, 0.005, "claimed above what is measured"),
        (0.85 - REACH + 0.001, 0, "consistent"),
        (0.85 - REACH - 0.001, 0, "claimed below what is measured"),
        (0.85 - REACH - 0.001, 0.005, "consistent"),
        (0.85 - REACH - 0.006, 0.005, "claimed below what is measured"),
    ],
)
def test_a_number_is_compared_with_the_interval_widened_by_its_rounding(
    claimed: float, rounding: float, verdict: str
) -> None:
    assert Number("accuracy", THREE, "share", claimed, rounding).verdict == verdict
    assert Number("accuracy", THREE, "share", claimed, rounding, False).verdict == "not testable as stated"


def test_a_number_is_a_share_and_claimed_exactly_unless_it_says_otherwise() -> None:
    number = Number("accuracy", THREE, claimed=0.85 + REACH + 0.001)
    assert number.verdict == "claimed above what is measured"
    assert summary(number)["unit"] == summary(Difference("gain", THREE))["unit"] == "share"


def test_a_number_that_nobody_claims_has_no_verdict() -> None:
    assert Number("accuracy", THREE).verdict is None


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.03, 0.04, 0.05], "consistent"),
        ([-0.01, 0.01, 0.03], "not confirmed"),
        ([0, 0, 0], "not confirmed"),
        ([-0.03, -0.04, -0.05], "contradicted"),
    ],
)
def test_a_difference_must_be_above_0(values: list[float], verdict: str) -> None:
    assert Difference("gain", values).verdict == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([-0.001, 0.0, 0.001], "consistent"),
        ([0.001, 0.002, 0.003], "consistent"),
        ([-0.03, 0.0, 0.03], "not confirmed"),
        ([0.007, 0.009, 0.011], "not confirmed"),
        ([0.04, 0.041, 0.042], "contradicted"),
        ([-0.04, -0.041, -0.042], "contradicted"),
        ([0.01, 0.01], "not confirmed"),
        ([-0.01, -0.01], "not confirmed"),
    ],
)
def test_no_difference_is_one_that_is_surely_small(values: list[float], verdict: str) -> None:
    assert Difference("gain", values, within=0.01).verdict == verdict


def test_something_shown_holds_or_is_not_confirmed() -> None:
    assert shown(True) == "consistent"
    assert shown(False) == "not confirmed"


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        (["consistent"], "consistent"),
        (["contradicted", "contradicted"], "contradicted"),
        (["consistent", "contradicted"], "consistent in part"),
        (["claimed above what is measured", "consistent", "consistent"], "consistent in part"),
        (["claimed above what is measured", "claimed below what is measured"], "not confirmed"),
        (["consistent", "not testable as stated"], "not testable as stated"),
    ],
)
def test_parts_make_a_whole(parts: list[str], verdict: str) -> None:
    assert overall(parts) == verdict


def test_a_summary_has_the_spread_the_claim_and_the_verdict() -> None:
    low, high = (round(end, 6) for end in prediction_interval(THREE))
    assert summary(Number("accuracy", THREE, "share", 0.9, 0.0005)) == {
        "quantity": "accuracy",
        "unit": "share",
        "claimed": 0.9,
        "rounding": 0.0005,
        "seeds": 3,
        "mean": 0.85,
        "sd": 0.01,
        "min": 0.84,
        "max": 0.86,
        "interval": [low, high],
        "verdict": "consistent",
    }
    assert "claimed" not in summary(Number("accuracy", THREE))
    difference = summary(Difference("gain", THREE))
    assert difference["interval"] == [round(end, 6) for end in confidence_interval(THREE)]
    assert difference["verdict"] == "consistent"


def test_a_summary_says_what_a_number_is_of_if_the_number_says_it() -> None:
    of_accuracy = summary(Number("accuracy", THREE, subject=Subject("accuracy", "dev", 500)))
    assert of_accuracy["subject"] == {"quantity": "accuracy", "part": "dev", "update": 500}
    assert "subject" not in summary(Number("accuracy", THREE))
    assert "subject" not in summary(Difference("gain", THREE))
