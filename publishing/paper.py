"""Build the paper from paper/, docs/derivations/ and what the pipeline measured: `python -m publishing.paper`.

The text is paper/paper.md; the derivations are the pages of the site, in the order of its navigation. What a page has
and a paper does not is translated or left out by the rules of `derivation` and of paper/filter.lua.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypandoc
import typst

from publishing import paper_results
from publishing.blocks import ADMONITION, FENCE, ROOT, expand
from stages.shared.artifacts import replacing
from stages.shared.errors import UserError, run

TEXT, TEMPLATE, FILTER = (Path("paper") / name for name in ("paper.md", "template.typ", "filter.lua"))
TARGET = Path("paper/chainrule.pdf")
PLACE = "<!-- derivations -->"
LEFT_OUT = ("Check", "Exercises")
FORMAT = "markdown-auto_identifiers-implicit_header_references"
WORDING = (  # what a page says of itself, and of what is left out
    (r"\bon (this|these|\[the)\s+page(s?)\b", r"in \1 section\2"),
    (r"\bpage(s?)\b", r"section\1"),
    (r"\bcheck below\b", "check on the site"),
    (r"\b(exercise \d+)\b", r"\1 on the site"),
)


def navigation() -> list[str]:
    """Return the names of the derivations, in the order of the site."""
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    return re.findall(r"derivations/([\w-]+)\.md", listed)


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Return a text with what is outside its fences changed."""
    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(text[end:])])


def without_sections(text: str) -> str:
    """Return a page without the sections that are left out; a heading in a fence is none."""
    fences = [fence.span() for fence in FENCE.finditer(text)]
    headings = [
        heading
        for heading in re.finditer(r"^## (.+)\n", text, re.MULTILINE)
        if not any(start <= heading.start() < end for start, end in fences)
    ]
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    kept = [text[: headings[0].start()]]
    for heading, end in zip(headings, ends, strict=True):
        if heading[1] not in LEFT_OUT:
            kept.append(text[heading.start() : end])
    return "".join(kept)


def as_division(admonition: re.Match[str]) -> str:
    """Return an admonition as the fenced division that paper/filter.lua makes a remark of."""
    body = re.sub(r"^    ", "", admonition["body"], flags=re.MULTILINE).strip()
    return f'::: {{.remark title="{admonition["title"]}"}}\n{body}\n:::\n\n'


def derivation(name: str) -> str:
    """Return the Markdown of a page of docs/derivations/ as it goes into the paper.

    Checks and exercises are left out, listings filled in, admonitions are remarks, and headings one level lower.
    """
    page = f"docs/derivations/{name}.md"
    text = without_sections((ROOT / page).read_text(encoding="utf-8"))
    text = ADMONITION.sub(as_division, expand(text, page) + "\n")
    text = re.sub(r"^# (.+)$", rf"# \1 {{#sec:{name}}}", text, count=1, flags=re.MULTILINE)
    return f":::::: derivation\n{outside_fences(text, _reword)}\n::::::\n"


def _reword(text: str) -> str:
    for pattern, replacement in WORDING:
        text = re.sub(pattern, replacement, text)
    return text


def markdown() -> str:
    """Return the whole text of the paper as Markdown, with everything measured in it.

    Raises
    ------
    UserError
        If something that the pipeline makes is missing or is not what it should be.
    """
    paper_results.load()  # its message says what to do; that of an executed block would be a traceback
    text = expand((ROOT / TEXT).read_text(encoding="utf-8"), TEXT.as_posix())
    if text.count(PLACE) != 1:
        raise UserError(f"{TEXT}: must have {PLACE} once, where the derivations go")
    text = text.replace(PLACE, "\n".join(map(derivation, navigation())))
    return re.sub(r"\((@eq:[\w-]*\w)\)", r"\1", text)  # the reference has its own parentheses


def typeset() -> str:
    """Return the paper as Typst.

    Raises
    ------
    UserError
        As `markdown`, or if pandoc does not understand the text.
    """
    options = [f"--template={ROOT / TEMPLATE}", f"--lua-filter={ROOT / FILTER}", "--wrap=none", "--fail-if-warnings"]
    try:
        text: str = pypandoc.convert_text(markdown(), "typst-smart", format=FORMAT, extra_args=options)
    except RuntimeError as error:
        raise UserError(f"{TEXT}: {error}") from None
    return text


def compiled(text: str) -> bytes:
    """Return the PDF of a paper in Typst.

    Raises
    ------
    UserError
        If it does not compile.
    """
    source: Any = text.encode()  # the stubs of typst do not find a type for bytes
    try:
        pdf: bytes = typst.compile(source, root=ROOT, ignore_system_fonts=True, pdf_standards=["ua-1"])
    except typst.TypstError as error:
        raise UserError(f"{TEXT}: {error}") from None
    return pdf


def build() -> None:
    """Write paper/chainrule.pdf.

    Raises
    ------
    UserError
        If something that the pipeline makes is missing, or the text does not compile.
    """
    pdf = compiled(typeset())
    with replacing(ROOT / TARGET) as partial:
        partial.write_bytes(pdf)


def main() -> None:
    """Read the command line."""
    argparse.ArgumentParser(description="Build the paper, paper/chainrule.pdf.").parse_args()
    build()


if __name__ == "__main__":
    run(main)
