"""Small, large and He's weights (W3.7)."""

from itertools import pairwise
from typing import Any

import numpy as np

from stages.claims import as_printed
from stages.claims.as_printed import Parameters
from stages.claims.demonstrations.common import (
    LAYER_SIZES,
    RIGHT,
    Demonstration,
    Panel,
    Setup,
    accuracy_curve,
    zero_everywhere,
)
from stages.nn.initializers import He


def starts_of(setup: Setup) -> dict[str, Parameters]:
    """Return W3's weights, ten times larger ones, and He's."""
    rng = setup.rng()
    he = [He()(units, inputs, rng) for inputs, units in pairwise(LAYER_SIZES)]
    return {
        "[-0.5, 0.5)": setup.start,
        "[-5, 5)": [(10 * W, 10 * b) for W, b in setup.start],
        "He": [(W.astype(np.float32), b.astype(np.float32)) for W, b in he],
    }


def size_of_weights(setup: Setup) -> Demonstration:
    """Count dead and saturated units for W3's weights, for ten times larger ones and for He's (W3.7)."""
    short, starts = setup.lengths.short, starts_of(setup)
    small, large, _ = starts
    trials = {name: setup.train_part(RIGHT, short, starts[name]) for name in (large, "He")}
    trials[small] = setup.right
    measured: dict[str, dict[str, Any]] = {}
    for name, start in starts.items():
        Zs, As = as_printed.forward(start, setup.X_part, RIGHT)
        measured[name] = {
            "units zero on every image": zero_everywhere(As[1]),
            "tanh beyond 0.99": float((np.abs(np.tanh(Zs[0])) > 0.99).mean()),
            "largest logit": float(np.abs(Zs[-1]).max()),
            f"accuracy at update {short}": trials[name].accuracy_at(short),
        }

    def listed(what: str, form: str) -> str:
        return ", ".join(f"{values[what]:{form}} ({name})" for name, values in measured.items())

    reached = f"accuracy at update {short}"
    without = {f"{name}: {what}": value for name in (large, "He") for what, value in measured[name].items()}
    return Demonstration(
        measured[large][reached] < measured[small][reached]
        and measured[large]["largest logit"] > measured[small]["largest logit"],
        measured[small],
        without,
        f"A ReLU does not saturate; at worst it is zero on every image. So many of the {LAYER_SIZES[1]} units are, "
        f"before the first update: {listed('units zero on every image', 'd')}. What grows with the weights is the "
        f"largest logit: {listed('largest logit', '.1f')}. After {short} updates the accuracy is "
        f"{listed(reached, '.1%')}. A tanh in place of the ReLU would lie beyond 0.99 at "
        f"{listed('tanh beyond 0.99', '.0%')} of its values.",
        Panel(
            "W3.7  the size of the weights",
            [
                accuracy_curve(small, "right", trials[small], short),
                accuracy_curve("He", "other", trials["He"]),
                accuracy_curve(large, "wrong", trials[large]),
            ],
        ),
        {"the units do not saturate": None},
        "a ReLU does not saturate, whatever its weights",
    )
