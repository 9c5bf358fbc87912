"""A patient's form as the mail would open it, driven without a browser."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

from flask.testing import FlaskClient
from sqlalchemy import text
from sqlmodel import SQLModel
from werkzeug.test import TestResponse

from registry.config import Settings
from registry.security.keys import KeyRing
from registry.services.links import Issuing, form_link, preferences_link
from registry.storage.database import Database
from registry.web.app import create_app
from tests.factories import BY, make_operation, make_patient
from tests.live import SetClock

OPERATED_ON = date(2026, 8, 19)


@dataclass(frozen=True)
class Opened:
    """A patient's form, as the mail would open it."""

    client: FlaskClient
    database: Database
    clock: SetClock
    path: str
    form_path: str
    stop_path: str
    patient_id: int

    def follow(self) -> TestResponse:
        """Open the link as a browser does."""
        return self.client.get(self.path, follow_redirects=True)

    def send(self, path: str, **fields: str) -> TestResponse:
        """Send a page's form with its signed field."""
        return self.client.post(f"{self.form_path}{path}", data={"key": self.key(), **fields})

    def key(self) -> str:
        """The signed field of the form's pages."""
        page = self.client.get(self.form_path, follow_redirects=True).get_data(as_text=True)
        found = re.search(r'name="key" value="([^"]+)"', page)
        assert found is not None
        return found.group(1)

    def answer_everything(self) -> None:
        """Answer all six questions."""
        for number, item in enumerate(("low_back", "leg_pain", "leg_numb", "neck", "arm_pain", "arm_numb"), start=1):
            assert self.send(f"/q/{number}", **{f"vas_{item}": "47"}).status_code == 303

    def decide(self, chosen: str) -> TestResponse:
        """Agree or not, on the page as it is shown."""
        shown = re.search(r'name="words" value="([^"]+)"', self.page("/consent"))
        assert shown is not None
        return self.send("/consent", consent=chosen, words=shown.group(1))

    def finish(self) -> TestResponse:
        """Send the answers."""
        return self.send("/check", respondent="self")

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table."""
        with self.database.reading() as session:
            tables = [table.name for table in SQLModel.metadata.sorted_tables]
            return {
                name: sorted(map(tuple, session.execute(text(f'SELECT * FROM "{name}"'))), key=str) for name in tables
            }

    def value(self, sql: str) -> object:
        """One value out of the database."""
        with self.database.reading() as session:
            return session.execute(text(sql)).scalar()

    def page(self, path: str) -> str:
        """A page of the form."""
        return self.client.get(f"{self.form_path}{path}").get_data(as_text=True)


@contextmanager
def opened_form(
    database: Database,
    settings: Settings,
    keys: KeyRing,
    now: datetime,
    *,
    has_consented: bool = True,
    email: str | None = "hanako@example.org",
    phone: str = "06-1111-2222",
    operated_on: date = OPERATED_ON,
    birth_year: int = 1952,
    born_on: date | None = None,
) -> Iterator[Opened]:
    """A form that is open three months after the operation, and a browser that came by its link."""
    clock = SetClock(now)
    app = create_app(settings, clock=clock)
    with database.transaction() as session:
        birth = {"birth_year": birth_year, "born_on": born_on}
        patient = make_patient(session, now=now, has_consented=has_consented, email=email, phone=phone, **birth)
        operation = make_operation(session, patient, settings, now=now, today=now.date(), operated_on=operated_on)
        statement = "SELECT id FROM follow_up WHERE operation_id = :id AND timepoint = 'M3'"
        follow_up_id = session.execute(text(statement), {"id": operation.id}).scalar_one()
        issuing = Issuing(session, keys, BY, now)
        link = form_link(issuing, patient_id=patient.id, follow_up_id=follow_up_id)
        stop = preferences_link(issuing, patient_id=patient.id)
    client = app.test_client()
    clean = client.get(f"/s/{link.token}").headers["Location"]
    yield Opened(client, database, clock, f"/s/{link.token}", clean, f"/m/{stop.token}", patient.id)
    app.extensions["registry"].database.dispose()
