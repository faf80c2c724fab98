"""The contestants: each trains the same network on the same examples, by its own means.

A contestant is a function of a work and its data. It returns one function that trains for a round (a few full-batch
updates or one epoch of mini-batches), and one that predicts. Importing a peer's library is part of its cold start.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
Labels = NDArray[np.integer[Any]]
Train = Callable[[], None]
Predict = Callable[[Images], Labels]


@dataclass(frozen=True)
class Work:
    """What is trained; batch_size None takes all examples, and a round is then so many updates, else an epoch."""

    name: str
    layer_sizes: tuple[int, ...]
    batch_size: int | None
    learning_rate: float = 0.1
    updates: int = 5


def ours(work: Work, X: Images, y: Labels) -> tuple[Train, Predict]:
    """Train the network of this project, through the same functions as the training stage."""
    from stages.nn.batches import epoch_batches
    from stages.nn.layer import Start
    from stages.nn.network import perceptron
    from stages.nn.optimizers import GradientDescent
    from stages.nn.relu import ReLU
    from stages.nn.schedules import Constant
    from stages.nn.training import Trainer

    rng = np.random.default_rng(0)
    network = perceptron(work.layer_sizes, ReLU, Start(rng))
    trainer = Trainer(network, GradientDescent(), work.learning_rate, Constant(), updates=1)

    def train() -> None:
        for _ in range(work.updates if work.batch_size is None else 1):
            for chosen in epoch_batches(len(y), work.batch_size, rng):
                trainer.step(X, y, chosen)

    return train, lambda X_test: network.forward(X_test).argmax(axis=0)


def bare_products(work: Work, X: Images, y: Labels) -> tuple[Train, Predict]:
    """Do the matrix products of a round and nothing else: the bound of any NumPy code."""
    m = X.shape[1]
    size = work.batch_size or m
    rng = np.random.default_rng(0)
    Ws = [rng.random((units, inputs), dtype=np.float32) for inputs, units in pairwise(work.layer_sizes)]
    X_batch = np.asfortranarray(X[:, :size])
    As = [X_batch] + [np.empty((len(W), size), np.float32) for W in Ws]
    dWs = [np.empty_like(W) for W in Ws]

    def train() -> None:
        for _ in range(work.updates if work.batch_size is None else -(-m // size)):
            for W, A, Z in zip(Ws, As, As[1:], strict=False):
                np.matmul(W, A, out=Z)
            for layer in reversed(range(len(Ws))):
                np.matmul(As[layer + 1], As[layer].T, out=dWs[layer])
                if layer:
                    np.matmul(Ws[layer].T, As[layer + 1], out=As[layer])

    return train, lambda X_test: np.zeros(X_test.shape[1], int)


def plain_loop(work: Work, X: Images, y: Labels, dtype: type[np.floating[Any]]) -> tuple[Train, Predict]:
    """Train as the write-ups print it: always on the full batch, a new array at every step."""
    from stages.claims import as_printed

    parameters = as_printed.uniform(list(work.layer_sizes), np.random.default_rng(0), dtype)
    X = np.ascontiguousarray(X, dtype)

    def train() -> None:
        nonlocal parameters
        for _ in range(work.updates):
            parameters = as_printed.update(parameters, X, y, work.learning_rate)

    return train, lambda X_test: as_printed.forward(parameters, X_test)[1][-1].argmax(axis=0)


def scikit_learn(work: Work, X: Images, y: Labels) -> tuple[Train, Predict]:
    """MLPClassifier with plain gradient descent; a call of partial_fit is an epoch."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        work.layer_sizes[1:-1],
        solver="sgd",
        momentum=0,
        alpha=0,
        learning_rate_init=work.learning_rate,
        batch_size=work.batch_size or X.shape[1],
        random_state=0,
    )
    rows = np.ascontiguousarray(X.T)
    return lambda: model.partial_fit(rows, y, classes=np.arange(10)), lambda X_test: model.predict(X_test.T)


