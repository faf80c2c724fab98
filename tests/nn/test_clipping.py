"""Clipping by norm: what is above the limit is shortened to it, and keeps its direction."""

import numpy as np
import pytest

from stages.nn.clipping import clip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_above_the_limit_is_shortened_to_it(dtype: type[np.floating]) -> None:
    g = np.array([3, -4], dtype)
    assert clip(g, 1.0) == 5
    np.testing.assert_allclose(g, [0.6, -0.8], rtol=1e-6)
    assert g.dtype == dtype


@pytest.mark.parametrize("limit", [5.0, 5.1, 1e300])
def test_a_gradient_up_to_the_limit_is_left_as_it_is(limit: float) -> None:
    g = np.array([3.0, -4.0])
    assert clip(g, limit) == 5
    assert g.tolist() == [3, -4]


def test_a_gradient_of_zero_stays_zero() -> None:
    g = np.zeros(3)
    assert clip(g, 1.0) == 0
    assert g.tolist() == [0, 0, 0]


@pytest.mark.parametrize(("entry", "norm"), [(np.inf, np.inf), (np.nan, np.nan), (1e30, np.inf)])
def test_the_norm_tells_of_what_is_not_finite(entry: float, norm: float) -> None:
    g = np.array([1, entry], np.float32)  # in which the square of 1e30 is none
    with np.errstate(all="ignore"):
        np.testing.assert_equal(clip(g, 1.0), norm)
