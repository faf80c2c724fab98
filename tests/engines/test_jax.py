"""The gradients of a deep network of several activations against JAX, on a plain forward pass."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from stages.nn.affine import Affine
from stages.nn.initializers import Uniform
from stages.nn.layer import Maker, Start
from stages.nn.layer_table import LAYERS
from stages.nn.network import Network
from stages.nn.parts import loss_and_gradients

jax = pytest.importorskip("jax", reason="`make test-engines` installs JAX")

PLAIN: dict[str, Callable[[Any], Any]] = {"relu": jax.nn.relu, "tanh": jax.numpy.tanh, "sigmoid": jax.nn.sigmoid}


def test_a_deep_network_of_several_activations() -> None:
    rng = np.random.default_rng(0)
    names = [*PLAIN, *PLAIN]
    sizes = [5, *rng.integers(4, 9, size=len(names)), 4]
    layers: list[Maker] = [partial(Affine, units=sizes[1])]
    for name, units in zip(names, sizes[2:], strict=True):
        layers += [LAYERS[name], partial(Affine, units=units)]
    network = Network((sizes[0],), Start(rng, Uniform(-1, 1), np.float64), layers=layers)
    X, y = rng.normal(size=(5, 20)), rng.integers(4, size=20)

    def plain_loss(theta: list[Any]) -> Any:
        A = X
        for name, W, b in zip(names, theta[:-2:2], theta[1:-2:2], strict=True):
            A = PLAIN[name](W @ A + b)
        log_A = jax.nn.log_softmax(theta[-2] @ A + theta[-1], axis=0)
        return -log_A[y, np.arange(20)].mean()

    with jax.enable_x64(True):  # without it, JAX rounds to single precision
        loss, gradients = jax.jit(jax.value_and_grad(plain_loss))(list(network.parameters.values()))
        assert all(gradient.dtype == np.float64 for gradient in gradients)
    assert loss_and_gradients(network, X, y)[0] == pytest.approx(float(loss), rel=1e-12)
    for ours, theirs in zip(network.gradients.values(), gradients, strict=True):
        assert ours.any()
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-10, atol=1e-14)
