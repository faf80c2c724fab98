from typing import Any

import numpy as np
import pytest

from stages.claims import as_printed
from stages.claims.demonstrations import rows_and_numbers, sign_of_the_error
from stages.claims.demonstrations.common import Setup
from stages.claims.demonstrations.table import DEMONSTRATIONS
from stages.nn.softmax import softmax


@pytest.mark.parametrize("row", DEMONSTRATIONS)
def test_each_row_is_shown_by_its_own_measurements(setup: Setup, row: str) -> None:
    found = DEMONSTRATIONS[row](setup)
    assert found.shown
    assert found.with_it
    assert found.without
    assert found.with_it != found.without
    assert "nan" not in found.finding


@pytest.mark.parametrize(
    ("row", "module", "name", "mended"),
    [
        ("E2", as_printed, "plotted_loss", lambda Y, A: float(-(Y * np.log(A)).sum())),
        ("E3", as_printed, "softmax", softmax),
        ("E4", as_printed, "one_hot", as_printed.one_hot_of_ten),
        ("E5", as_printed, "softmax_of_whole_maximum", softmax),
        ("E6", as_printed, "tanh", np.tanh),
        ("E9", sign_of_the_error, "labels_minus_probabilities", np.subtract),
        ("W3.3", as_printed, "softmax", softmax),
        ("W3.4", as_printed, "softmax_over_everything", softmax),
        ("W3.5", as_printed, "softmax", softmax),
        ("W3.6", rows_and_numbers, "labels_as_they_are", as_printed.one_hot_of_ten),
    ],
)
def test_without_the_error_nothing_is_shown(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, row: str, module: Any, name: str, mended: Any
) -> None:
    monkeypatch.setattr(module, name, mended)
    assert not DEMONSTRATIONS[row](setup).shown
