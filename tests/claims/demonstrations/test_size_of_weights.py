import numpy as np
import pytest

from stages.claims import as_printed
from stages.claims.demonstrations.common import RIGHT, Setup
from stages.claims.demonstrations.size_of_weights import size_of_weights, starts_of


def test_the_weights_are_of_the_sizes_that_they_are_named_after(setup: Setup) -> None:
    starts = starts_of(setup)
    for (low, high), name in (((-0.5, 0.5), "[-0.5, 0.5)"), ((-5, 5), "[-5, 5)")):
        (W, b), _ = starts[name]
        assert W.min() == pytest.approx(low, rel=0.01)
        assert W.max() == pytest.approx(high, rel=0.01)
        assert np.abs(b).max() > high / 2
    for (W, b), inputs in zip(starts["He"], (784, 10), strict=True):
        assert W.var() == pytest.approx(2 / inputs, rel=0.25)
        assert not b.any()


def test_what_is_measured_of_the_start_is_of_the_start(setup: Setup) -> None:
    found = size_of_weights(setup)
    (Z, logits), (_, A, _) = as_printed.forward(starts_of(setup)["[-5, 5)"], setup.X_part, RIGHT)
    assert found.without["[-5, 5): units zero on every image"] == np.count_nonzero(A.max(axis=1) == 0)
    assert found.without["[-5, 5): largest logit"] == np.abs(logits).max()
    assert found.without["[-5, 5): tanh beyond 0.99"] == pytest.approx(np.mean(np.abs(Z) > np.arctanh(0.99)))
    assert found.with_it["accuracy at update 25"] == setup.right.accuracies[25]


def test_whether_a_relu_saturates_cannot_be_decided(setup: Setup) -> None:
    found = size_of_weights(setup)
    assert found.parts == {"the units do not saturate": None}
    assert "does not saturate" in found.why
