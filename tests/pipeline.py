"""A copy of the project in a folder of its own, for tests that run DVC."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
Write = Callable[[Path, Mapping[str, Any]], None]
MODELS = ("first", "second")
APART = ("export", "ablate", "reproduce", "paper")  # of certain models, or long; they have tests of their own


class Project:
    """A copy of the project, and commands run in it."""

    def __init__(
        self,
        folder: Path,
        mirror: Path,
        write_parameters: Write,
        without: Sequence[str] = APART,
        changes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Make the copy, without these stages of dvc.yaml, and with something appended to these files of its code."""
        self.folder, self.mirror, self.write_parameters = folder, mirror, write_parameters
        shutil.copytree(ROOT / "stages", folder / "stages", ignore=shutil.ignore_patterns("__pycache__"))
        for name, code in changes.items():
            path = folder / name
            path.write_text(path.read_text() + code)
        shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
        for name in (".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore"):
            shutil.copy(ROOT / name, folder / name)
        pipeline = YAML(typ="safe").load(ROOT / "dvc.yaml")
        for name in without:
            del pipeline["stages"][name]
        YAML(typ="safe").dump(pipeline, folder / "dvc.yaml")
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        self.set({})

    def set(self, changes: Mapping[str, Any]) -> None:
        """Write params.yaml with two small models and these changes."""
        row = YAML(typ="safe").load(ROOT / "params.yaml")["models"]["w3-relu-10"] | {"updates": 20}
        self.write_parameters(
            self.folder, {"blas_threads": 1, "models": {name: dict(row) for name in MODELS}, **changes}
        )

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command as a user would, with the interpreter of these tests first on PATH."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        env = {**kept, "PATH": path, "MNIST_MIRROR": str(self.mirror), **environment}
        return subprocess.Popen(
            command, cwd=self.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*command, **environment)
        output, errors = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def output(self, *command: str) -> str:
        """Run a command that must succeed, and return what it printed."""
        done = self.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def repro(self, *arguments: str, **environment: str) -> list[str]:
        """Run `dvc repro`, which must succeed, and return the stages that it ran."""
        done = self.run("dvc", "repro", *arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return re.findall(r"^Running stage '(.+)':", done.stdout, re.MULTILINE)
