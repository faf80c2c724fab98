"""Training: the gradients of a batch, an update, and the loop of updates with its records."""

from dataclasses import FrozenInstanceError
from functools import partial
from typing import Any

import numpy as np
import pytest

from stages.nn import parts
from stages.nn.affine import Affine
from stages.nn.arrays import Array, Labels
from stages.nn.batch_normalization import BatchNormalization
from stages.nn.batches import epoch_batches
from stages.nn.cross_entropy import cross_entropy
from stages.nn.early_stopping import EarlyStopping
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.initializers import Normal, Uniform
from stages.nn.layer import Start
from stages.nn.network import Network
from stages.nn.optimizers import OPTIMIZERS, GradientDescent, Momentum, Optimizer
from stages.nn.parts import Alone, PartGenerator, loss_and_gradients
from stages.nn.schedules import Constant, Schedule, Steps
from stages.nn.softmax import softmax
from stages.nn.training import Diverged, Record, Trainer, evaluate, fit
from tests.networks import build

FEATURES, CLASSES = 5, 4
PLAIN, CONSTANT = GradientDescent(), Constant()
ALL_MEANS = {"label_smoothing": 0.1, "clip_norm": 0.1, "decoupled_decay": True, "averaging": 0.9}


def random_examples(m: int, dtype: type[np.floating[Any]] = np.float64) -> tuple[Array, Labels]:
    """Return random examples, each contiguous."""
    rng = np.random.default_rng(m)
    return np.asfortranarray(rng.normal(size=(FEATURES, m)).astype(dtype)), rng.integers(CLASSES, size=m)


def random_network(
    activation: str = "tanh", dropout: float = 0.0, dtype: type[np.floating[Any]] = np.float64
) -> Network:
    """Return a random network of three affine layers."""
    return build([FEATURES, 6, 3, CLASSES], activation, Uniform(-1, 1), np.random.default_rng(0), dropout, dtype)


def trainer_of(
    network: Network,
    updates: int,
    learning_rate: float = 0.1,
    optimizer: Optimizer = PLAIN,
    schedule: Schedule = CONSTANT,
    weight_decay: float = 0.0,
    **means: Any,
) -> Trainer:
    """Return a trainer."""
    return Trainer(network, optimizer, learning_rate, schedule, updates, weight_decay, **means)


def copy_of(network: Network) -> dict[str, Array]:
    """Return a copy of the parameters."""
    return {name: theta.copy() for name, theta in network.parameters.items()}


def assert_same(network: Network, parameters: dict[str, Array]) -> None:
    """Check that the parameters are these, bit for bit."""
    for name, theta in network.parameters.items():
        np.testing.assert_array_equal(theta, parameters[name], err_msg=name)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("block", [1, 3, 4])
