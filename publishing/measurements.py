"""The files of what was measured, read for the README, the site and the papers, and whether they belong together."""

import hashlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, Field, RootModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.claims.write_ups import WRITE_UPS
from stages.shared import parameters, schema
from stages.shared.artifacts import read_json
from stages.shared.changes import name_leaves
from stages.shared.errors import UserError
from stages.shared.schema import Schema

LITERATURE = Path(__file__).parents[1] / "docs/literature.yaml"

METRICS, FIGURES, LOCK = Path("metrics"), Path("figures"), Path("dvc.lock")
ABLATIONS, REPRODUCTIONS = METRICS / "ablations.json", METRICS / "reproductions.json"
BENCHMARKS = Path("benchmarks/results.json")
PAPERS = tuple(Path("paper", f"{name}.pdf") for name in ("core-mathematics", "reproduction", "reproduction-supplement"))
FIGURES_OF_ALL = ("ablations", "comparisons", "reproductions")
OF_A_MODEL = (
    "metrics/*.json",
    "metrics/confusion/*.csv",
    "metrics/history/*.csv",
    "metrics/predictions/*.csv",
    "figures/*/",
)


class Read(BaseModel):
    """A file that something was written into: where it is, and the command that makes it."""

    PATH: ClassVar[Path]
    COMMAND: ClassVar[str] = "dvc repro"

    @classmethod
    def load(cls) -> Self:
        """Return what is in it; raise UserError as `load` does."""
        return load(cls.PATH, cls, cls.COMMAND)


class Measured(BaseModel):
    """How a model does on one part of its split."""

    accuracy: float
    interval: tuple[float, float]
    cross_entropy: float


class Metrics(BaseModel):
    """What is shown of metrics/<model>.json."""

    dataset: str
    train: Measured
    held_out: Measured | None
    test: Measured | None
    notes: list[str] = []


class Quantity(BaseModel):
    """Something measured once for each seed, what is claimed of it, if anything, and the verdicts."""

    quantity: str
    unit: str
    claimed: float | None = None
    rounding: float = 0.0
    seeds: int
    mean: float
    sd: float
    interval: tuple[float, float]
    region: tuple[float | None, float | None] | None = None
    better: bool = False
    bootstrap: tuple[float, float] | None = None
    min: float
    p: float | None
    corrected: float | None
    alone: str | None
    verdict: str | None

    @property
    def alike(self) -> bool:
        """Whether all runs came to the same."""
        return self.sd == 0


class Part(BaseModel):
    """A part of a claim with its verdict."""

    part: str
    verdict: str


class Answer(BaseModel):
    """A claim with its verdict, which may be that of another claim with the same experiment."""

    id: str
    kind: str
    same_as: str | None = None
    claim: str
    verdict: str
    alone: str
    parts: list[Part] = []
    finding: str
    measured: list[Quantity]


class Reproductions(Read):
    """What came of putting the claims to the test."""

    PATH = REPRODUCTIONS
    dataset: str
    notes: list[str]
    networks: dict[str, parameters.Model] = {}
    claims: list[Answer]

    @property
    def counted(self) -> list[Answer]:
        """The claims, but for those whose experiment is that of another claim."""
        return [claim for claim in self.claims if claim.same_as is None]


class Ablation(BaseModel):
    """An error and its effect, or a warning, and what was measured with it and without."""

    id: str
    group: str
    write_ups: list[str]
    what: str
    shown: bool
    effect: str | None
    gain: str
    finding: str
    with_it: dict[str, float | str] = Field(alias="with")
    without: dict[str, float | str]


class Ablations(Read):
    """What comes of the errors, and of not heeding the warnings."""

    PATH = ABLATIONS
    dataset: str
    notes: list[str]
    images: dict[str, int]
    rows: list[Ablation]


class Spread(BaseModel):
    """What rounds of the same came to."""

    smallest: float
    median: float
    largest: float


class Contestant(BaseModel):
    """A contestant at a work: median time, ours divided by it, loss after the first round, and peak memory."""

    time: float
    ours_over_theirs: Spread
    loss: float | None
    peak_megabytes: int


class Work(BaseModel):
    """A work of the benchmark."""

    work: str
    unit: str
    contestants: dict[str, Contestant]

    @property
    def ratios(self) -> dict[str, Spread]:
        """Our time divided by that of each other contestant."""
        return {name: result.ours_over_theirs for name, result in self.contestants.items() if name != "ours"}


