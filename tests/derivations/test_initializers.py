"""The statements of docs/derivations/initializers.md: by integration, by enumeration and by simulation."""

from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
import sympy

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.convolution import Convolution
from stages.nn.initializers import Glorot, He, Initializer, Normal, Uniform
from stages.nn.layer import Start
from stages.nn.optimizers import OPTIMIZERS
from stages.nn.relu import relu, relu_backward
from stages.nn.schedules import Constant
from stages.nn.training import Trainer
from tests.networks import build


def within_errors(sample: Array, expected: float) -> bool:
    return bool(abs(sample.mean() - expected) < 5 * sample.std(ddof=1) / np.sqrt(len(sample)))


def test_variance_of_a_uniform_weight() -> None:
    t, r, inputs, units = sympy.symbols("t r inputs units", positive=True)
    variance = sympy.integrate(t**2 / (2 * r), (t, -r, r))
    assert sympy.simplify(variance.subs(r, sympy.sqrt(6 / (inputs + units))) - 2 / (inputs + units)) == 0
    assert variance.subs(r, sympy.Rational(1, 2)) == sympy.Rational(1, 12)


def test_relu_halves_the_mean_square_of_a_normal_and_of_a_uniform_variable() -> None:
    t, s = sympy.symbols("t s", positive=True)
    normal = sympy.exp(-(t**2) / (2 * s**2)) / (s * sympy.sqrt(2 * sympy.pi))
    assert sympy.simplify(sympy.integrate(t**2 * normal, (t, 0, sympy.oo)) - s**2 / 2) == 0
    assert sympy.integrate(t**2 / (2 * s), (t, 0, s)) == (s**2 / 3) / 2


def test_second_moment_of_the_weights_of_active_units() -> None:
    values = [Fraction(v) for v in (-3, -1, 1, 3)]  # symmetric; no combination of two is 0 with these inputs
    a = (Fraction(2), Fraction(1, 5))
    variance = sum(v**2 for v in values) / len(values)
    rows = list(product(values, repeat=2))
    for j, k in product(range(2), repeat=2):
        moment = sum(w[j] * w[k] for w in rows if w[0] * a[0] + w[1] * a[1] > 0) / len(rows)
        assert moment == (variance / 2 if j == k else 0)


@pytest.mark.parametrize("initializer", [He(), Glorot(), Uniform()], ids=["he", "glorot", "uniform"])
def test_mean_squares_through_one_layer(initializer: Initializer) -> None:
    rng = np.random.default_rng(0)
    inputs, units, draws = 12, 7, 3000
    variance = {He: 2 / inputs, Glorot: 2 / (inputs + units), Uniform: 1 / 12}[type(initializer)]
    bias_variance = 1 / 12 if isinstance(initializer, Uniform) else 0.0
    x = rng.random((inputs, 1))
    start = Start(rng, initializer, np.float64)
    Z = [Affine((inputs,), start, units=units).forward(x) for _ in range(draws)]
    formula = variance * np.square(x).sum() + bias_variance
    assert within_errors(np.array([np.square(z).mean() for z in Z]), formula)
    assert within_errors(np.array([np.square(relu(z)).mean() for z in Z]), formula / 2)


def test_an_entry_that_shares_weights_counts_all_that_it_meets() -> None:
    rng = np.random.default_rng(0)
    size, channels, filters, draws = 3, 2, 4, 3000
    n_in, n_out = size * size * channels, filters * size * size
    start = Start(rng, Glorot(), np.float64)
    forward, backward = np.empty((2, draws))
    x = rng.random((5 * 5 * channels, 1))
    patch = x.reshape(5, 5, channels)[:3, :3]
    for draw in range(draws):
        layer = Convolution((5, 5, channels), start, filters=filters, size=size)
        forward[draw] = np.square(layer.forward(x).reshape(3, 3, filters)[0, 0]).mean()
        dX = layer.backward(rng.standard_normal((3 * 3 * filters, 1)))
        assert dX is not None
        backward[draw] = np.square(dX.reshape(5, 5, channels)[2, 2]).mean()  # the middle, which every place sees
    variance = 2 / (n_in + n_out)
    assert within_errors(forward, variance * np.square(patch).sum())
    assert within_errors(backward, variance * n_out)


def test_he_keeps_mean_squares_through_relu_layers() -> None:
    rng = np.random.default_rng(0)
    sizes, draws, start = [12, 30, 9, 24, 18], 2000, Start(rng, He(), np.float64)
    x = rng.random((sizes[0], 1))
    forward, backward = np.empty((2, draws))
    for draw in range(draws):
        layers = [Affine((inputs,), start, units=units) for inputs, units in pairwise(sizes)]
        kept: list[Array] = [x]
        for layer in layers:
            kept.append(relu(layer.forward(kept[-1])))
        dA: Array | None = rng.standard_normal((sizes[-1], 1))
        for layer, a in zip(reversed(layers), reversed(kept), strict=False):
            assert dA is not None
            dA = layer.backward(relu_backward(a, dA))
        assert dA is not None
        forward[draw], backward[draw] = np.square(kept[-1]).mean(), np.square(dA).mean()
    assert within_errors(forward, np.square(x).mean())
    assert within_errors(backward, sizes[-1] / sizes[0])


