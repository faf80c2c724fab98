"""Contestants that train networks of images with Adam: a convolutional network and a transformer.

As in `benchmarks.contestants`, all train the same network on the same examples from the same start, each by its own
means and in the form that is the fastest of those tried. `layer_sizes` of a work begin with the features and end with
the classes. Between them a convolutional network has the filters of two convolutions of 5 x 5, each with ReLU and
max-pooling of 2, and the units of an affine layer with ReLU and dropout; a transformer has the width of a token and the
units of the perceptrons in its two blocks.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from benchmarks.contestants import THREADS, Contestant, Images, Labels, Logits, Train, Work

SIZE, DROPOUT = 5, 0.3  # of the convolutional network
PATCH, HEADS, BLOCKS = 4, 4, 2  # of the transformer
BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam
TOGETHER = 1_000  # examples whose logits are computed together


def convolutional_network(work: Work) -> Any:
    """Return the network of this project, as it is before the first update."""
    from stages.nn.affine import Affine
    from stages.nn.convolution import Convolution
    from stages.nn.dropout import Dropout
    from stages.nn.layer import Maker, Start
    from stages.nn.max_pooling import MaxPooling
    from stages.nn.network import Network
    from stages.nn.relu import ReLU

    pixels, *filters, units, classes = work.layer_sizes
    layers: list[Maker] = []
    for channels in filters:
        layers += [partial(Convolution, filters=channels, size=SIZE), ReLU, partial(MaxPooling, size=2)]
    layers += [partial(Affine, units=units), ReLU, partial(Dropout, rate=DROPOUT), partial(Affine, units=classes)]
    side = math.isqrt(pixels)
    return Network((side, side, 1), Start(np.random.default_rng(0)), layers=layers)


def ours(work: Work, X: Images, y: Labels, build: Callable[[Work], Any]) -> tuple[Train, Logits]:
    """Train the network of this project, through the same functions as the training stage."""
    from stages.nn.optimizers import Adam
    from stages.nn.schedules import Constant
    from stages.nn.training import Trainer

    network = build(work)
    trainer = Trainer(network, Adam(), work.learning_rate, Constant(), updates=1, parts=work.parts, threads=THREADS)
    blas, rng = ThreadpoolController(), np.random.default_rng(0)

    def train() -> None:
        with blas.limit(limits=work.blas_threads, user_api="blas"):
            for chosen in shuffled(work, len(y), rng):
                trainer.step(X, y, chosen)

    return train, in_blocks(network.forward)


def shuffled(work: Work, m: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield the mini-batches of a round, as indices of examples."""
    order = rng.permutation(m)
    assert work.batch_size is not None
    yield from (order[start : start + work.batch_size] for start in range(0, m, work.batch_size))


def in_blocks(logits: Logits) -> Logits:
    """Return a function that computes logits of some columns after the other: all at once they may need gigabytes."""

    def of_all(X: Images) -> NDArray[np.floating[Any]]:
        blocks = (X[:, start : start + TOGETHER] for start in range(0, X.shape[1], TOGETHER))
        return np.concatenate([np.array(logits(block)) for block in blocks], axis=1)

    return of_all


