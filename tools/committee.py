"""Measure several models together, by the mean of their probabilities: `python -m tools.committee MODEL MODEL`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from threadpoolctl import threadpool_limits

from stages.ladder import measuring
from stages.ladder.committee import load_alike
from stages.shared import parameters, splits
from stages.shared.errors import run


def committee(names: Sequence[str]) -> None:
    """Print how often each of the models, and all of them together, are right on the test images.

    Raises
    ------
    UserError
        If a model is missing or was trained on other data than the first, or the split of the first has no test images.
    """
    members = load_alike([Path("models") / f"{name}.npz" for name in names])
    split, form = members[0].row.split, members[0].form
    splits.require_form(split, form)
    X, y = splits.require_part(split, "test")
    alone = [measuring.assess([member.network], X, y, len(form.classes)) for member in members]
    together = measuring.assess([member.network for member in members], X, y, len(form.classes))
    rows = [*zip(names, alone, strict=True), ("together", together)]
    width = max(len(name) for name, _ in rows)
    for name, result in rows:
        low, high = result.measured["interval"]
        print(
            f"{name:{width}}  {result.measured['accuracy']:.2%} ({low:.2%} to {high:.2%}), {len(result.wrong):,} wrong"
        )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure several models together on the test images.")
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a key of models in params.yaml")
    names = parser.parse_args().models
    for name in names:
        parameters.load_model(name)
    with threadpool_limits(parameters.load().blas_threads, user_api="blas"):
        committee(names)


if __name__ == "__main__":
    run(main)
