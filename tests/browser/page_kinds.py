"""Every kind of page that a patient can meet, each error state included, and how to reach it: kept in one place."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from unittest.mock import patch

from flask import Flask
from playwright.sync_api import Page
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError

from registry.config import Settings
from registry.domain.actors import command
from registry.languages import LANGUAGES
from registry.security.keys import load_keys
from registry.services.links import Issuing, form_link, preferences_link
from registry.storage.database import Database
from registry.web.app import create_app
from tests.factories import make_operation, make_patient, words_read
from tests.live import SetClock

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
TODAY = date(2026, 11, 20)
OPERATED_ON = date(2026, 8, 19)
# Three months after it the form has closed.
OPERATED_LONG_AGO_ON = date(2026, 5, 1)
ITEMS = ("low_back", "leg_pain", "leg_numb", "neck", "arm_pain", "arm_numb")
SCORES = ("0", "47", "100", None, "12", "88")


@dataclass(frozen=True)
class Door:
    """A patient's way in: the address in the mail, the address behind it, and the cookies that only staff hand out."""

    entry: str
    address: str
    cookies: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PageKind:
    """A page: whose door leads to it, what follows the door's address, and what is done there."""

    name: str
    door: str
    path: str = ""
    status: int = 200
    act: Callable[[Page], None] | None = None
    is_of_a_form: bool = True
    is_choosing: bool = False
    # What the error summary leads to.
    leads_to: str | None = None


def _press(page: Page) -> None:
    page.locator("main button.primary").click()


def _type_a_wrong_year(page: Page) -> None:
    page.locator("#birth_year").fill("1901")
    _press(page)


def _leave_with_a_wrong_year(page: Page) -> None:
    page.locator("#sure").check()
    _type_a_wrong_year(page)


def _type_a_wrong_number(page: Page) -> None:
    page.locator("[data-part=toggle]").click()
    page.locator("[data-part=field]").fill("101")
    _press(page)


def _send_too_much(page: Page) -> None:
    page.evaluate("document.querySelector('main input[name=key]').value = 'x'.repeat(70000)")
    _press(page)


@contextmanager
def _no_connection_free(page: Page) -> Iterator[None]:
    """The server, which runs in a thread of this process, finds its database out of reach."""
    away = TimeoutError("no connection becomes free")
    doors = [patch.object(Database, name, side_effect=away) for name in ("look", "row_transaction")]
    with doors[0], doors[1], page.expect_navigation():
        yield


def _find_it_busy(page: Page) -> None:
    with _no_connection_free(page):
        page.evaluate("location.reload()")


def _answer_while_it_is_busy(page: Page) -> None:
    page.locator(".vas-strip").click()
    with _no_connection_free(page):
        _press(page)


def _mark(page: Page) -> None:
    page.locator(".vas-strip").click()


def _send_after_the_sitting(page: Page) -> None:
    page.context.clear_cookies()
    _press(page)


def _send_and_mistake_the_year(page: Page) -> None:
    _send_after_the_sitting(page)
    _type_a_wrong_year(page)


def _send_and_go_on(page: Page) -> None:
    _send_after_the_sitting(page)
    page.locator("#birth_year").fill("1952")
    _press(page)


def _tick(page: Page) -> None:
    for region in ("low_back", "leg_left", "shoulder_right"):
        page.locator(f"input[value={region}]").check()


