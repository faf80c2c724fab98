"""Each contestant that trains images learns, from the start and in the steps of its work."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from benchmarks import image_networks
from benchmarks.contestants import Contestant, Images, Labels, Work
from stages.nn.training import Trainer

PACKAGES = {"PyTorch": "torch", "JAX jit": "jax", "mygrad": "mygrad"}
CONVOLUTIONAL = Work("", (256, 3, 4, 16, 10), 20, learning_rate=0.01, parts=2, blas_threads=1)
TRANSFORMER = Work("", (256, 12, 16, 10), 20, learning_rate=0.01, parts=2, blas_threads=1)
EVERY = [
    pytest.param(work, name, contestants, id=f"{kind}-{name}")
    for kind, work, contestants in (
        ("convolution", CONVOLUTIONAL, image_networks.CONVOLUTION),
        ("transformer", TRANSFORMER, image_networks.TRANSFORMER),
    )
    for name in contestants
]
every_contestant = pytest.mark.parametrize(("work", "name", "contestants"), EVERY)
Contestants = Mapping[str, Contestant]
M = 40


def examples() -> tuple[Images, Labels]:
    """Return images of 16 x 16 pixels, with the row and the half of the class brighter than the rest."""
    y = np.arange(M) % 10
    images = np.random.default_rng(0).random((M, 16, 16)) / 4
    for image, k in zip(images, y, strict=True):
        image[3 * (k // 2) : 3 * (k // 2) + 3, 8 * (k % 2) : 8 * (k % 2) + 8] += 1
    X = np.asfortranarray(images.reshape(M, -1).T, np.float32)
    X.flags.writeable = y.flags.writeable = False
    return X, y


def started(work: Work, name: str, contestants: Contestants) -> tuple[Any, Any, Images, Labels]:
    """Return how a contestant trains and predicts, and the examples that it has."""
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason="`make test-engines` installs the peers")
    X, y = examples()
    return *contestants[name](work, X, y), X, y


@every_contestant
def test_it_learns(work: Work, name: str, contestants: Contestants) -> None:
    train, logits, X, y = started(work, name, contestants)
    assert (logits(X).argmax(axis=0) == y).mean() < 0.5
    for _ in range(60):
        train()
    assert (logits(X).argmax(axis=0) == y).mean() > 0.9
    assert np.array_equal(logits(X), logits(X)), "nothing is dropped in prediction"


@every_contestant
def test_all_start_from_the_same_and_make_the_same_of_it(
    work: Work, name: str, contestants: Contestants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_networks, "DROPOUT", 0.0)
    whole = Work("", work.layer_sizes, M, work.learning_rate)  # a round is then an update, without chance
    train, logits, X, y = started(whole, name, contestants)
    reference, expected = contestants["ours"](whole, X, y)
    np.testing.assert_allclose(logits(X), expected(X), atol=1e-5)
    before = expected(X).copy()
    for _ in range(3):
        train()
        reference()
    assert np.abs(expected(X) - before).max() > 0.5
    np.testing.assert_allclose(logits(X), expected(X), atol=1e-2)


@pytest.mark.parametrize(("batch_size", "updates"), [(20, 2), (16, 3), (M, 1)])
def test_a_round_of_ours_is_an_epoch(batch_size: int, updates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(Trainer, "step", lambda _, X, y, chosen: seen.extend(chosen.tolist()))
    work = Work("", CONVOLUTIONAL.layer_sizes, batch_size)
    train, _ = image_networks.CONVOLUTION["ours"](work, *examples())
    train()
    assert sorted(seen) == list(range(M))
    assert len(list(image_networks.shuffled(work, M, np.random.default_rng(0)))) == updates


def test_logits_of_many_examples_come_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_networks, "TOGETHER", 7)
    widths = []
    memory = np.zeros((2, 7))

    def logits(X: Images) -> Any:
        widths.append(X.shape[1])
        memory[:, : X.shape[1]] = X.sum(axis=0)
        return memory[:, : X.shape[1]]

    X = np.random.default_rng(0).random((3, 16), np.float32)
    np.testing.assert_allclose(image_networks.in_blocks(logits)(X), np.tile(X.sum(axis=0), (2, 1)), rtol=1e-6)
    assert widths == [7, 7, 2]
