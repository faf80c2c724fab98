"""Text that is shown as it stands: escaped for the languages that README, site, report and paper are written in."""

import re


def escaped(text: str) -> str:
    """Return one line of Markdown that shows the characters of a text, of which none is taken for markup.

    Python-Markdown with the extensions of the site, GitHub and pandoc escape with a backslash in three ways; an HTML
    entity means the same to all of them, in a cell of a table and in the text of an image as well.
    """
    return re.sub(r"[\\`*_{}\[\]<>&|$~^@#]|:(?=\w)", lambda match: f"&#{ord(match[0])};", " ".join(text.split()))


def literal(text: str) -> str:
    """Return a text for the Markdown of the paper as a string of Typst, which sets other quotes, dashes and dots."""
    string = re.sub(r"[^\w ]", lambda match: rf"\u{{{ord(match[0]):x}}}", " ".join(text.split()))
    return f'`#"{string}";`{{=typst}}'