PAGE_KINDS = (
    PageKind("start", "new"),
    PageKind("start, resumed", "begun"),
    PageKind("start, year of birth", "shared", is_of_a_form=False),
    PageKind("start, no year", "shared", act=_press, is_of_a_form=False, leads_to="birth_year"),
    PageKind("start, wrong year", "shared", act=_type_a_wrong_year, leads_to="birth_year"),
    PageKind("consent", "new", "/consent", is_choosing=True),
    PageKind("consent, nothing chosen", "new", "/consent", act=_press, is_choosing=True, leads_to="consent"),
    PageKind("consent, full text", "new", "/consent/text"),
    PageKind("consent refused", "refused", "/consent/refused", is_of_a_form=False),
    PageKind("question", "agreed", "/q/1"),
    PageKind("question, answered", "begun", "/q/2"),
    PageKind("question, marked", "agreed", "/q/3", act=_mark),
    PageKind("question, nothing marked", "agreed", "/q/1", act=_press, leads_to="line_low_back"),
    PageKind("question, no number", "agreed", "/q/1", act=_type_a_wrong_number, leads_to="vas_low_back"),
    PageKind("regions", "agreed", "/regions"),
    PageKind("regions, ticked", "agreed", "/regions", act=_tick),
    PageKind("check", "answered", "/check", is_choosing=True),
    PageKind("check, nobody chosen", "answered", "/check", act=_press, is_choosing=True, leads_to="respondent"),
    PageKind("check, sent", "sent", "/check"),
    PageKind("receipt", "sent", "/done"),
    PageKind("receipt, last time", "last", "/done"),
    PageKind("receipt, tablet", "tablet", "/done", is_of_a_form=False),
    PageKind("handed back", "tablet", "/handed-back?language={language}", is_of_a_form=False),
    PageKind("left tablet", "left_tablet", "/q/2", act=_send_after_the_sitting, is_of_a_form=False),
    PageKind(
        "left tablet, wrong year",
        "left_tablet",
        "/q/2",
        act=_send_and_mistake_the_year,
        is_of_a_form=False,
        leads_to="birth_year",
    ),
    PageKind("left tablet, gone on", "left_tablet", "/q/2", act=_send_and_go_on, is_of_a_form=False),
    PageKind("phone", "new", "/phone", is_choosing=True),
    PageKind("phone, no time chosen", "new", "/phone", act=_press, is_choosing=True, leads_to="call_time"),
    PageKind("phone, no number known", "no_phone", "/phone"),
    PageKind("phone asked", "agreed", "/phone/asked"),
    PageKind("closed", "closed", status=410, is_of_a_form=False),
    PageKind("renewed", "closed", "/renewed", is_of_a_form=False),
    PageKind("not open yet", "early", status=409),
    PageKind("preferences", "preferences", is_of_a_form=False, is_choosing=True),
    PageKind(
        "preferences, nothing chosen",
        "preferences",
        act=_press,
        is_of_a_form=False,
        is_choosing=True,
        leads_to="choice",
    ),
    PageKind("leave", "preferences", "/leave?answers=leave", is_of_a_form=False, is_choosing=True),
    PageKind("leave, delete too", "preferences", "/leave?answers=delete", is_of_a_form=False, is_choosing=True),
    PageKind(
        "leave, not ticked",
        "preferences",
        "/leave?answers=leave",
        act=_press,
        is_of_a_form=False,
        is_choosing=True,
        leads_to="sure",
    ),
    PageKind("leave, year of birth", "family", "/leave?answers=leave", is_of_a_form=False, is_choosing=True),
    PageKind(
        "leave, wrong year",
        "family",
        "/leave?answers=leave",
        act=_leave_with_a_wrong_year,
        is_of_a_form=False,
        leads_to="birth_year",
    ),
    PageKind("left", "left", "/result", is_of_a_form=False),
    PageKind("left, answers deleted", "deleted", "/result", is_of_a_form=False),
    PageKind("e-mails stopped", "stopped", "/result", is_of_a_form=False),
    PageKind("busy", "agreed", "/q/1", act=_find_it_busy),
    PageKind("not saved yet", "agreed", "/q/1", act=_answer_while_it_is_busy),
    PageKind("unknown", "nowhere", status=404, is_of_a_form=False),
    PageKind("problem", "new", act=_send_too_much, is_of_a_form=False),
)


