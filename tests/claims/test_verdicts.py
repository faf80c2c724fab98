import math
from dataclasses import replace

import pytest

from stages.claims.verdicts import Quantity, Shown, Subject, Verdict, correct, holm, judge, overall, summary

Measured = dict[str, list[Quantity | Shown]]

INF = math.inf
# Two-sided 95 % points of Student's t, as tables have them, by degrees of freedom.
T = {1: 12.706, 2: 4.303, 4: 2.776, 19: 2.093}

THREE = [0.84, 0.85, 0.86]  # mean 0.85, standard deviation 0.01
REACH = T[2] * 0.01 / math.sqrt(3)  # 0.0248: the interval of the mean is 0.8252 to 0.8748
HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be decided by this"


@pytest.mark.parametrize(
    ("values", "mean", "deviation"),
    [
        ([1, 2, 3, 4, 5], 3, math.sqrt(2.5)),
        ([2, 4], 3, math.sqrt(2)),
        (THREE, 0.85, 0.01),
        ([0.0, 1.0] * 10, 0.5, math.sqrt(20 * 0.25 / 19)),
    ],
)
def test_the_interval_of_the_mean_is_that_of_the_t_table(values: list[float], mean: float, deviation: float) -> None:
    k = len(values)
    reach = T[k - 1] * deviation / math.sqrt(k)
    assert Quantity("accuracy", values).interval == pytest.approx((mean - reach, mean + reach), rel=1e-3)


@pytest.mark.parametrize(
    ("region", "verdict"),
    [
        # about: the interval lies in the margin, outside it on either side, or holds an end of it
        ((0.85 - REACH - 0.001, 0.85 + REACH + 0.001), HOLDS),
        ((0.85 - REACH - 0.001, 0.85 + REACH - 0.001), OPEN),
        ((0.85 - REACH + 0.001, 0.85 + REACH + 0.001), OPEN),
        ((0.85 + REACH - 0.001, 0.99), OPEN),
        ((0.85 + REACH + 0.001, 0.99), FAILS),
        ((0.5, 0.85 - REACH - 0.001), FAILS),
        ((0.849, 0.851), OPEN),
        # at least, or a comparison: one end alone
        ((0.85 - REACH - 0.001, INF), HOLDS),
        ((0.85 - REACH + 0.001, INF), OPEN),
        ((0.85 + REACH - 0.001, INF), OPEN),
        ((0.85 + REACH + 0.001, INF), FAILS),
        ((-INF, 0.85 + REACH + 0.001), HOLDS),
        ((-INF, 0.85 - REACH - 0.001), FAILS),
    ],
)
def test_a_claim_holds_where_the_whole_interval_lies_in_its_region(region: tuple[float, float], verdict: str) -> None:
    quantity = Quantity("accuracy", THREE, region=region)
    assert quantity.verdict(quantity.p) == verdict


def test_p_is_the_level_at_which_the_interval_reaches_the_nearest_end() -> None:
    # one degree of freedom is Cauchy's distribution: two-sided p is 1 - 2 atan(t) / pi; here the mean is 3, its error 1
    for region in ((1.0, INF), (1.0, 100.0), (5.0, INF), (-INF, 5.0), (5.0, 9.0)):
        assert Quantity("cost", [2.0, 4.0], "", region).p == pytest.approx(1 - 2 * math.atan(2) / math.pi)
    assert Quantity("cost", [2.0, 4.0], "", (3.0, INF)).p == 1


def test_values_that_are_all_alike_decide_by_their_mean_without_a_test() -> None:
    alike = [Quantity("share", [0.5] * 3, region=(low, INF)) for low in (0.4, 0.5, 0.6)]
    assert [of.p for of in alike] == [None] * 3
    assert [of.verdict(None) for of in alike] == [HOLDS, OPEN, FAILS]
    assert replace(alike[0], why="it is chance").verdict(None) == OPEN
    assert correct({"A": [alike[0], CLEAR]}) == pytest.approx({("A", 1): CLEAR.p})
    assert [(part.alone, part.verdict) for part in judge({"A": [alike[0]]}, {})["A"].parts] == [(HOLDS, HOLDS)]
    assert [summary(alike[0], None)[key] for key in ("interval", "p", "verdict")] == [[0.5, 0.5], None, HOLDS]
    assert alike[0].in_points == "+50.0 points in all runs alike"


