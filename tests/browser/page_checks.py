"""What a script can measure on an open page; each check returns what it complains about, an empty list is praise."""

from collections.abc import Iterable
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WCAG_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PRIMARY_PX, ROW_PX, TARGET_PX = 64, 56, 44
GAP_PX, ROW_GAP_PX = 8, 16
TEXT_CONTRAST, PART_CONTRAST = 7, 3
# The widest way in which a line of text may be set apart (WCAG 1.4.12).
SPACING = "* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }"
_MOST_STOPS = 60

# Shared by the checks below: colours as numbers, and what really lies behind an element.
_COLOURS = """
  const parsed = (text) => {
    const [red, green, blue, alpha = 1] = text.match(/[\\d.]+/g).map(Number);
    return { rgb: [red, green, blue], alpha };
  };
  const luminance = (rgb) => {
    const [red, green, blue] = rgb.map((each) => {
      const part = each / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const { rgb, alpha } = parsed(getComputedStyle(each).backgroundColor);
      if (alpha === 1) return rgb;
      if (alpha > 0) throw new Error("a background that is half transparent cannot be measured");
    }
    return [255, 255, 255];
  };
  const isShown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const named = (element) => element.outerHTML.replace(/\\s+/g, " ").slice(0, 90);
"""

_TEXT = f"""() => {{
  {_COLOURS}
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const add = (element, words) => found.push({{
    words: words.trim().slice(0, 40),
    ratio: contrast(parsed(getComputedStyle(element).color).rgb, behind(element)),
  }});
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {{
    const parent = node.parentElement;
    const isOut = parent.closest(".visually-hidden, :disabled, template, script, style");
    if (node.data.trim() && !isOut && isShown(parent)) add(parent, node.data);
  }}
  for (const field of document.querySelectorAll("input:not([type])," + "input[type=text]")) {{
    if (isShown(field)) add(field, `field ${{field.name}}`);
  }}
  return found;
}}"""

_PARTS = f"""() => {{
  {_COLOURS}
  const found = [];
  for (const each of document.querySelectorAll("button, .choice, .skip, .secondary, input[type=text]")) {{
    const style = getComputedStyle(each);
    const isText = style.borderTopWidth === "0px" && parsed(style.backgroundColor).alpha === 0;
    if (!isShown(each) || isText) continue;
    const outside = behind(each.parentElement);
    const edge = style.borderTopWidth === "0px" ? behind(each) : parsed(style.borderTopColor).rgb;
    found.push({{ words: named(each), ratio: contrast(edge, outside) }});
  }}
  return found;
}}"""

_TARGETS = f"""() => {{
  {_COLOURS}
  const rows = ".choice, .skip";
  const found = new Map();
  for (const each of document.querySelectorAll("a[href], button, input:not([type=hidden])")) {{
    const target = each.closest(`${{rows}}, .vas-strip`) || each;
    const style = getComputedStyle(target);
    if (!isShown(target) || found.has(target)) continue;
    const box = target.getBoundingClientRect();
    if (box.width === 0) continue;
    // A link in a sentence is as high as its line; every other one stands alone.
    const isInSentence = each.matches("a") && style.display === "inline";
    const isRow = target.matches(rows) || (each.matches("a") && !isInSentence);
    const least = target.matches(".primary") ? {PRIMARY_PX} : isRow ? {ROW_PX} : {TARGET_PX};
    found.set(target, {{
      name: named(target), isApart: target.matches(`${{rows}}, .primary, .secondary`), least, isInSentence,
      left: box.left, right: box.right, top: box.top, bottom: box.bottom, width: box.width, height: box.height,
    }});
  }}
  return [...found.values()];
}}"""

_RING = f"""() => {{
  {_COLOURS}
  const focused = document.activeElement;
  if (!focused || focused === document.body) return null;
  const ringed = focused.closest(".choice, .skip, .vas-strip") || focused;
  const style = getComputedStyle(ringed);
  const box = ringed.getBoundingClientRect();
  return {{
    name: named(ringed),
    width: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    ratio: contrast(parsed(style.outlineColor).rgb, behind(ringed.parentElement)),
    isInView: box.bottom > 0 && box.top < innerHeight,
  }};
}}"""

_FOCUSABLE = """() => {
  const isShown = (each) => each.checkVisibility({ visibilityProperty: true }) && !each.disabled;
  const all = [...document.querySelectorAll("a[href], button, input:not([type=hidden])")].filter(isShown);
  // Radio buttons of one question are one stop.
  return new Set(all.map((each) => (each.type === "radio" ? each.name : each))).size;
}"""

_MOVING = """() => [...document.querySelectorAll("*")].filter((each) => {
  const style = getComputedStyle(each);
  const lasts = (text) => text.split(",").some((part) => parseFloat(part) > 0);
  return lasts(style.animationDuration) || lasts(style.transitionDuration);
}).map((each) => each.outerHTML.slice(0, 90))"""

