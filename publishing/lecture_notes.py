"""The pages of docs/derivations/ as chapters of the lecture notes, paper/core-mathematics.pdf, as Markdown.

A chapter is a page without what belongs to a site: its check, the listings that are more than the formula, and the
answers to its exercises, which come at the end of the book. Marks for the index are set as paper/index.yaml says.
"""

import functools
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from publishing.blocks import ADMONITION, FENCE, ROOT, expand, source
from publishing.index import Marks
from stages.shared.errors import UserError

LEFT_OUT = ("Check",)
EXERCISES = "Exercises"
FORMULAS = (  # code that is the formula; a class is shown by its methods that are
    "Network.forward",
    "Network.backward",
    "numeric_gradient",
    "relative_error",
    "Affine.forward",
    "Affine.backward",
    "relu",
    "relu_backward",
    "tanh",
    "tanh_backward",
    "sigmoid",
    "sigmoid_backward",
    "gelu",
    "gelu_backward",
    "softmax",
    "softmax_backward",
    "loss_and_exponentials",
    "cross_entropy_and_gradient",
    "one_hot",
    "He.__call__",
    "Glorot.__call__",
    "Uniform.__call__",
    "GradientDescent.step",
    "Momentum.step",
    "Nesterov.step",
    "RMSProp.step",
    "Adam.step",
    "Steps.__call__",
    "Cosine.__call__",
    "Trainer._decay",
    "clip",
    "Average.update",
    "smoothing",
)
WORDING = (  # what a page says of itself, and of what is left out
    (r"\bon(\s+\[?[a-z]+\s+)page(s?)\b", r"in\1section\2"),
    (r"\bOn(\s+\[?[a-z]+\s+)page(s?)\b", r"In\1section\2"),
    (r"\bpage(s?)\b", r"section\1"),
    (r"\bPage(s?)\b", r"Section\1"),
    (r"\bcheck below\b", "check on the site"),
)
SOURCE = re.compile(
    r'^``` \{\.python source="(?P<path>[^"]+)" object="(?P<name>[^"]+)"\}\n(?P<tags>(?:(?!```).*\n)*)```\n',
    re.MULTILINE,
)
NUMBER = re.compile(r"^\*\*(\d+)\.\*\*", re.MULTILINE)


@dataclass
class Chapter:
    """A page as the book has it: its title, its text, and the answers to its exercises, if it has some."""

    title: str
    text: str
    answers: str


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


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a page, each with the title of its section; a heading in a fence is none."""
    fences = [fence.span() for fence in FENCE.finditer(text)]
    headings = [
        heading
        for heading in re.finditer(r"^## (.+)\n", text, re.MULTILINE)
        if not any(start <= heading.start() < end for start, end in fences)
    ]
    starts = [0, *(heading.start() for heading in headings), len(text)]
    titles = ["", *(heading[1] for heading in headings)]
    for title, (start, end) in zip(titles, pairwise(starts), strict=True):
        yield title, text[start:end]


def section(page: str, title: str) -> str:
    """Return what stands under a heading of a page of the site, which the papers share.

    Raises
    ------
    UserError
        If the page has no such heading.
    """
    path = ROOT / page
    for found, text in sections(path.read_text(encoding="utf-8")):
        if found == title:
            return _division(text.partition("\n")[2])
    raise UserError(f"{page}: has no section “{title}”, which a paper shows")


def with_formulas(text: str) -> str:
    """Return a page whose listings are formulas; what others there are is named, with its file."""

    def listed(match: re.Match[str]) -> str:
        path, name = match["path"], match["name"]
        shown = [formula for formula in FORMULAS if formula == name or formula.startswith(f"{name}.")]
        fences = [
            f'``` {{.python source="{path}" object="{formula}"}}\n{_tags(match["tags"], source(path, formula))}```\n'
            for formula in shown
        ]
        return "\n".join(fences) or f"`{name}` in `{path}`.\n"

    named = SOURCE.sub(listed, text)
    return re.sub(r"(`[\w.]+`) in (`[\w./]+`)\.\n\n(?=(`[\w.]+`(?:, `[\w.]+`)*) in \2\.\n)", r"\1, ", named)


def _tags(tags: str, code: str) -> str:
    """Return those lines of a fence, each a piece of code and the equation that it is, whose piece is in the code."""
    return "".join(tag for tag in tags.splitlines(keepends=True) if tag.partition("  # ")[0].strip() in code)


def as_division(admonition: re.Match[str]) -> str:
    """Return an admonition as the fenced division that paper/filter.lua makes a remark or an example of."""
    kind = "example" if admonition["kind"] == "example" else "remark"
    return f'::: {{.{kind} title="{admonition["title"]}"}}\n{_body(admonition)}\n:::\n\n'


def _body(admonition: re.Match[str]) -> str:
    return re.sub(r"^    ", "", admonition["body"], flags=re.MULTILINE).strip()


def without_answers(exercises: str) -> tuple[str, str]:
    """Return the exercises of a page without their answers, and the answers, each with the number of its exercise."""
    answers = []
    for answer in ADMONITION.finditer(exercises):
        numbers = NUMBER.findall(exercises[: answer.start()])
        answers.append(f"**{numbers[-1]}.** {_body(answer)}\n")
    return ADMONITION.sub("", exercises), "\n".join(answers)


def chapter(name: str) -> Chapter:
    """Return a page of docs/derivations/ as a chapter."""
    page = f"docs/derivations/{name}.md"
    kept, answers = [], ""
    for title, text in sections((ROOT / page).read_text(encoding="utf-8") + "\n"):
        if title == EXERCISES:
            exercises, answers = without_answers(text)
            kept.append(exercises)
        elif title not in LEFT_OUT:
            kept.append(text)
    text = expand(with_formulas("".join(kept)), page)
    text = ADMONITION.sub(as_division, text + "\n")
    title, _, text = text.removeprefix("# ").partition("\n")
    text = f"# {title} {{#sec:{name}}}\n{text}"
    return Chapter(title, outside_fences(text, _reword), outside_fences(answers, _reword))


def _reword(text: str) -> str:
    for pattern, replacement in WORDING:
        text = re.sub(pattern, replacement, text)
    return text


@functools.cache
def chapters() -> tuple[Chapter, ...]:
    """Return all chapters, with their marks for the index."""
    marks, names = Marks(), navigation()
    with ThreadPoolExecutor() as pool:  # the blocks of a page are executed in a process
        found = list(pool.map(chapter, names))
    for name, of in zip(names, found, strict=True):
        of.text = outside_fences(of.text, functools.partial(marks.set, name))
    return tuple(found)


def derivations() -> str:
    """Return all chapters."""
    return "\n".join(_division(of.text) for of in chapters())


def answers() -> str:
    """Return the answers to the exercises of all chapters, under their numbers and titles."""
    return "\n".join(
        f"## {number} {of.title} {{.unnumbered .unlisted}}\n\n{of.answers}"
        for number, of in enumerate(chapters(), 1)
        if of.answers
    )


def notation_card() -> str:
    """Return the tables of the notation card, under headings a level lower than on its page."""
    card = (ROOT / "docs/notation-card.md").read_text(encoding="utf-8")
    return _division(_reword(card.partition("\n")[2]))


def _division(text: str) -> str:
    """Return a text of the site as the fenced division that paper/filter.lua knows it by."""
    return f":::::: site\n{text.strip()}\n::::::\n"
