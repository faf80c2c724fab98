"""Deformations against cases that are known exactly, against SciPy, and in the statistics of what is drawn."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.deformation import Deformation, smoothing
from stages.nn.images import columns_of, images_of
from stages.nn.initializers import Uniform
from stages.nn.layer import OptionError, Shape, Start
from stages.nn.network import Network
from stages.nn.parts import Parts
from tests.networks import by_input

ALL: dict[str, Any] = {"shift": 1.5, "rotation": 25.0, "scaling": 0.2, "shear": 0.3, "elastic": 0.8, "smoothness": 2.0}
FAR = {**ALL, "rotation": 180.0, "scaling": 0.9}  # many places are outside of the image, on every side of it


class Largest:
    """In place of a generator: draws the largest that is allowed."""

    def uniform(self, low: float, high: float, size: Any) -> Array:
        """Return the upper end."""
        return np.full(size, high)


def layer(shape: Shape, **strengths: float) -> Deformation:
    return Deformation(shape, Start(np.random.default_rng(0)), **strengths)


def generator(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def images(shape: Shape, m: int = 4) -> Array:
    return generator(0).normal(size=(m, *shape))


def deformed(given: Array, rng: Any, **strengths: float) -> Array:
    """Return images of shape (m, height, width, channels) as the layer deforms them."""
    shape = given.shape[1:]
    return images_of(layer(shape, **strengths).forward(columns_of(given), rng), shape).copy()


@pytest.mark.parametrize("shape", [(4, 7, 2), (1, 1, 1), (5, 5, 1)])
def test_without_strength_nothing_changes(shape: Shape) -> None:
    np.testing.assert_array_equal(deformed(images(shape), generator()), images(shape))


@pytest.mark.parametrize("pixels", [1, 2])
def test_a_shift_of_whole_pixels_moves_them_and_brings_zeros(pixels: int) -> None:
    given = images((5, 6, 2))
    expected = np.zeros_like(given)
    expected[:, :-pixels, :-pixels] = given[:, pixels:, pixels:]
    np.testing.assert_array_equal(deformed(given, Largest(), shift=pixels), expected)


@pytest.mark.parametrize("side", [4, 5, 28])
@pytest.mark.parametrize("quarters", [1, 2])
def test_quarter_turns_of_a_square_image_move_its_pixels(side: int, quarters: int) -> None:
    given = images((side, side, 2))
    found = deformed(given, Largest(), rotation=90 * quarters)
    np.testing.assert_allclose(found, np.rot90(given, -quarters, axes=(1, 2)), rtol=1e-5, atol=1e-5)
    assert np.abs(found - given).max() > 1


def test_scaling_and_shear_by_hand() -> None:
    """Of one row of three, scaled by 1.5, the outer pixels see halfway beyond the ends; sheared, rows move."""
    row = np.array([2.0, 4, 8]).reshape(1, 1, 3, 1)
    np.testing.assert_array_equal(deformed(row, Largest(), scaling=0.5).ravel(), [1, 4, 4])
    given = np.arange(1.0, 10).reshape(1, 3, 3, 1)
    expected = [[0.5, 1.5, 2.5], [4, 5, 6], [7.5, 8.5, 4.5]]  # the first row half a pixel left, the last one right
    np.testing.assert_array_equal(deformed(given, Largest(), shear=0.5)[0, :, :, 0], expected)


@pytest.mark.parametrize("shape", [(6, 9, 1), (8, 5, 3)])
def test_agrees_with_scipy_at_the_places(shape: Shape) -> None:
    given = images(shape, 9)
    q = layer(shape, **FAR).places(len(given), generator()).astype(float)
    for along, side in zip(q, shape, strict=False):
        assert along.min() < -1
        assert along.max() > side
    expected = np.empty_like(given)
    for k, channel in np.ndindex(len(given), shape[2]):
        values = ndimage.map_coordinates(given[k, :, :, channel], q[:, k], order=1, mode="grid-constant")
        expected[k, :, :, channel] = values.reshape(shape[:2])
    found = deformed(given, generator(), **FAR)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)  # places and shares are in single precision


@pytest.mark.parametrize(("strengths", "make"), [(ALL, generator), (FAR, generator), ({"scaling": 0.9}, Largest)])
def test_is_linear_and_its_backward_pass_is_the_adjoint(strengths: dict[str, float], make: Callable[[], Any]) -> None:
    distorted = layer((6, 5, 2), **strengths)
    X, H, dY = generator(0).normal(size=(3, 60, 4))
    of_X, of_H = (distorted.forward(array, make()).copy() for array in (X, H))
    of_sum = distorted.forward(2 * X - 3 * H, make())
    np.testing.assert_allclose(of_sum, 2 * of_X - 3 * of_H, rtol=0, atol=1e-13)
    assert (dY * of_X).sum() == pytest.approx((by_input(distorted, dY) * X).sum(), rel=1e-12)


def test_a_constant_image_stays_constant_inside() -> None:
    found = deformed(np.ones((3, 9, 9, 1)), generator(), rotation=30, elastic=0.3)
    np.testing.assert_allclose(found[:, 3:6, 3:6], 1, rtol=1e-12)


@pytest.mark.parametrize(("side", "deviation"), [(28, 4.0), (28, 1.0), (9, 2.5), (5, 50.0), (1, 4.0)])
def test_smoothing_keeps_the_variance(side: int, deviation: float) -> None:
    squares = np.square(smoothing(side, deviation), dtype=np.float64)
    np.testing.assert_allclose(squares.sum(axis=1), np.ones(side), rtol=1e-6)


def test_the_field_has_its_standard_deviation_and_changes_over_the_smoothness() -> None:
    """At each pixel the standard deviation, and of pixels in the middle the correlation, from many fields."""
    draws, strength, smoothness = 4000, 1.2, 4.0
    elastic = layer((28, 28, 1), elastic=strength, smoothness=smoothness)
    at_rest = layer((28, 28, 1)).places(1, generator())[:, 0].copy()
    u = (elastic.places(draws, generator()) - at_rest[:, np.newaxis]).reshape(2, draws, 28, 28).astype(float)
    deviations = u.std(axis=1)
    np.testing.assert_allclose(deviations, strength, rtol=6 / np.sqrt(2 * draws))
    np.testing.assert_allclose(u.mean(axis=1), 0, rtol=0, atol=5 * strength / np.sqrt(draws))
    for distance in (2, 4, 8):
        both = (u[:, :, 12, 12] * u[:, :, 12, 12 + distance]).mean() / strength**2
        expected = np.exp(-((distance / smoothness) ** 2) / 4)
        assert both == pytest.approx(expected, abs=4 / np.sqrt(2 * draws))
    assert (u[0] * u[1]).mean() / strength**2 == pytest.approx(0, abs=0.02)


def test_every_strength_is_reached_to_either_side_and_none_is_exceeded() -> None:
    draws = 2000
    shifts = layer((5, 5, 1), shift=2).places(draws, generator())[:, :, 12] - 2
    assert -2 <= shifts.min() < -1.9
    assert 1.9 < shifts.max() <= 2
    rows = layer((1, 5, 1), scaling=0.5).places(draws, generator())[1]
    assert 1 <= (rows[:, 4] - 2).min() < 1.01
    assert 2.99 < (rows[:, 4] - 2).max() <= 3
    turned = layer((1, 3, 1), rotation=30).places(draws, generator())[0][:, 2]
    assert -0.5 <= turned.min() < -0.49
    assert 0.49 < turned.max() <= 0.5
    sheared = layer((3, 1, 1), shear=0.5).places(draws, generator())[1][:, 2]
    assert -0.5 <= sheared.min() < -0.49
    assert 0.49 < sheared.max() <= 0.5


def test_each_image_and_each_pass_draws_anew() -> None:
    same = np.broadcast_to(images((8, 8, 1), 1), (3, 8, 8, 1))
    rng = generator()
    first, second = deformed(same, rng, **ALL), deformed(same, rng, **ALL)
    assert (first[0] != first[1]).any()
    assert (first != second).any()
    np.testing.assert_array_equal(deformed(same, generator(), **ALL), first)


def test_in_prediction_it_returns_what_it_is_given() -> None:
    deformation, X = layer((4, 4, 1), **ALL), np.ones((16, 3))
    deformation.forward(X, generator())
    assert deformation.forward(X) is X
    assert deformation.backward(X) is X
    assert deformation.backward(X, dX=False) is None


def test_single_precision_draws_the_same() -> None:
    given = images((7, 8, 1))
    single = deformed(given.astype(np.float32), generator(), **ALL)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, deformed(given, generator(), **ALL), rtol=0, atol=1e-5)


def test_uses_its_memory_again() -> None:
    deformation, X = layer((6, 6, 2), **ALL), np.asfortranarray(images((6, 6, 2)).reshape(4, -1).T)
    Y = deformation.forward(X, generator())
    assert np.shares_memory(deformation.forward(X, generator()), Y)
    assert Y.flags.f_contiguous


def test_smaller_batches_between_larger_ones_leave_nothing_behind() -> None:
    deformation, given = layer((6, 6, 1), **ALL), images((6, 6, 1), 5)
    for m in (5, 2, 5):
        found = images_of(deformation.forward(columns_of(given[:m]), generator()), (6, 6, 1))
        np.testing.assert_array_equal(found, deformed(given[:m], generator(), **ALL))


@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads_draws_the_same(threads: int) -> None:
    def gradients(threads: int) -> Array:
        rng = generator(2)
        network = Network(
            (8, 8, 1),
            Start(rng, Uniform(-1, 1)),
            layers=[partial(Deformation, **ALL), partial(Affine, units=10)],
        )
        parts = Parts(network, 3, seed=4, threads=threads)
        X, y = np.asfortranarray(rng.random((64, 11)), np.float32), rng.integers(0, 10, 11)
        for update in (1, 2):
            parts.loss_and_gradients(X, y, None, update)
        return np.array(parts.gradients)

    np.testing.assert_array_equal(gradients(threads), gradients(1))


@pytest.mark.parametrize(
    ("shape", "strengths", "message"),
    [
        ((784,), {}, r"name is deformation, which needs an image and gets 784 features; put it before affine"),
        ((28, 20, 1), {"shift": 11.0}, r"shift is 11.0: at most 10.0, half a side of images of 28 x 20"),
        ((28, 28, 1), {"elastic": 34.0}, r"elastic is 34.0: at most 14.0, half a side of images of 28 x 28"),
        ((28, 28, 1), {"rotation": 270.0}, r"rotation is 270.0: at most 180 degrees to either side"),
        ((28, 28, 1), {"smoothness": 0.5}, r"smoothness is 0.5: at least 1, or neighboring pixels are torn apart"),
    ],
)
def test_what_does_not_fit_is_said(shape: Shape, strengths: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=f"^{message}$"):
        layer(shape, **strengths)
