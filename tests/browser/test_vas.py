"""The line in a real browser, by finger, mouse, keyboard and without script: what it posts, shows and says."""

import json
import os
from collections.abc import Iterator
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

import pytest
from PIL import Image

from tests.browser.vas_harness import Harness
from tests.browser.windows import SHARED, Windows

CHROMIUM = Path("/usr/bin/chromium")
PHONE = {"width": 375, "height": 667}
STATIC = Path(__file__).parents[2] / "registry/web/static"
HEAVIEST_BYTES = 60_000
AXE_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag2aaa", "wcag21aa", "wcag22aa", "best-practice"]}


def _require(is_there, what):
    """Leaves the whole module out, in one line, where something is missing; fails where all tests are required."""
    if is_there:
        return
    reason = f"the line is tested in Chromium: {what} is missing"
    if os.environ.get("REGISTRY_TEST_REQUIRE") == "all":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason, allow_module_level=True)


_require(CHROMIUM.exists(), CHROMIUM)
_require(find_spec("playwright"), "playwright")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Playwright switches the back/forward cache off, and phones have it on.
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", SHARED],
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Harness]:
    with Harness().running() as harness:
        yield harness


@pytest.fixture
def harness(running) -> Harness:
    """The server as new: nothing was posted, and no language was chosen."""
    running.posted, running.language = [], "en"
    return running


@pytest.fixture(scope="module")
def windows(browser, running) -> Windows:
    return Windows(browser, f"{running.url}/static/patient.css")


@pytest.fixture
def open_page(windows, harness):
    """Opens a page of the harness; afterwards no script error and no refusal by the policy may have been logged."""
    complaints = []

    def open_page(address="q", *, viewport=PHONE, has_touch=True, script=True, scale=1, **query):
        page = windows.open(
            viewport=viewport, has_touch=has_touch, java_script_enabled=script, device_scale_factor=scale
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(f"{harness.url}/f/{address}?{urlencode(query)}")
        return page

    yield open_page
    windows.close()
    assert complaints == []


@pytest.fixture
def page(open_page):
    return open_page()


def _line(page):
    return page.locator(".vas-line").bounding_box()


def _at(page, proportion, beyond_px=0.0):
    """The point on the line at a proportion of its length, or some way beyond it."""
    box = _line(page)
    return box["x"] + proportion * box["width"] + beyond_px, box["y"] + 20


def _tap(page, proportion, beyond_px=0.0):
    page.touchscreen.tap(*_at(page, proportion, beyond_px))


def _swipe(page, start, end, steps=10):
    """One finger from start to end, as the browser sees it: it may take the gesture over and scroll."""
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [_point(start)]})
    for step in range(1, steps + 1):
        between = [a + (b - a) * step / steps for a, b in zip(start, end, strict=True)]
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [_point(between)]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def _point(place):
    return {"x": place[0], "y": place[1]}


def _shown(page):
    """The score at which the marker stands, or None where none is shown."""
    marker = page.locator(".vas-marker").evaluate("e => [e.hidden, e.getBoundingClientRect().x]")
    line = _line(page)
    return None if marker[0] else 100 * (marker[1] - line["x"]) / line["width"]


