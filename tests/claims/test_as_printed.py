from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stages.claims import as_printed
from stages.claims.as_printed import W3, W4, W5, Parameters, WriteUp
from stages.nn.arrays import Array, Labels
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.initializers import Normal, Uniform
from stages.nn.optimizers import GradientDescent
from stages.nn.schedules import Constant
from stages.nn.training import Trainer
from tests.networks import build

LOG3 = np.log(3)


@pytest.fixture(autouse=True)
def _overflow_is_meant() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize(
    "softmax", [as_printed.softmax, as_printed.stable_softmax, as_printed.softmax_of_whole_maximum]
)
def test_a_softmax_divides_by_the_sum_of_its_column(softmax: Callable[[Array], Array]) -> None:
    Z = np.array([[0, 5], [LOG3, 5]])
    np.testing.assert_allclose(softmax(Z), [[1 / 4, 1 / 2], [3 / 4, 1 / 2]])


def test_one_sum_for_the_whole_matrix() -> None:
    Z = np.array([[0, LOG3], [LOG3, 0]])
    np.testing.assert_allclose(as_printed.softmax_over_everything(Z), np.array([[1, 3], [3, 1]]) / 8)


def test_the_plain_softmax_overflows_and_the_others_do_not() -> None:
    Z = np.array([[1000.0], [0.0]])
    assert np.isnan(as_printed.softmax(Z)).any()
    np.testing.assert_array_equal(as_printed.stable_softmax(Z), [[1], [0]])
    np.testing.assert_array_equal(as_printed.softmax_of_whole_maximum(Z), [[1], [0]])


def test_a_column_far_below_the_maximum_of_the_matrix_is_nan() -> None:
    Z = np.array([[0.0, 1000.0], [0.0, 1000.0]])
    A = as_printed.softmax_of_whole_maximum(Z)
    assert np.isnan(A[:, 0]).all()
    np.testing.assert_array_equal(A[:, 1], [0.5, 0.5])
    np.testing.assert_array_equal(as_printed.stable_softmax(Z), np.full((2, 2), 0.5))


def test_tanh_and_its_derivative() -> None:
    Z = np.array([[0, np.log(2)]])
    np.testing.assert_allclose(as_printed.tanh(Z), [[0, 0.6]])  # (2 - 1/2) / (2 + 1/2)
    np.testing.assert_allclose(as_printed.tanh_derivative(Z), [[1, 0.64]])


def test_tanh_is_nan_for_large_numbers() -> None:
    assert np.isnan(as_printed.tanh(np.array([1000.0])))[0]


def test_relu_and_its_derivative() -> None:
    Z = np.array([[-2.0, 0.0, 3.0]])
    np.testing.assert_array_equal(as_printed.relu(Z), [[0, 0, 3]])
    np.testing.assert_array_equal(as_printed.relu_derivative(Z), [[False, False, True]])


def test_one_hot_has_as_many_rows_as_the_largest_label_says() -> None:
    y = np.array([2, 0])
    np.testing.assert_array_equal(as_printed.one_hot(y), [[0, 1], [0, 0], [1, 0]])
    np.testing.assert_array_equal(as_printed.one_hot_of_ten(y), np.pad([[0, 1], [0, 0], [1, 0]], ((0, 7), (0, 0))))


def test_the_plotted_loss_is_zero_for_all_columns_that_sum_to_one() -> None:
    Y = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert as_printed.plotted_loss(Y, Y) == 0
    assert as_printed.plotted_loss(Y, np.array([[0.25, 0.75], [0.75, 0.25]])) == 0
    assert as_printed.plotted_loss(Y, np.array([[0.5, 0.5], [1.0, 1.0]])) == 1


# One feature, two examples. Z1 = [[1, 2], [-1, -2]] and A1 = [[1, 2], [0, 0]]; Z2 = ln 3 [[0, 0], [1, 2]] and
# A2 = [[1/4, 1/10], [3/4, 9/10]]. With y = 0, 1 then dZ2 = [[-3/4, 1/10], [3/4, -1/10]] and
# dZ1 = ln 3 [[3/4, -1/10], [0, 0]].
SMALL: Parameters = [
    (np.array([[1.0], [-1.0]]), np.zeros((2, 1))),
    (np.array([[0.0, 0.0], [LOG3, 0.0]]), np.zeros((2, 1))),
]
X, Y = np.array([[1.0, 2.0]]), np.array([0, 1])


def test_forward_by_hand() -> None:
    Zs, As = as_printed.forward(SMALL, X)
    np.testing.assert_allclose(Zs[0], [[1, 2], [-1, -2]])
    np.testing.assert_allclose(Zs[1], [[0, 0], [LOG3, 2 * LOG3]])
    np.testing.assert_array_equal(As[0], X)
    np.testing.assert_allclose(As[1], [[1, 2], [0, 0]])
    np.testing.assert_allclose(As[2], [[1 / 4, 1 / 10], [3 / 4, 9 / 10]])


@pytest.mark.parametrize(("mean", "factor"), [(True, 1), (False, 2)])
def test_backward_by_hand(mean: bool, factor: int) -> None:
    write_up = replace(W3, mean=mean)
    (dW1, db1), (dW2, db2) = as_printed.backward(SMALL, *as_printed.forward(SMALL, X), Y, write_up)
    np.testing.assert_allclose(dW2, factor * np.array([[-0.275, 0], [0.275, 0]]))
    np.testing.assert_allclose(dW1, factor * LOG3 * np.array([[0.275], [0]]))
    np.testing.assert_allclose(db1, factor * LOG3 * 0.325)
    np.testing.assert_allclose(db2, 0, atol=1e-15)


