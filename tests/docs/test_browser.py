import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

# Rule and element of what axe finds in the theme itself.
BASELINE = {("aria-dialog-name", ".md-search")}

# Every fold opened, and every font that this needs in place of its substitute, which may be wider.
READY = """async () => {
    document.querySelectorAll("details").forEach(details => details.open = true);
    await document.fonts.ready;
}"""

WIDER_THAN_THE_PAGE = """() => {
    const scrolls = element => element && element !== document.body &&
        (["auto", "scroll"].includes(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
    return [...document.querySelectorAll(".md-content *:not(.katex *, pre > code *)")]
        .filter(element => element.getBoundingClientRect().right > innerWidth + 1 && !scrolls(element))
        .map(element => element.outerHTML.slice(0, 120));
}"""

WIDER_THAN_THEIR_BOX = """selector => [...document.querySelectorAll(selector)]
    .filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => (box.closest("[id]") || box).id + " " + box.textContent.slice(0, 80))"""

# Rules of axe on colors, which take most of its time: derivations have theirs in common, and so has the reference.
OF_COLORS = ["color-contrast", "link-in-text-block"]
COLORS_IN_COMMON = re.compile(r"(derivations/(?!affine|notation|worked_example)|api/(?!programs))")

# For the colors, which take long to change: medium, width, and what must not be wider than its box. 680 pixels are A4
# less margins of 15 mm.
LAYOUTS: dict[Any, list[tuple[Any, int, str]]] = {
    "light": [
        ("print", 680, ".formula, .md-typeset__scrollwrap, .md-content pre > code, .graph"),
        ("screen", 1280, ".formula, .md-typeset__scrollwrap"),
    ],
    "dark": [("screen", 390, ".formula")],
}

# Formulas without a size, error boxes, and TeX or references that a reader sees outside code.
NOT_DRAWN = r"""() => {
    const faults = [...document.querySelectorAll(".md-content .katex-html")]
        .filter(formula => !formula.getBoundingClientRect().width || !formula.getBoundingClientRect().height)
        .concat(...document.querySelectorAll(".katex-error, .arithmatex"))
        .map(element => element.outerHTML.slice(0, 120));
    const texts = document.createTreeWalker(document.querySelector(".md-content"), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const shown = !texts.currentNode.parentElement.closest("pre, code, script, style, .katex-mathml");
        if (shown && /\\[a-zA-Z(\[]|\$|@eq:|\[@/.test(texts.currentNode.data)) faults.push(texts.currentNode.data);
    }
    return faults;
}"""


def _change_colors(page: "Page", scheme: Any) -> None:
    """Ask for colors, and wait until the page has changed them."""
    page.emulate_media(color_scheme=scheme)
    white = "light => (getComputedStyle(document.body).backgroundColor == 'rgb(255, 255, 255)') == light"
    page.wait_for_function(white, arg=scheme == "light")


