"""References to equations and marked lines of code, as someone uses them: by mouse, by touch and by keys."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.conftest import touched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.slow

PAGE = "derivations/affine/"
BACKGROUND = "element => getComputedStyle(element).backgroundColor"
OTHER, OWN = "../matrix_chain_rule/#eq:product-rule", "./#eq:affine-gradients"  # of another page, of this page


@pytest.fixture
def page(browser: "Browser", address: str) -> "Iterator[Page]":
    """Yield a derivation."""
    with touched(browser, address + PAGE) as page:
        page.evaluate("document.fonts.ready")
        yield page


def reference_to(page: "Page", address: str) -> "Locator":
    return page.locator(f'p > a.equation-reference[href="{address}"]').first


def preview_of(page: "Page") -> "Locator":
    return page.locator("#equation-preview")


def tex(formula: "Locator") -> str:
    return str(formula.locator("annotation").text_content())


def test_the_pointer_on_a_reference_shows_its_equation(page: "Page", address: str) -> None:
    reference, preview = reference_to(page, OTHER), preview_of(page)
    reference.hover()
    preview.wait_for()
    number = reference.inner_text()
    assert preview.locator("> a").inner_text() == number
    assert preview.get_attribute("aria-label") == f"Equation {number.strip('()')}"
    assert reference.get_attribute("aria-details") == preview.get_attribute("id")
    assert "F_1 F_2" in tex(preview)
    preview.hover()
    page.wait_for_timeout(600)
    assert preview.is_visible()
    page.mouse.move(1, 1)
    preview.wait_for(state="detached")
    assert reference.get_attribute("aria-details") is None

    reference_to(page, OWN).hover()
    preview.wait_for()
    assert tex(preview) == tex(page.locator('[id="eq:affine-gradients"]'))
    assert page.locator('[id="eq:affine-gradients"]').count() == 1
    preview.locator("> a").click()
    assert page.url == f"{address}{PAGE}#eq:affine-gradients"


def test_a_pointer_that_passes_shows_nothing(page: "Page") -> None:
    reference_to(page, OTHER).hover()
    page.mouse.move(1, 1)
    page.wait_for_timeout(600)
    assert preview_of(page).count() == 0


def test_the_keyboard_shows_an_equation_goes_into_it_and_closes_it(page: "Page") -> None:
    reference, preview = reference_to(page, OTHER), preview_of(page)
    focused = "element => element.contains(document.activeElement)"
    page.keyboard.press("Tab")  # from now on it is the keyboard that moves the focus
    reference.focus()
    preview.wait_for()
    page.keyboard.press("Escape")
    preview.wait_for(state="detached")
    assert reference.evaluate(focused)

    reference.blur()
    reference.focus()
    preview.wait_for()
    page.keyboard.press("Tab")
    assert preview.locator(".formula").evaluate(focused)
    page.keyboard.press("Escape")
    preview.wait_for(state="detached")
    page.wait_for_timeout(300)
    assert preview.count() == 0
    assert reference.evaluate(focused)

    reference.blur()
    reference.focus()
    preview.wait_for()
    page.keyboard.press("Shift+Tab")
    preview.wait_for(state="detached")
    reference.focus()
    preview.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/matrix_chain_rule/#eq:product-rule")


def test_a_first_tap_shows_the_equation_and_a_second_goes_to_it(page: "Page") -> None:
    reference, preview, before = reference_to(page, OTHER), preview_of(page), page.url
    reference.tap()
    preview.wait_for()
    assert page.url == before
    page.locator("h1").tap()
    preview.wait_for(state="detached")
    reference.tap()
    preview.wait_for()
    reference.tap()
    page.wait_for_url("**/matrix_chain_rule/#eq:product-rule")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_and_can_be_read(page: "Page", scheme: Any, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    for reference in (reference_to(page, OTHER), page.locator(".listing a.equation-reference").last):
        reference.hover()
        preview_of(page).wait_for()
        box, at = preview_of(page).bounding_box(), reference.bounding_box()
        assert box
        assert at
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 800
        assert box["y"] >= at["y"] + at["height"] or box["y"] + box["height"] <= at["y"]  # not over the reference
        assert box["height"] > 25
        colors = (
            "preview => [getComputedStyle(preview).backgroundColor, getComputedStyle(document.body).backgroundColor]"
        )
        assert len(set(preview_of(page).evaluate(colors))) == 1
        page.mouse.move(1, 1)
        preview_of(page).wait_for(state="detached")


def test_an_equation_that_cannot_be_fetched_leaves_a_link(page: "Page", address: str) -> None:
    page.route("**/matrix_chain_rule/", lambda route: route.abort())
    reference_to(page, OTHER).hover()
    page.wait_for_timeout(600)
    assert preview_of(page).count() == 0
    page.unroute("**/matrix_chain_rule/")
    reference_to(page, OTHER).click()
    page.wait_for_url("**/matrix_chain_rule/#eq:product-rule")


def test_lines_are_broken_and_not_cut(page: "Page") -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    code = page.locator(".listing code")
    assert code.count() >= 3
    cut = "all => all.filter(code => code.scrollWidth > code.clientWidth + 1).map(code => code.textContent)"
    assert code.evaluate_all(cut) == []
    line = page.locator(".listing .line").first
    assert (
        line.evaluate("line => line.getClientRects()[0].height / parseFloat(getComputedStyle(line).lineHeight)") > 1.5
    )


def test_an_equation_leads_to_its_line_and_the_line_back(page: "Page", address: str) -> None:
    page.locator('[id="eq:affine-gradients"] > .in-code').click()
    line = page.locator(".listing .line:has(:target)")
    assert line.inner_text().startswith("        dW += dZ @ self._X.T")
    assert line.evaluate("line => line.getBoundingClientRect().top") > 60  # below the bar at the top
    assert line.evaluate(BACKGROUND) != "rgba(0, 0, 0, 0)"
    line.locator("a").click()
    assert page.url == f"{address}{PAGE}#eq:affine-gradients"


def test_what_is_copied_is_the_code_of_the_file(page: "Page") -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".listing").first.hover()
    page.locator(".listing .md-code__button").first.click()
    page.get_by_text("Copied to clipboard").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == (
        "def forward(self, X: Array, rng: np.random.Generator | None = None) -> Array:\n"
        "    W, b = self.parameters.values()\n"
        "    self._X = X\n"
        "    self._Z = reuse(self._Z, (len(W), X.shape[1]), X.dtype)\n"
        "    np.matmul(W, X, out=self._Z)\n"
        "    self._Z += b\n"
        "    return self._Z"
    )
