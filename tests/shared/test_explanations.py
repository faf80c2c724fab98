"""What a network makes of an image: each layer's part is found and drawn where it belongs."""

from collections.abc import Sequence
from functools import partial

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.nn.batch_normalization import BatchNormalization
from stages.nn.convolution import Convolution
from stages.nn.dropout import Dropout
from stages.nn.gradient_check import numeric_gradient
from stages.nn.layer import Layer, Maker, Start
from stages.nn.layer_normalization import LayerNormalization
from stages.nn.max_pooling import MaxPooling
from stages.nn.network import Network
from stages.nn.relu import ReLU
from stages.nn.residual import Residual
from stages.nn.softmax import softmax
from stages.nn.tanh import Tanh
from stages.shared.explanations import (
    SIGNED,
    Inside,
    log_odds_gradient,
    look_inside,
    over,
    over_images,
    row_height,
    rows,
    saliency,
    show_heads,
    show_maps,
)
from stages.shared.figures import Axes

SHAPE = (6, 6, 1)


def network_of(*layers: Maker, shape: tuple[int, int, int] = SHAPE) -> Network:
    return Network(shape, Start(np.random.default_rng(0), dtype=np.float64, classes=3), layers=layers)


def image(shape: tuple[int, int, int] = SHAPE) -> Array:
    x: Array = np.random.default_rng(1).random(np.prod(shape))
    return x


def axes() -> Axes:
    return Figure().subplots()


class Attending(Layer):
    """A layer that takes of the four places of an image what is set here; it returns what it is given."""

    taken = np.array([[[1.0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0.5, 0.5]], np.eye(4)])

    def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:
        """Return X."""
        return X

    def backward(self, dY: Array, add: bool = False, dX: bool = True) -> Array | None:
        """Return dY."""
        return dY

    def weights(self) -> Array:
        """Return what it takes, in each of two heads."""
        return self.taken[np.newaxis]


def test_hidden_layers_are_seen_after_their_activation() -> None:
    drop: Maker = partial(Dropout, rate=0.5)
    network = network_of(partial(Affine, units=5), Tanh, drop, partial(Affine, units=4), Tanh, drop, Affine)
    W1, b1, W2, b2, _, _ = network.parameters.values()
    x = image()
    first = np.tanh(W1 @ x + b1[:, 0])
    hidden = look_inside(network, x).hidden
    assert len(hidden) == 2
    np.testing.assert_allclose(hidden[0], first)
    np.testing.assert_allclose(hidden[1], np.tanh(W2 @ first + b2[:, 0]))


def test_feature_maps_are_seen_after_normalization_and_activation_and_before_pooling() -> None:
    network = network_of(
        partial(Convolution, filters=2, padding=1), BatchNormalization, ReLU, partial(MaxPooling, size=2), Affine
    )
    network.parameters["0.W"][...] = 0
    network.parameters["0.W"][0, 4], network.parameters["0.W"][1, 4] = 1, -1  # the image itself, and its negative
    network.parameters["0.b"][...], network.parameters["1.beta"][...] = 0, [[0.0], [0.5]]
    x = image()
    (maps,) = look_inside(network, x).hidden
    assert maps.shape == (6, 6, 2)
    pixels, one = x.reshape(6, 6), 1 / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(maps, np.stack([one * pixels, np.maximum(0.5 - one * pixels, 0)], axis=2))


def test_an_activation_belongs_to_the_layer_right_before_it_alone() -> None:
    """Neither one behind the sum nor the first one inside a block finishes what a layer elsewhere made."""
    one: Maker = partial(Convolution, filters=2, size=1)
    network = network_of(one, partial(Residual, layers=[LayerNormalization, one, Tanh, one]), ReLU, Affine)
    x = image()
    outputs = {path: Y[:, 0].copy() for path, _, Y in network.walk(x[:, np.newaxis])}
    hidden = look_inside(network, x).hidden
    assert len(hidden) == 3
    for maps, path in zip(hidden, [(0,), (1, 2), (1, 3)], strict=True):
        np.testing.assert_array_equal(maps.ravel(), outputs[path])


