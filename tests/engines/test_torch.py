"""The gradients against PyTorch's autograd, and whole training runs against its optimizers and schedulers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from stages.nn.affine import Affine
from stages.nn.arrays import Array, Labels
from stages.nn.attention import Attention
from stages.nn.average_pooling import AveragePooling
from stages.nn.batch_normalization import BatchNormalization
from stages.nn.batches import epoch_batches
from stages.nn.convolution import Convolution
from stages.nn.cross_entropy import cross_entropy, cross_entropy_gradient
from stages.nn.dropout import Dropout
from stages.nn.entrywise import Entrywise
from stages.nn.gelu import GELU
from stages.nn.images import images_of
from stages.nn.initializers import Uniform
from stages.nn.layer import Maker, Shape, Start
from stages.nn.layer_normalization import LayerNormalization
from stages.nn.layer_table import LAYERS
from stages.nn.max_pooling import MaxPooling
from stages.nn.network import Network
from stages.nn.optimizers import OPTIMIZERS, Adam, GradientDescent, Momentum, Nesterov, Optimizer, RMSProp
from stages.nn.positions import Positions
from stages.nn.relu import ReLU
from stages.nn.residual import Residual
from stages.nn.schedules import SCHEDULES, Constant, Cosine, Schedule, Steps
from stages.nn.softmax import softmax, softmax_backward
from stages.nn.training import Trainer, fit
from tests.networks import affine, build

torch = pytest.importorskip("torch", reason="`make test-engines` installs PyTorch")
torch.set_num_threads(1)  # for matrices this small, waiting for a second thread takes longer than their product
functional: Any = torch.nn.functional
lr_scheduler: Any = torch.optim.lr_scheduler

FEATURES, CLASSES, EXAMPLES = 5, 4, 20
UPDATES, RATE = 50, 0.05
THEIRS = [name for name, kind in LAYERS.items() if issubclass(kind, Entrywise) and hasattr(torch, name)]


def activate(name: str | None, Z: Any) -> Any:
    """Return PyTorch's activation of this name."""
    return Z if name is None else getattr(torch, name)(Z)


