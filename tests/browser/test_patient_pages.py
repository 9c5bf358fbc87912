"""Every page that a patient can meet, in a real browser: read and pressed by people with old eyes and numb hands."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request

from registry.config import load_settings
from registry.domain.ladder import MailKind
from registry.domain.vocabularies import Sex
from registry.languages import LANGUAGES
from registry.mail.messages import Addressee, Letter, follow_up_reminder
from registry.storage.database import Database
from tests.browser import page_checks
from tests.browser.page_kinds import NOW, PAGE_KINDS, Cast, PageKind, arrive, reach
from tests.browser.windows import SHARED, Windows
from tests.conftest import ROOT
from tests.live import Live, chromium, free_port, serving

PHONE = {"width": 375, "height": 812}
HEAVIEST_BYTES = 60 * 1024
LOCALES = {"en": "en-GB", "ja": "ja-JP"}
EVERY_PAGE = [
    pytest.param(kind, language, id=f"{kind.name} ({language})") for kind in PAGE_KINDS for language in LANGUAGES
]
KINDS = {kind.name: kind for kind in PAGE_KINDS}
# Without a script the line is a number field, which the tests of the line cover.
ERRORS = [
    pytest.param(kind, language, script, id=f"{kind.name} ({language}, {'with' if script else 'without'} script)")
    for kind in PAGE_KINDS
    for language in LANGUAGES
    for script in (True, False)
    if kind.leads_to and (script or not kind.name.startswith("question"))
]
every_language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="module")
def live(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("pages")
    shutil.copy(sqlite_template, folder / "registry.db")
    values = {
        "DATABASE_URL": f"sqlite:///{folder}/registry.db",
        "SECURITY_KEY_FILE": str(folder / "secret.key"),
        "MAIL_FOLDER": str(folder / "outbox"),
        "WEB_PORT": str(free_port()),
    }
    with pytest.MonkeyPatch.context() as patched:
        for name, value in values.items():
            patched.setenv(f"REGISTRY_{name}", value)
        settings = load_settings(ROOT / "config.toml")
    database = Database(settings.database.url)
    with serving(settings, database, NOW) as running:
        yield running
    database.dispose()


@pytest.fixture(scope="module")
def cast(live: Live) -> Cast:
    return Cast(live.settings, live.database)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(SHARED) as running:
        yield running


@pytest.fixture(scope="module")
def windows(browser: Browser, live: Live) -> Windows:
    return Windows(browser, f"{live.url}/static/patient.css")


@dataclass
class Opener:
    """Opens pages in a browser of their own, and remembers what they asked for."""

    windows: Windows
    live: Live
    cast: Cast
    requests: list[Request] = field(default_factory=list)

    def __call__(self, name: str, language: str = "en", *, script: bool = True, width: int = 375) -> Page:
        """A page of a kind, reached as a patient would."""
        page = self.blank(language, script=script, width=width)
        reach(page, KINDS[name], language, url=self.live.url, cast=self.cast)
        return page

    def blank(self, language: str = "en", *, script: bool = True, width: int = 375) -> Page:
        """An empty page of a phone in this language."""
        page = self.windows.open(
            viewport=PHONE | {"width": width}, locale=LOCALES[language], has_touch=True, java_script_enabled=script
        )
        page.on("request", lambda request: self.requests.append(request))
        return page


@pytest.fixture
def opened(windows: Windows, live: Live, cast: Cast) -> Iterator[Opener]:
    yield Opener(windows, live, cast)
    windows.close()


def _complaints(page: Page) -> list[str]:
    return [
        *page_checks.axe_complaints(page),
        *page_checks.contrast_complaints(page),
        *page_checks.target_complaints(page),
        *page_checks.overflow_complaints(page),
        *page_checks.focus_complaints(page),
        *page_checks.motion_complaints(page),
    ]


# Every page


@pytest.mark.parametrize(("kind", "language"), EVERY_PAGE)
def test_page_is_readable_large_light_calm_and_reached_by_keyboard(
    opened: Opener, kind: PageKind, language: str
) -> None:
    page = opened(kind.name, language)

    assert page.locator("h1").count() == 1
    assert page.locator("html").get_attribute("lang") == language
    assert page.title().startswith({"en": "Error: ", "ja": "エラー："}[language]) == (kind.leads_to is not None)
    assert {urlsplit(each.url).netloc for each in opened.requests} == {urlsplit(opened.live.url).netloc}
    assert _bytes(page) <= HEAVIEST_BYTES
    assert _complaints(page) == []


def _bytes(page: Page) -> int:
    """The page with its style and scripts, unpacked."""
    addresses = page.evaluate(
        "[...document.querySelectorAll('link[rel=stylesheet], script[src]')].map((each) => each.href || each.src)"
    )
    parts = [page.request.get(address).body() for address in addresses]
    return sum(map(len, parts), len(page.content().encode()))


def _sources(opened: Opener, language: str) -> Iterator[tuple[PageKind, str]]:
    """Every page that is shown before anything is done on it, as it is sent."""
    page = opened.blank(language)
    for kind in PAGE_KINDS:
        if kind.act is None:
            door = arrive(page, kind, language, url=opened.live.url, cast=opened.cast)
            sent = page.request.get(opened.live.url + door.address + kind.path.format(language=language))
            yield kind, sent.text().replace(door.address, "")


@every_language
def test_no_two_pages_share_a_title(opened: Opener, language: str) -> None:
    pages_of: dict[str, set[str]] = {}
    for kind, source in _sources(opened, language):
        title = re.search("<title>(.+?)</title>", source, re.DOTALL)
        assert title is not None
        pages_of.setdefault(title[1], set()).add(kind.name.partition(",")[0])

    assert [pages for pages in pages_of.values() if len(pages) > 1] == []


@every_language
def test_help_is_the_same_on_every_page_of_a_form(opened: Opener, language: str) -> None:
    pages = [source for kind, source in _sources(opened, language) if kind.is_of_a_form]

    assert len({page.partition("<footer")[2] for page in pages}) == 1


@pytest.mark.parametrize("name", [kind.name for kind in PAGE_KINDS if kind.is_choosing])
def test_nothing_is_chosen_beforehand(opened: Opener, name: str) -> None:
    page = opened(name)

    assert page.locator("main :checked").count() == 0
    assert not re.search(r"\schecked\b|\sselected\b", page.content())


# Errors


@pytest.mark.parametrize(("kind", "language", "script"), ERRORS)
def test_error_summary_has_the_focus_and_leads_to_the_field(
    opened: Opener, kind: PageKind, language: str, script: bool
) -> None:
    page = opened(kind.name, language, script=script)
    summary = page.locator(".error-summary")
    link = summary.get_by_role("link")

    assert summary.evaluate("each => each === document.activeElement")
    assert page.locator(".field-error").inner_text() == link.inner_text()
    link.click()
    assert page.evaluate("document.activeElement.id || location.hash.slice(1)") == kind.leads_to


# The whole way


def _tab_to(page: Page, selector: str) -> None:
    for _ in range(50):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"Tab never reaches {selector}")


def _go_on(page: Page) -> None:
    before = page.url
    _tab_to(page, "main .primary")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: address != before)


def test_the_whole_way_is_gone_by_keyboard_alone(opened: Opener) -> None:
    door = opened.cast.doors["walking", "en"]
    page = opened.blank()
    page.goto(opened.live.url + door.entry)

    _go_on(page)
    _tab_to(page, "#consent")
    page.keyboard.press("Space")
    _go_on(page)
    for key in ("Home", "End", "PageUp", "ArrowRight", "End", "Home"):
        _tab_to(page, ".vas-range")
        page.keyboard.press(key)
        _go_on(page)
    _tab_to(page, "[value=low_back]")
    page.keyboard.press("Space")
    _go_on(page)
    _tab_to(page, "#respondent")
    page.keyboard.press("ArrowDown")
    _go_on(page)

    assert page.locator("h1").inner_text() == "Thank you. We have received your answers."


@pytest.mark.parametrize(
    ("name", "field"),
    [("consent", "[value=disagree]"), ("regions", "[value=buttocks]"), ("check", "[value=proxy]")],
)
def test_switching_the_language_keeps_the_place_and_what_was_chosen(opened: Opener, name: str, field: str) -> None:
    page = opened(name, "en")
    page.locator(field).check()
    before = page.url

    page.get_by_role("button", name="日本語").click()
    page.wait_for_selector("html[lang=ja]")

    assert (page.url, page.locator(field).is_checked()) == (before, True)
    assert page.evaluate("sessionStorage.length") == 0


def test_a_typed_year_is_kept_in_the_other_language(opened: Opener) -> None:
    page = opened("start, year of birth", "ja")
    page.locator("#birth_year").fill("昭和27")

    page.get_by_role("button", name="English").click()
    page.wait_for_selector("html[lang=en]")

    assert page.locator("#birth_year").input_value() == "昭和27"


# Consent


@every_language
def test_the_summary_of_the_study_fits_on_one_screen(opened: Opener, language: str) -> None:
    page = opened("consent", language)
    banner = page.locator(".demo").bounding_box()
    summary = page.locator(".summary").bounding_box()
    assert banner is not None
    assert summary is not None

    assert summary["y"] + summary["height"] - banner["height"] <= PHONE["height"]


@every_language
def test_both_choices_weigh_the_same(opened: Opener, language: str) -> None:
    weights = (
        opened("consent", language)
        .locator(".choice")
        .evaluate_all(
            "each => each.map((one) => { const s = getComputedStyle(one), box = one.getBoundingClientRect();"
            " return [box.width, box.height, s.color, s.backgroundColor, s.border, s.fontSize, s.fontWeight].join(); })"
        )
    )

    assert len(weights) == 2
    assert weights[0] == weights[1]


# Where it hurts


def _touch(page: Page, view: int, region: str, *, times: int = 1) -> None:
    part = page.locator(".body-view").nth(view).locator(f"[data-region={region}] path").first
    for _ in range(times):
        part.tap()


def _ticked(page: Page) -> list[str | None]:
    return [each.get_attribute("value") for each in page.locator("[name=region]:checked").all()]


def _lit(page: Page) -> list[str]:
    return sorted({each.get_attribute("data-region") or "" for each in page.locator(".is-ticked").all()})


def test_touching_the_figure_ticks_the_box_and_touching_again_unticks_it(opened: Opener) -> None:
    page = opened("regions")

    _touch(page, 0, "chest_back")
    once = (_ticked(page), _lit(page), page.locator("[data-body-ticked]").inner_text())
    _touch(page, 1, "chest_back")

    assert once == (["chest_back"], ["chest_back"], "Chest or upper back")
    assert (_ticked(page), _lit(page)) == ([], [])


def test_the_figure_shows_what_is_ticked_in_the_list(opened: Opener) -> None:
    page = opened("regions")

    page.get_by_label("Left foot").check()

    assert _lit(page) == ["foot_left"]


def test_the_figure_shows_what_was_saved(opened: Opener) -> None:
    page = opened("check")
    page.get_by_role("link", name="Change Where it hurts").click()
    page.wait_for_url("**/regions?back=check")

    assert _lit(page) == ["foot_left", "leg_left", "low_back"]


@pytest.mark.parametrize(("view", "sides", "region"), [(0, "Right Left", "leg_right"), (1, "Left Right", "leg_left")])
def test_left_and_right_are_the_patients_own(opened: Opener, view: int, sides: str, region: str) -> None:
    page = opened("regions")
    shown = page.locator(".body-view").nth(view)
    box = shown.locator("svg").bounding_box()
    assert box is not None

    page.touchscreen.tap(box["x"] + 0.4 * box["width"], box["y"] + 0.72 * box["height"])

    assert shown.locator(".body-sides").inner_text().split() == sides.split()
    assert _ticked(page) == [region]


def test_nowhere_and_a_place_rule_each_other_out(opened: Opener) -> None:
    page = opened("regions, ticked")

    page.get_by_label("Nowhere").check()
    after_nowhere = _ticked(page)
    _touch(page, 1, "low_back")

    assert (after_nowhere, _ticked(page)) == (["nowhere"], ["low_back"])


def test_the_figure_is_a_picture_for_the_eye_alone(opened: Opener) -> None:
    figure = opened("regions").locator("[data-body]")

    assert figure.get_attribute("aria-hidden") == "true"
    assert figure.locator("a, button, input, [tabindex]").count() == 0


def test_without_a_script_there_is_no_figure_and_every_place_can_be_ticked(opened: Opener) -> None:
    page = opened("regions", script=False)

    assert page.locator("[data-body]").is_hidden()
    assert page.get_by_role("checkbox").count() == 15


@pytest.mark.parametrize("region", ["hand_right", "foot_left", "head_neck", "low_back"])
def test_small_places_of_the_figure_can_be_met_by_a_finger(opened: Opener, region: str) -> None:
    part = opened("regions").locator(f".body-view [data-region={region}]").last.bounding_box()
    assert part is not None

    assert min(part["width"], part["height"]) >= 24


# System colours, paper


@pytest.mark.parametrize(
    ("name", "change", "part"),
    [
        ("regions", "[value=low_back]", ".body-figure"),
        ("consent", "[value=agree]", ".choices"),
        ("question", "[name=skip_low_back]", ".vas"),
    ],
)
def test_a_choice_is_seen_in_forced_colours(opened: Opener, name: str, change: str, part: str) -> None:
    page = opened(name)
    page.emulate_media(forced_colors="active")
    before = page.locator(part).screenshot()

    page.locator(change).check()
    page.evaluate("document.activeElement.blur()")

    assert page.locator(part).screenshot() != before


def test_line_and_mark_are_seen_in_forced_colours(opened: Opener) -> None:
    page = opened("question, marked")
    page.emulate_media(forced_colors="active")
    colours = page.locator(".vas").evaluate(
        "each => [getComputedStyle(each.querySelector('.vas-line')).borderTopColor,"
        " getComputedStyle(each.querySelector('.vas-marker'), '::after').backgroundColor,"
        " getComputedStyle(document.body).backgroundColor]"
    )

    assert len(set(colours)) == 3


@pytest.mark.parametrize(("name", "most_pages"), [("receipt", 1), ("consent, full text", 2)])
@every_language
def test_printed_page_is_short_and_shows_nothing_to_press(
    opened: Opener, name: str, most_pages: int, language: str
) -> None:
    page = opened(name, language)
    printed = page.pdf(prefer_css_page_size=True)
    page.emulate_media(media="print")

    assert page.locator("button:visible, main a:visible, nav:visible, .routes:visible").count() == 0
    assert page.get_by_text("06-0000-0000").first.is_visible()
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= most_pages


# Mails


def _mail(kind: MailKind, language: str) -> str:
    settings = load_settings(ROOT / "config.toml")
    family, given = ("見本", "花子") if language == "ja" else ("Mihon", "Hanako")
    letter = Letter(
        kind=kind,
        addressee=Addressee("hanako@example.org", family, given, Sex.FEMALE, language),
        site=settings.sites[0],
        form_url="https://followup.example-hospital.jp/s/0123456789abcdefghjkmnpqrs",
        stop_url="https://followup.example-hospital.jp/m/9876543210abcdefghjkmnpqrs",
        closes_on=date(2027, 1, 4),
        n_items=6,
        first_written_on=None if kind is MailKind.INVITATION else date(2026, 11, 20),
        is_demo=False,
    )
    message: EmailMessage = follow_up_reminder(letter, settings=settings.mail, message_id="<a@example.org>", now=NOW)
    body = message.get_body(("html",))
    assert body is not None
    return str(body.get_content())


@pytest.mark.parametrize("kind", list(MailKind))
@every_language
def test_mail_is_readable_and_its_button_is_large(opened: Opener, kind: MailKind, language: str) -> None:
    page = opened.blank(language)
    page.set_content(_mail(kind, language))
    button = page.get_by_role("link", name={"en": "Answer now", "ja": "回答する"}[language]).bounding_box()
    assert button is not None

    assert button["height"] >= page_checks.PRIMARY_PX
    assert [
        *page_checks.axe_complaints(page, is_letter=True),
        *page_checks.contrast_complaints(page),
        *page_checks.overflow_complaints(page),
    ] == []


# The checks themselves: each goes red

SPOILT: dict[str, tuple[str, Callable[[Page], list[str]]]] = {
    "grey text": ("each.textContent = 'pale'; each.style.color = '#999'", page_checks.contrast_complaints),
    "pale border": (
        "each.append(Object.assign(document.createElement('button'), {textContent: 'x'}));"
        " each.firstChild.style.border = '1px solid #ccc'; each.firstChild.style.background = 'none'",
        page_checks.contrast_complaints,
    ),
    "small button": (
        "each.append(Object.assign(document.createElement('button'), {textContent: 'Send this'}));"
        " each.firstChild.style.height = '30px'",
        page_checks.target_complaints,
    ),
    "crowded rows": (
        "document.querySelectorAll('.choice').forEach((one) => (one.style.margin = '0'))",
        page_checks.target_complaints,
    ),
    "unlabelled field": ("each.append(document.createElement('input'))", page_checks.axe_complaints),
    "wide box": ("each.style.width = '400px'; each.textContent = 'wide'", page_checks.overflow_complaints),
    "no focus ring": (
        "document.querySelector('.primary').style.outline = 'none'",
        page_checks.focus_complaints,
    ),
    "unreachable button": (
        "document.querySelector('.primary').tabIndex = -1",
        page_checks.focus_complaints,
    ),
    "moving part": ("each.style.transition = 'opacity 1s'", page_checks.motion_complaints),
    "cut phrase": (
        "document.querySelector('h1').textContent = '研究へのご協力についてのくわしいご説明とお願いでございます'",
        page_checks.phrase_complaints,
    ),
}


@pytest.mark.parametrize(("spoil", "check"), SPOILT.values(), ids=SPOILT)
def test_check_reports_a_spoilt_page(opened: Opener, spoil: str, check: Callable[[Page], list[str]]) -> None:
    page = opened("consent", "ja")
    before = check(page)

    page.evaluate(f"""() => {{
      const each = document.createElement("div");
      document.querySelector("main").append(each);
      {spoil};
    }}""")

    assert before == []
    assert check(page) != []


# The windows: each is as new


def test_a_window_knows_nothing_of_the_one_before(opened: Opener) -> None:
    _leave_traces(opened("start"), opened.live.url)
    opened.windows.close()

    assert _traces(opened.blank(), opened.live.url) == UNTOUCHED


def test_two_windows_know_nothing_of_each_other(opened: Opener) -> None:
    _leave_traces(opened("start"), opened.live.url)

    assert _traces(opened.blank(), opened.live.url) == UNTOUCHED


def test_the_traces_that_a_page_leaves_are_seen(opened: Opener) -> None:
    page = opened("start")
    _leave_traces(page, opened.live.url)

    found = _traces(page, opened.live.url)

    assert [name for name, value in UNTOUCHED.items() if found[name] == value] == []


UNTOUCHED = {
    "cookies": 0,
    "stored": 0,
    "kept": 0,
    "cached": False,
    "pages": 1,
    "calm": False,
    "text": "16px",
    "width": 375,
}


def _leave_traces(page: Page, url: str) -> None:
    """Everything that one test could hand on to another."""
    page.goto(f"{url}/static/patient.css?traces")
    page.evaluate("localStorage.setItem('a', '1'); sessionStorage.setItem('a', '1'); document.cookie = 'a=1'")
    page.emulate_media(reduced_motion="reduce")
    page.set_viewport_size({"width": 320, "height": 568})
    sizes = {"fontSizes": {"standard": 32}}
    page.context.new_cdp_session(page).send("Page.setFontSizes", sizes)
    page.context.new_page()


def _traces(page: Page, url: str) -> dict[str, object]:
    cookies, pages = page.context.cookies(), page.context.pages
    page.goto(f"{url}/static/patient.css?traces")
    return {
        "cookies": len(cookies),
        "stored": page.evaluate("localStorage.length"),
        "kept": page.evaluate("sessionStorage.length"),
        "cached": page.evaluate("(each => each.transferSize < each.encodedBodySize)(performance.getEntries()[0])"),
        # The page that keeps the process alive is no test's.
        "pages": len(pages) - 1,
        "calm": page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches"),
        "text": page.evaluate("getComputedStyle(document.documentElement).fontSize"),
        "width": page.evaluate("innerWidth"),
    }
