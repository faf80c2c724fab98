"""The files of what was measured, read for the README, the site and the paper."""

from pathlib import Path

from pydantic import BaseModel, ValidationError

from stages.artifacts import read_json
from stages.errors import UserError
from stages.schema import Schema

REPRODUCTIONS = Path("metrics/reproductions.json")
BENCHMARKS = Path("benchmarks/results.json")


class Measured(BaseModel):
    """How a model does on one part of its split, as in metrics/<model>.json."""

    accuracy: float
    interval: tuple[float, float]
    cross_entropy: float


class Metrics(BaseModel):
    """What README, site and paper show of metrics/<model>.json."""

    dataset: str
    train: Measured
    held_out: Measured | None
    test: Measured | None
    notes: list[str] = []


def load_metrics(model: str) -> Metrics:
    """Return the metrics of a model.

    Raises
    ------
    UserError
        If the file is missing or is not what the evaluate stage writes.
    """
    return load(Path("metrics") / f"{model}.json", Metrics, "dvc repro")


def load(path: Path, schema: type[Schema], command: str) -> Schema:
    """Return the content of a JSON file of measurements as its schema.

    Raises
    ------
    UserError
        If the file is missing or is not what the command writes; the message names the command.
    """
    if not path.exists():
        raise UserError(f"{path}: not there; run `{command}`, which makes it")
    try:
        return schema.model_validate(read_json(path))
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise UserError(f"{path}: {key} is missing or is not what `{command}` writes; run that") from None
