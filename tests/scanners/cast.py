"""The patients whose links the machines meet, one for each state of a form, and every page that a link leads to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text, update
from sqlmodel import Session, SQLModel, col

from registry.config import Settings
from registry.security.keys import KeyRing, load_keys
from registry.services.enrolment import resume_emails
from registry.services.links import Issuing, form_link, preferences_link
from registry.storage.database import Database
from registry.storage.models import Reminder, ReminderState
from registry.web import paper
from registry.web.app import create_app
from tests.factories import BY, make_operation, make_patient, words_read

ITEMS = ("low_back", "leg_pain", "leg_numb", "neck", "arm_pain", "arm_numb")
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
OPERATED_ON = date(2026, 8, 19)
# Three months after it the form has closed, though not so long ago that no fresh link would be sent.
OPERATED_EARLIER_ON = date(2026, 6, 20)

Rows = Mapping[str, list[tuple[object, ...]]]


@dataclass(frozen=True)
class Door:
    """A link as a mail carries it, the clean address behind it, and what its patient has sent so far."""

    link: str
    address: str
    sent: tuple[tuple[str, Mapping[str, str]], ...] = ()


Doors = Mapping[str, Door]


@dataclass(frozen=True)
class PageKind:
    """A page that a link leads to: whose link, what follows the clean address, and how it answers."""

    name: str
    door: str
    path: str | None = None
    """None is the link itself."""
    status: int = 200
    may_ask_for_link: bool = False


PAGE_KINDS = (
    PageKind("link, fresh", "fresh"),
    PageKind("link, half answered", "half"),
    PageKind("link, answered and not sent", "answered"),
    PageKind("link, sent", "sent"),
    PageKind("link, closed", "closed", status=410, may_ask_for_link=True),
    PageKind("link, consent to be asked", "unasked"),
    PageKind("link, refused", "refused"),
    PageKind("link, year of birth to be asked", "shared"),
    PageKind("link, preferences", "preferences"),
    PageKind("link, preferences, e-mails stopped", "stopped"),
    PageKind("link, one click", "one click"),
    PageKind("start, opened anew", "fresh", "/start"),
    PageKind("consent", "unasked", "/consent"),
    PageKind("consent, text", "unasked", "/consent/text"),
    PageKind("consent, refused", "refused", "/consent/refused"),
    *(PageKind(f"question {number}", "half", f"/q/{number}") for number in range(1, 7)),
    PageKind("question, sent", "sent", "/q/1"),
    PageKind("question, corrected", "answered", "/q/3?back=check"),
    PageKind("regions", "half", "/regions"),
    PageKind("regions, ticked", "answered", "/regions"),
    PageKind("check, half answered", "half", "/check"),
    PageKind("check", "answered", "/check"),
    PageKind("check, sent", "sent", "/check"),
    PageKind("receipt", "sent", "/done"),
    PageKind("calendar", "sent", "/next.ics"),
    PageKind("handed back", "sent", "/handed-back"),
    PageKind("phone", "fresh", "/phone"),
    PageKind("phone asked", "half", "/phone/asked"),
    PageKind("renewed", "closed", "/renewed", may_ask_for_link=True),
    PageKind("paper", "half", "/paper.pdf"),
    PageKind("question before the year of birth", "shared", "/q/1"),
    PageKind("check before the year of birth", "shared", "/check"),
    PageKind("leave", "preferences", "/leave?answers=leave"),
    PageKind("leave and delete", "preferences", "/leave?answers=delete"),
    PageKind("e-mails stopped", "stopped", "/result"),
)


@dataclass
class TickingClock:
    """A clock that goes on by a step each time it is read."""

    instant: datetime
    step: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        """The instant."""
        self.instant += self.step
        return self.instant


class Cast:
    """One registry with one patient in each state."""

    def __init__(
        self, app: Flask, settings: Settings, keys: KeyRing, clock: TickingClock, doors: Doors | None = None
    ) -> None:
        self._app, self._settings, self._keys, self.clock = app, settings, keys, clock
        self.database: Database = app.extensions["registry"].database
        self.doors: dict[str, Door] = dict(self._doors() if doors is None else doors)

    def rows(self) -> Rows:
        """Every row of every table."""
        with self.database.reading() as session:
            names = [table.name for table in SQLModel.metadata.sorted_tables]
            return {
                name: sorted(map(tuple, session.execute(text(f'SELECT * FROM "{name}"'))), key=str) for name in names
            }

    def _doors(self) -> Iterator[tuple[str, Door]]:
        yield "fresh", self.form()
        yield "half", self._answered(self.form(), {1: "47", 2: None, 3: "0"})
        everything = {number: str(11 * number) for number in range(1, 7)}
        answered = self._answered(self.form(), everything, regions="low_back")
        yield "answered", answered
        sent = self._answered(self.form(), everything, regions="nowhere")
        yield "sent", self._sending(sent, (*sent.sent, ("/check", {"respondent": "self"})))
        yield "closed", self.form(operated_on=OPERATED_EARLIER_ON)
        no = {"consent": "disagree", "words": words_read(self._settings)}
        yield "unasked", self.form(has_consented=False)
        yield "refused", self._sending(self.form(has_consented=False), [("/consent", no)])
        self.form(email="family@example.org")
        yield "shared", self.form(email="family@example.org")
        preferences = self.preferences()
        yield "preferences", preferences
        yield "stopped", self._sending(self.preferences(), [("", {"choice": "stop"})], purpose="preferences key")
        yield "one click", Door(f"{preferences.link}/one-click", preferences.address)

    def form(self, *, operated_on: date = OPERATED_ON, **person: Any) -> Door:
        """The link to a patient's form three months after the operation."""
        with self.database.transaction() as session:
            patient = make_patient(session, now=NOW, **person)
            operation = make_operation(
                session, patient, self._settings, now=NOW, today=NOW.date(), operated_on=operated_on
            )
            statement = "SELECT id FROM follow_up WHERE operation_id = :id AND timepoint = 'M3'"
            follow_up_id = session.execute(text(statement), {"id": operation.id}).scalar_one()
            link = form_link(Issuing(session, self._keys, BY, NOW), patient_id=patient.id, follow_up_id=follow_up_id)
        return Door(f"/s/{link.token}", f"/form/{link.public_id}")

    def preferences(self) -> Door:
        """The link to a patient's preferences."""
        with self.database.transaction() as session:
            patient = make_patient(session, now=NOW)
            link = preferences_link(Issuing(session, self._keys, BY, NOW), patient_id=patient.id)
        return Door(f"/m/{link.token}", f"/preferences/{link.public_id}")

    def key(self, door: Door, *, purpose: str = "form key") -> str:
        """The signed field of a door's pages."""
        return self._keys.signer(purpose).dumps(door.address.rpartition("/")[2])

    def mail_was_accepted(self, door: Door, at: datetime) -> None:
        """The first mail of a form, as the dispatcher writes it down."""
        first = """
            SELECT min(reminder.id) FROM reminder JOIN access_link USING (follow_up_id) WHERE public_id = :public_id"""
        with self.database.transaction() as session:
            id_ = session.execute(text(first), {"public_id": door.address.rpartition("/")[2]}).scalar_one()
            accepted = {"state": ReminderState.ACCEPTED, "skip_reason": None, "sent_at": at}
            session.execute(update(Reminder).where(col(Reminder.id) == id_).values(**accepted))

    def resume_emails(self, session: Session, *, patient_id: int) -> None:
        """What staff do when a stop was a mistake."""
        study, today = self._settings.protocol, NOW.date()
        resume_emails(session, patient_id=patient_id, study=study, today=today, by=BY, now=self.clock())

    def assessment_of(self, door: Door) -> tuple[bool, int, str | None]:
        """Whether a form was sent, how many answers stand, and what is thought of them."""
        statement = """
            SELECT submitted_at, suspicion,
                   (SELECT count(*) FROM answer WHERE assessment_id = assessment.id AND superseded_at IS NULL) AS n
            FROM assessment JOIN access_link USING (follow_up_id) WHERE public_id = :public_id"""
        with self.database.reading() as session:
            row = session.execute(text(statement), {"public_id": door.address.rpartition("/")[2]}).one()
        return row.submitted_at is not None, row.n, row.suspicion

    def _answered(self, door: Door, scores: Mapping[int, str | None], regions: str = "") -> Door:
        sendings: list[tuple[str, Mapping[str, str]]] = []
        for number, score in scores.items():
            item = ITEMS[number - 1]
            sendings.append((f"/q/{number}", {f"vas_{item}": score} if score else {f"skip_{item}": "yes"}))
        return self._sending(door, [*sendings, *([("/regions", {"region": regions})] if regions else [])])

    def _sending(self, door: Door, sendings: Any, *, purpose: str = "form key") -> Door:
        """The same door after its patient has sent pages, each remembered as it went over the line."""
        client = self._app.test_client()
        sent = tuple((door.address + path, {"key": self.key(door, purpose=purpose), **data}) for path, data in sendings)
        for address, data in sent[len(door.sent) :] if door.sent else sent:
            assert client.post(address, data=data).status_code == 303, address
        return Door(door.link, door.address, sent)


@contextmanager
def playing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, doors: Doors | None = None
) -> Iterator[tuple[Flask, Cast]]:
    """A registry with its cast, an hour after everybody's last page; the doors of a copied database are given."""
    # Making a PDF takes a second and reads what the page that stands for it reads.
    monkeypatch.setattr(paper, "paper_pdf", lambda form: b"%PDF-1.7 " + form.study_id.encode())
    clock = TickingClock(NOW)
    app = create_app(settings, clock=clock)
    cast = Cast(app, settings, load_keys(settings.security.key_file), clock, doors)
    clock.instant += timedelta(hours=1)
    yield app, cast
    app.extensions["registry"].database.dispose()
