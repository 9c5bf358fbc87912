"""The phone queue: who is in it, how a request leaves it, and what then happens to the mails."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from registry.config import Settings
from registry.domain.vocabularies import CallOutcome, CallTime
from registry.services import enrolment
from registry.storage.database import Database
from registry.storage.models import AuditEvent, PhoneAttempt, PhoneRequest, Reminder, Site
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


def attempts(desk: Desk) -> list[tuple[object, ...]]:
    with desk.database.reading() as session:
        rows = session.exec(select(PhoneAttempt).order_by(PhoneAttempt.number)).all()
        return [(row.number, row.outcome, row.called_at) for row in rows]


def trail(desk: Desk) -> list[str]:
    with desk.database.reading() as session:
        calls = (AuditEvent.subject == "phone_request", AuditEvent.actor_kind == "staff")
        return list(session.exec(select(AuditEvent.action).where(*calls).order_by(col(AuditEvent.id))))


def reminders(desk: Desk, patient: AtDesk) -> set[str]:
    with desk.database.reading() as session:
        return set(session.exec(select(Reminder.state).where(Reminder.follow_up_id == patient.follow_up_id)))


def test_who_does_not_want_to_be_phoned_leaves_the_queue_at_once(alice: Desk) -> None:
    request_id = ask(alice, alice.patient())

    response = alice.send(f"/phone-queue/{request_id}", outcome="not_wanted")

    assert (response.status_code, request_of(alice, request_id).outcome) == (303, CallOutcome.NOT_WANTED)
    assert "Nobody waits for a call" in alice.page("/phone-queue")


def test_who_was_not_reached_is_called_again(alice: Desk) -> None:
    patient = alice.patient()
    request_id = ask(alice, patient)

    alice.send(f"/phone-queue/{request_id}", outcome="not_reached")
    page = alice.page("/phone-queue")

    assert "The patient was not reached: the call is noted, and the request stays in the queue." in page
    assert "not reached 1 of 3 times, last 2026-11-20 12:00" in page
    assert (request_of(alice, request_id).closed_at, trail(alice)) == (None, ["call_tried"])
    assert "calls that reached nobody: 2026-11-20 12:00" in alice.page(patient.path)


def test_the_third_call_that_reaches_nobody_ends_the_request(alice: Desk) -> None:
    patient = alice.patient()
    request_id = ask(alice, patient)
    with alice.database.transaction() as session:
        session.execute(update(Reminder).values(state="skipped", skip_reason="phone_asked"))

    for _ in range(2):
        alice.send(f"/phone-queue/{request_id}", outcome="not_reached")
        alice.clock.instant += timedelta(minutes=10)
    before = (request_of(alice, request_id).outcome, reminders(alice, patient))
    alice.send(f"/phone-queue/{request_id}", outcome="not_reached")

    after = (request_of(alice, request_id).outcome, reminders(alice, patient))
    assert (before, after) == ((None, {"skipped"}), (CallOutcome.NOT_REACHED, {"planned"}))
    assert trail(alice) == ["call_tried", "call_tried", "call_closed"]
    assert [number for number, _, _ in attempts(alice)] == [1, 2, 3]
    assert "Nobody waits for a call" in alice.page("/phone-queue")


def test_two_who_press_not_reached_for_one_call_note_it_once(alice: Desk) -> None:
    request_id = ask(alice, alice.patient())
    assert 'name="tried" value="0"' in alice.page("/phone-queue")

    for _ in range(2):
        alice.send(f"/phone-queue/{request_id}", outcome="not_reached", tried="0")

    assert "Somebody else has already noted a call" in alice.page("/phone-queue")
    assert len(attempts(alice)) == 1


def test_who_closes_a_request_second_is_told_so(alice: Desk) -> None:
    request_id = ask(alice, alice.patient())

    alice.send(f"/phone-queue/{request_id}", outcome="not_wanted")
    first = alice.page("/phone-queue")
    alice.send(f"/phone-queue/{request_id}", outcome="answered")

    said = "Somebody else has already noted a call about this request, or closed it."
    assert (said in first, said in alice.page("/phone-queue")) == (False, True)
    assert (request_of(alice, request_id).outcome, trail(alice)) == (CallOutcome.NOT_WANTED, ["call_closed"])


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