def in_torch(work: Work, X: Images, y: Labels, model: Any) -> tuple[Train, Logits]:
    """Train a model of PyTorch in eager mode on the CPU, in its ordinary loop; it takes images as rows."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    optimizer = torch.optim.Adam(model.parameters(), lr=work.learning_rate, betas=BETAS, eps=EPSILON)
    rows, labels = torch.from_numpy(np.array(X.T, order="C")), torch.from_numpy(y.astype(np.int64))

    def train() -> None:
        model.train()
        for chosen in torch.randperm(len(labels)).split(work.batch_size):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(rows[chosen]), labels[chosen]).backward()
            optimizer.step()

    def logits(X_test: Images) -> NDArray[np.floating[Any]]:
        model.eval()
        with torch.no_grad():
            of_columns: NDArray[np.floating[Any]] = model(torch.from_numpy(np.array(X_test.T, order="C"))).numpy().T
        return of_columns

    return train, in_blocks(logits)


def in_jax(work: Work, X: Images, y: Labels, theta: Any, logits: Callable[..., Any]) -> tuple[Train, Logits]:
    """Train a function of parameters, images as rows, and a key or None, with each update compiled as one function.

    A whole round as one function, a loop over updates, is slower where there are convolutions.
    """
    import jax
    import jax.numpy as jnp

    rows, labels = jnp.asarray(X.T), jnp.asarray(y)
    beta1, beta2 = BETAS

    def loss(theta: Any, X_batch: Any, y_batch: Any, key: Any) -> Any:
        log_A = jax.nn.log_softmax(logits(theta, X_batch, key))
        return -jnp.take_along_axis(log_A, y_batch[:, None], axis=1).mean()

    @partial(jax.jit, donate_argnums=0)
    def update(state: Any, chosen: Any) -> Any:
        theta, v, s, t, key = state
        key, subkey = jax.random.split(key)
        g = jax.grad(loss)(theta, rows[chosen], labels[chosen], subkey)
        t += 1
        v = jax.tree.map(lambda v, g: beta1 * v + (1 - beta1) * g, v, g)
        s = jax.tree.map(lambda s, g: beta2 * s + (1 - beta2) * g**2, s, g)

        def moved(theta: Any, v: Any, s: Any) -> Any:
            return theta - work.learning_rate * (v / (1 - beta1**t)) / (jnp.sqrt(s / (1 - beta2**t)) + EPSILON)

        return jax.tree.map(moved, theta, v, s), v, s, t, key

    v, s = (jax.tree.map(jnp.zeros_like, theta) for _ in range(2))
    state = jax.tree.map(jnp.array, theta), v, s, jnp.float32(0), jax.random.key(0)
    rng = np.random.default_rng(0)
    predict = jax.jit(lambda theta, A: logits(theta, A, None))

    def train() -> None:
        nonlocal state
        for chosen in shuffled(work, len(y), rng):
            state = update(state, chosen)
        jax.block_until_ready(state)

    return train, in_blocks(lambda X_test: np.asarray(predict(state[0], jnp.asarray(X_test.T))).T)


def kernels(W: Images, channels: int) -> Images:
    """Return the weights of a convolution, (filters, size size channels), as (filters, channels, size, size)."""
    return np.ascontiguousarray(W.reshape(len(W), SIZE, SIZE, channels).transpose(0, 3, 1, 2))


def channels_first(W: Images, channels: int) -> Images:
    """Return the weights of an affine layer on images, whose features are sorted by channel in place of by pixel."""
    return np.ascontiguousarray(W.reshape(len(W), -1, channels).swapaxes(1, 2).reshape(W.shape))


def at_start(work: Work) -> list[tuple[Images, Images]]:
    """Return W and b of each layer with parameters, (units, inputs) and (units,), before the first update."""
    theta = list(convolutional_network(work).parameters.values())
    return [(W, b[:, 0]) for W, b in zip(theta[::2], theta[1::2], strict=True)]


def convolutional_pytorch(work: Work, X: Images, y: Labels) -> tuple[Train, Logits]:
    """PyTorch, images with the channels first, as is its default."""
    import torch
    from torch import nn

    (W1, b1), (W2, b2), (W3, b3), (W4, b4) = at_start(work)
    of_first, of_second = len(W1), len(W2)
    side = math.isqrt(len(X))
    model = nn.Sequential(
        nn.Unflatten(1, (1, side, side)),
        *(nn.Conv2d(1, of_first, SIZE), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(of_first, of_second, SIZE), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(*W3.shape[::-1]), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(*W4.shape[::-1])),
    )
    Ws = kernels(W1, 1), kernels(W2, of_first), channels_first(W3, of_second), W4
    with torch.no_grad():
        for theta, value in zip(
            model.parameters(),
            [theta for layer in zip(Ws, (b1, b2, b3, b4), strict=True) for theta in layer],
            strict=True,
        ):
            theta.copy_(torch.from_numpy(value))
    return in_torch(work, X, y, model)


def convolutional_jax(work: Work, X: Images, y: Labels) -> tuple[Train, Logits]:
    """JAX, images with the channels last; a window that moves, its own pooling, is slower than a reshape."""
    import jax
    import jax.numpy as jnp

    side = math.isqrt(len(X))

    def logits(theta: Any, A: Any, key: Any) -> Any:
        A = A.reshape(-1, side, side, 1)
        for W, b in theta[:2]:
            kernel = W.reshape(len(W), SIZE, SIZE, -1).transpose(1, 2, 3, 0)
            axes = ("NHWC", "HWIO", "NHWC")
            A = jax.nn.relu(jax.lax.conv_general_dilated(A, kernel, (1, 1), "VALID", dimension_numbers=axes) + b)
            m, height, width, channels = A.shape
            A = A.reshape(m, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))
        (W3, b3), (W4, b4) = theta[2:]
        A = jax.nn.relu(A.reshape(len(A), -1) @ W3.T + b3)
        if key is not None:
            A = jnp.where(jax.random.bernoulli(key, 1 - DROPOUT, A.shape), A / (1 - DROPOUT), 0)
        return A @ W4.T + b4

    return in_jax(work, X, y, at_start(work), logits)


def convolutional_mygrad(work: Work, X: Images, y: Labels) -> tuple[Train, Logits]:
    """MyGrad, which differentiates NumPy, without its guard against writing into arrays of a graph."""
    import mygrad
    from mygrad.nnet import conv_nd, max_pool, relu
    from mygrad.nnet.losses import softmax_crossentropy

    mygrad.turn_memory_guarding_off()
    (W1, b1), (W2, b2), (W3, b3), (W4, b4) = at_start(work)
    side = math.isqrt(len(X))
    arrays = [
        *(kernels(W1, 1), b1.reshape(-1, 1, 1), kernels(W2, len(W1)), b2.reshape(-1, 1, 1)),
        *(channels_first(W3, len(W2)).T, b3, W4.T, b4),
    ]
    theta = [mygrad.tensor(np.array(array)) for array in arrays]
    states = [[np.zeros_like(array) for _ in range(2)] for array in arrays]
    rows, rng, t = np.array(X.T, order="C").reshape(-1, 1, side, side), np.random.default_rng(0), 0
    beta1, beta2 = BETAS

    def logits(A: Any, mask: Callable[[Any], Any]) -> Any:
        for W, b in (theta[:2], theta[2:4]):
            A = max_pool(relu(conv_nd(A, W, stride=1) + b), (2, 2), 2)
        A = relu(A.reshape(len(A), -1) @ theta[4] + theta[5])
        return mask(A) @ theta[6] + theta[7]

    def dropout(A: Any) -> Any:
        kept = rng.random(A.shape, np.float32) >= DROPOUT
        return A * (kept / np.float32(1 - DROPOUT)).astype(np.float32)

    def train() -> None:
        nonlocal t
        for chosen in shuffled(work, len(y), rng):
            softmax_crossentropy(logits(rows[chosen], dropout), y[chosen]).backward()
            t += 1
            for tensor, (v, s) in zip(theta, states, strict=True):
                v[...] = beta1 * v + (1 - beta1) * tensor.grad
                s[...] = beta2 * s + (1 - beta2) * tensor.grad**2
                tensor.data -= work.learning_rate * (v / (1 - beta1**t)) / (np.sqrt(s / (1 - beta2**t)) + EPSILON)

    def predict(X_test: Images) -> NDArray[np.floating[Any]]:
        with mygrad.no_autodiff:
            A = logits(np.array(X_test.T, order="C").reshape(-1, 1, side, side), lambda A: A)
        of_columns: NDArray[np.floating[Any]] = A.data.T
        return of_columns

    return train, in_blocks(predict)


def transformer_network(work: Work) -> Any:
    """Return the transformer of this project, as it is before the first update."""
    from stages.nn.affine import Affine
    from stages.nn.attention import Attention
    from stages.nn.average_pooling import AveragePooling
    from stages.nn.convolution import Convolution
    from stages.nn.layer import Maker, Start
    from stages.nn.layer_normalization import LayerNormalization
    from stages.nn.network import Network
    from stages.nn.positions import Positions
    from stages.nn.relu import ReLU
    from stages.nn.residual import Residual

    features, width, units, classes = work.layer_sizes
    side = math.isqrt(features)
    perceptron: list[Maker] = [
        *(partial(Convolution, filters=units, size=1), ReLU, partial(Convolution, filters=width, size=1)),
    ]
    block: list[Maker] = [
        partial(Residual, layers=[LayerNormalization, partial(Attention, heads=HEADS)]),
        partial(Residual, layers=[LayerNormalization, *perceptron]),
    ]
    layers: list[Maker] = [partial(Convolution, filters=width, size=PATCH, stride=PATCH), Positions, *block * BLOCKS]
    layers += [LayerNormalization, partial(AveragePooling, size=side // PATCH), partial(Affine, units=classes)]
    return Network((side, side, 1), Start(np.random.default_rng(0)), layers=layers)


def transformer_at_start(work: Work) -> dict[str, Images]:
    """Return the parameters before the first update, by their names in the network of this project; vectors as such."""
    parameters = transformer_network(work).parameters
    return {name: theta[:, 0] if theta.shape[1] == 1 else theta for name, theta in parameters.items()}


def transformer_logits(of: Any, theta: Any, A: Any) -> Any:
    """Return the logits of images as rows, in operations of an engine: linear, normalized, attention and relu."""
    places = math.isqrt(A.shape[1]) // PATCH
    A = A.reshape(-1, places, PATCH, places, PATCH).swapaxes(2, 3).reshape(-1, places**2, PATCH**2)
    A = of.linear(A, theta["0.W"], theta["0.b"])
    A = A + theta["1.b"].reshape(A.shape[1:])
    last = 2 + 2 * BLOCKS
    for k in range(2, last, 2):
        B = of.normalized(A, theta[f"{k}.0.gamma"], theta[f"{k}.0.beta"])
        QKV = of.linear(B, theta[f"{k}.1.W"], theta[f"{k}.1.b"]).reshape(*A.shape[:2], 3, HEADS, -1)
        O = of.attention(*(QKV[:, :, i].swapaxes(1, 2) for i in range(3))).swapaxes(1, 2).reshape(A.shape)
        A = A + of.linear(O, theta[f"{k}.1.W_O"], theta[f"{k}.1.b_O"])
        B = of.normalized(A, theta[f"{k + 1}.0.gamma"], theta[f"{k + 1}.0.beta"])
        hidden = of.relu(of.linear(B, theta[f"{k + 1}.1.W"], theta[f"{k + 1}.1.b"]))
        A = A + of.linear(hidden, theta[f"{k + 1}.3.W"], theta[f"{k + 1}.3.b"])
    B = of.normalized(A, theta[f"{last}.gamma"], theta[f"{last}.beta"]).mean(1)
    return of.linear(B, theta[f"{last + 2}.W"], theta[f"{last + 2}.b"])


def transformer_pytorch(work: Work, X: Images, y: Labels) -> tuple[Train, Logits]:
    """PyTorch, with its fused layer normalization and attention."""
    import torch
    from torch.nn import functional

    of = SimpleNamespace(
        linear=functional.linear,
        normalized=lambda A, gamma, beta: functional.layer_norm(A, gamma.shape, gamma, beta),
        attention=functional.scaled_dot_product_attention,
        relu=torch.relu,
    )
    theta = {
        name: torch.nn.Parameter(torch.from_numpy(value.copy())) for name, value in transformer_at_start(work).items()
    }

    class Transformer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.theta = torch.nn.ParameterList(theta.values())

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = transformer_logits(of, theta, rows)
            return logits

    return in_torch(work, X, y, Transformer())


def transformer_jax(work: Work, X: Images, y: Labels) -> tuple[Train, Logits]:
    """JAX, which fuses what is between the products."""
    import jax
    import jax.numpy as jnp

    def normalized(A: Any, gamma: Any, beta: Any) -> Any:
        A = A - A.mean(-1, keepdims=True)
        return gamma * A / jnp.sqrt((A**2).mean(-1, keepdims=True) + 1e-5) + beta

    def attention(Q: Any, K: Any, V: Any) -> Any:
        return jax.nn.softmax(Q @ K.swapaxes(2, 3) / math.sqrt(Q.shape[3])) @ V

    of = SimpleNamespace(
        linear=lambda A, W, b: A @ W.T + b, normalized=normalized, attention=attention, relu=jax.nn.relu
    )
    return in_jax(work, X, y, transformer_at_start(work), lambda theta, A, key: transformer_logits(of, theta, A))


CONVOLUTION: dict[str, Contestant] = {
    "ours": partial(ours, build=convolutional_network),
    "PyTorch": convolutional_pytorch,
    "JAX jit": convolutional_jax,
    "mygrad": convolutional_mygrad,
}
TRANSFORMER: dict[str, Contestant] = {
    "ours": partial(ours, build=transformer_network),
    "PyTorch": transformer_pytorch,
    "JAX jit": transformer_jax,
}
