from collections.abc import Callable

import numpy as np

from stages.claims.demonstrations.common import Setup
from stages.claims.demonstrations.overflow import overflow
from stages.claims.demonstrations.table import DEMONSTRATIONS
from stages.nn.arrays import Array


def test_the_limits_of_the_exponential_are_those_of_the_number_format(setup: Setup) -> None:
    first_overflow = {dtype: int(np.log(np.finfo(dtype).max)) + 1 for dtype in (np.float64, np.float32)}
    for row in ("E3", "E6"):
        with_it = DEMONSTRATIONS[row](setup).with_it
        for dtype, n in first_overflow.items():
            assert [v for name, v in with_it.items() if name.endswith(dtype.__name__)] == [n]


def test_overflow_finds_the_smallest_whole_number() -> None:
    def fails(limit: float) -> Callable[[Array], Array]:
        return lambda Z: np.where(Z >= limit, np.nan, Z)

    def brighter(k: float) -> Array:
        return np.array([[k, 2 * k]])

    found = overflow(fails(300), fails(np.inf), lambda n: [[n]], brighter, "number", "title")
    assert found.shown
    name = "images with NaN, pixels up to 255"
    smallest = [f"smallest number that gives NaN, {dtype}" for dtype in ("float64", "float32")]
    assert found.with_it == dict.fromkeys(smallest, 300) | {name: 0.5}
    assert found.without == dict.fromkeys(smallest, "none up to 1,000") | {name: 0.0}
