"""A plotted loss that is 0 for any network (E2)."""

import numpy as np

from stages.claims import as_printed
from stages.claims.demonstrations.common import RIGHT, Curve, Demonstration, Panel, Setup, below, mean_cross_entropy
from stages.nn.softmax import softmax


def loss_that_is_zero(setup: Setup) -> Demonstration:
    """Measure the plotted loss of good and bad networks, and their cross-entropy (E2)."""
    right, y = setup.right, setup.y_part
    cases = {
        "untrained": (setup.start, y),
        "trained": (right.parameters, y),
        "trained, labels shuffled": (right.parameters, setup.rng().permutation(y)),
    }
    plotted, losses = {}, {}
    for name, (network, labels) in cases.items():
        A = softmax(as_printed.forward(network, setup.X_part, RIGHT)[0][-1].astype(np.float64))
        plotted[name] = as_printed.plotted_loss(as_printed.one_hot_of_ten(labels), A)
        losses[name] = mean_cross_entropy(A, labels)
    updates = range(len(right.losses))
    return Demonstration(
        max(plotted.values()) < 1e-6 < losses["trained"] < min(losses["untrained"], losses["trained, labels shuffled"]),
        {f"plotted loss, {name}": below(value) for name, value in plotted.items()},
        {f"cross-entropy, {name}": value for name, value in losses.items()},
        f"In all {len(plotted)} cases the plotted loss is {below(max(plotted.values()))}; the cross-entropy is "
        + ", ".join(f"{value:.2f} ({name})" for name, value in losses.items())
        + ".",
        Panel(
            "E2  a plotted loss that is always 0",
            [
                Curve("cross-entropy", "right", updates, right.losses),
                Curve("as plotted", "wrong", updates, right.plotted),
            ],
            ylabel="loss",
        ),
    )
