"""The schema of params.yaml as a whole, and of a model's row. Run as a program, it checks the file."""

from dataclasses import MISSING, asdict, fields
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    create_model,
    model_validator,
)

from stages.errors import run
from stages.mnist import CLASSES, PIXELS
from stages.nn.activation import ACTIVATIONS
from stages.nn.initializers import INITIALIZERS, He, Initializer
from stages.nn.optimizers import OPTIMIZERS, GradientDescent, Optimizer
from stages.nn.schedules import SCHEDULES, Constant, Schedule
from stages.schema import PATH, Data, Fraction, Positive, Reproduce, Section, Seed, Split, describe, read, row, validate


def _options(member: type[Any]) -> type[Section]:
    """Return the schema of the options of a member of a family, from the fields of its dataclass."""
    options: dict[str, Any] = {
        field.name: (field.type, ... if field.default is MISSING else field.default) for field in fields(member)
    }
    return create_model(member.__name__, __base__=Section, **options)


def _member(family: dict[str, type[Any]]) -> tuple[PlainValidator, PlainSerializer]:
    """Return what turns {name: ..., option: ...} into a member of a family, and what turns it back."""

    def build(value: object) -> object:
        if not isinstance(value, dict) or value.get("name") not in list(family):
            raise ValueError(f"must be a map whose key `name` is one of {', '.join(family)}")
        member = family[value["name"]]
        options = {key: option for key, option in value.items() if key != "name"}
        try:
            return member(**dict(_options(member).model_validate(options)))
        except ValidationError as error:
            raise ValueError("; ".join(describe(detail) for detail in error.errors())) from None

    names = {member: name for name, member in family.items()}
    return PlainValidator(build), PlainSerializer(lambda member: {"name": names[type(member)], **asdict(member)})


def _activation(value: str | None) -> str | None:
    if value is not None and value not in ACTIVATIONS:
        raise ValueError(f"must be null or one of {', '.join(ACTIVATIONS)}")
    return value


def _layer_sizes(sizes: list[int]) -> list[int]:
    if len(sizes) < 2 or sizes[0] != PIXELS or sizes[-1] != CLASSES or min(sizes) < 1:
        raise ValueError(f"must be positive and start with {PIXELS} (pixels) and end with {CLASSES} (classes)")
    return sizes


def _name(name: str) -> str:
    if not name or not all(char.isalnum() or char in "-_" for char in name):
        raise ValueError("a name may hold only letters, digits, hyphens and underscores")
    return name


Name = Annotated[str, AfterValidator(_name)]


class Model(Section):
    """A network and how it is trained, for a number either of `updates` or of `epochs`."""

    split: str = Field(description="name of the split to train on")
    layer_sizes: Annotated[list[int], AfterValidator(_layer_sizes)] = Field(
        description="features, units of each hidden layer, classes"
    )
    activation: Annotated[str | None, AfterValidator(_activation)] = Field(
        "relu", description="of the hidden layers; null leaves the network linear"
    )
    dropout: Fraction = Field(0.0, description="probability of dropping a hidden activation")
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
    weight_decay: float = Field(0.0, ge=0, allow_inf_nan=False, description="lambda of the L2 penalty on the weights")
    batch_size: Positive | None = Field(None, description="examples in a mini-batch; null takes all for each update")
    updates: Positive | None = Field(None, description="length of the training in updates")
    epochs: Positive | None = Field(None, description="length of the training in passes over the training part")
    record_every: Positive = Field(1, description="epochs between two rows of the training history")
    early_stopping: Positive | None = Field(
        None, description="records without a lower validation loss after which to stop"
    )
    seed: Seed = Field(description="seed of initial parameters, shuffles and dropout")

    @model_validator(mode="after")
    def _one_length(self) -> "Model":
        if (self.updates is None) == (self.epochs is None):
            raise ValueError("needs one of updates and epochs, and not both")
        return self


class Parameters(Section):
    """All of params.yaml."""

    blas_threads: Positive = Field(description="threads of the linear algebra library")
    data: Data
    splits: dict[Name, Split] = Field(min_length=1)
    models: dict[Name, Model] = Field(min_length=1)
    reproduce: Reproduce

    @model_validator(mode="after")
    def _splits_of_models(self) -> "Parameters":
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
