"""What a network makes of an image: its hidden layers, where its heads look, what the gradient by the image says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.nn.arrays import Array
from stages.nn.layer import Layer, Path
from stages.nn.softmax import softmax
from stages.shared.figures import BLUE, GRAY, Axes, as_images, colormaps, show_tiles

SHOWN_MAPS = 16  # of a layer
MOST_TILES, FEWEST_TILES = 16, 8  # that a row has room for
SIGNED = "RdBu_r"  # red above 0, blue below
SHADE = 0.3  # of the image beneath what is drawn over it


@dataclass(frozen=True)
class Inside:
    """What the layers of a network make of one image.

    Attributes
    ----------
    hidden : sequence of ndarray of shape (units,) or (height, width, filters)
        The features that each layer makes, after the activation and what else finishes them. The last ones, which are
        the logits, are left out.
    heads : sequence of ndarray of shape (heads, height, width)
        Of each layer that attends to the places of an image: what its heads take from each place, in the mean of the
        places that take. 1 is the share that each place would have if all had the same.
    """

    hidden: Sequence[Array] = ()
    heads: Sequence[Array] = ()


def look_inside(network: Layer, x: Array) -> Inside:
    """Return what the layers of a network make of an image x, of shape (features,)."""
    hidden: list[Array] = []
    attending: list[Array] = []
    finished: Path = (-1,)
    for path, layer, Y in network.walk(x[:, np.newaxis]):
        features = Y[:, 0].reshape(layer.shape).copy()
        if layer.makes:
            hidden.append(features)
            finished = path
        elif layer.refines and hidden and path == (*finished[:-1], finished[-1] + 1):
            hidden[-1] = features
            finished = path
        weights = layer.weights()
        if weights is not None and len(layer.shape) == 3:
            height, width, _ = layer.shape
            attending.append(weights[0].mean(axis=1).reshape(-1, height, width) * height * width)
    return Inside(hidden[:-1], attending)


def log_odds_gradient(Z: Array, classes: Sequence[int] | NDArray[np.integer]) -> Array:
    """Return the gradient by the logits Z of the log-odds of a class in each column, of the shape of Z.

    These are log(p / (1 - p)) = z_k - log(sum over the others of exp(z_j)) for the class k. The gradient is 1 for k,
    and minus the softmax without k for the others. It does not vanish as that of p does where p is almost 1.

    Parameters
    ----------
    Z : ndarray of shape (classes, m)
        Logits of at least two classes.
    classes : sequence of int
        The class k of each column.
    """
    entries = classes, np.arange(Z.shape[1])
    others = Z.copy()
    others[entries] = -np.inf
    dZ = -softmax(others)
    dZ[entries] = 1
    return dZ


def saliency(network: Layer, X: Array, classes: Sequence[int] | NDArray[np.integer]) -> Array:
    """Return the gradient by the images X of the log-odds of a class of each, of the shape of X, (features, m).

    It says how much each pixel speaks for the class. Simonyan et al. (2014) take the gradient of the logit for that.
    The network's gradients by its parameters are overwritten.
    """
    dX = network.backward(log_odds_gradient(network.forward(X), classes))
    assert dX is not None
    return dX.copy()


def over_images(X: Array, dX: Array, shape: tuple[int, int, int]) -> tuple[Array, float]:
    """Return dX in color over the images X, both of shape (features, m), and the largest value of the color scale.

    The channels of a pixel are added up: what it does if all of them grow.
    """
    totals = dX.T.reshape(-1, *shape).sum(axis=3)
    limit = float(np.abs(totals).max()) or 1.0
    return over(as_images(X, shape), totals, SIGNED, -limit, limit), limit


def over(images: Array, values: Array, colors: str, low: float, high: float) -> Array:
    """Return values in color over images that are faint, of shape (n, height, width, 3).

    Parameters
    ----------
    images : ndarray of shape (n, height, width) or (n, height, width, 3)
        In gray, where 1 is black as in all figures, or in color.
    values : ndarray of shape (n, rows, columns)
        Of as many squares of each image.
    colors : str
        A map of Matplotlib.
    low, high : float
        Values of the first and the last color.
    """
    darkness = 1 - images if images.ndim == 4 else images[..., np.newaxis]
    _, height, width, _ = darkness.shape
    rows, columns = (
        np.arange(side) * count // side for side, count in zip((height, width), values.shape[1:], strict=True)
    )
    spread = values[:, rows][:, :, columns]
    colored: Array = colormaps[colors]((spread - low) / (high - low))[..., :3]
    return colored * (1 - SHADE * darkness)


def counted(count: int, shown: int, name: str) -> str:
    """Return how many of something are shown, such as "8 filters" or "first 16 of 32 filters"."""
    return f"{count} {name}{'s' * (count != 1)}" if count <= shown else f"first {shown} of {count} {name}s"


def rows(
    inside: Inside, x: Array, shape: tuple[int, int, int], units: bool = True
) -> list[tuple[float, Callable[[Axes], None]]]:
    """Return what draws each hidden layer, and then each layer that attends, and before it the height in inches.

    Parameters
    ----------
    inside : Inside
        What the layers make of the image.
    x : ndarray of shape (features,)
        The image.
    shape : tuple of int
        Its height, width and channels.
    units : bool
        Whether to draw the hidden layers that have units, and not only feature maps.
    """
    drawn: list[tuple[float, Callable[[Axes], None]]] = []
    for number, A in enumerate(inside.hidden, 1):
        if A.ndim == 3:
            drawn.append((row_height(A.shape[2]), partial(show_maps, maps=A, number=number)))
        elif units:
            drawn.append((1.3, partial(show_units, A=A, number=number)))
    for number, heads in enumerate(inside.heads, 1):
        drawn.append((row_height(len(heads)), partial(show_heads, x=x, shape=shape, heads=heads, number=number)))
    return drawn


def columns_for(count: int) -> int:
    """Return for how many tiles a row of `count` tiles has room."""
    return min(max(count, FEWEST_TILES), MOST_TILES)


def row_height(count: int) -> float:
    """Return the height in inches of a row of tiles with its heading, in a figure that is 7 inches wide."""
    return 0.45 + 0.9 * 7 / columns_for(count)


def show_units(axes: Axes, A: Array, number: int) -> None:
    """Show the activations A of a hidden layer, of shape (units,); it has this number, from 1."""
    axes.bar(np.arange(1, len(A) + 1), A, color=BLUE)
    axes.axhline(0, color=GRAY, linewidth=0.6)
    axes.set_title(f"hidden layer {number}: {np.count_nonzero(A > 0)} of {len(A)} units above 0", fontsize=9)
    axes.set(xlim=(0.5, len(A) + 0.5), xlabel="unit", ylabel="activation")


def show_maps(axes: Axes, maps: Array, number: int) -> None:
    """Show feature maps, of shape (height, width, filters), on one scale that is symmetric about 0.

    Parameters
    ----------
    axes : Axes
        Where to.
    maps : ndarray
        Of a hidden layer.
    number : int
        Of the hidden layer, from 1.
    """
    shown = maps.transpose(2, 0, 1)[:SHOWN_MAPS]
    limit = np.abs(shown).max() or 1.0
    names = [str(k) for k in range(1, 1 + len(shown))]
    _show_row(axes, shown, names, cmap=SIGNED, vmin=-limit, vmax=limit)
    which = counted(maps.shape[2], SHOWN_MAPS, "filter")
    span = f"{shown.min():.2g} to {shown.max():.2g}"
    axes.set_title(f"hidden layer {number}: feature maps of the {which}, {span}", fontsize=9)


def show_heads(axes: Axes, x: Array, shape: tuple[int, int, int], heads: Array, number: int) -> None:
    """Show what each head takes from each place of an image, over the image.

    Parameters
    ----------
    axes : Axes
        Where to.
    x : ndarray of shape (features,)
        The image.
    shape : tuple of int
        Its height, width and channels.
    heads : ndarray of shape (heads, height, width)
        Of one layer, as in `Inside`.
    number : int
        Of the layer among those that attend, from 1.
    """
    images = np.repeat(as_images(x[:, np.newaxis], shape), len(heads), axis=0)
    names = [f"head {k}" for k in range(1, 1 + len(heads))]
    tiles = over(images, heads, "Oranges", 0, heads.max())
    _show_row(axes, tiles, names)
    span = f"up to {heads.max():.1f} equal shares"
    axes.set_title(f"attention {number}: what each head takes from each place, {span}", fontsize=9)


def _show_row(axes: Axes, tiles: Array, labels: Sequence[str], **options: Any) -> None:
    columns = columns_for(len(tiles))
    show_tiles(axes, tiles, labels, [False] * len(tiles), columns, room=10 * columns // MOST_TILES, **options)