# Japanese breaks at a place that the page names, after punctuation, or nowhere.
_BROKEN_PHRASES = """() => {
  const found = [];
  for (const block of document.querySelectorAll("h1, legend, .choice span, .primary, .secondary")) {
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    let before = null, mayBreak = true;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.nodeType === Node.ELEMENT_NODE) {
        mayBreak ||= node.localName === "wbr" || getComputedStyle(node).display !== "inline";
        continue;
      }
      [...node.data].forEach((letter, place) => {
        const range = document.createRange();
        range.setStart(node, place);
        range.setEnd(node, place + 1);
        const box = range.getBoundingClientRect();
        if (letter.trim() === "" || box.width === 0) { mayBreak = true; return; }
        const isBroken = before && box.top > before.top + box.height / 2;
        const isBetweenLetters = before && /[\\p{L}\\p{N}]/u.test(before.letter) && /[\\p{L}\\p{N}]/u.test(letter);
        if (isBroken && isBetweenLetters && !mayBreak) found.push(`${before.letter}|${letter} in ${block.textContent}`);
        before = { letter, top: box.top };
        mayBreak = false;
      });
    }
  }
  return found;
}"""


def axe_complaints(page: Page, *, is_letter: bool = False) -> list[str]:
    """What axe-core finds; its best practices are about pages with a heading, which a letter is not."""
    rules = WCAG_RULES if is_letter else [*WCAG_RULES, "best-practice"]
    found = Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"]}).response["violations"]
    return [f"axe {each['id']}: {each['nodes'][0]['html'][:90]}" for each in found]


def text_ratios(page: Page) -> list[dict[str, Any]]:
    """The contrast of every piece of text that is seen."""
    return list(page.evaluate(_TEXT))


def contrast_complaints(page: Page) -> list[str]:
    """Text and edges of controls that are too pale."""
    return _too_pale(text_ratios(page), TEXT_CONTRAST) + _too_pale(page.evaluate(_PARTS), PART_CONTRAST)


def _too_pale(found: Iterable[dict[str, Any]], least: float) -> list[str]:
    return [f"contrast {each['ratio']:.2f} < {least}: {each['words']}" for each in found if each["ratio"] < least]


def targets(page: Page) -> list[dict[str, Any]]:
    """Everything that can be pressed, with its box and the height that it needs."""
    return list(page.evaluate(_TARGETS))


def target_complaints(page: Page) -> list[str]:
    """Targets that are too small for a trembling finger, or too near each other."""
    found = [each for each in targets(page) if not each["isInSentence"]]
    small = [
        f"{each['width']:.0f}×{each['height']:.0f} px < {each['least']}: {each['name']}"
        for each in found
        if each["height"] < each["least"] - 0.01 or each["width"] < TARGET_PX - 0.01
    ]
    pairs = [(one, other) for place, one in enumerate(found) for other in found[place + 1 :]]
    near = [
        f"{_gap(*pair):.0f} px between {pair[0]['name']} and {pair[1]['name']}" for pair in pairs if _is_near(*pair)
    ]
    return small + near


def _is_near(one: dict[str, Any], other: dict[str, Any]) -> bool:
    least = ROW_GAP_PX if one["isApart"] and other["isApart"] else GAP_PX
    return _gap(one, other) < least - 0.01


def _gap(one: dict[str, Any], other: dict[str, Any]) -> float:
    beside = max(one["left"] - other["right"], other["left"] - one["right"])
    below = max(one["top"] - other["bottom"], other["top"] - one["bottom"])
    return float(max(beside, below))


def focus_complaints(page: Page) -> list[str]:
    """Stops of the Tab key without a ring that is seen, or fewer stops than there are things to press."""
    # From the top of the page, wherever the last thing was pressed.
    page.evaluate("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")
    expected, stops = page.evaluate(_FOCUSABLE), []
    for _ in range(_MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(_RING)
        if stop is None:
            break
        stops.append(stop)
    weak = [
        f"ring {each['width']} px, {each['ratio']:.1f}: {each['name']}"
        for each in stops
        if each["width"] < 2 or each["ratio"] < PART_CONTRAST or not each["isInView"]
    ]
    return weak if len(stops) >= expected else [*weak, f"Tab reaches {len(stops)} of {expected}"]


def motion_complaints(page: Page) -> list[str]:
    """What would move although the patient asked for stillness."""
    page.emulate_media(reduced_motion="reduce")
    return [f"moves: {each}" for each in page.evaluate(_MOVING)]


def phrase_complaints(page: Page) -> list[str]:
    """Phrases in headings and on buttons that are cut in two where a line ends."""
    return [f"cut: {each}" for each in page.evaluate(_BROKEN_PHRASES)]


def overflow_complaints(page: Page) -> list[str]:
    """Where a page has to be scrolled sideways: narrow, zoomed to 400 %, text at 200 %, or set apart."""
    found = []
    before = page.viewport_size or {"width": 375, "height": 812}
    for name, width, height in (("320 px", 320, 568), ("1280 px at 400 %", 320, 256)):
        page.set_viewport_size({"width": width, "height": height})
        found += _sideways(page, name) + phrase_complaints(page)
    page.evaluate(f"""() => {{
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(`{SPACING}`);
      document.adoptedStyleSheets = [sheet];
    }}""")
    found += _sideways(page, "set apart")
    page.evaluate("document.adoptedStyleSheets = []")
    page.set_viewport_size({"width": 375, "height": 812})
    session = page.context.new_cdp_session(page)
    session.send("Page.setFontSizes", {"fontSizes": {"standard": 32}})
    found += _sideways(page, "200 % text")
    session.send("Page.setFontSizes", {"fontSizes": {"standard": 16}})
    session.detach()
    page.set_viewport_size(before)
    return found


def _sideways(page: Page, name: str) -> list[str]:
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return [f"{name}: {wide} px wide"] if wide > seen else []
