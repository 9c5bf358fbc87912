"""The rungs that staff climb: who is in the phone queue when, how calls end, letters, and what each costs to find."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, cast

import pytest
from sqlalchemy import event, text, update
from sqlmodel import col, select

from registry.config import Settings
from registry.domain.actors import Actor
from registry.domain.calendar import add_days
from registry.domain.errors import InvalidInput
from registry.domain.manual_rungs import call_due_on, is_overdue, letter_due_on
from registry.domain.vocabularies import CallOrigin, CallOutcome, CallTime
from registry.mail.transport import Transport
from registry.security.keys import load_keys
from registry.services import enrolment
from registry.services.demo import load_demo
from registry.services.manual_rungs import Standing, standings
from registry.services.outbox import Dispatch, send_due_reminders
from registry.services.phone_queue import WaitingCall, calls_waiting, n_calls_waiting
from registry.services.phone_requests import Noted, ask_for_call, note_ladder_call
from registry.services.posted_letters import record_posted_letter
from registry.services.refusals import decline_follow_up
from registry.services.work_list import work_list
from registry.storage.database import Database, Session
from registry.storage.forms import form_of_follow_up
from registry.storage.manual_rungs import Span, candidate, candidates, unfinished
from registry.storage.models import (
    AuditEvent,
    Contact,
    FollowUp,
    Operation,
    Patient,
    PhoneAttempt,
    PhoneRequest,
    PostedLetter,
    Reminder,
    Site,
)
from tests.desk import AtDesk, Desk, at_desk
from tests.factories import BY, make_operation, make_patient

DUE = date(2026, 11, 19)
"""When the form of a patient at the desk is due: mails on 19 and 26 November and 3 December, closed on 3 January."""


@pytest.fixture
def desk(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    with at_desk(database, settings, now) as found:
        yield found


def at(day: date) -> datetime:
    """Ten in the morning of a day at the hospital."""
    return datetime(day.year, day.month, day.day, 1, 0, tzinfo=UTC)


def asking(desk: Desk, day: date, *, site_id: int = 1) -> dict[str, Any]:
    return {"site_id": site_id, "study": desk.settings.protocol, "zone": desk.settings.sites[0].zone, "today": day}


def queue(desk: Desk, day: date, *, site_id: int = 1) -> list[WaitingCall]:
    with desk.database.reading() as session:
        return calls_waiting(session, **asking(desk, day, site_id=site_id))


def ids(calls: list[WaitingCall]) -> list[str]:
    return [waiting.patient.study_id for waiting in calls]


def in_queue(desk: Desk, offset: int) -> bool:
    return bool(queue(desk, add_days(DUE, offset)))


def letters(desk: Desk, day: date) -> list[str]:
    with desk.database.reading() as session:
        return [task.patient.study_id for task in work_list(session, **asking(desk, day)).letters.rows]


def note(desk: Desk, patient: AtDesk, day: date, outcome: CallOutcome, **noted: Any) -> bool:
    with desk.database.transaction() as session:
        return note_ladder_call(
            session,
            follow_up_id=patient.follow_up_id,
            noted=Noted(outcome, **noted),
            study=desk.settings.protocol,
            today=day,
            by=BY,
            now=at(day),
        )


def rows(desk: Desk, model: Any) -> list[Any]:
    with desk.database.reading() as session:
        return list(session.exec(select(model).order_by(model.id)))


def actions(desk: Desk) -> list[str]:
    with desk.database.reading() as session:
        ours = col(AuditEvent.action).in_(["call_tried", "call_closed", "follow_up_declined", "letter_posted"])
        return list(session.exec(select(AuditEvent.action).where(ours).order_by(col(AuditEvent.id))))


def send_mails(desk: Desk, day: date) -> dict[str, int]:
    keys, transport = load_keys(desk.settings.security.key_file), cast(Transport, TakesAll())
    return dict(send_due_reminders(Dispatch(desk.database, desk.settings, keys, transport, lambda: at(day))))


class TakesAll:
    """A mail server that takes everything."""

    def send(self, *_: object, **__: object) -> None:
        """Take a mail."""


# Who is in the queue when


@pytest.mark.parametrize(("offset", "is_waiting"), [(20, False), (21, True), (45, True), (46, False)])
def test_who_has_not_answered_is_called_when_the_mails_are_over(desk: Desk, offset: int, is_waiting: bool) -> None:
    desk.patient()

    assert in_queue(desk, offset) is is_waiting


@pytest.mark.parametrize("email", [None, ""])
@pytest.mark.parametrize(("offset", "is_waiting"), [(-1, False), (0, True)])
def test_a_patient_without_an_address_is_called_from_the_due_date_on(
    desk: Desk, email: str | None, offset: int, is_waiting: bool
) -> None:
    desk.patient(email=email)

    assert in_queue(desk, offset) is is_waiting


def test_a_stop_of_mails_brings_the_call_forward_at_once(desk: Desk) -> None:
    patient = desk.patient()
    before = in_queue(desk, 1)
    with desk.database.transaction() as session:
        enrolment.stop_emails(session, patient_id=patient.id, by=BY, now=at(DUE))

    assert (before, in_queue(desk, 0)) == (False, True)


def test_an_address_from_which_mails_come_back_brings_the_call_forward(desk: Desk) -> None:
    desk.patient()
    before = in_queue(desk, 1)
    with desk.database.transaction() as session:
        session.execute(update(Contact).values(email_bounced_at=at(DUE), email_bounce="no such mailbox"))

    assert (before, in_queue(desk, 1)) == (False, True)


def test_a_mail_that_was_refused_brings_the_call_forward_until_one_arrives(desk: Desk) -> None:
    patient = desk.patient()

    def mark(rung: int, **values: object) -> None:
        of_rung = (col(Reminder.follow_up_id) == patient.follow_up_id, col(Reminder.rung) == rung)
        with desk.database.transaction() as session:
            session.execute(update(Reminder).where(*of_rung).values(**values))

    mark(0, state="rejected")
    refused = in_queue(desk, 1)
    mark(1, state="accepted", sent_at=at(add_days(DUE, 7)))

    assert (refused, in_queue(desk, 8), in_queue(desk, 21)) == (True, False, True)


def test_nobody_is_called_whose_form_had_been_due_before_it_was_imported(desk: Desk) -> None:
    patient, day = desk.patient(), add_days(DUE, 21)

    def imported(recorded_on: date) -> bool:
        with desk.database.transaction() as session:
            session.execute(text("UPDATE enrolment SET is_imported = true"))
            session.execute(update(Operation).values(recorded_at=at(recorded_on)))
        return ids(queue(desk, day)) == [patient.study_id]

    assert (imported(DUE), imported(add_days(DUE, 1))) == (True, False)


@pytest.mark.parametrize("state", ["postponed", "cancelled"])
def test_nobody_is_called_about_an_operation_that_is_off(desk: Desk, state: str) -> None:
    desk.patient(email=None)
    before = in_queue(desk, 21)
    with desk.database.transaction() as session:
        session.execute(update(Operation).values(state=state, operated_on=None))

    assert (before, in_queue(desk, 21), letters(desk, add_days(DUE, 40))) == (True, False, [])


def test_nobody_is_called_who_has_died(desk: Desk) -> None:
    patient, day = desk.patient(email=None), add_days(DUE, 1)
    with desk.database.transaction() as session:
        enrolment.record_death(session, patient_id=patient.id, died_on=day, today=day, by=BY, now=at(day))

    assert in_queue(desk, 1) is False


def test_a_request_of_the_patient_stands_in_the_place_of_the_ladders(desk: Desk) -> None:
    patient = desk.patient(email=None)
    ask(desk, patient, DUE)

    assert [waiting.origin for waiting in queue(desk, add_days(DUE, 1))] == [CallOrigin.PATIENT]


def ask(desk: Desk, patient: AtDesk, day: date, call_time: CallTime = CallTime.MORNING) -> None:
    with desk.database.transaction() as session:
        form = form_of_follow_up(session, follow_up_id=patient.follow_up_id)
        assert form is not None
        ask_for_call(session, form=form, call_time=call_time, today=day, by=BY, now=at(day))


def test_what_is_due_first_comes_first(desk: Desk) -> None:
    day = add_days(DUE, 21)
    tried = desk.patient(study_id="TRIED")
    desk.patient(study_id="LADDER")
    ask(desk, desk.patient(study_id="ASKED"), add_days(DUE, 20))
    desk.patient(study_id="UNMAILED", email=None)
    note(desk, tried, day, CallOutcome.NOT_REACHED)

    assert ids(queue(desk, day)) == ["UNMAILED", "ASKED", "LADDER", "TRIED"]


def test_another_site_is_not_called(desk: Desk, now: datetime) -> None:
    with desk.database.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        theirs = make_patient(session, now=now, site_code="OTHER", email=None)
        make_operation(session, theirs, desk.settings, now=now, today=now.date(), operated_on=date(2026, 8, 19))
        follow_up_id = session.execute(text("SELECT min(id) FROM follow_up")).scalar_one()

    assert (queue(desk, DUE), len(queue(desk, DUE, site_id=theirs.site_id))) == ([], 1)
    with desk.database.reading() as session:
        found = [candidate(session, site_id=site_id, follow_up_id=follow_up_id) for site_id in (1, theirs.site_id)]
    assert [one is None for one in found] == [True, False]


# How calls end


def test_a_call_of_the_ladder_gets_its_row_when_it_is_noted(desk: Desk) -> None:
    patient, day = desk.patient(), add_days(DUE, 21)
    before = rows(desk, PhoneRequest)

    note(desk, patient, day, CallOutcome.NOT_REACHED)

    [request], [attempt] = rows(desk, PhoneRequest), rows(desk, PhoneAttempt)
    assert (before, request.origin, request.outcome, request.closed_at) == ([], "ladder", "not_reached", at(day))
    assert (attempt.outcome, attempt.called_at, attempt.called_by) == ("not_reached", at(day), BY.reference)
    assert actions(desk) == ["call_closed"]


def test_after_a_call_in_vain_the_next_is_shown_for_another_time_of_day(desk: Desk) -> None:
    friday = date(2026, 12, 11)
    note(desk, desk.patient(), friday, CallOutcome.NOT_REACHED)

    [waiting] = queue(desk, friday)

    assert (waiting.next_call.on, waiting.next_call.time) == (date(2026, 12, 14), CallTime.AFTERNOON)
    assert (waiting.n_attempts, waiting.n_not_reached) == (1, 1)


def test_three_calls_in_vain_end_the_calls_and_the_letter_comes_on_its_day(desk: Desk) -> None:
    patient = desk.patient()

    waiting = []
    for offset in (21, 22, 25):
        waiting.append(in_queue(desk, offset))
        note(desk, patient, add_days(DUE, offset), CallOutcome.NOT_REACHED)

    assert (waiting, in_queue(desk, 25), in_queue(desk, 40)) == ([True, True, True], False, False)
    assert [letters(desk, add_days(DUE, offset)) for offset in (34, 35)] == [[], [patient.study_id]]
    assert actions(desk) == ["call_closed"] * 3


def test_where_no_mail_arrives_three_calls_in_vain_bring_the_letter_at_once(desk: Desk) -> None:
    patient = desk.patient(email=None)
    before = letters(desk, add_days(DUE, 1))
    for _ in range(3):
        note(desk, patient, DUE, CallOutcome.NOT_REACHED)

    assert (before, letters(desk, add_days(DUE, 1))) == ([], [patient.study_id])


def test_who_does_not_want_to_be_phoned_is_not_phoned_about_the_next_form_either(desk: Desk) -> None:
    patient = desk.patient(email=None)
    next_due = date(2027, 2, 19)
    before = ids(queue(desk, next_due))

    note(desk, patient, DUE, CallOutcome.NOT_WANTED)

    assert (before, queue(desk, next_due)) == ([patient.study_id], [])
    assert (letters(desk, DUE), letters(desk, next_due)) == ([patient.study_id], [patient.study_id])


def test_who_asks_to_be_phoned_again_is_phoned_again(desk: Desk) -> None:
    patient = desk.patient(email=None)
    note(desk, patient, DUE, CallOutcome.NOT_WANTED)

    ask(desk, patient, add_days(DUE, 1))

    assert [waiting.origin for waiting in queue(desk, add_days(DUE, 1))] == [CallOrigin.PATIENT]
    next_form = queue(desk, date(2027, 2, 19))
    assert {waiting.origin for waiting in next_form} == {CallOrigin.PATIENT, CallOrigin.LADDER}


def test_a_call_back_hides_the_patient_until_the_day_agreed(desk: Desk) -> None:
    patient, day, agreed = desk.patient(), add_days(DUE, 21), add_days(DUE, 26)

    note(desk, patient, day, CallOutcome.CALL_BACK, call_back_on=agreed)

    assert [in_queue(desk, offset) for offset in (21, 25, 26)] == [False, False, True]
    [waiting] = queue(desk, agreed)
    assert (waiting.next_call.on, waiting.n_attempts, waiting.n_not_reached) == (agreed, 1, 0)


def test_a_call_back_that_a_patient_asked_for_hides_the_request_too(desk: Desk) -> None:
    patient = desk.patient()
    ask(desk, patient, DUE)

    note(desk, patient, DUE, CallOutcome.CALL_BACK, call_back_on=add_days(DUE, 3))

    assert [in_queue(desk, offset) for offset in (2, 3)] == [False, True]


@pytest.mark.parametrize("agreed", [None, add_days(DUE, 20), date(2027, 1, 4)])
def test_no_day_is_agreed_that_has_passed_or_comes_after_the_close(desk: Desk, agreed: date | None) -> None:
    patient = desk.patient()

    with pytest.raises(InvalidInput):
        note(desk, patient, add_days(DUE, 21), CallOutcome.CALL_BACK, call_back_on=agreed)

    assert (rows(desk, PhoneRequest), rows(desk, PhoneAttempt)) == ([], [])


def test_calls_that_were_agreed_do_not_count_as_calls_in_vain(desk: Desk) -> None:
    patient, day = desk.patient(), add_days(DUE, 21)
    for _ in range(3):
        note(desk, patient, day, CallOutcome.CALL_BACK, call_back_on=day)

    assert in_queue(desk, 21)


def test_calls_that_were_agreed_do_not_end_a_request_of_the_patient(desk: Desk) -> None:
    patient = desk.patient()
    ask(desk, patient, DUE)

    for _ in range(3):
        note(desk, patient, DUE, CallOutcome.CALL_BACK, call_back_on=DUE)

    [request] = rows(desk, PhoneRequest)
    assert (request.closed_at, in_queue(desk, 0)) == (None, True)


def test_a_call_that_was_answered_is_the_last(desk: Desk) -> None:
    patient = desk.patient()

    note(desk, patient, add_days(DUE, 21), CallOutcome.ANSWERED)

    assert (in_queue(desk, 30), letters(desk, add_days(DUE, 35))) == (False, [patient.study_id])


def test_two_who_note_the_same_first_call_note_it_once(desk: Desk) -> None:
    patient, day = desk.patient(), add_days(DUE, 21)

    noted = [note(desk, patient, day, CallOutcome.NOT_REACHED, n_tried=0) for _ in range(2)]

    assert (noted, len(rows(desk, PhoneAttempt))) == ([True, False], 1)


def test_two_who_note_that_the_same_call_was_answered_note_it_once(desk: Desk) -> None:
    patient, day = desk.patient(), add_days(DUE, 21)

    noted = [note(desk, patient, day, CallOutcome.ANSWERED, n_tried=0) for _ in range(2)]

    assert (noted, len(rows(desk, PhoneRequest))) == ([True, False], 1)


def test_a_call_is_noted_with_the_request_that_the_patient_made_meanwhile(desk: Desk) -> None:
    patient, day = desk.patient(), add_days(DUE, 21)
    ask(desk, patient, day)

    note(desk, patient, day, CallOutcome.NOT_REACHED, n_tried=0)

    [request], [attempt] = rows(desk, PhoneRequest), rows(desk, PhoneAttempt)
    assert (request.origin, request.closed_at, attempt.phone_request_id) == ("patient", None, request.id)


def test_a_call_in_vain_holds_no_mail_once_there_is_an_address(desk: Desk) -> None:
    patient = desk.patient(email=None)
    note(desk, patient, DUE, CallOutcome.NOT_REACHED)
    with desk.database.transaction() as session:
        session.execute(update(Contact).values(email="hanako@example.org"))

    assert (in_queue(desk, 7), send_mails(desk, add_days(DUE, 7))) == (False, {"accepted": 1, "skipped": 1})


def test_a_patient_who_asks_has_calls_of_their_own_again(desk: Desk) -> None:
    patient, day = desk.patient(), add_days(DUE, 21)
    for _ in range(2):
        note(desk, patient, day, CallOutcome.NOT_REACHED)

    ask(desk, patient, day)

    [waiting] = queue(desk, day)
    assert (waiting.origin, waiting.n_attempts) == (CallOrigin.PATIENT, 0)
    assert [(row.origin, row.outcome) for row in rows(desk, PhoneRequest)] == [
        (CallOrigin.LADDER, CallOutcome.NOT_REACHED),
        (CallOrigin.LADDER, CallOutcome.NOT_REACHED),
        (CallOrigin.PATIENT, None),
    ]


def test_declining_ends_every_rung_at_once_and_is_kept(desk: Desk) -> None:
    patient = desk.patient()
    first = send_mails(desk, DUE)

    note(desk, patient, add_days(DUE, 1), CallOutcome.DECLINED)

    assert (first, send_mails(desk, add_days(DUE, 7))) == ({"accepted": 1}, {"skipped": 1})
    mails = [row for row in rows(desk, Reminder) if row.follow_up_id == patient.follow_up_id]
    assert [row.skip_reason for row in mails][:2] == [None, "declined"]
    assert (in_queue(desk, 21), letters(desk, add_days(DUE, 35))) == (False, [])
    [declined_on] = [row.declined_on for row in rows(desk, FollowUp) if row.id == patient.follow_up_id]
    assert (declined_on, actions(desk)) == (add_days(DUE, 1), ["call_closed", "follow_up_declined"])


def test_without_declining_the_mail_of_a_week_later_goes_out(desk: Desk) -> None:
    desk.patient()
    send_mails(desk, DUE)

    assert send_mails(desk, add_days(DUE, 7)) == {"accepted": 1}


def test_declining_one_form_leaves_the_next(desk: Desk) -> None:
    patient = desk.patient(email=None)
    note(desk, patient, DUE, CallOutcome.DECLINED)

    assert (queue(desk, DUE), ids(queue(desk, date(2027, 2, 19)))) == ([], [patient.study_id])


def test_declining_twice_keeps_the_first_day(desk: Desk) -> None:
    patient = desk.patient()

    def decline(day: date) -> bool:
        with desk.database.transaction() as session:
            return decline_follow_up(session, follow_up_id=patient.follow_up_id, today=day, by=BY, now=at(day))

    assert (decline(DUE), decline(add_days(DUE, 1)), actions(desk)) == (True, False, ["follow_up_declined"])


# Letters


def post(desk: Desk, patient: AtDesk, day: date) -> bool:
    with desk.database.transaction() as session:
        return record_posted_letter(session, follow_up_id=patient.follow_up_id, today=day, by=BY, now=at(day))


def test_a_letter_is_noted_once_and_ends_the_ladder(desk: Desk) -> None:
    patient, day = desk.patient(), add_days(DUE, 35)
    before = (letters(desk, day), in_queue(desk, 35))

    noted = (post(desk, patient, day), post(desk, patient, add_days(day, 1)))

    [row] = rows(desk, PostedLetter)
    assert (noted, row.follow_up_id, row.posted_on) == ((True, False), patient.follow_up_id, day)
    assert (row.recorded_by, actions(desk)) == (BY.reference, ["letter_posted"])
    assert (before, letters(desk, day), in_queue(desk, 36)) == (([patient.study_id], True), [], False)


def test_a_letter_for_an_earlier_day_of_the_operation_does_not_count(desk: Desk) -> None:
    patient, day = desk.patient(), add_days(DUE, 35)
    post(desk, patient, add_days(DUE, -15))

    assert (letters(desk, day), post(desk, patient, day)) == ([patient.study_id], True)


# What the database leaves out, the rules would have left out


def tasks(session: Session, found: list[Standing], settings: Settings, today: date) -> set[tuple[int, str]]:
    ladder = settings.protocol.ladder
    return {
        (one.follow_up.id, name)
        for one in found
        for name, is_due in (
            ("call", call_due_on(one.facts, ladder, today=today)),
            ("letter", letter_due_on(one.facts, ladder, today=today)),
            ("overdue", is_overdue(one.facts, today=today)),
        )
        if is_due
    }


def test_what_is_found_by_dates_is_what_is_due_among_all(
    settings: Settings, database: Database, by: Actor, now: datetime
) -> None:
    """Every follow-up of the demonstration, looked at one by one, gives the same calls and letters."""
    zone = settings.sites[0].zone
    with database.transaction() as session:
        load_demo(session, settings=settings, now=now, by=by)
        session.execute(update(Contact).where(col(Contact.patient_id) % 3 == 0).values(email=None))
        session.execute(update(Contact).where(col(Contact.patient_id) % 5 == 0).values(phone=""))
        session.execute(update(FollowUp).where(col(FollowUp.id) % 7 == 0).values(declined_on=now.date()))
        session.execute(update(Patient).where(col(Patient.id) % 11 == 0).values(died_on=now.date()))

    with database.reading() as session:
        every = [
            candidate(session, site_id=1, follow_up_id=follow_up_id)
            for follow_up_id in session.exec(select(FollowUp.id).order_by(col(FollowUp.id)))
        ]
        all_rows = [one for one in every if one is not None]
        seen = set()
        for today in (date(2026, 11, 20), date(2026, 12, 24), date(2027, 3, 1)):
            span = Span(1, add_days(today, -90), today, today)
            found = standings(session, candidates(session, span), zone=zone, today=today)
            among_all = tasks(session, standings(session, all_rows, zone=zone, today=today), settings, today)
            few = standings(
                session, candidates(session, span, mailed_until=add_days(today, -21)), zone=zone, today=today
            )
            assert tasks(session, found, settings, today) == among_all
            assert {one for one in tasks(session, few, settings, today) if one[1] != "overdue"} == {
                one for one in among_all if one[1] != "overdue"
            }
            assert all(span.since <= one.follow_up.due_on <= span.until for one in found)
            assert len(found) < len(all_rows) / 5
            seen |= {name for _, name in among_all}
    assert seen == {"call", "letter", "overdue"}


def test_candidates_are_found_by_the_index_of_due_dates(
    settings: Settings, database: Database, by: Actor, now: datetime
) -> None:
    """A page costs what is due around today, not what exists."""
    with database.transaction() as session:
        load_demo(session, settings=settings, now=now, by=by)
        session.execute(text("ANALYZE"))
    span = Span(1, add_days(DUE, -90), DUE, DUE)
    statement = unfinished(span).compile(database.engine, compile_kwargs={"literal_binds": True})

    with database.transaction() as session:
        if database.is_sqlite:
            plan = session.execute(text(f"EXPLAIN QUERY PLAN {statement}")).all()
        else:
            # So few rows are read faster from end to end.
            session.execute(text("SET LOCAL enable_seqscan = off"))
            plan = session.execute(text(f"EXPLAIN {statement}")).all()

    wanted = r"due_on>\? AND due_on<\?" if database.is_sqlite else r"Index Cond: \(\(due_on >= .+ AND \(due_on <= "
    assert "ix__follow_up__due_on" in str(plan)
    assert re.search(wanted, str(plan))


def test_the_queue_takes_as_many_queries_for_many_as_for_few(desk: Desk) -> None:
    counted: list[str] = []

    def n_queries() -> int:
        counted.clear()
        with desk.database.reading() as session:
            n_calls_waiting(session, **asking(desk, add_days(DUE, 21)))
        return len(counted)

    desk.patient()
    event.listen(desk.database._reading_engine, "before_cursor_execute", lambda *found: counted.append(found[2]))
    few = n_queries()
    for _ in range(10):
        desk.patient()

    assert (n_queries(), len(queue(desk, add_days(DUE, 21)))) == (few, 11)
