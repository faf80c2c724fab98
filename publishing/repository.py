"""Where the files of the project can be read: the one place that knows the address of its repository."""

import ast
import re

from publishing.blocks import ROOT

ADDRESS = ""  # such as https://github.com/someone/chainrule; without one, files are named and not linked


def address_of(path: str, name: str = "") -> str:
    """Return the address of a file, at the line of a function of its; none without a repository."""
    if not ADDRESS:
        return ""
    return f"{ADDRESS}/blob/HEAD/{path}" + (f"#L{_line(path, name)}" if name else "")


def _line(path: str, name: str) -> int:
    nodes = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    return next(node.lineno for node in nodes if getattr(node, "name", None) == name)


def named_tests(markdown: str) -> str:
    """Return a page in which each test that it names, as its file and its function, may be broken and leads there."""

    def link(match: re.Match[str]) -> str:
        path, test = (re.sub("([/_])", r"\1<wbr>", text) for text in match.groups())
        names = f"<code>{path}</code><br><code>{test}</code>"
        address = address_of(*match.groups())
        return f"[{names}]({address})" if address else names

    return re.sub(r"`(tests/\w+(?:/\w+)*\.py)` `(test_\w+)`", link, markdown)