@pytest.mark.parametrize("half", [0, 1])  # that two processes can share the work
def test_every_page_loads_fits_and_can_be_read_by_all(
    browser: "Browser", address_without_search: str, pages: list[str], npm: Path, half: int
) -> None:
    axe = (npm / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    faults: list[str] = []
    pictures = 0
    page = browser.new_page()
    page.set_default_timeout(300_000)  # the machine may be busy
    own = (address_without_search, "data:")
    page.on("request", lambda request: None if request.url.startswith(own) else faults.append(request.url))
    page.on("response", lambda response: faults.append(response.url) if response.status >= 400 else None)
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    for path in pages[half::2]:
        page.goto(address_without_search + path)
        page.evaluate(READY)
        page.evaluate(axe)
        for scheme in LAYOUTS:
            _change_colors(page, scheme)
            found = (*_unfit(page, scheme), *_violations(page, path, scheme))
            faults += [f"{path}, {scheme}, {fault}" for fault in found]
        slabs = list(_slabs(page))
        pictures += len(slabs)
        faults += [f"{path}: {alternative}" for alternative, is_white in slabs if is_white]
    page.close()
    assert faults == []
    assert pictures > 5


def _unfit(page: "Page", scheme: str) -> Iterator[str]:
    """Yield what is wider than the page or its box, or not drawn, in each layout."""
    for media, width, boxes in LAYOUTS[scheme]:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(media=media)
        found = page.evaluate(WIDER_THAN_THE_PAGE) + page.evaluate(NOT_DRAWN)
        found += page.evaluate(WIDER_THAN_THEIR_BOX, boxes)
        if media == "screen" and page.evaluate("document.documentElement.scrollWidth") > width:
            found.append("the whole page")
        yield from (f"{media}, {width} pixels: {fault}" for fault in found)


def _violations(page: "Page", path: str, scheme: str) -> Iterator[str]:
    """Yield what axe finds serious on a page, on a desktop."""
    page.set_viewport_size({"width": 1280, "height": 720})
    in_common = COLORS_IN_COMMON.match(path)
    if in_common and scheme == "dark":
        return
    # What is around the content is the same everywhere, and what KaTeX draws is hidden from those who listen.
    part = {"include": "html" if path == "./" else ".md-content", "exclude": ".katex-html"}
    rules: dict[str, dict[str, Any]] = {
        "light": {"rules": {rule: {"enabled": not in_common} for rule in OF_COLORS}},
        "dark": {"runOnly": OF_COLORS},
    }
    run = "([part, options]) => axe.run(part, options).then(found => found.violations)"
    for violation in page.evaluate(run, [part, {"resultTypes": ["violations"], **rules[scheme]}]):
        if violation["impact"] in ("serious", "critical"):
            places = {" ".join(map(str, node["target"])) for node in violation["nodes"]}
            yield from (
                f"{violation['id']} {place}" for place in sorted(places) if (violation["id"], place) not in BASELINE
            )


def _slabs(page: "Page") -> Iterator[tuple[str, bool]]:
    """Yield the text of each picture, and whether it is a white slab in the dark that the page is in."""
    for picture in page.locator(".md-content :is(img, .drawing svg):visible").all():
        pixels = np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("L"))
        is_white = np.mean(pixels > 200) > 0.3 or max(pixels[0, 0], pixels[-1, -1]) > 100
        yield picture.get_attribute("alt") or "a drawing", bool(is_white)


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_the_notation_card_is_one_page_of_paper(browser: "Browser", address: str, paper: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}notation-card/")
    pdf = page.pdf(format=paper)
    page.close()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1


def test_answers_are_printed_with_their_questions(browser: "Browser", address: str) -> None:
    page = browser.new_page()
    page.emulate_media(media="print")
    page.goto(f"{address}derivations/softmax/")
    answers = page.locator("details.success > p")
    assert answers.count() >= 3
    assert all(box and box["height"] > 10 for box in (answer.bounding_box() for answer in answers.all()))
    page.close()


def test_formulas_are_there_without_javascript(browser: "Browser", address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}derivations/softmax/")
    formulas = page.locator(".md-content .formula .katex-html")
    assert formulas.count() > 5
    boxes = [formulas.nth(n).bounding_box() for n in range(formulas.count())]
    assert all(box and box["width"] > 20 and box["height"] > 10 for box in boxes)
    context.close()


def test_formulas_are_set_in_their_own_fonts(browser: "Browser", address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}derivations/softmax/")
    page.evaluate("document.fonts.ready")
    loaded = page.evaluate("[...document.fonts].filter(font => font.status == 'loaded').map(font => font.family)")
    assert {"KaTeX_Main", "KaTeX_Math", "Inter Variable", "JetBrains Mono Variable"} <= {
        family.strip('"') for family in loaded
    }
    page.close()


def test_a_long_equation_scrolls_in_its_own_box(browser: "Browser", address: str) -> None:
    page = browser.new_page(viewport={"width": 260, "height": 800})
    page.goto(f"{address}derivations/optimizers/")
    equation = page.locator("#eq\\:optimizers")
    box, number = equation.locator(".formula"), equation.locator("> a").first
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    assert number.evaluate("number => number.getBoundingClientRect().right <= innerWidth")
    page.close()


