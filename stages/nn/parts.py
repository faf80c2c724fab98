"""The gradient of a batch as the sum of its parts, which workers take side by side."""

import contextvars
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stages.nn.arrays import Array, Labels
from stages.nn.batches import Chosen, gather
from stages.nn.cross_entropy import cross_entropy_and_gradient
from stages.nn.layer import Layer

# Columns that go forward and backward together at most: few enough that the activations of a small network stay in the
# processor's cache; and how many numbers a larger network may keep of them on the way forward.
BLOCK, NUMBERS = 2048, 2**24


class Team(Protocol):
    """Processes that make each update together: each works on some of the parts, and all add up all of them.

    Attributes
    ----------
    rank, size : int
        Number of this process, from 0, and how many there are.
    """

    rank: int
    size: int

    def exchange(self, rows: NDArray[Any], counts: Sequence[int]) -> None:
        """Fill in the rows of the others: rank 0 has the first counts[0] of them, rank 1 the next counts[1], ..."""

    def share(self, value: Any) -> Any:
        """Return the value that rank 0 gives."""


class Alone:
    """A team of one process.

    Attributes
    ----------
    rank, size : int
        Number of this process, 0, and how many there are, 1.
    """

    rank = 0
    size = 1

    def exchange(self, rows: NDArray[Any], counts: Sequence[int]) -> None:
        """Leave the rows as they are: all are its own."""

    def share(self, value: Any) -> Any:
        """Return the value."""
        return value


def columns_of_part(part: int, parts: int, m: int) -> slice:
    """Return which of m columns are in a part: as many as in any other, or one more."""
    size, left = divmod(m, parts)
    start = part * size + min(part, left)
    return slice(start, start + size + (part < left))


def block_of(network: Layer) -> int:
    """Return how many columns at most go forward and backward through a network together."""
    return min(BLOCK, max(network.least_columns, NUMBERS // network.footprint))


def fewest_columns(network: Layer, m: int, parts: int) -> int:
    """Return how many of the m columns of a batch go forward together at least: those of the smallest last block."""
    block = block_of(network)
    ends = (columns_of_part(part, parts, m) for part in (0, parts - 1))  # all others are as large as one of them
    return min(size % block or block for part in ends if (size := part.stop - part.start))


class PartGenerator:
    """What a part draws random numbers from: another generator in each update, for less than a new one costs."""

    def __init__(self, seed: int, part: int) -> None:
        self._rng = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, part, 0]))
        self._state: Any = self._rng.bit_generator.state

    def of_update(self, update: int) -> np.random.Generator:
        """Return the generator of an update: Philox counts from (0, 0, part, update), its key is the seed."""
        self._state["state"]["counter"][-1] = update
        self._rng.bit_generator.state = self._state
        return self._rng


def loss_and_gradients(
    network: Layer,
    X: Array,
    y: Labels,
    m: int | None = None,
    rng: np.random.Generator | None = None,
    smoothing: float = 0.0,
) -> tuple[float, int]:
    """Set the network's gradients of the cross-entropy; return it and the number of correct predictions.

    Blocks of columns are taken forward and backward one after the other and their gradients added. As the loss of each
    block is divided by the m of all columns, the sum is exactly the gradient of the whole.

    Parameters
    ----------
    network : Layer
        Goes forward and backward.
    X : ndarray of shape (features, columns)
        Examples; without any, the gradients are 0.
    y : ndarray of shape (columns,)
        Labels.
    m : int, optional
        What the sum of the losses is divided by, if these columns are only part of a batch of so many.
    rng : numpy.random.Generator, optional
        What layers draw from in training; without it they are as in prediction.
    smoothing : float
        Of the labels, as in `cross_entropy`.
    """
    m = m or len(y)
    loss, correct, block = 0.0, 0, block_of(network)
    for start in range(0, len(y), block):
        X_block, y_block = X[:, start : start + block], y[start : start + block]
        Z = network.forward(X_block, rng)
        correct += int(np.count_nonzero(Z.argmax(axis=0) == y_block))
        block_loss, dZ = cross_entropy_and_gradient(Z, y_block, m, smoothing)
        loss += block_loss
        network.backward(dZ, add=start > 0, dX=False)
    if not len(y):
        for gradient in network.gradients.values():
            gradient[...] = 0
    return loss, correct


