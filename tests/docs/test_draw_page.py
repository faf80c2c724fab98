"""The page Draw a digit, as someone uses it: by mouse, by touch, by keys, and without JavaScript."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.claims.drawn_digits import STROKES
from stages.nn.cross_entropy import cross_entropy_gradient
from stages.nn.layer import Start
from stages.nn.network import Network
from stages.nn.softmax import softmax
from stages.shared.drawings import normalize
from stages.shared.mnist import FORM
from stages.shared.models import build_network
from stages.shared.parameters import Model
from tests.docs.conftest import ROOT, touched
from tests.drawn import gray
from tests.test_export import read_tensors

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.slow

Strokes = Sequence[Sequence[tuple[float, float]]]
SCHEMES = {"light": "default", "dark": "slate"}
MINUS = "\N{MINUS SIGN}"


@pytest.fixture
def page(browser: "Browser", address: str) -> "Iterator[Page]":
    """Yield the page, ready to be drawn on."""
    with touched(browser, f"{address}draw/") as page:
        page.locator("#draw-sheet").wait_for()
        yield page


def strokes_of(digit: int) -> Strokes:
    """Return the strokes of a drawn digit, on a sheet of 1 x 1."""
    digits = json.loads(STROKES.read_text(encoding="utf-8"))["digits"]
    found = next(each for each in digits if each["digit"] == digit and each["hand"] == "upright")
    return [[(x / 400 + 0.15, y / 400) for x, y in stroke] for stroke in found["strokes"]]


def by_mouse(page: "Page", strokes: Strokes, sheet: str = "#draw-sheet") -> None:
    left, top, side = box_of(page, sheet)
    for stroke in strokes:
        for n, (x, y) in enumerate(stroke):
            page.mouse.move(left + side * x, top + side * y)
            if n == 0:
                page.mouse.down()
        page.mouse.up()


def by_touch(page: "Page", strokes: Strokes) -> None:
    left, top, side = box_of(page, "#draw-sheet")
    session = page.context.new_cdp_session(page)
    for stroke in strokes:
        for n, (x, y) in enumerate(stroke):
            points = [{"x": left + side * x, "y": top + side * y}]
            kind = "touchMove" if n else "touchStart"
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def box_of(page: "Page", sheet: str) -> tuple[float, float, float]:
    page.locator(sheet).scroll_into_view_if_needed()
    box = page.locator(sheet).bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"]


def by_keys(page: "Page", _: Strokes) -> None:
    """Draw a 7: a line to the right, then one down and to the left."""
    page.locator("#draw-sheet").focus()
    press = page.keyboard.press
    for key, times in (("ArrowUp", 5), ("ArrowLeft", 4), ("Space", 1), ("ArrowRight", 8)):
        for _n in range(times):
            press(key)
    for _n in range(10):
        press("ArrowDown")
        for _step in range(2):
            press("Shift+ArrowLeft")
    press("Space")


def a_line_by_keys(page: "Page", _: Strokes) -> None:
    """Draw a 1 that is symmetric: its middle lies between two pixels."""
    page.locator("#draw-sheet").focus()
    for key, times in (("ArrowUp", 4), ("Space", 1), ("ArrowDown", 8), ("Space", 1)):
        for _n in range(times):
            page.keyboard.press(key)


def ink_of(page: "Page", sheet: str = "#draw-sheet") -> NDArray[np.uint8]:
    """Return the ink on the sheet, as a picture of it has it."""
    alpha = page.locator(sheet).evaluate("""(canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return Array.from({ length: data.length / 4 }, (_, n) => data[4 * n + 3]);
    }""")
    return np.array(alpha, np.uint8).reshape(280, 280)


def settled(page: "Page") -> None:
    """Wait until what was done is shown."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def values(bars: "Locator") -> list[str]:
    return list(bars.locator(".value").all_inner_texts())


def as_number(text: str) -> float:
    powers = str.maketrans(f"⁻⁰¹²³⁴⁵⁶⁷⁸⁹{MINUS}", "-0123456789-")
    return float(re.sub(r" · 10(\S+)", r"e\1", text).translate(powers))


