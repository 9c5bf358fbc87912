"""Machines with a real browser that runs the pages' scripts: opening, submitting and pressing change nothing."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.live import chromium
from tests.scanners.cast import PAGE_KINDS, Cast, PageKind
from tests.scanners.zoo import harm

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MORE_SEEDS = [pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 8)]

# One of each template; what differs by its rows alone is visited without a browser.
NAMES = {
    "link, fresh",
    "link, closed",
    "link, consent to be asked",
    "link, preferences",
    "question 1",
    "question 4",
    "regions",
    "check",
    "phone",
}
KINDS = [kind for kind in PAGE_KINDS if kind.name in NAMES]
Stage = tuple[str, Cast, Flask]


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def stage(played: tuple[Flask, Cast]) -> Iterator[Stage]:
    app, cast = played
    with _served(app) as url:
        yield url, cast, app


@contextmanager
def _served(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


class Window:
    """A browser window at one page, reached by the link."""

    def __init__(self, context: BrowserContext, url: str, link: str, path: str | None, chance: random.Random) -> None:
        self.page: Page = context.new_page()
        self.chance, self._url, self._link, self._path = chance, url, link, path
        self.page.on("dialog", lambda dialog: dialog.accept())

    def reach(self) -> Page:
        """The page, loaded anew."""
        self.page.goto(self._url + self._link)
        if self._path is not None:
            self.page.goto(self._url + self._path)
        return self.page

    def run(self, script: str) -> None:
        """A script that leads to another page."""
        with self.page.expect_navigation():
            self.page.evaluate(script)

    def way_to_submit(self) -> str:
        """As a button would, or past the page's scripts."""
        return self.chance.choice(("requestSubmit", "submit"))

    def n_of(self, selector: str) -> int:
        """How many there are on the page."""
        return self.page.locator(selector).count()


def open_with_scripts(window: Window) -> None:
    """Let the page's scripts run, and look at all of it."""
    page = window.reach()
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.mouse.move(200, 200)
    page.wait_for_timeout(50)


def submit_first_form(window: Window) -> None:
    """Submit the first form, as its button would and past its scripts."""
    window.reach()
    if window.n_of("form"):
        window.run(f"document.forms[0].{window.way_to_submit()}()")


def submit_every_form_empty(window: Window) -> None:
    """Empty each form and submit it, as its button would and past its scripts."""
    window.reach()
    for number in range(window.n_of("form")):
        window.reach().evaluate(
            """number => { for (const each of document.forms[number].elements) {
                if (["radio", "checkbox"].includes(each.type)) each.checked = false;
                else if (each.type !== "hidden") each.value = "";
            } }""",
            number,
        )
        window.run(f"document.forms[{number}].{window.way_to_submit()}()")


def click_every_button(window: Window) -> None:
    """Press, for each button that sends, all the others first in an order of chance, whether they show or not."""
    window.reach()
    kinds = window.page.evaluate("[...document.querySelectorAll('button')].map(each => each.type)")
    harmless = [number for number, kind in enumerate(kinds) if kind != "submit"]
    for number in [number for number, kind in enumerate(kinds) if kind == "submit"]:
        window.reach()
        for other in window.chance.sample(harmless, len(harmless)):
            window.page.evaluate(f"document.querySelectorAll('button')[{other}].click()")
        window.run(f"document.querySelectorAll('button')[{number}].click()")


def follow_all_links(window: Window) -> None:
    """Press each link of the page."""
    page = window.reach()
    addresses = page.evaluate("[...document.links].map(each => each.href).filter(each => each.startsWith('http'))")
    for address in addresses:
        if not address.endswith((".pdf", ".ics")):
            page.goto(address)


BEHAVIOURS = (open_with_scripts, submit_first_form, submit_every_form_empty, click_every_button, follow_all_links)


def harm_done(stage: Stage, browser: Browser, behaviour: Callable[[Window], None], seed: int) -> list[str]:
    """What a machine changed anywhere by visiting each kind of page."""
    url, cast, _ = stage
    chance = random.Random(seed)
    found, before = [], cast.rows()
    for kind in chance.sample(KINDS, len(KINDS)):
        door = cast.doors[kind.door]
        context = browser.new_context()
        behaviour(Window(context, url, door.link, _path(door.address, kind), chance))
        context.close()
        after = cast.rows()
        found += harm(before, after, kind)
        before = after
    return found


def _path(address: str, kind: PageKind) -> str | None:
    return None if kind.path is None else address + kind.path


@on_sqlite
@pytest.mark.parametrize("seed", [1, *MORE_SEEDS])
@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda each: each.__name__)
def test_a_machine_with_a_browser_changes_nothing(
    stage: Stage, browser: Browser, behaviour: Callable[[Window], None], seed: int
) -> None:
    assert harm_done(stage, browser, behaviour, seed) == []


@pytest.mark.long
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda each: each.__name__)
def test_a_machine_with_a_browser_changes_nothing_on_postgresql(
    stage: Stage, browser: Browser, behaviour: Callable[[Window], None]
) -> None:
    assert harm_done(stage, browser, behaviour, seed=1) == []
