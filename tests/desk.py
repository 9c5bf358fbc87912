"""A member of staff at a browser, and a patient of theirs whose form is open."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from flask.testing import FlaskClient
from sqlmodel import col, select
from werkzeug.test import TestResponse

from registry.config import Settings
from registry.domain.vocabularies import StaffRole
from registry.security.keys import load_keys
from registry.services.accounts import add_staff
from registry.services.links import Issuing, form_link
from registry.storage.database import Database
from registry.storage.enrolments import site_id_of
from registry.storage.models import Answer, Assessment, FollowUp
from registry.web.app import create_app
from tests.factories import BY, make_operation, make_patient
from tests.live import SetClock

PASSWORD = "correct horse battery"
ENROLMENT = {
    "study_id": "K-001",
    "family_name": "見本",
    "birth_year": "1952",
    "sex": "female",
    "language": "ja",
    "site": "DEMO",
    "email": "hanako@example.org",
    "consent": "form",
}
ITEMS = ("low_back", "leg_pain", "leg_numb", "neck", "arm_pain", "arm_numb")
OPERATED_ON = date(2026, 8, 19)
"""So that the form of three months is open on the day on which tests stand still: 5 November to 3 January."""


@dataclass
class Desk:
    """A member of staff at a browser."""

    client: FlaskClient
    clock: SetClock
    database: Database
    settings: Settings
    headers: dict[str, str] = field(default_factory=dict)

    def sign_in(self, password: str = PASSWORD, name: str = "alice", back: str = "") -> TestResponse:
        """Sign in through the page."""
        return self.send(f"/login{back}", sign_in_name=name, password=password)

    def send(self, path: str, **fields: str) -> TestResponse:
        """Send a form, and agree to what its page shows that it would do, as somebody who reads it does."""
        response = self.ask(path, **fields)
        confirmed = fingerprint(response)
        return self.ask(path, **fields, confirmed=confirmed) if confirmed else response

    def ask(self, path: str, **fields: str) -> TestResponse:
        """Send a form with the token of the page it stands on, and agree to nothing."""
        page = self.client.get("/login").get_data(as_text=True)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert token is not None
        return self.client.post(path, data={"csrf_token": token.group(1), **fields})

    def page(self, path: str) -> str:
        """What a page shows."""
        return self.client.get(path).get_data(as_text=True)

    def enrol(self, **changes: str) -> str:
        """Enrol a patient and give the address of the page."""
        response = self.send("/patients/new", **(ENROLMENT | changes))
        assert response.status_code == 303, response.get_data(as_text=True)
        return response.headers["Location"]

    def patient(self, **values: Any) -> "AtDesk":
        """A patient three months after an operation, whose form is open."""
        now = self.clock()
        with self.database.transaction() as session:
            patient = make_patient(session, now=now, **values)
            make_operation(session, patient, self.settings, now=now, today=now.date(), operated_on=OPERATED_ON)
            of_patient = (FollowUp.patient_id == patient.id, FollowUp.timepoint == "M3")
            follow_up_id = session.exec(select(FollowUp.id).where(*of_patient)).one()
            return AtDesk(self.database, patient.id, patient.public_id, follow_up_id, patient.study_id)


def fingerprint(response: TestResponse) -> str | None:
    """What the button of a preview would send; None when the page is none."""
    found = re.search(r'name="confirmed" value="(\w+)"', response.get_data(as_text=True))
    return found.group(1) if found else None


@dataclass(frozen=True)
class AtDesk:
    """A patient whose form of three months is open."""

    database: Database
    id: int
    public_id: str
    follow_up_id: int
    study_id: str

    @property
    def path(self) -> str:
        """The patient's page."""
        return f"/patients/{self.public_id}"

    @property
    def form_path(self) -> str:
        """What the addresses of the form's pages for staff begin with."""
        return f"{self.path}/follow-ups/{self.follow_up_id}"

    def link(self, settings: Settings, now: datetime) -> str:
        """The public id of the link that a mail would carry."""
        with self.database.transaction() as session:
            issuing = Issuing(session, load_keys(settings.security.key_file), BY, now)
            return form_link(issuing, patient_id=self.id, follow_up_id=self.follow_up_id).public_id

    def answers(self) -> dict[str, Answer]:
        """The answers that stand."""
        return {answer.item: answer for answer in self.versions() if answer.superseded_at is None}

    def versions(self) -> list[Answer]:
        """Every version of every answer."""
        with self.database.reading() as session:
            of_patient = select(Answer).join(Assessment).where(Assessment.patient_id == self.id)
            return list(session.exec(of_patient.order_by(Answer.item, col(Answer.version))))

    def assessment(self) -> Assessment | None:
        """The row of the form."""
        with self.database.reading() as session:
            return session.exec(select(Assessment).where(Assessment.follow_up_id == self.follow_up_id)).first()


def add_alice(database: Database, now: datetime) -> None:
    """Let Dr Alice sign in, a clinician of the demonstration's hospital."""
    with database.transaction() as session:
        add_staff(
            session,
            site_id=site_id_of(session, code="DEMO") or 0,
            sign_in_name="alice",
            display_name="Dr Alice",
            password=PASSWORD,
            role=StaffRole.CLINICIAN,
            by=BY,
            now=now,
        )


@contextmanager
def at_desk(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    """A browser at which nobody has signed in yet; Dr Alice could."""
    clock = SetClock(now)
    app = create_app(settings, clock=clock)
    add_alice(database, now)
    yield Desk(app.test_client(), clock, database, settings)
    app.extensions["registry"].database.dispose()


def paper(mark: str = "47", line: str = "100", **changes: str) -> dict[str, str]:
    """A paper form with the same mark on every line."""
    fields = {"answered_on": "2026-11-18", "respondent": "self"}
    for item in ITEMS:
        fields |= {f"mark_{item}": mark, f"line_{item}": line}
    return fields | changes


def call(number: str = "40", **changes: str) -> dict[str, str]:
    """A call in which every question got the same number."""
    fields = {"answered_on": "2026-11-20", "respondent": "self", "scale": "100"}
    return fields | {f"number_{item}": number for item in ITEMS} | changes
