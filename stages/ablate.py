"""Run what the write-ups get wrong, and what they warn of, with and without: `python -m stages.ablate`."""

import argparse
from pathlib import Path

from threadpoolctl import threadpool_limits

from stages.claims.demonstrations.common import Lengths, Setup
from stages.claims.demonstrations.figure import SUBTITLE, draw_panels, size
from stages.claims.demonstrations.measuring import READING, measure
from stages.shared import parameters, splits
from stages.shared.artifacts import write_json
from stages.shared.errors import UserError, run
from stages.shared.figures import figure_at

SPLIT = "kaggle"


def ablate(lengths: Lengths | None = None) -> None:
    """Write metrics/ablations.json, and figures/ablations.png and .svg.

    Parameters
    ----------
    lengths : Lengths, optional
        How long the runs are.

    Raises
    ------
    UserError
        If the split is not what it should be, or is not of MNIST.
    """
    description, part = splits.require_mnist(SPLIT), splits.load_part(SPLIT, "train")
    if part is None:
        raise UserError(f"{splits.directory(SPLIT)}: no training part; raise splits.{SPLIT}.images in params.yaml")
    setup = Setup(*part, lengths or Lengths())
    table, panels = measure(setup)
    images = {"all": len(setup.y), "part": len(setup.y_part)}
    head = {"dataset": description.dataset, "notes": description.notes, "images": images, "reading": READING}
    write_json(Path("metrics/ablations.json"), {**head, "rows": table})
    Path("figures").mkdir(exist_ok=True)
    title = f"Ablations on {description.dataset}"
    with figure_at(Path("figures/ablations"), size(panels), title, SUBTITLE, description.notes) as figure:
        draw_panels(figure, panels)


def main() -> None:
    """Read the command line."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with threadpool_limits(parameters.load().blas_threads, user_api="blas"):
        ablate()


if __name__ == "__main__":
    run(main)
