"""Central differences, to check a gradient that was derived by hand."""

from collections.abc import Callable
from itertools import product

import numpy as np

from stages.nn.arrays import Array


def numeric_gradient(loss: Callable[[], float], theta: Array, step: float = 1e-5) -> Array:
    """Return the gradient of `loss` by theta, from (loss(theta + step) - loss(theta - step)) / (2 step) for each entry.

    Its error falls as step², that of rounding grows as 1/step.

    Parameters
    ----------
    loss : callable
        Returns the loss at the present value of theta.
    theta : ndarray
        Float64; changed in place one entry at a time, and put back.
    step : float
        Above 0.
    """
    gradient = np.empty_like(theta)
    for index in product(*map(range, theta.shape)):
        value = theta[index]
        theta[index] = value + step
        above = loss()
        theta[index] = value - step
        below = loss()
        theta[index] = value
        gradient[index] = (above - below) / (2 * step)
    return gradient


def relative_error(a: Array, b: Array) -> float:
    """Return ‖a - b‖ / (‖a‖ + ‖b‖), with the Euclidean norm over all entries; 0 if both are 0."""
    scale = np.linalg.norm(a) + np.linalg.norm(b)
    return float(np.linalg.norm(a - b) / scale) if scale else 0.0
