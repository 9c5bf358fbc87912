"""Machines that meet the links in mails: scanners, previews and crawlers, each a function of one visit."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.scanners.cast import Cast, Door, PageKind, Rows

_MOST_STEPS = 24
_AGENTS = ("BitScanner/4", "Mozilla/5.0 (compatible; LinkGuard)", "curl/8.9", "")

Pairs = list[tuple[str, str]]


@dataclass
class FoundForm:
    """A form as a machine reads it from a page."""

    action: str
    standing: Pairs = field(default_factory=list)
    """What a browser would send of it as it stands."""
    named: set[str] = field(default_factory=set)
    hidden: Pairs = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)
    boxes: dict[str, list[str]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    buttons: Pairs = field(default_factory=list)


class ReadPage(HTMLParser):
    """The links and forms of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[FoundForm] = []
        self._is_inside = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a link, a form or one of its fields."""
        found = {name: value or "" for name, value in attrs}
        if tag == "a" and found.get("href", "#")[0] == "/":
            self.links.append(found["href"])
        elif tag == "form":
            self.forms.append(FoundForm(found.get("action", "")))
            self._is_inside = True
        elif self._is_inside and tag == "button" and found.get("type", "submit") == "submit":
            self.forms[-1].buttons.append((found.get("name", ""), found.get("value", "")))
        elif self._is_inside and tag == "input" and found.get("name"):
            self._field(self.forms[-1], found)

    def handle_endtag(self, tag: str) -> None:
        """Leave a form."""
        self._is_inside = self._is_inside and tag != "form"

    @staticmethod
    def _field(form: FoundForm, found: dict[str, str]) -> None:
        kind, name, value = found.get("type", "text"), found["name"], found.get("value", "")
        form.named.add(name)
        if kind == "hidden":
            form.hidden.append((name, value))
        if kind in ("radio", "checkbox"):
            (form.choices if kind == "radio" else form.boxes).setdefault(name, []).append(value)
        elif kind != "hidden":
            form.texts.append(name)
        if kind not in ("radio", "checkbox") or "checked" in found:
            form.standing.append((name, value))


class Visit:
    """One machine at one page; it counts what it asked for."""

    def __init__(self, app: Flask, door: Door, kind: PageKind, chance: random.Random) -> None:
        self.app, self.door, self.kind, self.chance = app, door, kind, chance
        self.n_requests = 0
        self.page = door.link if kind.path is None else door.address + kind.path

    def browser(self, *, keeps_cookies: bool = True) -> FlaskClient:
        """A browser of its own."""
        return self.app.test_client(use_cookies=keeps_cookies)

    def ask(self, client: FlaskClient, method: str, address: str, data: Pairs | None = None) -> TestResponse:
        """One request, and where it leads."""
        self.n_requests += 1
        fields: dict[str, list[str]] = {}
        for name, value in data or ():
            fields.setdefault(name, []).append(value)
        return client.open(address, method=method, data=fields or None, follow_redirects=True)

    def reach(self, client: FlaskClient) -> TestResponse:
        """The page, by way of the link."""
        if self.kind.path is not None:
            self.ask(client, "GET", self.door.link)
        return self.ask(client, "GET", self.page)

    def forms(self, response: TestResponse) -> list[FoundForm]:
        """The forms of a page, with their whole addresses."""
        found = read(response).forms
        for form in found:
            form.action = urljoin(response.request.path, form.action)
        return found


def read(response: TestResponse) -> ReadPage:
    """A page as a machine reads it."""
    return ReadPage(response.get_data(as_text=True) if response.mimetype == "text/html" else "")


def head(visit: Visit) -> None:
    """Ask for the head alone."""
    client = visit.browser()
    visit.ask(client, "HEAD", visit.door.link)
    visit.ask(client, "HEAD", visit.page)


def get(visit: Visit) -> None:
    """Open the page."""
    assert visit.reach(visit.browser()).status_code == visit.kind.status


def get_fifty_times_at_once(visit: Visit) -> None:
    """Open the page by many hands at the same moment, with the cookies of one."""
    header = {"Cookie": visit.reach(visit.browser()).request.headers.get("Cookie", "")}

    def open_page(_: int) -> int:
        return visit.browser(keeps_cookies=False).get(visit.page, headers=header).status_code

    with ThreadPoolExecutor(visit.chance.choice((4, 8, 16))) as pool:
        visit.n_requests += 50
        assert max(pool.map(open_page, range(50))) < 500


def get_without_cookies(visit: Visit) -> None:
    """Open the link and the page with a browser that keeps nothing."""
    for address in (visit.door.link, visit.page):
        visit.ask(visit.browser(keeps_cookies=False), "GET", address)


def submit_first_form(visit: Visit) -> None:
    """Submit the first form of the page as it stands, and the first of what comes then."""
    client = visit.browser()
    response = visit.reach(client)
    for _ in range(3):
        forms = visit.forms(response)
        if not forms:
            return
        response = visit.ask(client, "POST", forms[0].action, forms[0].standing + forms[0].buttons[:1])


def submit_every_form_empty(visit: Visit) -> None:
    """Submit each form with its hidden fields alone, with every field blank, and with no field at all."""
    client = visit.browser()
    for form in visit.forms(visit.reach(client)):
        blank = [(name, "") for name in sorted(form.named - {name for name, _ in form.hidden})]
        for data in (form.hidden, form.hidden + blank, blank, []):
            visit.ask(client, "POST", form.action, data)


def click_every_button(visit: Visit) -> None:
    """Press each button of the page, and those of the pages that come then."""
    client = visit.browser()
    waiting, seen = [visit.reach(client)], set()
    while waiting and len(seen) < _MOST_STEPS:
        forms = visit.forms(waiting.pop(0))
        presses = [(form, button) for form in forms for button in form.buttons]
        for form, button in visit.chance.sample(presses, len(presses)):
            if (form.action, button) not in seen:
                seen.add((form.action, button))
                data = form.standing + [button] * bool(button[0])
                waiting.append(visit.ask(client, "POST", form.action, data))


def follow_all_links(visit: Visit) -> None:
    """Follow each link, and those of the pages that come then."""
    client = visit.browser()
    waiting, seen = [*read(visit.reach(client)).links], set()
    while waiting and len(seen) < _MOST_STEPS:
        link = waiting.pop(visit.chance.randrange(len(waiting)))
        if link not in seen:
            seen.add(link)
            waiting += read(visit.ask(client, "GET", link)).links


def _seen_posts(visit: Visit) -> Iterator[tuple[str, Pairs]]:
    """What somebody on the line may have seen: what the patient sent, the page's own forms, and the bare address."""
    yield from ((address, list(data.items())) for address, data in visit.door.sent)
    for form in visit.forms(visit.reach(visit.browser())):
        yield form.action, form.standing
    yield visit.page, []
    yield visit.door.link, []


