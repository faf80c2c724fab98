"""Averaged weights: the exponential moving average of what training goes through (Polyak and Juditsky 1992)."""

import numpy as np

from stages.nn.arrays import Array
from stages.nn.layer import Layer


class Average:
    """A second network, whose parameters and state are averages of those of the network that is trained.

    Its state is averaged as the parameters are: the mean that batch normalization keeps is linear in the weights before
    it, so the averaged weights have the averaged mean.

    Parameters
    ----------
    network : Layer
        The network that is trained.
    decay : float
        Share of the average that an update leaves, in (0, 1).
    parameters, gradients : ndarray of shape (parameters,)
        The arrays that hold those of the network.

    Attributes
    ----------
    network : Layer
        The averaged one; before the first update that which is trained.
    """

    def __init__(self, network: Layer, decay: float, parameters: Array, gradients: Array) -> None:
        self.decay = decay
        self.network = network.replica()
        averages = parameters.copy()
        self.network.bind(averages, gradients.copy())
        self._pairs = [(averages, parameters)]
        self._pairs += [(average, network.state[name]) for name, average in self.network.state.items()]

    def update(self, t: int) -> None:
        """Move the averages, after update t, counted from 1.

        average <- average + (1 - decay) / (1 - decay^t) (theta - average), which is
        (1 - decay) / (1 - decay^t) times the sum of decay^j theta_(t-j): the start has no part in it.
        """
        share = (1 - self.decay) / (1 - self.decay**t)
        for average, current in self._pairs:
            np.add(average, share * (current - average), out=average)

    def give(self, network: Layer) -> None:
        """Overwrite the parameters and the state of the network by their averages."""
        for name, array in self.network.kept.items():
            network.kept[name][...] = array
