"""Files made to exhaust memory, to run code or to reach out of their folder: their readers refuse them."""

import gzip
import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.shared.mnist import FORM
from tests.networks import layer_rows

ROOT = Path(__file__).parent.parent
MEGABYTE = 10**6
ALLOWANCE = 300 * MEGABYTE  # less than any of the bombs unpacks to

# Reads files with no more memory than ALLOWANCE, and prints for each what the reader says to it.
CHILD = """
import json, resource, sys
import numpy as np
from pathlib import Path
from stages.shared import artifacts, mnist, models, picture_files
from stages.shared.errors import UserError

readers = {
    "images": mnist.read_images,
    "csv": mnist.read_csv,
    "array": lambda path: artifacts.read_array(path, (784, None), np.float32),
    "json": artifacts.read_json,
    "model": models.load,
    "picture": picture_files.read,
}
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]),) * 2)
said = []
for reader, path in json.load(sys.stdin):
    try:
        readers[reader](Path(path))
        said.append("nothing")
    except UserError as error:
        said.append(str(error))
    except Exception as error:
        said.append(repr(error))
json.dump(said, sys.stdout)
"""


def deflated(repeated: bytes) -> bytes:
    """Return less than a megabyte that inflates to a gigabyte of what is repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(repeated * (10 * MEGABYTE // len(repeated))) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * 100 + packer.flush()


def gzipped(content: bytes, repeated: bytes) -> bytes:
    """Return a gzip file of `content` and a gigabyte of what is repeated, without a sum."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH) + deflated(repeated)


def idx(magic: int, *dimensions: int) -> bytes:
    return struct.pack(f">{1 + len(dimensions)}I", magic, *dimensions)


