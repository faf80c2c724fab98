"""Pictures that stand in a page: in the color of its text, with names of their own and nothing of a file's."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.patches import FancyArrowPatch
from matplotlib.transforms import Bbox

from publishing import drawing
from stages.shared.figures import BLUE, GRAY, INK, LIGHT_GRAY, Axes


def picture(label: str) -> str:
    """Return a picture with a line, points, words and a grid."""
    figure = drawing.new()
    axes = figure.subplots()
    axes.plot([1, 2, 3], "o-", color=BLUE, label=label)
    axes.axhline(2, color=INK)
    axes.grid(color=GRAY)
    axes.axvline(2, color=LIGHT_GRAY)
    axes.legend()
    return drawing.svg(figure)


@pytest.fixture(scope="module")
def svg() -> str:
    """Return a picture."""
    return picture("some words")


def test_it_is_one_element_on_one_line(svg: str) -> None:
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 (it is our own)
    assert svg.startswith("<svg ")
    assert svg.endswith("</svg>")
    assert "\n" not in svg


def test_nothing_is_left_that_is_not_of_the_picture(svg: str) -> None:
    for foreign in ("<metadata", "<style", "<!--", "rdf:", "some words"):
        assert foreign not in svg
    assert not re.search(r'(?:href|src)="(?!#)', svg)


def test_ink_and_gray_are_the_color_of_the_text_and_nothing_is_filled_with_white(svg: str) -> None:
    assert INK not in svg
    assert GRAY not in svg
    assert LIGHT_GRAY not in svg
    assert svg.count("stroke: currentColor; stroke-opacity: 0.15") == 1
    assert svg.count("currentColor") > 10
    assert BLUE in svg
    assert "#ffffff" not in svg
    assert "white" not in svg


def test_every_name_is_used_and_those_of_two_pictures_differ(svg: str) -> None:
    names = [re.findall(r' id="([^"]+)"', each) for each in (svg, picture("other words"))]
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))
    assert used == set(names[0])
    assert len(names[0]) == len(used) > 10
    assert not used & set(names[1])


def test_the_same_picture_has_the_same_bytes(svg: str) -> None:
    assert picture("some words") == svg


@pytest.fixture
def axes() -> Axes:
    """Return axes for boxes and arrows."""
    return drawing.graph(drawing.new(), 4, 2)


def extent(axes: Axes, artist: Artist) -> Bbox:
    """Return where something drawn is, in inches."""
    axes.figure.canvas.draw()
    return artist.get_window_extent().transformed(axes.transData.inverted())


def test_a_box_is_where_it_is_asked_for_and_its_words_are_in_its_middle(axes: Axes) -> None:
    box = drawing.box(axes, 1.5, 0.5, "word", 0.8, 0.4)
    assert np.allclose(box.get_path().get_extents().get_points(), [[1.1, 0.3], [1.9, 0.7]])
    words = extent(axes, axes.texts[0])
    assert np.allclose([words.x0 + words.x1, words.y0 + words.y1], [3, 1], atol=0.05)


@pytest.mark.parametrize(("x", "y"), [(3, 0.5), (3, 1.8), (1, 1.8), (0.2, 1.2), (1, 0.1)])
@pytest.mark.parametrize("text", ["7", "a number"])
def test_an_arrow_goes_from_box_to_box_and_its_words_stand_to_the_left(
    axes: Axes, x: float, y: float, text: str
) -> None:
    start, end = (drawing.box(axes, right, up, "", 0.2, 0.1) for right, up in ((1, 0.5), (x, y + 0.3)))
    drawing.arrow(axes, start, end, text)
    way = np.array([x - 1, y - 0.2])
    left = np.array([-way[1], way[0]]) / np.linalg.norm(way)
    corners = extent(axes, axes.texts[-1]).corners() - [1, 0.5]
    across = corners @ left
    assert across.min() > 0  # all of the words are on the left side of the line
    assert across.min() < 0.2
    assert np.allclose(corners.mean(axis=0) @ way / (way @ way), 0.5, atol=0.1)
    (line,) = [extent(axes, patch) for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    boxes = [patch.get_path().get_extents() for patch in (start, end)]
    assert line.width * abs(way[1]) == pytest.approx(line.height * abs(way[0]), abs=0.2)
    assert all(line.overlaps(box.padded(0.05)) for box in boxes)


def test_two_arrows_of_opposite_directions_run_beside_each_other(axes: Axes) -> None:
    start, end = (drawing.box(axes, x, 1, "") for x in (1, 3))
    drawing.arrow(axes, start, end, "there", shift=0.05)
    drawing.arrow(axes, end, start, "back", shift=0.05)
    there, back = (extent(axes, patch) for patch in axes.patches if isinstance(patch, FancyArrowPatch))
    assert there.y0 + there.y1 > 2 > back.y0 + back.y1
    above, below = (extent(axes, text) for text in axes.texts[-2:])
    assert above.y0 > there.y1 - 0.03
    assert below.y1 < back.y0 + 0.03


def test_a_bent_arrow_bulges_to_the_left_of_its_direction(axes: Axes) -> None:
    start, end = (drawing.box(axes, x, 1, "") for x in (1, 3))
    drawing.arrow(axes, start, end, "above", bend=0.25)
    (arrow,) = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    assert extent(axes, arrow).y1 == pytest.approx(1 + 0.25 * 2, abs=0.05)
    assert extent(axes, axes.texts[-1]).y0 > 1.5


def test_a_row_puts_boxes_and_signs_side_by_side(axes: Axes) -> None:
    left, right = drawing.row(axes, 0.1, 1, ("a", 1, 0.5), "=", ("b", 0.5, 1.5))
    assert left.get_x() == pytest.approx(0.1)
    sign = extent(axes, axes.texts[1])
    assert left.get_x() + 1 < sign.x0 < sign.x1 < right.get_x()
    assert (right.get_width(), right.get_height()) == (0.5, 1.5)
    assert right.get_y() + 0.75 == pytest.approx(1)


def test_a_graph_can_be_drawn_and_is_as_large_as_asked_for(axes: Axes) -> None:
    drawing.box(axes, 0.2, 0.2, "")
    drawing.box(axes, 3.8, 1.8, "")
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', drawing.svg(axes.figure.figure))
    assert size
    assert np.allclose(list(map(float, size.groups())), [4 * 72, 2 * 72], atol=15)
