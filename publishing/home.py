"""What the home page shows of other pages: an equation with its code and its check, a picture, each from its place."""

import re

from publishing import blocks, ladder, ladder_chart, networks

EXAMPLE = """<div class="grid" markdown="1">
<div markdown="1">
**The equation**, derived: @eq:{label}

$$
{equation}
$$

</div>
<div markdown="1">
**Its line of code**, as it runs

``` {{.python title="{path} · {name}"}}
{line}
```

</div>
<div markdown="1">
**Its check**, run for this page

``` {{.text .output}}
{printed}
```

</div>
</div>"""


def equation(text: str, label: str, start: str) -> str:
    """Return the part that begins so of the equation of a page that has this label."""
    for body in re.findall(r"^\$\$\n(.*?)^\$\$$", text, re.MULTILINE | re.DOTALL):
        content, _, rest = body.partition(f"\\label{{eq:{label}}}")
        if rest:
            return _starting(re.split(r",\s*\\quad", content), start)
    raise LookupError(f"no equation has the label eq:{label}")


def _starting(texts: list[str], start: str) -> str:
    found = [text.strip() for text in texts if text.strip().startswith(start)]
    if len(found) != 1:
        raise LookupError(f"{len(found)} begin with {start}")
    return found[0]


def gradient_of_weights() -> str:
    """Return the gradient of the affine layer by its weights: derived, as its line of code, as its check prints it."""
    page, path, name, label = "docs/derivations/affine.md", "stages/nn/affine.py", "Affine.backward", "affine-gradients"
    text = (blocks.ROOT / page).read_text(encoding="utf-8")
    printed = "\n".join(re.findall(r"\.output}\n(.*?)^```", blocks.expand(text, page), re.MULTILINE | re.DOTALL))
    return EXAMPLE.format(
        label=label,
        equation=equation(text, label, r"\nabla_W"),
        path=path,
        name=name,
        line=_starting(blocks.source(path, name).splitlines(), "np.matmul(dZ"),
        printed=_starting(printed.splitlines(), "dW"),
    )


def progress() -> str:
    """Return the chart of the ladder or, while none of its rungs has been run, that of the pipeline's networks."""
    _, found = ladder.load()
    return ladder_chart.chart() if found else networks.chart()


def still() -> str:
    """Return the still picture of the page Draw a digit, with the words that it has there."""
    page = "docs/draw.md"
    text = (blocks.ROOT / page).read_text(encoding="utf-8")
    (picture,) = (fence[0] for fence in blocks.FENCE.finditer(text) if "figure" in blocks.attributes(fence["header"]))
    return blocks.expand(picture, page)
