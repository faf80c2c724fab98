"""The index of the lecture notes: marks in the text, and the table of the symbols.

A mark is a call of `index` or `symbol` of paper/template.typ, which knows the pages. A term is marked in headings, and
where it stands first under one that has it not; a symbol where it stands first in the pages that
docs/derivations/notation.md names.
"""

import re
from functools import cache
from pathlib import Path

from pydantic import BaseModel, RootModel

from publishing.blocks import ROOT
from publishing.markup import table
from stages.shared import schema

TERMS = ROOT / "paper/index.yaml"
NOTATION = Path("docs/derivations/notation.md")
DERIVATIONS = ROOT / "docs/derivations"
LETTERS = "| Letter | Meaning | "  # the head of the table that names all symbols, and has no mark
FORMULA = r"\$\$(?s:.*?)\$\$|\$[^$]*\$"
# Formulas, code, citations, targets of links, attributes, headings, tables and the lines around divisions.
PASSED = (
    rf"{FORMULA}|`[^`]*`|@eq:[\w-]+|\[@[^\]]*\]|\]\([^)]*\)"
    rf"|^{re.escape(LETTERS)}.*(?:\n\|.*)*|^(?:#|\||:::)[^\n]*$"
)
# A letter of another alphabet is another, and a word in a formula is none.
STYLED = r"(?<!\\mathsf )(?<!\\math[bs][bf]\{)(?<!\\mathcal\{)(?<!\\mathrm\{)"
WORDS = r"\\(?:text|label|operatorname|begin|end)\{[^}]*\}"


class Term(BaseModel):
    """What a term of the index looks like in the text, and the derivations that it is looked for in, or all."""

    match: str = ""
    pages: list[str] = []


class Terms(RootModel[dict[str, Term | None]]):
    """All of paper/index.yaml."""


class Symbol(BaseModel):
    """Letters with their meaning, and the derivations that have them, or all."""

    letters: str
    meaning: str
    pages: list[str]

    def is_in(self, formula: str) -> bool:
        """Return whether a formula has the first of the letters."""
        letter = re.escape(self.letters.split("$")[1].partition("^")[0].partition("_")[0].strip())
        formula = re.sub(WORDS, " ", formula)
        return re.search(rf"{STYLED}(?<![A-Za-z\\]){letter}(?![A-Za-z])", formula) is not None


def symbols() -> list[Symbol]:
    """Return the letters of the table “One letter, one meaning” of the page on notation."""
    text = (ROOT / NOTATION).read_text(encoding="utf-8").partition("| Letter | Meaning | Pages |\n")[2]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.partition("\n\n")[0].splitlines()[1:]]
    return [
        Symbol(letters=letters.strip(), meaning=meaning.strip(), pages=[] if "all" in pages else names(pages))
        for letters, meaning, pages in rows
    ]


def names(titles: str) -> list[str]:
    """Return the names of the files of derivations that are named by their titles."""
    return [_by_title()[title.strip()] for title in titles.split(",")]


@cache
def _by_title() -> dict[str, str]:
    headings = {path.stem: path.read_text(encoding="utf-8").partition("\n")[0] for path in DERIVATIONS.glob("*.md")}
    return {heading.removeprefix("# "): name for name, heading in headings.items()}


class Marks:
    """Marks chapters, one after the other in the order of the book."""

    def __init__(self) -> None:
        terms = schema.validate(Terms, schema.read(TERMS)).root
        self._terms = {name: terms[name] or Term() for name in sorted(terms, key=len, reverse=True)}
        self._waiting = dict(enumerate(symbols()))

    def set(self, name: str, text: str) -> str:
        """Return the text of a chapter, which has no fences, with its marks."""
        terms = [term for term, of in self._terms.items() if not of.pages or name in of.pages]
        words = "|".join(rf"\b({self._terms[term].match or re.escape(term) + 's?'})\b" for term in terms)
        seen: set[str] = set()

        def of_term(match: re.Match[str]) -> str:
            term = terms[(match.lastindex or 0) - 1]
            if term in seen:
                return ""
            seen.add(term)
            return f'`#index("{term}");`{{=typst}}'

        def mark(match: re.Match[str]) -> str:
            found = match[0]
            if match.lastindex is not None:
                return found + of_term(match)
            if found.startswith("#"):
                seen.clear()
                title, brace, attributes = found.partition(" {#")
                marks = "".join(map(of_term, re.finditer(words, title, re.IGNORECASE)))
                return f"{title}{marks}{brace}{attributes}"
            if found.startswith("|") and not found.startswith(LETTERS):
                return re.sub(FORMULA, lambda formula: self._symbols(name, formula[0]), found)
            return self._symbols(name, found) if found.startswith("$") else found

        return re.sub(f"{PASSED}|{words}", mark, text, flags=re.MULTILINE | re.IGNORECASE)

    def _symbols(self, name: str, formula: str) -> str:
        """Return a formula with marks for the symbols that are waited for and stand in it."""
        found = [
            number
            for number, symbol in self._waiting.items()
            if (not symbol.pages or name in symbol.pages) and symbol.is_in(formula)
        ]
        for number in found:
            del self._waiting[number]
        if formula.startswith("$$"):  # alone in its paragraph: paper/filter.lua takes the marks out
            return "$$" + "".join(rf"\symbol{{{number}}}" for number in found) + formula.removeprefix("$$")
        return "".join(f'`#symbol("{number}");`{{=typst}}' for number in found) + formula


def symbols_table() -> str:
    """Return the table of the symbols, with the page that has each first."""
    rows = [
        [symbol.letters, symbol.meaning, f'`#symbol-page("{number}");`{{=typst}}']
        for number, symbol in enumerate(symbols())
    ]
    return table(["Symbol", "Meaning", "Page"], rows, "-" * 22, "-" * 66, "-" * 11 + ":")
