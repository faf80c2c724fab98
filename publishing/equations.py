r"""Formulas: TeX rendered by KaTeX while the site is built, numbered equations, and references to them.

A displayed formula with `\label{eq:name}` has a number; `@eq:name` in the text of any page is a link with it. So is the
mark of a line of code, and the equation leads to that line.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from html import escape, unescape
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor

from publishing.node import render

FORMULA = re.compile(
    r'(?P<before>\(?)<(?P<tag>span|div) class="arithmatex">\s*\\[(\[](?P<tex>.*?)\\[)\]]\s*</(?P=tag)>'
    r"(?P<after>[.,:;?!)]*)",
    re.DOTALL,
)
LABEL = re.compile(r"\s*\\label\{(eq:[\w-]+)\}")
REFERENCE = re.compile(r'<a class="equation-reference"(?: id="(?P<id>[^"]+)")? data-label="(?P<label>[^"]+)"></a>')
NO_TEXT = re.compile(r"<(pre|code|script|style|annotation)\b.*?</\1>|<[^>]*>", re.DOTALL)
TEX = re.compile(r"\$\$|\\[(\[]|\\[a-z]+[{_^ ]|@eq:\w*|\[@\w*")
BOX = '<span class="katex-base">'  # a line ends between such boxes alone
rendered: dict[tuple[str, bool], str] = {}  # (TeX, displayed): HTML, kept between the builds of a server


class Equations:
    """The numbered equations of the site: the labels of every page are collected before any page is linked or drawn."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[str, str]] = {}  # label: URL of the page, number
        self._lines: dict[str, list[tuple[str, str]]] = {}  # label: URL and anchor of each marked line

    def collect(self, page: str, url: str, chapter: str) -> list[str]:
        """Take up what has a label on a page, given as HTML, with the prefix of its chapter; return what is wrong."""
        problems = []
        labels = [label for match in FORMULA.finditer(page) for label in LABEL.findall(match["tex"])]
        for number, label in enumerate(labels, 1):
            if label in self._places:
                problems.append(f"the label {label} is on {self._places[label][0]} too")
            self._places[label] = (url, f"{chapter}{number}")
        for mark in REFERENCE.finditer(page):
            if mark["id"]:
                self._lines.setdefault(mark["label"], []).append((url, mark["id"]))
        return problems

    def number(self, label: str) -> str:
        """Return the number of an equation; of one that is not there, which `link` reports, its label."""
        return self._places[label][1] if label in self._places else label

    def link(self, page: str, relative: Callable[[str], str]) -> tuple[str, list[str]]:
        """Return a page with its references linked, and what is wrong; `relative` makes of a URL one from the page."""
        problems = []

        def link(match: re.Match[str]) -> str:
            label = match["label"]
            if label not in self._places:
                problems.append(f"no equation has the label {label}")
                return label
            url, number = self._places[label]
            anchor = f' id="{match["id"]}"' if match["id"] else ""
            return f'<a class="equation-reference"{anchor} href="{relative(url)}#{label}">({number})</a>'

        return REFERENCE.sub(link, page), problems

    def draw(self, page: str, relative: Callable[[str], str]) -> tuple[str, list[str]]:
        """Return a page with its formulas drawn, and what is wrong; `relative` is that of `link`."""
        drawn = FORMULA.sub(lambda formula: self._draw(formula, relative), page)
        return drawn, [f"left as text: {text}" for text in TEX.findall(NO_TEXT.sub("", drawn))]

    def _draw(self, match: re.Match[str], relative: Callable[[str], str]) -> str:
        key = _parse(match)
        html = rendered.get(key) or f"<code>{escape(key[0])}</code>"
        if match["tag"] == "span":
            return _with_whole_parts(_punctuated(html, match["before"], match["after"]), displayed=False)
        anchor, name, links = "", "Formula", ""
        if label := LABEL.search(match["tex"]):
            url, number = self._places[label[1]]
            name, anchor = f"Equation {number}", f' id="{label[1]}"'
            links = f'<a href="#{label[1]}">({number})</a>'
            if lines := self._lines.get(label[1]):
                page, line = min(lines, key=lambda line: line[0] != url)  # the first of this page, if it has any
                links += f'<a class="in-code" href="{relative(page)}#{line}" aria-label="{name} in the code">code</a>'
        html = _with_whole_parts(html, displayed=True)
        body = f'<div class="formula" tabindex="0" role="group" aria-label="{name}">{html}</div>'
        return f'<div class="equation"{anchor}>{body}{links}</div>'


