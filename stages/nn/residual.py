"""The residual connection (He et al. 2016)."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from stages.nn.affine import Affine
from stages.nn.arrays import Array, reuse_like
from stages.nn.layer import Maker, OptionError, Shape, Start
from stages.nn.network import Network
from stages.nn.tanh import Tanh


class Residual(Network):
    """Layers whose output is added to their input, Z = X + F(X).

    Parameters
    ----------
    shape : tuple of int
        Of an example of the input, and of the output.
    start : Start
        What every layer of F begins with, one after the other.
    layers : sequence of callable
        Constructors of the layers of F with their options; the last one must return the shape of the input.

    Raises
    ------
    OptionError
        If F returns another shape than it is given, or an option does not fit what its layer is given.
    """

    example = (6,), {"layers": [partial(Affine, units=4), Tanh, partial(Affine, units=6)]}

    def __init__(self, shape: Shape, start: Start, *, layers: Sequence[Maker]) -> None:
        super().__init__(shape, start, layers=layers)
        if self.shape != shape:
            found, given = (" x ".join(map(str, each)) for each in (self.shape, shape))
            raise OptionError("layers", f"return {found}, which cannot be added to their input of {given}")
        self._Z: Array | None = None
        self._dX: Array | None = None

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return Z = X + F(X), of the shape of X."""
        of_F = super().forward(X, rng)
        self._Z = reuse_like(self._Z, of_F)
        return np.add(X, of_F, out=self._Z)

    def backward(self, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Set the gradient of each parameter; return dX, dZ plus what F passes back of it."""
        through_F = super().backward(dZ, add, dX)
        if through_F is None:
            return None
        self._dX = reuse_like(self._dX, through_F)
        return np.add(dZ, through_F, out=self._dX)
