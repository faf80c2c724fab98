"""Training: one update, and the loop of updates."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from stages.nn.arrays import Array, Labels
from stages.nn.averaging import Average
from stages.nn.batches import Chosen, batches_per_epoch, epoch_batches
from stages.nn.clipping import clip
from stages.nn.cross_entropy import cross_entropy
from stages.nn.early_stopping import EarlyStopping
from stages.nn.layer import Layer
from stages.nn.optimizers import Optimizer
from stages.nn.parts import Parts, Team, block_of
from stages.nn.schedules import Schedule


class Diverged(ArithmeticError):
    """The loss, a gradient's norm, a parameter or a state is no longer a finite number.

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
        Trained in place, after its parameters are moved into one array: an array that was taken from it before is old.
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
    parts, seed, threads, team
        As in `Parts`.
    label_smoothing : float
        Share of each label that is spread over all classes, in [0, 1); the loss is that of these labels.
    clip_norm : float, optional
        Above this norm the gradients of a batch, all together, are shortened to it. What decays is not clipped.
    decoupled_decay : bool
        Whether W is multiplied by 1 - rate lambda before the optimizer's step, in place of what is added to dW
        (Loshchilov and Hutter 2019).
    averaging : float, optional
        Share that an update leaves of the averages of parameters and state, in (0, 1); None keeps no averages.

    Attributes
    ----------
    update : int
        Number of updates made.
    parts : Parts
        Give the gradients of a batch.
    state : list of ndarray of shape (parameters,)
        The optimizer's, for all parameters in one array.
    average : Average or None
        The averages, if there are any.
    """

    def __init__(
        self,
        network: Layer,
        optimizer: Optimizer,
        learning_rate: float,
        schedule: Schedule,
        updates: int,
        weight_decay: float = 0.0,
        parts: int = 1,
        seed: int = 0,
        threads: int = 1,
        team: Team | None = None,
        *,
        label_smoothing: float = 0.0,
        clip_norm: float | None = None,
        decoupled_decay: bool = False,
        averaging: float | None = None,
    ) -> None:
        self.network, self.optimizer = network, optimizer
        self.learning_rate, self.schedule, self.updates = learning_rate, schedule, updates
        self.weight_decay, self.decoupled_decay, self.clip_norm = weight_decay, decoupled_decay, clip_norm
        self.update = 0
        self.parts = Parts(network, parts, seed, threads, team, label_smoothing)
        self.state = optimizer.start(self.parts.parameters)
        self.average = Average(network, averaging, self.parts.parameters, self.parts.gradients) if averaging else None
        self._decayed = [(network.parameters[name], network.gradients[name]) for name in network.decayed]

    @property
    def learned(self) -> Layer:
        """The network to measure and to keep: the averaged one, if there are averages."""
        return self.average.network if self.average else self.network

    def step(self, X: Array, y: Labels, chosen: Chosen = None) -> tuple[float, int]:
        """Make one update from a batch; return the loss and the number of correct predictions before it.

        Parameters
        ----------
        X, y : ndarray of shape (features, examples) and (examples,)
            Examples and their labels.
        chosen : ndarray of shape (m,), optional
            Which of them are the batch; all if left out.

        Raises
        ------
        Diverged
            If the loss is not finite, or the norm of the gradients that is to be limited; the parameters are then left
            as they are.
        """
        self.update += 1
        loss, correct = self.parts.loss_and_gradients(X, y, chosen, self.update)
        if not np.isfinite(loss):
            raise Diverged(self.update)
        if self.clip_norm and not np.isfinite(clip(self.parts.gradients, self.clip_norm)):
            raise Diverged(self.update)
        rate = self.learning_rate * self.schedule(self.update, self.updates)
        if self.weight_decay:
            self._decay(rate)
        self.optimizer.step(self.parts.parameters, self.parts.gradients, self.state, rate, self.update)
        if self.average:
            self.average.update(self.update)
        return loss, correct

    def _decay(self, rate: float) -> None:
        for W, dW in self._decayed:
            if self.decoupled_decay:
                np.multiply(W, 1 - rate * self.weight_decay, out=W)
            else:
                np.add(dW, self.weight_decay * W, out=dW)


@dataclass(frozen=True)
class Record:
    """What the updates since the last record did.

    Attributes
    ----------
    update : int
        Number of updates made.
    loss, accuracy : float
        Means over the examples of these updates, each batch measured before its own update, without weight decay. The
        loss is that of the smoothed labels.
    validation_loss, validation_accuracy : float or None
        Measured after the last of these updates, against the labels as they are, with the averages if there are any.
    """

    update: int
    loss: float
    accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


def logits(network: Layer, X: Array, y: Labels) -> Iterator[tuple[Array, Labels]]:
    """Yield the network's logits for X, of shape (features, m), and the labels from y, in blocks of columns.

    The next block takes the place of a block's logits: together they may be larger than memory.
    """
    block = block_of(network)
    for start in range(0, len(y), block):
        yield network.forward(X[:, start : start + block]), y[start : start + block]


def evaluate(network: Layer, X: Array, y: Labels) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy, dropout inactive, for X (features, m) and y (m,)."""
    loss, correct = 0.0, 0
    for Z, y_block in logits(network, X, y):
        loss += cross_entropy(Z, y_block, len(y))
        correct += int(np.count_nonzero(Z.argmax(axis=0) == y_block))
    return loss, correct / len(y)


def fit(
    trainer: Trainer,
    X: Array,
    y: Labels,
    batch_size: int | None,
    rng: np.random.Generator,
    validation: tuple[Array, Labels] | None = None,
    record_every: int = 1,
    early_stopping: EarlyStopping | None = None,
    window: int | None = None,
) -> Iterator[Record]:
    """Train, and yield a record after every so many epochs and at the end.

    At a record everything that the training depends on is in the trainer, `rng` and `early_stopping`. Restored to what
    they were there, a new call goes on as the first one would have. At the end the network is given what was learned:
    the averages, if there are any, and those of the lowest validation loss, if `early_stopping` looked for it.

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
    window : int, optional
        As in `epoch_batches`.

    Raises
    ------
    Diverged
        If the loss or, at the end, a parameter or a state is not finite.
    """
    kept = trainer.learned.kept
    m, team = len(y), trainer.parts.team
    per_epoch = batches_per_epoch(m, batch_size)
    loss, correct, seen = 0.0, 0, 0
    while trainer.update < trainer.updates and not (early_stopping and early_stopping.exhausted):
        for chosen in islice(epoch_batches(m, batch_size, rng, window), trainer.updates - trainer.update):
            batch_loss, batch_correct = trainer.step(X, y, chosen)
            size = m if chosen is None else len(chosen)
            loss, correct, seen = loss + batch_loss * size, correct + batch_correct, seen + size
        if trainer.update % (record_every * per_epoch) and trainer.update < trainer.updates:
            continue
        measured: tuple[float, float] | tuple[None, None] = None, None
        if validation:  # measured by rank 0, whose network has the state
            measured = team.share(None if team.rank else evaluate(trainer.learned, *validation))
        record = Record(trainer.update, loss / seen, correct / seen, *measured)
        loss, correct, seen = 0.0, 0, 0
        if early_stopping and record.validation_loss is not None:
            early_stopping.observe(record.validation_loss, kept)
        yield record
    if early_stopping:
        early_stopping.restore(kept)
    if trainer.average:
        trainer.average.give(trainer.network)
    if not all(np.isfinite(theta).all() for theta in kept.values()):
        raise Diverged(trainer.update)
