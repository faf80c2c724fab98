"""Functions that overflow as printed: softmax (E3, E5) and tanh (E6)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from stages.claims import as_printed
from stages.claims.demonstrations.common import Curve, Demonstration, Measured, Panel, Setup, nan_share
from stages.nn.arrays import Array
from stages.nn.softmax import softmax


def overflow(
    printed: Callable[[Array], Array],
    right: Callable[[Array], Array],
    values: Callable[[int], Any],
    arguments: Callable[[float], Array],
    case: str,
    title: str,
) -> Demonstration:
    """Find the smallest whole number at which a function as printed gives NaN, and how often bright images do.

    Parameters
    ----------
    printed, right : callable
        The function as printed, and as it should be.
    values : callable
        From a number to an argument that is as extreme as the number says.
    arguments : callable
        From the value of the brightest pixel to the arguments that a thousand images give, a column each.
    case : str
        What the number is.
    title : str
        That of the panel.
    """
    brightness = [1, *range(15, 256, 15)]

    def smallest(function: Callable[[Array], Array], dtype: DTypeLike) -> int | str:
        found = (n for n in range(1, 1001) if np.isnan(function(np.array(values(n), dtype))).any())
        return next(found, "none up to 1,000")

    def shares(function: Callable[[Array], Array]) -> list[float]:
        return [nan_share(function(arguments(brightest))) for brightest in brightness]

    def measured(function: Callable[[Array], Array], share: float) -> Measured:
        return {
            f"smallest {case} that gives NaN, float64": smallest(function, np.float64),
            f"smallest {case} that gives NaN, float32": smallest(function, np.float32),
            "images with NaN, pixels up to 255": share,
        }

    printed_shares, right_shares = shares(printed), shares(right)
    with_it, without = measured(printed, printed_shares[-1]), measured(right, right_shares[-1])
    double, single, share = with_it.values()
    return Demonstration(
        isinstance(double, int) and isinstance(single, int) and printed_shares[-1] > 0 == max(right_shares),
        with_it,
        without,
        f"The smallest whole {case} that gives NaN is {double} in float64 and {single} in float32. With pixels up to "
        f"255, {share:.1%} of the images give NaN before the first update, in float64. Done as it should be, none do.",
        Panel(
            title,
            [
                Curve("as it should be", "right", brightness, right_shares),
                Curve("as printed", "wrong", brightness, printed_shares),
            ],
            "brightest pixel",
            "images with NaN",
        ),
    )


def softmax_overflow(setup: Setup) -> Demonstration:
    """Take the softmax of large logits without subtracting their maximum (E3)."""
    case, title = "logit beside one of 0", "E3  a softmax that overflows"
    return overflow(as_printed.softmax, softmax, lambda n: [[n], [0]], setup.logits, case, title)


def softmax_of_whole_maximum(setup: Setup) -> Demonstration:
    """Subtract the maximum of the whole matrix before a softmax (E5)."""
    case, title = "distance of a column below the maximum", "E5  the maximum of the whole matrix"
    printed = as_printed.softmax_of_whole_maximum
    return overflow(printed, softmax, lambda n: [[0, n], [0, n]], setup.logits, case, title)


def tanh_overflow(setup: Setup) -> Demonstration:
    """Take tanh from exponentials, in W4's first layer too (E6)."""
    W, b = as_printed.normal([784, 16], 0.1, setup.rng())[0]
    X = setup.X[:, :1000].astype(np.float64)
    title = "E6  tanh from exponentials"
    return overflow(as_printed.tanh, np.tanh, lambda n: [[n]], lambda k: k * (W @ X) + b, "argument", title)
