"""Make four IDX files from folders of pictures: `python -m tools.make_idx PICTURES OUTPUT --size 28`.

PICTURES has a folder for each class, named as the class, with its pictures in it. A share of each class is drawn for
testing.
"""

import argparse
import gzip
import hashlib
import json
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.shared import picture_files
from stages.shared.artifacts import replacing
from stages.shared.errors import UserError, run
from stages.shared.mnist import FILES
from stages.shared.schema import class_name

SUFFIXES = tuple(suffix for suffix, kind in Image.registered_extensions().items() if kind in picture_files.FORMATS)
SEED = 0
MOST_CLASSES = 256


@dataclass(frozen=True)
class Picture:
    """A picture to put into a file.

    Attributes
    ----------
    path : Path
        Where it is.
    label : int
        Which class it is of, counted from 0.
    """

    path: Path
    label: int


def find(folder: Path) -> tuple[list[str], list[Picture]]:
    """Return the names of the classes, in alphabetical order, and their pictures.

    Raises
    ------
    UserError
        If there are not at least two folders with at least two pictures each.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no folder; give one that has a folder of pictures for each class")
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise UserError(f"{folder}: has {len(classes)} folders, and must have one for each class, 2 to {MOST_CLASSES}")
    pictures: list[Picture] = []
    for label, name in enumerate(classes):
        try:
            class_name(name)
        except ValueError as error:
            raise UserError(f"{folder / name}: a folder is named as its class, and that {error}") from None
        paths = sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in SUFFIXES)
        if len(paths) < 2:
            raise UserError(
                f"{folder / name}: has {len(paths)} pictures, and needs 2, one to train on and one to test with; add "
                f"pictures ({', '.join(picture_files.FORMATS)}), or remove the folder"
            )
        pictures += [Picture(path, label) for path in paths]
    return classes, pictures


def divide(pictures: Sequence[Picture], share: float) -> tuple[list[Picture], list[Picture]]:
    """Return pictures to train on and to test with, in random order; of each class at least one goes to each."""
    rng = np.random.default_rng(SEED)
    shuffled = [pictures[k] for k in rng.permutation(len(pictures))]
    training: list[Picture] = []
    test: list[Picture] = []
    for label in sorted({picture.label for picture in pictures}):
        of_class = [picture for picture in shuffled if picture.label == label]
        count = min(max(1, round(share * len(of_class))), len(of_class) - 1)
        test += of_class[:count]
        training += of_class[count:]
    return [training[k] for k in rng.permutation(len(training))], [test[k] for k in rng.permutation(len(test))]


def pixels(path: Path, size: tuple[int, int], color: bool, invert: bool) -> NDArray[np.uint8]:
    """Return a picture scaled to height and width, of that shape, with three channels if in color."""
    height, width = size
    image = picture_files.read(path).convert("RGB" if color else "L").resize((width, height), Image.Resampling.BOX)
    found: NDArray[np.uint8] = np.asarray(image, np.uint8)
    return 255 - found if invert else found


def idx(array: NDArray[np.uint8]) -> bytes:
    """Return an array of bytes as a gzipped IDX file; the same array gives the same bytes."""
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


def make(folder: Path, output: Path, size: tuple[int, int], color: bool, invert: bool, share: float) -> str:
    """Write the four files into a new folder; return what params.yaml must have for them.

    Raises
    ------
    UserError
        If the output is there already, or the pictures are not what they should be. Then nothing is written.
    """
    if output.exists():
        raise UserError(f"{output}: is there already; name a new folder")
    classes, pictures = find(folder)
    sums = {}
    with replacing(output) as partial:
        partial.mkdir()
        for names, part in zip((FILES[:2], FILES[2:]), divide(pictures, share), strict=True):
            images = np.stack([pixels(picture.path, size, color, invert) for picture in part])
            labels = np.array([picture.label for picture in part], np.uint8)
            for name, array in zip(names, (images, labels), strict=True):
                content = idx(array)
                sums[name] = hashlib.sha256(content).hexdigest()
                (partial / name).write_bytes(content)
            print(f"{len(part)} pictures in {names[0]}", file=sys.stderr)
    lines = [
        "data:",
        f"  name: {json.dumps(folder.resolve().name, ensure_ascii=False)}",
        "  mirrors:",
        f"    - {json.dumps(output.as_posix(), ensure_ascii=False)}",
        "  sha256:",
        *(f"    {name}: {sums[name]}" for name in FILES),
        "  classes:",
        *(f"    - {json.dumps(name, ensure_ascii=False)}" for name in classes),
        "  first_label: 0",
        "  transposed: false",
        "  timeout: 30",
        "  retries: 2",
        "  fallback: false",
    ]
    return "\n".join(lines)


def _size(text: str) -> tuple[int, int]:
    """Return height and width of "28" or "24x32"."""
    sides = [int(side) for side in text.lower().split("x")]
    height, width = sides if len(sides) == 2 else (*sides, *sides)
    if not (1 <= height <= picture_files.SHRUNK and 1 <= width <= picture_files.SHRUNK):
        raise ValueError
    return height, width


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share < 1:
        raise ValueError
    return share


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make four IDX files from a folder that has a folder for each class.")
    parser.add_argument("pictures", type=Path, help="the folder of folders")
    parser.add_argument("output", type=Path, help="a new folder for the files, such as own/leaves")
    parser.add_argument(
        "--size", type=_size, default=(28, 28), help="height and width, such as 28 or 24x32 (default: 28)"
    )
    parser.add_argument("--color", action="store_true", help="keep the colors, in three channels")
    parser.add_argument("--invert", action="store_true", help="make dark light, for dark strokes on light paper")
    parser.add_argument("--test", type=_share, default=0.2, help="share of each class to test with (default: 0.2)")
    options = parser.parse_args()
    print(make(options.pictures, options.output, options.size, options.color, options.invert, options.test))


if __name__ == "__main__":
    run(main)