def pytorch(work: Work, X: Images, y: Labels) -> tuple[Train, Predict]:
    """PyTorch in eager mode on the CPU, in its ordinary loop."""
    import torch

    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for inputs, units in pairwise(work.layer_sizes):
        layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=work.learning_rate)
    rows, labels = torch.from_numpy(np.ascontiguousarray(X.T)), torch.from_numpy(y.astype(np.int64))

    def step(X_batch: torch.Tensor, y_batch: torch.Tensor) -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(X_batch), y_batch).backward()
        optimizer.step()

    def train() -> None:
        if work.batch_size is None:
            for _ in range(work.updates):
                step(rows, labels)
            return
        for chosen in torch.randperm(len(labels)).split(work.batch_size):
            step(rows[chosen], labels[chosen])

    def predict(X_test: Images) -> Labels:
        with torch.no_grad():
            classes: Labels = model(torch.from_numpy(np.ascontiguousarray(X_test.T))).argmax(1).numpy()
        return classes

    return train, predict


def jax(work: Work, X: Images, y: Labels) -> tuple[Train, Predict]:
    """JAX with a whole round compiled as one function: shuffle, gather and all updates."""
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(0)
    parameters = [
        (jnp.asarray(rng.standard_normal((inputs, units)) * np.sqrt(2 / inputs), jnp.float32), jnp.zeros(units))
        for inputs, units in pairwise(work.layer_sizes)
    ]
    rows, labels = jnp.asarray(X.T), jnp.asarray(y)
    m = len(y)
    size = work.batch_size or m

    def logits(parameters: Any, A: Any) -> Any:
        for W, b in parameters[:-1]:
            A = jax.nn.relu(A @ W + b)
        W, b = parameters[-1]
        return A @ W + b

    def loss(parameters: Any, X_batch: Any, y_batch: Any) -> Any:
        log_A = jax.nn.log_softmax(logits(parameters, X_batch))
        return -jnp.take_along_axis(log_A, y_batch[:, None], axis=1).mean()

    def update(parameters: Any, X_batch: Any, y_batch: Any) -> Any:
        gradients = jax.grad(loss)(parameters, X_batch, y_batch)
        return jax.tree.map(lambda theta, g: theta - work.learning_rate * g, parameters, gradients)

    @jax.jit
    def full_batch_round(parameters: Any) -> Any:
        return jax.lax.fori_loop(0, work.updates, lambda _, theta: update(theta, rows, labels), parameters)

    @jax.jit
    def epoch(parameters: Any, key: Any) -> Any:
        order = jax.random.permutation(key, m)
        batches = order[: m // size * size].reshape(-1, size)
        parameters, _ = jax.lax.scan(
            lambda theta, chosen: (update(theta, rows[chosen], labels[chosen]), None), parameters, batches
        )
        if m % size:
            rest = order[m // size * size :]
            parameters = update(parameters, rows[rest], labels[rest])
        return parameters

    key = jax.random.key(0)

    def train() -> None:
        nonlocal parameters, key
        if work.batch_size is None:
            parameters = full_batch_round(parameters)
        else:
            key, subkey = jax.random.split(key)
            parameters = epoch(parameters, subkey)
        jax.block_until_ready(parameters)

    return train, lambda X_test: np.asarray(logits(parameters, jnp.asarray(X_test.T)).argmax(axis=1))


Contestant = Callable[[Work, Images, Labels], tuple[Train, Predict]]

CONTESTANTS: dict[str, Contestant] = {
    "ours": ours,
    "plain loop, float64": partial(plain_loop, dtype=np.float64),
    "plain loop, float32": partial(plain_loop, dtype=np.float32),
    "scikit-learn": scikit_learn,
    "PyTorch": pytorch,
    "JAX jit": jax,
    "bare products": bare_products,
}
