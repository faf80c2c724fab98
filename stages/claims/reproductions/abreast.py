"""Full-batch runs of one experiment with several seeds, made abreast: the same updates, in fewer and larger products.

Ten units make a product with all images slow, as it reads more than it computes. So the first layers of several
networks are stacked, and all see the same images; each leaves out those that it holds out.
"""

from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from stages.claims.reproductions.runs import END, Experiment, Run, draw_held_out, images_of
from stages.claims.write_ups import Row
from stages.nn.arrays import Array, Labels
from stages.nn.cross_entropy import cross_entropy, cross_entropy_and_gradient
from stages.nn.layer import Start
from stages.nn.network import Network
from stages.nn.optimizers import Optimizer
from stages.nn.parts import BLOCK
from stages.shared import models, splits
from stages.shared.mnist import FORM
from stages.shared.parameters import Model

Measured = dict[str, tuple[float, float]]

# What runs abreast do not do.
PLAIN: Row = {
    "label_smoothing": 0.0,
    "clip_norm": None,
    "weight_decay": 0.0,
    "averaging": None,
    "batch_size": None,
    "epochs": None,
    "early_stopping": None,
}
LAYERS = {"affine", "relu", "tanh"}
WIDE = 17  # units that make a product fast enough by themselves


def can_be_abreast(row: Row) -> bool:
    """Return whether a row as in params.yaml is a narrow perceptron, and asks for full batches and nothing else."""
    first, *others = row["layers"]
    is_narrow = first["name"] == "affine" and first.get("units", WIDE) < WIDE
    return row | PLAIN == row and is_narrow and {layer["name"] for layer in others} <= LAYERS


def backward(network: Network, dZ: Array, add: bool) -> Array:
    """Set the gradients of all layers but the first, for dZ by the logits; return dZ of the first."""
    for layer in reversed(network.layers[1:]):
        gradient = layer.backward(dZ, add)
        assert gradient is not None
        dZ = gradient
    return dZ


class Abreast:
    """Networks of the same layers, whose first ones are stacked.

    Parameters
    ----------
    networks : sequence of Network
        Their first layers are affine; `give` gives them what these have learned.
    optimizer : Optimizer
        Turns gradients into steps.
    """

    def __init__(self, networks: Sequence[Network], optimizer: Optimizer) -> None:
        self.networks, self.optimizer, self.update = networks, optimizer, 0
        first = [network.layers[0].parameters for network in networks]
        self.W, self.b = (np.concatenate([parameters[name] for parameters in first]) for name in ("W", "b"))
        self._others = [
            (layer.parameters[name], layer.gradients[name])
            for network in networks
            for layer in network.layers[1:]
            for name in layer.parameters
        ]
        self._states = [optimizer.start(theta) for theta in (self.W, self.b, *(theta for theta, _ in self._others))]

    def logits(self, X: Array) -> Iterator[Array]:
        """Yield those of one network after the other, for X of shape (features, m); each owns what it yields."""
        for network, Z in zip(self.networks, np.split(self.W @ X + self.b, len(self.networks)), strict=True):
            yield reduce(lambda A, layer: layer.forward(A), network.layers[1:], Z)

    def descend(self, X: Array, y: Labels, held_out: NDArray[np.bool_], rate: float) -> list[float]:
        """Make an update of each network; return their accuracies before it.

        Parameters
        ----------
        X, y : ndarray of shape (features, m) and (m,)
            All images and their labels.
        held_out : ndarray of shape (networks, m)
            What each network leaves out.
        rate : float
            The learning rate.
        """
        counts = np.count_nonzero(~held_out, axis=1).tolist()
        correct, dW, db = np.zeros(len(counts)), np.zeros_like(self.W), np.zeros_like(self.b)
        for start in range(0, len(y), BLOCK):
            columns = slice(start, start + BLOCK)
            X_block, y_block, left_out = X[:, columns], y[columns], held_out[:, columns]
            dZs = []
            for k, (network, Z) in enumerate(zip(self.networks, self.logits(X_block), strict=True)):
                correct[k] += np.count_nonzero((Z.argmax(axis=0) == y_block) & ~left_out[k])
                _, dZ = cross_entropy_and_gradient(Z, y_block, counts[k])
                dZ[:, left_out[k]] = 0
                dZs.append(backward(network, dZ, add=start > 0))
            stacked = np.concatenate(dZs)
            dW += stacked @ X_block.T
            db += stacked.sum(axis=1, keepdims=True)
        self.update += 1
        for (theta, gradient), state in zip([(self.W, dW), (self.b, db), *self._others], self._states, strict=True):
            self.optimizer.step(theta, gradient, state, rate, self.update)
        return [float(share) for share in correct / counts]

    def give(self) -> None:
        """Give each network its first layer."""
        for name, stacked in (("W", self.W), ("b", self.b)):
            for network, theta in zip(self.networks, np.split(stacked, len(self.networks)), strict=True):
                network.layers[0].parameters[name][...] = theta

    def measure(self, X: Array, y: Labels, chosen: NDArray[np.bool_]) -> list[tuple[float, float]]:
        """Return mean cross-entropy and accuracy of each network on its columns; `chosen` is of shape (networks, m)."""
        losses, correct = np.zeros((2, len(self.networks)))
        for start in range(0, len(y), BLOCK):
            columns = slice(start, start + BLOCK)
            for k, Z in enumerate(self.logits(X[:, columns])):
                among = chosen[k, columns]
                own, labels = Z[:, among], y[columns][among]
                correct[k] += np.count_nonzero(own.argmax(axis=0) == labels)
                losses[k] += cross_entropy(own, labels, 1)
        counts = np.count_nonzero(chosen, axis=1)
        return list(zip((losses / counts).tolist(), (correct / counts).tolist(), strict=True))


