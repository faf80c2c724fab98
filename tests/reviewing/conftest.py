"""What tests of a report share: a small repository."""

import shutil
from pathlib import Path

import pytest

from tests.reviewing.repository import Parameters, Repository


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, write_parameters: Parameters) -> Repository:
    """Return the repository that each test gets a copy of."""
    repository = Repository(tmp_path_factory.mktemp("repository"), write_parameters)
    for name in ("first", "second"):
        repository.train(name, range(10))
    repository.commit()
    return repository


@pytest.fixture
def repository(template: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Go to a repository whose branch main has two models, of which each is wrong about one image in four."""
    shutil.copytree(template.folder, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return template.at(tmp_path / "copy")
