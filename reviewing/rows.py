"""Rows of params.yaml as they were written before, in the words of today."""

from typing import Any

from stages.shared.mnist import CLASSES
from stages.shared.parameters import new_layers

OLD = ("layer_sizes", "activation", "dropout")  # what `layers` has taken the place of
LAST = {"name": "affine"}


def in_new_form(content: Any, classes: int = CLASSES) -> Any:
    """Return params.yaml, a section or a row, with the layers of every model listed as today.

    A network has one form: units of the last layer that say what it has anyway, one for each class, are left out.

    Parameters
    ----------
    content : object
        As it stands there.
    classes : int
        How many the images have that the models were trained on.
    """
    if not isinstance(content, dict):
        return content
    if "layer_sizes" in content:
        content = {key: value for key, value in content.items() if key not in OLD} | {"layers": new_layers(content)}
    match content:
        case {"layers": [*layers, {"name": "affine", "units": units, **others}]} if units == classes and not others:
            return content | {"layers": [*layers, LAST]}
        case {"layers": _}:
            return content
    return {key: in_new_form(value, classes) for key, value in content.items()}


def count_classes(parameters: dict[str, Any]) -> int:
    """Return how many classes a content of params.yaml names; those of digits where it is older than their names."""
    match parameters:
        case {"data": {"classes": [*names]}}:
            return len(names)
    return CLASSES
