import json
from pathlib import Path

import numpy as np
import pytest

from stages.ladder.climb import climb
from stages.ladder.committee import load_alike, measure
from stages.nn.softmax import softmax
from stages.shared import models, splits
from stages.shared.errors import UserError


def test_a_committee_goes_by_the_mean_of_the_probabilities_of_its_first_members(prepared: Path) -> None:
    climb("high")
    measure("both")
    X, y = splits.require_part("final", "test")
    P = [softmax(models.load(Path(f"models/high/{seed}.npz")).network.forward(X)) for seed in (0, 1)]
    metrics, run = (json.loads(Path(f"{folder}/both.json").read_text()) for folder in ("metrics", "runs"))
    mean = (P[0] + P[1]) / 2
    (found,) = metrics["seeds"]
    assert found["wrong"] == np.count_nonzero(mean.argmax(axis=0) != y)
    assert found["wrong"] != np.count_nonzero(P[0].argmax(axis=0) != y)
    assert found["cross_entropy"] == pytest.approx(-np.log(mean[y, np.arange(100)]).mean(), abs=1e-5)
    assert metrics["spread"] is None
    assert metrics["parameters"] == 2 * json.loads(Path("metrics/high.json").read_text())["parameters"]
    assert run["seconds"] == [pytest.approx(2 * min(json.loads(Path("runs/high.json").read_text())["seconds"]))]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"classes": [*"012345678", "nine"]}, "7, 8, nine, and models/high/0.npz on MNIST"),
        ({"dataset": "letters"}, "trained on letters, "),
    ],
)
def test_members_of_other_classes_or_data_are_refused(changes: dict[str, object], told: str, prepared: Path) -> None:
    climb("high")
    path = Path("models/high/1.npz")
    with np.load(path) as archive:
        arrays = dict(archive)
    description = json.loads(str(arrays.pop("description"))) | changes
    np.savez(path, **arrays, description=json.dumps(description))
    with pytest.raises(UserError, match=r"^models/high/1\.npz: trained on .*a committee needs the same") as error:
        load_alike([Path("models/high/0.npz"), path])
    assert told in str(error.value)
    with pytest.raises(UserError, match="a committee needs the same"):
        measure("both")
    assert not Path("metrics/both.json").exists()


def test_a_missing_member_is_named(prepared: Path) -> None:
    with pytest.raises(UserError, match=r"^models/high/0\.npz: not there"):
        measure("both")
    with pytest.raises(UserError, match=r"^rungs\.yaml: committees has no 'all'; it has both$"):
        measure("all")
