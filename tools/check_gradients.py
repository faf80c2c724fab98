"""Check the gradients of a model of params.yaml by central differences: `python -m tools.check_gradients MODEL`.

The network of the model is built in float64 and given random parameters and a few random examples: no data is needed.
These are of the form of the model's split where that has been made, else of MNIST's.
What is checked is what its optimizer receives: the gradient of the cross-entropy, of smoothed labels if the model has
them, with the masks of dropout fixed, plus that of weight decay. Decoupled decay has none, and nothing is clipped.
"""

import argparse
import math
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from stages.nn.arrays import Array, Labels
from stages.nn.cross_entropy import cross_entropy
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.layer import Layer
from stages.nn.optimizers import GradientDescent
from stages.nn.parts import PartGenerator
from stages.nn.schedules import Constant
from stages.nn.training import Trainer
from stages.shared import splits
from stages.shared.errors import UserError, run
from stages.shared.mnist import FORM, Form
from stages.shared.models import start_network
from stages.shared.parameters import Model, describe_network, load_model

SEED = 0
EXAMPLES = 8
ENTRIES = 50  # of a larger parameter, so many entries are drawn
STEP = 1e-5
TOLERANCE = 1e-7
BATCHES = 20  # drawn before giving up on one without a kink
HEADER = ("parameter", "shape", "entries checked", "analytic norm", "numeric norm", "largest error", "error", "verdict")


class KinkWithinStepError(Exception):
    """A step carries a layer across a kink, where it has no derivative."""


@dataclass(frozen=True)
class Comparison:
    """The gradients of one parameter by the two ways.

    Attributes
    ----------
    name : str
        Of the parameter.
    shape : tuple of int
        Of the parameter.
    analytic, numeric : ndarray of shape (entries,)
        Their values at the entries that were checked.
    rounding : float
        What rounding of the losses may add to a numeric entry.
    """

    name: str
    shape: tuple[int, ...]
    analytic: Array
    numeric: Array
    rounding: float

    @property
    def largest_error(self) -> float:
        """The largest relative error of a single entry."""
        return max(relative_error(a, n) for a, n in zip(self.analytic, self.numeric, strict=True))

    @property
    def error(self) -> float:
        """The relative error by the norm over all entries."""
        return relative_error(self.analytic, self.numeric)

    @property
    def verdict(self) -> str:
        """Whether the two agree: "right", "right to rounding" for a gradient too small to tell more, or "WRONG"."""
        if self.error < TOLERANCE:
            return "right"
        difference = np.linalg.norm(self.analytic - self.numeric) / np.sqrt(self.analytic.size)
        return "right to rounding" if difference < self.rounding else "WRONG"


class Loss:
    """The loss that a network is trained by, as a function of its parameters.

    Parameters
    ----------
    network : Layer
        In float64.
    weight_decay : float
        lambda of the penalty on the parameters that are decayed.
    X, y : ndarray of shape (features, m) and (m,)
        The batch.
    smoothing : float
        Of the labels.
    """

    def __init__(self, network: Layer, weight_decay: float, X: Array, y: Labels, smoothing: float = 0.0) -> None:
        self.network, self.weight_decay, self.X, self.y = network, weight_decay, X, y
        self.smoothing = smoothing
        self._forward()
        self._branches = network.branches()

    def _forward(self) -> Array:
        masks = PartGenerator(seed=0, part=0).of_update(1)  # those of the step that gives the gradients
        return self.network.forward(self.X, masks)

    def __call__(self) -> float:
        """Return the loss at the present parameters.

        Raises
        ------
        KinkWithinStepError
            If a layer is on another side of a kink than at the start. Between kinks ReLU and max-pooling are linear:
            none was crossed within the step if both its ends are on the sides of the start.
        """
        Z = self._forward()
        if not all(map(np.array_equal, self.network.branches(), self._branches)):
            raise KinkWithinStepError
        decayed = [self.network.parameters[name] for name in self.network.decayed]
        penalty = self.weight_decay / 2 * sum(float(np.square(W).sum()) for W in decayed)
        return cross_entropy(Z, self.y, len(self.y), self.smoothing) + penalty

    def gradients(self) -> dict[str, Array]:
        """Return the gradient that training derives: what one update at learning rate 1 subtracts."""
        parameters = self.network.parameters
        before = {name: theta.copy() for name, theta in parameters.items()}
        trainer = Trainer(
            self.network, GradientDescent(), 1.0, Constant(), 1, self.weight_decay, label_smoothing=self.smoothing
        )
        trainer.step(self.X, self.y)
        gradients: dict[str, Array] = {name: before[name] - theta for name, theta in parameters.items()}
        for name, theta in parameters.items():
            theta[...] = before[name]
        return gradients