def leaf(array: Array) -> Any:
    """Return a copy as a tensor that collects a gradient."""
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def close(ours: Array | None, theirs: Any) -> None:
    """Check that two gradients agree to rounding."""
    assert ours is not None
    np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-10, atol=1e-14)


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator."""
    return np.random.default_rng(0)


def test_affine(rng: np.random.Generator) -> None:
    W, b, X, dZ = (rng.normal(size=shape) for shape in [(4, 6), (4, 1), (6, 5), (4, 5)])
    layer = affine(W, b)
    Wt, bt, Xt = leaf(W), leaf(b), leaf(X)
    Z = functional.linear(Xt.T, Wt, bt[:, 0]).T
    np.testing.assert_allclose(layer.forward(X), Z.detach().numpy(), rtol=1e-13)
    Z.backward(torch.tensor(dZ))
    close(layer.backward(dZ), Xt)
    close(layer.gradients["W"], Wt)
    close(layer.gradients["b"], bt)


def as_torch(images: Array, shape: Shape) -> Any:
    """Return the columns of a matrix as PyTorch has images: (m, channels, height, width)."""
    return leaf(np.moveaxis(images_of(images, shape), 3, 1))


def close_images(ours: Array | None, theirs: Any) -> None:
    """Check that two gradients by images agree to rounding."""
    assert ours is not None
    found = np.moveaxis(theirs.grad.numpy(), 1, 3).reshape(ours.shape[1], -1).T
    np.testing.assert_allclose(ours, found, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, 0), (2, 1, 1), (3, 2, 0), (3, 2, 1), (1, 3, 0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_convolution(size: int, stride: int, padding: int, channels: int, rng: np.random.Generator) -> None:
    shape, filters = (7, 6, channels), 4
    start = Start(rng, Uniform(-1, 1), np.float64)
    layer = Convolution(shape, start, filters=filters, size=size, stride=stride, padding=padding)
    W, b = layer.parameters.values()
    X = rng.normal(size=(42 * channels, 5))
    Xt, bt, Wt = as_torch(X, shape), leaf(b), leaf(W)
    kernels = Wt.reshape(filters, size, size, channels).permute(0, 3, 1, 2)
    Zt = functional.conv2d(Xt, kernels, bt[:, 0], stride, padding)
    Z = layer.forward(X)
    np.testing.assert_allclose(
        images_of(Z, layer.shape), Zt.permute(0, 2, 3, 1).detach().numpy(), rtol=1e-10, atol=1e-13
    )
    dZ = rng.normal(size=Z.shape)
    Zt.backward(as_torch(dZ, layer.shape).detach())
    close_images(layer.backward(dZ), Xt)
    close(layer.gradients["W"], Wt)
    close(layer.gradients["b"], bt)


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 3), (2, 1), (4, 2)])
@pytest.mark.parametrize("ties", [False, True])
def test_max_pooling(size: int, stride: int, ties: bool, rng: np.random.Generator) -> None:
    shape = (6, 6, 3)
    layer = MaxPooling(shape, Start(rng), size=size, stride=stride)
    X = rng.integers(3, size=(108, 5)).astype(float) if ties else rng.normal(size=(108, 5))
    Xt = as_torch(X, shape)
    Yt = functional.max_pool2d(Xt, size, stride)
    Y = layer.forward(X)
    np.testing.assert_array_equal(images_of(Y, layer.shape), Yt.permute(0, 2, 3, 1).detach().numpy())
    dY = rng.normal(size=Y.shape)
    Yt.backward(as_torch(dY, layer.shape).detach())
    close_images(layer.backward(dY), Xt)


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_average_pooling(size: int, rng: np.random.Generator) -> None:
    shape = (6, 6, 3)
    layer, X = AveragePooling(shape, Start(rng), size=size), rng.normal(size=(108, 5))
    Xt = as_torch(X, shape)
    Yt = functional.avg_pool2d(Xt, size)
    Y = layer.forward(X)
    np.testing.assert_allclose(
        images_of(Y, layer.shape), Yt.permute(0, 2, 3, 1).detach().numpy(), rtol=1e-12, atol=1e-14
    )
    dY = rng.normal(size=Y.shape)
    Yt.backward(as_torch(dY, layer.shape).detach())
    close_images(layer.backward(dY), Xt)


@pytest.mark.parametrize("name", THEIRS)
def test_activation(name: str, rng: np.random.Generator) -> None:
    Z, dA = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    layer, Zt = LAYERS[name]((4,), Start(rng)), leaf(Z)
    A = activate(name, Zt)
    np.testing.assert_allclose(layer.forward(Z), A.detach().numpy(), rtol=1e-14)
    A.backward(torch.tensor(dA))
    close(layer.backward(dA), Zt)


def test_relu_at_zero(rng: np.random.Generator) -> None:
    layer, Zt = LAYERS["relu"]((1,), Start(rng)), leaf(np.zeros((1, 1)))
    layer.forward(np.zeros((1, 1)))
    torch.relu(Zt).backward(torch.ones(1, 1))
    close(layer.backward(np.ones((1, 1))), Zt)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_softmax(scale: float, rng: np.random.Generator) -> None:
    Z, dA = scale * rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    Zt = leaf(Z)
    A = torch.softmax(Zt, dim=0)
    np.testing.assert_allclose(softmax(Z), A.detach().numpy(), rtol=1e-13)
    A.backward(torch.tensor(dA))
    close(softmax_backward(softmax(Z), dA), Zt)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_cross_entropy(scale: float, rng: np.random.Generator) -> None:
    Z, y = scale * rng.normal(size=(4, 5)), rng.integers(4, size=5)
    Zt = leaf(Z)
    loss = functional.cross_entropy(Zt.T, torch.tensor(y))
    assert cross_entropy(Z, y, 5) == pytest.approx(loss.item(), rel=1e-13)
    loss.backward()
    close(cross_entropy_gradient(Z, y, 5), Zt)


def test_dropout(rng: np.random.Generator) -> None:
    A, dD = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    (layer, other), At = [Dropout((4,), Start(rng), rate=0.4) for _ in range(2)], leaf(A)
    mask = other.forward(np.ones((4, 5)), np.random.default_rng(1))
    layer.forward(A, np.random.default_rng(1))
    (At * torch.tensor(mask)).backward(torch.tensor(dD))
    close(layer.backward(dD), At)


def channels_first(X: Array, shape: Shape) -> Any:
    """Return columns that are vectors or images (height, width, channels) as PyTorch has them, (m, channels, ...)."""
    return np.moveaxis(X.T.reshape(-1, *shape), -1, 1)


@pytest.mark.parametrize("shape", [(4,), (3, 2, 4)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_normalization(shape: Shape, training: bool, rng: np.random.Generator) -> None:
    size = int(np.prod(shape))
    layer = BatchNormalization(shape, Start(rng, dtype=np.float64), decay=0.7, epsilon=1e-3)
    theirs = (torch.nn.BatchNorm1d if len(shape) == 1 else torch.nn.BatchNorm2d)(4, eps=1e-3, momentum=0.3).double()
    for ours, tensor in zip(layer.parameters.values(), (theirs.weight, theirs.bias), strict=True):
        np.add(ours, rng.normal(size=ours.shape), out=ours)
        tensor.data = torch.tensor(ours[:, 0])
    for training_now in (True, True, training):  # the kept mean and variance are moved before they are compared
        X, dZ = rng.normal(2, 3, size=(2, size, 6))
        theirs.train(training_now)
        Xt = leaf(channels_first(X, shape))
        Z = theirs(Xt)
        found = layer.forward(X, rng if training_now else None)
        np.testing.assert_allclose(channels_first(found, shape), Z.detach().numpy(), rtol=1e-11, atol=1e-13)
    theirs.zero_grad()
    Z.backward(torch.tensor(channels_first(dZ, shape)))
    dX = layer.backward(dZ)
    assert dX is not None
    close(channels_first(dX, shape), Xt)
    close(layer.gradients["gamma"][:, 0], theirs.weight)
    close(layer.gradients["beta"][:, 0], theirs.bias)
    for ours, tensor in zip(layer.state.values(), (theirs.running_mean, theirs.running_var), strict=True):
        np.testing.assert_allclose(ours[:, 0], tensor.numpy(), rtol=1e-12)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (3, 2, 4)])
def test_layer_normalization(shape: Shape, rng: np.random.Generator) -> None:
    X, dZ = rng.normal(2, 3, size=(2, int(np.prod(shape)), 6))
    layer = LayerNormalization(shape, Start(rng, dtype=np.float64))
    for theta in layer.parameters.values():
        np.add(theta, rng.normal(size=theta.shape), out=theta)
    gamma, beta = (leaf(theta[:, 0]) for theta in layer.parameters.values())
    Xt = leaf(X.T.reshape(-1, *shape))
    Z = functional.layer_norm(Xt, (4,), gamma, beta)
    np.testing.assert_allclose(layer.forward(X).T.reshape(-1, *shape), Z.detach().numpy(), rtol=1e-11, atol=1e-13)
    Z.backward(torch.tensor(dZ.T.reshape(-1, *shape)))
    dX = layer.backward(dZ)
    assert dX is not None
    close(dX.T.reshape(-1, *shape), Xt)
    close(layer.gradients["gamma"][:, 0], gamma)
    close(layer.gradients["beta"][:, 0], beta)


def test_gelu(rng: np.random.Generator) -> None:
    Z, dA = 3 * rng.normal(size=(2, 4, 5))
    layer, Zt = GELU((4,), Start(rng)), leaf(Z)
    A = functional.gelu(Zt, approximate="tanh")
    np.testing.assert_allclose(layer.forward(Z), A.detach().numpy(), rtol=1e-13, atol=1e-15)
    A.backward(torch.tensor(dA))
    close(layer.backward(dA), Zt)


def test_positions(rng: np.random.Generator) -> None:
    X, dZ = rng.normal(size=(2, 12, 5))
    layer = Positions((3, 4), Start(rng, dtype=np.float64))
    layer.parameters["b"][...] = rng.normal(size=(12, 1))
    Xt, bt = leaf(X), leaf(layer.parameters["b"])
    Z = Xt + bt
    np.testing.assert_array_equal(layer.forward(X), Z.detach().numpy())
    Z.backward(torch.tensor(dZ))
    close(layer.backward(dZ), Xt)
    close(layer.gradients["b"], bt)


@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 6)])
@pytest.mark.parametrize("heads", [1, 2, 6])
def test_attention(shape: Shape, heads: int, rng: np.random.Generator) -> None:
    tokens, width = int(np.prod(shape[:-1])), shape[-1]
    X, dZ = rng.normal(size=(2, tokens * width, 4))
    layer = Attention(shape, Start(rng, Uniform(-1, 1), np.float64), heads=heads)
    theirs = torch.nn.MultiheadAttention(width, heads, batch_first=True, dtype=torch.float64)
    W, b, W_O, b_O = (torch.tensor(theta) for theta in layer.parameters.values())
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = W, b[:, 0]
    theirs.out_proj.weight.data, theirs.out_proj.bias.data = W_O, b_O[:, 0]
    Xt = leaf(X.T.reshape(-1, tokens, width))
    Z, weights = theirs(Xt, Xt, Xt, average_attn_weights=False)
    np.testing.assert_allclose(layer.forward(X), Z.detach().numpy().reshape(4, -1).T, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(layer.weights(), weights.detach().numpy(), rtol=1e-12)
    Z.backward(torch.tensor(dZ.T.reshape(-1, tokens, width)))
    dX = layer.backward(dZ)
    assert dX is not None
    for ours, tensor in (
        (dX.T.reshape(-1, tokens, width), Xt),
        (layer.gradients["W"], theirs.in_proj_weight),
        (layer.gradients["b"][:, 0], theirs.in_proj_bias),
        (layer.gradients["W_O"], theirs.out_proj.weight),
        (layer.gradients["b_O"][:, 0], theirs.out_proj.bias),
    ):
        np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-10, atol=1e-13)


def test_residual(rng: np.random.Generator) -> None:
    X, dZ = rng.normal(size=(2, 4, 5))
    layers: list[Maker] = [partial(Affine, units=3), LAYERS["tanh"], partial(Affine, units=4)]
    layer = Residual((4,), Start(rng, Uniform(-1, 1), np.float64), layers=layers)
    theta, Xt = [leaf(array) for array in layer.parameters.values()], leaf(X)
    W1, b1, W2, b2 = theta
    Z = Xt + W2 @ torch.tanh(W1 @ Xt + b1) + b2
    np.testing.assert_allclose(layer.forward(X), Z.detach().numpy(), rtol=1e-12)
    Z.backward(torch.tensor(dZ))
    close(layer.backward(dZ), Xt)
    for ours, tensor in zip(layer.gradients.values(), theta, strict=True):
        close(ours, tensor)


def test_a_run_with_both_normalizations_and_a_residual_connection(rng: np.random.Generator) -> None:
    """Parameters and what is kept follow PyTorch's for 50 updates of mini-batches."""
    inner: list[Maker] = [LayerNormalization, partial(Affine, units=6), ReLU]
    layers: list[Maker] = [
        partial(Affine, units=6),
        BatchNormalization,
        partial(Residual, layers=inner),
        partial(Affine, units=CLASSES),
    ]
    network = Network((FEATURES,), Start(rng, Uniform(-0.5, 0.5), np.float64), layers=layers)
    X, y = np.asfortranarray(rng.normal(size=(FEATURES, EXAMPLES))), rng.integers(CLASSES, size=EXAMPLES)
    theta = {name: leaf(array) for name, array in network.parameters.items()}
    kept = {name: torch.tensor(array[:, 0].copy()) for name, array in network.state.items()}
    optimizer = torch.optim.SGD(theta.values(), RATE, momentum=0.9)
    shuffles = np.random.default_rng(1)
    batches = [chosen for _ in range(25) for chosen in epoch_batches(EXAMPLES, 10, shuffles)]
    for chosen in batches[:UPDATES]:
        optimizer.zero_grad()
        A = functional.linear(torch.tensor(X[:, chosen].T), theta["0.W"], theta["0.b"][:, 0])
        scale, shift = (theta[f"1.{name}"][:, 0] for name in ("gamma", "beta"))
        A = functional.batch_norm(A, kept["1.mean"], kept["1.variance"], scale, shift, True, 0.1)
        B = functional.layer_norm(A, (6,), *(theta[f"2.0.{name}"][:, 0] for name in ("gamma", "beta")))
        A = A + torch.relu(functional.linear(B, theta["2.1.W"], theta["2.1.b"][:, 0]))
        loss = functional.cross_entropy(functional.linear(A, theta["3.W"], theta["3.b"][:, 0]), torch.tensor(y[chosen]))
        loss.backward()
        optimizer.step()
    trainer = Trainer(network, Momentum(0.9), RATE, Constant(), UPDATES)
    list(fit(trainer, X, y, 10, np.random.default_rng(1)))
    for name, tensor in theta.items():
        np.testing.assert_allclose(network.parameters[name], tensor.detach().numpy(), rtol=0, atol=1e-6, err_msg=name)
    for name, tensor in kept.items():
        np.testing.assert_allclose(network.state[name][:, 0], tensor.numpy(), rtol=0, atol=1e-6, err_msg=name)


