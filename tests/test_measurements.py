"""The files of what was measured: what is said where one is missing or is another."""

from pathlib import Path

import pytest

from stages import measurements
from stages.errors import UserError

PART = '{"accuracy": 0.5, "interval": [0.4, 0.6], "cross_entropy": 1.5, "more": 1}'
METRICS = f'{{"dataset": "MNIST", "train": {PART}, "held_out": null, "test": {PART}}}'


@pytest.fixture
def metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    path = Path("metrics/first.json")
    path.write_text(METRICS, encoding="utf-8")
    return path


@pytest.mark.usefixtures("metrics")
def test_metrics_of_a_model() -> None:
    measured = measurements.load_metrics("first")
    assert (measured.dataset, measured.held_out, measured.notes) == ("MNIST", None, [])
    assert measured.test
    assert (measured.test.accuracy, measured.test.interval, measured.test.cross_entropy) == (0.5, (0.4, 0.6), 1.5)


def test_a_missing_file_is_named_with_the_command_that_makes_it(metrics: Path) -> None:
    metrics.unlink()
    with pytest.raises(UserError, match=r"^metrics/first\.json: not there; run `dvc repro`, which makes it$"):
        measurements.load_metrics("first")


@pytest.mark.parametrize(
    ("old", "new", "key"), [('"train"', '"other"', "train"), ("0.4", '"low"', r"train\.interval\.0")]
)
def test_what_is_missing_or_wrong_is_named(metrics: Path, old: str, new: str, key: str) -> None:
    metrics.write_text(METRICS.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=rf"^metrics/first\.json: {key} is missing or is not what `dvc repro` writes"):
        measurements.load_metrics("first")
