"""Code on a page: source filled in from its file, and blocks that are executed, with what they print.

A fence with `source` is filled with a function, a class, a method or a table of that file, without its docstrings. What
it holds are pieces of those lines that are an equation, with the label of the equation; the line gets this comment, and
the site makes a link of it. A piece that is not in exactly one line is an error.

    ``` {.python source="stages/nn/affine.py" object="Affine.backward"}
    np.matmul(dZ, self._X.T, out=dW)  # @eq:affine-gradients
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

The site, the paper and the tests all read pages through `expand`.
"""

import ast
import re
import shlex
import textwrap
from pathlib import Path

from publishing import executing
from stages.shared.errors import UserError

ROOT = Path(__file__).parents[1]

FENCE = re.compile(
    r"^(?P<indent> *)(?P<marks>`{3,}|~{3,}) *(?P<header>[^\n`]*)\n(?P<body>.*?)^(?P=indent)(?P=marks) *$",
    re.MULTILINE | re.DOTALL,
)

ADMONITION = re.compile(
    r'^(?P<marks>!!!|\?\?\?\+?) (?P<kind>\w+) "(?P<title>.+)"\n(?P<body>(?:\n|    .*\n)+)', re.MULTILINE
)
TAG = re.compile(r"(?P<piece>.*\S) +# (?P<labels>@eq:[\w-]+(?: @eq:[\w-]+)*)")

KNOWN = {"python", "exec", "source", "object", "output", "title", "figure"}


def outputs(text: str, page: str, line: int = 1) -> list[str]:
    """Return what each executed block of a page prints or draws; parameters and errors are those of `expand`."""
    blocks = [
        (line + text.count("\n", 0, fence.start()), textwrap.dedent(fence["body"]), "figure" in options)
        for fence in FENCE.finditer(text)
        if "exec" in (options := attributes(fence["header"]))
    ]
    return executing.execute(page, blocks)


def expand(text: str, page: str, line: int = 1, executed: list[str] | None = None) -> str:
    """Return the Markdown of a page with its source filled in and its blocks executed.

    Parameters
    ----------
    text : str
        The Markdown.
    page : str
        Path of its file from the project's folder, for messages and tracebacks.
    line : int
        Number of the first line of `text` in the file.
    executed : list of str or None
        The `outputs` of the page, where its blocks have been executed already.

    Raises
    ------
    UserError
        If a file, a name or a line to be filled in is not there, an attribute is unknown or an executed block raises.
    """
    left = iter(outputs(text, page, line) if executed is None else executed)

    def replace(fence: re.Match[str]) -> str:
        options = attributes(fence["header"])
        place = f"{page}, line {line + text.count(chr(10), 0, fence.start())}"
        if not options:
            return fence[0]
        if not KNOWN.issuperset(options) or "python" not in options:
            raise UserError(f"{place}: {fence['header']} must have .python and may have {', '.join(sorted(KNOWN))}")
        if "source" in options:
            result = _filled(options, fence, place)
        elif "figure" in options:
            result = f'{fence["marks"]} {{.svg alt="{options["figure"]}"}}\n{next(left)}\n{fence["marks"]}'
        elif options.get("output") == "markdown":
            result = next(left)
        else:
            printed = next(left)
            result = _fence(fence["marks"], ".python .listing", options.get("title"), textwrap.dedent(fence["body"]))
            if printed:
                result += "\n\n" + _fence(fence["marks"], ".text .output", None, printed)
        return textwrap.indent(result, fence["indent"])

    return FENCE.sub(replace, text)


def source(path: str, name: str) -> str:
    """Return the source of a function, a class, a method (`Class.method`) or a table of a file, without docstrings.

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
    lines = text.splitlines()
    kept = sorted(set(range(first, (found[0].end_lineno or 0) + 1)) - _docstrings(found[0], lines))
    return textwrap.dedent("\n".join(lines[number - 1] for number in kept)) + "\n"


def _docstrings(node: ast.stmt, lines: list[str]) -> set[int]:
    """Return the numbers of the lines of docstrings and of the empty lines behind them."""
    numbers: set[int] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(part) and len(part.body) > 1:
            end = part.body[0].end_lineno or 0
            while not lines[end].strip():
                end += 1
            numbers |= set(range(part.body[0].lineno, end + 1))
    return numbers


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def attributes(header: str) -> dict[str, str]:
    """Return the attributes of a fence to fill or execute, options with their value, classes without; else none."""
    if not re.search(r"\.exec\b|\bsource=", header):
        return {}
    words = (word.partition("=") for word in shlex.split(header.strip().strip("{}")))
    return {key.removeprefix("."): value for key, _, value in words}


def _fence(marks: str, classes: str, title: str | None, body: str) -> str:
    header = f'{{{classes} title="{title}"}}' if title else f"{{{classes}}}"
    return f"{marks} {header}\n{body.rstrip()}\n{marks}"


def _filled(options: dict[str, str], fence: re.Match[str], place: str) -> str:
    if "exec" in options or "object" not in options:
        raise UserError(f"{place}: a fence with source needs an object, and is not executed")
    path, name = options["source"], options["object"]
    try:
        code = _tagged(source(path, name), fence["body"])
    except LookupError as error:
        raise UserError(f"{place}: {error.args[0]}") from None
    return _fence(fence["marks"], ".python .listing", options.get("title", f"{path} · {name}"), code)


def _tagged(code: str, tags: str) -> str:
    """Return code with the labels of equations behind the lines that are named in `tags`."""
    lines = code.splitlines()
    for tag in filter(None, map(str.strip, tags.splitlines())):
        match = TAG.fullmatch(tag)
        if not match:
            raise LookupError(
                f"a fence with source holds a piece of a line and its equation, x += 1  # @eq:name, not {tag}"
            )
        found = [number for number, line in enumerate(lines) if match["piece"] in line]
        if len(found) != 1:
            raise LookupError(f"{match['piece']} is in {len(found)} lines of what is shown, and must be in one")
        lines[found[0]] += f"  # {match['labels']}"
    return "\n".join(lines)