def logits(theta: list[Any], X: Array, activation: str | None, masks: list[Array]) -> Any:
    """Return the logits of a network of these parameters, in PyTorch, (examples, classes)."""
    A = torch.tensor(X.T)
    for W, b, mask in zip(theta[:-2:2], theta[1:-2:2], masks, strict=True):
        A = activate(activation, functional.linear(A, W, b[:, 0])) * torch.tensor(mask.T)
    return functional.linear(A, theta[-2], theta[-1][:, 0])


@pytest.mark.parametrize("activation", [*THEIRS, None])
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_deep_random_networks(activation: str | None, rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hidden = [int(units) for units in rng.integers(3, 9, size=5)]
    network = build([FEATURES, *hidden, CLASSES], activation, Uniform(-1, 1), rng, rate, np.float64)
    X, y = rng.normal(size=(FEATURES, EXAMPLES)), rng.integers(CLASSES, size=EXAMPLES)
    masks: list[Array] = [np.ones((units, EXAMPLES)) for units in hidden]
    if rate:  # the same generator draws the same masks, one layer after the other
        again = np.random.default_rng(9)
        masks = [Dropout(ones.shape[:1], Start(rng), rate=rate).forward(ones, again) for ones in masks]

    theta = [leaf(array) for array in network.parameters.values()]
    loss = functional.cross_entropy(logits(theta, X, activation, masks), torch.tensor(y))
    loss.backward()
    Z = network.forward(X, np.random.default_rng(9))
    assert cross_entropy(Z, y, EXAMPLES) == pytest.approx(loss.item(), rel=1e-12)
    network.backward(cross_entropy_gradient(Z, y, EXAMPLES))
    for ours, theirs in zip(network.gradients.values(), theta, strict=True):
        close(ours, theirs)


# each of our optimizers with PyTorch's of the same formula, with options unlike either's defaults
PAIRS: dict[str, tuple[Optimizer, Callable[[Any], Any]]] = {
    "gradient-descent": (GradientDescent(), lambda groups: torch.optim.SGD(groups, lr=RATE)),
    "momentum": (Momentum(0.8), lambda groups: torch.optim.SGD(groups, lr=RATE, momentum=0.8)),
    "nesterov": (Nesterov(0.8), lambda groups: torch.optim.SGD(groups, lr=RATE, momentum=0.8, nesterov=True)),
    "rmsprop": (RMSProp(0.9, 1e-3), lambda groups: torch.optim.RMSprop(groups, lr=RATE, alpha=0.9, eps=1e-3)),
    "adam": (Adam(0.8, 0.95, 1e-3), lambda groups: torch.optim.Adam(groups, lr=RATE, betas=(0.8, 0.95), eps=1e-3)),
}


def warm_up_then_cosine(optimizer: Any) -> Any:
    """Return PyTorch's scheduler of a warm-up of 10 updates, then a cosine over the rest."""
    rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / 10, total_iters=9)
    fall = lr_scheduler.CosineAnnealingLR(optimizer, T_max=UPDATES - 10)
    return lr_scheduler.SequentialLR(optimizer, [rise, fall], milestones=[10])


