"""The schema of params.yaml as a whole, and of a model's row. Run as a program, it checks the file."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from inspect import signature
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    create_model,
    model_validator,
)

from stages.nn.initializers import INITIALIZERS, He, Initializer
from stages.nn.layer import Count, Extent, Layer, Maker, Margin, Shape, Share, SmallNumber, Start
from stages.nn.layer_table import LAYERS
from stages.nn.optimizers import OPTIMIZERS, GradientDescent, Optimizer
from stages.nn.schedules import SCHEDULES, Constant, Schedule
from stages.shared.errors import run
from stages.shared.schema import (
    PATH,
    Data,
    Fraction,
    NotNegative,
    Positive,
    Reproduce,
    Section,
    Seed,
    Split,
    read,
    row,
    validate,
)


@dataclass(frozen=True)
class LayerRow:
    """A layer as a row of `layers` writes it: a constructor with its options.

    Parameters
    ----------
    name : str
        A key of `LAYERS`.
    options : dict
        What is given; what is left out has the constructor's default.
    """

    name: str
    options: dict[str, Any]

    def __call__(self, shape: Shape, start: Start) -> Layer:
        """Return the layer, for inputs of this shape."""
        return LAYERS[self.name](shape, start, **self.options)

    def __str__(self) -> str:
        """Return it in words, such as "affine 10" or "convolution (filters 16, size 5)"."""
        given = {key: _words(value) for key, value in self.options.items()}
        options = "".join(given.values()) if len(given) == 1 else ", ".join(f"{key} {v}" for key, v in given.items())
        name = self.name.replace("_", " ")
        return name if not given else f"{name} {options}" if len(given) == 1 else f"{name} ({options})"


def _words(value: Any) -> str:
    return f"({', '.join(map(str, value))})" if isinstance(value, list) else str(value)


def schema_of(member: type[Any]) -> type[Section]:
    """Return the schema of the options of a member of a family or of a layer, from the keywords of its constructor.

    The shape and the start, which a layer is given as well, are no options.
    """
    options: dict[str, Any] = {
        name: (_checked(option.annotation), ... if option.default is option.empty else option.default)
        for name, option in signature(member).parameters.items()
        if not issubclass(member, Layer) or option.kind is option.KEYWORD_ONLY
    }
    return create_model(member.__name__, __base__=Section, **options)


def _checked(annotation: Any) -> Any:
    """Return the type of an option with the limits that the schema checks."""
    if annotation in LIMITED:
        return LIMITED[annotation]
    if get_origin(annotation) in (Union, UnionType):
        return Union[tuple(map(_checked, get_args(annotation)))]  # noqa: UP007 (made from a tuple)
    return annotation


def _options(family: Mapping[str, type[Any]], value: object) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of {name: ..., option: ...}, as they stand there, checked by their schema."""
    if not isinstance(value, dict) or value.get("name") not in list(family):
        raise ValueError(f"must be a map whose key `name` is one of {', '.join(family)}, not {value!r:.80}")
    options = {key: option for key, option in value.items() if key != "name"}
    checked = schema_of(family[value["name"]]).model_validate(options)
    return value["name"], {key: getattr(checked, key) for key in options}


def _member(family: dict[str, type[Any]]) -> tuple[PlainValidator, PlainSerializer]:
    """Return what turns {name: ..., option: ...} into a member of a family, and what turns it back."""

    def build(value: object) -> object:
        name, options = _options(family, value)
        return family[name](**options)

    names = {member: name for name, member in family.items()}
    return PlainValidator(build), PlainSerializer(lambda member: {"name": names[type(member)], **asdict(member)})


def _layer_row(value: object) -> LayerRow:
    return LayerRow(*_options(LAYERS, value))


def _as_map(row: LayerRow) -> dict[str, Any]:
    options = {
        key: list(map(_as_map, value)) if isinstance(value, list) and isinstance(value[0], LayerRow) else value
        for key, value in row.options.items()
    }
    return {"name": row.name, **options}


Layers = Annotated[list[Annotated[LayerRow, PlainValidator(_layer_row), PlainSerializer(_as_map)]], Field(min_length=1)]
LIMITED: dict[Any, Any] = {
    Count: Positive,
    Margin: NotNegative,
    Share: Fraction,
    Extent: Annotated[float, Field(ge=0, allow_inf_nan=False)],
    SmallNumber: Annotated[float, Field(ge=1e-12, le=1)],
    Sequence[Maker]: Layers,
}


def _name(name: str) -> str:
    if not name or not all(char.isalnum() or char in "-_" for char in name):
        raise ValueError("a name may hold only letters, digits, hyphens and underscores")
    return name


Name = Annotated[str, AfterValidator(_name)]


