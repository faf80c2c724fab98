"""The values that docs/experiments.md sets are ones that the pipeline takes."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides

from stages.shared import parameters
from tests.pipeline import ROOT

PAGE = (ROOT / "docs/experiments.md").read_text(encoding="utf-8")
OVERRIDES = [shlex.split(line, comments=True)[1] for line in re.findall(r"^-S .+$", PAGE, re.MULTILINE)]


@pytest.mark.parametrize("override", OVERRIDES)
def test_an_override_is_valid(override: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    apply_overrides("params.yaml", [override])
    parameters.load()  # raises an error for what is not allowed


def test_the_page_has_overrides() -> None:
    assert len(OVERRIDES) > 1
