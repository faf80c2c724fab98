"""Each contestant learns, at the rate and in the steps of its work."""

import threading
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from benchmarks.contestants import CONTESTANTS, THREADS, Images, Labels, Work
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
    X.flags.writeable = name == "PyTorch"  # it warns of what it could not write to
    y.flags.writeable = False
    train, logits = CONTESTANTS[name](work, X, y)
    train()
    before = float((logits(X).argmax(axis=0) == y).mean())
    for _ in range(rounds):
        train()
    return before, float((logits(X).argmax(axis=0) == y).mean())


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
    monkeypatch.setattr(Trainer, "step", lambda _, X, y, chosen: seen.append(M if chosen is None else len(chosen)))
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


@pytest.mark.parametrize("name", LEARNERS)
def test_all_start_from_the_same_and_make_the_same_of_it(name: str) -> None:
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason="`make test-engines` installs the peers")
    X, y = examples()
    work = Work("", SIZES, M if name == "scikit-learn" else None, updates=1)
    (W1, b1), (W2, b2) = work.start()
    bias_sum = np.sum if name in FULL_BATCH_ALONE else as_printed.row_sums  # the write-ups have one number for a layer
    A1 = np.maximum(W1 @ X + b1, 0)
    Z2 = W2 @ A1 + b2
    dZ2 = (np.exp(Z2) / np.exp(Z2).sum(axis=0) - np.eye(10)[:, y]) / M
    dZ1 = (W2.T @ dZ2) * (A1 > 0)
    A1_after = np.maximum((W1 - 0.1 * dZ1 @ X.T) @ X + b1 - 0.1 * bias_sum(dZ1), 0)
    Z2_after = (W2 - 0.1 * dZ2 @ A1.T) @ A1_after + b2 - 0.1 * bias_sum(dZ2)
    train, logits = CONTESTANTS[name](work, X, y)
    for expected in (Z2, Z2_after):
        found = logits(X)
        assert np.allclose(found - found[0], expected - expected[0], atol=1e-5)
        train()


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_ours_takes_the_parts_and_the_blas_threads_of_the_work(parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    matmul = np.matmul

    def spy(A: Any, B: Any, out: Any) -> Any:
        blas = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
        seen.add((threading.current_thread(), B.shape[1], *blas))
        return matmul(A, B, out=out)

    train, _ = CONTESTANTS["ours"](Work("", SIZES, None, updates=1, parts=parts, blas_threads=1), *examples())
    monkeypatch.setattr(np, "matmul", spy)
    with threadpool_limits(2, user_api="blas"):
        train()
    forward = {(thread, m, blas) for thread, m, blas in seen if m not in SIZES}
    assert sum(m for _, m, _ in forward) >= {1: 40, 2: 20, 3: 13 + 14}[parts]
    assert {blas for *_, blas in seen} == {1}
    assert len({thread for thread, *_ in seen}) == min(parts, THREADS)


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize(("batch_size", "batches"), [(None, [M, M]), (16, [16, 16, 8]), (M, [M])])
def test_the_bare_products_are_those_of_both_passes_of_ours(
    batch_size: int | None, batches: list[int], parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: dict[bool, list[Any]] = {True: [], False: []}  # by whether they are multiplied in the main thread
    matmul = np.matmul

    def spy(A: Any, B: Any, out: Any) -> Any:
        shapes[threading.current_thread() is threading.main_thread()].append((A.shape, B.shape))
        return matmul(A, B, out=out)

    monkeypatch.setattr("stages.nn.parts.BLOCK", 10)
    X, y = examples()
    X.flags.writeable = False
    train, logits = CONTESTANTS["bare products"](Work("", SIZES, batch_size, updates=2, parts=parts), X, y)
    monkeypatch.setattr(np, "matmul", spy)
    train()
    expected: dict[bool, list[Any]] = {True: [], False: []}
    for m in batches:
        for part in range(parts):
            left = m // parts + (part < m % parts)
            while left > 0:
                n, left = min(left, 10), left - 10
                forward = [((16, 10), (10, n)), ((10, 16), (16, n))]
                backward = [((10, n), (n, 16)), ((16, 10), (10, n)), ((16, n), (n, 10))]  # dW2, dA1, dW1
                expected[part % THREADS == 0] += forward + backward
    assert shapes == expected
    assert logits(X).shape == (10, M)