SCHEDULERS: dict[str, tuple[Schedule, Callable[[Any], Any]]] = {
    "constant": (Constant(), lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda done: 1.0)),
    "steps": (Steps([20, 35], 0.3), lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [20, 35], gamma=0.3)),
    "cosine": (Cosine(), lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=UPDATES)),
    "cosine-warm-up": (Cosine(warmup=10), warm_up_then_cosine),
}


def test_every_optimizer_and_schedule_of_the_tables_has_a_counterpart() -> None:
    assert [type(ours) for ours, _ in PAIRS.values()] == list(OPTIMIZERS.values())
    assert {type(ours) for ours, _ in SCHEDULERS.values()} == set(SCHEDULES.values())


def random_start() -> tuple[Network, Array, Labels]:
    """Return the network and the examples that both begin with."""
    rng = np.random.default_rng(0)
    network = build([FEATURES, 8, 6, CLASSES], "relu", Uniform(-0.5, 0.5), rng, dtype=np.float64)
    return network, np.asfortranarray(rng.normal(size=(FEATURES, EXAMPLES))), rng.integers(CLASSES, size=EXAMPLES)


def train_in_torch(
    network: Network,
    batches: list[tuple[Array, Labels]],
    optimizer_of: Callable[[Any], Any],
    scheduler_of: Callable[[Any], Any],
    weight_decay: float,
) -> list[Array]:
    """Return the parameters after one update of PyTorch from each batch, beginning with those of the network."""
    theta = [leaf(array) for array in network.parameters.values()]
    optimizer = optimizer_of([{"params": theta[::2], "weight_decay": weight_decay}, {"params": theta[1::2]}])
    scheduler = scheduler_of(optimizer)
    for X, y in batches:
        optimizer.zero_grad()
        functional.cross_entropy(logits(theta, X, "relu", [np.ones((1, 1))] * 2), torch.tensor(y)).backward()
        optimizer.step()
        scheduler.step()
    return [tensor.detach().numpy() for tensor in theta]


