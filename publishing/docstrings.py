"""An extension of Griffe, with which mkdocstrings reads docstrings: what stands between < and > is shown."""

import re
from typing import Any

import griffe

CODE_OR_PLACEHOLDER = re.compile(r"(`[^`]*`)|<(?=\w+>)")


class Placeholders(griffe.Extension):
    """Writes `<name>` in a docstring so that Markdown does not take it for HTML, which a browser would not show."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of a module, class, function or attribute, except in code."""
        if obj.docstring:
            obj.docstring.value = CODE_OR_PLACEHOLDER.sub(lambda found: found[1] or "&lt;", obj.docstring.value)
