"""Code on a page of the site: each line is an element, which a narrow screen can break, and leads to its equations."""

import re
from collections import Counter

LISTING = re.compile(r'(<div class="listing highlight">.*?<code>)(.*?)(</code></pre></div>)', re.DOTALL)
LABELS = r"@eq:[\w-]+(?: @eq:[\w-]+)*"
MARK = re.compile(rf' *<span class="c1"># {LABELS}</span>$|  # {LABELS}(?=</span>$)')  # alone, behind a comment
BREAK = re.compile(r'(<span class="p">[^<]*[(\[]|<span class="o">\.)</span>')  # where a long line may be broken


def with_lines(page: str) -> str:
    """Return a page, given as HTML, with the lines of its listings as elements and their marks as references."""
    marked: Counter[str] = Counter()

    def line(text: str) -> str:
        mark = MARK.search(text)
        references = []
        for label in re.findall(r"@(eq:[\w-]+)", mark[0]) if mark else []:
            marked[label] += 1
            anchor = f"line-{label.removeprefix('eq:')}-{marked[label]}"
            references.append(f'<a class="equation-reference" id="{anchor}" data-label="{label}"></a>')
        if mark:
            text = text[: mark.start()] + text[mark.end() :]
        indent = len(text) - len(text.lstrip(" "))
        text = BREAK.sub(r"\1<wbr></span>", text).replace('<span class="o">-&gt;', '<span class="o arrow">-&gt;')
        return f'<span class="line" style="--indent: {indent}ch">{text}{"".join(references)}\n</span>'

    return LISTING.sub(lambda code: code[1] + "".join(map(line, code[2].splitlines())) + code[3], page)
