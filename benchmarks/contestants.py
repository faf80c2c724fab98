"""The contestants: each trains the same network on the same examples from the same start, by its own means.

A contestant is a function of a work and its data. It returns one function that trains for a round (a few full-batch
updates or one epoch of mini-batches), and one that returns the logits of examples, with any number added to a column.
Importing a peer's library is part of its cold start.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

THREADS = 2  # of each contestant

Images = NDArray[np.float32]
Labels = NDArray[np.integer[Any]]
Train = Callable[[], None]
Logits = Callable[[Images], NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Work:
    """What is trained; batch_size None takes all examples, and a round is then so many updates, else an epoch.

    The examples are the first so many of the training images, all if `images` is None.
    Ours takes a batch in so many parts, each in a thread of its own as long as there are threads, with so many threads
    of the BLAS library in its products.
    """

    name: str
    layer_sizes: tuple[int, ...]
    batch_size: int | None
    learning_rate: float = 0.1
    updates: int = 5
    parts: int = 1
    blas_threads: int = THREADS
    images: int | None = None

    def start(self) -> list[tuple[Images, Images]]:
        """Return W of shape (units, inputs) and b of shape (units, 1) of each layer, before the first update."""
        rng = np.random.default_rng(0)
        return [
            (
                (rng.standard_normal((units, inputs)) * np.sqrt(2 / inputs)).astype(np.float32),
                np.zeros((units, 1), np.float32),
            )
            for inputs, units in pairwise(self.layer_sizes)
        ]


def ours(work: Work, X: Images, y: Labels) -> tuple[Train, Logits]:
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
    started = [theta for layer in work.start() for theta in layer]
    for theta, value in zip(network.parameters.values(), started, strict=True):
        theta[...] = value
    trainer = Trainer(
        network, GradientDescent(), work.learning_rate, Constant(), updates=1, parts=work.parts, threads=THREADS
    )
    blas = ThreadpoolController()

    def train() -> None:
        with blas.limit(limits=work.blas_threads, user_api="blas"):
            for _ in range(work.updates if work.batch_size is None else 1):
                for chosen in epoch_batches(len(y), work.batch_size, rng):
                    trainer.step(X, y, chosen)

    return train, network.forward


def bare_products(work: Work, X: Images, y: Labels) -> tuple[Train, Logits]:
    """Do the matrix products of a round of ours and nothing else: the same parts, blocks and threads."""
    from stages.nn.parts import columns_of_part

    m = X.shape[1]
    size = work.batch_size or m
    batches = [m] * work.updates if work.batch_size is None else [*m // size * [size], *filter(None, [m % size])]
    Ws = [W for W, _ in work.start()]
    products = {
        length: [
            _passes(Ws, np.asfortranarray(X[:, columns_of_part(part, work.parts, length)]))
            for part in range(work.parts)
        ]
        for length in set(batches)
    }
    threads = min(THREADS, work.parts)
    others, blas = ThreadPoolExecutor(max(threads - 1, 1)), ThreadpoolController()

    def multiply(parts: list[Train]) -> None:
        for passes in parts:
            passes()

    def train() -> None:
        with blas.limit(limits=work.blas_threads, user_api="blas"):
            for length in batches:
                shares = [products[length][thread::threads] for thread in range(threads)]
                running = [others.submit(multiply, share) for share in shares[1:]]
                multiply(shares[0])
                for other in running:
                    other.result()

    return train, lambda X_test: np.zeros((work.layer_sizes[-1], X_test.shape[1]))


def _passes(Ws: list[Images], X: Images) -> Train:
    """Return a function that makes the products of both passes over X, a block of columns after the other."""
    from stages.nn.parts import BLOCK

    blocks = [X[:, start : start + BLOCK] for start in range(0, X.shape[1], BLOCK)]
    memory = {m: [np.empty((len(W), m), np.float32) for W in Ws] for m in {block.shape[1] for block in blocks}}
    dWs = [np.empty_like(W) for W in Ws]

    def passes() -> None:
        for block in blocks:
            As = [block, *memory[block.shape[1]]]
            for W, A, Z in zip(Ws, As, As[1:], strict=False):
                np.matmul(W, A, out=Z)
            for layer in reversed(range(len(Ws))):
                np.matmul(As[layer + 1], As[layer].T, out=dWs[layer])
                if layer:
                    np.matmul(Ws[layer].T, As[layer + 1], out=As[layer])

    return passes


def plain_loop(work: Work, X: Images, y: Labels, dtype: type[np.floating[Any]]) -> tuple[Train, Logits]:
    """Train as the write-ups print it: always on the full batch, a new array at every step."""
    from stages.claims import as_printed

    parameters = [(W.astype(dtype), b.astype(dtype)) for W, b in work.start()]
    X = np.ascontiguousarray(X, dtype)

    def train() -> None:
        nonlocal parameters
        for _ in range(work.updates):
            parameters = as_printed.update(parameters, X, y, work.learning_rate)

    return train, lambda X_test: as_printed.forward(parameters, X_test)[0][-1]


def scikit_learn(work: Work, X: Images, y: Labels) -> tuple[Train, Logits]:
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
    first = slice(model.batch_size)
    model.partial_fit(
        rows[first], y[first], classes=np.arange(work.layer_sizes[-1])
    )  # makes what the start is put into
    for coefs, intercepts, (W, b) in zip(model.coefs_, model.intercepts_, work.start(), strict=True):
        coefs[...], intercepts[...] = W.T, b[:, 0]

    def train() -> None:
        model.partial_fit(rows, y)

    def logits(X_test: Images) -> NDArray[np.floating[Any]]:
        with np.errstate(divide="ignore"):
            of_columns: NDArray[np.floating[Any]] = np.log(model.predict_proba(X_test.T).T)
        return of_columns

    return train, logits


def pytorch(work: Work, X: Images, y: Labels) -> tuple[Train, Logits]:
    """PyTorch in eager mode on the CPU, in its ordinary loop."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    layers: list[torch.nn.Module] = []
    for W, b in work.start():
        linear = torch.nn.Linear(W.shape[1], W.shape[0])
        linear.load_state_dict({"weight": torch.from_numpy(W), "bias": torch.from_numpy(b[:, 0])})
        layers += [linear, torch.nn.ReLU()]
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

    def logits(X_test: Images) -> NDArray[np.floating[Any]]:
        with torch.no_grad():
            of_columns: NDArray[np.floating[Any]] = model(torch.from_numpy(np.ascontiguousarray(X_test.T))).numpy().T
        return of_columns

    return train, logits


def jax(work: Work, X: Images, y: Labels) -> tuple[Train, Logits]:
    """JAX with a whole round compiled as one function: shuffle, gather and all updates."""
    import jax
    import jax.numpy as jnp

    parameters = [(jnp.asarray(W.T), jnp.asarray(b[:, 0])) for W, b in work.start()]
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

    return train, lambda X_test: np.asarray(logits(parameters, jnp.asarray(X_test.T))).T


Contestant = Callable[[Work, Images, Labels], tuple[Train, Logits]]

BARE = "bare products"  # the one that does not learn, nor says that it does
CONTESTANTS: dict[str, Contestant] = {
    "ours": ours,
    "plain loop, float64": partial(plain_loop, dtype=np.float64),
    "plain loop, float32": partial(plain_loop, dtype=np.float32),
    "scikit-learn": scikit_learn,
    "PyTorch": pytorch,
    "JAX jit": jax,
    BARE: bare_products,
}
