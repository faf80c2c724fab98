"""What the home page takes from elsewhere is there, and is what stands there."""

import re
from pathlib import Path

import pytest

from publishing import blocks, home, ladder, ladder_chart, networks
from stages.ladder import rungs

AFFINE = (blocks.ROOT / "docs/derivations/affine.md").read_text(encoding="utf-8")


def test_the_example_is_what_stands_in_the_page_and_the_code_and_is_printed_by_the_check() -> None:
    shown = home.gradient_of_weights()
    assert "@eq:affine-gradients" in shown
    (equation,) = re.findall(r"^\$\$\n(.*)\n\$\$$", shown, re.MULTILINE)
    assert f"{equation}, \\quad\n\\nabla_b J" in AFFINE.partition(r"\label{eq:affine-gradients}")[0]
    line, printed = re.findall(r"^``` {.+}\n(.*)\n```$", shown, re.MULTILINE)
    assert f"            {line}\n" in (blocks.ROOT / "stages/nn/affine.py").read_text(encoding="utf-8")
    error = re.fullmatch(r"dW \(4, 3\): relative error (\S+)", printed)
    assert error
    assert 0 < float(error[1]) < 1e-8


def test_an_equation_or_a_part_that_is_not_there_is_an_error() -> None:
    assert home.equation(AFFINE, "affine-gradients", r"\nabla_X") == r"\nabla_X J = W^{\mathsf T} \, \nabla_Z J ."
    with pytest.raises(LookupError, match="no equation has the label eq:none"):
        home.equation(AFFINE, "none", r"\nabla_W")
    with pytest.raises(LookupError, match="0 begin with Z"):
        home.equation(AFFINE, "affine-gradients", "Z")


def test_the_still_picture_is_that_of_the_page_draw_a_digit() -> None:
    (words,) = re.findall(r'figure="(.+)"', (blocks.ROOT / "docs/draw.md").read_text(encoding="utf-8"))
    shown = home.still()
    assert shown.startswith(f'``` {{.svg alt="{words}"}}\n<svg ')
    assert shown.endswith("</svg>\n```")


@pytest.mark.parametrize("run", ["none", "some", "all"])
def test_the_ladder_is_shown_as_far_as_it_has_been_run(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(blocks.ROOT)
    steps = rungs.load(ladder.FOLDER)
    names = {"none": [], "some": list(steps.steps)[:2], "all": list(steps.steps)}[run]
    row = {"dataset": "MNIST", "images": {}, "parameters": 1, "multiply_adds": 1, "seeds": 3, "wrong": 9}
    row |= {"mean": 0.99, "spread": 0.001, "interval": (0.98, 1), "seconds": 60, "revision": "a", "machine": "b"}
    found = {name: ladder.Row.model_validate(row) for name in names}
    monkeypatch.setattr(ladder, "load", lambda: (steps, found))
    text = home.progress()
    assert text == (networks.chart() if run == "none" else ladder_chart.chart())
    assert text.startswith('``` {.svg alt="')
    assert text.count("after 60 s") == sum(name in found for _, name, _ in ladder.numbered(steps))


def test_the_home_page_names_no_model() -> None:
    page = Path(blocks.ROOT / "docs/index.md").read_text(encoding="utf-8")
    assert not re.search(r"\bw\d-\w+", blocks.expand(page, "docs/index.md"))
