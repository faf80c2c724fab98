"""How a gradient becomes a step: each optimizer updates one parameter array, in place.

In the formulas theta is the parameter, g its gradient, rate the learning rate and t the number of the update, from 1.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stages.nn.arrays import Array


class Optimizer(Protocol):
    """Updates one parameter array; its hyperparameters are fixed, its state is the caller's to keep."""

    def start(self, theta: Array) -> list[Array]:
        """Return the state to begin with: arrays of the shape of theta, possibly none."""

    def step(self, theta: Array, g: Array, state: list[Array], rate: float, t: int) -> None:
        """Update theta and the state in place; g is used up."""


@dataclass(frozen=True)
class GradientDescent:
    """theta <- theta - rate g."""

    def start(self, theta: Array) -> list[Array]:
        """Return the state to begin with: none."""
        return []

    def step(self, theta: Array, g: Array, state: list[Array], rate: float, t: int) -> None:
        """Update theta in place; g is used up."""
        g *= rate
        theta -= g


@dataclass(frozen=True)
class Momentum:
    """v <- momentum v + g; theta <- theta - rate v (Polyak 1964, with the rate outside v).

    Parameters
    ----------
    momentum : float
        In [0, 1).
    """

    momentum: float = 0.9

    def __post_init__(self) -> None:
        _check_fraction("momentum", self.momentum)

    def start(self, theta: Array) -> list[Array]:
        """Return the state to begin with: v = 0."""
        return [np.zeros_like(theta)]

    def step(self, theta: Array, g: Array, state: list[Array], rate: float, t: int) -> None:
        """Update theta and the state in place; g is used up."""
        (v,) = state
        v *= self.momentum
        v += g
        np.multiply(v, rate, out=g)
        theta -= g


@dataclass(frozen=True)
class Nesterov:
    """v <- momentum v + g; theta <- theta - rate (g + momentum v) (Nesterov 1983, as in Sutskever et al. 2013).

    Parameters
    ----------
    momentum : float
        In [0, 1).
    """

    momentum: float = 0.9

    def __post_init__(self) -> None:
        _check_fraction("momentum", self.momentum)

    def start(self, theta: Array) -> list[Array]:
        """Return the state to begin with: v = 0."""
        return [np.zeros_like(theta)]

    def step(self, theta: Array, g: Array, state: list[Array], rate: float, t: int) -> None:
        """Update theta and the state in place; g is used up."""
        (v,) = state
        v *= self.momentum
        v += g
        g += self.momentum * v
        g *= rate
        theta -= g


@dataclass(frozen=True)
class RMSProp:
    """s <- decay s + (1 - decay) g²; theta <- theta - rate g / (sqrt(s) + epsilon) (Tieleman and Hinton 2012).

    Parameters
    ----------
    decay : float
        In [0, 1).
    epsilon : float
        Above 0.
    """

    decay: float = 0.99
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _check_fraction("decay", self.decay)
        _check_positive("epsilon", self.epsilon)

    def start(self, theta: Array) -> list[Array]:
        """Return the state to begin with: s = 0."""
        return [np.zeros_like(theta)]

    def step(self, theta: Array, g: Array, state: list[Array], rate: float, t: int) -> None:
        """Update theta and the state in place; g is used up."""
        (s,) = state
        s *= self.decay
        root = np.square(g)
        root *= 1 - self.decay
        s += root
        np.sqrt(s, out=root)
        root += self.epsilon
        g /= root
        g *= rate
        theta -= g


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1).

    v <- beta1 v + (1 - beta1) g; s <- beta2 s + (1 - beta2) g²;
    theta <- theta - rate (v / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + epsilon).

    Parameters
    ----------
    beta1, beta2 : float
        In [0, 1).
    epsilon : float
        Above 0.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _check_fraction("beta1", self.beta1)
        _check_fraction("beta2", self.beta2)
        _check_positive("epsilon", self.epsilon)

    def start(self, theta: Array) -> list[Array]:
        """Return the state to begin with: v = 0 and s = 0."""
        return [np.zeros_like(theta), np.zeros_like(theta)]

    def step(self, theta: Array, g: Array, state: list[Array], rate: float, t: int) -> None:
        """Update theta and the state in place; g is used up."""
        v, s = state
        v *= self.beta1
        g *= 1 - self.beta1
        v += g
        s *= self.beta2
        np.square(g, out=g)  # (1 - beta1)² g²
        g *= (1 - self.beta2) / (1 - self.beta1) ** 2
        s += g
        np.divide(s, 1 - self.beta2**t, out=g)
        np.sqrt(g, out=g)
        g += self.epsilon
        np.divide(v, g, out=g)
        g *= rate / (1 - self.beta1**t)
        theta -= g


def _check_fraction(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be at least 0 and less than 1, not {value}")


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be above 0, not {value}")


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "gradient-descent": GradientDescent,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "rmsprop": RMSProp,
    "adam": Adam,
}