@pytest.mark.parametrize(
    ("draw", "digit"), [(by_mouse, 2), (by_mouse, 5), (by_touch, 3), (by_keys, 7), (a_line_by_keys, 1)]
)
def test_a_drawing_is_read_as_predict_reads_it(
    page: "Page", network: Network, draw: Callable[["Page", Strokes], None], digit: int
) -> None:
    page.click("#draw-clear")
    page.get_by_text("An empty sheet").first.wait_for()
    draw(page, strokes_of(digit))
    settled(page)
    ink = ink_of(page)
    assert 2000 < np.count_nonzero(ink) < 30_000
    a = softmax(network.forward(normalize(gray(255 - ink).convert("RGB"))[:, np.newaxis].astype(np.float64)))[:, 0]
    label, share = re.findall(r"Read as (\d), with ([\d.]+) %", page.inner_text("#draw-says"))[0]
    assert int(label) == a.argmax()
    assert float(share) == pytest.approx(100 * a.max(), abs=0.05 if "." in share else 0.5)
    page.wait_for_function("document.getElementById('draw-spoken').textContent.includes('Read as')")


def test_a_stroke_is_taken_back_by_button_and_by_key(page: "Page") -> None:
    page.click("#draw-clear")
    by_mouse(page, [[(0.3, 0.3), (0.3, 0.7)]])
    settled(page)
    before = ink_of(page)
    for take_back in (
        lambda: page.click("#draw-back"),
        lambda: (page.locator("#draw-sheet").focus(), page.keyboard.press("Backspace")),
    ):
        by_mouse(page, [[(0.6, 0.3), (0.6, 0.7)]])
        settled(page)
        assert not np.array_equal(ink_of(page), before)
        take_back()
        settled(page)
        assert np.array_equal(ink_of(page), before)
    page.keyboard.press("Delete")
    settled(page)
    assert not ink_of(page).any()


def test_what_has_the_focus_is_seen(page: "Page") -> None:
    focused, unseen = set(), []
    page.locator("#draw-sheet").focus()
    while page.locator(".md-content :focus").count():
        name, style = page.locator(":focus").evaluate(
            "element => [element.id || element.name || element.tagName, getComputedStyle(element).outlineStyle]"
        )
        focused.add(name)
        unseen += [name] if style == "none" else []
        page.keyboard.press("Tab")
    assert {"draw-label", "draw-rate", "draw-undivided"} <= focused
    assert unseen == []


def test_gradients_of_a_chosen_label_are_shown_with_their_numbers(page: "Page", network: Network) -> None:
    page.get_by_role("radio", name="8", exact=True).check()
    settled(page)
    X = normalize(gray(255 - ink_of(page)).convert("RGB"))[:, np.newaxis].astype(np.float64)
    first, relu, second = network.layers
    A1 = relu.forward(first.forward(X)).copy()
    Z2 = second.forward(A1).copy()
    dZ2 = cross_entropy_gradient(Z2, np.array([8]), 1)
    dA1 = second.backward(dZ2)
    assert dA1 is not None
    for name, array in (("z2", Z2), ("dz2", dZ2), ("da1", dA1), ("dz1", dA1 * (A1 > 0))):
        shown = [as_number(text) for text in values(page.locator(f"#draw-{name}"))]
        np.testing.assert_allclose(shown, array[:, 0], rtol=0.06, atol=1e-9, err_msg=name)  # small ones have two digits
    page.locator("#draw-dz2 button").nth(8).click()
    formula = page.locator("#draw-dZ2")
    numbers = formula.locator(".draw-numbers").inner_text()
    assert re.search(rf"dZ2\[8\] = A2\[8\] {MINUS} Y\[8\] = \S+( · \S+)? {MINUS} 1 = {MINUS}", numbers)
    assert formula.locator("a.equation-reference").get_attribute("href") == (
        "../derivations/cross_entropy/#eq:cross-entropy-gradient"
    )


def test_each_quantity_can_be_chosen_and_says_its_numbers_and_equation(page: "Page") -> None:
    places = {"z2": "Z2", "a2": "A2", "dz2": "dZ2", "da1": "dA1", "dz1": "dZ1", "w1": "A1", "wx": "Z1", "dw1": "dW1"}
    for place, name in places.items():
        page.locator(f"#draw-{place} button").nth(4).press("Enter")
        settled(page)
        assert re.search(rf"{name}\[4[\];]", page.locator(f"#draw-{name} .draw-numbers").inner_text()), name
        assert page.locator(f"#draw-{name} p a").first.is_visible(), name
    page.locator("#draw-dw2").click(position={"x": 2, "y": 2})
    page.fill("#draw-row", "9")
    page.fill("#draw-column", "12")
    page.locator("#draw-dX summary").click()
    settled(page)
    assert "dW2[0, 0] = " in page.locator("#draw-dW2 .draw-numbers").inner_text()
    assert "dX[9, 12] = " in page.locator("#draw-dX .draw-numbers").inner_text()
    page.locator("#draw-dx").click(position={"x": 2, "y": 2})
    settled(page)
    assert (page.input_value("#draw-row"), page.input_value("#draw-column")) == ("0", "0")


