import numpy as np
import pytest

from stages.claims import as_printed
from stages.claims.demonstrations.common import RIGHT, Setup
from stages.claims.demonstrations.plotted_loss import loss_that_is_zero
from stages.nn.softmax import softmax


def test_the_cross_entropy_of_shuffled_labels_is_that_of_labels_drawn_by_their_frequency(setup: Setup) -> None:
    _, trained, shuffled = map(float, loss_that_is_zero(setup).without.values())
    logits = as_printed.forward(setup.right.parameters, setup.X_part, RIGHT)[0][-1].astype(np.float64)
    frequency = np.bincount(setup.y_part, minlength=10) / len(setup.y_part)
    expected = float(-(frequency @ np.log(softmax(logits))).mean())
    assert shuffled == pytest.approx(expected, rel=0.05)
    assert trained < 0.9 * expected
