import numpy as np
import pytest

from stages.claims.demonstrations.common import Setup
from stages.claims.demonstrations.full_batch import spread_of_gradients


def test_gradients_of_random_batches_spread_as_one_over_the_root_of_their_size(setup: Setup) -> None:
    deviations = list(spread_of_gradients(setup).without.values())
    sizes = np.array([8, 32, 128, 512, 2048])
    slope = np.polyfit(np.log(sizes), np.log(np.array(deviations, float)), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.1)
