"""What docstrings say between < and > is in the reference."""

from pathlib import Path
from typing import Any

import pytest

docstrings: Any = pytest.importorskip("publishing.docstrings", reason="`make docs` installs what the site needs")
griffe: Any = pytest.importorskip("griffe")
markdown: Any = pytest.importorskip("markdown")

MODULE = '''
"""Reads models/<name>.npz."""

def write():
    """Write metrics/<name>/<part>.csv, `figures/<name>` where 1 < 2 > 0."""
'''


def test_a_placeholder_is_shown_in_words_and_in_code(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(MODULE, encoding="utf-8")
    extensions = griffe.load_extensions(docstrings.__file__)
    example = griffe.load("example", search_paths=[tmp_path], extensions=extensions)
    module, write = example.docstring, example["write"].docstring
    assert markdown.markdown(module.value) == "<p>Reads models/&lt;name&gt;.npz.</p>"
    assert markdown.markdown(write.value) == (
        "<p>Write metrics/&lt;name&gt;/&lt;part&gt;.csv, <code>figures/&lt;name&gt;</code> where 1 &lt; 2 &gt; 0.</p>"
    )