def test_what_is_seen_stays_when_the_network_goes_on() -> None:
    network = network_of(partial(Affine, units=5), ReLU, Affine)
    (hidden,) = look_inside(network, image()).hidden
    before = hidden.copy()
    look_inside(network, np.zeros(36))
    np.testing.assert_array_equal(hidden, before)


def test_heads_show_what_they_take_from_each_place_against_an_equal_share() -> None:
    network = network_of(partial(Residual, layers=[Attending]), Affine, shape=(2, 2, 1))
    (heads,) = look_inside(network, image((2, 2, 1))).heads
    np.testing.assert_allclose(heads, np.array([[[2, 0], [1.5, 0.5]], [[1, 1], [1, 1]]]))


def test_tokens_that_are_no_places_of_an_image_are_not_drawn() -> None:
    start = Start(np.random.default_rng(0), dtype=np.float64, classes=3)
    assert look_inside(Network((4, 2), start, layers=[Attending, Affine]), np.ones(8)).heads == []


def log_odds(Z: Array, classes: Sequence[int]) -> float:
    """Return the log-odds of a class in each column, added up."""
    p = softmax(Z)[classes, np.arange(Z.shape[1])]
    return float(np.log(p / (1 - p)).sum())


def test_the_gradient_of_the_log_odds_is_that_of_their_definition() -> None:
    Z, classes = np.random.default_rng(0).normal(size=(4, 5)), [0, 1, 2, 3, 1]
    expected = numeric_gradient(lambda: log_odds(Z, classes), Z)
    np.testing.assert_allclose(log_odds_gradient(Z, classes), expected, atol=1e-8)


def test_the_log_odds_have_a_gradient_where_the_probability_is_rounded_to_1() -> None:
    Z = np.array([[90.0], [1.0], [0.0]], np.float32)
    assert softmax(Z)[0, 0] == 1
    np.testing.assert_allclose(log_odds_gradient(Z, [0])[:, 0], [1, -np.e / (1 + np.e), -1 / (1 + np.e)], rtol=1e-6)


def test_the_saliency_is_the_derivative_by_each_pixel() -> None:
    network = network_of(
        partial(Convolution, filters=2, padding=1), BatchNormalization, Tanh, partial(MaxPooling, size=2), Affine
    )
    X, classes = np.stack([image(), 1 - image()], axis=1), [2, 0]
    expected = numeric_gradient(lambda: log_odds(network.forward(X), classes), X)
    np.testing.assert_allclose(saliency(network, X, classes), expected, atol=1e-8)


def test_values_are_in_color_over_an_image_that_is_faint() -> None:
    images = np.array([[[0.0, 1.0], [0, 0]]])
    pixels = over(images, np.array([[[-1.0, -1], [0, 1]]]), SIGNED, -1, 1)
    blue, white, red = (np.array(mpl.colormaps[SIGNED](value)[:3]) for value in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(pixels[0, 0, 0], blue)
    np.testing.assert_allclose(pixels[0, 1], [white, red])
    assert (pixels[0, 0, 1] < blue).all(), "where the image has ink it is darker"


def test_a_square_of_values_covers_the_pixels_that_it_is_of() -> None:
    pixels = over(np.zeros((1, 4, 6)), np.array([[[0.0, 1, 0], [0, 0, 0]]]), "Oranges", 0, 1)
    marked = np.argwhere((pixels != pixels[0, 0, 0]).any(axis=3))
    assert marked[:, 1:].tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]


