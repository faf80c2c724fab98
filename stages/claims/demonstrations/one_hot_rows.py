"""As many one-hot rows as the largest label of a batch says (E4)."""

from dataclasses import replace

from stages.claims import as_printed
from stages.claims.demonstrations.common import LAYER_SIZES, RATE, RIGHT, Curve, Demonstration, Panel, Setup


def one_hot_rows(setup: Setup) -> Demonstration:
    """Train on mini-batches of 32 with as many one-hot rows as the largest label says, and with ten (E4)."""
    X, y = setup.X_part, setup.y_part
    batches = setup.rng().permutation(len(y))[: len(y) // 32 * 32].reshape(-1, 32)
    wrong = replace(RIGHT, labels=as_printed.one_hot)
    network, accuracies, stops = setup.start, [], {}
    for update, chosen in enumerate(batches):
        X_batch, y_batch = X[:, chosen], y[chosen]
        _, As = as_printed.forward(network, X[:, :1000], RIGHT)
        accuracies.append(float((As[-1].argmax(axis=0) == y[:1000]).mean()))
        try:
            as_printed.update(network, X_batch, y_batch, RATE, wrong)
        except ValueError as error:
            stops[update] = str(error).strip()
        network = as_printed.update(network, X_batch, y_batch, RATE, RIGHT)
    first = min(stops, default=len(batches))
    before = accuracies[: first + 1]
    rows = len(as_printed.one_hot(y[batches[min(first, len(batches) - 1)]]))
    return Demonstration(
        bool(stops) and rows < LAYER_SIZES[-1],
        {"end": f"error at update {first}", "one-hot rows": rows, "error": stops.get(first, "none")},
        {"end": f"as planned at update {len(batches) - 1}", "one-hot rows": LAYER_SIZES[-1]},
        f"Of the mini-batches of 32, {len(stops) / len(batches):.1%} have no 9. The first of them, at update {first}, "
        f"gets {rows} rows, and training ends with an error. With ten rows it goes on.",
        Panel(
            "E4  one-hot rows by the largest label",
            [
                Curve("ten rows", "right", range(len(accuracies)), accuracies),
                Curve("by the largest label", "wrong", range(len(before)), before, first if stops else None),
            ],
            "update (mini-batches of 32)",
        ),
    )
