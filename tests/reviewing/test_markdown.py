"""The parts of a report, and what is written of each change."""

import numpy as np
import pytest

from reviewing import markdown
from reviewing.markdown import by_chance, by_seed, code, direction, of_metrics, of_parameters, of_pictures, of_stages
from reviewing.revisions import Rerun
from reviewing.significance import Paired, Spread
from stages.shared.changes import Change


@pytest.mark.parametrize(
    ("key", "before", "after", "expected"),
    [
        ("test.accuracy", 0.8722, 0.894, "↑ 2.18 points, better"),
        ("test.accuracy", 0.9, 0.8999, "↓ 0.01 points, worse"),
        ("cross_entropy", 0.5, 0.4, "↓ 0.1, better"),
        ("train.cross_entropy", 0.25, 10, "↑ 9.75, worse"),
        ("seconds", 1, 3, "↑ 2"),
        ("test.accuracy", 0.5, 0.5, "equal"),
    ],
)
def test_direction(key: str, before: float, after: float, expected: str) -> None:
    assert direction(key, before, after) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "-"),
        (0.001, "`0.001`"),
        (True, "`true`"),
        ("[784, 10]", "`[784, 10]`"),
        ("a`|b\n\n<c>", "<code>a&#96;&#124;b &#60;c&#62;</code>"),
        ("<b> *c* $x_{$ &amp;", "`<b> *c* $x_{$ &amp;`"),
        ("", '`""`'),
    ],
)
def test_code_never_leaves_its_cell(value: object, expected: str) -> None:
    assert code(value) == expected


@pytest.mark.parametrize(
    ("gained", "lost", "expected"),
    [
        (1500, 1000, "yes, p < 0.001: 1,500 newly right, 1,000 newly wrong"),
        (1, 9, "yes, p = 0.021: 1 newly right, 9 newly wrong"),
        (3, 3, "no, p = 1: 3 newly right, 3 newly wrong"),
    ],
)
def test_chance(gained: int, lost: int, expected: str) -> None:
    assert by_chance(Paired(np.arange(gained), np.arange(lost))) == expected


def test_seed() -> None:
    spread = Spread(0.005, 3, 100)  # margin 4.303 √2 0.005, which is 0.0304
    assert by_seed(0.031, spread) == by_seed(-0.031, spread) == "yes: the seed makes up to 3.04 points"
    assert by_seed(-0.03, spread) == "no: the seed makes up to 3.04 points"
    assert by_seed(0.5, None) == "not measured"


def test_few_parameters_are_unfolded_and_many_are_not() -> None:
    changes = [Change(f"models.a{k}", k, None) for k in range(markdown.UNFOLDED + 1)]
    assert of_parameters(changes[1:], "main").startswith("<details open ")
    many = of_parameters(changes, "main")
    assert many.startswith("<details markdown")
    assert "| parameter | `main` | workspace |" in many.splitlines()
    assert "| `models.a0` | `0` | - |" in many.splitlines()


def test_metrics_of_every_kind() -> None:
    changes = [
        Change("note", "MNIST", "5,000 *digits*"),
        Change("test.accuracy", 0.5, 0.75),
        Change("train.accuracy", None, 1.0),
        Change("held_out.cross_entropy", 0.25, None),
    ]
    lines = of_metrics(
        {"metrics/first.json": changes}, "main", {"first": Spread(0.005, 3, 1000), "b": None}, {}
    ).splitlines()
    assert "| model | metric | `main` | workspace | change |" in lines
    assert "| `first` | `note` | MNIST | 5,000 &#42;digits&#42; | |" in lines
    assert "| `first` | `test.accuracy` | 50.00 % | 75.00 % | ↑ 25.00 points, better |" in lines
    assert "| `first` | `train.accuracy` | - | 100.00 % | new |" in lines
    assert "| `first` | `held_out.cross_entropy` | 0.2500 | - | removed |" in lines
    assert (
        "Over 3 seeds the test accuracy of `first` has a standard deviation of 0.50 points, after 1,000 updates."
        in lines
    )


def test_metrics_that_are_not_compared() -> None:
    test, train = Change("test.accuracy", 0.5, 0.75), Change("train.accuracy", 0.5, 0.75)
    metrics = {
        "metrics/first.json": [Change("dataset", "MNIST", "digits"), train],
        "metrics/second.json": [test, train],
        "metrics/third.json": [train],
    }
    written = of_metrics(metrics, "main", {}, {"second": "other test images", "third": "other data"})
    cells = [line.split(" | ") for line in written.splitlines() if line.startswith("| `")]
    assert [(model.strip("|` "), key.strip("`"), change.strip("| ")) for model, key, _, _, change in cells] == [
        ("first", "dataset", "other data"),
        ("first", "train.accuracy", "other data"),
        ("second", "test.accuracy", "other test images"),
        ("second", "train.accuracy", "↑ 25.00 points, better"),
        ("third", "train.accuracy", "other data"),
    ]


def test_a_title_is_text() -> None:
    assert "<summary>Pictures of a &lt;b&gt;&amp;</summary>" in of_pictures("a <b>&", [("a *c* [d]", "a.png")], True)
    assert "![a &#42;c&#42; &#91;d&#93;](a.png)" in of_pictures("a", [("a *c* [d]", "a.png")], True)


def test_stages() -> None:
    lines = of_stages(
        [Rerun("a", "new", ["cmd"], ["x", "y"]), Rerun("b", "changed", ["c.py"], []), Rerun("c", "changed", [], ["z"])]
    ).splitlines()
    assert "| stage | because of | made anew |" in lines
    assert "| `a` | new | `x`, `y` |" in lines
    assert "| `b` | `c.py` | nothing in `dvc.lock` |" in lines
    assert "| `c` | nothing in `dvc.lock` | `z` |" in lines