def _punctuated(html: str, before: str, after: str) -> str:
    """Return a formula with its punctuation in the unbreakable boxes that it touches, lest a line ends between them."""
    end = "</span></span></span>"
    if BOX not in html or not html.endswith(end):
        return before + html + after
    before, after = (f'<span class="punctuation">{text}</span>' if text else "" for text in (before, after))
    return html.removesuffix(end).replace(BOX, BOX + before, 1) + after + end


def _with_whole_parts(html: str, displayed: bool) -> str:
    """Return a formula whose lines end behind a wide space if they can, and within brackets only if they must."""
    end = "</span>" * (3 if displayed else 2)
    start, *boxes = html.removesuffix(end).split(BOX)
    if not boxes:
        return html
    boxes = [BOX + box for box in boxes]
    depths = itertools.accumulate(boxes, lambda depth, box: max(0, depth + _opened(box)), initial=0)
    boxes = _grouped(boxes, [depth == 0 for depth in depths][1:], "brackets")
    if displayed:
        boxes = _grouped(boxes, ["allowbreak" in box for box in boxes], "part")
    return start + "".join(boxes) + end


def _opened(box: str) -> int:
    """Return how many brackets a box opens and does not close."""
    opened, closed = (len("".join(re.findall(f'class="{name}[^>]*>([^<]*)', box))) for name in ("mopen", "mclose"))
    return opened - closed


def _grouped(boxes: list[str], last: list[bool], name: str) -> list[str]:
    """Return boxes with those up to each that is the last of its group in one of this class."""
    groups: list[list[str]] = [[]]
    for box, is_last in zip(boxes, last, strict=True):
        groups[-1].append(box)
        if is_last:
            groups.append([])
    drawn = (("".join(group), len(group)) for group in groups if group)
    return [f'<span class="{name}">{group}</span>' if count > 1 else group for group, count in drawn]


def searchable(page: str) -> str:
    """Return a page with the TeX in place of its formulas."""
    return FORMULA.sub(lambda match: f"{match['before']}{LABEL.sub('', match['tex']).strip()}{match['after']}", page)


def render_formulas(pages: dict[str, str]) -> list[str]:
    """Render the formulas of all pages, given as HTML by name, that are not rendered yet; return what is wrong."""
    where = {_parse(match): name for name, page in pages.items() for match in FORMULA.finditer(page)}
    new = [key for key in where if key not in rendered]
    answers = render({"formulas": new})["formulas"] if new else []
    rendered.update((key, answer["html"]) for key, answer in zip(new, answers, strict=True) if "html" in answer)
    return [f"{where[key]}: {answer['error']}" for key, answer in zip(new, answers, strict=True) if "error" in answer]


def _parse(match: re.Match[str]) -> tuple[str, bool]:
    tex = unescape(LABEL.sub("", match["tex"])).strip()
    return "".join(_breakable(tex)), match["tag"] == "div"


def _breakable(tex: str) -> Iterator[str]:
    """Let a line end at the spaces that are in no matrix: KaTeX does so behind relations and operators alone."""
    depth = 0
    for piece in re.split(r"(\\begin\b|\\end\b|\\q?quad\b)", tex):
        depth += (piece == "\\begin") - (piece == "\\end")
        yield piece
        if depth == 0 and piece in ("\\quad", "\\qquad"):
            yield "\\allowbreak"


class References(Extension):
    """The extension of Python-Markdown for `@eq:name`; the link is filled in when all numbers are known."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the pattern, behind code and formulas."""
        md.inlinePatterns.register(_Reference(r"(\()?@(eq:[\w-]*\w)(?(1)\))", md), "equation-reference", 176)


class _Reference(InlineProcessor):
    def handleMatch(self, m: re.Match[str], data: str) -> tuple[Element | str, int, int]:
        return self.md.htmlStash.store(f'<a class="equation-reference" data-label="{m[2]}"></a>'), m.start(0), m.end(0)
