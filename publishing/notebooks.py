"""Notebooks: a page of docs/derivations/ whose executed blocks are cells, to be changed and run again."""

import json
import posixpath
import re
import textwrap
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from publishing import blocks, citations

LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")

INTRODUCTION = """\
*This is a page of the site as a notebook: change a cell, and run it and those below again. It imports the code of the
project, so it runs in the project's folder, with the packages that are locked there. Python 3.11 or later, make and git
are needed. In a shell:*

``` sh
git clone {repository} chainrule
cd chainrule
make .venv/.dev
.venv/bin/python -m pip install notebook
```

*Put this file into that folder, `chainrule`, and open it from there:*

``` sh
.venv/bin/python -m notebook {file}
```
"""


def notebook(text: str, page: str, outputs: list[str], number: Callable[[str], str], repository: str) -> str:
    """Return a page as a notebook in the format of Jupyter, 4.5.

    Parameters
    ----------
    text : str
        The Markdown.
    page : str
        Path of its file from the project's folder.
    outputs : list of str
        Of its executed blocks.
    number : callable
        Returns the number of the equation with a label.
    repository : str
        Where `git clone` finds the project.

    Raises
    ------
    UserError
        As `blocks.expand`.
    """
    path = PurePosixPath(page)
    cells: list[dict[str, Any]] = []

    def add(kind: str, source: str, **others: Any) -> None:
        cells.append({"cell_type": kind, "id": f"cell-{len(cells)}", "metadata": {}, "source": source, **others})

    def add_text(part: str) -> None:
        if part.strip():
            add("markdown", _text(blocks.expand(textwrap.dedent(part), page), path.parent.as_posix(), number))

    add("markdown", INTRODUCTION.format(repository=repository, file=f"{path.stem}.ipynb"))
    end = 0
    executed = [fence for fence in blocks.FENCE.finditer(text) if "exec" in blocks.attributes(fence["header"])]
    for count, (fence, output) in enumerate(zip(executed, outputs, strict=True), 1):
        add_text(text[end : fence.start()])
        code, end = textwrap.dedent(fence["body"]).rstrip(), fence.end()
        if words := blocks.attributes(fence["header"]).get("figure"):
            code = f"from publishing import drawing\n\nfigure = drawing.new()\n{code}\nfigure"
            data = {"image/svg+xml": output, "text/plain": words}
            shown: list[dict[str, Any]] = [{"output_type": "display_data", "data": data, "metadata": {}}]
        else:
            shown = [{"output_type": "stream", "name": "stdout", "text": output}] if output else []
        add("code", code, execution_count=count, outputs=shown)
    add_text(text[end:])
    cited = citations.cited(citations.linked(text))
    if keys := [key for key in cited if key in citations.entries()]:
        add("markdown", f"## References\n\n{citations.reference_list(keys)}")
    python = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    whole = {"cells": cells, "metadata": python, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def _text(part: str, folder: str, number: Callable[[str], str]) -> str:
    """Return Markdown of the site as Jupyter understands it; links lead to files of the project."""
    part = re.sub(r'``` \{\.python \.listing title="(.+)"\}', r"`\1`\n\n``` python", part)
    part = blocks.ADMONITION.sub(_admonition, part + "\n")
    part = re.sub(r"\\label\{(eq:[\w-]+)\}", lambda label: rf"\tag{{{number(label[1])}}}", part)
    part = re.sub(r"(\()?@(eq:[\w-]*\w)(?(1)\))", lambda reference: f"({number(reference[2])})", part)
    part = LINK.sub(lambda link: f"]({posixpath.normpath(posixpath.join(folder, link[1]))}", part)
    return citations.linked(part).strip()


def _admonition(match: re.Match[str]) -> str:
    body = textwrap.dedent(match["body"]).strip()
    if match["marks"] == "!!!":
        return f"**{match['title']}.** {body}\n\n"
    return f"<details><summary>{match['title']}</summary>\n\n{body}\n\n</details>\n\n"
