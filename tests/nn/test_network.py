"""The network: how it is built, and its gradients by central differences, deep and at random."""

from typing import Any

import numpy as np
import pytest

from stages.nn.activation import ACTIVATIONS, Activation
from stages.nn.affine import Affine
from stages.nn.arrays import Array, Labels
from stages.nn.cross_entropy import cross_entropy, cross_entropy_gradient
from stages.nn.dropout import Dropout
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.initializers import He, Uniform
from stages.nn.network import Network, build

FEATURES, CLASSES = 5, 4
EXAMPLES = 7


def random_examples(seed: int) -> tuple[Array, Labels]:
    """Return a random batch."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(FEATURES, EXAMPLES)), rng.integers(CLASSES, size=EXAMPLES)


class TrainingLoss:
    """The loss of a network in training, with the masks of dropout fixed, as a function of its parameters.

    It fails where a pre-activation changes its sign. As long as none does, those of a ReLU network are affine in the
    entry that is stepped: none meets the kink within the step if all keep their signs at both its ends.
    """

    def __init__(self, network: Network, rng: np.random.Generator, X: Array, y: Labels) -> None:
        self.network, self.rng, self.X, self.y = network, rng, X, y
        self.masks = rng.bit_generator.state
        self.sides: list[Array] | None = None

    def logits(self) -> Array:
        """Return the logits of a training pass with the masks of the first."""
        self.rng.bit_generator.state = self.masks
        Z, sides = self.X, []
        for layer in self.network.layers:
            if isinstance(layer, Activation):
                sides.append(np.sign(Z))
            Z = layer.forward(Z, training=True)
        if self.sides is None:
            self.sides = sides
        same = [np.array_equal(now, before) for now, before in zip(sides, self.sides, strict=True)]
        assert all(same), "a pre-activation lies within the step of the kink of ReLU"
        return Z

    def __call__(self) -> float:
        """Return the loss."""
        return cross_entropy(self.logits(), self.y, EXAMPLES)


@pytest.mark.parametrize("activation", [*ACTIVATIONS, None])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("hidden", [[], [6], [6, 3, 5, 4, 6]], ids=["none", "one", "five"])
def test_central_differences(activation: str | None, dropout: float, hidden: list[int]) -> None:
    rng = np.random.default_rng(len(hidden))
    network = build([FEATURES, *hidden, CLASSES], activation, Uniform(-1.5, 1.5), rng, dropout, np.float64)
    loss = TrainingLoss(network, rng, *random_examples(0))
    logits = loss.logits().copy()
    rng.bit_generator.state = loss.masks
    Z = network.forward(loss.X, training=True)
    np.testing.assert_array_equal(Z, logits)
    network.backward(cross_entropy_gradient(Z, loss.y, EXAMPLES))
    for name, theta in network.parameters.items():
        analytic = network.gradients[name].copy()
        assert analytic.any(), f"{name} has no influence, so that nothing is checked"
        assert relative_error(analytic, numeric_gradient(loss, theta)) < 1e-7, name


def test_a_kink_within_the_step_is_noticed() -> None:
    rng = np.random.default_rng(0)
    network = Network(
        [Affine(np.ones((1, 1)), np.full((1, 1), 1e-6)), Activation("relu"), Affine(np.ones((1, 1)), np.ones((1, 1)))]
    )
    loss = TrainingLoss(network, rng, np.zeros((1, 1)), np.zeros(1, np.int64))
    loss.logits()
    with pytest.raises(AssertionError, match="within the step of the kink"):
        numeric_gradient(lambda: float(loss.logits()[0, 0]), network.parameters["b1"])


def test_by_hand() -> None:
    first, second = (
        Affine(np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([[0.0], [-3.0]])),
        Affine(np.array([[1.0, 5.0], [0.0, 1.0]]), np.array([[0.5], [0.0]])),
    )
    network = Network([first, Activation("relu"), second])
    X = np.array([[3.0], [1.0]])  # hidden: relu(2) = 2, relu(3) = 3
    np.testing.assert_array_equal(network.forward(X), [[17.5], [3]])
    network.backward(np.array([[1.0], [-2.0]]))  # by the hidden units: 1, 3
    expected = {"W1": [[3, 1], [9, 3]], "b1": [[1], [3]], "W2": [[2, 3], [-4, -6]], "b2": [[1], [-2]]}
    assert list(network.gradients) == list(expected)
    for name, gradient in expected.items():
        np.testing.assert_array_equal(network.gradients[name], gradient)


def test_backward_adds_when_asked_to() -> None:
    network = build([FEATURES, 6, CLASSES], "tanh", He(), np.random.default_rng(0), dtype=np.float64)
    X, y = random_examples(0)
    network.backward(cross_entropy_gradient(network.forward(X), y, EXAMPLES))
    once = {name: gradient.copy() for name, gradient in network.gradients.items()}
    network.backward(cross_entropy_gradient(network.forward(X), y, EXAMPLES), add=True)
    for name, gradient in network.gradients.items():
        np.testing.assert_allclose(gradient, 2 * once[name], rtol=1e-14)


def test_the_parameters_are_those_of_the_layers() -> None:
    network = build([5, 3, 4], "relu", He(), np.random.default_rng(0))
    assert {name: theta.shape for name, theta in network.parameters.items()} == {
        "W1": (3, 5),
        "b1": (3, 1),
        "W2": (4, 3),
        "b2": (4, 1),
    }
    before = network.forward(np.ones((5, 1), np.float32)).copy()
    network.parameters["b2"][...] += 1
    np.testing.assert_allclose(network.forward(np.ones((5, 1), np.float32)), before + 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("activation", "dropout", "kinds"),
    [
        (None, 0.0, [Affine, Affine, Affine]),
        ("tanh", 0.0, [Affine, Activation, Affine, Activation, Affine]),
        ("tanh", 0.5, [Affine, Activation, Dropout, Affine, Activation, Dropout, Affine]),
    ],
)
def test_the_layers_that_are_built(activation: str | None, dropout: float, kinds: list[type]) -> None:
    rng = np.random.default_rng(0)
    network = build([5, 4, 3, 2], activation, He(), rng, dropout)
    assert [type(layer) for layer in network.layers] == kinds
    for layer in network.layers:
        if isinstance(layer, Dropout):
            assert layer.rate == dropout
            assert layer.rng is rng


def test_without_activation_the_network_is_one_affine_map() -> None:
    network = build([5, 4, 3], None, Uniform(), np.random.default_rng(0), dtype=np.float64)
    theta = network.parameters
    X, _ = random_examples(0)
    W, b = theta["W2"] @ theta["W1"], theta["W2"] @ theta["b1"] + theta["b2"]
    np.testing.assert_allclose(network.forward(X), W @ X + b, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_the_dtype_and_changes_nothing_that_it_is_given(dtype: type[np.floating[Any]]) -> None:
    network = build([FEATURES, 6, 3, CLASSES], "relu", He(), np.random.default_rng(0), 0.5, dtype)
    X, dZ = np.ones((FEATURES, EXAMPLES), dtype), np.ones((CLASSES, EXAMPLES), dtype)
    X.flags.writeable = dZ.flags.writeable = False
    assert network.forward(X, training=True).dtype == dtype
    network.backward(dZ)
    assert {array.dtype for array in network.gradients.values()} == {np.dtype(dtype)}
    assert {array.dtype for array in network.parameters.values()} == {np.dtype(dtype)}
    assert network.probabilities(X).dtype == dtype


def test_both_dtypes_begin_with_the_same_parameters() -> None:
    single, double = (
        build([5, 4, 3], "relu", He(), np.random.default_rng(0), 0.0, d) for d in (np.float32, np.float64)
    )
    for name, theta in double.parameters.items():
        np.testing.assert_array_equal(single.parameters[name], theta.astype(np.float32))


def test_probabilities_are_distributions_and_without_dropout() -> None:
    network = build([FEATURES, 6, CLASSES], "relu", He(), np.random.default_rng(0), 0.5, np.float64)
    X, _ = random_examples(0)
    A = network.probabilities(X)
    np.testing.assert_allclose(A.sum(axis=0), 1, rtol=1e-14)
    np.testing.assert_array_equal(network.probabilities(X), A)
    np.testing.assert_allclose(
        np.log(A) - np.log(A[0]), network.forward(X) - network.forward(X)[0], rtol=1e-9, atol=1e-12
    )
