"""Training: one update, and the loop of updates."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from stages.nn.arrays import Array, Labels
from stages.nn.batches import epoch_batches
from stages.nn.cross_entropy import cross_entropy, cross_entropy_gradient
from stages.nn.early_stopping import EarlyStopping
from stages.nn.layer import Layer
from stages.nn.optimizers import Optimizer
from stages.nn.schedules import Schedule

# Columns that go forward and backward together: few enough that their activations stay in the processor's cache.
BLOCK = 2048


def loss_and_gradients(network: Layer, X: Array, y: Labels) -> tuple[float, int]:
    """Set the network's gradients of the mean cross-entropy; return it and the number of correct predictions.

    Blocks of columns are taken forward and backward one after the other and their gradients added. As the loss of each
    block is divided by the m of all columns, the sum is exactly the gradient of the whole.

    Parameters
    ----------
    network : Layer
        In training mode: dropout is active.
    X : ndarray of shape (features, m)
        Examples.
    y : ndarray of shape (m,)
        Labels.
    """
    m = X.shape[1]
    loss, correct = 0.0, 0
    for start in range(0, m, BLOCK):
        X_block, y_block = X[:, start : start + BLOCK], y[start : start + BLOCK]
        Z = network.forward(X_block, training=True)
        loss += cross_entropy(Z, y_block, m)
        correct += int(np.count_nonzero(Z.argmax(axis=0) == y_block))
        network.backward(cross_entropy_gradient(Z, y_block, m), add=start > 0, dX=False)
    return loss, correct


class Diverged(ArithmeticError):
    """The loss, a parameter or a state is no longer a finite number.

    Parameters
    ----------
    update : int
        Number of the update, counted from 1.
    """

    def __init__(self, update: int) -> None:
        super().__init__(f"NaN or infinity at update {update}")
        self.update = update


class Trainer:
    """What a run of updates carries from one to the next.

    Parameters
    ----------
    network : Layer
        Trained in place.
    optimizer : Optimizer
        Turns gradients into steps.
    learning_rate : float
        The rate that the schedule multiplies.
    schedule : Schedule
        Factor of the learning rate at each update.
    updates : int
        Length of the whole run, which the schedule may need.
    weight_decay : float
        lambda of the penalty lambda/2 · ‖W‖², whose gradient lambda W is added to dW, for each parameter W that its
        layer says is decayed.

    Attributes
    ----------
    update : int
        Number of updates made.
    states : dict of str to list of ndarray
        The optimizer's state for each parameter.
    """

    def __init__(
        self,
        network: Layer,
        optimizer: Optimizer,
        learning_rate: float,
        schedule: Schedule,
        updates: int,
        weight_decay: float = 0.0,
    ) -> None:
        self.network, self.optimizer = network, optimizer
        self.learning_rate, self.schedule, self.updates = learning_rate, schedule, updates
        self.weight_decay = weight_decay
        self.update = 0
        self.states = {name: optimizer.start(theta) for name, theta in network.parameters.items()}

    def step(self, X: Array, y: Labels) -> tuple[float, int]:
        """Make one update from a batch; return the loss and the number of correct predictions before it.

        Raises
        ------
        Diverged
            If the loss is not finite; the parameters are then left as they are.
        """
        loss, correct = loss_and_gradients(self.network, X, y)
        self.update += 1
        if not np.isfinite(loss):
            raise Diverged(self.update)
        rate = self.learning_rate * self.schedule(self.update, self.updates)
        for name, theta in self.network.parameters.items():
            g = self.network.gradients[name]
            if self.weight_decay and name in self.network.decayed:
                g += self.weight_decay * theta
            self.optimizer.step(theta, g, self.states[name], rate, self.update)
        return loss, correct


@dataclass(frozen=True)
class Record:
    """What the updates since the last record did.

    Attributes
    ----------
    update : int
        Number of updates made.
    loss, accuracy : float
        Means over the examples of these updates, each batch measured before its own update, without weight decay.
    validation_loss, validation_accuracy : float or None
        Measured after the last of these updates.
    """

    update: int
    loss: float
    accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


def evaluate(network: Layer, X: Array, y: Labels) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy, dropout inactive, for X (features, m) and y (m,)."""
    m = len(y)
    loss, correct = 0.0, 0
    for start in range(0, m, BLOCK):
        Z, y_block = network.forward(X[:, start : start + BLOCK]), y[start : start + BLOCK]
        loss += cross_entropy(Z, y_block, m)
        correct += int(np.count_nonzero(Z.argmax(axis=0) == y_block))
    return loss, correct / m


def fit(
    trainer: Trainer,
    X: Array,
    y: Labels,
    batch_size: int | None,
    rng: np.random.Generator,
    validation: tuple[Array, Labels] | None = None,
    record_every: int = 1,
    early_stopping: EarlyStopping | None = None,
) -> Iterator[Record]:
    """Train, and yield a record after every so many epochs and at the end.

    At a record everything that the training depends on is in the trainer, `rng` and `early_stopping`. Restored to what
    they were there, a new call goes on as the first one would have.

    Parameters
    ----------
    trainer : Trainer
        Makes the updates, as many as it has left.
    X, y : ndarray of shape (features, m) and (m,)
        The training part.
    batch_size : int or None
        Examples in a mini-batch; None takes all of them for each update, so that an epoch is an update.
    rng : numpy.random.Generator
        Shuffles the mini-batches.
    validation : tuple of ndarray, optional
        X and y of the validation part, measured at each record.
    record_every : int
        Epochs between two records.
    early_stopping : EarlyStopping, optional
        Is shown each validation loss and may end the training.

    Raises
    ------
    Diverged
        If the loss or, at the end, a parameter or a state is not finite.
    """
    kept = trainer.network.kept
    per_epoch = 1 if batch_size is None else -(-len(y) // batch_size)
    loss, correct, seen = 0.0, 0, 0
    while trainer.update < trainer.updates and not (early_stopping and early_stopping.exhausted):
        for X_batch, y_batch in islice(epoch_batches(X, y, batch_size, rng), trainer.updates - trainer.update):
            batch_loss, batch_correct = trainer.step(X_batch, y_batch)
            loss, correct, seen = loss + batch_loss * len(y_batch), correct + batch_correct, seen + len(y_batch)
        if trainer.update % (record_every * per_epoch) and trainer.update < trainer.updates:
            continue
        measured = evaluate(trainer.network, *validation) if validation else (None, None)
        record = Record(trainer.update, loss / seen, correct / seen, *measured)
        loss, correct, seen = 0.0, 0, 0
        if early_stopping and record.validation_loss is not None:
            early_stopping.observe(record.validation_loss, kept)
        yield record
    if early_stopping:
        early_stopping.restore(kept)
    if not all(np.isfinite(theta).all() for theta in kept.values()):
        raise Diverged(trainer.update)