def test_moments_of_the_factor_of_a_layer() -> None:
    t = sympy.Symbol("t", positive=True)
    density = sympy.exp(-(t**2) / 2) / sympy.sqrt(2 * sympy.pi)
    second, fourth = (sympy.integrate(t**power * density, (t, 0, sympy.oo)) for power in (2, 4))
    assert 2 * second == 1
    assert 4 * (fourth - second**2) == 5


def relu_factors(width: int, depth: int, networks: int) -> Array:
    """Return the factors of the mean square in each layer, one row for each network of `He`."""
    rng = np.random.default_rng(0)
    start = Start(rng, He(), np.float64)
    squares = np.empty((networks, depth + 1))
    for network in range(networks):
        a: Array = rng.random((width, 1))
        squares[network, 0] = np.square(a).mean()
        for layer in range(depth):
            a = relu(Affine((width,), start, units=width).forward(a))
            squares[network, layer + 1] = np.square(a).mean()
    kept = squares[(squares > 0).all(axis=1)]
    return kept[:, 1:] / kept[:, :-1]


def test_factors_of_the_layers_are_independent_with_variance_5_over_width() -> None:
    width, networks = 20, 3000
    factors = relu_factors(width, 5, networks)
    assert len(factors) > networks - 5
    for layer in factors.T:
        assert within_errors(layer, 1)
        assert within_errors((layer - 1) ** 2, 5 / width)
    correlations = np.corrcoef(factors.T) - np.eye(5)
    assert np.abs(correlations).max() < 5 / np.sqrt(networks)


def test_median_of_ten_narrow_layers_is_a_twentieth_of_the_mean() -> None:
    assert 0.04 < np.median(relu_factors(10, 10, 3000).prod(axis=1)) < 0.07


@pytest.mark.parametrize(("width", "low", "high"), [(10, 0.045, 0.06), (100, 0.75, 0.83)])
def test_a_typical_deep_network_is_not_the_mean(width: int, low: float, high: float) -> None:
    rng = np.random.default_rng(1)
    # the factors are independent, so they may be drawn without a network
    factors = 2 * np.square(relu(rng.standard_normal((5000, 10, width)))).mean(axis=2)
    ratios = factors.prod(axis=1)
    assert within_errors(ratios, 1)
    assert low < np.median(ratios) < high
    silent = (ratios == 0).mean()
    expected = 1 - (1 - 0.5**width) ** 10
    assert abs(silent - expected) <= 5 * np.sqrt(expected / len(ratios))


@pytest.mark.parametrize("width", [100, 400])
def test_drift_and_variance_of_the_logarithm_in_wide_layers(width: int) -> None:
    rng = np.random.default_rng(2)
    factors = 2 * np.square(relu(rng.standard_normal((20_000, width)))).mean(axis=1)
    # F - 1 has the mean 0; without it the mean of the logarithm is known better
    assert (np.log(factors) - (factors - 1)).mean() == pytest.approx(-5 / (2 * width), rel=0.1)
    assert np.log(factors).var() == pytest.approx(5 / width, rel=0.1)


def train(W1: Array, W2: Array, activation: str, optimizer: str) -> tuple[Array, Array]:
    """Return what 20 updates make of the weights W1 and W2; the biases begin as 0."""
    rng = np.random.default_rng(1)
    network = build([len(W1[0]), len(W1), len(W2)], activation, Normal(0), rng, dtype=np.float64)
    X, y = rng.standard_normal((len(W1[0]), 20)), rng.integers(0, len(W2), 20)
    trainer = Trainer(network, OPTIMIZERS[optimizer](), 0.01, Constant(), 20)
    first, last = network.parameters["0.W"], network.parameters["2.W"]
    first[...], last[...] = W1, W2
    for _ in range(20):
        trainer.step(X, y)
    return first, last


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_equal_units_stay_equal(activation: str, optimizer: str) -> None:
    rng = np.random.default_rng(0)
    W1, W2 = np.tile(rng.standard_normal(4), (5, 1)), np.tile(rng.standard_normal((3, 1)), 5)
    first, last = train(W1, W2, activation, optimizer)
    assert np.abs(first - W1).max() > 1e-3
    assert np.ptp(first, axis=0).max() < 1e-9
    assert np.ptp(last, axis=1).max() < 1e-9


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_zero_weights_stay_zero(activation: str, optimizer: str) -> None:
    first, last = train(np.zeros((5, 4)), np.zeros((3, 5)), activation, optimizer)
    assert not first.any()
    assert not last.any()
