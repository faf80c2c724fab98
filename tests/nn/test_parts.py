"""A batch in parts: they add up to the batch, and no bit depends on the workers."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.nn import parts as parts_module
from stages.nn.affine import Affine
from stages.nn.arrays import Array, Labels
from stages.nn.batch_normalization import BatchNormalization
from stages.nn.batches import epoch_batches
from stages.nn.convolution import Convolution
from stages.nn.cross_entropy import cross_entropy, cross_entropy_gradient
from stages.nn.initializers import Uniform
from stages.nn.layer import Maker, Start
from stages.nn.network import Network
from stages.nn.optimizers import Adam
from stages.nn.parts import (
    Alone,
    PartGenerator,
    Parts,
    Team,
    block_of,
    columns_of_part,
    fewest_columns,
    loss_and_gradients,
)
from stages.nn.relu import ReLU
from stages.nn.schedules import Constant
from stages.nn.training import Trainer, fit, logits
from tests.networks import build, network_of

FEATURES, CLASSES = 5, 4


def examples(m: int) -> tuple[Array, Labels]:
    rng = np.random.default_rng(m)
    return np.asfortranarray(rng.normal(size=(FEATURES, m))), rng.integers(CLASSES, size=m)


def network(dropout: float = 0.0, dtype: type[np.floating[Any]] = np.float64) -> Network:
    return build([FEATURES, 6, CLASSES], "tanh", Uniform(-1, 1), np.random.default_rng(0), dropout, dtype)


class Ranks(Team):
    """One of several processes, played by a thread: what it sends to the others lies in a list that all see."""

    def __init__(self, rank: int, size: int, table: list[Any], barrier: threading.Barrier) -> None:
        self.rank, self.size, self._table, self._barrier = rank, size, table, barrier

    def exchange(self, rows: NDArray[Any], counts: Sequence[int]) -> None:
        """Fill in the rows of the others, from copies."""
        ends = np.cumsum(counts)
        for rank, sent in enumerate(self._all(rows.copy())):
            its = slice(ends[rank] - counts[rank], ends[rank])
            if rank != self.rank:
                rows[its] = sent[its]

    def share(self, value: Any) -> Any:
        """Return the value of rank 0."""
        return self._all(value)[0]

    def _all(self, value: Any) -> list[Any]:
        self._barrier.wait()
        self._table[self.rank] = value
        self._barrier.wait()
        return list(self._table)


def of_ranks(size: int, work: Callable[[Ranks], Any]) -> list[Any]:
    """Return what the work of each of so many processes gives."""
    table, barrier = [None] * size, threading.Barrier(size, timeout=60)
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(work, [Ranks(rank, size, table, barrier) for rank in range(size)]))


@pytest.mark.parametrize("m", [1, 2, 7, 64])
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_each_column_is_in_one_part_and_they_are_of_one_size(parts: int, m: int) -> None:
    slices = [columns_of_part(part, parts, m) for part in range(parts)]
    assert np.concatenate([np.arange(m)[columns] for columns in slices]).tolist() == list(range(m))
    sizes = [columns.stop - columns.start for columns in slices]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("m", [1, 2, 3, 6, 7, 12, 13, 25, 60])
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_the_fewest_columns_are_those_that_a_layer_sees(parts: int, m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.nn.parts.BLOCK", 6)
    seen: list[int] = []

    class Seeing(Affine):
        def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
            seen.append(X.shape[1])
            return super().forward(X, rng)

    net = network_of(Seeing((FEATURES,), Start(np.random.default_rng(0)), units=CLASSES))
    X, y = examples(m)
    Parts(net, parts).loss_and_gradients(X.astype(np.float32), y, None, 1)
    assert sum(seen) == m
    assert fewest_columns(net, m, parts) == min(seen)


@pytest.mark.parametrize("m", [1, 3, 10])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_the_parts_add_up_to_the_batch(count: int, m: int) -> None:
    X, y = examples(m)
    whole, parted = network(), network()
    loss, correct = loss_and_gradients(whole, X, y)
    found_loss, found_correct = Parts(parted, count).loss_and_gradients(X, y, None, 1)
    assert found_loss == pytest.approx(loss, rel=1e-13)
    assert found_correct == correct
    for name, gradient in whole.gradients.items():
        np.testing.assert_allclose(parted.gradients[name], gradient, rtol=1e-12, atol=1e-16, err_msg=name)


def test_a_prediction_is_correct_where_the_largest_logit_is_that_of_the_label() -> None:
    X, _ = examples(10)
    y = network().forward(X).argmax(axis=0)
    y[:3] = (y[:3] + 1) % CLASSES
    assert loss_and_gradients(network(), X, y)[1] == 7


@pytest.mark.parametrize("count", [1, 3])
def test_the_loss_of_the_parts_is_that_of_smoothed_labels(count: int) -> None:
    X, y = examples(10)
    whole, parted = network(), network()
    expected = cross_entropy(whole.forward(X), y, 10, 0.3)
    assert loss_and_gradients(whole, X, y, smoothing=0.3)[0] == pytest.approx(expected, rel=1e-14)
    parts = Parts(parted, count, smoothing=0.3)
    assert parts.loss_and_gradients(X, y, None, 1)[0] == pytest.approx(expected, rel=1e-13)
    for name, gradient in whole.gradients.items():
        np.testing.assert_allclose(parted.gradients[name], gradient, rtol=1e-12, atol=1e-16, err_msg=name)


def test_what_an_empty_part_held_before_is_not_added() -> None:
    X, y = examples(8)
    used, fresh = Parts(network(), 8), Parts(network(), 8)
    used.loss_and_gradients(X, y, None, 1)
    X, y = X[:, :3], y[:3]
    assert used.loss_and_gradients(X, y, None, 2) == fresh.loss_and_gradients(X, y, None, 2)
    np.testing.assert_array_equal(used.gradients, fresh.gradients)


def test_the_chosen_examples_are_the_batch() -> None:
    X, y = examples(20)
    chosen = np.array([19, 3, 3, 0, 7])
    by_index, by_columns = Parts(network(), 2), Parts(network(), 2)
    found = by_index.loss_and_gradients(X, y, chosen, 1)
    assert found == by_columns.loss_and_gradients(np.asfortranarray(X[:, chosen]), y[chosen], None, 1)
    np.testing.assert_array_equal(by_index.gradients, by_columns.gradients)


def test_the_network_holds_views_of_one_array() -> None:
    net = network()
    before = {name: theta.copy() for name, theta in net.parameters.items()}
    parts = Parts(net, 2)
    X, y = examples(9)
    parts.loss_and_gradients(X, y, None, 1)
    for name, theta in net.parameters.items():
        np.testing.assert_array_equal(theta, before[name])
    np.testing.assert_array_equal(parts.parameters, np.concatenate([t.ravel() for t in net.parameters.values()]))
    np.testing.assert_array_equal(parts.gradients, np.concatenate([g.ravel() for g in net.gradients.values()]))
    Z = net.forward(X).copy()
    parts.parameters += 1
    assert (net.forward(X) != Z).all()


def trained(count: int, threads: int = 1, team: Team | None = None, dtype: type[Any] = np.float32) -> bytes:
    """Return the parameters, the state of the optimizer and the records after three epochs with a small last batch."""
    X, y = examples(29)
    X = X.astype(dtype)
    net = network(0.3, dtype)
    means: dict[str, Any] = {"label_smoothing": 0.1, "clip_norm": 0.5, "decoupled_decay": True, "averaging": 0.9}
    trainer = Trainer(net, Adam(), 0.01, Constant(), 12, 0.1, count, 5, threads, team, **means)
    records = list(fit(trainer, X, y, 9, np.random.default_rng(2), (X, y)))
    return b"".join(array.tobytes() for array in (trainer.parts.parameters, *trainer.state)) + str(records).encode()


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("threads", [2, 3])
def test_no_bit_depends_on_the_number_of_threads(count: int, threads: int) -> None:
    assert trained(count, threads) == trained(count)


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("size", [2, 4])
def test_no_bit_depends_on_the_number_of_processes(count: int, size: int) -> None:
    found = of_ranks(size, lambda team: trained(count, threads=1 + team.rank % 2, team=team))
    assert found == [trained(count)] * size


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """Return how many parts each thread has worked on."""
    worked: Counter[int] = Counter()

    def counted(*arguments: Any) -> tuple[float, int]:
        worked[threading.get_ident()] += 1
        return loss_and_gradients(*arguments)

    monkeypatch.setattr(parts_module, "loss_and_gradients", counted)
    return worked


@pytest.mark.parametrize(("options", "shares"), [({}, [7]), ({"threads": 2}, [4, 3])])
def test_threads_share_the_parts(options: dict[str, Any], shares: list[int], workers: Counter[int]) -> None:
    Parts(network(), 7, **options).loss_and_gradients(*examples(10), None, 1)
    assert workers[threading.get_ident()] == shares[0]
    assert sorted(workers.values(), reverse=True) == shares


def test_processes_share_the_parts(workers: Counter[int]) -> None:
    of_ranks(2, lambda team: Parts(network(), 7, team=team).loss_and_gradients(*examples(10), None, 1))
    assert sorted(workers.values()) == [3, 4]


def test_the_number_of_parts_changes_what_is_drawn() -> None:
    assert trained(1) != trained(2)


def test_each_update_and_each_part_draws_its_own_numbers() -> None:
    drawn = {
        (seed, update, part): tuple(PartGenerator(seed, part).of_update(update).random(3))
        for seed in (0, 1)
        for update in (1, 2)
        for part in (0, 1)
    }
    assert len(set(drawn.values())) == len(drawn)


@pytest.mark.parametrize(("options", "seed"), [({}, 0), ({"count": 2, "seed": 5}, 5)])
def test_a_part_draws_from_the_seed_its_number_and_the_update(options: dict[str, Any], seed: int) -> None:
    X, y = examples(8)
    loss, correct = Parts(network(0.3), **options).loss_and_gradients(X, y, None, 3)
    count, expected = options.get("count", 1), []
    for part in range(count):
        columns = columns_of_part(part, count, 8)
        rng = PartGenerator(seed, part).of_update(3)
        expected.append(loss_and_gradients(network(0.3), X[:, columns], y[columns], 8, rng))
    assert (loss, correct) == tuple(map(sum, zip(*expected, strict=True)))
    assert (type(loss), type(correct)) == (float, int)


@pytest.mark.parametrize("drawn_before", [0, 1, 5])
def test_what_was_drawn_before_changes_nothing(drawn_before: int) -> None:
    generator = PartGenerator(7, 3)
    generator.of_update(1).random(drawn_before, np.float32)
    philox = np.random.Generator(np.random.Philox(key=7, counter=[0, 0, 3, 2]))
    np.testing.assert_array_equal(generator.of_update(2).random(9, np.float32), philox.random(9, np.float32))


def test_the_state_is_that_of_the_first_part() -> None:
    layer = BatchNormalization((FEATURES,), Start(np.random.default_rng(0), dtype=np.float64), decay=0.0)
    net = network_of(layer)
    X, y = examples(11)
    Parts(net, 3).loss_and_gradients(X, y, None, 1)
    np.testing.assert_allclose(net.state["0.mean"][:, 0], X[:, :4].mean(axis=1), rtol=1e-14)


@pytest.mark.parametrize("threads", [1, 2])
def test_with_batch_normalization_each_block_of_a_part_is_normalized_on_its_own(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.nn.parts.BLOCK", 4)
    start, (X, y) = Start(np.random.default_rng(0), Uniform(-1, 1), np.float64), examples(13)
    net = Network((FEATURES,), start, layers=[partial(BatchNormalization, decay=0.5), partial(Affine, units=CLASSES)])
    alone, expected, mean = net.replica(), {name: np.zeros_like(g) for name, g in net.gradients.items()}, 0.0
    for columns in (slice(0, 4), slice(4, 7), slice(7, 11), slice(11, 13)):  # the blocks of parts of 7 and 6 columns
        alone.backward(cross_entropy_gradient(alone.forward(X[:, columns], np.random.default_rng(0)), y[columns], 13))
        expected = {name: total + alone.gradients[name] for name, total in expected.items()}
    for columns in (slice(0, 4), slice(4, 7)):  # the first part alone moves what is kept
        mean = 0.5 * mean + 0.5 * X[:, columns].mean(axis=1)
    Parts(net, 2, threads=threads).loss_and_gradients(X, y, None, 1)
    np.testing.assert_allclose(net.state["0.mean"][:, 0], mean, rtol=1e-13)
    for name, gradient in net.gradients.items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-11, atol=1e-15, err_msg=name)
    whole = net.replica()
    monkeypatch.setattr("stages.nn.parts.BLOCK", 2048)
    loss_and_gradients(whole, X, y, rng=np.random.default_rng(0))
    assert any(np.abs(whole.gradients[name] - gradient).max() > 1e-3 for name, gradient in expected.items())


def test_of_a_network_that_keeps_much_of_a_column_fewer_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    start, seen = Start(np.random.default_rng(0)), list[int]()
    layers: list[Maker] = [partial(Convolution, filters=2, size=3), ReLU, partial(Affine, units=CLASSES)]
    net = Network((6, 6, 1), start, layers=layers)
    assert net.footprint == 16 * (9 + 2) + 16 * 2 + CLASSES  # patches and the convolution's output, ReLU's, the logits
    assert block_of(net) == 2048
    monkeypatch.setattr("stages.nn.parts.NUMBERS", 3 * net.footprint)
    X, y = np.random.default_rng(1).random((36, 7), np.float32), np.arange(7) % CLASSES
    forward = net.forward

    def seeing(X: Array, rng: np.random.Generator | None = None) -> Array:
        seen.append(X.shape[1])
        return forward(X, rng)

    monkeypatch.setattr(net, "forward", seeing)
    loss_and_gradients(net, X, y)
    assert seen == [3, 3, 1]
    assert fewest_columns(net, 7, 1) == 1
    assert [len(y_block) for _, y_block in logits(net, X, y)] == [3, 3, 1]
    monkeypatch.setattr("stages.nn.parts.NUMBERS", 1)
    assert block_of(net) == 1


def test_as_many_go_together_as_a_layer_mixes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.nn.parts.NUMBERS", 1)
    assert block_of(BatchNormalization((FEATURES,), Start(np.random.default_rng(0)))) == 2


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    X, y = examples(10)
    y[9] = CLASSES  # of the last part
    with pytest.raises(IndexError):
        Parts(network(), 2, threads=2).loss_and_gradients(X, y, None, 1)


def test_threads_follow_the_error_state_of_the_caller() -> None:
    X, y = examples(10)
    parts = Parts(network(), 2, threads=2)
    parts.parameters[...] = np.inf
    with np.errstate(all="ignore"):
        loss, _ = parts.loss_and_gradients(X, y, None, 1)
    assert np.isnan(loss)


def test_alone_all_parts_are_its_own() -> None:
    rows = np.arange(3)
    Alone().exchange(rows, [3])
    assert rows.tolist() == [0, 1, 2]
    assert Alone().share("value") == "value"
    assert list(epoch_batches(3, None, np.random.default_rng(0))) == [None]
