"""The packed networks are the trained ones: they read MNIST's digits as well as was measured."""

import json

import numpy as np
import pytest

from publishing import packed
from publishing.blocks import ROOT
from stages.export import MODELS
from tests.test_export import read_tensors


@pytest.mark.parametrize("name", MODELS)
def test_a_packed_network_reads_as_was_measured(name: str) -> None:
    arrays, _ = read_tensors(ROOT / packed.FOLDER / "digits.safetensors")
    images = np.zeros((5000, 784), np.float32)
    images[np.unpackbits(arrays["inked"], axis=1, bitorder="little").astype(bool)] = arrays["ink"]
    X, y = images[::5].T / 255, arrays["labels"][::5]
    read = np.concatenate([packed.load(name).forward(part).argmax(axis=0) for part in np.split(X, 4, axis=1)])
    measured = json.loads((ROOT / "metrics" / f"{name}.json").read_text(encoding="utf-8"))["train"]["accuracy"]
    assert abs((read == y).mean() - measured) < 0.03
