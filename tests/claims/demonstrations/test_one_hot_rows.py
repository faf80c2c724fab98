import numpy as np

from stages.claims import as_printed
from stages.claims.demonstrations.common import RIGHT, Setup
from stages.claims.demonstrations.one_hot_rows import one_hot_rows


def test_the_curves_are_accuracies_from_the_start_on(setup: Setup) -> None:
    panel = one_hot_rows(setup).panel
    assert panel
    right, wrong = panel.curves
    X, y = setup.X_part[:, :1000], setup.y_part[:1000]
    predicted = as_printed.forward(setup.start, X, RIGHT)[1][-1].argmax(axis=0)
    assert right.y[0] == np.mean(predicted == y)
    assert list(wrong.y) == list(right.y)[: len(wrong.y)]
    assert wrong.stop == len(wrong.y) - 1


def test_it_ends_at_the_first_batch_without_the_largest_label(setup: Setup) -> None:
    found = one_hot_rows(setup)
    order = np.random.default_rng(0).permutation(len(setup.y_part))
    batches = setup.y_part[order[: len(order) // 32 * 32]].reshape(-1, 32)
    without = [int(batch.max()) < 9 for batch in batches]
    assert found.with_it["end"] == f"error at update {without.index(True)}"
    assert f"{np.mean(without):.1%} have no 9" in found.finding