class ColdStart(BaseModel):
    """Seconds to each target accuracy, by contestant; None where it is not reached."""

    work: str
    starts: int
    seconds: dict[str, dict[str, Spread | None]]

    @property
    def targets(self) -> list[str]:
        """The accuracies."""
        return list(next(iter(self.seconds.values())))


class Benchmarks(Read):
    """Times and memory, ours and those of peers."""

    PATH, COMMAND = BENCHMARKS, "make bench"
    machine: dict[str, str | int]
    warning: str | None
    rounds: int
    works: list[Work]
    cold_starts: list[ColdStart]


class Goals(Read, RootModel[dict[str, dict[str, float]]]):
    """What our time divided by theirs shall be at most, by work and contestant."""

    PATH = Path(__file__).parents[1] / "benchmarks/goals.json"


class Gradient(BaseModel):
    """How far the gradients of something are from those of each engine; None where an engine cannot compute them."""

    gradient: str
    entries: int
    errors: dict[str, float | None]


class Gradients(Read):
    """Our gradients against those of other engines."""

    PATH, COMMAND = Path("benchmarks/gradients.json"), "make bench"
    versions: dict[str, str]
    gradients: list[Gradient]


class Kernel(BaseModel):
    """What the kernels of one kind of processor make of a training."""

    kernels: str
    test_accuracy: float
    test_cross_entropy: float
    relative_distance: float


class Processors(Read, RootModel[dict[str, list[Kernel]]]):
    """The same training with the kernels of several processors, by model."""

    PATH, COMMAND = Path("benchmarks/processors.json"), "python -m benchmarks.processors"


class Passed(BaseModel):
    """A stage that has gone through many images: how many, how fast, and in how much memory that belongs to no file."""

    images: int
    microseconds_per_image: float
    peak_anonymous_megabytes: int


class LargeData(Read):
    """The stages on more images than memory has room for, and training on images in memory."""

    PATH, COMMAND = Path("benchmarks/large_data.json"), "python -m benchmarks.large_data"
    stages: dict[str, Passed]
    window: int
    ratio: float


class WriteUp(BaseModel):
    """Who wrote it, and what it trains, how, and on what."""

    id: str
    author: str | None
    title: str
    companion: str | None = None
    year: int | None
    network: str
    training: str
    data: str


class Stated(BaseModel):
    """A number of a claim, and the claim that it is taken from, if that is another."""

    of: str | None = None


class Claim(BaseModel):
    """What a write-up says, and what the verdict rests on if not on several seeds; of a warning, the page for it."""

    id: str
    write_up: str
    kind: str
    text: str
    page: Path = Path()
    basis: str | None = None
    numbers: list[Stated] = []


class Error(BaseModel):
    """What write-ups get wrong in their code or in their text, and the page that explains it."""

    id: str
    write_ups: list[str]
    where: str
    text: str
    page: Path


class Published(BaseModel):
    """An error of the literature in percent, the key of its source, and whether the network is a perceptron."""

    network: str
    method: str
    error: float
    who: str
    source: str
    plain: bool


class Literature(BaseModel):
    """What others have published."""

    published: list[Published]


class WriteUps(BaseModel):
    """What the write-ups say."""

    write_ups: list[WriteUp]
    claims: list[Claim]
    errors: list[Error]


def load_metrics(model: str) -> Metrics:
    """Return the metrics of a model; raise UserError as `load` does."""
    return load(METRICS / f"{model}.json", Metrics, "dvc repro")


def load_literature() -> list[Published]:
    """Return what others have published."""
    return Literature.model_validate(schema.read(LITERATURE)).published


def load_write_ups() -> WriteUps:
    """Return what the write-ups say."""
    return WriteUps.model_validate(schema.read(WRITE_UPS))


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


def check_one_run(leftovers: bool = False) -> None:
    """Check that the metrics and figures that are there are those of the run in dvc.lock.

    DVC records there what each stage read, with which parameters, and what it wrote. A file belongs to that run if its
    bytes are recorded, and each stage before it had the parameters that are in params.yaml now and read what the stage
    before it wrote. Code is not compared: a comment that is mended makes no number wrong. What is not there is not
    shown, and so is not checked: a clone has metrics and no figures.

    Parameters
    ----------
    leftovers : bool
        Whether files of models that params.yaml no longer has may be there. They are of no run, and nobody shows them.

    Raises
    ------
    UserError
        If something does not fit; the message names it, and the command that mends it.
    """
    run = RecordedRun()
    faults = dict.fromkeys(fault for path in run.shown() if path.exists() for fault in run.faults(path))
    if faults:
        raise UserError("\n".join([*faults, "what is shown together must be of one run; `dvc repro` makes it so"]))
    if not leftovers and (left := run.leftovers()):
        names = " or ".join(dict.fromkeys(path.stem for path in left))
        command = shlex.join(["rm", "-r", *(path.as_posix() for path in left)])
        raise UserError(f"{schema.PATH} has no model {names}; remove what is left of it: `{command}`")


