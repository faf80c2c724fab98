"""Images in the columns of a matrix, and the places of a square."""

from typing import Literal

import numpy as np
import pytest

from stages.nn.images import Square, columns_of, images_of


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_column_is_an_image_without_a_copy(order: Literal["C", "F"]) -> None:
    images = images_of(np.array(np.arange(120.0).reshape(2, 60).T, order=order), (3, 4, 5))
    np.testing.assert_array_equal(images, np.arange(120.0).reshape(2, 3, 4, 5))
    X = columns_of(images)
    assert X.shape == (60, 2)
    assert X.flags.f_contiguous == (order == "F")
    assert np.shares_memory(X, images)
    np.testing.assert_array_equal(X[:, 1], images[1].ravel())
    again = images_of(X, (3, 4, 5))
    assert np.shares_memory(again, images)
    np.testing.assert_array_equal(again, images)


def test_no_images_are_no_columns() -> None:
    assert images_of(np.zeros((60, 0)), (3, 4, 5)).shape == (0, 3, 4, 5)


def test_the_entries_of_a_square_see_the_image_shifted_and_write_into_it() -> None:
    images = np.arange(35.0).reshape(1, 5, 7, 1)
    square = Square(size=3, stride=2, height=2, width=3)
    seen = [entry[0, :, :, 0] for entry in square.entries(images)]
    assert len(seen) == 9
    np.testing.assert_array_equal(seen[0], [[0, 2, 4], [14, 16, 18]])
    np.testing.assert_array_equal(seen[1], seen[0] + 1)
    np.testing.assert_array_equal(seen[3], seen[0] + 7)
    np.testing.assert_array_equal(seen[8], [[16, 18, 20], [30, 32, 34]])
    seen[8][...] = -1
    assert (images == -1).sum() == 6
