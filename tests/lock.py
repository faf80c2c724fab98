"""The dvc.lock that DVC would write of a folder in which every stage of the project has just been run."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent


def write_lock(folder: Path) -> None:
    """Write dvc.lock from dvc.yaml, and params.yaml and the files of a folder; what is not there has a sum too."""
    yaml = YAML(typ="safe")
    parameters = yaml.load(folder / "params.yaml")
    stages = {
        f"{name}@{key}" if key else name: _entry(folder, body, parameters, key, row)
        for name, stage in yaml.load(ROOT / "dvc.yaml")["stages"].items()
        for body, rows in [(stage.get("do", stage), _rows(stage, parameters))]
        for key, row in rows.items()
    }
    yaml.dump({"schema": "2.0", "stages": stages}, folder / "dvc.lock")


def _rows(stage: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    return dict(parameters[stage["foreach"].strip("${}")]) if "foreach" in stage else {"": {}}


def _entry(folder: Path, body: dict[str, Any], parameters: dict[str, Any], key: str, row: Any) -> dict[str, Any]:
    def filled(entries: list[Any]) -> Iterator[str]:
        for entry in entries:
            text = (next(iter(entry)) if isinstance(entry, dict) else entry).replace("${key}", key)
            yield re.sub(r"\$\{item\.(\w+)\}", lambda match: str(row[match[1]]), text)

    def listed(*kinds: str) -> list[dict[str, str]]:
        paths = (path for kind in kinds for path in filled(body.get(kind, [])))
        return [{"path": path, "hash": "md5", "md5": _sum(folder / path)} for path in paths]

    recorded = {name: _value(parameters, name) for name in filled(body.get("params", []))}
    return {
        "cmd": body["cmd"],
        "deps": listed("deps"),
        "params": {"params.yaml": recorded},
        "outs": listed("outs", "metrics", "plots"),
    }


def _value(content: Any, name: str) -> Any:
    for part in name.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _sum(path: Path) -> str:
    if path.is_dir():
        files = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        content = json.dumps([{"md5": _sum(path / name), "relpath": name} for name in files]).encode()
        return f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}.dir"
    content = path.read_bytes() if path.exists() else path.name.encode()
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