def _until(page, expression):
    """Waits for something to be true; the page's policy forbids the waiting that Playwright brings along."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(30)
    pytest.fail(f"never became true: {expression}")


def _posted(page, harness):
    """What Continue sends: score, mode and whether the question is skipped."""
    page.locator(".primary").click()
    page.wait_for_url("**/f/check")
    form = harness.posted[-1]
    return form["vas_low_back"], form["mode_low_back"], form.get("skip_low_back")


# Untouched


def test_untouched_line_submits_an_empty_answer(page, harness):
    assert _posted(page, harness) == ("", "", None)


def test_untouched_line_shows_no_marker_and_says_so(page):
    spoken = page.locator("[type=range]").get_attribute("aria-valuetext")

    assert (_shown(page), spoken) == (None, "Not answered")


def test_native_slider_has_no_name_to_submit_by(page):
    assert page.locator("[type=range]").get_attribute("name") is None


def test_every_field_posted_is_in_the_page_without_script(open_page):
    page = open_page(script=False)

    names = {field.get_attribute("name") for field in page.locator("main input").all()}

    assert names == {"key", "read_in", "vas_low_back", "skip_low_back", "mode_low_back", "meta_low_back"}


# By finger


def test_tap_in_the_middle_is_fifty(page, harness):
    _tap(page, 0.5)

    score, mode, _ = _posted(page, harness)

    assert 49 <= int(score) <= 51
    assert mode == "touch"


@pytest.mark.parametrize(("end", "beyond_px", "score"), [(0, -10, "0"), (0, -23, "0"), (1, 10, "100"), (1, 23, "100")])
def test_tap_beside_an_end_is_that_end(page, harness, end, beyond_px, score):
    _tap(page, end, beyond_px)

    assert _posted(page, harness) == (score, "touch", None)


def test_zero_is_shown_and_spoken_as_an_answer(page):
    _tap(page, 0, -10)

    assert page.locator("[type=range]").get_attribute("aria-valuetext") == "0 of 100"
    assert _shown(page) == pytest.approx(0, abs=1)


def test_vertical_swipe_on_the_strip_scrolls_and_leaves_it_unset(page, harness):
    x, y = _at(page, 0.5)

    _swipe(page, (x, y), (x, y - 250))
    _until(page, "scrollY > 50")

    assert _shown(page) is None
    assert _posted(page, harness) == ("", "", None)


def test_cancelled_gesture_restores_the_mark_exactly(page, harness):
    _tap(page, 0.3)
    before = page.locator("[name=vas_low_back]").input_value()
    x, y = _at(page, 0.8)

    _swipe(page, (x, y), (x, y - 250))
    _until(page, "scrollY > 50")

    assert _shown(page) == pytest.approx(int(before), abs=0.5)
    assert _posted(page, harness) == (before, "touch", None)


def test_drag_to_the_right_end_is_a_hundred_and_does_not_scroll(page, harness):
    _swipe(page, _at(page, 0.2), _at(page, 1, 15))

    assert page.evaluate("scrollX + scrollY") == 0
    assert _posted(page, harness) == ("100", "touch", None)


def test_mark_is_not_recorded_before_the_finger_is_lifted(page):
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [_point(_at(page, 0.2))]})
    session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [_point(_at(page, 0.6))]})

    assert page.locator("[name=vas_low_back]").input_value() == ""


def test_second_finger_changes_nothing(page, harness):
    _tap(page, 0.4)
    before = page.locator("[name=vas_low_back]").input_value()
    first, second = _point((20, 20)), _point(_at(page, 0.9))
    session = page.context.new_cdp_session(page)

    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [first | {"id": 0}]})
    both = [first | {"id": 0}, second | {"id": 1}]
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": both})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": [first | {"id": 0}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    assert _posted(page, harness)[0] == before


def test_rotation_keeps_the_score_and_the_place_of_the_marker(page, harness):
    _tap(page, 0.37)

    page.set_viewport_size({"width": 667, "height": 375})

    assert _shown(page) == pytest.approx(37, abs=1)
    assert _posted(page, harness)[0] == "37"


def test_tap_after_rotation_is_measured_on_the_new_line(page, harness):
    page.set_viewport_size({"width": 667, "height": 375})
    page.locator(".vas-strip").scroll_into_view_if_needed()
    _tap(page, 0.5)

    assert 49 <= int(_posted(page, harness)[0]) <= 51


# By mouse


def test_mouse_click_is_recorded_as_mouse(open_page, harness):
    page = open_page(has_touch=False)
    page.mouse.click(*_at(page, 0.25))

    assert _posted(page, harness) == ("25", "mouse", None)


def test_right_mouse_button_changes_nothing(open_page, harness):
    page = open_page(has_touch=False)
    page.mouse.click(*_at(page, 0.25), button="right")

    assert _posted(page, harness) == ("", "", None)


def test_tap_on_the_words_at_the_ends_changes_nothing(page, harness):
    page.locator("#highest_low_back").tap()

    assert _posted(page, harness) == ("", "", None)


# By keyboard


def _focus_line(page):
    page.locator(".back").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "line_low_back"


@pytest.mark.parametrize("key", ["Home", " ", "Enter"])
def test_keys_that_change_nothing_for_the_browser_set_zero(page, harness, key):
    _focus_line(page)

    page.keyboard.press(key)

    assert harness.posted == []
    assert _posted(page, harness) == ("0", "keyboard", None)


@pytest.mark.parametrize(
    ("keys", "score"),
    [
        (["End", "ArrowLeft", "ArrowLeft", "ArrowLeft"], "97"),
        (["ArrowRight"], "1"),
        (["PageUp"], "10"),
        (["End", "Home"], "0"),
        (["Home", "Delete"], ""),
        (["End", "Backspace"], ""),
    ],
)
def test_keys_move_and_remove_the_mark(page, harness, keys, score):
    _focus_line(page)

    for key in keys:
        page.keyboard.press(key)

    assert _posted(page, harness) == (score, "keyboard" if score else "", None)


def test_enter_on_an_answered_line_submits_the_form(page, harness):
    _focus_line(page)
    page.keyboard.press("End")

    page.keyboard.press("Enter")
    page.wait_for_url("**/f/check")

    assert harness.posted[-1]["vas_low_back"] == "100"


def test_tab_goes_from_line_to_arrows_clear_number_skip_and_continue(page):
    _tap(page, 0.5)
    _focus_line(page)
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("(({dataset: d, className: c}) => d.nudge || d.part || c)(document.activeElement)")
        )

    assert reached == ["-1", "1", "clear", "toggle", "skip", "primary"]


def test_focus_ring_stands_around_the_whole_strip(page):
    _focus_line(page)

    outline = page.locator(".vas-strip").evaluate(
        "e => [getComputedStyle(e).outlineWidth, getComputedStyle(e).boxShadow]"
    )

    assert outline[0] == "4px"
    assert "rgb(255, 212, 61)" in outline[1]


# The buttons below the line


def test_arrows_are_hidden_until_there_is_a_mark(page):
    arrow = page.locator("[data-nudge='1']")
    assert arrow.is_hidden()

    _tap(page, 0.5)

    assert arrow.is_visible()


def test_first_mark_does_not_move_the_page_under_the_finger(page):
    before = page.locator(".primary").bounding_box()

    _tap(page, 0.5)

    assert page.locator(".primary").bounding_box() == before


def test_arrows_move_the_mark_one_step_for_each_press(open_page, harness):
    page = open_page(typed="47", mode="touch")
    page.locator("[data-nudge='1']").tap()
    page.locator("[data-nudge='1']").tap()
    page.locator("[data-nudge='-1']").tap()

    assert _posted(page, harness) == ("48", "touch", None)


@pytest.mark.parametrize(("typed", "step"), [("0", "-1"), ("100", "1")])
def test_arrows_stop_at_the_ends(open_page, harness, typed, step):
    page = open_page(typed=typed, mode="touch")
    page.locator(f"[data-nudge='{step}']").tap()

    assert _posted(page, harness)[0] == typed


def test_key_held_on_an_arrow_presses_it_once(open_page, harness):
    page = open_page(typed="47", mode="touch")
    page.locator("[data-nudge='1']").focus()
    for _ in range(5):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")

    assert _posted(page, harness) == ("48", "keyboard", None)


def test_remove_the_mark_leaves_the_question_unanswered(page, harness):
    _tap(page, 0.5)
    page.locator("[data-part=clear]").tap()

    assert _shown(page) is None
    assert _posted(page, harness) == ("", "", None)


# A number instead


def test_without_script_a_typed_number_is_sent_with_its_mode(open_page, harness):
    page = open_page(script=False)
    page.get_by_label("A number from 0").fill("47")

    assert _posted(page, harness) == ("47", "number", None)


def test_without_script_only_the_number_field_is_shown(open_page):
    page = open_page(script=False)

    assert page.locator(".vas-strip").count() == 0
    assert page.get_by_text("Touch the line").count() == 0


def test_typed_number_is_sent_with_its_mode_and_moves_the_mark(page, harness):
    page.get_by_role("button", name="Type a number instead").tap()
    page.keyboard.type("47")

    assert _shown(page) == pytest.approx(47, abs=1)
    assert _posted(page, harness) == ("47", "number", None)


@pytest.mark.parametrize(
    ("typed", "marker"), [("１００", 100), ("47 ", 47), ("101", None), ("4.5", None), ("-1", None), ("ten", None)]
)
def test_typed_text_is_sent_as_typed_and_marks_only_a_score(page, harness, typed, marker):
    page.get_by_role("button", name="Type a number instead").tap()
    page.get_by_label("A number from 0").fill(typed)

    shown = _shown(page)

    assert shown == (None if marker is None else pytest.approx(marker, abs=1))
    assert _posted(page, harness)[0] == typed


def test_refused_text_stands_in_the_open_field_again(open_page):
    page = open_page(typed="4.5", mode="number", error="Enter a whole number from 0 to 100")

    field = page.get_by_label("A number from 0")

    assert field.is_visible()
    assert field.input_value() == "4.5"


def test_number_of_a_mark_is_never_shown(page, harness):
    _tap(page, 0.5)
    page.get_by_role("button", name="Type a number instead").tap()

    assert page.locator("[name=vas_low_back]").input_value() == ""
    assert not any(character.isdigit() for character in page.locator(".vas-state").inner_text())
    assert _posted(page, harness)[:2] == ("50", "touch")


def test_text_that_is_no_score_is_not_sent_from_a_closed_field(page, harness):
    toggle = page.get_by_role("button", name="Type a number instead")
    toggle.tap()
    page.keyboard.type("101")
    toggle.tap()

    assert _posted(page, harness) == ("", "", None)


def test_mark_replaces_a_typed_number(page, harness):
    page.get_by_role("button", name="Type a number instead").tap()
    page.keyboard.type("47")
    _tap(page, 0.9)

    assert _posted(page, harness) == ("90", "touch", None)


# Skipping


def test_skipped_question_sends_no_score(page, harness):
    _tap(page, 0.5)
    page.get_by_label("Skip this question").tap()

    assert _shown(page) is None
    assert _posted(page, harness) == ("", "", "yes")


def test_skipped_line_does_not_take_a_mark(page, harness):
    skip = page.get_by_label("Skip this question")
    skip.tap()
    _tap(page, 0.5)
    skip.tap()

    assert _posted(page, harness) == ("", "", None)


def test_mark_comes_back_when_skip_is_unticked(page, harness):
    _tap(page, 0.5)
    skip = page.get_by_label("Skip this question")
    skip.tap()
    skip.tap()

    assert _posted(page, harness) == ("50", "touch", None)


# Coming back


def test_saved_answer_is_shown_where_it_was_and_resent_unchanged(open_page, harness):
    page = open_page(typed="47", mode="pen")

    assert _shown(page) == pytest.approx(47, abs=1)
    assert _posted(page, harness) == ("47", "pen", None)


def test_saved_zero_is_shown_as_a_mark(open_page):
    assert _shown(open_page(typed="0", mode="touch")) == pytest.approx(0, abs=1)


def test_back_and_forward_keep_a_mark_that_was_not_saved(page, harness):
    _tap(page, 0.7)
    page.locator(".back").click()
    page.wait_for_url("**/f/start")

    page.go_back()

    assert _shown(page) == pytest.approx(70, abs=1)
    assert _posted(page, harness) == ("70", "touch", None)


def test_page_restored_from_the_cache_keeps_the_mark(open_page, harness):
    page = open_page(kept="")
    page.evaluate("addEventListener('pageshow', event => (window.isRestored = event.persisted))")
    page.get_by_role("button", name="Type a number instead").tap()
    _tap(page, 0.7)
    _posted(page, harness)

    page.go_back(wait_until="commit")

    _until(page, "window.isRestored")
    assert _shown(page) == pytest.approx(70, abs=1)
    assert page.locator("[name=vas_low_back]").input_value() == ""
    assert _posted(page, harness) == ("70", "touch", None)


def test_newer_answer_of_the_server_beats_the_one_remembered(page, harness):
    _tap(page, 0.7)
    page.evaluate("history.replaceState({vas: {...history.state.vas, served: '[\"30\",false]'}}, '')")

    page.reload()

    assert _shown(page) is None


def test_change_of_language_keeps_a_mark_that_was_not_saved(page, harness):
    _tap(page, 0.7)

    page.get_by_role("button", name="日本語").tap()
    page.wait_for_selector("html[lang=ja]")

    assert _shown(page) == pytest.approx(70, abs=1)
    assert page.evaluate("sessionStorage.length") == 0
    assert _posted(page, harness) == ("70", "touch", None)


# What is recorded beside the score


def test_measurements_are_recorded_with_a_mark(page, harness):
    _tap(page, 0.2)
    _tap(page, 0.4)
    _posted(page, harness)

    meta = json.loads(harness.posted[-1]["meta_low_back"])

    assert {key: meta[key] for key in ("line_px", "viewport_px", "dpr", "n_changes")} == {
        "line_px": 295,
        "viewport_px": 375,
        "dpr": 1,
        "n_changes": 2,
    }
    assert meta["ms_to_first_mark"] > 0


def test_typed_number_counts_as_one_change(page, harness):
    page.get_by_role("button", name="Type a number instead").tap()
    page.keyboard.type("47")
    _posted(page, harness)

    assert json.loads(harness.posted[-1]["meta_low_back"])["n_changes"] == 1


def test_nothing_is_measured_while_nothing_is_changed(open_page, harness):
    page = open_page(typed="47", mode="touch")
    _posted(page, harness)

    assert harness.posted[-1]["meta_low_back"] == ""


# What is said


def test_mark_and_removal_are_announced_once_and_without_a_number(page):
    live = page.locator("[role=status]")
    _tap(page, 0.5)
    assert live.text_content() == ""
    _until(page, "document.querySelector('[role=status]').textContent === 'Marked'")

    page.locator("[data-part=clear]").tap()

    _until(page, "document.querySelector('[role=status]').textContent === 'Mark removed'")


def test_slider_is_named_by_the_question_and_described_by_hint_and_ends(page):
    slider = page.get_by_role("slider", name="Thinking about the past 7 days")
    described = " ".join(
        page.locator(f"#{each}").inner_text() for each in slider.get_attribute("aria-describedby").split()
    )

    assert "Touch the line" in described
    assert "No pain at all Worst pain imaginable" in described


@pytest.mark.parametrize("script", [True, False])
def test_error_summary_has_the_focus_with_and_without_script(open_page, script):
    page = open_page(script=script, error="Mark the line")

    assert page.locator(":focus").inner_text().startswith("There is a problem")
    assert page.title().startswith("Error: ")


def test_link_in_the_error_summary_leads_to_the_line(open_page):
    page = open_page(error="Mark the line")
    page.get_by_role("link", name="Mark the line").tap()

    assert page.evaluate("document.activeElement.id") == "line_low_back"


# Geometry and looks

SIZES = {
    "320": ({"width": 320, "height": 568}, 1),
    "320-beside-a-scroll-bar": ({"width": 305, "height": 568}, 1),
    "zoom-400": ({"width": 320, "height": 256}, 4),
    "375": (PHONE, 2),
    "1280": ({"width": 1280, "height": 800}, 1),
}


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize(("viewport", "scale"), SIZES.values(), ids=SIZES)
def test_line_and_words_keep_their_sizes(open_page, viewport, scale, language):
    page = open_page(viewport=viewport, scale=scale, language=language, typed="47", mode="touch", item="leg_numb")
    strip, line = page.locator(".vas-strip").bounding_box(), _line(page)
    words = page.locator(".vas-ends span").evaluate_all(
        "es => es.map(e => [e.scrollWidth - e.clientWidth,"
        " e.offsetHeight / parseFloat(getComputedStyle(e).lineHeight)])"
    )

    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert 240 <= line["width"] <= 378
    assert strip["width"] == line["width"] + 48
    assert strip["height"] >= 96
    assert all(hidden <= 0 and lines < 3.1 for hidden, lines in words)


@pytest.mark.parametrize("width", [320, 375])
def test_targets_are_large_and_apart(open_page, width):
    page = open_page(viewport={"width": width, "height": 667}, typed="47", mode="touch")
    smallest = {
        ".primary": (260, 64),
        ".nudge": (64, 64),
        ".skip": (260, 56),
        ".quiet": (44, 44),
        ".language": (44, 44),
    }

    boxes = {name: [each.bounding_box() for each in page.locator(name).all()] for name in [*smallest, ".help", ".back"]}

    for name, (least_width, least_height) in smallest.items():
        assert all(box["width"] >= least_width and box["height"] >= least_height for box in boxes[name]), name
    skip, primary = boxes[".skip"][0], boxes[".primary"][0]
    assert primary["y"] - (skip["y"] + skip["height"]) >= 16


def test_text_at_twice_the_size_needs_no_sideways_scrolling(open_page):
    for language in ("en", "ja"):
        page = open_page(viewport={"width": 320, "height": 568}, language=language, typed="4.5")
        page.context.new_cdp_session(page).send("Page.setFontSizes", {"fontSizes": {"standard": 32}})
        assert page.evaluate("getComputedStyle(document.body).fontSize") == "40px"
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, language


def test_line_and_marker_are_seen_in_forced_colours(open_page):
    page = open_page(typed="50", mode="touch")
    page.emulate_media(forced_colors="active")
    strip, line = page.locator(".vas-strip").bounding_box(), _line(page)
    picture = Image.open(BytesIO(page.locator(".vas-strip").screenshot())).convert("RGB")

    def colour(proportion, below_px):
        x = line["x"] - strip["x"] + proportion * line["width"]
        return picture.getpixel((round(x), round(line["y"] - strip["y"] + below_px)))

    background = colour(0.25, 30)
    assert background != colour(0.25, 1)
    assert background != colour(0.5, 41)
    assert background != colour(0.5, 10)


def test_mark_moves_without_animation(page):
    moving = page.locator(".vas *").evaluate_all(
        "es => es.filter(e => { const s = getComputedStyle(e);"
        " return s.animationName !== 'none' || s.transitionDuration !== '0s' })"
    )

    assert moving == []


PAGES = [
    ("q", {}),
    ("q", {"typed": "47", "mode": "touch", "demo": ""}),
    ("q", {"typed": "101", "mode": "number", "error": "Enter a whole number from 0 to 100"}),
    ("q", {"skipped": ""}),
]


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize(("address", "query"), PAGES)
def test_axe_finds_nothing(open_page, address, query, language):
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(address, language=language, **query)

    found = Axe().run(page, options=AXE_RULES)

    assert [(each["id"], each["nodes"][0]["html"]) for each in found.response["violations"]] == []


@pytest.mark.parametrize(("address", "query"), PAGES)
def test_page_with_style_and_script_stays_light(open_page, address, query):
    page = open_page(address, language="ja", **query)

    shared = sum((STATIC / name).stat().st_size for name in ("patient.css", "vas.js"))

    assert len(page.content().encode()) + shared <= HEAVIEST_BYTES
