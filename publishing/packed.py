"""The trained networks that the site computes with, for pictures of what they have learned."""

import json
from pathlib import Path

import numpy as np

from publishing.blocks import ROOT
from stages.nn.layer import Start
from stages.nn.network import Network
from stages.shared.mnist import FORM
from stages.shared.models import build_network
from stages.shared.parameters import Model

FOLDER = Path("docs/assets/draw/packed")


def load(name: str) -> Network:
    """Return a trained network from its file in docs/assets/draw/packed/, which stages/export.py describes."""
    content = (ROOT / FOLDER / f"{name}.safetensors").read_bytes()
    first = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:first])
    row = Model.model_validate(json.loads(header["__metadata__"]["row"]))
    network = build_network(row, FORM, Start(np.random.default_rng(row.seed)))
    for name, array in network.kept.items():
        begin, end = header[name]["data_offsets"]
        array[...] = np.frombuffer(content[first + begin : first + end], "<f4").reshape(array.shape)
    return network
