"""The comparison of gradients that goes into the paper: what it finds now, what it refuses, and what is recorded."""

import json
from pathlib import Path

import pytest

from benchmarks import gradients
from benchmarks.gradients import ENGINES, TOLERANCE, TOLERANCE_OF_DIFFERENCES, Case, cases
from stages.nn.affine import Affine
from stages.nn.arrays import Array
from stages.shared.errors import UserError

RECORDED = Path(__file__).parents[2] / gradients.RESULTS
CASES = cases()


def bound(engine: str) -> float:
    """Return what an error must be below."""
    return TOLERANCE_OF_DIFFERENCES if engine == "central differences" else TOLERANCE


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_gradients_agree_with_those_of_the_engine(engine: str, case: Case) -> None:
    package = ENGINES[engine][1]
    if package in ("torch", "jax"):
        pytest.importorskip(package, reason="`make test-engines` installs PyTorch and JAX")
    found = gradients.error(case, engine)
    if engine == "micrograd" and case.transcendental:
        assert found is None
    else:
        assert found is not None
        assert found < bound(engine)
    assert all(array.any() for array in case.ours)


@pytest.mark.parametrize("engine", ["central differences", "autograd", "micrograd"])
def test_a_wrong_gradient_is_refused(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Affine.backward

    def one_sum_for_all_biases(self: Affine, dZ: Array, add: bool = False, dX: bool = True) -> Array | None:
        passed_back = right(self, dZ, add, dX)
        self.gradients["b"][...] = self.gradients["b"].sum()
        return passed_back

    monkeypatch.setattr(Affine, "backward", one_sum_for_all_biases)
    wrong = {case.name: case for case in cases()}["affine layer"]
    with pytest.raises(UserError, match=f"^affine layer: the gradient differs from that of {engine} by "):
        gradients.error(wrong, engine)


def test_what_is_recorded_is_of_the_same_cases_and_engines_and_as_exact() -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    assert [row["gradient"] for row in recorded["gradients"]] == [case.name for case in CASES]
    assert list(recorded["versions"]) == [engine for engine, (_, package) in ENGINES.items() if package]
    for row, case in zip(recorded["gradients"], CASES, strict=True):
        assert row["entries"] == sum(array.size for array in case.ours)
        assert list(row["errors"]) == list(ENGINES)
        for engine, error in row["errors"].items():
            assert (error is None) == (engine == "micrograd" and case.transcendental)
            assert error is None or error < bound(engine)


def test_the_versions_of_the_packages_are_recorded_without_their_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "gradients.json"
    monkeypatch.setattr(gradients, "RESULTS", results)
    monkeypatch.setattr(gradients, "measure", list)
    monkeypatch.setattr("importlib.metadata.version", lambda package: f"{package} 1.2+cpu")
    monkeypatch.setattr("sys.argv", ["gradients"])
    gradients.main()
    packages = {"autograd": "autograd", "PyTorch": "torch", "JAX": "jax", "micrograd": "micrograd"}
    versions = {engine: f"{package} 1.2" for engine, package in packages.items()}
    assert json.loads(results.read_text(encoding="utf-8")) == {"versions": versions, "gradients": []}
