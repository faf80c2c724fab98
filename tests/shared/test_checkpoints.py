"""What a checkpoint brings back, and which one is not taken up."""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from stages.nn.arrays import Array, Labels
from stages.nn.early_stopping import EarlyStopping
from stages.nn.training import Record, fit
from stages.shared import checkpoints, models, ranks
from stages.shared.checkpoints import Checkpoint
from stages.shared.errors import UserError
from stages.shared.mnist import FORM
from stages.shared.parameters import Model
from tests.networks import layer_rows

PATIENCE = 3
ROW: dict[str, Any] = {
    "split": "kaggle",
    "layers": layer_rows(5, dropout=0.3),
    "optimizer": {"name": "adam"},
    "learning_rate": 0.01,
    "batch_size": 16,
    "epochs": 30,
    "early_stopping": PATIENCE,
    "seed": 3,
}
Run = tuple[Checkpoint, Iterator[Record], dict[str, Array]]


@pytest.fixture(autouse=True, params=["dropout", "state", "averages"])
def _layers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do every test with random masks, with a layer that keeps what is not learned, and with averages of both."""
    with_state = [{"name": "affine", "units": 5}, {"name": "batch_normalization"}, {"name": "relu"}, {"name": "affine"}]
    if request.param != "dropout":
        monkeypatch.setitem(ROW, "layers", with_state)
    if request.param == "averages":
        monkeypatch.setitem(ROW, "averaging", 0.9)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def examples(m: int, seed: int) -> tuple[Array, Labels]:
    rng = np.random.default_rng(seed)
    return np.asfortranarray(rng.random((784, m), dtype=np.float32)), rng.integers(0, 10, m)


TRAIN, VALIDATION = examples(40, 1), examples(20, 2)


def start(origin: str = "this", stops_early: bool = True) -> Run:
    """Return a training that has not begun, its checkpoint, and its parameters."""
    row = Model.model_validate(ROW)
    rng = np.random.default_rng(row.seed)
    network = models.start_network("m", row, FORM, rng)
    trainer = models.build_trainer(row, network, len(TRAIN[1]))
    stopping = EarlyStopping(PATIENCE) if stops_early else None
    checkpoint = Checkpoint("model", origin, trainer, rng, stopping)
    records = fit(trainer, *TRAIN, row.batch_size, rng, VALIDATION, early_stopping=stopping)
    return checkpoint, records, network.kept


def finish(run: Run) -> tuple[list[Record], dict[str, Array]]:
    checkpoint, records, parameters = run
    checkpoint.history.extend(records)
    return checkpoint.history, parameters


@pytest.mark.parametrize("moment", ["start", "first record", "best record", "after the best", "last record", "end"])
def test_a_restored_training_ends_as_one_that_was_not_interrupted(moment: str) -> None:
    history, parameters = finish(start())
    best = len(history) - PATIENCE
    assert 1 < best < 30 - PATIENCE, "early stopping must have its part in it"
    moments = {"start": 0, "first record": 1, "best record": best, "after the best": best + 1}
    records_before = moments.get(moment, len(history))
    interrupted, records, _ = start()
    interrupted.history.extend(islice(records, records_before))
    if moment == "end":
        assert next(records, None) is None
    interrupted.save()
    resumed = start()
    resumed[0].restore()
    assert resumed[0].history == history[:records_before]
    resumed_history, resumed_parameters = finish(resumed)
    assert resumed_history == history
    for name, theta in parameters.items():
        np.testing.assert_array_equal(resumed_parameters[name], theta)


def test_where_there_is_none_the_training_begins_and_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, _, _ = start()
    checkpoint.restore()
    assert (checkpoint.trainer.update, checkpoint.history) == (0, [])
    assert capsys.readouterr() == ("", "")


def test_a_training_without_early_stopping_is_restored_and_says_where_it_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    history, parameters = finish(start(stops_early=False))
    interrupted, records, _ = start(stops_early=False)
    interrupted.history.extend(islice(records, 2))
    interrupted.save()
    resumed = start(stops_early=False)
    resumed[0].restore()
    assert capsys.readouterr().err == f"goes on at update {history[1].update}, from checkpoints/model.npz\n"
    resumed_history, resumed_parameters = finish(resumed)
    assert resumed_history == history
    for name, theta in parameters.items():
        np.testing.assert_array_equal(resumed_parameters[name], theta)


@pytest.mark.parametrize(
    "content",
    [b"", b"not a zip file", b"PK\x03\x04 cut off", None],
    ids=["empty", "text", "truncated", "of another origin"],
)
def test_what_is_not_of_this_training_is_not_taken_up(
    content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    other, records, _ = start(origin="another")
    next(records)
    other.save()
    if content is not None:
        other.path.write_bytes(content)
    checkpoint, _, parameters = start()
    before = {name: theta.copy() for name, theta in parameters.items()}
    checkpoint.restore()
    assert "checkpoints/model.npz is not used" in capsys.readouterr().err
    assert (checkpoint.trainer.update, checkpoint.history) == (0, [])
    for name, theta in before.items():
        np.testing.assert_array_equal(parameters[name], theta)


def test_a_foreign_archive_is_not_taken_up(capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, _, _ = start()
    Path("checkpoints").mkdir()
    for description in ([1], {}, {"origin": None}, "x"):
        np.savez(checkpoint.path, description=json.dumps(description))
        checkpoint.restore()
        assert "is not used" in capsys.readouterr().err
    np.savez(checkpoint.path, description=np.array([{}], dtype=object))
    checkpoint.restore()
    assert "is not used" in capsys.readouterr().err


def test_the_origin_is_another_with_other_parameters_data_or_code(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Model.model_validate(ROW)
    X, y = TRAIN
    origin = checkpoints.origin(row, [X, y])
    assert checkpoints.origin(Model.model_validate(ROW), [X.copy(order="F"), y.copy()]) == origin
    other_row = Model.model_validate(ROW | {"learning_rate": 0.011})
    other_X = X.copy(order="F")
    other_X[700, 30] += 1e-6
    other_y = (y + (np.arange(len(y)) == 30)) % 10
    others = [(other_row, [X, y]), (row, [other_X, y]), (row, [X, other_y])]
    assert len({origin, *(checkpoints.origin(*other) for other in others)}) == 4
    read_bytes, edited = Path.read_bytes, "optimizers.py"
    monkeypatch.setattr(Path, "read_bytes", lambda path: read_bytes(path) + (b"\n" if path.name == edited else b""))
    assert checkpoints.origin(row, [X, y]) != origin
    edited = Path(__file__).name  # which is loaded too, and no part of the stages
    assert checkpoints.origin(row, [X, y]) == origin


def other_libraries(field: str) -> list[dict[str, Any]]:
    return [library | {field: "another"} for library in threadpool_info()]


@pytest.mark.parametrize(
    ("where", "other"),
    [
        ("numpy.__version__", "1.0"),
        ("platform.python_version", lambda: "3.0"),
        ("stages.shared.ranks.threadpool_info", lambda: other_libraries("version")),
        ("stages.shared.ranks.threadpool_info", lambda: other_libraries("num_threads")),
        ("stages.shared.ranks.threadpool_info", lambda: other_libraries("architecture")),
    ],
    ids=["NumPy", "Python", "BLAS", "threads", "kernels"],
)
def test_the_origin_is_another_with_other_arithmetic(where: str, other: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Model.model_validate(ROW)
    origin = checkpoints.origin(row, list(TRAIN))
    monkeypatch.setattr(where, other)
    assert checkpoints.origin(row, list(TRAIN)) != origin


def test_the_origin_is_the_same_where_the_libraries_lie_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Model.model_validate(ROW)
    origin = checkpoints.origin(row, list(TRAIN))
    monkeypatch.setattr(ranks, "threadpool_info", lambda: other_libraries("filepath"))
    assert checkpoints.origin(row, list(TRAIN)) == origin


def test_the_origin_is_the_same_in_whatever_order_the_libraries_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Model.model_validate(ROW)
    found = [*threadpool_info(), *other_libraries("version")]
    origins = set()
    for order in (found, found[::-1]):
        monkeypatch.setattr(ranks, "threadpool_info", lambda order=order: order)
        origins.add(checkpoints.origin(row, list(TRAIN)))
    assert len(origins) == 1


def test_a_module_that_loads_another_when_it_is_looked_at_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lazy(ModuleType):
        def __getattr__(self, name: str) -> None:
            monkeypatch.setitem(sys.modules, "loaded", ModuleType("loaded"))
            raise AttributeError(name)

    monkeypatch.setitem(sys.modules, "lazy", Lazy("lazy"))
    row = Model.model_validate(ROW)
    assert checkpoints.origin(row, list(TRAIN))
    assert "loaded" in sys.modules


def test_a_checkpoint_is_written_only_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    checkpoint, _, _ = start()
    now += 9.5
    checkpoint.save_now_and_then()
    assert not checkpoint.path.exists()
    now += 0.5
    checkpoint.save_now_and_then()
    assert checkpoint.path.exists()
    checkpoint.remove()
    checkpoint.save_now_and_then()
    assert not checkpoint.path.exists()
    checkpoint.remove()  # as at the end of a short training, of which none was written


def test_a_second_process_is_told_that_the_model_is_being_trained() -> None:
    with checkpoints.alone("model"):
        with (
            pytest.raises(UserError, match=r"models\.model: another process is training it"),
            checkpoints.alone("model"),
        ):
            pass
        with checkpoints.alone("another"):
            pass
    with checkpoints.alone("model"):
        pass