class Parts:
    """The parts of a batch: each goes forward and backward on its own, and their gradients add up to the batch's.

    As the loss of each part is divided by the m of the whole batch, the sum is the gradient of the whole. It is taken
    in the order of the parts. So no bit depends on the workers, which are threads here and the processes of a team.

    A layer that mixes columns, such as batch normalization, mixes those that go forward together: a block of a part.
    What adds up is then the gradient of another function of the batch, in which each block is normalized on its own.

    Parameters
    ----------
    network : Layer
        Its parameters are moved into one array, its gradients too. The first part uses it, each other one a replica.
        Its state after an update is therefore that of the first part, moved once for each block of it. What the other
        parts saw does not enter it: to gather it would be one more exchange, and no gradient depends on the state.
    count : int
        Number of parts. A batch with fewer columns has empty ones, which add nothing.
    seed : int
        What a layer draws in training comes from the seed, the number of the update and the part.
    threads : int
        How many threads work on the parts of this process.
    team : Team
        The processes that share the parts.
    smoothing : float
        Of the labels, as in `cross_entropy`.

    Attributes
    ----------
    parameters, gradients : ndarray of shape (parameters,)
        All of the network's in one array: the network holds views of it.
    """

    def __init__(
        self,
        network: Layer,
        count: int = 1,
        seed: int = 0,
        threads: int = 1,
        team: Team | None = None,
        smoothing: float = 0.0,
    ) -> None:
        self.team = team or Alone()
        self.count, self.smoothing = count, smoothing
        dtype = np.result_type(np.float32, *network.parameters.values())
        row = np.dtype([("loss", np.float64), ("correct", np.int64), ("gradients", dtype, (network.size,))], align=True)
        self._rows = np.zeros(count, row)
        self._losses, self._correct, self._gradients = (self._rows[name] for name in row.names or ())
        self.parameters, self.gradients = np.empty(network.size, dtype), self._gradients[0]
        network.bind(self.parameters, self.gradients)
        shares = [columns_of_part(rank, self.team.size, count) for rank in range(self.team.size)]
        self._counts = [share.stop - share.start for share in shares]
        self._own = range(count)[shares[self.team.rank]]
        self._networks = {part: network.replica() if part else network for part in self._own}
        for part, replica in self._networks.items():
            replica.bind(self.parameters, self._gradients[part])
        self._generators = {part: PartGenerator(seed, part) for part in self._own}
        self._memory: dict[int, Array] = {}
        self._threads = min(threads, len(self._own))
        self._others = ThreadPoolExecutor(self._threads - 1) if self._threads > 1 else None

    def loss_and_gradients(self, X: Array, y: Labels, chosen: Chosen, update: int) -> tuple[float, int]:
        """Set the gradients of the mean cross-entropy; return it and the number of correct predictions.

        Parameters
        ----------
        X, y : ndarray of shape (features, examples) and (examples,)
            Examples and their labels.
        chosen : ndarray of shape (m,) or None
            Which of them are the batch; None for all.
        update : int
            Number of the update, from 1.
        """

        def work(parts: Sequence[int]) -> None:
            for part in parts:
                self._work(part, X, y, chosen, update)

        if self._others:  # each thread has its share; this one takes the first
            contexts = [contextvars.copy_context() for _ in range(1, self._threads)]
            others = [
                self._others.submit(context.run, work, self._own[thread :: self._threads])
                for thread, context in enumerate(contexts, 1)
            ]
            work(self._own[:: self._threads])
            for other in others:
                other.result()
        else:
            work(self._own)
        self.team.exchange(self._rows, self._counts)
        for gradients in self._gradients[1:]:
            self.gradients += gradients
        return sum(self._losses.tolist()), sum(self._correct.tolist())

    def _work(self, part: int, X: Array, y: Labels, chosen: Chosen, update: int) -> None:
        m = len(y) if chosen is None else len(chosen)
        columns = columns_of_part(part, self.count, m)
        if chosen is None:
            X, y = X[:, columns], y[columns]
        else:
            X, y = gather(X, chosen[columns], self._memory.get(part)), y[chosen[columns]]
            self._memory[part] = X
        rng = self._generators[part].of_update(update)
        self._losses[part], self._correct[part] = loss_and_gradients(self._networks[part], X, y, m, rng, self.smoothing)
