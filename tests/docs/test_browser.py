from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Rule and element of what axe finds in the theme itself.
BASELINE = {("aria-dialog-name", ".md-search")}

# In place of the search index, which takes a while to load with each page.
NO_SEARCH = '{"config": {"lang": ["en"], "separator": " ", "pipeline": [], "fields": {}}, "docs": []}'

WIDER_THAN_THE_PAGE = """() => {
    const scrolls = element => element && element !== document.body &&
        (["auto", "scroll"].includes(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
    return [...document.querySelectorAll(".md-content *:not(.katex *)")]
        .filter(element => element.getBoundingClientRect().right > innerWidth + 1 && !scrolls(element))
        .map(element => element.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (380, "dark")])
def test_every_page_loads_and_fits(browser: "Browser", address: str, pages: list[str], width: int, scheme: Any) -> None:
    faults: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    context.set_default_timeout(120_000)  # the machine may be busy
    context.route("**/search_index.json", lambda route: route.fulfill(body=NO_SEARCH, content_type="application/json"))
    own = (address, "data:")
    context.on("request", lambda request: None if request.url.startswith(own) else faults.append(request.url))
    context.on("response", lambda response: faults.append(response.url) if response.status >= 400 else None)
    context.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    context.on("weberror", lambda error: faults.append(str(error.error)))
    backgrounds = set()
    for path in pages:
        page = context.new_page()
        page.goto(address + path)
        faults += [f"{path}: {element}" for element in page.evaluate(WIDER_THAN_THE_PAGE)]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            faults.append(f"{path} is wider than {width}")
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()
    context.close()
    assert faults == []
    assert (backgrounds == {"rgb(255, 255, 255)"}) == (scheme == "light")


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
    page = browser.new_page(viewport={"width": 380, "height": 800})
    page.goto(f"{address}derivations/softmax/")
    equation = page.locator("#eq\\:softmax-statement, .equation").first
    box, number = equation.locator(".formula"), equation.locator("> a")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    assert number.evaluate("number => number.getBoundingClientRect().right <= innerWidth")
    page.close()


def test_a_reference_leads_to_its_equation(browser: "Browser", address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}derivations/softmax/")
    reference = page.locator("a.equation-reference").first
    number = reference.inner_text()
    reference.click()
    target = page.locator(".equation:target")
    assert target.locator("> a").inner_text() == number
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


def test_the_search_finds_the_jacobian_of_the_softmax(browser: "Browser", address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    page.locator("input[name=query]").fill("softmax Jacobian")
    first = page.locator(".md-search-result__item a").first
    first.wait_for(state="attached")
    assert "/derivations/softmax/" in str(first.get_attribute("href"))
    page.close()


@pytest.mark.parametrize(
    ("path", "scheme"),
    [("derivations/softmax/", "light"), ("derivations/softmax/", "dark"), ("pipeline/", "light"), ("api/nn/", "dark")],
)
def test_axe_finds_nothing_serious(browser: "Browser", address: str, npm: Path, path: str, scheme: Any) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(address + path)
    page.evaluate((npm / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    violations = page.evaluate("axe.run().then(results => results.violations)")
    serious = {
        (violation["id"], " ".join(map(str, node["target"])))
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    }
    context.close()
    assert serious - BASELINE == set()