def assert_follows(network: Network, start: dict[str, Array], theirs: list[Array]) -> None:
    """Check that the training moved each parameter, and to where PyTorch did."""
    for (name, theta), expected in zip(network.parameters.items(), theirs, strict=True):
        assert np.abs(theta - start[name]).max() > 1e-2, f"{name} was hardly trained"
        np.testing.assert_allclose(theta, expected, rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("optimizer", PAIRS)
@pytest.mark.parametrize("schedule", SCHEDULERS)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_a_run_of_full_batches(optimizer: str, schedule: str, weight_decay: float) -> None:
    network, X, y = random_start()
    start = {name: theta.copy() for name, theta in network.parameters.items()}
    ours, theirs = PAIRS[optimizer]
    factors, scheduler = SCHEDULERS[schedule]
    expected = train_in_torch(network, [(X, y)] * UPDATES, theirs, scheduler, weight_decay)
    trainer = Trainer(network, ours, RATE, factors, UPDATES, weight_decay)
    list(fit(trainer, X, y, None, np.random.default_rng(0)))
    assert trainer.update == UPDATES
    assert_follows(network, start, expected)


@pytest.mark.parametrize("optimizer", PAIRS)
def test_a_run_of_mini_batches(optimizer: str) -> None:
    network, X, y = random_start()
    start = {name: theta.copy() for name, theta in network.parameters.items()}
    rng, size = np.random.default_rng(1), 6  # 4 batches an epoch, the last one of 2
    batches = [(X[:, chosen], y[chosen]) for _ in range(13) for chosen in epoch_batches(len(y), size, rng)]
    ours, theirs = PAIRS[optimizer]
    expected = train_in_torch(network, batches[:UPDATES], theirs, SCHEDULERS["constant"][1], 0.1)
    list(fit(Trainer(network, ours, RATE, Constant(), UPDATES, 0.1), X, y, size, np.random.default_rng(1)))
    assert_follows(network, start, expected)


def convolutional_logits(theta: list[Any], X: Array) -> Any:
    """Return the logits of the network below of these parameters, in PyTorch, (examples, classes)."""
    A = torch.tensor(np.moveaxis(images_of(X, (8, 8, 1)), 3, 1))
    A = torch.relu(functional.conv2d(A, theta[0].reshape(4, 3, 3, 1).permute(0, 3, 1, 2), theta[1][:, 0]))
    A = functional.max_pool2d(A, 2)
    A = torch.relu(functional.conv2d(A, theta[2].reshape(5, 3, 3, 4).permute(0, 3, 1, 2), theta[3][:, 0], 1, 1))
    A = functional.avg_pool2d(A, 3).permute(0, 2, 3, 1).flatten(1)
    return functional.linear(A, theta[4], theta[5][:, 0])


def test_a_run_of_a_convolutional_network(rng: np.random.Generator) -> None:
    layers: list[Maker] = [
        *(partial(Convolution, filters=4, size=3), ReLU, partial(MaxPooling, size=2)),
        *(partial(Convolution, filters=5, size=3, padding=1), ReLU, partial(AveragePooling, size=3)),
        partial(Affine, units=CLASSES),
    ]
    network = Network((8, 8, 1), Start(rng, Uniform(-0.5, 0.5), np.float64), layers=layers)
    X, y = np.asfortranarray(rng.normal(size=(64, EXAMPLES))), rng.integers(CLASSES, size=EXAMPLES)
    start = {name: array.copy() for name, array in network.parameters.items()}
    theta = [leaf(array) for array in network.parameters.values()]
    optimizer = PAIRS["adam"][1]([{"params": theta}])
    for _ in range(UPDATES):
        optimizer.zero_grad()
        functional.cross_entropy(convolutional_logits(theta, X), torch.tensor(y)).backward()
        optimizer.step()
    list(fit(Trainer(network, PAIRS["adam"][0], RATE, Constant(), UPDATES), X, y, None, np.random.default_rng(0)))
    assert_follows(network, start, [tensor.detach().numpy() for tensor in theta])


def assert_a_run_follows(network: Network, their_logits: Callable[[dict[str, Any], Any], Any]) -> None:
    """Check 50 updates of Adam with weight decay from full batches; PyTorch's logits are (examples, classes)."""
    rng = np.random.default_rng(1)
    X = np.asfortranarray(rng.normal(size=(int(np.prod(network.input_shape)), EXAMPLES)))
    y = rng.integers(CLASSES, size=EXAMPLES)
    start = {name: array.copy() for name, array in network.parameters.items()}
    theta = {name: leaf(array) for name, array in network.parameters.items()}
    decayed = [theta.pop(name) for name in network.decayed]
    optimizer = PAIRS["adam"][1]([{"params": decayed, "weight_decay": 0.1}, {"params": theta.values()}])
    theta |= dict(zip(network.decayed, decayed, strict=True))
    for _ in range(UPDATES):
        optimizer.zero_grad()
        images = torch.tensor(X.T.reshape(-1, *network.input_shape))
        functional.cross_entropy(their_logits(theta, images), torch.tensor(y)).backward()
        optimizer.step()
    list(fit(Trainer(network, PAIRS["adam"][0], RATE, Constant(), UPDATES, 0.1), X, y, None, np.random.default_rng(0)))
    assert_follows(network, start, [theta[name].detach().numpy() for name in start])


def test_a_run_of_a_convolutional_network_with_batch_normalization(rng: np.random.Generator) -> None:
    layers: list[Maker] = [partial(Convolution, filters=4, size=3), ReLU, partial(MaxPooling, size=2)]
    layers += [BatchNormalization, partial(Affine, units=CLASSES)]

    def their_logits(theta: dict[str, Any], images: Any) -> Any:
        A = functional.conv2d(images.permute(0, 3, 1, 2), theta["0.W"].reshape(4, 1, 3, 3), theta["0.b"][:, 0])
        A = functional.max_pool2d(torch.relu(A), 2)
        A = functional.batch_norm(A, None, None, theta["3.gamma"][:, 0], theta["3.beta"][:, 0], training=True)
        return functional.linear(A.permute(0, 2, 3, 1).flatten(1), theta["4.W"], theta["4.b"][:, 0])

    assert_a_run_follows(Network((8, 8, 1), Start(rng, Uniform(-0.5, 0.5), np.float64), layers=layers), their_logits)


def test_a_run_of_a_transformer(rng: np.random.Generator) -> None:
    width, heads = 6, 2
    perceptron: list[Maker] = [partial(Convolution, filters=9, size=1), GELU, partial(Convolution, filters=6, size=1)]
    block: list[Maker] = [
        partial(Residual, layers=[LayerNormalization, partial(Attention, heads=heads)]),
        partial(Residual, layers=[LayerNormalization, *perceptron]),
    ]
    layers: list[Maker] = [partial(Convolution, filters=width, size=2, stride=2), Positions, *block, *block]
    layers += [LayerNormalization, partial(AveragePooling, size=3), partial(Affine, units=CLASSES)]

    def their_logits(theta: dict[str, Any], images: Any) -> Any:
        def normalized(A: Any, name: str) -> Any:
            scale, shift = (theta[f"{name}.{each}"][:, 0] for each in ("gamma", "beta"))
            return functional.layer_norm(A, (width,), scale, shift)

        def linear(A: Any, name: str, of: str = "") -> Any:
            return functional.linear(A, theta[f"{name}.W{of}"], theta[f"{name}.b{of}"][:, 0])

        A = images.reshape(-1, 3, 2, 3, 2).permute(0, 1, 3, 2, 4).reshape(-1, 9, 4)  # the patches
        A = linear(A, "0") + theta["1.b"].reshape(9, width)
        for k in (2, 4):
            Q, K, V = (
                each.reshape(-1, 9, heads, width // heads).transpose(1, 2)
                for each in linear(normalized(A, f"{k}.0"), f"{k}.1").split(width, -1)
            )
            O = functional.scaled_dot_product_attention(Q, K, V).transpose(1, 2).flatten(2)
            A = A + linear(O, f"{k}.1", "_O")
            hidden = functional.gelu(linear(normalized(A, f"{k + 1}.0"), f"{k + 1}.1"), approximate="tanh")
            A = A + linear(hidden, f"{k + 1}.3")
        return linear(normalized(A, "6").mean(1), "8")

    assert_a_run_follows(Network((6, 6, 1), Start(rng, Uniform(-0.5, 0.5), np.float64), layers=layers), their_logits)


@pytest.mark.parametrize(("ours", "theirs"), [(RMSProp(), "RMSprop"), (Adam(), "Adam")])
def test_the_defaults_are_those_of_torch(ours: Any, theirs: str) -> None:
    defaults = getattr(torch.optim, theirs)([leaf(np.ones(1))]).defaults
    assert ours.epsilon == defaults["eps"]
    if isinstance(ours, Adam):
        assert (ours.beta1, ours.beta2) == defaults["betas"]
    else:
        assert ours.decay == defaults["alpha"]
