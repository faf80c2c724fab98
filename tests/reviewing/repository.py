"""A small repository with the results of models, made by hand."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from stages.shared.mnist import CLASSES

ROOT = Path(__file__).parents[2]
LABELS = [k % CLASSES for k in range(40)]
PIPELINE = {
    "stages": {
        "evaluate": {
            "foreach": "${models}",
            "do": {
                "cmd": "false",
                "deps": ["code.py"],
                "params": ["models.${key}"],
                "metrics": [{"metrics/${key}.json": {"cache": False}}],
                "outs": [{"metrics/predictions/${key}.csv": {"cache": False}}, "models/${key}.npz"],
                "plots": [
                    {
                        "metrics/history/${key}.csv": {
                            "cache": False,
                            "template": "curves",
                            "title": "${key}",
                            "x": "update",
                            "y": "loss",
                        }
                    },
                    {
                        "metrics/confusion/${key}.csv": {
                            "cache": False,
                            "template": "confusion_counts",
                            "title": "${key}",
                            "x": "predicted",
                            "y": "actual",
                        }
                    },
                ],
            },
        }
    }
}
Parameters = Callable[[Path, Mapping[str, Any]], None]


class Repository:
    """A repository of git and DVC with models, of which each test says what they predict for 40 test images."""

    def __init__(self, folder: Path, write_parameters: Parameters) -> None:
        self.folder, self.write_parameters = folder, write_parameters
        self.row = YAML(typ="safe").load(ROOT / "params.yaml")["models"]["w3-relu-10"]
        self.rows: dict[str, Any] = {}
        shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
        for name in (".dvc/config", ".dvc/page.html"):
            shutil.copy(ROOT / name, folder / name)
        self.write(".gitignore", "/report/\n/models/\n/data/\n/.dvc/tmp/\n/.dvc/cache/\n")
        self.write("code.py", "1\n")
        self.write_yaml("dvc.yaml", PIPELINE)
        self.git("init", "--quiet", "--initial-branch=main")

    def at(self, folder: Path) -> "Repository":
        """Return the repository in a folder that holds a copy of this one."""
        copied = copy(self)
        copied.folder, copied.rows = folder, dict(self.rows)
        return copied

    def git(self, *arguments: str) -> None:
        """Run git, which must succeed."""
        identity = {
            f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        subprocess.run(["git", *arguments], check=True, cwd=self.folder, env=os.environ | identity)

    def commit(self) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "results")

    def write_yaml(self, path: str, content: object) -> None:
        """Write a YAML file."""
        with (self.folder / path).open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(content, file)

    def write(self, path: str, text: str) -> None:
        """Write a text file, with its folders."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text, encoding="utf-8")

    def train(
        self,
        name: str,
        wrong: Sequence[int],
        loss: float = 0.5,
        losses: Sequence[float] = (2, 1),
        dataset: str = "MNIST",
        **changes: Any,
    ) -> None:
        """Put a model's results there: wrong are the test images that it takes for the next digit."""
        self.rows[name] = {**self.row, **changes}
        self.write_parameters(self.folder, {"models": self.rows})
        labels = np.array(LABELS)
        predicted = np.where(np.isin(np.arange(len(labels)), wrong), (labels + 1) % CLASSES, labels)
        counts = np.bincount(CLASSES * labels + predicted, minlength=CLASSES**2)
        test = {"accuracy": 1 - len(wrong) / len(labels), "interval": [0.5, 1.0], "cross_entropy": loss}
        self.write(f"metrics/{name}.json", json.dumps({"dataset": dataset, "test": test, "notes": []}))
        for kind, head, rows in (
            ("predictions", "label,predicted", zip(labels, predicted, strict=True)),
            ("confusion", "actual,predicted,count", [(k // CLASSES, k % CLASSES, n) for k, n in enumerate(counts)]),
            (
                "history",
                "update,loss,accuracy,validation_loss,validation_accuracy",
                [(k, value, 0.5, "", "") for k, value in enumerate(losses, 1)],
            ),
        ):
            lines = (",".join(map(str, row)) for row in rows)
            self.write(f"metrics/{kind}/{name}.csv", "\n".join([head, *lines, ""]))
        self.lock()

    def remove(self, name: str) -> None:
        """Take a model out of params.yaml and dvc.lock; its files stay, as they do."""
        del self.rows[name]
        self.write_parameters(self.folder, {"models": self.rows})
        self.lock()

    def lock(self) -> None:
        """Write the dvc.lock that DVC would write; the networks, which are not in git, are never there."""

        def listed(*paths: str) -> list[dict[str, Any]]:
            contents = {path: (self.folder / path).read_bytes() for path in paths if not path.startswith("models/")}
            return [
                {"path": path, "hash": "md5", "md5": digest, "size": len(content)}
                for path in paths
                for content in [contents.get(path, paths[0].encode())]
                for digest in [hashlib.md5(content, usedforsecurity=False).hexdigest()]
            ]

        stages = {
            f"evaluate@{name}": {
                "cmd": "false",
                "deps": listed("code.py"),
                "params": {"params.yaml": {f"models.{name}": row}},
                "outs": listed(
                    f"metrics/{name}.json",
                    *(f"metrics/{kind}/{name}.csv" for kind in ("predictions", "history", "confusion")),
                    f"models/{name}.npz",
                ),
            }
            for name, row in self.rows.items()
        }
        self.write_yaml("dvc.lock", {"schema": "2.0", "stages": stages})