def is_of_this_run(path: Path) -> bool:
    """Return whether a file is there and is of the run in dvc.lock, as `check_one_run` has it."""
    return path.exists() and not any(RecordedRun().faults(path))


class File(BaseModel):
    """A file or folder that a stage read or wrote."""

    path: str
    md5: str = ""


class Ran(BaseModel):
    """What dvc.lock records of a stage."""

    params: dict[str, dict[str, Any]] = {}
    deps: list[File] = []
    outs: list[File] = []


class Lock(BaseModel):
    """What is read of dvc.lock."""

    stages: dict[str, Ran]


class RecordedRun:
    """What dvc.lock records of the run that params.yaml asks for."""

    def __init__(self) -> None:
        self._models = parameters.load().models
        self._content = schema.read()
        self._stages = _read_lock()
        self._makers = {out.path: (name, out.md5) for name, stage in self._stages.items() for out in stage.outs}
        self._passed: set[str] = set()  # stages that have been looked at
        self._given = {Path(split["source"]) for split in self._content["splits"].values()} | {METRICS, FIGURES}

    def shown(self) -> list[Path]:
        """Return the files and folders of metrics/ and figures/ of which README, site or paper show something."""
        of_models = [path for name in self._models for path in (METRICS / f"{name}.json", FIGURES / name)]
        figures = [FIGURES / f"{name}.{suffix}" for name in FIGURES_OF_ALL for suffix in ("png", "svg")]
        return [*of_models, ABLATIONS, REPRODUCTIONS, *figures]

    def leftovers(self) -> list[Path]:
        """Return what was made for a model that is not, or no longer, in params.yaml."""
        found = {path for pattern in OF_A_MODEL for path in Path().glob(pattern) if path.stem not in self._models}
        return sorted(path for path in found - {ABLATIONS, REPRODUCTIONS} if self._is_of_a_row(path))

    def _is_of_a_row(self, path: Path) -> bool:
        """Return whether a stage made it for one row of many, or, of a file of metrics/, no stage is recorded."""
        if path.as_posix() in self._makers:
            return "@" in self._makers[path.as_posix()][0]
        return METRICS in path.parents

    def faults(self, path: Path) -> Iterator[str]:
        """Yield why a file or folder is not of this run; nothing if it is."""
        name, md5 = self._makers.get(path.as_posix(), (None, None))
        if name is None:
            yield f"{path}: {LOCK} has no stage that made it"
        elif _md5(path) != md5:
            yield f"{path}: not what {name} made"
        else:
            yield from self._of_stage(name)

    def _of_stage(self, name: str) -> Iterator[str]:
        if name in self._passed:
            return
        self._passed.add(name)
        stage = self._stages[name]
        for key, value in stage.params.get(schema.PATH.name, {}).items():
            if (here := _at(self._content, key)) != value:
                yield f"{schema.PATH}: {name_leaves(value, here, key)} is not what {name} was run with"
        for read in stage.deps:
            path = Path(read.path)
            if read.path in self._makers:
                maker, made = self._makers[read.path]
                if made != read.md5:
                    yield f"{path}: {name} read another than {maker} made"
                yield from self._of_stage(maker)
            elif path in self._given and path.exists() and _md5(path) != read.md5:
                yield f"{path}: not what {name} read"


def _read_lock() -> dict[str, Ran]:
    try:
        return Lock.model_validate(YAML(typ="safe").load(LOCK)).stages if LOCK.exists() else {}
    except (YAMLError, UnicodeDecodeError, ValidationError):
        raise UserError(f"{LOCK}: not what DVC writes; delete it and run `dvc repro`, which makes it anew") from None


def _at(content: Any, key: str) -> Any:
    for part in key.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _md5(path: Path) -> str:
    """Return the MD5 sum that DVC records of a file, or of a folder."""
    if path.is_dir():
        files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
        listed = [{"md5": _md5(files[name]), "relpath": name} for name in sorted(files)]
        return f"{hashlib.md5(json.dumps(listed).encode(), usedforsecurity=False).hexdigest()}.dir"
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
