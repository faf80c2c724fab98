"""Matrices as cells: each entry at its place, in a color by its sign and as strong as it is large, with its number."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.patches import Rectangle

from publishing import cells, drawing
from stages.nn.arrays import Array
from stages.shared.figures import BLUE, INK, VERMILION, Axes


def put(values: Array, **options: object) -> tuple[Axes, list[Rectangle], list[str]]:
    """Return a sheet with a matrix at (10, 20), its cells without the frame around them, and its words."""
    sheet = cells.sheet(drawing.new())
    cells.show(sheet, values, (10, 20), "title", **options)  # type: ignore[arg-type]
    *found, frame = [patch for patch in sheet.patches if isinstance(patch, Rectangle)]
    assert not frame.get_fill()
    return sheet, found, [text.get_text() for text in sheet.texts]


def strength(cell: Rectangle) -> float:
    """Return how much of what is below a cell its color covers."""
    return to_rgba(cell.get_facecolor())[3]


def test_each_entry_is_a_cell_at_its_row_and_column_with_its_number() -> None:
    _, found, words = put(np.array([[1.0, 2.5, 3.0], [4.0, 0.0, 6.0]]))
    assert [cell.get_xy() for cell in found] == [(10, 20), (11, 20), (12, 20), (10, 21), (11, 21), (12, 21)]
    assert words == ["1", "2.5", "3", "4", "0", "6", "title"]


def test_a_number_has_the_form_that_is_asked_for_and_a_true_minus() -> None:
    _, _, words = put(np.array([[-1.25, -0.0]]), form="{:.1f}")
    assert words[:2] == ["\N{MINUS SIGN}1.2", "0.0"]


def test_a_matrix_with_both_signs_has_a_color_for_each() -> None:
    _, (above, below), _ = put(np.array([[3.0, -3.0]]))
    assert to_rgb(above.get_facecolor()) == to_rgb(VERMILION)
    assert to_rgb(below.get_facecolor()) == to_rgb(BLUE)


def test_a_matrix_without_negative_entries_is_in_the_color_of_the_text() -> None:
    _, found, _ = put(np.array([[0.0, 3.0]]))
    assert {to_rgb(cell.get_facecolor()) for cell in found} == {to_rgb(INK)}


def test_a_cell_is_as_strong_as_its_entry_is_large_up_to_the_limit() -> None:
    entries = np.array([[0.0, 1.0, 2.0, 4.0]])
    strengths = [strength(cell) for cell in put(entries)[1]]
    assert strengths == pytest.approx([0, 0.25 * strengths[3], 0.5 * strengths[3], strengths[3]])
    limited = [strength(cell) for cell in put(entries, limit=2)[1]]
    assert limited == pytest.approx([0, 0.5 * strengths[3], strengths[3], strengths[3]])
    assert {strength(cell) for cell in put(entries, limit=np.inf)[1]} == {0}


def test_a_number_can_be_read_on_the_strongest_cell_on_light_ground_and_on_dark() -> None:
    for values in (np.array([[1.0]]), np.array([[1.0, -1.0]])):
        for cell in put(values)[1]:
            color, share = to_rgb(cell.get_facecolor()), strength(cell)
            for ground, text in ((1.0, 0.13), (0.13, 0.82)):  # as gray as the site's
                own = np.full(3, text) if color == to_rgb(INK) else np.array(color)
                assert contrast(share * own + (1 - share) * ground, np.full(3, text)) > 4.5


def contrast(one: Array, other: Array) -> float:
    """Return the contrast of two colors as WCAG 2 defines it."""
    low, high = sorted(
        float([0.2126, 0.7152, 0.0722] @ np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4))
        for c in (one, other)
    )
    return (high + 0.05) / (low + 0.05)


def test_without_numbers_it_is_an_image_that_leaves_out_what_is_empty() -> None:
    _, found, words = put(np.array([[0.0, 2.0], [4.0, 0.0]]), form="", side=0.5)
    assert [(cell.get_xy(), cell.get_width(), strength(cell)) for cell in found] == [
        ((10.5, 20), 0.5, 0.5),
        ((10, 20.5), 0.5, 1),
    ]
    assert words == ["title"]


def test_a_fitted_figure_has_cells_of_the_side_that_is_asked_for() -> None:
    sheet, _, _ = put(np.ones((3, 8)))
    cells.fit(sheet, 0.5)
    figure = sheet.get_figure(root=True)
    assert figure
    assert figure.get_size_inches() == pytest.approx((4, 1.5))
    corner, opposite = sheet.transData.transform([(10, 20), (11, 21)])
    assert (opposite - corner) / figure.dpi == pytest.approx((0.5, -0.5))