def test_an_empty_sheet_has_no_numbers(page: "Page") -> None:
    page.click("#draw-clear")
    page.get_by_text("An empty sheet").first.wait_for()
    assert page.inner_text("#draw-loss") == "There is no digit yet."
    assert page.locator("#draw-label input:checked").count() == 0
    assert {as_number(value) for value in values(page.locator("#draw-z2"))} == {0}


def test_a_step_makes_the_label_more_probable_and_can_be_undone(page: "Page") -> None:
    page.get_by_role("radio", name="5", exact=True).check()
    settled(page)
    before = values(page.locator("#draw-chances")), values(page.locator("#draw-z2"))
    page.click("#draw-step")
    settled(page)
    moved = page.inner_text("#draw-moved")
    J0, J1 = map(as_number, re.findall(r"loss went from (.+?) to (.+?),", moved)[0])
    assert J1 < J0
    after = values(page.locator("#draw-z2"))
    assert as_number(after[5]) > as_number(before[1][5])
    page.click("#draw-step")
    assert "after 2 of your steps" in page.inner_text("#draw-source")
    page.click("#draw-undo")
    page.click("#draw-undo")
    settled(page)
    assert (values(page.locator("#draw-chances")), values(page.locator("#draw-z2"))) == before
    assert page.locator("#draw-undo").is_disabled()


def test_the_network_learns_before_ones_eyes(page: "Page", network: Network) -> None:
    before = values(page.locator("#draw-z2"))
    page.select_option("#draw-speed", "100000")
    page.click("#draw-train")
    page.wait_for_function(
        "() => /Update \\d{3}.* ([6-9]\\d) % of/.test(document.getElementById('draw-progress').textContent)"
    )
    page.click("#draw-train")
    settled(page)
    assert values(page.locator("#draw-z2")) != before
    assert "updates of the training below" in page.inner_text("#draw-source")
    points = [str(page.locator(f"#draw-curves .curve-{n}").get_attribute("points")).split() for n in (0, 1)]
    assert len(points[0]) >= 100
    heights = [float(point.split(",")[1]) for point in points[1]]
    assert heights[-1] > heights[0]  # the loss fell: y goes downward
    page.click("#draw-step")
    settled(page)
    assert "and 1 of your steps" in page.inner_text("#draw-source")
    page.click("#draw-trained")
    settled(page)
    assert values(page.locator("#draw-z2")) == before
    assert page.inner_text("#draw-train") == "Train"
    page.select_option("#draw-width", "0.05")
    settled(page)
    assert values(page.locator("#draw-z2")) != before


@pytest.mark.parametrize(
    ("rate", "mistakes", "why"),
    [("5", [], "silent"), ("0.1", ["sum"], "silent"), ("0.1", ["undivided", "plain"], "overflow")],
)
def test_what_goes_wrong_in_training_is_explained(page: "Page", rate: str, mistakes: list[str], why: str) -> None:
    page.fill("#draw-train-rate", rate)
    page.select_option("#draw-speed", "100000")
    for mistake in mistakes:
        page.check(f"#draw-{mistake}")
    page.click("#draw-train")
    page.locator(f"[data-why={why}][open]").wait_for()
    assert page.locator(".draw-why[open]").count() == 1


def test_a_digit_of_mnist_comes_with_its_label(page: "Page") -> None:
    page.click("#draw-mnist")
    page.get_by_text(re.compile(r"A \d of MNIST\. Read as")).first.wait_for()
    label = re.findall(r"A (\d) of MNIST", page.inner_text("#draw-says"))[0]
    assert page.locator("#draw-label input:checked").get_attribute("value") == label