class Cast:
    """The patients behind the doors, one of each language; each has got as far as their pages need."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._keys = load_keys(settings.security.key_file)
        self.doors = {(name, language): door for language in LANGUAGES for name, door in self._doors(language)}

    def _doors(self, language: str) -> Iterator[tuple[str, Door]]:
        with _client_of(self._settings) as app:
            self._app = app
            yield "new", self._form(language, has_consented=False)
            yield "walking", self._form(language, has_consented=False)
            yield "shared", self._shared(language)
            for name, n_answers in (("agreed", 0), ("begun", 3), ("answered", 6)):
                yield name, self._answered(language, n_answers)
            yield "sent", self._sent(language)
            yield "last", self._sent(language, timepoint="M24", operated_on=date(2024, 11, 20))
            yield "tablet", self._tablet(self._sent(language), language)
            yield "left_tablet", self._tablet(self._answered(language, 3), language)
            yield "refused", self._refused(language)
            yield "no_phone", self._form(language, phone="")
            yield "closed", self._form(language, operated_on=OPERATED_LONG_AGO_ON)
            yield "early", self._form(language, timepoint="M12")
            yield from self._preferences(language)
            yield "nowhere", Door("/s/0", f"/s/{'0' * 26}")

    def _form(
        self,
        language: str,
        *,
        timepoint: str = "M3",
        operated_on: date = OPERATED_ON,
        **person: Any,
    ) -> Door:
        with self._database.transaction() as session:
            enrolled_on = date(2024, 10, 1)
            patient = make_patient(session, now=NOW, language=language, enrolled_on=enrolled_on, **person)
            operation = make_operation(session, patient, self._settings, now=NOW, today=TODAY, operated_on=operated_on)
            statement = text("SELECT id FROM follow_up WHERE operation_id = :id AND timepoint = :timepoint")
            follow_up_id = session.execute(statement, {"id": operation.id, "timepoint": timepoint}).scalar_one()
            issuing = Issuing(session, self._keys, command("test"), NOW)
            link = form_link(issuing, patient_id=patient.id or 0, follow_up_id=follow_up_id)
        return Door(f"/s/{link.token}", f"/form/{link.public_id}")

    def _shared(self, language: str) -> Door:
        address = f"family-{language}@example.org"
        self._form(language, email=address)
        return self._form(language, email=address)

    def _answered(self, language: str, n_answers: int, **form: Any) -> Door:
        door = self._form(language, **form)
        send = self._sender(door)
        for number, (item, score) in enumerate(zip(ITEMS[:n_answers], SCORES, strict=False), start=1):
            send(f"/q/{number}", {f"vas_{item}": score} if score else {f"skip_{item}": "yes"})
        if n_answers == len(ITEMS):
            send("/regions", {"region": ["low_back", "leg_left", "foot_left"]})
        return door

    def _sent(self, language: str, **form: Any) -> Door:
        door = self._answered(language, len(ITEMS), **form)
        self._sender(door)("/check", {"respondent": "self"})
        return door

    def _tablet(self, door: Door, language: str) -> Door:
        public_id = door.address.rpartition("/")[2]
        with self._database.transaction() as session:
            session.execute(text("UPDATE access_link SET purpose = 'tablet' WHERE public_id = :id"), {"id": public_id})
        ends = int(NOW.timestamp()) + 3600
        signed = self._keys.signer("form cookie").dumps([public_id, language, False, ends])
        return Door(door.address, door.address, {f"form-{public_id}": signed})

    def _refused(self, language: str) -> Door:
        door = self._form(language, has_consented=False)
        self._sender(door)("/consent", {"consent": "disagree", "words": words_read(self._settings)})
        return door

    def _preferences(self, language: str) -> Iterator[tuple[str, Door]]:
        doors = (("preferences", None), ("family", None), ("stopped", "stop"), ("left", "leave"), ("deleted", "delete"))
        for name, chosen in doors:
            person = {"email": f"family-{language}@example.org"} if name == "family" else {}
            with self._database.transaction() as session:
                patient = make_patient(session, now=NOW, language=language, **person)
                issuing = Issuing(session, self._keys, command("test"), NOW)
                link = preferences_link(issuing, patient_id=patient.id or 0)
            door = Door(f"/m/{link.token}", f"/preferences/{link.public_id}")
            send = self._sender(door, purpose="preferences key")
            if chosen == "stop":
                send("", {"choice": "stop"})
            elif chosen:
                send(f"/leave?answers={chosen}", {"sure": "yes"})
            yield name, door

    def _sender(self, door: Door, *, purpose: str = "form key") -> Callable[[str, dict[str, Any]], None]:
        """Sends a page of this door as a browser would, and stops a test when it is not taken."""
        key = self._keys.signer(purpose).dumps(door.address.rpartition("/")[2])
        client = self._app.test_client()

        def send(path: str, fields: dict[str, Any]) -> None:
            answered = client.post(door.address + path, data={"key": key, **fields})
            assert answered.status_code == 303, (path, answered.get_data(as_text=True))

        return send


@contextmanager
def _client_of(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings, clock=SetClock(NOW))
    yield app
    app.extensions["registry"].database.dispose()


def arrive(page: Page, kind: PageKind, language: str, *, url: str, cast: Cast) -> Door:
    """Come through the door of a page: the browser then holds the cookie that the page asks for."""
    door = cast.doors[kind.door, language]
    page.context.add_cookies([{"name": name, "value": value, "url": url} for name, value in door.cookies.items()])
    page.request.get(url + door.entry)
    return door


def reach(page: Page, kind: PageKind, language: str, *, url: str, cast: Cast) -> None:
    """Go to a page as a patient would: by the link in the mail, then to the address, then what is done there."""
    door = arrive(page, kind, language, url=url, cast=cast)
    answer = page.goto(url + door.address + kind.path.format(language=language))
    assert answer is not None
    assert answer.status == kind.status, (kind.name, answer.status)
    if kind.act:
        kind.act(page)
        page.wait_for_load_state()
    assert re.search(rf'lang="{language}"', page.content()), kind.name