class Model(Section):
    """A network and how it is trained, for a number either of `updates` or of `epochs`."""

    split: str = Field(description="name of the split to train on")
    layers: Layers = Field(description="what an image goes through, from its pixels to the logits")
    initializer: Annotated[Initializer, *_member(INITIALIZERS)] = Field(
        He(), description="how weights and biases begin"
    )
    optimizer: Annotated[Optimizer, *_member(OPTIMIZERS)] = Field(
        GradientDescent(), description="how a gradient becomes a step"
    )
    learning_rate: float = Field(gt=0, allow_inf_nan=False, description="length of a step")
    schedule: Annotated[Schedule, *_member(SCHEDULES)] = Field(
        Constant(), description="what multiplies the learning rate in the course of training"
    )
    label_smoothing: Fraction = Field(0.0, description="share of each label that is spread over all classes")
    clip_norm: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="norm that the gradients of a batch, all together, are shortened to where theirs is larger"
    )
    weight_decay: float = Field(0.0, ge=0, allow_inf_nan=False, description="lambda of the L2 penalty on the weights")
    decoupled_decay: bool = Field(
        False, description="whether weights shrink by rate times lambda beside the step, in place of the penalty"
    )
    averaging: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="share that an update leaves of averaged parameters, which are then measured and saved"
    )
    batch_size: Positive | None = Field(None, description="examples in a mini-batch; null takes all for each update")
    parts: Positive = Field(
        1, description="parts that a batch is taken in, side by side if there are processor cores for it"
    )
    blas_threads: Positive | None = Field(
        None, description="threads of the linear algebra library in a part; null takes the pipeline's `blas_threads`"
    )
    window: Positive | None = Field(
        None,
        description="with mini-batches, examples that are shuffled among themselves and read from disk together; "
        "null shuffles all, in memory",
    )
    updates: Positive | None = Field(None, description="length of the training in updates")
    epochs: Positive | None = Field(None, description="length of the training in passes over the training part")
    record_every: Positive = Field(1, description="epochs between two rows of the training history")
    early_stopping: Positive | None = Field(
        None, description="records without a lower validation loss after which to stop"
    )
    seed: Seed = Field(description="seed of initial parameters, shuffles and dropout")

    @model_validator(mode="before")
    @classmethod
    def _layers_of_an_old_row(cls, row: Any) -> Any:
        if isinstance(row, dict) and "layer_sizes" in row:
            raise ValueError(f"layer_sizes, activation and dropout are now one list: {_new_form(row)}")
        return row

    @model_validator(mode="after")
    def _one_length(self) -> "Model":
        if (self.updates is None) == (self.epochs is None):
            raise ValueError("needs one of updates and epochs, and not both")
        return self

    @model_validator(mode="after")
    def _window_of_batches(self) -> "Model":
        if self.window and (self.batch_size is None or self.window < self.batch_size):
            raise ValueError(f"window must be at least batch_size, which is {self.batch_size}")
        return self


def new_layers(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the layers of a row in the form that rows had before."""
    activation, dropout = row.get("activation", "relu"), row.get("dropout")
    between: list[dict[str, Any]] = [{"name": activation}] if activation else []
    between += [{"name": "dropout", "rate": dropout}] if dropout else []
    sizes = row["layer_sizes"] if isinstance(row["layer_sizes"], list) else []
    layers: list[dict[str, Any]] = []
    for units in sizes[1:]:
        layers += [*(between if layers else []), {"name": "affine", "units": units}]
    return layers


def _new_form(row: dict[str, Any]) -> str:
    """Return as YAML the layers of a row in the form that rows had before."""
    maps = (", ".join(f"{key}: {value}" for key, value in layer.items()) for layer in new_layers(row))
    return f"layers: [{', '.join(f'{{{items}}}' for items in maps)}]"


def describe_network(row: Model) -> str:
    """Return the layers of a network in words: "affine 128, relu, affine"."""
    return ", ".join(_folded(list(map(str, row.layers))))


def _folded(words: list[str]) -> list[str]:
    """Return them with what comes several times in a row told once: a, b, a, b, c as 2 × (a, b), c."""
    for size in range(1, len(words) // 2 + 1):
        for start in range(len(words) - 2 * size + 1):
            block, times = words[start : start + size], 1
            while words[start + times * size : start + (times + 1) * size] == block:
                times += 1
            if times > 1:
                once = f"{times} × ({', '.join(block)})"
                return _folded([*words[:start], once, *words[start + times * size :]])
    return words


class Parameters(Section):
    """All of params.yaml."""

    shown: str = Field(description="the model whose figures and accuracy README, site and paper show")
    blas_threads: Positive = Field(description="threads of the linear algebra library")
    data: Data
    splits: dict[Name, Split] = Field(min_length=1)
    models: dict[Name, Model] = Field(min_length=1)
    reproduce: Reproduce

    @model_validator(mode="after")
    def _names_of_rows(self) -> "Parameters":
        if self.shown not in self.models:
            raise ValueError(f"shown must be one of {', '.join(self.models)}, not {self.shown!r}")
        for name, model in self.models.items():
            if model.split not in self.splits:
                raise ValueError(f"models.{name}.split must be one of {', '.join(self.splits)}, not {model.split!r}")
            if model.early_stopping and not self.splits[model.split].validation:
                raise ValueError(f"models.{name}.early_stopping needs splits.{model.split}.validation above 0")
        return self


def load() -> Parameters:
    """Return all parameters, validated; raise UserError with a line for each key that is wrong."""
    return validate(Parameters, read())


def load_model(name: str) -> Model:
    """Return a row of the section models, all being validated; raise UserError if there is none of that name."""
    row(read(), "models", name)
    return load().models[name]


if __name__ == "__main__":
    run(lambda: print(f"{PATH}: all keys are valid; models: {', '.join(load().models)}"))