def compare(loss: Loss, rng: np.random.Generator) -> list[Comparison]:
    """Return the comparison of each parameter, at entries that are drawn where there are many.

    Raises
    ------
    KinkWithinStepError
        If a step would cross a kink.
    """
    gradients = loss.gradients()
    rounding = float(np.finfo(np.float64).eps) * loss() / STEP
    comparisons = []
    for name, theta in loss.network.parameters.items():
        entries = theta.reshape(-1)  # a view: what is stepped is theta
        chosen = np.sort(rng.choice(theta.size, min(ENTRIES, theta.size), replace=False))
        numeric = np.concatenate([numeric_gradient(loss, entries[k : k + 1], STEP) for k in chosen])
        comparisons.append(Comparison(name, theta.shape, gradients[name].reshape(-1)[chosen], numeric, rounding))
    return comparisons


def compare_at_random(name: str, row: Model, form: Form = FORM) -> tuple[list[Comparison], int]:
    """Return the comparison of each parameter of a model, and how many batches were drawn for it.

    The parameters are normal with variance 1 / inputs, whatever the row's initializer: small ones would give gradients
    that vanish in rounding, and a bias of 0 puts a unit without an active input on the kink of ReLU.

    Raises
    ------
    UserError
        If the layers do not fit the images, or no batch keeps all layers farther from their kinks than the step.
    """
    rng = np.random.default_rng(SEED)
    network = start_network(name, row, form, rng, np.float64)
    for theta in network.parameters.values():
        theta[...] = rng.standard_normal(theta.shape) / np.sqrt(theta.shape[1])
    for batch in range(1, BATCHES + 1):
        X, y = rng.random((math.prod(form.shape), EXAMPLES)), rng.integers(len(form.classes), size=EXAMPLES)
        try:
            loss = Loss(network, 0.0 if row.decoupled_decay else row.weight_decay, X, y, row.label_smoothing)
            return compare(loss, np.random.default_rng(SEED)), batch
        except KinkWithinStepError:
            continue
    raise UserError(f"in each of {BATCHES} random batches a layer lies within {STEP:g} of one of its kinks")


def table(comparisons: list[Comparison]) -> str:
    """Return the comparisons as a table for a person."""
    rows = [
        (
            c.name,
            " x ".join(map(str, c.shape)),
            f"{len(c.analytic)} of {np.prod(c.shape)}",
            f"{np.linalg.norm(c.analytic):.6e}",
            f"{np.linalg.norm(c.numeric):.6e}",
            f"{c.largest_error:.1e}",
            f"{c.error:.1e}",
            c.verdict,
        )
        for c in comparisons
    ]
    widths = [max(map(len, column)) for column in zip(HEADER, *rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in (HEADER, *rows))


def form_of(split: str) -> tuple[Form, str]:
    """Return the form of the images of a split, or MNIST's if the split has not been made, and whose it is."""
    if (splits.directory(split) / "split.json").exists():
        return splits.load_description(split).form, f"as in {splits.directory(split)}"
    return FORM, f"as MNIST has them, since {splits.directory(split)} is not there"


def report(name: str) -> None:
    """Print the table of a model.

    Raises
    ------
    UserError
        If there is no such model, or one of its gradients is wrong.
    """
    row = load_model(name)
    form, whose = form_of(row.split)
    comparisons, batches = compare_at_random(name, row, form)
    decoupled = ", decoupled, which is no gradient" if row.decoupled_decay else ""
    smoothing = f", label smoothing {row.label_smoothing:g}" if row.label_smoothing else ""
    print(f"{name}: {describe_network(row)}; weight decay {row.weight_decay:g}{decoupled}{smoothing}")
    print(f"examples of {form}, {whose}")
    print(f"{EXAMPLES} random examples, random parameters, float64, central differences with a step of {STEP:g}")
    if batches > 1:
        print(f"batch {batches}: in those before it, a layer lies within the step of one of its kinks")
    print(f"\n{table(comparisons)}\n")
    print("largest error: |a - n| / (|a| + |n|) of the worst entry; one near 0 has a large error from rounding alone")
    print(f"error: the same with the norms of all entries checked; right if below {TOLERANCE:g}, or right to rounding")
    print(f"  if a - n has a root mean square below {comparisons[0].rounding:.0e}, as rounding of the loss can make it")
    wrong = [c.name for c in comparisons if c.verdict == "WRONG"]
    if wrong:
        raise UserError(f"models.{name}: analytic and numeric gradient disagree for {', '.join(wrong)}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Check the gradients of a model by central differences.")
    parser.add_argument("model", help="a key of models in params.yaml")
    name = parser.parse_args().model
    with threadpool_limits(1, user_api="blas"):  # the products are small: more threads would wait for one another
        report(name)


if __name__ == "__main__":
    run(main)