@pytest.mark.parametrize(
    ("margin", "end", "is_better"),
    [
        (0.05 - REACH - 0.001, INF, True),  # the whole interval is above the margin around 0.8
        (0.05 - REACH + 0.001, INF, False),
        (0.05 - REACH - 0.001, 0.99, False),  # about as much is claimed, not at least
    ],
)
def test_better_is_surely_more_than_is_claimed_by_its_margin(margin: float, end: float, *, is_better: bool) -> None:
    of = Quantity("accuracy", THREE, region=(0.8 - margin, end), claimed=0.8, rounding=0.005)
    assert summary(of, None)["better"] is of.is_better is is_better
    assert not replace(of, why="it is chance").is_better


def test_an_interval_does_not_begin_below_what_no_value_can_be_below() -> None:
    low, high = Quantity("fall", [0.0, 0.01], "points").interval
    assert low < 0 < high
    assert Quantity("fall", [0.0, 0.01], "points", least=0.0).interval == (0, high)


def test_many_values_have_an_interval_that_assumes_no_distribution() -> None:
    few, many = Quantity("accuracy", [0.0, 1.0] * 9), Quantity("accuracy", [0.0, 1.0] * 50)
    assert few.bootstrap is None
    assert "bootstrap" not in summary(few, None)
    assert Quantity("accuracy", [0.5] * 50).bootstrap is None
    # a hundred flips of a coin: the mean's standard error is 0.05
    assert summary(many, None)["bootstrap"] == pytest.approx([0.5 - 1.96 * 0.05, 0.5 + 1.96 * 0.05], abs=0.006)
    skewed = Quantity("accuracy", [1 - 2.0**-k for k in range(25)])
    low, high = skewed.bootstrap or (0.0, 0.0)
    assert low + high < sum(skewed.interval)  # it reaches further to where the tail is


def test_what_no_claim_is_about_has_no_verdict_and_what_cannot_be_decided_says_why() -> None:
    assert Quantity("accuracy", THREE).p is None
    assert Quantity("accuracy", THREE).verdict(None) is None
    chance = Quantity("accuracy", THREE, region=(0.1, INF), why="it is chance")
    assert (chance.p, chance.verdict(chance.p)) == (None, OPEN)
    assert replace(chance, region=None).verdict(None) == OPEN


def test_holm_by_hand() -> None:
    # in order 0.005 * 4, 0.01 * 3, 0.03 * 2, 0.04 * 1, and none smaller than the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # the smallest, 0.02, needs 0.05 / 3: with it all are left open
    assert holm([0.04, 0.03, 0.02]) == pytest.approx([0.06, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@pytest.mark.parametrize(("holds", "verdict"), [(True, HOLDS), (False, FAILS), (None, OPEN)])
def test_something_shown_needs_no_statistics(holds: bool | None, verdict: str) -> None:
    assert Shown("it", holds).verdict == verdict


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ([HOLDS], HOLDS),
        ([HOLDS, HOLDS], HOLDS),
        ([FAILS, FAILS], FAILS),
        ([OPEN, OPEN], OPEN),
        ([HOLDS, FAILS], "holds in part"),
        ([HOLDS, OPEN], "holds in part"),
        (["holds in part"], "holds in part"),
        (["holds in part", HOLDS], "holds in part"),
        (["holds in part", FAILS], "holds in part"),
        ([FAILS, OPEN], OPEN),
    ],
)
def test_parts_make_a_whole(parts: list[str], verdict: str) -> None:
    assert overall(parts) == verdict


def gain(*values: float, part: str = "") -> Quantity:
    return Quantity("gain", values, region=(0.0, INF), part=part)