def test_the_keyboard_reaches_a_table_that_scrolls(browser: "Browser", address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{address}write-ups/")
    table = page.locator("details:has(#w2-1) .md-typeset__scrollwrap")
    page.locator("details:has(#w2-1) > summary").click()
    table.wait_for()
    assert table.get_attribute("tabindex") is None
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_selector("details:has(#w2-1) .md-typeset__scrollwrap[tabindex='0']")
    table.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    page.close()


@pytest.mark.parametrize("path", ["sample-report/report/", "benchmarks/"])
def test_the_type_of_a_picture_can_be_read_on_a_phone(browser: "Browser", address: str, path: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(address + path)
    box = page.locator(".image, .drawing").first
    assert box.evaluate("box => box.firstElementChild.getBoundingClientRect().width") > 640
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    page.set_viewport_size({"width": 1280, "height": 800})
    assert box.evaluate("box => box.scrollWidth == box.clientWidth")
    page.close()


def test_the_button_that_copies_covers_no_end_of_a_line(browser: "Browser", address: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"{address}tutorial/")
    blocks = page.locator(".highlight:not(.listing):has(.md-code__nav)")
    assert blocks.count() > 3
    covered = """all => all.filter(block => {
        const code = block.querySelector("code"), word = document.createRange();
        code.scrollLeft = code.scrollWidth;
        const button = block.querySelector(".md-code__nav").getBoundingClientRect();
        const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            for (const match of texts.currentNode.data.matchAll(/\\S+/g)) {
                word.setStart(texts.currentNode, match.index);
                word.setEnd(texts.currentNode, match.index + match[0].length);
                if (word.getBoundingClientRect().right > button.left + 1) return true;
            }
        }
        return false;
    }).map(block => block.textContent)"""
    assert blocks.evaluate_all(covered) == []
    page.close()


def test_an_equation_of_one_line_is_broken_on_a_narrow_screen(browser: "Browser", address: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"{address}derivations/matrix_chain_rule/")
    boxes = page.locator(".equation:not(:has(.mtable)) > .formula")
    assert boxes.count() > 5
    cut = "all => all.filter(box => box.scrollWidth > box.clientWidth + 1).map(box => box.textContent)"
    assert boxes.evaluate_all(cut) == []
    page.close()


def test_on_a_narrow_screen_no_line_ends_within_brackets(browser: "Browser", address: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"{address}derivations/clipping/")
    page.evaluate(READY)
    brackets = page.locator("p .katex .brackets")
    assert brackets.count() > 5
    broken = """all => all.filter(brackets => [...brackets.children].some((box, n, boxes) =>
        n && box.getBoundingClientRect().left < boxes[n - 1].getBoundingClientRect().right - 1
    )).map(brackets => brackets.textContent)"""
    assert brackets.evaluate_all(broken) == []
    page.close()


def test_a_reference_leads_to_its_equation(browser: "Browser", address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}derivations/softmax/")
    reference = page.locator("a.equation-reference").first
    number = reference.inner_text()
    reference.click()
    target = page.locator(".equation:target")
    assert target.locator("> a").first.inner_text() == number
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_graph_is_drawn_in_the_color_of_the_text(browser: "Browser", address: str, scheme: Any) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{address}pipeline/")
    text = page.evaluate("getComputedStyle(document.querySelector('.md-typeset p')).color")
    for selector, kind in ((".graph text", "fill"), (".graph path", "stroke"), (".graph polygon", "fill")):
        assert page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).{kind}") == text
    context.close()


def test_the_four_ways_in_are_tabs_and_on_a_phone_a_menu(browser: "Browser", address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{address}derivations/softmax/")
    tabs = page.locator(".md-tabs__item")
    assert tabs.all_inner_texts() == ["Home", "Learn", "Run", "Review", "Reference"]
    assert page.locator(".md-tabs__item--active").inner_text() == "Learn"
    page.set_viewport_size({"width": 390, "height": 800})
    assert not tabs.first.is_visible()
    page.goto(address)
    page.locator("label.md-header__button[for=__drawer]").click()
    menu = page.locator(".md-nav--primary > .md-nav__list > .md-nav__item")
    names = menu.locator("> :is(label, a, .md-nav__container) .md-ellipsis:visible").all_inner_texts()
    assert [name.strip() for name in names] == ["Home", "Learn", "Run", "Review", "Reference"]
    page.close()


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_link_to_a_claim_opens_it(browser: "Browser", address: str, has_scripts: bool) -> None:
    context = browser.new_context(java_script_enabled=has_scripts)
    page = context.new_page()
    page.goto(f"{address}write-ups/")
    fold = page.locator("details", has=page.locator("#w3-3"))
    assert fold.get_attribute("open") is None
    page.locator('a[href="#w3-3"]').first.click()
    page.wait_for_selector("details[open] #w3-3", state="attached")
    box = fold.locator("summary").bounding_box()
    assert box
    assert 0 < box["y"] < 400  # what it claims is in sight
    context.close()


def test_the_search_finds_the_jacobian_of_the_softmax(browser: "Browser", address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    page.locator("input[name=query]").fill("softmax Jacobian")
    first = page.locator(".md-search-result__item a").first
    first.wait_for(state="attached")
    assert "/derivations/softmax/" in str(first.get_attribute("href"))
    page.close()
