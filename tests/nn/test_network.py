"""The network: how it is built, and its gradients by central differences, deep and at random."""

from functools import partial

import numpy as np
import pytest

from stages.nn.affine import Affine
from stages.nn.arrays import Array, Labels
from stages.nn.batch_normalization import BatchNormalization
from stages.nn.cross_entropy import cross_entropy, cross_entropy_gradient
from stages.nn.dropout import Dropout
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.initializers import He, Uniform
from stages.nn.layer import Layer, Maker, OptionError, Shape, Start
from stages.nn.max_pooling import MaxPooling
from stages.nn.network import Network, perceptron
from stages.nn.relu import ReLU
from stages.nn.residual import Residual
from stages.nn.tanh import Tanh
from tests.networks import affine, build, network_of

FEATURES, CLASSES = 5, 4
EXAMPLES = 7
START = Start(np.random.default_rng(0))


def random_examples(seed: int) -> tuple[Array, Labels]:
    """Return a random batch."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(FEATURES, EXAMPLES)), rng.integers(CLASSES, size=EXAMPLES)


class TrainingLoss:
    """The loss of a network in training, with the masks of dropout fixed, as a function of its parameters.

    It fails where a layer comes to another side of a kink. Between its kinks a network of ReLU and affine layers is
    affine in the entry that is stepped: none was met within the step if all sides are the same at both its ends.
    """

    def __init__(self, network: Network, X: Array, y: Labels) -> None:
        self.network, self.X, self.y = network, X, y
        self.logits()
        self.sides = network.branches()

    def logits(self) -> Array:
        """Return the logits of a training pass with the masks of the first."""
        return self.network.forward(self.X, np.random.default_rng(0))

    def __call__(self) -> float:
        """Return the loss."""
        Z = self.logits()
        same = [np.array_equal(now, before) for now, before in zip(self.network.branches(), self.sides, strict=True)]
        assert all(same), "a pre-activation lies within the step of the kink of ReLU"
        return cross_entropy(Z, self.y, EXAMPLES)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", None])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("hidden", [[], [6], [6, 3, 5, 4, 6]], ids=["none", "one", "five"])
def test_central_differences(activation: str | None, dropout: float, hidden: list[int]) -> None:
    rng = np.random.default_rng(len(hidden))
    network = build([FEATURES, *hidden, CLASSES], activation, Uniform(-1.5, 1.5), rng, dropout, np.float64)
    loss = TrainingLoss(network, *random_examples(0))
    network.backward(cross_entropy_gradient(loss.logits(), loss.y, EXAMPLES))
    for name, theta in network.parameters.items():
        analytic = network.gradients[name].copy()
        assert analytic.any(), f"{name} has no influence, so that nothing is checked"
        assert relative_error(analytic, numeric_gradient(loss, theta)) < 1e-7, name


def test_a_kink_within_the_step_is_noticed() -> None:
    one = np.ones((1, 1))
    network = network_of(affine(one.copy(), np.full((1, 1), 1e-6)), ReLU((1,), START), affine(one, one))
    loss = TrainingLoss(network, np.zeros((1, 1)), np.zeros(1, np.int64))
    with pytest.raises(AssertionError, match="within the step of the kink"):
        numeric_gradient(loss, network.parameters["0.b"])


def test_by_hand() -> None:
    network = network_of(
        affine(np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([[0.0], [-3.0]])),
        ReLU((2,), START),
        affine(np.array([[1.0, 5.0], [0.0, 1.0]]), np.array([[0.5], [0.0]])),
    )
    X = np.array([[3.0], [1.0]])  # hidden: relu(2) = 2, relu(3) = 3
    np.testing.assert_array_equal(network.forward(X), [[17.5], [3]])
    dX = network.backward(np.array([[1.0], [-2.0]]))  # by the hidden units: 1, 3
    expected = {"0.W": [[3, 1], [9, 3]], "0.b": [[1], [3]], "2.W": [[2, 3], [-4, -6]], "2.b": [[1], [-2]]}
    assert list(network.gradients) == list(expected)
    for name, gradient in expected.items():
        np.testing.assert_array_equal(network.gradients[name], gradient)
    np.testing.assert_array_equal(dX, [[7], [-1]])


class Recording(Layer):
    """A layer that notes what it is asked for, and passes everything on."""

    def __init__(self, parameters: dict[str, Array]) -> None:
        super().__init__((1,), START)
        self.parameters = parameters
        self.wanted: list[bool] = []

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return X."""
        return X

    def backward(self, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Return dY if it is wanted."""
        self.wanted.append(dX)
        return dY if dX else None


def test_no_gradient_is_computed_that_no_parameter_needs() -> None:
    theta: dict[str, Array] = {"theta": np.zeros(1)}
    layers = [Recording(parameters) for parameters in ({}, theta, {}, theta)]
    network = network_of(*layers)
    network.forward(np.ones((1, 1)))
    assert network.backward(np.ones((1, 1)), dX=False) is None
    assert [layer.wanted for layer in layers] == [[], [False], [True], [True]]
    assert network.backward(np.ones((1, 1))) is not None
    assert all(layer.wanted[-1] for layer in layers)


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
        "0.W": (3, 5),
        "0.b": (3, 1),
        "2.W": (4, 3),
        "2.b": (4, 1),
    }
    before = network.forward(np.ones((5, 1), np.float32)).copy()
    network.parameters["2.b"][...] += 1
    np.testing.assert_allclose(network.forward(np.ones((5, 1), np.float32)), before + 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("activation", "dropout", "kinds"),
    [
        (None, 0.0, [Affine, Affine, Affine]),
        ("tanh", 0.0, [Affine, Tanh, Affine, Tanh, Affine]),
        ("tanh", 0.5, [Affine, Tanh, Dropout, Affine, Tanh, Dropout, Affine]),
    ],
)
def test_the_layers_that_are_built(activation: str | None, dropout: float, kinds: list[type]) -> None:
    rng = np.random.default_rng(0)
    network = build([5, 4, 3, 2], activation, He(), rng, dropout)
    assert [type(layer) for layer in network.layers] == kinds
    for layer in network.layers:
        if isinstance(layer, Dropout):
            assert layer.rate == dropout


def test_without_activation_the_network_is_one_affine_map() -> None:
    network = build([5, 4, 3], None, Uniform(), np.random.default_rng(0), dtype=np.float64)
    theta = network.parameters
    X, _ = random_examples(0)
    W, b = theta["1.W"] @ theta["0.W"], theta["1.W"] @ theta["0.b"] + theta["1.b"]
    np.testing.assert_allclose(network.forward(X), W @ X + b, rtol=1e-13)


def test_a_layer_is_told_the_shape_that_the_one_before_tells() -> None:
    shapes = []

    def make(shape: Shape, start: Start) -> Layer:
        shapes.append(shape)
        return MaxPooling(shape, start, size=2)

    network = Network((8, 4, 3), START, layers=[make, make])
    assert shapes == [(8, 4, 3), (4, 2, 3)]
    assert network.shape == (2, 1, 3)


def test_an_option_that_does_not_fit_is_named_by_its_place() -> None:
    pooling: Maker = partial(MaxPooling, size=2)
    with pytest.raises(OptionError, match=r"^layers\.1\.size is 2: max_pooling of size 2 gets 7 x 7;"):
        Network((14, 14, 1), START, layers=[pooling, pooling])
    with pytest.raises(OptionError, match=r"^layers\.0\.layers\.1\.size is 2"):
        Network((14, 14, 1), START, layers=[partial(Residual, layers=[pooling, pooling])])


def test_parameters_and_states_have_the_index_of_their_layer_before_their_name() -> None:
    normalized: list[Maker] = [partial(Affine, units=5), BatchNormalization]
    network = Network((5,), START, layers=[partial(Residual, layers=normalized), *normalized])
    assert list(network.parameters) == [
        *("0.0.W", "0.0.b", "0.1.gamma", "0.1.beta"),
        *("1.W", "1.b", "2.gamma", "2.beta"),
    ]
    assert list(network.state) == ["0.1.mean", "0.1.variance", "2.mean", "2.variance"]
    assert network.decayed == ["0.0.W", "1.W"]
    assert list(network.gradients) == list(network.parameters)


def test_layers_draw_from_the_generator_in_their_order() -> None:
    network = build([5, 4, 3], "relu", He(), np.random.default_rng(7), dtype=np.float64)
    rng = np.random.default_rng(7)
    for name, (units, inputs) in (("0", (4, 5)), ("2", (3, 4))):
        np.testing.assert_array_equal(network.parameters[f"{name}.W"], He()(units, inputs, rng)[0])


def test_a_walk_has_every_layer_with_its_output_and_a_network_after_what_is_in_it() -> None:
    inner: list[Maker] = [partial(Affine, units=4), Tanh, partial(Dropout, rate=0.5)]
    network = Network((4,), START, layers=[partial(Residual, layers=inner), partial(Affine, units=3)])
    block, last = network.layers
    assert isinstance(block, Network)
    X = np.random.default_rng(1).normal(size=(4, 2))
    walked = [(path, layer, Y.copy()) for path, layer, Y in network.walk(X)]
    found = {path: layer for path, layer, _ in walked}
    assert list(found) == [(0, 0), (0, 1), (0, 2), (0,), (1,), ()]
    assert list(found.values()) == [*block.layers, block, last, network]
    Z = block.layers[0].forward(X)
    outputs = [Z, np.tanh(Z), np.tanh(Z), X + np.tanh(Z), last.forward(X + np.tanh(Z)), network.forward(X)]
    for (_, _, Y), expected in zip(walked, outputs, strict=True):
        np.testing.assert_array_equal(Y, expected)


def test_a_perceptron_is_without_dropout_unless_said() -> None:
    assert [type(layer) for layer in perceptron([5, 4, 3], Tanh, START).layers] == [Affine, Tanh, Affine]
