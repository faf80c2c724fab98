"""Images as rows, and labels as numbers (W3.6)."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from stages.claims import as_printed
from stages.claims.demonstrations.common import RIGHT, Demonstration, Panel, Setup, accuracy_curve, below
from stages.nn.arrays import Array, Labels
from stages.nn.cross_entropy import cross_entropy_gradient
from stages.nn.softmax import softmax

ROUNDING = 1e-9  # gradients that differ by less differ by rounding alone


def labels_as_they_are(y: Labels, dtype: DTypeLike) -> Array:
    """Return the labels as numbers, which broadcast against the probabilities."""
    return y.astype(dtype)


def rows_and_numbers(setup: Setup) -> Demonstration:
    """Multiply images that are rows, and train with labels that are numbers (W3.6)."""
    X, y, (W, _) = setup.X_part, setup.y_part, setup.start[0]
    images_as_rows: Any = X.T
    try:
        product = f"shape {(W @ images_as_rows).shape}"
    except ValueError:
        product = f"no product of {W.shape} and {images_as_rows.shape}"
    apart = float(np.abs((images_as_rows @ W.T).T - W @ X).max())
    Z = as_printed.forward(setup.start, X, RIGHT)[0][-1].astype(np.float64)
    one_hot_gradient = (softmax(Z) - as_printed.one_hot_of_ten(y)) / len(y)
    difference = float(np.abs(cross_entropy_gradient(Z, y, len(y)) - one_hot_gradient).max())
    short = setup.lengths.short
    numbers, right = setup.train_part(replace(RIGHT, labels=labels_as_they_are), short), setup.right
    return Demonstration(
        product.startswith("no") and difference < ROUNDING and numbers.ruined(right),
        {"product W X": f"shape {(W @ X).shape}", **right.measured()},
        {"product W X": product, **numbers.measured()},
        f"With images as rows there is {product}. X Wᵀ has the same entries (they differ by {below(apart)}): the "
        f"transposition is a convention. Labels left as numbers raise no error and ruin the training: the accuracy "
        f"goes from {numbers.accuracies[0]:.1%} to {numbers.accuracies[-1]:.1%}, then {numbers.ending}; with one-hot "
        f"labels, {right.ending}. An index can take the place of the one-hot matrix: the gradients differ by "
        f"{below(difference)}.",
        Panel(
            "W3.6  labels that are not one-hot",
            [
                accuracy_curve("one-hot labels", "right", right, short),
                accuracy_curve("labels as numbers", "wrong", numbers),
            ],
        ),
        {
            "W X needs images as columns": product.startswith("no"),
            "the error needs one-hot labels": difference >= ROUNDING,
        },
    )
