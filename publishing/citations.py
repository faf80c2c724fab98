"""Citations, `[@key]`, `[@key, p. 534]`, `[@one; @two]`: numbered links to the entries of docs/references.bib."""

import functools
import re
from xml.etree.ElementTree import Element

import pypandoc
from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor

from publishing.blocks import ROOT

BIBLIOGRAPHY = ROOT / "docs" / "references.bib"

CITATION = r"\[(@[\w:-]+(?:,[^\];]+)?(?:;\s*@[\w:-]+(?:,[^\];]+)?)*)\](?!\()"
ENTRY = re.compile(r'<div id="ref-([^"]+)" class="csl-entry"[^>]*>\s*(.*?)\s*</div>', re.DOTALL)
LINK = re.compile(r'href="#ref-([^"]+)"')


def entries() -> dict[str, str]:
    """Return the formatted entries of the bibliography as HTML by their keys, sorted by author and year."""
    return _entries(BIBLIOGRAPHY.read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=1)
def _entries(bibtex: str) -> dict[str, str]:
    html = pypandoc.convert_text(bibtex, "html", format="bibtex", extra_args=["--citeproc", "--wrap=none"])
    return dict(ENTRY.findall(html))


def cited(html: str) -> list[str]:
    """Return the keys that a page cites, in the order of the bibliography, unknown ones first."""
    keys = set(LINK.findall(html))
    return sorted(keys - entries().keys()) + [key for key in entries() if key in keys]


def reference_list(keys: list[str]) -> str:
    """Return the HTML of a list of entries with their numbers."""
    numbers = {key: number for number, key in enumerate(entries(), 1)}
    items = (f'<li id="ref-{key}" value="{numbers[key]}">{entries()[key]}</li>' for key in keys)
    return f'<ol class="references">{"".join(items)}</ol>'


def linked(text: str) -> str:
    """Return Markdown with its citations as numbered links in HTML."""
    return re.sub(CITATION, _links, text)


def _links(citation: re.Match[str]) -> str:
    numbers = {key: number for number, key in enumerate(entries(), 1)}
    links = []
    for part in citation[1].split(";"):
        key, _, locator = part.strip().removeprefix("@").partition(",")
        text = ", ".join(filter(None, [str(numbers.get(key, "?")), locator.strip()]))
        links.append(f'[<a class="citation" href="#ref-{key}">{text}</a>]')
    return ", ".join(links)


class Citations(Extension):
    """The extension of Python-Markdown; an unknown key becomes a link without a number, for `cited` to find."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the pattern, before links and behind code and formulas."""
        md.inlinePatterns.register(_Citation(CITATION, md), "citation", 175)


class _Citation(InlineProcessor):
    def handleMatch(self, m: re.Match[str], data: str) -> tuple[Element | str, int, int]:
        return self.md.htmlStash.store(_links(m)), m.start(0), m.end(0)