def replay_without_cookie(visit: Visit) -> None:
    """Send again what was sent, from elsewhere."""
    for address, data in list(_seen_posts(visit)):
        visit.ask(visit.browser(keeps_cookies=False), "POST", address, data)


def replay_with_another_agent(visit: Visit) -> None:
    """Send again what was sent, by another program."""
    client = visit.browser()
    visit.reach(client)
    client.environ_base["HTTP_USER_AGENT"] = visit.chance.choice(_AGENTS)
    for address, data in list(_seen_posts(visit)):
        visit.ask(client, "POST", address, data)


def change_case(visit: Visit) -> None:
    """Open the addresses in small and in capital letters."""
    _open_changed(visit, str.lower, str.upper, str.swapcase)


def add_punctuation(visit: Visit) -> None:
    """Open the addresses with what stood after them in a sentence."""
    _open_changed(visit, *(lambda text, sign=sign: text + sign for sign in (".", ")", ">", "%3E", ",", "&gt;", "%00")))


def encode_twice(visit: Visit) -> None:
    """Open the addresses encoded once and twice."""

    def encoded(text: str) -> str:
        return "/" + "/".join("".join(f"%{ord(sign):02X}" for sign in part) for part in text[1:].split("/"))

    _open_changed(visit, encoded, lambda text: encoded(text).replace("%", "%25"))


def _open_changed(visit: Visit, *changes: Callable[[str], str]) -> None:
    client = visit.browser()
    visit.reach(client)
    for change in changes:
        for address in (visit.door.link, visit.page):
            assert visit.ask(client, "GET", change(urlsplit(address).path)).status_code < 500


BEHAVIOURS: tuple[Callable[[Visit], None], ...] = (
    head,
    get,
    get_fifty_times_at_once,
    get_without_cookies,
    submit_first_form,
    submit_every_form_empty,
    click_every_button,
    follow_all_links,
    replay_without_cookie,
    replay_with_another_agent,
    change_case,
    add_punctuation,
    encode_twice,
)


def fill_and_send(visit: Visit, *, begins_with_regions: bool = False) -> TestResponse:
    """Fill every page with random valid answers, choices too, and send it all: a machine that passes for a patient."""
    client = visit.browser()
    response = visit.reach(client)
    if begins_with_regions:
        _fill(visit, client, visit.ask(client, "GET", f"{visit.door.address}/regions"))
    for _ in range(_MOST_STEPS):
        if response.request.path.endswith("/done"):
            break
        response = _fill(visit, client, response)
    return response


def _fill(visit: Visit, client: FlaskClient, response: TestResponse) -> TestResponse:
    chance, form = visit.chance, visit.forms(response)[-1]
    data = form.hidden + [(name, str(chance.randrange(101))) for name in form.texts]
    data += [(name, "agree" if "agree" in values else chance.choice(values)) for name, values in form.choices.items()]
    for name, values in form.boxes.items():
        data += [(name, value) for value in values if chance.random() < 0.2]
    return visit.ask(client, "POST", form.action, data)


def harm(before: Rows, after: Rows, kind: PageKind) -> list[str]:
    """What changed between two readings of every table; one mail with a fresh link may have been asked for."""
    found = []
    for name, rows in after.items():
        new, gone = [row for row in rows if row not in before[name]], [row for row in before[name] if row not in rows]
        is_asked = kind.may_ask_for_link and name in ("reminder", "audit_event") and len(new) == 1
        if gone or (new and not (is_asked and "fresh_link" in str(new[0]))):
            found.append(f"{kind.name}: {name}: {len(new)} new, {len(gone)} gone: {[*new, *gone][:2]}")
    return found


def harm_done(
    app: Flask, cast: Cast, behaviour: Callable[[Visit], None], kinds: list[PageKind], seed: int
) -> list[str]:
    """Let a machine visit pages in an order of chance; what it changed anywhere."""
    chance = random.Random(seed)
    found, before = [], cast.rows()
    for kind in chance.sample(kinds, len(kinds)):
        visit = Visit(app, cast.doors[kind.door], kind, chance)
        behaviour(visit)
        assert visit.n_requests
        after = cast.rows()
        found += harm(before, after, kind)
        before = after
    return found
