"""Each contestant learns, at the rate and in the steps of its work."""

from typing import Any

import numpy as np
import pytest

from benchmarks.contestants import CONTESTANTS, Images, Labels, Work
from stages.claims import as_printed
from stages.nn.training import Trainer

PACKAGES = {"scikit-learn": "sklearn", "PyTorch": "torch", "JAX jit": "jax"}
LEARNERS = [name for name in CONTESTANTS if name != "bare products"]
FULL_BATCH_ALONE = ("plain loop, float64", "plain loop, float32")
SIZES, M = (10, 16, 10), 40


def examples() -> tuple[Images, Labels]:
    """Return images of ten pixels, of which the one of the class is the brightest."""
    y = np.arange(M) % 10
    noise = np.random.default_rng(0).random((10, M)) / 2
    return np.asfortranarray(np.eye(10)[:, y] + noise, np.float32), y


def accuracy(name: str, work: Work, rounds: int) -> tuple[float, float]:
    """Return the accuracies on the examples after one round and after so many more."""
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason="`make test-engines` installs the peers")
    X, y = examples()
    X.flags.writeable = y.flags.writeable = False
    train, predict = CONTESTANTS[name](work, X, y)
    train()
    before = float((predict(X) == y).mean())
    for _ in range(rounds):
        train()
    return before, float((predict(X) == y).mean())


@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("name", LEARNERS)
def test_it_learns(name: str, batch_size: int | None) -> None:
    if batch_size and name in FULL_BATCH_ALONE:
        pytest.skip("trains on the full batch alone")
    before, after = accuracy(name, Work("fast", SIZES, batch_size, learning_rate=1.0), rounds=150)
    assert before < 0.7 < 0.9 < after


@pytest.mark.parametrize("name", LEARNERS)
def test_it_does_not_learn_at_a_rate_of_nearly_nothing(name: str) -> None:
    before, after = accuracy(name, Work("slow", SIZES, None, learning_rate=1e-12), rounds=20)
    assert before == after < 0.7


@pytest.mark.parametrize(("batch_size", "updates"), [(None, 7), (16, 3), (20, 2), (M, 1)])
def test_a_round_of_ours_is_so_many_updates_or_an_epoch(
    batch_size: int | None, updates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(Trainer, "step", lambda _, X, y: seen.append(len(y)))
    train, _ = CONTESTANTS["ours"](Work("", SIZES, batch_size, updates=7), *examples())
    train()
    assert len(seen) == updates
    assert sum(seen) == (7 * M if batch_size is None else M)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_round_of_the_plain_loop_is_so_many_updates_in_its_precision(
    dtype: type[np.floating[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def update(parameters: Any, X: Any, y: Any, rate: float) -> Any:
        seen.append((rate, X.dtype, *(theta.dtype for layer in parameters for theta in layer)))
        return parameters

    monkeypatch.setattr(as_printed, "update", update)
    train, _ = CONTESTANTS[f"plain loop, {np.dtype(dtype)}"](Work("", SIZES, None, 0.3, updates=7), *examples())
    train()
    assert seen == 7 * [(0.3, *5 * [dtype])]


@pytest.mark.parametrize(("batch_size", "passes"), [(None, 7), (16, 3), (M, 1)])
def test_the_bare_products_are_those_of_both_passes(
    batch_size: int | None, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []
    matmul = np.matmul

    def spy(A: Any, B: Any, out: Any) -> Any:
        shapes.append((A.shape, B.shape))
        return matmul(A, B, out=out)

    X, y = examples()
    X.flags.writeable = False
    train, predict = CONTESTANTS["bare products"](Work("", SIZES, batch_size, updates=7), X, y)
    monkeypatch.setattr(np, "matmul", spy)
    train()
    m = batch_size or M
    forward = [((16, 10), (10, m)), ((10, 16), (16, m))]
    backward = [((10, m), (m, 16)), ((16, 10), (10, m)), ((16, m), (m, 10))]  # dW2, dA1, dW1
    assert shapes == passes * (forward + backward)
    assert predict(X).shape == (M,)
