"""The rungs as ladder/rungs.yaml has them, and the rows of params.yaml that they train."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from stages.shared import schema
from stages.shared.errors import UserError
from stages.shared.parameters import Model, Name, Parameters
from stages.shared.schema import Positive, Section

RUNGS = Path("rungs.yaml")
FINAL, CHOOSING = "final", "choosing"  # splits: all training images, and those without the validation share


class Step(Section):
    """What every row of the table has."""

    part: Literal["ladder", "left out", "transformer"] = Field(description="in which of the tables it stands")
    after: str | None = Field(description="the rung that it is one change from")
    change: str = Field(description="the change, in a few words")
    page: str = Field(description="where in docs/ it is derived")


class Rung(Step):
    """A row of params.yaml, trained with several seeds."""

    parameters: Literal["params.yaml", "../params.yaml"] = Field(description="where the row stands")
    model: str = Field(description="the key of the row")
    seeds: Positive = Field(description="how many runs; the seeds are 0, 1 and so on")
    minutes: float = Field(gt=0, description="estimate for a run, until one has been measured")


class Committee(Step):
    """The mean of the probabilities of several networks."""

    members: str = Field(description="the rung whose networks they are")
    seeds: Positive = Field(ge=2, description="how many of them")


class Ladder(Section):
    """All of rungs.yaml."""

    best: str = Field(description="the rung whose errors are drawn")
    rungs: dict[Name, Rung] = Field(min_length=1)
    committees: dict[Name, Committee]

    @property
    def steps(self) -> dict[str, Rung | Committee]:
        """Rungs and committees by their names."""
        return {**self.rungs, **self.committees}

    @model_validator(mode="after")
    def _names(self) -> "Ladder":
        if twice := self.rungs.keys() & self.committees.keys():
            raise ValueError(f"{', '.join(sorted(twice))} names a rung and a committee; a name is for one of them")
        known = ", ".join(self.steps)
        if self.best not in self.steps:
            raise ValueError(f"best is {self.best!r}: should be one of {known}")
        for name, step in self.steps.items():
            if step.after is not None and step.after not in self.steps:
                raise ValueError(f"{name}.after is {step.after!r}: should be one of {known}")
        for name, committee in self.committees.items():
            members = self.rungs.get(committee.members)
            if members is None:
                rungs = ", ".join(self.rungs)
                raise ValueError(f"committees.{name}.members is {committee.members!r}: should be one of {rungs}")
            if members.seeds < committee.seeds:
                raise ValueError(
                    f"committees.{name}.seeds is {committee.seeds}: {committee.members} has {members.seeds}; "
                    "raise its seeds"
                )
        return self


def load(folder: Path = Path()) -> Ladder:
    """Return the rungs, for the folder ladder/; raise UserError with a line for each key that is wrong."""
    path = folder / RUNGS
    try:
        return Ladder.model_validate(schema.read(path))
    except ValidationError as error:
        raise UserError("\n".join(f"{path}: {line}" for line in schema.describe(error))) from None


def load_row(rung: Rung, folder: Path = Path()) -> Model:
    """Return the row that a rung trains; raise UserError if there is none, or it is not what it should be."""
    path = folder / rung.parameters
    content = schema.read(path)
    schema.row(content, "models", rung.model)
    return schema.validate(Parameters, content).models[rung.model]
