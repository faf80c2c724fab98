"""Pictures that stand in a page: in the color of its text, with names of their own and nothing of a file's."""

import re
import xml.etree.ElementTree as ET

import pytest

from publishing import drawing
from stages.shared.figures import BLUE, GRAY, INK, LIGHT_GRAY


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