@np.errstate(all="ignore")
def train_abreast(experiment: Experiment, seeds: Sequence[int]) -> list[Run]:
    """Return the runs of an experiment with several seeds, each as `train` makes it, up to rounding.

    Raises
    ------
    UserError
        If a part of the split is not what the preprocess stage writes.
    """
    rows = [Model.model_validate(experiment.row | {"seed": seed}) for seed in seeds]
    split, updates = rows[0].split, rows[0].updates or 0
    images, y = images_of(split)
    X, test = images.T, splits.load_part(split, "test")
    held_out, networks = np.zeros((len(rows), len(y)), bool), []
    for k, row in enumerate(rows):
        split_rng, rng = (np.random.default_rng(child) for child in np.random.SeedSequence(row.seed).spawn(2))
        held_out[k, draw_held_out(split, len(y), split_rng)] = True
        networks.append(models.build_network(row, FORM, Start(rng)))
    abreast = Abreast(networks, rows[0].optimizer)
    traces: list[list[float]] = [[] for _ in rows]
    measured: list[dict[int, Measured]] = [{} for _ in rows]

    def measure(epoch: int) -> None:
        parts = {"train": abreast.measure(X, y, ~held_out)}
        if held_out.any():
            parts["held_out"] = abreast.measure(X, y, held_out)
        if test:
            parts["test"] = abreast.measure(*test, np.ones((len(rows), len(test[1])), bool))
        for k, of in enumerate(measured):
            of[epoch] = {part: values[k] for part, values in parts.items()}

    if 0 in experiment.marks:
        measure(0)
    for update in range(1, updates + 1):
        rate = rows[0].learning_rate * rows[0].schedule(update, updates)
        for trace, accuracy in zip(traces, abreast.descend(X, y, held_out, rate), strict=True):
            trace.append(accuracy)
        if update in experiment.marks:
            measure(update)
    measure(END)
    abreast.give()
    return [
        Run(row, trace, of, network.kept, None if is_finite(network) else updates)
        for row, trace, of, network in zip(rows, traces, measured, networks, strict=True)
    ]


def is_finite(network: Network) -> bool:
    """Return whether all that a network has learned are finite numbers."""
    return all(np.isfinite(theta).all() for theta in network.kept.values())
