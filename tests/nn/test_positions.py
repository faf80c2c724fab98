"""Learned positions: by hand, and what they are to other layers."""

import numpy as np

from stages.nn.attention import Attention
from stages.nn.initializers import Uniform
from stages.nn.layer import Start
from stages.nn.positions import Positions
from tests.networks import by_input

START = Start(np.random.default_rng(0), Uniform(-1, 1), np.float64)


def test_by_hand() -> None:
    layer = Positions((2, 1), START)
    layer.parameters["b"][...] = [[10.0], [20.0]]
    np.testing.assert_array_equal(layer.forward(np.array([[1.0, 2.0], [3.0, 4.0]])), [[11, 12], [23, 24]])
    dZ = np.array([[1.0, 5.0], [2.0, 7.0]])
    np.testing.assert_array_equal(layer.backward(dZ), dZ)
    np.testing.assert_array_equal(layer.gradients["b"], [[6], [9]])


def test_begins_as_the_identity_and_is_not_decayed() -> None:
    layer, X = Positions((3, 4), START), np.random.default_rng(1).normal(size=(12, 5))
    np.testing.assert_array_equal(layer.forward(X), X)
    assert layer.parameters["b"].shape == (12, 1)
    assert not list(layer.decayed)


def test_from_its_start_on_each_place_gets_a_gradient_of_its_own() -> None:
    layer, attention = Positions((3, 4), START), Attention((3, 4), START)
    X, dZ = np.random.default_rng(1).normal(size=(2, 12, 5))
    attention.forward(layer.forward(X))
    layer.backward(by_input(attention, dZ))
    by_place = layer.gradients["b"].reshape(3, 4)
    assert min(np.linalg.norm(by_place[i] - by_place[j]) for i in range(3) for j in range(i)) > 0.1


def test_a_layer_that_treats_all_places_alike_can_tell_them_apart_behind_it() -> None:
    layer, attention = Positions((3, 4), START), Attention((3, 4), START)
    X = np.tile(np.random.default_rng(1).normal(size=(4, 5)), (3, 1))  # the same token at every place
    equal = attention.forward(layer.forward(X)).reshape(3, 4, 5)
    assert np.abs(equal - equal[0]).max() < 1e-13
    layer.parameters["b"][...] = np.random.default_rng(2).normal(size=(12, 1))
    attention.forward(layer.forward(X))
    assert np.ptp(attention.weights(), axis=-1).min() > 0.1


def test_keeps_the_order_and_uses_its_memory_again() -> None:
    layer, X = Positions((3, 4), START), np.asfortranarray(np.ones((12, 5)))
    Z = layer.forward(X)
    assert layer.forward(X) is Z
    assert Z.flags.f_contiguous
    assert not np.shares_memory(Z, X)
