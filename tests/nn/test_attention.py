"""Attention against loops over its definition, a case worked by hand, and what it promises of tokens and heads."""

import numpy as np
import pytest

from stages.nn.arrays import Array
from stages.nn.attention import Attention
from stages.nn.convolution import Convolution
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.initializers import Glorot, Uniform
from stages.nn.layer import OptionError, Shape, Start
from tests.networks import by_input

START = Start(np.random.default_rng(0), Uniform(-1, 1), np.float64)
# sequences and images, one head and several, heads of one entry
CASES: list[tuple[Shape, int]] = [((5, 4), 1), ((5, 4), 2), ((2, 3, 6), 3), ((3, 2), 2), ((4, 1), 1)]
every_case = pytest.mark.parametrize(("shape", "heads"), CASES)
M = 3


def made(shape: Shape, heads: int, start: Start = START) -> tuple[Attention, Array, Array]:
    """Return a layer and a batch that goes through it, forward and backward."""
    layer = Attention(shape, start, heads=heads)
    rng = np.random.default_rng(1)
    X, dZ = (np.asfortranarray(rng.normal(size=(int(np.prod(shape)), M))) for _ in range(2))
    return layer, X, dZ


def by_loops(layer: Attention, x: Array, tokens: int) -> tuple[Array, Array]:
    """Return the output for one example, (tokens, width), and the weights (heads, tokens, tokens), token by token."""
    W, b, W_O, b_O = layer.parameters.values()
    x = x.reshape(tokens, -1)
    width, heads = x.shape[1], layer.heads
    d = width // heads
    Q, K, V = np.split(np.array([W @ token + b[:, 0] for token in x]), 3, axis=1)
    O, weights = np.zeros((tokens, width)), np.zeros((heads, tokens, tokens))
    for head in range(heads):
        own = slice(head * d, (head + 1) * d)
        for i in range(tokens):
            scores = np.exp([Q[i, own] @ K[j, own] / np.sqrt(d) for j in range(tokens)])
            weights[head, i] = scores / scores.sum()
            O[i, own] = sum(weights[head, i, j] * V[j, own] for j in range(tokens))
    return np.array([W_O @ o + b_O[:, 0] for o in O]), weights


@every_case
def test_is_what_its_definition_says_token_by_token(shape: Shape, heads: int) -> None:
    layer, X, _ = made(shape, heads)
    Z, tokens = layer.forward(X), int(np.prod(shape[:-1]))
    for k in range(M):
        expected, weights = by_loops(layer, X[:, k], tokens)
        np.testing.assert_allclose(Z[:, k], expected.ravel(), rtol=1e-12)
        np.testing.assert_allclose(layer.weights()[k], weights, rtol=1e-12)


@every_case
def test_central_differences(shape: Shape, heads: int) -> None:
    layer, X, dZ = made(shape, heads)
    layer.forward(X)
    dX = by_input(layer, dZ)
    found = {"X": dX.copy(), **{name: gradient.copy() for name, gradient in layer.gradients.items()}}
    for name, theta in {"X": X, **layer.parameters}.items():
        numeric = numeric_gradient(lambda: float((dZ * layer.forward(X)).sum()), theta)
        assert relative_error(found[name], numeric) < 1e-7, name


def test_by_hand() -> None:
    layer = Attention((2, 1), START)
    layer.parameters = {
        "W": np.array([[1.0], [np.log(3)], [10.0]]),
        "b": np.zeros((3, 1)),
        "W_O": np.array([[2.0]]),
        "b_O": np.array([[0.5]]),
    }
    X = np.array([[0.0], [1.0]])
    # the first token's query is 0: equal weights; the second's scores are 0 and log 3: weights 1/4 and 3/4
    np.testing.assert_allclose(layer.forward(X), [[2 * 5 + 0.5], [2 * 7.5 + 0.5]], rtol=1e-15)
    np.testing.assert_allclose(layer.weights(), [[[[1 / 2, 1 / 2], [1 / 4, 3 / 4]]]], rtol=1e-15)
    by_input(layer, np.array([[0.0], [1.0]]))
    np.testing.assert_allclose(layer.gradients["W_O"], [[7.5]], rtol=1e-15)
    np.testing.assert_allclose(layer.gradients["b_O"], [[1]], rtol=1e-15)
    # dO = 2 for the second token: its weights get 2 (0, 10), its scores 3/16 (-20, 20), and the values 2 (1/4, 3/4)
    np.testing.assert_allclose(layer.gradients["W"], [[3.75 * np.log(3)], [3.75], [1.5]], rtol=1e-14)
    np.testing.assert_allclose(layer.gradients["b"], [[3.75 * np.log(3)], [0], [2]], rtol=1e-14, atol=1e-15)


