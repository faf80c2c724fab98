"""Damaged files, made by Hypothesis: a reader returns what it promises, or raises a UserError that names the file.

For a longer search set the environment variable FUZZ_EXAMPLES to the number of files that each test makes.
"""

import csv
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.shared import artifacts, mnist, models
from stages.shared.errors import UserError
from stages.shared.mnist import FORM
from stages.shared.parameters import Model
from tests.networks import layer_rows

pytestmark = pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header parsing")
fuzz = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "60")),
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

ROW = Model.model_validate({"split": "standard", "layers": layer_rows(2), "learning_rate": 0.5, "epochs": 3, "seed": 1})
NUMBERS = [b"\0", b"\1", b"\x7f", b"\x80", b"\xff", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\0\0\0"]
HEADER_TOKENS = (
    b"' \" ''' ( ) [ ] { } , : - + * 1 0 L j . e 1e9 9223372036854775808 None True False () (1,) (784,2) (784,0) "
    b"'descr' 'fortran_order' 'shape' '<f4' '>f4' '|O' '<U9' '|V0' '<f4,<f4' '|S2147483647' 'm8[s]' [('x','<f4')] \\"
).split()
CSV_TOKENS = (
    b'" "" , ; \r\n \r \t \0 # 0 9 -1 1.0 0.5 1e1 1e999 nan inf None True 0x1 1_0 +1 256 label pixel0 '
    b"\xef\xbb\xbf \xff \xd9\xa1 9999999999999999999999"
).split(b" ")


@st.composite
def damaged(draw: st.DrawFn, whole: bytes, tokens: Sequence[bytes], *, head: int = 0) -> bytes:
    """Return `whole` with up to four places changed, half of them among the first `head` bytes, or cut short."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        end = draw(st.sampled_from([head or len(content), len(content)]))
        start = draw(st.integers(0, max(0, min(end, len(content)))))
        content[start : start + draw(st.integers(0, 12))] = draw(st.sampled_from(tokens) | st.binary(max_size=6))
    return bytes(content[: draw(st.none() | st.integers(0, len(content)))])


def outcome(read: Callable[[Path], Any], path: Path, content: bytes) -> Any:
    """Return what `read` makes of this content, None if that is a UserError."""
    path.write_bytes(content)
    try:
        return read(path)
    except UserError as error:
        said = str(error)
    assert said.startswith(f"{path}: ")
    return None


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


IMAGES = b"\0\0\x08\x03\0\0\0\x02\0\0\0\x1c\0\0\0\x1c" + bytes(range(196)) * 8


@fuzz
@given(st.one_of(damaged(IMAGES, NUMBERS, head=16).map(gzip.compress), damaged(gzip.compress(IMAGES), NUMBERS)))
def test_images(tmp_path: Path, content: bytes) -> None:
    images = outcome(mnist.read_images, tmp_path / "images.gz", content)
    if images is not None:
        assert images.dtype == np.uint8
        assert images.ndim == 4
        assert gzip.decompress(content).endswith(images.tobytes())


LABELS = b"\0\0\x08\x01\0\0\0\x14" + bytes(range(10)) * 2


@fuzz
@given(st.one_of(damaged(LABELS, NUMBERS, head=8).map(gzip.compress), damaged(gzip.compress(LABELS), NUMBERS)))
def test_labels(tmp_path: Path, content: bytes) -> None:
    labels = outcome(mnist.read_labels, tmp_path / "labels.gz", content)
    if labels is not None:
        assert labels.max(initial=0) <= 9
        unpacked = gzip.decompress(content)
        assert unpacked[8:] == labels.tobytes() or unpacked[2] == 0xC


NAMES = ["label", *(f"pixel{index}" for index in range(784))]
TABLE = "\n".join([",".join(NAMES), *(",".join(str(row * k % 10) for k in range(785)) for row in range(3))]).encode()


def with_python(content: bytes, header: bool) -> list[list[float]]:
    """Return the rows of a CSV file, the label first, as the standard library reads them."""
    rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")) if row]
    names = rows.pop(0) if header else [*NAMES[1:], "label"]
    places = {name: place for place, name in reversed(list(enumerate(names)))}
    return [[float(row[places[name]]) for name in NAMES] for row in rows]


@settings(fuzz, max_examples=fuzz.max_examples // 3)  # a table takes longer than the others
@given(st.booleans().flatmap(lambda header: st.tuples(st.just(header), damaged(TABLE, CSV_TOKENS))))
def test_csv(tmp_path: Path, drawn: tuple[bool, bytes]) -> None:
    header, content = drawn
    if not header:
        content = content[len(",".join(NAMES)) + 1 :]
    digits = outcome(lambda path: mnist.read_csv(path, header), tmp_path / "train.csv", content)
    if digits is not None:
        images, labels = digits
        assert np.column_stack([labels, images.reshape(len(images), -1)]).tolist() == with_python(content, header)


ARRAY = np.asfortranarray(np.arange(784 * 2, dtype=np.float32).reshape(784, 2))


@fuzz
@given(damaged(npy(ARRAY), [*HEADER_TOKENS, *NUMBERS], head=128))
def test_arrays(tmp_path: Path, content: bytes) -> None:
    def read(path: Path) -> NDArray[Any]:
        return artifacts.read_array(path, (784, None), np.float32)

    array = outcome(read, tmp_path / "X.npy", content)
    if array is not None:
        assert array.dtype == np.float32
        assert len(array) == 784
        assert content.endswith(array.tobytes(order="A"))


def described(row: dict[str, Any]) -> str:
    return json.dumps({"dataset": "MNIST", **asdict(FORM), "parameters": row})


def members() -> dict[str, bytes]:
    network = models.start_network("m", ROW, FORM, np.random.default_rng(2))
    arrays = {**network.parameters, "description": described(ROW.model_dump(mode="json"))}
    return {f"{name}.npy": npy(array) for name, array in arrays.items()}


def archive(contents: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, content in contents.items():
            opened.writestr(name, content)
    return file.getvalue()


@st.composite
def damaged_archives(draw: st.DrawFn) -> bytes:
    """Return the file of a model, damaged as a whole, in one member, or in the row that it describes."""
    contents = members()
    kind = draw(st.sampled_from(["whole", "member", "description"]))
    if kind == "whole":
        whole = archive(contents)
        return draw(damaged(whole, [*NUMBERS, b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"../"]))
    if kind == "member":
        name = draw(st.sampled_from(sorted(contents)))
        contents[name] = draw(damaged(contents[name], [*HEADER_TOKENS, *NUMBERS], head=128))
    else:
        row = ROW.model_dump(mode="json")
        section = draw(st.sampled_from([row, row["layers"][0], row["initializer"], row["optimizer"], row["schedule"]]))
        number = st.integers() | st.floats() | st.sampled_from([10**400, 2**63, -(2**31), 1e308, -0.0])
        simple = number | st.none() | st.booleans() | st.text(max_size=3)
        section[draw(st.sampled_from(sorted(section)) | st.text(max_size=3))] = draw(
            st.recursive(simple, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner))
        )
        contents["description.npy"] = npy(described(row))
    return archive(contents)


@fuzz
@given(damaged_archives())
def test_models(tmp_path: Path, content: bytes) -> None:
    loaded = outcome(models.load, tmp_path / "m.npz", content)
    if loaded is not None:
        assert loaded.row.layers == ROW.layers
        assert [theta.dtype for theta in loaded.network.parameters.values()] == [np.float32] * 4