def test_each_bias_gets_its_own_gradient_with_row_sums() -> None:
    write_up = replace(W3, bias_sum=as_printed.row_sums)
    (_, db1), (_, db2) = as_printed.backward(SMALL, *as_printed.forward(SMALL, X), Y, write_up)
    np.testing.assert_allclose(db1, LOG3 * np.array([[0.325], [0]]))
    np.testing.assert_allclose(db2, [[-0.325], [0.325]])


def test_a_step_goes_down_the_gradients() -> None:
    ((W, b),) = as_printed.descend([(np.array([[1.0]]), np.array([[2.0]]))], [(np.array([[10.0]]), 20.0)], rate=0.1)
    np.testing.assert_allclose(W, [[0]])
    np.testing.assert_allclose(b, [[0]])


def test_an_update_is_forward_backward_and_a_step_and_leaves_its_arguments_alone() -> None:
    before = [(W.copy(), b.copy()) for W, b in SMALL]
    (W1, b1), (W2, b2) = as_printed.update(SMALL, X, Y, rate=2)
    np.testing.assert_allclose(W1, [[1 - 0.55 * LOG3], [-1]])
    np.testing.assert_allclose(b1, np.full((2, 1), -0.65 * LOG3))
    np.testing.assert_allclose(W2, [[0.55, 0], [LOG3 - 0.55, 0]])
    np.testing.assert_allclose(b2, np.zeros((2, 1)), atol=1e-15)
    np.testing.assert_equal(SMALL, before)


def relative_errors(write_up: WriteUp, sizes: list[int]) -> dict[str, float]:
    rng = np.random.default_rng(3)
    network = as_printed.uniform(sizes, rng)
    X, y = rng.random((sizes[0], 11)), np.arange(11) % sizes[-1]
    gradients = as_printed.backward(network, *as_printed.forward(network, X, write_up), y, write_up)

    def loss() -> float:
        A = as_printed.forward(network, X, write_up)[1][-1]
        return float(-np.log(A[y, np.arange(11)]).mean())

    return {
        f"{name}{layer}": relative_error(np.broadcast_to(gradient, theta.shape), numeric_gradient(loss, theta))
        for layer, (thetas, pair) in enumerate(zip(network, gradients, strict=True), 1)
        for name, theta, gradient in zip("Wb", thetas, pair, strict=True)
    }


@pytest.mark.parametrize(("write_up", "sizes"), [(W4, [6, 5, 4, 10]), (W5, [6, 5, 10]), (W5, [6, 5, 4, 10])])
def test_the_gradients_of_w4_and_w5_are_right(write_up: WriteUp, sizes: list[int]) -> None:
    assert max(relative_errors(write_up, sizes).values()) < 1e-7


def test_only_the_bias_gradients_of_w3_are_wrong() -> None:
    errors = relative_errors(W3, [6, 5, 10])
    assert max(errors["W1"], errors["W2"]) < 1e-7
    assert min(errors["b1"], errors["b2"]) > 0.1


def test_w5_trains_as_the_network_of_this_project_does() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.random((20, 30)), np.arange(30) % 10
    network = build([20, 8, 10], "relu", Uniform(), rng, dtype=np.float64)
    thetas = [theta.copy() for theta in network.parameters.values()]
    printed = list(zip(thetas[::2], thetas[1::2], strict=True))
    trainer = Trainer(network, GradientDescent(), 0.5, Constant(), 20)
    for _ in range(20):
        trainer.step(X, y)
        printed = as_printed.update(printed, X, y, 0.5, W5)
    for theta, ours in zip((theta for pair in printed for theta in pair), network.parameters.values(), strict=True):
        np.testing.assert_allclose(theta, ours, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("write_up", [W3, W4, W5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_loop_stays_in_the_dtype_of_its_parameters(write_up: WriteUp, dtype: type[np.floating[Any]]) -> None:
    rng = np.random.default_rng(0)
    network = as_printed.uniform([6, 5, 10], rng, dtype)
    X, y = rng.random((6, 10)).astype(dtype), np.arange(10)
    for theta in (theta for pair in as_printed.update(network, X, y, 0.1, write_up) for theta in pair):
        assert theta.dtype == dtype


def test_uniform_starts_in_the_half_open_interval() -> None:
    thetas = [theta for pair in as_printed.uniform([40, 50, 10], np.random.default_rng(0)) for theta in pair]
    assert [theta.shape for theta in thetas] == [(50, 40), (50, 1), (10, 50), (10, 1)]
    values = np.concatenate([theta.ravel() for theta in thetas])
    assert values.min() >= -0.5
    assert values.max() < 0.5
    # the standard deviation is 1/sqrt(12), its own standard error about 0.0026 for these 2,560
    assert values.std() == pytest.approx(1 / np.sqrt(12), abs=0.013)


def test_normal_starts_with_its_scale_and_without_biases() -> None:
    (W, b), _ = as_printed.normal([40, 50, 10], 0.1, np.random.default_rng(0))
    W_here, _ = Normal(0.1)(50, 40, np.random.default_rng(0))
    np.testing.assert_array_equal(W, W_here)
    np.testing.assert_array_equal(b, np.zeros((50, 1)))


def test_labels_and_error_can_be_exchanged() -> None:
    def numbers(y: Labels, dtype: Any) -> Array:
        return y.astype(dtype)

    Zs, As = as_printed.forward(SMALL, X)
    (_, _), (dW2, _) = as_printed.backward(SMALL, Zs, As, Y, replace(W3, labels=numbers))
    np.testing.assert_allclose(dW2, (As[-1] - [[0, 1], [0, 1]]) @ As[1].T / 2)
    (_, _), (dW2, _) = as_printed.backward(SMALL, Zs, As, Y, replace(W3, error=lambda A, Y: Y - A))
    np.testing.assert_allclose(dW2, [[0.275, 0], [-0.275, 0]])
