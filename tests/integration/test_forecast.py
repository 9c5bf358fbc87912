"""The dry run: what it says will go out is what goes out, and it changes nothing."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlmodel import Session, col, select

from registry.config import Settings
from registry.domain.ladder import SkipReason
from registry.domain.sending_hours import USUAL
from registry.security.keys import KeyRing
from registry.services import enrolment
from registry.services.forecast import Forecast, forecast
from registry.storage.database import Database
from registry.storage.enrolments import site_id_of
from registry.storage.models import FollowUp, Patient, Reminder
from tests.factories import BY
from tests.integration.test_outbox import Desk

FRIDAY = date(2026, 11, 20)
TOKYO = ZoneInfo("Asia/Tokyo")
DAYS = 60


@pytest.fixture
def hospital(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Desk:
    """A registry that keeps to the hours of its protocol, with patients of several kinds."""
    no_demo = settings.demo.model_copy(update={"enabled": False})
    found = Desk(database, settings.model_copy(update={"demo": no_demo}), keys, now)
    found.enrol()
    found.enrol(operated_on=date(2026, 8, 12))
    found.enrol(operated_on=None, planned_on=date(2026, 12, 9))
    found.enrol(email="")
    stopped, left = found.enrol(), found.enrol()
    with database.transaction() as session:
        enrolment.stop_emails(session, patient_id=stopped, by=BY, now=now)
        enrolment.leave_study(session, patient_id=left, delete_answers=False, today=FRIDAY, by=BY, now=now)
    return found


def foreseen(desk: Desk) -> list[Forecast]:
    with desk.database.reading() as session:
        site_id = site_id_of(session, code="DEMO") or 0
        return list(forecast(session, site_id=site_id, hours=USUAL, today=FRIDAY, days=DAYS))


def test_what_is_foreseen_is_what_goes_out(hospital: Desk) -> None:
    expected = {
        (mail.leaves_on, mail.study_id, mail.timepoint, mail.rung) for mail in foreseen(hospital) if not mail.reason
    }

    start = datetime.combine(FRIDAY, datetime.min.time(), TOKYO)
    for hour in range(24 * DAYS + 24):
        hospital.run(start + timedelta(hours=hour))

    with hospital.database.reading() as session:
        sent = (
            select(Reminder.sent_at, Patient.study_id, FollowUp.timepoint, Reminder.rung)
            .join(FollowUp, col(FollowUp.id) == Reminder.follow_up_id)
            .join(Patient, col(Patient.id) == Reminder.patient_id)
            .where(col(Reminder.sent_at).is_not(None))
        )
        found = {(at.astimezone(TOKYO).date(), *rest) for at, *rest in session.execute(sent)}
    assert found == expected
    assert len(found) > 8


def test_what_would_not_go_out_says_why(hospital: Desk) -> None:
    reasons = {mail.reason for mail in foreseen(hospital)}

    assert {
        None,
        SkipReason.EMAILS_STOPPED,
        SkipReason.NO_ADDRESS,
        SkipReason.WITHDRAWN,
        SkipReason.OVERTAKEN,
    } <= reasons


def test_looking_ahead_changes_nothing(hospital: Desk) -> None:
    def rows(session: Session) -> list[tuple[object, ...]]:
        return [tuple(row) for row in session.execute(text("SELECT * FROM reminder ORDER BY id"))]

    with hospital.database.reading() as session:
        before = rows(session)
    foreseen(hospital)
    with hospital.database.reading() as session:
        assert rows(session) == before
