"""The gradients of a small ReLU network against micrograd, number by number.

micrograd has neither exp nor log. What is propagated back is therefore the sum of dZ * Z, with dZ, the gradient of the
loss by the logits, held constant.
"""

from itertools import chain

import numpy as np
import pytest
from micrograd.engine import Value
from micrograd.nn import MLP, Layer, Module

from stages.nn.arrays import Array
from stages.nn.cross_entropy import cross_entropy_gradient
from stages.nn.initializers import Uniform
from stages.nn.layer import Start
from stages.nn.relu import ReLU
from tests.networks import affine, build


def values(X: Array) -> list[list[Value]]:
    """Return the columns of X as numbers of micrograd."""
    return [[Value(float(x)) for x in column] for column in X.T]


def gradients(columns: list[list[Value]]) -> Array:
    """Return the gradients of columns of numbers, as a matrix."""
    return np.array([[value.grad for value in column] for column in columns]).T


def weighted_sum(columns: list[list[Value]], dZ: Array) -> Value:
    """Return the sum of dZ * Z."""
    pairs = zip(chain.from_iterable(columns), dZ.T.ravel(), strict=True)
    return sum((z * float(dz) for z, dz in pairs), Value(0.0))


def copy_parameters(layer: Module, W: Array, b: Array) -> None:
    """Set the parameters of a layer of micrograd."""
    for neuron, weights, bias in zip(layer.neurons, W, b, strict=True):
        for value, weight in zip(neuron.parameters(), [*weights, *bias], strict=True):
            value.data = float(weight)


def parameter_gradients(layer: Module) -> tuple[Array, Array]:
    """Return dW and db of a layer of micrograd."""
    rows = np.array([[value.grad for value in neuron.parameters()] for neuron in layer.neurons])
    return rows[:, :-1], rows[:, -1:]


def close(ours: Array | None, theirs: Array) -> None:
    """Check that two gradients agree to rounding."""
    assert ours is not None
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


def test_affine() -> None:
    rng = np.random.default_rng(0)
    W, b, X, dZ = (rng.normal(size=shape) for shape in [(3, 4), (3, 1), (4, 2), (3, 2)])
    ours, theirs = affine(W, b), Layer(4, 3, nonlin=False)
    copy_parameters(theirs, W, b)
    columns = values(X)
    outputs = [theirs(column) for column in columns]
    np.testing.assert_allclose(ours.forward(X).T, [[z.data for z in output] for output in outputs], rtol=1e-14)
    weighted_sum(outputs, dZ).backward()
    close(ours.backward(dZ), gradients(columns))
    dW, db = parameter_gradients(theirs)
    close(ours.gradients["W"], dW)
    close(ours.gradients["b"], db)


def test_relu() -> None:
    rng = np.random.default_rng(0)
    Z, dA = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    layer, columns = ReLU((3,), Start(rng)), values(Z)
    weighted_sum([[z.relu() for z in column] for column in columns], dA).backward()
    layer.forward(Z)
    close(layer.backward(dA), gradients(columns))


@pytest.mark.parametrize("hidden", [[], [5], [4, 6, 3]], ids=["none", "one", "three"])
def test_random_networks(hidden: list[int]) -> None:
    rng = np.random.default_rng(0)
    sizes = [4, *hidden, 3]
    network = build(sizes, "relu", Uniform(-1, 1), rng, dtype=np.float64)
    X, y = rng.normal(size=(4, 3)), rng.integers(3, size=3)
    counterpart = MLP(sizes[0], sizes[1:])
    theta = list(network.parameters.values())
    for layer, W, b in zip(counterpart.layers, theta[::2], theta[1::2], strict=True):
        copy_parameters(layer, W, b)

    Z = network.forward(X)
    outputs = [counterpart(column) for column in values(X)]
    np.testing.assert_allclose(Z.T, [[z.data for z in output] for output in outputs], rtol=1e-12)
    dZ = cross_entropy_gradient(Z, y, 3)
    network.backward(dZ)
    weighted_sum(outputs, dZ).backward()
    ours = list(network.gradients.values())
    for layer, dW, db in zip(counterpart.layers, ours[::2], ours[1::2], strict=True):
        assert dW.any()
        theirs = parameter_gradients(layer)
        close(dW, theirs[0])
        close(db, theirs[1])
