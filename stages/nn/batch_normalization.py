"""Batch normalization (Ioffe and Szegedy 2015)."""

import numpy as np

from stages.nn.arrays import Array, reuse_like
from stages.nn.layer import Shape, Share, SmallNumber, Start
from stages.nn.normalization import Normalization


class BatchNormalization(Normalization):
    """Each channel with mean 0 and variance 1 over the batch and all places, then scaled and shifted.

    In prediction mean and variance are those that it has kept: an affine map. In training they are those of the columns
    that go forward together, so that examples of a batch mix, and parts of a batch do not add up to the batch.

    Parameters
    ----------
    shape : tuple of int
        Of an example; the last entry is the channels.
    start : Start
        gamma begins as 1 and beta as 0, both of shape (channels, 1); so do the kept variance and mean.
    decay : float
        Share of the kept mean and variance that a batch leaves; 1 - decay is that of its own.
    epsilon : float
        Added to each variance, so that numbers that are all equal can be divided by its root.
    """

    def __init__(self, shape: Shape, start: Start, *, decay: Share = 0.9, epsilon: SmallNumber = 1e-5) -> None:
        super().__init__(shape, start, epsilon=epsilon)
        self.decay = decay
        self.state = {name: start.fill(value, (shape[-1], 1)) for name, value in (("mean", 0), ("variance", 1))}
        self.least_columns = 2 if self._places == 1 else 1  # of a single number nothing is left

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return Z = gamma N + beta with N = (X - mean) / sqrt(variance + epsilon), of the shape of X.

        With `rng` mean and variance are the batch's, and move those that are kept: the mean itself, and the variance
        with the divisor count - 1, the unbiased estimate for the numbers that the batch was drawn from.
        """
        self._count = None if rng is None else X.shape[1] * self._places
        mean, variance = self.state.values()
        self._N = reuse_like(self._N, X)
        if self._count:
            mean = self._sums(X) / self._count
        np.subtract(X, self._spread(mean), out=self._N)
        if self._count:
            self._Z = reuse_like(self._Z, X)
            variance = self._sums(np.square(self._N, out=self._Z)) / self._count
            self._keep(mean=mean, variance=variance * self._count / max(self._count - 1, 1))
        self._scale = 1 / np.sqrt(variance + self.epsilon)
        self._N *= self._spread(self._scale)
        return self._scaled_and_shifted(self._N)

    def _keep(self, **of_batch: Array) -> None:
        for name, value in of_batch.items():
            self.state[name] *= self.decay
            self.state[name] += (1 - self.decay) * value

    def backward(self, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Set dgamma and dbeta, the sums of dZ N and of dZ in each channel; return dX, of the shape of dZ.

        After training, dX = gamma / sqrt(variance + epsilon) (dZ - (dbeta + N dgamma) / count). After prediction, mean
        and variance do not depend on X, and what is subtracted is not there.
        """
        assert self._N is not None, "forward comes first"
        self._dX = reuse_like(self._dX, self._N)
        dgamma, dbeta = self._set_gradients(dZ, np.multiply(dZ, self._N, out=self._dX), add)
        if not dX:
            return None
        factor = self._spread(self.parameters["gamma"] * self._scale)
        if not self._count:
            return np.multiply(dZ, factor, out=self._dX)
        np.multiply(self._N, self._spread(dgamma / self._count), out=self._dX)
        self._dX += self._spread(dbeta / self._count)
        np.subtract(dZ, self._dX, out=self._dX)
        self._dX *= factor
        return self._dX
