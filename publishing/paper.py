"""Build the papers from paper/, pages of the site and what the pipeline measured: `python -m publishing.paper`.

Each paper is a text of paper/. A comment alone in its line, such as `<!-- derivations -->`, is where something stands
that the site has too. paper/filter.lua says what becomes of the Markdown, paper/template.typ how it looks.
"""

import argparse
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pypandoc
import typst

from publishing import index, lecture_notes, paper_results
from publishing.blocks import ROOT, expand
from publishing.measurements import PAPERS
from stages.shared.artifacts import replacing
from stages.shared.errors import UserError, run

TEMPLATE, FILTER = Path("paper/template.typ"), Path("paper/filter.lua")
FORMAT = "markdown-auto_identifiers-implicit_header_references"
SHARED: dict[str, Callable[[], str]] = {
    "derivations": lecture_notes.derivations,
    "answers": lecture_notes.answers,
    "notation card": lecture_notes.notation_card,
    "symbols": index.symbols_table,
    "rule for verdicts": partial(lecture_notes.section, "docs/write-ups.md", "How a claim is judged"),
}
PLACE = re.compile(r"^<!-- (.+) -->$", re.MULTILINE)


def markdown(source: Path) -> str:
    """Return the whole text of a paper as Markdown, with everything measured in it.

    Parameters
    ----------
    source : Path
        The file of paper/ with its text.

    Raises
    ------
    UserError
        If something that the pipeline makes is missing or is not what it should be.
    """
    text = expand((ROOT / source).read_text(encoding="utf-8"), source.as_posix())
    text = PLACE.sub(lambda place: SHARED[place[1]](), text)
    return re.sub(r"\((@eq:[\w-]*\w)\)", r"\1", text)  # the reference has its own parentheses


def typeset(source: Path) -> str:
    """Return a paper as Typst.

    Raises
    ------
    UserError
        As `markdown`, or if pandoc does not understand the text.
    """
    options = [f"--template={ROOT / TEMPLATE}", f"--lua-filter={ROOT / FILTER}", "--wrap=none", "--fail-if-warnings"]
    try:
        text: str = pypandoc.convert_text(markdown(source), "typst-smart", format=FORMAT, extra_args=options)
    except RuntimeError as error:
        raise UserError(f"{source}: {error}") from None
    return text


def compiled(text: str, source: Path) -> bytes:
    """Return the PDF of a paper in Typst.

    Raises
    ------
    UserError
        If it does not compile.
    """
    content: Any = text.encode()  # the stubs of typst do not find a type for bytes
    try:
        pdf: bytes = typst.compile(content, root=ROOT, ignore_system_fonts=True, pdf_standards=["ua-1"])
    except typst.TypstError as error:
        raise UserError(f"{source}: {error}") from None
    return pdf


def build() -> None:
    """Write the PDF of each paper beside its text.

    Raises
    ------
    UserError
        If something that the pipeline makes is missing, or a text does not compile.
    """
    paper_results.load()  # its message says what to do; that of an executed block would be a traceback
    sources = [path.with_suffix(".md") for path in PAPERS]
    with ThreadPoolExecutor() as pool:  # pandoc and what blocks compute are processes of their own
        texts = list(pool.map(typeset, sources))
        pdfs = list(pool.map(compiled, texts, sources))
    for path, pdf in zip(PAPERS, pdfs, strict=True):
        with replacing(ROOT / path) as unfinished:
            unfinished.write_bytes(pdf)


def main() -> None:
    """Read the command line."""
    argparse.ArgumentParser(description="Build the papers, paper/*.pdf.").parse_args()
    build()


if __name__ == "__main__":
    run(main)
