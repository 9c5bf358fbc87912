"""The phone queue: who is in it, how a request leaves it, and what then happens to the mails."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlmodel import select

from registry.config import Settings
from registry.domain.vocabularies import CallOutcome, CallTime
from registry.services import enrolment
from registry.storage.database import Database
from registry.storage.models import PhoneRequest, Site
from tests.desk import AtDesk, Desk, at_desk, paper
from tests.factories import BY, make_operation, make_patient


@pytest.fixture
def alice(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    with at_desk(database, settings, now) as desk:
        desk.sign_in()
        yield desk


def ask(desk: Desk, patient: AtDesk) -> int:
    with desk.database.transaction() as session:
        request = PhoneRequest(
            follow_up_id=patient.follow_up_id,
            patient_id=patient.id,
            call_time=CallTime.MORNING,
            requested_at=desk.clock(),
        )
        session.add(request)
        session.flush()
        return request.id


def request_of(desk: Desk, request_id: int) -> PhoneRequest:
    with desk.database.reading() as session:
        return session.exec(select(PhoneRequest).where(PhoneRequest.id == request_id)).one()


def test_an_empty_queue_says_so(alice: Desk) -> None:
    assert "Nobody waits for a call" in alice.page("/phone-queue")


def test_the_queue_says_whom_to_call_when_and_about_what(alice: Desk) -> None:
    patient = alice.patient(study_id="K-007")
    ask(alice, patient)

    page = alice.page("/phone-queue")

    told = ["K-007", "Mihon Hanako", "06-1111-2222", "M3", "in the morning", "2026-11-20 12:00", "2027-01-03"]
    assert [text for text in told if text not in page] == []
    assert f"{patient.form_path}/phone?back=queue" in page


def test_every_page_counts_the_queue(alice: Desk) -> None:
    before = alice.page("/patients")
    ask(alice, alice.patient())

    assert ("waiting</span>" in before, '1<span class="sr"> waiting</span>' in alice.page("/patients")) == (False, True)


@pytest.mark.parametrize("outcome", [CallOutcome.NOT_REACHED, CallOutcome.NOT_WANTED])
def test_a_request_leaves_the_queue_with_its_outcome(alice: Desk, outcome: CallOutcome) -> None:
    request_id = ask(alice, alice.patient())

    response = alice.send(f"/phone-queue/{request_id}", outcome=outcome)

    assert (response.status_code, request_of(alice, request_id).outcome) == (303, outcome)
    assert "Nobody waits for a call" in alice.page("/phone-queue")


def test_an_unknown_outcome_closes_nothing(alice: Desk) -> None:
    request_id = ask(alice, alice.patient())

    response = alice.send(f"/phone-queue/{request_id}", outcome="gone_fishing")

    assert (response.status_code, request_of(alice, request_id).closed_at) == (422, None)


def test_who_answered_meanwhile_is_not_called(alice: Desk) -> None:
    patient = alice.patient()
    alice.send(f"{patient.form_path}/paper", **paper())
    ask(alice, patient)

    page = alice.page("/phone-queue")

    assert ("answered meanwhile" in page, "Enter answers" in page) == (True, False)


def test_nobody_calls_a_patient_who_has_died(alice: Desk) -> None:
    patient = alice.patient()
    ask(alice, patient)
    with alice.database.transaction() as session:
        today = alice.clock().date()
        enrolment.record_death(session, patient_id=patient.id, died_on=today, today=today, by=BY, now=alice.clock())

    assert "Nobody waits for a call" in alice.page("/phone-queue")


def test_the_queue_of_another_site_is_not_there(alice: Desk, settings: Settings, now: datetime) -> None:
    with alice.database.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        theirs = make_patient(session, now=now, site_code="OTHER", study_id="THEIRS")
        today = now.date()
        operation = make_operation(session, theirs, settings, now=now, today=today, operated_on=today)
        follow_up_id = (
            session.connection()
            .exec_driver_sql(f"SELECT min(id) FROM follow_up WHERE operation_id = {operation.id}")
            .scalar_one()
        )
        patient = AtDesk(alice.database, theirs.id, theirs.public_id, follow_up_id, "THEIRS")
    request_id = ask(alice, patient)

    page, response = alice.page("/phone-queue"), alice.send(f"/phone-queue/{request_id}", outcome="not_reached")

    assert ("THEIRS" in page, response.status_code, request_of(alice, request_id).closed_at) == (False, 404, None)


def test_from_the_queue_one_comes_back_to_the_queue(alice: Desk) -> None:
    patient = alice.patient()

    response = alice.send(f"{patient.form_path}/paper?back=queue", **paper())

    assert response.headers["Location"] == "/phone-queue"
