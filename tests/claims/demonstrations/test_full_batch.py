import numpy as np
import pytest

from stages.claims import as_printed
from stages.claims.demonstrations.common import RIGHT, Setup
from stages.claims.demonstrations.full_batch import spread_of_gradients
from stages.nn.arrays import Array


def test_gradients_of_random_batches_spread_as_one_over_the_root_of_their_size(setup: Setup) -> None:
    deviations = list(spread_of_gradients(setup).without.values())
    sizes = np.array([8, 32, 128, 512, 2048])
    slope = np.polyfit(np.log(sizes), np.log(np.array(deviations, float)), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.1)


def test_the_deviation_is_the_root_mean_square_over_the_draws(setup: Setup) -> None:
    def gradient(k: int) -> Array:
        X, y = setup.X_part[:, k : k + 1], setup.y_part[k : k + 1]
        pairs = as_printed.backward(setup.start, *as_printed.forward(setup.start, X, RIGHT), y, RIGHT)
        return np.concatenate([array.ravel() for pair in pairs for array in pair])

    of_each = np.array([gradient(k) for k in range(len(setup.y_part))])
    whole = of_each.mean(axis=0)
    variance = np.square(of_each - whole).sum(axis=1).mean()
    expected = [np.sqrt(variance / size) / np.linalg.norm(whole) for size in (8, 32, 128, 512, 2048)]
    ratios = np.array(list(spread_of_gradients(setup).without.values()), float) / expected
    assert ratios.mean() == pytest.approx(1, abs=0.25)
