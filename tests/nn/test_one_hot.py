"""One-hot labels."""

import numpy as np
import pytest

from stages.nn.one_hot import one_hot


def test_by_hand() -> None:
    np.testing.assert_array_equal(one_hot(np.array([2, 0, 1, 2]), 3), [[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]])


def test_a_batch_without_the_last_class_has_a_row_for_it() -> None:
    Y = one_hot(np.array([0, 3], np.uint8), 10)
    assert Y.shape == (10, 2)
    np.testing.assert_array_equal(Y.sum(axis=0), [1, 1])


def test_no_labels_give_no_columns() -> None:
    assert one_hot(np.array([], np.int64), 10).shape == (10, 0)


@pytest.mark.parametrize(("label", "found"), [(-1, "-1 to 5"), (10, "5 to 10")])
def test_a_label_outside_the_classes_is_an_error(label: int, found: str) -> None:
    with pytest.raises(IndexError, match=f"^labels must lie in 0 to 9, not {found}$"):
        one_hot(np.array([5, label]), 10)
