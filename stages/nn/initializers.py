"""How weights and biases begin."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator

from stages.nn.arrays import Array


class Initializer(Protocol):
    """Draws the parameters of one affine map."""

    def __call__(self, units: int, inputs: int, rng: Generator, outputs: int | None = None) -> tuple[Array, Array]:
        """Return W of shape (units, inputs) and b of shape (units, 1), in float64.

        Parameters
        ----------
        units, inputs : int
            Shape of W; a unit has so many inputs.
        rng : numpy.random.Generator
            Draws.
        outputs : int, optional
            How many weights an entry of the input has: `units`, unless weights are shared.
        """


@dataclass(frozen=True)
class Uniform:
    """Weights and biases uniform in [low, high).

    Parameters
    ----------
    low, high : float
        Limits; low < high.
    """

    low: float = -0.5
    high: float = 0.5

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low must be less than high, not {self.low} and {self.high}")

    def __call__(self, units: int, inputs: int, rng: Generator, outputs: int | None = None) -> tuple[Array, Array]:
        """Return W of shape (units, inputs) and b of shape (units, 1), in float64."""
        return rng.uniform(self.low, self.high, (units, inputs)), rng.uniform(self.low, self.high, (units, 1))


@dataclass(frozen=True)
class Normal:
    """Weights normal with standard deviation `scale`, biases 0.

    Parameters
    ----------
    scale : float
        Standard deviation; at least 0.
    """

    scale: float = 0.01

    def __post_init__(self) -> None:
        if not self.scale >= 0:
            raise ValueError(f"scale must be at least 0, not {self.scale}")

    def __call__(self, units: int, inputs: int, rng: Generator, outputs: int | None = None) -> tuple[Array, Array]:
        """Return W of shape (units, inputs) and b of shape (units, 1), in float64."""
        return self.scale * rng.standard_normal((units, inputs)), np.zeros((units, 1))


@dataclass(frozen=True)
class He:
    """Weights normal with variance 2 / inputs, biases 0: keeps the variance through ReLU layers (He et al. 2015)."""

    def __call__(self, units: int, inputs: int, rng: Generator, outputs: int | None = None) -> tuple[Array, Array]:
        """Return W of shape (units, inputs) and b of shape (units, 1), in float64."""
        return np.sqrt(2 / inputs) * rng.standard_normal((units, inputs)), np.zeros((units, 1))


@dataclass(frozen=True)
class Glorot:
    """Weights uniform with variance 2 / (inputs + outputs), biases 0 (Glorot and Bengio 2010, equation 16)."""

    def __call__(self, units: int, inputs: int, rng: Generator, outputs: int | None = None) -> tuple[Array, Array]:
        """Return W of shape (units, inputs) and b of shape (units, 1), in float64."""
        limit = np.sqrt(6 / (inputs + (outputs or units)))
        return rng.uniform(-limit, limit, (units, inputs)), np.zeros((units, 1))


INITIALIZERS: dict[str, type[Initializer]] = {"uniform": Uniform, "normal": Normal, "he": He, "glorot": Glorot}
