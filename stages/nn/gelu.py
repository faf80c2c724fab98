"""The Gaussian error linear unit (Hendrycks and Gimpel 2016), A = Z Phi(Z)."""

import math

import numpy as np

from stages.nn.arrays import Array
from stages.nn.entrywise import Entrywise

# Phi(z) = (1 + tanh(u)) / 2 with u = SLOPE (z + CUBIC z³): section 2 of the paper; at most 0.0005 off in the product.
SLOPE = math.sqrt(2 / math.pi)
CUBIC = 0.044715


def _tanh_of_u(Z: Array, squares: Array, out: Array | None = None) -> Array:
    u = np.multiply(squares, SLOPE * CUBIC, out=out)
    u += SLOPE
    u *= Z
    return np.tanh(u, out=u)


def gelu(Z: Array, out: Array | None = None) -> Array:
    """Return A = Z (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (Z + 0.044715 Z³), entry by entry, of the shape of Z."""
    A = np.square(Z, out=out)
    A = _tanh_of_u(Z, A, out=A)
    A += 1
    A *= Z
    A *= 0.5
    return A


def gelu_backward(Z: Array, dA: Array, out: Array | None = None) -> Array:
    """Return dZ = dA (1 + t) (1 + (1 - t) Z u') / 2, with t = tanh(u), entry by entry, of the shape of dA.

    It takes Z, as A does not determine it.
    """
    dZ = np.square(Z, out=out)
    t = _tanh_of_u(Z, dZ)
    dZ *= 3 * SLOPE * CUBIC
    dZ += SLOPE
    dZ *= Z
    dZ *= np.subtract(1, t, out=t)
    dZ += 1
    dZ *= np.subtract(2, t, out=t)
    dZ *= 0.5
    dZ *= dA
    return dZ


class GELU(Entrywise):
    """The Gaussian error linear unit, A = Z Phi(Z), with Phi to four digits by a tanh."""

    function = staticmethod(gelu)
    function_backward = staticmethod(gelu_backward)
    backward_from_input = True
