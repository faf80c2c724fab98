"""A full batch that is called stochastic (E13)."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from stages.claims import as_printed
from stages.claims.demonstrations.common import RIGHT, Curve, Demonstration, Panel, Setup, below
from stages.nn.arrays import Array


def spread_of_gradients(setup: Setup) -> Demonstration:
    """Measure how far the gradient of random images, drawn with replacement, is from that of all of them (E13)."""
    rng, X, y = setup.rng(), setup.X_part, setup.y_part

    def gradient(chosen: Any) -> Array:
        Zs, As = as_printed.forward(setup.start, X[:, chosen], RIGHT)
        pairs = as_printed.backward(setup.start, Zs, As, y[chosen], RIGHT)
        return np.concatenate([array.ravel() for pair in pairs for array in pair]).astype(np.float64)

    def deviation(batches: Iterable[Any]) -> float:
        squares = [np.sum((gradient(chosen) - whole) ** 2) for chosen in batches]
        return float(np.sqrt(np.mean(squares) / np.sum(whole**2)))

    whole, what = gradient(slice(None)), "relative deviation of the gradient"
    draws, sizes = setup.lengths.draws, [8, 32, 128, 512, 2048]
    deviations = [deviation(rng.integers(len(y), size=(draws, size))) for size in sizes]
    of_all = deviation(rng.permutation(len(y)) for _ in range(draws))
    return Demonstration(
        of_all < 1e-3 < deviations[-1] < deviations[0],
        {f"{what}, all images": below(of_all)},
        {f"{what}, batches of {size}": value for size, value in zip(sizes, deviations, strict=True)},
        f"In root mean square the gradient of {sizes[0]} random images deviates from that of all {len(y):,} by "
        f"{deviations[0]:.0%} of its length, that of {sizes[-1]:,} by {deviations[-1]:.0%}, and that of all of them in "
        f"a random order by {below(of_all)}: nothing about it is stochastic.",
        Panel(
            "E13  full batch is not stochastic",
            [
                Curve("random batches", "right", sizes, deviations),
                Curve("1/√size", "other", sizes, [deviations[0] * np.sqrt(sizes[0] / size) for size in sizes]),
            ],
            "images in the batch",
            "deviation",
            logarithmic=True,
        ),
    )