def test_tokens_in_another_order_come_out_in_that_order() -> None:
    layer, X, dZ = made((5, 4), 2)
    order = np.random.default_rng(2).permutation(5)

    def permuted(A: Array) -> Array:
        return A.reshape(5, 4, M)[order].reshape(20, M)

    Z, dX = layer.forward(X).copy(), by_input(layer, dZ).copy()
    once = {name: gradient.copy() for name, gradient in layer.gradients.items()}
    np.testing.assert_allclose(layer.forward(permuted(X)), permuted(Z), rtol=1e-12)
    np.testing.assert_allclose(by_input(layer, permuted(dZ)), permuted(dX), rtol=1e-11)
    for name, gradient in layer.gradients.items():
        np.testing.assert_allclose(gradient, once[name], rtol=1e-11, atol=1e-13)


def test_where_all_tokens_are_equal_it_is_an_affine_map_of_each() -> None:
    layer, X, _ = made((5, 4), 2)
    X = np.tile(X[:4], (5, 1))
    W, b, W_O, b_O = layer.parameters.values()
    np.testing.assert_allclose(layer.forward(X)[8:12], W_O @ (W[8:] @ X[:4] + b[8:]) + b_O, rtol=1e-12)
    np.testing.assert_allclose(layer.weights(), np.full((M, 2, 5, 5), 1 / 5), rtol=1e-14)


def test_the_bias_of_the_keys_changes_nothing() -> None:
    """It adds the same number to all scores of a query."""
    layer, X, dZ = made((5, 4), 2)
    Z = layer.forward(X).copy()
    by_input(layer, dZ)
    assert np.abs(layer.gradients["b"][4:8]).max() < 1e-14 < np.abs(layer.gradients["b"]).max()
    layer.parameters["b"][4:8] += 3
    np.testing.assert_allclose(layer.forward(X), Z, rtol=1e-11)


def test_large_scores_are_finite_and_choose_one_token() -> None:
    layer, X, dZ = made((5, 4), 1, Start(np.random.default_rng(0), Uniform(-1, 1)))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        Z = layer.forward((1e4 * X).astype(np.float32))
        dX = by_input(layer, dZ.astype(np.float32))
    assert np.isfinite(Z).all()
    assert np.isfinite(dX).all()
    np.testing.assert_array_equal(np.sort(layer.weights(), axis=-1)[..., -1], np.ones((M, 1, 5)))


def test_the_weights_are_those_of_the_last_pass_and_each_row_sums_to_1() -> None:
    layer, X, _ = made((2, 3, 6), 2)
    layer.forward(X)
    before = layer.weights().copy()
    assert before.shape == (M, 2, 6, 6)
    np.testing.assert_allclose(before.sum(axis=-1), 1, rtol=1e-14)
    layer.forward(2 * X[:, :2])
    assert layer.weights().shape == (2, 2, 6, 6)
    assert np.abs(layer.weights() - before[:2]).max() > 0.01


@every_case
def test_uses_its_memory_again_and_keeps_the_order(shape: Shape, heads: int) -> None:
    layer, X, dZ = made(shape, heads)
    Z = layer.forward(X)
    dX = by_input(layer, dZ)
    kept = {name: array for name, array in vars(layer).items() if isinstance(array, np.ndarray)}
    assert len(kept) == 10
    assert np.shares_memory(layer.forward(X), Z)
    assert np.shares_memory(by_input(layer, dZ), dX)
    assert all(np.shares_memory(array, vars(layer)[name]) for name, array in kept.items())
    assert Z.flags.f_contiguous
    assert dX.flags.f_contiguous


def test_draws_each_map_as_an_affine_map_of_the_width() -> None:
    layer, _, _ = made((5, 8), 2, Start(np.random.default_rng(0), Glorot(), np.float64))
    limit = np.sqrt(6 / (8 + 8))
    for name, shape in (("W", (24, 8)), ("W_O", (8, 8))):
        assert layer.parameters[name].shape == shape
        assert 0.9 * limit < np.abs(layer.parameters[name]).max() <= limit
    assert not layer.parameters["b"].any()
    assert not layer.parameters["b_O"].any()


def test_weights_are_decayed_and_biases_are_not() -> None:
    assert list(Attention.decayed) == ["W", "W_O"]


def test_has_four_times_the_parameters_of_an_affine_map_of_a_token() -> None:
    layer, _, _ = made((7, 7, 64), 4)
    assert layer.size == 4 * Convolution((7, 7, 64), START, filters=64, size=1).size


@pytest.mark.parametrize(
    ("shape", "heads", "message"),
    [
        ((7, 7, 6), 4, r"^heads is 4: attention gets tokens of width 6; what divides it is 1, 2, 3, 6$"),
        ((5, 3), 6, r"^heads is 6: attention gets tokens of width 3; what divides it is 1, 3$"),
        ((128,), 1, r"^name is attention, which needs several tokens and gets one, of 128 features$"),
        ((1, 1, 8), 1, r"^name is attention, which needs several tokens and gets one, of 1 x 1 x 8 features$"),
    ],
)
def test_what_does_not_fit_is_said(shape: Shape, heads: int, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Attention(shape, START, heads=heads)