def test_the_channels_of_a_pixel_are_added_up() -> None:
    dX = np.zeros((12, 2))
    dX[3:6, 0] = [1, 2, 3]  # the second pixel of a 2 x 2 image in color
    dX[9:12, 1] = [-1, 0, -1]
    pixels, limit = over_images(np.ones((12, 2)), dX, (2, 2, 3))
    assert limit == 6
    scale = mpl.colormaps[SIGNED]
    np.testing.assert_allclose(pixels[0, 0, 1], scale(1.0)[:3])
    np.testing.assert_allclose(pixels[1, 1, 1], scale((6 - 2) / 12)[:3])
    np.testing.assert_allclose(pixels[1, 0, 1], scale(0.5)[:3])


def test_no_gradient_at_all_can_be_drawn() -> None:
    pixels, limit = over_images(np.zeros((4, 1)), np.zeros((4, 1)), (2, 2, 1))
    assert limit == 1
    np.testing.assert_allclose(pixels, np.broadcast_to(mpl.colormaps[SIGNED](0.5)[:3], pixels.shape))


@pytest.mark.parametrize(("filters", "which"), [(1, "1 filter"), (3, "3 filters"), (20, "first 16 of 20 filters")])
def test_feature_maps_have_one_scale_and_a_number_each(filters: int, which: str) -> None:
    maps = np.random.default_rng(0).uniform(-1, 1, (4, 5, filters))
    maps[2, 3, 0] = -2.5
    drawn = axes()
    show_maps(drawn, maps, 7)
    shown = min(filters, 16)
    assert np.array_equal([np.asarray(tile.get_array()) for tile in drawn.images], maps.transpose(2, 0, 1)[:shown])
    assert {tile.get_clim() for tile in drawn.images} == {(-2.5, 2.5)}
    assert [text.get_text() for text in drawn.texts] == [str(k) for k in range(1, 1 + shown)]
    highest = f"{maps[..., :16].max():.2g}"
    assert drawn.get_title() == f"hidden layer 7: feature maps of the {which}, -2.5 to {highest}"


def test_maps_of_zeros_can_be_drawn() -> None:
    drawn = axes()
    show_maps(drawn, np.zeros((4, 5, 2)), 1)
    assert {tile.get_clim() for tile in drawn.images} == {(-1, 1)}


def test_heads_are_drawn_over_the_image() -> None:
    heads = np.zeros((3, 2, 2))
    heads[0], heads[1, 0, 1], heads[2, 1, 0] = 1, 4, 2
    x = image((4, 4, 1))
    drawn = axes()
    show_heads(drawn, x, (4, 4, 1), heads, 2)
    assert [text.get_text() for text in drawn.texts] == ["head 1", "head 2", "head 3"]
    assert drawn.get_title() == "attention 2: what each head takes from each place, up to 4.0 equal shares"
    expected = over(np.stack([x.reshape(4, 4)] * 3), heads, "Oranges", 0, 4)
    assert np.array_equal([np.asarray(tile.get_array()) for tile in drawn.images], expected)


def titles(inside: Inside, units: bool) -> list[str]:
    found = []
    for _, draw in rows(inside, image((4, 4, 1)), (4, 4, 1), units):
        drawn = axes()
        draw(drawn)
        found.append(drawn.get_title().split(",")[0])
    return found


def test_layers_keep_their_numbers_where_units_are_left_out() -> None:
    inside = Inside([np.ones((4, 4, 2)), np.array([1.0, -1, 2]), np.ones((2, 2, 3))], [np.ones((2, 2, 2))])
    of_units = "hidden layer 2: 2 of 3 units above 0"
    others = [f"hidden layer {number}: feature maps of the {n} filters" for number, n in ((1, 2), (3, 3))]
    heads = "attention 1: what each head takes from each place"
    assert titles(inside, True) == [others[0], of_units, others[1], heads]
    assert titles(inside, False) == [*others, heads]
    assert titles(Inside([np.ones(3)]), False) == []


def test_a_row_with_more_tiles_is_lower_until_it_is_full() -> None:
    heights = [row_height(count) for count in (1, 8, 9, 16, 64)]
    assert heights[0] == heights[1] > heights[2] > heights[3] == heights[4]
