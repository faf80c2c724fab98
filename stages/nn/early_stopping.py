"""Early stopping: end the training when the validation loss no longer falls."""

import numpy as np

from stages.nn.arrays import Array


class EarlyStopping:
    """Remembers the parameters and state of the lowest validation loss.

    Parameters
    ----------
    patience : int
        How many losses in a row may fail to be lower than the lowest; at least 1.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best_loss = np.inf
        self.best: dict[str, Array] = {}
        self.since_best = 0

    @property
    def exhausted(self) -> bool:
        """Whether the last losses, as many as patience, were not lower than the lowest."""
        return self.since_best >= self.patience

    def observe(self, loss: float, kept: dict[str, Array]) -> None:
        """Take note of a validation loss and the parameters and state of the network that has it."""
        if loss < self.best_loss:
            self.best_loss, self.since_best = loss, 0
            self.best = {name: theta.copy() for name, theta in kept.items()}
        else:
            self.since_best += 1

    def restore(self, kept: dict[str, Array]) -> None:
        """Overwrite the parameters and state by those of the lowest loss, if any was seen."""
        for name, theta in self.best.items():
            kept[name][...] = theta
