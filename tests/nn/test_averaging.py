"""Averaged weights: the sum that they are, of parameters and of state, in a network of their own."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.averaging import Average
from stages.nn.batch_normalization import BatchNormalization
from stages.nn.initializers import Uniform
from stages.nn.layer import Maker, Start
from stages.nn.network import Network

DECAY = 0.8


def start(dtype: type[np.floating[Any]] = np.float64) -> tuple[Network, Array, Array]:
    """Return a network with state, and the arrays that hold its parameters and gradients."""
    layers: list[Maker] = [partial(Affine, units=4), BatchNormalization, partial(Affine, units=3)]
    network = Network((2,), Start(np.random.default_rng(0), Uniform(-1, 1), dtype), layers=layers)
    parameters, gradients = np.empty(network.size, dtype), np.empty(network.size, dtype)
    network.bind(parameters, gradients)
    return network, parameters, gradients


def moved(updates: int) -> tuple[Average, Network, list[dict[str, Array]]]:
    """Return the averages after random moves of a network, the network, and what it had after each move."""
    network, parameters, gradients = start()
    average, rng = Average(network, DECAY, parameters, gradients), np.random.default_rng(1)
    history = []
    for t in range(1, updates + 1):
        parameters += rng.standard_normal(parameters.shape)
        for array in network.state.values():
            array[...] = rng.random(array.shape)
        average.update(t)
        history.append({name: array.copy() for name, array in network.kept.items()})
    return average, network, history


@pytest.mark.parametrize("updates", [1, 2, 7, 40])
def test_it_is_the_weighted_mean_of_what_came_after_each_update(updates: int) -> None:
    average, network, history = moved(updates)
    weights = [DECAY**j for j in range(updates)]
    assert average.network.kept.keys() == network.kept.keys() > {"1.mean", "1.variance"}
    for name, array in average.network.kept.items():
        mean = sum(w * kept[name] for w, kept in zip(weights, history[::-1], strict=True)) / sum(weights)
        np.testing.assert_allclose(array, mean, rtol=1e-12, atol=1e-14, err_msg=name)


def test_the_network_that_is_trained_is_not_changed() -> None:
    _, network, history = moved(5)
    for name, array in network.kept.items():
        np.testing.assert_array_equal(array, history[-1][name], err_msg=name)


def test_before_the_first_update_it_is_the_network() -> None:
    network, parameters, gradients = start()
    average = Average(network, DECAY, parameters, gradients)
    for name, array in average.network.kept.items():
        np.testing.assert_array_equal(array, network.kept[name], err_msg=name)
        assert not np.shares_memory(array, network.kept[name])


def test_its_gradients_are_not_those_of_the_network() -> None:
    network, parameters, gradients = start()
    average = Average(network, DECAY, parameters, gradients)
    average.network.backward(np.ones_like(average.network.forward(np.ones((2, 3)))))
    assert any(gradient.any() for gradient in average.network.gradients.values())
    before = gradients.copy()
    average.network.backward(np.ones((3, 3)))
    np.testing.assert_array_equal(gradients, before)


def test_it_is_given_to_the_network() -> None:
    average, network, _ = moved(5)
    average.give(network)
    X = np.random.default_rng(2).standard_normal((2, 6))
    np.testing.assert_array_equal(network.forward(X), average.network.forward(X))
    for name, array in network.kept.items():
        np.testing.assert_array_equal(array, average.network.kept[name], err_msg=name)


def test_it_keeps_the_dtype() -> None:
    network, parameters, gradients = start(np.float32)
    average = Average(network, DECAY, parameters, gradients)
    average.update(1)
    assert {array.dtype for array in average.network.kept.values()} == {np.dtype(np.float32)}
