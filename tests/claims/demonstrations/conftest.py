from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.claims.demonstrations.common import Lengths, Setup
from stages.nn.arrays import Array, Labels


@pytest.fixture(autouse=True)
def _overflow_is_meant() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


def few_nines(digits: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> tuple[Array, Labels]:
    """Return real digits as a split has them, with so few nines that some mini-batch of 32 has none."""
    images, labels = digits
    kept = np.flatnonzero((labels < 9) | (np.cumsum(labels == 9) <= 20))
    return np.asfortranarray((images[kept] / np.float32(255)).T), labels[kept].astype(np.intp)


@pytest.fixture(scope="module")
def setup(digits: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> Setup:
    """Return a setup on these that takes seconds."""
    lengths = Lengths(columns=500, updates=30, short=25, overflow=300, draws=4, seeds=2, columns_of_seeds=200)
    return Setup(*few_nines(digits), lengths)