def test_the_larger_networks_read_the_same_digit(page: "Page") -> None:
    page.wait_for_function("/\\d/.test(document.getElementById('draw-share-transformer').textContent)")
    for digit in (None, 4):
        if digit is not None:
            page.click("#draw-clear")
            by_mouse(page, strokes_of(digit))
            settled(page)
        X = normalize(gray(255 - ink_of(page)).convert("RGB"))[:, np.newaxis]
        for name in ("convolution", "transformer"):
            arrays, notes = read_tensors(ROOT / f"docs/assets/draw/packed/{name}.safetensors")
            larger = build_network(
                Model.model_validate(json.loads(notes["row"])), FORM, Start(np.random.default_rng(0))
            )
            for key, theta in larger.kept.items():
                theta[...] = arrays[key]
            a = softmax(larger.forward(X))[:, 0]
            assert page.inner_text(f"#draw-read-{name}") == str(a.argmax())
            assert float(page.inner_text(f"#draw-share-{name}")[:-2]) == pytest.approx(100 * a.max(), abs=0.5)
    pictures = [
        page.locator(f"#draw-{box} canvas").count() for box in ("filters", "maps-1", "maps-2", "heads-1", "heads-2")
    ]
    assert pictures == [16, 16, 32, 4, 4]


def test_pictures_follow_the_colors_of_the_site(page: "Page") -> None:
    page.wait_for_function("document.querySelectorAll('#draw-filters canvas').length == 16")
    brightest = """(canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return Math.max(...data.filter((_, n) => n % 4 == 0 && data[n + 3] > 40));
    }"""
    for selector in ("#draw-sheet", "#draw-w1 canvas", "#draw-filters canvas", "#draw-heads-1 canvas"):
        found = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function("name => document.body.dataset.mdColorScheme == name", arg=SCHEMES[scheme])
            settled(page)
            found.append(page.locator(selector).first.evaluate(brightest))
        assert found[0] < found[1], selector


def test_the_home_page_reads_a_digit_too(browser: "Browser", address: str, network: Network) -> None:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(address)
    page.get_by_text("Read as 3, with").first.wait_for()
    page.click("#draw-small-clear")
    page.get_by_text("An empty sheet").first.wait_for()
    by_mouse(page, strokes_of(2), "#draw-small-sheet")
    settled(page)
    X = normalize(gray(255 - ink_of(page, "#draw-small-sheet")).convert("RGB"))[:, np.newaxis].astype(np.float64)
    read = network.forward(X).argmax()
    assert page.inner_text("#draw-small-says").startswith(f"Read as {read}, with")
    page.close()


def test_without_javascript_a_still_picture_and_its_explanation_stand_there(browser: "Browser", address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}draw/")
    assert page.locator("#draw-still svg").is_visible()
    assert page.locator("noscript p").is_visible()
    assert page.locator(".draw-live:visible, #draw-problem:visible").count() == 0
    page.goto(address)
    assert page.locator("#draw-small-still svg").is_visible()
    assert page.locator("noscript p").is_visible()
    context.close()


def test_on_paper_the_still_picture_is_in_the_place_of_the_sheet(browser: "Browser", address: str) -> None:
    page = browser.new_page()
    for path, name in (("draw/", "draw"), ("", "draw-small")):
        page.goto(address + path)
        page.locator(f"#{name}-sheet").wait_for()
        still = page.locator(f"#{name}-still svg")
        assert not still.is_visible()
        page.emulate_media(media="print")
        assert still.is_visible()
        assert not page.locator(f"#{name}-sheet").is_visible()
        page.emulate_media(media="screen")
    page.close()


def test_opened_as_a_file_it_says_why_one_cannot_draw(browser: "Browser", site: Path) -> None:
    page = browser.new_page()
    page.goto((site / "draw/index.html").as_uri())
    notice = page.locator("#draw-problem")
    notice.wait_for()
    assert "opened as a file" in notice.inner_text()
    assert page.locator("#draw-still svg").is_visible()
    assert page.locator(".draw-live:visible").count() == 0
    page.close()


def test_a_file_that_is_not_there_is_named(browser: "Browser", address: str) -> None:
    page = browser.new_page()
    page.route("**/*.safetensors", lambda route: route.fulfill(status=404))
    page.goto(f"{address}draw/")
    page.get_by_text("w3-relu-10.safetensors: the server answers 404").wait_for()
    assert page.locator("#draw-still svg").is_visible()
    page.close()