def npy(header: bytes, body: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def promise(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    """Return a .npy file that ends where the array would begin."""
    return npy(repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n")


def saved(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def model(changes: Mapping[str, bytes], row: Mapping[str, Any], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return the file of a model, with changes to its members and to the row that it is said to be made from."""
    base = {"split": "standard", "layers": layer_rows(4), "learning_rate": 0.5, "epochs": 3, "seed": 1}
    members = {
        "description.npy": saved(json.dumps({"dataset": "MNIST", **asdict(FORM), "parameters": {**base, **row}})),
        "0.W.npy": saved(np.zeros((4, 784), np.float32)),
        "0.b.npy": saved(np.zeros((4, 1), np.float32)),
        "2.W.npy": saved(np.zeros((10, 4), np.float32)),
        "2.b.npy": saved(np.zeros((10, 1), np.float32)),
        **changes,
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tile(side: int) -> bytes:
    """Return a TIFF file of 20x20 pixels, kept as the corner of one tile that unpacks to side x side pixels."""
    data = b"\x78\xda" + deflated(b"\0")
    entries = {256: 20, 257: 20, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side, 324: 0, 325: len(data)}
    start = 8 + 2 + 12 * len(entries) + 4
    entries[324] = start
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + data


def png(kind: bytes, content: bytes) -> bytes:
    """Return a PNG file of 20x20 pixels with one more chunk, which unpacks to a gigabyte, and no pixels."""
    packed = content + b"\x78\xda" + deflated(b"\0")
    chunks = {b"IHDR": struct.pack(">2I5B", 20, 20, 8, 0, 0, 0, 0), kind: packed, b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    )


class Runs:
    """What a pickle would call."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("ran"),)


def pickled() -> bytes:
    """Return a .npy file of objects; it is as long as its header promises, and whoever unpickles it runs something."""
    whole = saved(np.array([Runs()], object))
    start = whole.index(b"\n") + 1
    return promise((100,), "|O") + whole[start:].ljust(800, b"\0")


HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "bomb.idx.gz": ("images", lambda: gzipped(idx(0x803, 60_000, 28, 28), b"\0"), "holds more than the 60000 items"),
    "2^40.idx.gz": ("images", lambda: gzip.compress(idx(0x803, 2**32 - 1, 28, 28)), "declares 4294967295 items"),
    "2^20.idx.gz": ("images", lambda: gzip.compress(idx(0x803, 2**20, 28, 28)), "declares 1048576 items"),
    "shape.idx.gz": (
        "images",
        lambda: gzip.compress(idx(0x803, 2**20, 2**10, 2**10)),
        "1048576 items of shape (1024, 1024)",
    ),
    "line.csv.gz": ("csv", lambda: gzipped(b"label,", b"9"), "has a row of more than 20000 characters"),
    "names.csv.gz": ("csv", lambda: gzipped(b"label", b","), "has a row of more than 20000 characters"),
    "quoted.csv.gz": ("csv", lambda: gzipped(b'"label', b"9\n"), "has a row of more than 20000 characters"),
    "promise.npy": ("array", lambda: promise((784, 2**40)), "not a readable .npy file"),
    "gigabytes.npy": (
        "array",
        lambda: promise((784, 2**20)),
        "promises float32 of shape (784, 1048576), and 0 bytes follow",
    ),
    "integer.npy": ("array", lambda: promise((2**70, 0)), "not a readable .npy file"),
    "header.npy": ("array", lambda: b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}", "version 1.0"),
    "signs.npy": ("array", lambda: npy(b"-" * 9_999), "not a readable .npy file"),
    "keys.npy": ("array", lambda: npy(b"{(1,): '<f4', 'fortran_order': True, 'shape': (1,)}\n"), "not a readable"),
    "tokens.npy": ("array", lambda: npy(b"'''(\n"), "not a readable .npy file"),
    "object.npy": ("array", pickled, "allow_pickle=False"),
    "deep.json": ("json", lambda: b"[" * 10**6, "not valid JSON"),
    "bomb.npz": (
        "model",
        lambda: model({"0.W.npy": bytes(400 * MEGABYTE)}, {}, zipfile.ZIP_DEFLATED),
        "unpack to more than it has",
    ),
    "packed.npz": ("model", lambda: model({}, {}, zipfile.ZIP_LZMA), "unpack to more than it has"),
    "promise.npz": ("model", lambda: model({"0.W.npy": promise((784, 2**40))}, {}), "its header promises"),
    "text.npz": ("model", lambda: model({"description.npy": promise((), "<U250000000")}, {}), "its header promises"),
    "wide.npz": ("model", lambda: model({}, {"layers": layer_rows(10**6)}), "float32 of shape (1000000, 784)"),
    "deep.npz": ("model", lambda: model({"description.npy": saved("[" * 10**5)}, {}), "not a model of this project"),
    "outside.npz": ("model", lambda: model({"../../outside.npy": saved(0)}, {}), "../../outside"),
    "absolute.npz": ("model", lambda: model({"/outside.npy": saved(0)}, {}), "/outside"),
    "object.npz": ("model", lambda: model({"0.W.npy": pickled()}, {}), "allow_pickle=False"),
    "pickle.npz": ("model", lambda: model({"0.W.npy": b"\x80\x04N."}, {}), "not a model of this project"),
    "character.npz": (
        "model",
        lambda: model(
            {"description.npy": saved('{"parameters": {"?": 1}}').replace(b"?\0\0\0", b"\xff\xff\xff\x34")}, {}
        ),
        "not a model of this project",
    ),
    "infinite.npz": (
        "model",
        lambda: model({}, {"initializer": {"name": "uniform", "low": -1e308, "high": 1e308}}),
        "not a model of this project",
    ),
    "tile.tif": ("picture", lambda: tile(20_000), "has more than 50 million pixels"),
    "text.png": ("picture", lambda: png(b"zTXt", b"k\0\0"), "cannot be read"),
    "profile.png": ("picture", lambda: png(b"iCCP", b"k\0\0"), "cannot be read"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "within"


@pytest.fixture(scope="module")
def said(folder: Path) -> dict[str, str]:
    """Return what the readers say to the hostile files."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("only Linux limits the memory of a process")
    folder.mkdir()
    for name, (_, content, _) in HOSTILE.items():
        (folder / name).write_bytes(content())
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(ALLOWANCE)],
        input=json.dumps([[reader, str(folder / name)] for name, (reader, _, _) in HOSTILE.items()]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(HOSTILE, json.loads(child.stdout), strict=True))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_little_memory(name: str, said: dict[str, str], folder: Path) -> None:
    assert said[name].startswith(f"{folder / name}: ")
    assert HOSTILE[name][2] in said[name]
    assert (folder / name).stat().st_size < 2 * MEGABYTE


@pytest.mark.usefixtures("said")
def test_nothing_is_unpickled_or_unpacked(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == set(HOSTILE)
    assert list(folder.parent.iterdir()) == [folder]
    assert not (ROOT / "ran").exists()
