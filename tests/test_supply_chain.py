"""No code runs but the project's own and what is locked by its hash."""

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.shared import parameters
from stages.shared.errors import UserError
from tests.pipeline import Project

ROOT = Path(__file__).parent.parent
FOLDERS = ("stages", "tools", "publishing", "benchmarks", "reviewing", "tests")
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]

UNSAFE = (
    r"eval|exec|compile|__import__"
    r"|(.+\.)?(pickle|cPickle|dill|cloudpickle|marshal|shelve|joblib)\..+"
    r"|(.+\.)?(read_pickle|to_pickle)"
    r"|yaml"  # PyYAML, of which `load` makes objects; ruamel.yaml does not, if it is safe
    r"|os\.(system|popen|exec\w+|spawn\w+|posix_spawn\w*)"
    r"|subprocess\.(getoutput|getstatusoutput)"
)
ALLOWED = {
    # executes the blocks of the site's own pages, in a process of its own
    ("publishing/executing.py", "exec"),
    ("publishing/executing.py", "compile"),
}


def dangers(tree: ast.AST) -> Iterator[str]:
    """Yield what in a program runs text as code, unpickles, or hands a string to a shell."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names = [f"{module}{alias.name}" for alias in node.names]
            yield from (name for name in names if re.fullmatch(UNSAFE, name) or re.fullmatch(UNSAFE, f"{name}.x"))
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if re.fullmatch(UNSAFE, name):
                yield name
            options = {option.arg: ast.unparse(option.value) for option in node.keywords}
            if options.get("shell", "False") != "False":
                yield f"{name} with shell"
            if name.endswith("load") and options.get("allow_pickle", "False") != "False":
                yield f"{name} with allow_pickle"
            if name.endswith("YAML") and options.get("typ", "'safe'") != "'safe'":
                yield f"{name} with typ"
            if name.startswith("subprocess.") and node.args and isinstance(node.args[0], ast.JoinedStr):
                yield f"{name} of a string"


@pytest.mark.parametrize(
    ("program", "danger"),
    [
        ("eval('1')", "eval"),
        ("import pickle", "pickle"),
        ("from pickle import loads", "pickle.loads"),
        ("from os import system", "os.system"),
        ("import numpy as np\nnp.load('x', allow_pickle=True)", "np.load with allow_pickle"),
        ("import pandas as pd\npd.read_pickle('x')", "pd.read_pickle"),
        ("import yaml", "yaml"),
        ("YAML(typ='unsafe')", "YAML with typ"),
        ("import os\nos.system('ls')", "os.system"),
        ("import subprocess\nsubprocess.run('ls', shell=True)", "subprocess.run with shell"),
        ("import subprocess\nsubprocess.run(f'ls {x}')", "subprocess.run of a string"),
    ],
)
def test_a_danger_is_recognized(program: str, danger: str) -> None:
    assert list(dangers(ast.parse(program))) == [danger]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_is_run_and_nothing_is_unpickled(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    assert {danger for danger in dangers(ast.parse(path.read_bytes())) if (name, danger) not in ALLOWED} == set()


def test_every_folder_of_programs_is_looked_at() -> None:
    ours = [path for path in ROOT.rglob("*.py") if not {".venv", "node_modules"} & set(path.relative_to(ROOT).parts)]
    assert set(ours) - set(SOURCES) == set()


def requirements(path: Path) -> list[str]:
    """Return the lines of a requirements file, those that are continued joined."""
    return path.read_text().replace("\\\n", " ").splitlines()


LOCKED = sorted(ROOT.glob("requirements/*.txt"))


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.name)
def test_every_requirement_has_one_version_and_its_hashes(path: Path) -> None:
    hashes = "" if path.name == "torch.txt" else r"(\s+--hash=sha256:[0-9a-f]{64})+"  # why: see the Makefile
    lines = requirements(path)
    assert lines
    for line in lines:
        assert re.fullmatch(rf"[\w.-]+(\[[\w,-]+\])?==[\w.+!]+( ; [^:]+?)?{hashes}", line.rstrip()), line


def test_torch_alone_has_no_hash() -> None:
    assert [line.partition("==")[0] for line in requirements(ROOT / "requirements/torch.txt")] == ["torch"]
    installations = re.findall(
        r"^(\S+): requirements/\S+\.txt.*\n\t\$\(call install(.*)\)", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert len(installations) == len(LOCKED)
    assert [target for target, options in installations if options != ",--require-hashes"] == [".venv/.torch"]


def test_no_file_names_a_registry() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
    assert "://" not in (ROOT / ".npmrc").read_text()
    assert "index" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]


def test_no_parameter_becomes_part_of_a_command() -> None:
    stages = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"].values()
    commands = [stage.get("do", stage)["cmd"] for stage in stages]
    assert all(re.fullmatch(r"python -m \w+\.\w+", command) for command in commands), commands


@pytest.mark.slow
def test_dvc_runs_no_name_as_a_command(
    tmp_path: Path, mirror: Path, write_parameters: Callable[[Path, Mapping[str, Any]], None]
) -> None:
    project = Project(tmp_path, mirror, write_parameters)
    row = YAML(typ="safe", pure=True).load(tmp_path / "params.yaml")["models"]["first"]
    project.set({"models": {"$(touch run)": row, "; touch run;": row}})
    done = project.run("dvc", "repro", "--keep-going")
    assert done.returncode != 0
    assert "a name may hold only letters" in done.stderr
    assert not list(tmp_path.rglob("run"))


@pytest.mark.parametrize(
    "name", ["a; id", "a\nid", "$(id)", "`id`", "a|id", "a&id", "a'id", '"id"', "a b", "../a", "-n "]
)
def test_a_name_that_a_shell_could_take_for_a_command_is_an_error(
    name: str, project: Path, write_parameters: Callable[[Path, Mapping[str, Any]], None]
) -> None:
    for section in ("models", "splits"):
        write_parameters(project, {section: {name: {}}})
        with pytest.raises(UserError, match="a name may hold only letters, digits, hyphens and underscores"):
            parameters.load()