# Three tests. p alone, at two degrees of freedom and a mean of 1: t is sqrt(3) / s, and p = 1 - t / sqrt(2 + t²).
CLEAR, LESS, NOT = gain(0.9, 1, 1.1, part="clear"), gain(0.7, 1, 1.3, part="less"), gain(-1, 1, 3, part="not")


def by_hand(s: float) -> float:
    t = math.sqrt(3) / s
    return 1 - t / math.sqrt(2 + t**2)


def test_all_tests_are_corrected_together_and_those_of_another_claim_count_once() -> None:
    measured: Measured = {"A": [CLEAR, Quantity("beside", THREE)], "B": [Shown("shown", True), LESS, NOT], "C": []}
    assert [CLEAR.p, LESS.p, NOT.p] == pytest.approx([by_hand(0.1), by_hand(0.3), by_hand(2)])
    assert by_hand(0.3) < 0.05 < 2 * by_hand(0.3)
    assert correct(measured) == pytest.approx(
        {("A", 0): 3 * by_hand(0.1), ("B", 1): 2 * by_hand(0.3), ("B", 2): by_hand(2)}
    )
    found = judge(measured, {"C": ["A"], "A": []})
    assert (found["A"].alone, found["A"].verdict) == (HOLDS, HOLDS)
    assert (found["C"].alone, found["C"].verdict) == (HOLDS, HOLDS)
    assert [(part.part, part.alone, part.verdict) for part in found["B"].parts] == [
        ("shown", HOLDS, HOLDS),
        ("less", HOLDS, OPEN),
        ("not", OPEN, OPEN),
    ]
    assert [part.why for part in found["B"].parts] == [
        "",
        "corrected for many tests it is open",
        "the interval of the mean holds a limit",
    ]
    assert found["B"].verdict == "holds in part"


def test_a_claim_with_parts_of_its_own_takes_those_of_others_in() -> None:
    measured: Measured = {"A": [CLEAR], "B": [gain(-0.9, -1, -1.1)], "C": [Shown("open", None, "so it is")]}
    found = judge(measured, {"A": ["B", "C"]})
    assert [(part.part, part.verdict, part.why) for part in found["A"].parts] == [
        ("clear", HOLDS, ""),
        ("B", FAILS, ""),
        ("C", OPEN, ""),
    ]
    assert found["C"].parts[0].why == "so it is"
    assert judge({"A": [Shown("sure", True, "never said")]}, {})["A"].parts[0].why == ""


def test_without_the_correction_a_claim_may_have_another_verdict() -> None:
    found = judge({"A": [LESS], "B": [NOT]}, {})["A"]
    assert (found.alone, found.verdict) == (HOLDS, OPEN)
    assert isinstance(found, Verdict)


def test_a_summary_has_the_spread_the_claim_and_the_verdicts() -> None:
    claimed = Quantity("accuracy", THREE, "share", (0.8, INF), 0.9, 0.0005)
    low, high = (round(end, 6) for end in claimed.interval)
    assert summary(claimed, 0.06) == {
        "quantity": "accuracy",
        "unit": "share",
        "claimed": 0.9,
        "rounding": 0.0005,
        "region": [0.8, None],
        "better": False,
        "seeds": 3,
        "mean": 0.85,
        "sd": 0.01,
        "min": 0.84,
        "max": 0.86,
        "interval": [low, high],
        "p": round(claimed.p or 0, 6),
        "corrected": 0.06,
        "alone": HOLDS,
        "verdict": OPEN,
    }
    beside = summary(Quantity("accuracy", THREE), None)
    assert not beside.keys() & {"claimed", "region", "why"}
    assert [beside[key] for key in ("p", "corrected", "alone", "verdict")] == [None] * 4
    assert summary(Quantity("accuracy", THREE, why="so"), None)["why"] == "so"


def test_a_summary_says_what_a_number_is_of_if_the_number_says_it() -> None:
    of_accuracy = summary(Quantity("accuracy", THREE, subject=Subject("accuracy", "dev", 500)), None)
    assert of_accuracy["subject"] == {"quantity": "accuracy", "part": "dev", "update": 500}
    assert "subject" not in summary(Quantity("accuracy", THREE), None)
