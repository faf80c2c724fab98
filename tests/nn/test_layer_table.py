"""What every layer of the table promises, and layers of further kinds, so that the protocol has room for them."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.cross_entropy import cross_entropy, cross_entropy_gradient
from stages.nn.gradient_check import numeric_gradient, relative_error
from stages.nn.initializers import Uniform
from stages.nn.layer import Layer, Maker, Outline, Shape, Start
from stages.nn.layer_table import LAYERS
from stages.nn.network import Network
from stages.nn.tanh import Tanh

M = 5
STEP = 1e-5
BOUND = 1e-7
every_layer = pytest.mark.parametrize("kind", LAYERS.values(), ids=LAYERS)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


class Case:
    """A layer made from its own example, and a batch for it."""

    def __init__(self, make: Maker, shape: Shape, dtype: DTypeLike = np.float64, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.layer = make(shape, Start(self.rng, Uniform(-1, 1), dtype))
        self.X = np.asfortranarray(self.rng.normal(size=(math.prod(shape), M)).astype(dtype))
        self.dY = np.asfortranarray(self.rng.normal(size=(math.prod(self.layer.shape), M)).astype(dtype))

    def forward(self) -> Array:
        """Return the output in training, with the same random numbers each time."""
        return self.layer.forward(self.X, np.random.default_rng(1))

    def numeric(self, theta: Array) -> Array:
        """Return the gradient of the sum of dY * Y by central differences; fail if a step crosses a kink."""
        self.forward()
        start = self.layer.branches()

        def loss() -> float:
            total = float((self.dY * self.forward()).sum())
            assert all(map(np.array_equal, start, self.layer.branches())), "a step crosses a kink"
            return total

        return numeric_gradient(loss, theta, STEP)


def case_of(kind: type[Layer], dtype: DTypeLike = np.float64) -> Case:
    shape, options = kind.example
    return Case(partial(kind, **options), shape, dtype)


def networks_with(kind: type[Layer]) -> Iterator[Case]:
    """Yield networks with the layer at the beginning and, where its input is no image, in the middle and at the end."""
    shape, options = kind.example
    layer: Maker = partial(kind, **options)
    yield Case(partial(Network, layers=[layer, Tanh, partial(Affine, units=3)]), shape)
    if len(shape) == 1:
        before = partial(Affine, units=shape[0])
        yield Case(partial(Network, layers=[before, layer, Tanh, partial(Affine, units=3)]), (4,))
        yield Case(partial(Network, layers=[before, layer]), (4,))


@every_layer
def test_what_is_to_be_looked_at_fits_the_output(kind: type[Layer]) -> None:
    case = case_of(kind)
    layer, (shape, _) = case.layer, kind.example
    case.forward()
    assert not (layer.makes and layer.refines)
    if layer.refines:
        assert layer.shape == shape, "it stands for the layer before it"
    weights = layer.weights()
    if weights is not None:
        places = math.prod(shape[:-1])
        assert weights.shape[0::2] == (M, places)
        np.testing.assert_allclose(weights.sum(axis=3), 1)


@every_layer
def test_central_differences(kind: type[Layer]) -> None:
    case = case_of(kind)
    case.forward()
    dX = case.layer.backward(case.dY)
    assert dX is not None
    analytic = {name: gradient.copy() for name, gradient in case.layer.gradients.items()}
    assert analytic.keys() == case.layer.parameters.keys()
    assert dX.any()
    assert relative_error(dX, case.numeric(case.X)) < BOUND
    for name, theta in case.layer.parameters.items():
        assert analytic[name].any(), name
        assert relative_error(analytic[name], case.numeric(theta)) < BOUND, name


@every_layer
def test_central_differences_inside_a_network(kind: type[Layer]) -> None:
    for case in networks_with(kind):
        y = np.arange(M) % case.layer.shape[0]
        Z = case.forward()
        case.layer.backward(cross_entropy_gradient(Z, y, M), dX=False)
        sides = case.layer.branches()

        def loss(case: Case = case, y: Any = y, sides: Any = sides) -> float:
            value = cross_entropy(case.forward(), y, M)
            assert all(map(np.array_equal, sides, case.layer.branches())), "a step crosses a kink"
            return value

        for name, theta in case.layer.parameters.items():
            numeric, analytic = numeric_gradient(loss, theta, STEP), case.layer.gradients[name]
            rounding = 1e-10  # of a gradient that is 0, as that of a bias before a normalization
            assert relative_error(analytic, numeric) < BOUND or np.abs(analytic - numeric).max() < rounding, name


@every_layer
def test_is_not_in_training_unless_it_is_said(kind: type[Layer]) -> None:
    for case in (case_of(kind), *networks_with(kind)):
        case.forward()
        expected = case.layer.forward(case.X, None).copy()
        np.testing.assert_array_equal(case.layer.forward(case.X), expected)


@every_layer
def test_tells_on_which_side_of_a_kink_it_was(kind: type[Layer]) -> None:
    case = case_of(kind)
    start, way = case.X, case.rng.normal(size=case.X.shape)

    def slope_and_sides(position: float) -> tuple[float, list[Array]]:
        case.X = start + position * way
        case.forward()
        dX = case.layer.backward(case.dY)
        assert dX is not None
        return float((dX * way).sum()), [sides.copy() for sides in case.layer.branches()]

    low, high = 0.0, 1.0
    for _ in range(30):  # always the half in which the slope changes more: what is left of the change is a kink's
        middle = (low + high) / 2
        below, here, above = (slope_and_sides(position)[0] for position in (low, middle, high))
        low, high = (low, middle) if abs(here - below) > abs(above - here) else (middle, high)
    (below, sides_below), (above, sides_above) = slope_and_sides(low), slope_and_sides(high)
    if abs(above - below) > 1e-4:
        assert not all(map(np.array_equal, sides_below, sides_above))


@every_layer
def test_with_add_gradients_are_added_and_the_gradient_by_the_input_is_not(kind: type[Layer]) -> None:
    case = case_of(kind)
    case.forward()
    dX = case.layer.backward(case.dY)
    assert dX is not None
    dX, once = dX.copy(), {name: gradient.copy() for name, gradient in case.layer.gradients.items()}
    again = case.layer.backward(case.dY, add=True)
    assert again is not None
    np.testing.assert_array_equal(again, dX)
    for name, gradient in case.layer.gradients.items():
        np.testing.assert_allclose(gradient, 2 * once[name], rtol=1e-14)
    case.layer.backward(case.dY)
    for name, gradient in case.layer.gradients.items():
        np.testing.assert_array_equal(gradient, once[name])


@every_layer
def test_without_dx_the_gradients_are_the_same_and_nothing_is_returned(kind: type[Layer]) -> None:
    case = case_of(kind)
    case.forward()
    case.layer.backward(case.dY)
    once = {name: gradient.copy() for name, gradient in case.layer.gradients.items()}
    for gradient in case.layer.gradients.values():
        gradient[...] = np.nan
    assert case.layer.backward(case.dY, dX=False) is None
    for name, gradient in case.layer.gradients.items():
        np.testing.assert_array_equal(gradient, once[name])


@every_layer
@both_dtypes
def test_keeps_the_dtype_and_changes_nothing_that_it_is_given(kind: type[Layer], dtype: DTypeLike) -> None:
    case = case_of(kind, dtype)
    case.X.flags.writeable = case.dY.flags.writeable = False
    for theta in case.layer.parameters.values():
        theta.flags.writeable = False
    rng = np.random.default_rng(1)
    for training in (rng, None, rng):
        Y = case.layer.forward(case.X, training)
        assert Y.dtype == dtype
        Y.flags.writeable, dX = False, case.layer.backward(case.dY)
        assert dX is not None
        assert dX.dtype == dtype
        Y.flags.writeable = True
    arrays = [*case.layer.kept.values(), *case.layer.gradients.values()]
    assert {array.dtype for array in arrays} <= {np.dtype(dtype)}


@every_layer
def test_both_dtypes_begin_with_the_same_values(kind: type[Layer]) -> None:
    single, double = (case_of(kind, dtype).layer.kept for dtype in (np.float32, np.float64))
    assert single.keys() == double.keys()
    for name, array in double.items():
        np.testing.assert_array_equal(single[name], array.astype(np.float32))


@every_layer
def test_tells_the_shape_that_it_returns_for_a_batch_of_any_size(kind: type[Layer]) -> None:
    case = case_of(kind)
    for m in (M, 2, M, 1):
        X, dY = case.X[:, :m], case.dY[:, :m]
        for training in (None, np.random.default_rng(1)):
            assert case.layer.forward(X, training).shape == (math.prod(case.layer.shape), m)
            dX = case.layer.backward(dY)
            assert dX is not None
            assert dX.shape == X.shape


@every_layer
def test_an_image_is_a_column_in_either_order_of_memory(kind: type[Layer]) -> None:
    case = case_of(kind)
    expected = case.forward().copy()
    case.layer.backward(case.dY)
    gradients = {name: gradient.copy() for name, gradient in case.layer.gradients.items()}
    case.X, dY = np.ascontiguousarray(case.X), np.ascontiguousarray(case.dY)
    np.testing.assert_allclose(case.forward(), expected, rtol=1e-13)
    case.layer.backward(dY)
    for name, gradient in case.layer.gradients.items():
        np.testing.assert_allclose(gradient, gradients[name], rtol=1e-12)


@every_layer
def test_an_outline_has_the_names_and_shapes_of_what_is_kept(kind: type[Layer]) -> None:
    shape, options = kind.example
    outline = kind(shape, Outline(np.random.default_rng(0)), **options)
    real = case_of(kind, np.float32).layer
    assert outline.shape == real.shape
    assert [(name, array.shape, array.dtype) for name, array in outline.kept.items()] == [
        (name, array.shape, array.dtype) for name, array in real.kept.items()
    ]


@every_layer
def test_what_is_decayed_are_parameters_of_it(kind: type[Layer]) -> None:
    layer = case_of(kind).layer
    assert set(layer.decayed) <= layer.parameters.keys()
    assert not layer.state.keys() & layer.parameters.keys()


@every_layer
def test_what_is_kept_is_all_that_prediction_depends_on(kind: type[Layer]) -> None:
    shape, options = kind.example
    case = case_of(kind)
    case.forward()
    for theta in case.layer.parameters.values():
        np.add(theta, 1, out=theta)
    other = Case(partial(kind, **options), shape, seed=1).layer
    for name, array in case.layer.kept.items():
        other.kept[name][...] = array
    np.testing.assert_array_equal(other.forward(case.X), case.layer.forward(case.X))


@every_layer
def test_a_replica_shares_the_parameters_and_nothing_else(kind: type[Layer]) -> None:
    case = case_of(kind)
    case.forward()
    case.layer.backward(case.dY)
    replica = case.layer.replica()  # of a layer that has its memory and gradients
    assert replica.parameters.keys() == case.layer.parameters.keys()
    assert all(replica.parameters[name] is theta for name, theta in case.layer.parameters.items())
    Y = case.forward()
    expected = Y.copy()
    dX = case.layer.backward(case.dY)
    assert dX is not None
    kept = [Y, dX, *case.layer.gradients.values(), *case.layer.state.values()]
    before = [array.copy() for array in kept]
    replica.forward(2 * case.X, np.random.default_rng(2))
    replica.backward(3 * case.dY)
    for array, copy in zip(kept, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    for theta in case.layer.parameters.values():
        np.add(theta, 1, out=theta)
    if case.layer.parameters:
        assert (replica.forward(case.X) != expected).any()