def test_blocks_add_up_to_the_batch(activation: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network(activation)
    X, y = random_examples(10)
    loss, correct = loss_and_gradients(network, X, y)
    gradients = {name: gradient.copy() for name, gradient in network.gradients.items()}
    monkeypatch.setattr(parts, "BLOCK", block)
    block_loss, block_correct = loss_and_gradients(network, X, y)
    assert block_loss == pytest.approx(loss, rel=1e-14)
    assert block_correct == correct
    for name, gradient in network.gradients.items():
        np.testing.assert_allclose(gradient, gradients[name], rtol=1e-12, atol=1e-16)


def test_loss_and_correct_predictions_are_those_before_the_update() -> None:
    network = random_network()
    X, y = random_examples(10)
    loss, accuracy = evaluate(network, X, y)
    step_loss, correct = trainer_of(network, 1).step(X, y)
    assert step_loss == pytest.approx(loss, rel=1e-14)
    assert correct == 10 * accuracy
    assert isinstance(correct, int)
    assert evaluate(network, X, y)[0] < loss


@pytest.mark.parametrize("block", [3, 2048])
def test_evaluate(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "BLOCK", block)
    network = random_network(dropout=0.5)
    X, _ = random_examples(10)
    Z = network.forward(X).copy()
    y = Z.argmax(axis=0)
    y[:3] = (y[:3] + 1) % CLASSES
    loss, accuracy = evaluate(network, X, y)
    assert loss == pytest.approx(cross_entropy(Z, y, 10), rel=1e-14)
    assert accuracy == 0.7


class Recorder:
    """Stands in for an optimizer: keeps the gradients that it is given, and the rates, and changes nothing."""

    def __init__(self) -> None:
        self.gradients: list[Array] = []
        self.rates: list[float] = []
        self.numbers: list[int] = []

    def start(self, theta: Array) -> list[Array]:
        """Return the state to begin with: none."""
        return []

    def step(self, theta: Array, g: Array, state: list[Array], rate: float, t: int) -> None:
        """Keep the gradient."""
        self.gradients.append(g.copy())
        self.rates.append(rate)
        self.numbers.append(t)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_optimizer_is_given_the_gradient_of_the_loss_with_its_penalty(
    activation: str, dropout: float, smoothing: float
) -> None:
    decay = 0.2
    rng = np.random.default_rng(0)
    network = build([FEATURES, 6, 3, CLASSES], activation, Uniform(-1, 1), rng, dropout, np.float64)
    X, y = random_examples(7)
    recorder = Recorder()
    trainer = trainer_of(network, 1, optimizer=recorder, weight_decay=decay, label_smoothing=smoothing)
    trainer.step(X, y)

    def penalized_loss() -> float:
        masks = PartGenerator(0, 0).of_update(1)
        weights = [theta for name, theta in network.parameters.items() if name in network.decayed]
        penalty = decay / 2 * sum(float(np.square(W).sum()) for W in weights)
        return cross_entropy(network.forward(X, masks), y, 7, smoothing) + penalty

    [analytic] = recorder.gradients
    assert relative_error(analytic, numeric_gradient(penalized_loss, trainer.parts.parameters)) < 1e-7


def test_weight_decay_is_added_once_and_not_for_each_block(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = random_examples(10)
    whole, blocks = Recorder(), Recorder()
    trainer_of(random_network(), 1, optimizer=whole, weight_decay=0.2).step(X, y)
    monkeypatch.setattr(parts, "BLOCK", 3)
    trainer_of(random_network(), 1, optimizer=blocks, weight_decay=0.2).step(X, y)
    for one, other in zip(whole.gradients, blocks.gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-16)


def gradient_of(network: Network, X: Array, y: Labels) -> Array:
    """Return the gradients of all parameters in one array."""
    loss_and_gradients(network, X, y)
    return np.concatenate([gradient.ravel() for gradient in network.gradients.values()])


def decayed_of(network: Network) -> Array:
    """Return the parameters in one array, with 0 for those that are not decayed."""
    return np.concatenate([theta.ravel() * (name in network.decayed) for name, theta in network.parameters.items()])


def test_decoupled_decay_shrinks_the_weights_before_the_step_and_leaves_the_gradient() -> None:
    X, y = random_examples(10)
    recorder, before = Recorder(), copy_of(random_network())
    trainer = trainer_of(random_network(), 4, 0.5, recorder, Steps([1], 0.1), weight_decay=0.2, decoupled_decay=True)
    trainer.step(X, y)
    np.testing.assert_array_equal(recorder.gradients[0], gradient_of(random_network(), X, y))
    for name, theta in trainer.network.parameters.items():
        factor = 1 - 0.5 * 0.2 if name.endswith("W") else 1
        np.testing.assert_allclose(theta, factor * before[name], rtol=1e-15, err_msg=name)
    trainer.step(X, y)  # at a tenth of the rate
    np.testing.assert_allclose(trainer.network.parameters["0.W"], 0.9 * 0.99 * before["0.W"], rtol=1e-14)


def test_of_gradient_descent_both_forms_of_decay_are_one() -> None:
    X, y = random_examples(10)
    coupled, decoupled = (
        trainer_of(random_network(), 20, weight_decay=0.2, decoupled_decay=decoupled) for decoupled in (False, True)
    )
    for _ in range(20):
        coupled.step(X, y)
        decoupled.step(X, y)
    np.testing.assert_allclose(coupled.parts.parameters, decoupled.parts.parameters, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("decoupled", [False, True])
def test_the_gradient_is_clipped_before_it_is_given_the_decay(decoupled: bool) -> None:
    X, y = random_examples(10)
    gradient = gradient_of(random_network(), X, y)
    limit, recorder = np.linalg.norm(gradient) / 3, Recorder()
    trainer = trainer_of(
        random_network(), 1, optimizer=recorder, weight_decay=0.2, decoupled_decay=decoupled, clip_norm=float(limit)
    )
    trainer.step(X, y)
    penalty = 0 if decoupled else 0.2 * decayed_of(random_network())
    np.testing.assert_allclose(recorder.gradients[0], gradient / 3 + penalty, rtol=1e-12, atol=1e-16)


def test_a_gradient_within_the_limit_is_not_clipped() -> None:
    X, y = random_examples(10)
    gradient, recorder = gradient_of(random_network(), X, y), Recorder()
    trainer_of(random_network(), 1, optimizer=recorder, clip_norm=1.001 * float(np.linalg.norm(gradient))).step(X, y)
    np.testing.assert_array_equal(recorder.gradients[0], gradient)


def test_a_norm_that_is_not_finite_ends_the_training_before_its_update() -> None:
    network = build([1, 2], None, Normal(0.0), np.random.default_rng(0), dtype=np.float32)
    X, y = np.full((1, 2), 1e30, np.float32), np.array([0, 0])  # in float32 the square of a gradient of 1e30 is none
    trainer = trainer_of(network, 1, clip_norm=1.0)
    parameters = copy_of(network)
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(Diverged, match="NaN or infinity at update 1"):
        trainer.step(X, y)
    assert_same(network, parameters)


def test_an_update_of_gradient_descent_by_hand() -> None:
    network = build([1, 2], None, Normal(0.0), np.random.default_rng(0), dtype=np.float64)
    X, y = np.array([[1.0, 3.0]]), np.array([0, 1])
    trainer_of(network, 1, learning_rate=0.5).step(X, y)  # every probability is 1/2
    np.testing.assert_allclose(network.parameters["0.W"], [[-0.25], [0.25]], rtol=1e-15)
    np.testing.assert_allclose(network.parameters["0.b"], [[0], [0]], atol=1e-16)


def test_each_update_has_the_rate_of_its_schedule_and_its_number() -> None:
    recorder = Recorder()
    trainer = trainer_of(random_network(), 4, 0.5, recorder, Steps([1, 3], factor=0.1))
    list(fit(trainer, *random_examples(4), None, np.random.default_rng(0)))
    assert recorder.numbers == [1, 2, 3, 4]
    assert recorder.rates == pytest.approx([0.5, 0.05, 0.05, 0.005])


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("means", [{}, ALL_MEANS], ids=["plain", "all means"])
def test_training_keeps_the_dtype_and_changes_no_example(
    name: str, dtype: type[np.floating[Any]], means: dict[str, Any]
) -> None:
    network = random_network("relu", 0.2, dtype)
    X, y = random_examples(10, dtype)
    X.flags.writeable = y.flags.writeable = False
    trainer = trainer_of(network, 6, 0.01, OPTIMIZERS[name](), Steps([2]), weight_decay=0.01, **means)
    list(fit(trainer, X, y, 4, np.random.default_rng(0), validation=(X, y)))
    arrays = [
        *network.parameters.values(),
        *network.gradients.values(),
        *trainer.state,
    ]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [None, 4])
def test_learns_the_examples(name: str, batch_size: int | None) -> None:
    network = random_network()
    X, y = random_examples(10)
    before = evaluate(network, X, y)[0]
    list(fit(trainer_of(network, 300, 0.02, OPTIMIZERS[name]()), X, y, batch_size, np.random.default_rng(0)))
    assert evaluate(network, X, y)[0] < 0.8 * before


@pytest.mark.parametrize(
    ("batch_size", "record_every", "updates", "expected"),
    [
        (None, 1, 3, [1, 2, 3]),
        (None, 3, 7, [3, 6, 7]),
        (None, 10, 7, [7]),
        (4, 1, 6, [3, 6]),
        (4, 1, 7, [3, 6, 7]),
        (4, 2, 8, [6, 8]),
        (4, 3, 10, [9, 10]),
        (5, 2, 9, [4, 8, 9]),
        (4, 1, 2, [2]),
        (20, 1, 2, [1, 2]),
    ],
)
def test_when_records_are_made(batch_size: int | None, record_every: int, updates: int, expected: list[int]) -> None:
    trainer = trainer_of(random_network(), updates)
    records = list(fit(trainer, *random_examples(10), batch_size, np.random.default_rng(0), record_every=record_every))
    assert [record.update for record in records] == expected
    assert trainer.update == updates


def still_records(updates: int, record_every: int) -> list[Record]:
    """Return the records of a run in batches of 4 of 10 examples, at learning rate 0: no update changes anything."""
    trainer = trainer_of(random_network(), updates, learning_rate=0.0)
    return list(fit(trainer, *random_examples(10), 4, np.random.default_rng(0), record_every=record_every))


@pytest.mark.parametrize("record_every", [1, 2])
def test_a_record_is_the_mean_over_the_examples_of_its_epochs(record_every: int) -> None:
    loss, accuracy = evaluate(random_network(), *random_examples(10))
    for record in still_records(6, record_every):
        assert record.loss == pytest.approx(loss, rel=1e-14)
        assert record.accuracy == pytest.approx(accuracy, rel=1e-14)
        assert record.validation_loss is record.validation_accuracy is None


def test_the_last_record_is_the_mean_over_the_examples_since_the_one_before() -> None:
    X, y = random_examples(10)
    rng = np.random.default_rng(0)
    list(epoch_batches(len(y), 4, rng))
    chosen = next(epoch_batches(len(y), 4, rng))
    loss, accuracy = evaluate(random_network(), X[:, chosen], y[chosen])
    record = still_records(4, record_every=1)[-1]
    assert record.update == 4
    assert record.loss == pytest.approx(loss, rel=1e-14)
    assert record.accuracy == accuracy


def test_the_validation_part_is_measured_after_the_updates_and_without_dropout() -> None:
    network = random_network(dropout=0.5)
    validation = random_examples(6)
    for record in fit(trainer_of(network, 3), *random_examples(10), None, np.random.default_rng(0), validation):
        assert (record.validation_loss, record.validation_accuracy) == evaluate(network, *validation)


def test_the_training_loss_is_that_of_smoothed_labels_and_the_validation_loss_is_not() -> None:
    X, y = random_examples(10)
    trainer = trainer_of(random_network(), 1, learning_rate=0.0, label_smoothing=0.3)
    [record] = fit(trainer, X, y, None, np.random.default_rng(0), (X, y))
    Z = random_network().forward(X)
    assert record.loss == pytest.approx(cross_entropy(Z, y, 10, 0.3), rel=1e-14)
    assert record.validation_loss == pytest.approx(cross_entropy(Z, y, 10), rel=1e-14)


def test_averages_are_measured_and_given_to_the_network_and_training_goes_on_without_them() -> None:
    X, y = random_examples(10)
    plain, averaged = trainer_of(random_network(), 9), trainer_of(random_network(), 9, averaging=0.8)
    history, trace = [], []
    measured: list[float | None] = []
    for record in fit(plain, X, y, 4, np.random.default_rng(0)):
        trace.append(record.loss)
        history.append(plain.parts.parameters.copy())
    for record in fit(averaged, X, y, 4, np.random.default_rng(0), (X, y)):
        assert record.loss == trace[len(measured)]
        np.testing.assert_array_equal(averaged.parts.parameters, history[len(measured)])
        assert (record.validation_loss, record.validation_accuracy) == evaluate(averaged.learned, X, y)
        measured.append(record.validation_loss)
    assert len(measured) == 3
    assert averaged.learned is not averaged.network
    assert evaluate(averaged.network, X, y)[0] == measured[-1]
    assert not np.array_equal(averaged.parts.parameters, history[-1])


def test_the_averages_are_those_of_the_parameters_after_each_update() -> None:
    X, y = random_examples(10)
    plain, averaged = trainer_of(random_network(), 5), trainer_of(random_network(), 5, averaging=0.8)
    history = []
    for _ in range(5):
        plain.step(X, y)
        history.append(plain.parts.parameters.copy())
    list(fit(averaged, X, y, None, np.random.default_rng(0)))
    mean = np.average(history, axis=0, weights=[0.8**j for j in reversed(range(5))])
    np.testing.assert_allclose(averaged.parts.parameters, mean, rtol=1e-13, atol=1e-15)


def test_early_stopping_goes_back_to_the_averages_of_the_lowest_validation_loss() -> None:
    trainer = trainer_of(coin(0.1), 100, learning_rate=0.5, averaging=0.6)
    records = fit(trainer, *CERTAIN, None, np.random.default_rng(0), SEVEN_OF_TEN, early_stopping=EarlyStopping(3))
    history = [
        (record.validation_loss, {name: array.copy() for name, array in trainer.learned.kept.items()})
        for record in records
    ]
    best = int(np.argmin([loss or np.inf for loss, _ in history]))
    assert 0 < best == len(history) - 4 < 96
    for name, array in trainer.network.kept.items():
        np.testing.assert_array_equal(array, history[best][1][name], err_msg=name)


def test_fit_makes_the_updates_that_the_trainer_has_left() -> None:
    X, y = random_examples(10)
    trainer, recorder = trainer_of(random_network(), 3), Recorder()
    trainer.step(X, y)
    trainer.optimizer = recorder
    assert [record.update for record in fit(trainer, X, y, None, np.random.default_rng(0))] == [2, 3]
    assert set(recorder.numbers) == {2, 3}


@pytest.mark.parametrize("window", [None, 3])
def test_the_updates_are_those_of_the_batches_of_the_window(window: int | None) -> None:
    X, y = random_examples(10)
    fitted, stepped = (trainer_of(random_network(), 3) for _ in range(2))
    list(fit(fitted, X, y, 4, np.random.default_rng(0), window=window))
    for chosen in epoch_batches(10, 4, np.random.default_rng(0), window):
        stepped.step(X, y, chosen)
    np.testing.assert_array_equal(fitted.parts.parameters, stepped.parts.parameters)


def test_a_trainer_decays_nothing_and_takes_one_part_unless_it_is_told_to() -> None:
    X, y = random_examples(10)
    network, recorder = random_network(dropout=0.3), Recorder()
    trainer = Trainer(random_network(dropout=0.3), recorder, 0.1, CONSTANT, 1)
    loss_and_gradients(network, X, y, rng=PartGenerator(0, 0).of_update(1))
    trainer.step(X, y)
    expected = np.concatenate([gradient.ravel() for gradient in network.gradients.values()])
    np.testing.assert_array_equal(recorder.gradients[0], expected)


def test_a_trainer_works_in_its_team() -> None:
    team = Alone()
    assert Trainer(random_network(), PLAIN, 0.1, CONSTANT, 1, team=team).parts.team is team


def test_the_same_generators_give_the_same_bits() -> None:
    networks = [random_network("relu", 0.3) for _ in range(2)]
    for network in networks:
        trainer = trainer_of(network, 9, optimizer=Momentum())
        list(fit(trainer, *random_examples(10), 4, np.random.default_rng(3)))
    assert_same(networks[0], copy_of(networks[1]))


def test_a_larger_memory_of_an_earlier_batch_leaves_no_trace() -> None:
    X, y = random_examples(10)
    used, fresh = random_network(), random_network()
    loss_and_gradients(used, X, y)
    loss_and_gradients(used, X[:, :3], y[:3])
    loss_and_gradients(fresh, X[:, :3], y[:3])
    for name, gradient in fresh.gradients.items():
        np.testing.assert_array_equal(used.gradients[name], gradient)


def coin(p: float) -> Network:
    """Return a network of two logits that gives class 1 the probability p for x = 0."""
    network = build([1, 2], None, Normal(0.0), np.random.default_rng(0), dtype=np.float64)
    network.parameters["0.b"][1, 0] = np.log(p / (1 - p))
    return network


# training drives the probability of class 1 from 0.1 towards 1; the validation loss is lowest at 0.7
CERTAIN = (np.zeros((1, 4)), np.ones(4, np.int64))
SEVEN_OF_TEN = (np.zeros((1, 10)), np.array([1] * 7 + [0] * 3))


@pytest.mark.parametrize("patience", [1, 4])
def test_early_stopping_goes_back_to_the_lowest_validation_loss(patience: int) -> None:
    network = coin(0.1)
    history: list[tuple[float, dict[str, Array]]] = []
    stopping = EarlyStopping(patience)
    trainer = trainer_of(network, 100, learning_rate=0.5)
    for record in fit(trainer, *CERTAIN, None, np.random.default_rng(0), SEVEN_OF_TEN, early_stopping=stopping):
        assert record.validation_loss is not None
        history.append((record.validation_loss, copy_of(network)))
    losses = [loss for loss, _ in history]
    best = int(np.argmin(losses))
    assert 0 < best
    assert len(losses) == best + 1 + patience < 100
    assert_same(network, history[best][1])
    assert softmax(network.forward(np.zeros((1, 1))))[1, 0] == pytest.approx(0.7, abs=0.1)


def normalizing_coin() -> Network:
    """Return the network of `coin` behind a batch normalization, whose state no x = 0 moves but its variance."""
    start = Start(np.random.default_rng(0), Normal(0.0), np.float64)
    network = Network((1,), start, layers=[partial(BatchNormalization, decay=0.9), partial(Affine, units=2)])
    network.parameters["1.b"][1, 0] = np.log(0.1 / 0.9)
    return network


def test_early_stopping_goes_back_to_the_state_of_the_lowest_validation_loss() -> None:
    network, stopping = normalizing_coin(), EarlyStopping(2)
    trainer = trainer_of(network, 100, learning_rate=0.5)
    list(fit(trainer, *CERTAIN, None, np.random.default_rng(0), SEVEN_OF_TEN, early_stopping=stopping))
    # a batch of zeros has variance 0, and 9/10 of the running one is left after each update
    np.testing.assert_allclose(network.state["0.variance"], 0.9 ** (trainer.update - 2), rtol=1e-12)


def test_early_stopping_goes_back_also_where_the_updates_end_first() -> None:
    network = coin(0.1)
    stopping = EarlyStopping(1000)
    trainer = trainer_of(network, 50, learning_rate=0.5)
    records = list(fit(trainer, *CERTAIN, None, np.random.default_rng(0), SEVEN_OF_TEN, early_stopping=stopping))
    assert records[-1].update == 50
    losses = [record.validation_loss for record in records if record.validation_loss is not None]
    assert evaluate(network, *SEVEN_OF_TEN)[0] == min(losses) < losses[-1]


def test_early_stopping_that_is_shown_no_validation_loss_changes_nothing() -> None:
    stopped, plain = (trainer_of(coin(0.1), 5, learning_rate=0.5) for _ in range(2))
    list(fit(stopped, *CERTAIN, None, np.random.default_rng(0), early_stopping=EarlyStopping(1)))
    list(fit(plain, *CERTAIN, None, np.random.default_rng(0)))
    assert stopped.update == 5
    np.testing.assert_array_equal(stopped.parts.parameters, plain.parts.parameters)


def test_without_early_stopping_the_last_parameters_stay() -> None:
    network = coin(0.1)
    records = list(fit(trainer_of(network, 50, 0.5), *CERTAIN, None, np.random.default_rng(0), SEVEN_OF_TEN))
    assert evaluate(network, *SEVEN_OF_TEN)[0] == records[-1].validation_loss


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_ends_the_training_before_its_update(bad: float) -> None:
    network = random_network("relu")
    X, y = random_examples(10)
    trainer = trainer_of(network, 10, optimizer=Momentum())
    trainer.step(X, y)
    trainer.step(X, y)
    parameters, states = copy_of(network), [array.copy() for array in trainer.state]
    X[2, 7] = bad
    with np.errstate(invalid="ignore"), pytest.raises(Diverged, match="NaN or infinity at update 3") as error:
        trainer.step(X, y)
    assert error.value.update == 3
    assert_same(network, parameters)
    for array, before in zip(trainer.state, states, strict=True):
        np.testing.assert_array_equal(array, before)


def overflowing(updates: int) -> tuple[Trainer, Array, Labels]:
    """Return a trainer of a finite loss whose first step is longer than the largest number."""
    network = build([FEATURES, CLASSES], None, Normal(0.0), np.random.default_rng(0), dtype=np.float64)
    X, y = random_examples(10)
    return trainer_of(network, updates, learning_rate=1e308), 100 * X, y


def test_parameters_that_overflow_are_noticed_at_the_next_update() -> None:
    trainer, X, y = overflowing(updates=10)
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(Diverged) as error:
        list(fit(trainer, X, y, None, np.random.default_rng(0)))
    assert error.value.update == 2


def test_parameters_that_overflow_at_the_last_update_are_noticed_at_the_end() -> None:
    trainer, X, y = overflowing(updates=1)
    records: list[Record] = []
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(Diverged) as error:
        records.extend(fit(trainer, X, y, None, np.random.default_rng(0)))
    assert error.value.update == 1
    assert [record.loss for record in records] == pytest.approx([np.log(CLASSES)])


def test_a_state_that_overflows_is_noticed_at_the_end() -> None:
    network = normalizing_coin()
    X, y = np.array([[1e200, -1e200]]), np.array([0, 1])
    with np.errstate(over="ignore"), pytest.raises(Diverged) as error:
        list(fit(trainer_of(network, 1), X, y, None, np.random.default_rng(0)))
    assert error.value.update == 1
    assert all(np.isfinite(theta).all() for theta in network.parameters.values())


def test_a_record_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Record(1, 0.5, 0.5).loss = 0.0  # type: ignore[misc] # it is frozen: that is tested
