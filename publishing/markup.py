"""Text that is shown as it stands, escaped for what README, site, report and paper are written in, and their tables."""

import re
from collections.abc import Iterable, Sequence


def escaped(text: str) -> str:
    """Return one line of Markdown that shows the characters of a text, of which none is taken for markup.

    Python-Markdown with the extensions of the site, GitHub and pandoc escape with a backslash in three ways; an HTML
    entity means the same to all of them, in a cell of a table and in the text of an image as well.
    """
    return re.sub(r"[\\`*_{}\[\]<>&|$~^@#]|:(?=\w)", lambda match: f"&#{ord(match[0])};", " ".join(text.split()))


def unbroken(text: str) -> str:
    """Return a text escaped, in which no line begins with a percent sign."""
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", escaped(text))


def typeset(text: str) -> str:
    """Return a text escaped for the paper, its minus signs, percents and powers set."""
    text = re.sub(r"(?<![\w-])-(?=[\w(])|(?<=[A-Z\d] )-(?= \d?[A-Z]\d?\b)", "\N{MINUS SIGN}", text)
    text = re.sub(r"\b1e-(\d+)\b", r"$10^{-\1}$", escaped(text))
    return re.sub(r"(?<=\d) ?%", "\N{NO-BREAK SPACE}%", text)


def literal(text: str) -> str:
    """Return a text for the Markdown of the paper as a string of Typst, which sets other quotes, dashes and dots."""
    string = re.sub(r"[^\w ]", lambda match: rf"\u{{{ord(match[0]):x}}}", " ".join(text.split()))
    return f'`#"{string}";`{{=typst}}'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *marks: str) -> str:
    """Return a Markdown table.

    Parameters
    ----------
    head, rows : sequence of str
        Cells.
    marks : str
        What stands under the head, such as `--:` for a column flush right; the last one holds for all that remain.
    """
    marks = marks or ("---",)
    ruled = "|".join([*marks, *marks[-1:] * (len(head) - len(marks))])
    first, *rest = ("".join(f" {cell} |" if cell else " |" for cell in cells) for cells in (head, *rows))
    return "\n".join(f"|{line}" for line in (first, f"{ruled}|", *rest))
