"""Code on a page: source filled in from its file, and blocks that are executed, with what they print.

A fence with `source` holds nothing; it is filled with a function, a class, a method or a table of that file:

    ``` {.python source="stages/nn/affine.py" object="Affine.backward"}
    ```

A fence of the class `exec` is executed, and what it prints follows it as a fence of the class `output`. The blocks of
a page run in order and share their names. With `output="markdown"` the block is hidden, and what it prints is part
of the page.

    ``` {.python .exec}
    print(1 + 1)
    ```

With `figure="what one sees"` the block is hidden too. It draws on `figure`, a Matplotlib figure that is there, and the
picture takes its place: a fence of the class `svg`, with these words for those who do not see it.

    ``` {.python .exec figure="A line that rises."}
    figure.subplots().plot([1, 2])
    ```

The site, the paper and the tests all read pages through `expand`. Run as a program, this module is the process that
executes the blocks of one page.
"""

import ast
import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path

from stages.shared.errors import UserError

ROOT = Path(__file__).parents[1]

FENCE = re.compile(
    r"^(?P<indent> *)(?P<marks>`{3,}|~{3,}) *(?P<header>[^\n`]*)\n(?P<body>.*?)^(?P=indent)(?P=marks) *$",
    re.MULTILINE | re.DOTALL,
)


KNOWN = {"python", "exec", "source", "object", "output", "title", "figure"}


def expand(text: str, page: str, line: int = 1) -> str:
    """Return the Markdown of a page with its source filled in and its blocks executed.

    Parameters
    ----------
    text : str
        The Markdown.
    page : str
        Path of its file from the project's folder, for messages and tracebacks.
    line : int
        Number of the first line of `text` in the file.

    Raises
    ------
    UserError
        If a file or name to be filled in is not there, an attribute is unknown or an executed block raises.
    """
    blocks = [
        (line + text.count("\n", 0, fence.start()), textwrap.dedent(fence["body"]), "figure" in attributes)
        for fence in FENCE.finditer(text)
        if "exec" in (attributes := _attributes(fence["header"]))
    ]
    outputs = iter(_execute(page, blocks))

    def replace(fence: re.Match[str]) -> str:
        attributes = _attributes(fence["header"])
        place = f"{page}, line {line + text.count(chr(10), 0, fence.start())}"
        if not attributes:
            return fence[0]
        if not KNOWN.issuperset(attributes) or "python" not in attributes:
            raise UserError(f"{place}: {fence['header']} must have .python and may have {', '.join(sorted(KNOWN))}")
        if "source" in attributes:
            result = _filled(attributes, fence, place)
        elif "figure" in attributes:
            result = f'{fence["marks"]} {{.svg alt="{attributes["figure"]}"}}\n{next(outputs)}\n{fence["marks"]}'
        elif attributes.get("output") == "markdown":
            result = next(outputs)
        else:
            printed = next(outputs)
            result = _fence(fence["marks"], ".python", attributes.get("title"), textwrap.dedent(fence["body"]))
            if printed:
                result += "\n\n" + _fence(fence["marks"], ".text .output", None, printed)
        return textwrap.indent(result, fence["indent"])

    return FENCE.sub(replace, text)


def source(path: str, name: str) -> str:
    """Return the source of a function, a class, a method (`Class.method`) or a table of a file.

    Raises
    ------
    LookupError
        If there is no such file or no such name in it.
    """
    try:
        text = (ROOT / path).read_text(encoding="utf-8")
    except OSError:
        raise LookupError(f"{path} is not there") from None
    nodes = ast.parse(text).body
    for part in name.split("."):
        found = [node for node in nodes if part in _names(node)]
        if not found:
            raise LookupError(f"{path} has no {name}")
        nodes = getattr(found[0], "body", [])
    first = min([found[0].lineno, *(decorator.lineno for decorator in getattr(found[0], "decorator_list", []))])
    return textwrap.dedent("\n".join(text.splitlines()[first - 1 : found[0].end_lineno])) + "\n"


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _attributes(header: str) -> dict[str, str]:
    """Return the attributes of a fence to fill or execute, options with their value, classes without; else none."""
    if not re.search(r"\.exec\b|\bsource=", header):
        return {}
    words = (word.partition("=") for word in shlex.split(header.strip().strip("{}")))
    return {key.removeprefix("."): value for key, _, value in words}


def _fence(marks: str, classes: str, title: str | None, body: str) -> str:
    header = f'{{{classes} title="{title}"}}' if title else f"{{{classes}}}"
    return f"{marks} {header}\n{body.rstrip()}\n{marks}"


def _filled(attributes: dict[str, str], fence: re.Match[str], place: str) -> str:
    if fence["body"].strip() or "exec" in attributes or "object" not in attributes:
        raise UserError(f"{place}: a fence with source needs an object and must be empty; the build fills it")
    path, name = attributes["source"], attributes["object"]
    try:
        return _fence(fence["marks"], ".python", attributes.get("title", f"{path} · {name}"), source(path, name))
    except LookupError as error:
        raise UserError(f"{place}: {error.args[0]}") from None


def _execute(page: str, blocks: list[tuple[int, str, bool]]) -> list[str]:
    """Return what each block prints or draws; all are executed in one new process, in the project's folder."""
    if not blocks:
        return []
    process = subprocess.run(
        [sys.executable, "-m", __name__, page],
        check=False,
        input=json.dumps(blocks),
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "0"},  # a printed set has one order
        capture_output=True,
        encoding="utf-8",
    )
    if process.returncode:
        raise UserError(process.stderr.strip())
    outputs: list[str] = json.loads(process.stdout)
    return outputs


def _main(page: str) -> None:
    """Execute the blocks on standard input, each a line, code and whether it draws; print what they give as JSON."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    outputs = []
    for line, code, draws in json.load(sys.stdin):
        if draws:
            from publishing import drawing  # only here: Matplotlib takes long to load

            namespace["figure"] = figure = drawing.new()
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            try:
                exec(compile("\n" * line + code, page, "exec"), namespace)  # noqa: S102 (the pages are our own)
            except Exception as error:  # noqa: BLE001 (whatever it is, its traceback is the message)
                traceback.print_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
                sys.exit(f"error: {page}: the block from line {line} on raised {type(error).__name__}")
        outputs.append(drawing.svg(figure) if draws else printed.getvalue())
    json.dump(outputs, sys.stdout)


if __name__ == "__main__":
    _main(sys.argv[1])
