"""Where the files of the project can be read, by the address that mkdocs.yml gives of its repository."""

import ast
import re

from publishing.blocks import ROOT


def address_of(repository: str, path: str, name: str) -> str:
    """Return the address of a function in a file, in a repository that `git clone` takes; none without a repository."""
    return f"{repository.removesuffix('.git')}/blob/HEAD/{path}#L{_line(path, name)}" if repository else ""


def _line(path: str, name: str) -> int:
    nodes = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    return next(node.lineno for node in nodes if getattr(node, "name", None) == name)


def named_tests(markdown: str, repository: str) -> str:
    """Return a page in which each test that it names, as its file and its function, may be broken and leads there."""

    def link(match: re.Match[str]) -> str:
        path, test = (re.sub("([/_])", r"\1<wbr>", text) for text in match.groups())
        names = f"<code>{path}</code><br><code>{test}</code>"
        address = address_of(repository, *match.groups())
        return f"[{names}]({address})" if address else names

    return re.sub(r"`(tests/\w+(?:/\w+)*\.py)` `(test_\w+)`", link, markdown)
