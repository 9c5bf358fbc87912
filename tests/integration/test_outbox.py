"""Reminders leave once, in their window, and stop at once."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from itertools import pairwise
from threading import Barrier, Event, Thread
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, event, insert, update
from sqlmodel import Session, col, select

from registry.config import Settings
from registry.domain.ladder import SkipReason
from registry.domain.vocabularies import OperationState, Region, Sex
from registry.mail.outgoing import Outgoing
from registry.mail.transport import OutcomeUnknown, Refused, TryLater, transport_of
from registry.security.keys import KeyRing
from registry.security.tokens import random_id
from registry.services import enrolment, operations
from registry.services.operations import OperationFacts
from registry.services.outbox import BATCH_SIZE, GIVE_UP_AFTER, LEASE, UNKNOWN_RETRY, Dispatch, send_due_reminders
from registry.storage import outbox
from registry.storage.database import Database
from registry.storage.enrolments import site_id_of
from registry.storage.models import (
    AccessLink,
    Assessment,
    AuditEvent,
    Contact,
    Enrolment,
    FollowUp,
    Operation,
    Patient,
    Reminder,
    ReminderKind,
    ReminderState,
)
from registry.storage.outbox import Claim
from registry.storage.together import Patience
from tests.factories import BY, make_operation, make_patient

# Three months before the tests' today: the M3 mails are due on 20 and 27 November and 4 December, open to 4 January.
OPERATED_ON = date(2026, 8, 20)
DUE_ON = date(2026, 11, 20)
CLOSES_ON = date(2027, 1, 4)
TOKYO = ZoneInfo("Asia/Tokyo")
FRIDAY_MIDNIGHT = datetime(2026, 11, 20, tzinfo=TOKYO)
DAY = timedelta(days=1)

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class MemoryTransport:
    """Keeps mails; a failure, or anything else to do, can be set for the next ones."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.failures: list[BaseException] = []
        self.on_send: Callable[[EmailMessage], object] = lambda message: None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def send(self, message: Outgoing, *, recipient: str, sender: str) -> None:
        read = message.parsed()
        self.on_send(read)
        self.mails.append(read)
        self.recipients.append(recipient)
        if self.failures:
            raise self.failures.pop(0)


class Desk:
    """A registry with one patient whose first M3 mail is due today, and a dispatcher that can be run at any time."""

    def __init__(self, database: Database, settings: Settings, keys: KeyRing, now: datetime) -> None:
        self.database, self.settings, self.keys, self.now = database, settings, keys, now
        self.transport = MemoryTransport()

    def enrol(self, *, operated_on: date | None = OPERATED_ON, planned_on: date | None = None, **person: str) -> int:
        today = self.now.date()
        with self.database.transaction() as session:
            patient = make_patient(session, now=self.now, **person)
            make_operation(
                session,
                patient,
                self.settings,
                now=self.now,
                today=today,
                operated_on=operated_on,
                planned_on=planned_on,
            )
            return patient.id

    def run(self, at: datetime | None = None) -> dict[str, int]:
        clock = lambda: at or self.now  # noqa: E731
        dispatch = Dispatch(self.database, self.settings, self.keys, self.transport, clock, chance=lambda: 0.0)
        return dict(send_due_reminders(dispatch))

    def on(self, day: date) -> datetime:
        """Noon of a day at the site."""
        return datetime(day.year, day.month, day.day, 3, tzinfo=UTC)

    def write(self, change: Callable[[Session], object]) -> None:
        with self.database.transaction() as session:
            change(session)

    def rows(self, timepoint: str = "M3") -> list[Reminder]:
        statement = select(Reminder).join(FollowUp, col(FollowUp.id) == col(Reminder.follow_up_id))
        with self.database.reading() as session:
            found = statement.where(FollowUp.timepoint == timepoint).order_by(
                col(Reminder.patient_id), col(Reminder.rung)
            )
            return list(session.exec(found))

    def states(self, timepoint: str = "M3") -> list[str]:
        return [row.skip_reason or row.state for row in self.rows(timepoint)]

    def actions(self) -> list[str]:
        with self.database.reading() as session:
            names = session.exec(select(AuditEvent.action).order_by(col(AuditEvent.id)))
            return [name for name in names if name.startswith("reminder_")]


@pytest.fixture
def desk(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Desk:
    return Desk(database, settings, keys, now)


def form_url(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return next(line for line in body.get_content().splitlines() if "/s/" in line)


# At which hour a mail leaves


@pytest.fixture
def hospital(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Desk:
    """A registry that is no demonstration: it keeps to the hours of its protocol."""
    no_demo = settings.demo.model_copy(update={"enabled": False})
    return Desk(database, settings.model_copy(update={"demo": no_demo}), keys, now)


def half_hours(start: datetime, *, days: int) -> Iterator[datetime]:
    return (start + timedelta(minutes=30 * step) for step in range(48 * days))


def leaving(desk: Desk, moments: Iterable[datetime]) -> list[str]:
    """When mails were handed over, on the clock of the site."""
    found = []
    for moment in moments:
        before = len(desk.transport.recipients)
        desk.run(moment)
        if len(desk.transport.recipients) > before:
            found.append(f"{moment.astimezone(TOKYO):%a %d %b %H:%M}")
    return found


def test_a_mail_that_is_due_on_a_friday_leaves_on_monday_morning(hospital: Desk) -> None:
    hospital.enrol()

    assert leaving(hospital, half_hours(FRIDAY_MIDNIGHT, days=5)) == ["Mon 23 Nov 09:00"]


def test_the_ladder_keeps_to_its_days_and_hours(hospital: Desk) -> None:
    hospital.enrol()

    found = leaving(hospital, half_hours(FRIDAY_MIDNIGHT, days=21))

    assert found == ["Mon 23 Nov 09:00", "Mon 30 Nov 09:00", "Mon 07 Dec 09:00"]


def test_without_hours_it_would_leave_in_the_night(desk: Desk) -> None:
    desk.enrol()

    assert leaving(desk, half_hours(FRIDAY_MIDNIGHT, days=5)) == ["Fri 20 Nov 00:00"]


def test_a_mail_that_was_put_off_is_tried_until_the_evening_of_any_day_and_never_at_night(hospital: Desk) -> None:
    hospital.enrol()
    hospital.transport.failures = [TryLater("450 later")] * 100

    found = leaving(hospital, half_hours(datetime(2026, 12, 7, tzinfo=TOKYO), days=7))

    assert found[0] == "Mon 07 Dec 09:00"
    assert {moment[:3] for moment in found} == {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
    assert all("09:00" <= moment[-5:] < "20:00" for moment in found)


def test_a_form_that_closes_before_the_next_sending_day_is_written_down_as_missed(hospital: Desk) -> None:
    hospital.enrol()
    saturday = date(2026, 11, 21)
    three_months = update(FollowUp).where(col(FollowUp.timepoint) == "M3")
    hospital.write(lambda session: session.execute(three_months.values(closes_on=saturday)))

    assert leaving(hospital, half_hours(FRIDAY_MIDNIGHT, days=5)) == []
    assert hospital.states()[0] == SkipReason.WINDOW_CLOSED


def test_a_fresh_link_leaves_at_night_too(hospital: Desk) -> None:
    """The patient who has asked for it sits and waits."""
    hospital.enrol()
    fresh = {"kind": ReminderKind.FRESH_LINK, "due_on": DUE_ON}
    first = select(Reminder.id).where(Reminder.rung == 0, Reminder.due_on == DUE_ON).scalar_subquery()
    hospital.write(lambda session: session.execute(update(Reminder).where(col(Reminder.id) == first).values(**fresh)))

    assert leaving(hospital, half_hours(FRIDAY_MIDNIGHT, days=1)) == ["Fri 20 Nov 00:00"]


# When a mail leaves


def test_a_due_reminder_is_sent_once(desk: Desk) -> None:
    desk.enrol()

    first, second = desk.run(), desk.run()

    assert (first, second) == ({"accepted": 1}, {})
    assert len(desk.transport.recipients) == 1


def test_a_due_reminder_is_written_into_the_folder(desk: Desk, settings: Settings) -> None:
    desk.enrol()

    with transport_of(settings.mail) as transport:
        send_due_reminders(Dispatch(desk.database, settings, desk.keys, transport, lambda: desk.now))

    assert len(list(settings.mail.folder.glob("*.eml"))) == 1


@pytest.mark.parametrize(
    ("at", "sent"),
    [
        (datetime(2026, 11, 19, 14, 59, tzinfo=UTC), 0),  # a minute before midnight at the site
        (datetime(2026, 11, 19, 15, 0, tzinfo=UTC), 1),
    ],
)
def test_no_mail_leaves_before_its_day_at_the_site(desk: Desk, at: datetime, sent: int) -> None:
    desk.enrol()

    desk.run(at)

    assert len(desk.transport.mails) == sent


@pytest.mark.parametrize(("day", "sent"), [(CLOSES_ON, 1), (CLOSES_ON + DAY, 0)])
def test_no_mail_leaves_after_the_form_has_closed(desk: Desk, day: date, sent: int) -> None:
    desk.enrol()

    desk.run(desk.on(day))

    assert len(desk.transport.mails) == sent


def test_a_mail_that_the_close_overtook_says_so(desk: Desk) -> None:
    desk.enrol()

    desk.run(desk.on(CLOSES_ON + DAY))

    assert desk.states() == [SkipReason.WINDOW_CLOSED] * 3


@pytest.mark.parametrize(("day", "sent"), [(date(2026, 11, 24), 1), (date(2026, 11, 25), 0)])
def test_the_form_before_an_operation_is_asked_for_until_its_eve(desk: Desk, day: date, sent: int) -> None:
    desk.enrol(operated_on=None, planned_on=date(2026, 11, 25))

    desk.run(desk.on(day))

    assert len(desk.transport.mails) == sent


def test_after_an_outage_only_the_latest_mail_goes(desk: Desk) -> None:
    desk.enrol()

    desk.run(desk.on(date(2026, 12, 4)))

    assert len(desk.transport.mails) == 1
    assert desk.states() == [SkipReason.OVERTAKEN, SkipReason.OVERTAKEN, ReminderState.ACCEPTED]


def test_the_ladder_is_climbed_one_mail_at_a_time(desk: Desk) -> None:
    desk.enrol()

    outcomes = [desk.run(desk.on(DUE_ON + DAY * days)) for days in range(20)]

    assert [day for day, outcome in enumerate(outcomes) if outcome] == [0, 7, 14]


def test_every_mail_of_a_ladder_carries_the_same_link_and_another_message_id(desk: Desk) -> None:
    desk.enrol()

    for days in (0, 7, 14):
        desk.run(desk.on(DUE_ON + DAY * days))

    assert len({form_url(mail) for mail in desk.transport.mails}) == 1
    assert len({mail["Message-ID"] for mail in desk.transport.mails}) == 3


def test_the_words_follow_what_reached_the_patient(desk: Desk) -> None:
    desk.enrol()

    for days in (0, 7, 14):
        desk.run(desk.on(DUE_ON + DAY * days))

    subjects = [mail["Subject"].removeprefix("[DEMO] Demo Hospital: ") for mail in desk.transport.mails]
    assert subjects == [
        "how are you doing? (3 minutes)",
        "a reminder, open until 4 Jan",
        "last reminder, until 4 Jan",
    ]


def test_the_last_mail_says_so_after_the_operation_was_brought_forward(desk: Desk) -> None:
    patient_id = desk.enrol(operated_on=None, planned_on=date(2026, 12, 20), enrolled_on=date(2026, 11, 20))
    desk.run()
    change_operation(desk, patient_id, OperationState.PLANNED, planned_on=date(2026, 11, 25))

    desk.run(desk.on(date(2026, 11, 23)))

    assert "last reminder" in desk.transport.mails[-1]["Subject"]


def test_an_imported_timepoint_of_the_past_sends_nothing(desk: Desk) -> None:
    patient_id = desk.enrol(operated_on=None, planned_on=date(2026, 12, 20))

    def import_it(session: Session) -> None:
        session.get_one(Enrolment, patient_id).is_imported = True

    desk.write(import_it)
    change_operation(desk, patient_id, OperationState.PERFORMED, operated_on=OPERATED_ON - DAY)
    desk.run()

    assert (desk.transport.mails, desk.states("M3"), desk.states("M6")) == ([], [], [ReminderState.PLANNED] * 3)


# What stops a mail, read at the moment of sending


def change_operation(desk: Desk, patient_id: int, state: OperationState, **days: date) -> None:
    def change(session: Session) -> None:
        operations.change_operation(
            session,
            operation=session.exec(select(Operation).where(Operation.patient_id == patient_id)).one(),
            facts=OperationFacts(state=state, procedure="laminoplasty", region=Region.CERVICAL, **days),
            study=desk.settings.protocol,
            today=desk.now.date(),
            by=BY,
            now=desk.now,
        )

    desk.write(change)


def answer(session: Session, patient_id: int) -> None:
    follow_up = session.exec(
        select(FollowUp).where(FollowUp.patient_id == patient_id, FollowUp.timepoint == "M3")
    ).one()
    at = datetime(2026, 11, 20, tzinfo=UTC)
    session.add(
        Assessment(
            follow_up_id=follow_up.id,
            patient_id=patient_id,
            reference="r",
            language="en",
            started_at=at,
            submitted_at=at,
        )
    )


def decline(session: Session, patient_id: int) -> None:
    for follow_up in session.exec(select(FollowUp).where(FollowUp.patient_id == patient_id)):
        follow_up.declined_on = DUE_ON


def withdraw(session: Session, patient_id: int) -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    enrolment.withdraw(session, patient_id=patient_id, withdrawn_on=DUE_ON, today=DUE_ON, by=BY, now=at)


def die(session: Session, patient_id: int) -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    enrolment.record_death(session, patient_id=patient_id, died_on=DUE_ON, today=DUE_ON, by=BY, now=at)


def stop(session: Session, patient_id: int) -> None:
    enrolment.stop_emails(session, patient_id=patient_id, by=BY, now=datetime(2026, 11, 20, tzinfo=UTC))


def lose_the_address(session: Session, patient_id: int) -> None:
    session.get_one(Contact, patient_id).email = None


def cancel(session: Session, patient_id: int) -> None:
    _take_back(session, patient_id, OperationState.CANCELLED)


def postpone(session: Session, patient_id: int) -> None:
    _take_back(session, patient_id, OperationState.POSTPONED)


def _take_back(session: Session, patient_id: int, state: OperationState) -> None:
    """Past the service, which would take the planned mails back itself: the dispatcher must look as well."""
    operation = session.exec(select(Operation).where(Operation.patient_id == patient_id)).one()
    operation.state, operation.operated_on = state, None


STOPS = [
    (answer, SkipReason.ANSWERED),
    (decline, SkipReason.DECLINED),
    (withdraw, SkipReason.WITHDRAWN),
    (die, SkipReason.DIED),
    (stop, SkipReason.EMAILS_STOPPED),
    (lose_the_address, SkipReason.NO_ADDRESS),
    (cancel, SkipReason.OPERATION_OFF),
    (postpone, SkipReason.OPERATION_OFF),
]


@pytest.mark.parametrize(("happen", "reason"), STOPS)
def test_what_happened_since_the_plan_stops_the_mail(
    desk: Desk, happen: Callable[[Session, int], None], reason: SkipReason
) -> None:
    patient_id = desk.enrol()
    desk.enrol(email="noise@example.org")
    desk.write(lambda session: happen(session, patient_id))

    desk.run()

    assert desk.transport.recipients == ["noise@example.org"]
    assert desk.states()[0] == reason


@pytest.mark.parametrize(("happen", "reason"), STOPS)
def test_what_happened_while_waiting_stops_the_second_attempt(
    desk: Desk, happen: Callable[[Session, int], None], reason: SkipReason
) -> None:
    patient_id = desk.enrol()
    desk.transport.failures = [TryLater("451 later")]
    desk.run()
    desk.write(lambda session: happen(session, patient_id))

    desk.run(desk.now + timedelta(hours=1))

    assert (len(desk.transport.mails), desk.states()[0]) == (1, reason)


@pytest.mark.parametrize("state", [OperationState.CANCELLED, OperationState.POSTPONED])
def test_an_operation_that_is_off_takes_its_planned_mails_back(desk: Desk, state: OperationState) -> None:
    patient_id = desk.enrol(operated_on=None, planned_on=date(2026, 11, 25))

    change_operation(desk, patient_id, state)

    assert set(desk.states("before")) == {SkipReason.OPERATION_OFF}


def test_a_follow_up_mail_stops_when_the_operation_turns_out_not_to_have_happened(desk: Desk) -> None:
    patient_id = desk.enrol()
    desk.transport.failures = [TryLater("451 later")]
    desk.run()
    change_operation(desk, patient_id, OperationState.PLANNED, planned_on=date(2026, 12, 20))

    desk.run(desk.now + timedelta(hours=1))

    m3_rows = desk.states("M3")
    assert m3_rows[0] == SkipReason.OPERATION_OFF


def test_saved_answers_that_were_not_sent_do_not_stop_the_mails(desk: Desk) -> None:
    patient_id = desk.enrol()
    desk.write(lambda session: answer(session, patient_id))
    desk.write(lambda session: session.execute(update(Assessment).values(submitted_at=None)))

    desk.run()

    assert len(desk.transport.mails) == 1


def test_a_skipped_mail_is_audited_with_its_reason(desk: Desk) -> None:
    patient_id = desk.enrol()
    desk.write(lambda session: stop(session, patient_id))

    desk.run()

    with desk.database.reading() as session:
        details = session.exec(select(AuditEvent.details).where(AuditEvent.action == "reminder_skipped")).one()
    assert details == {"reason": "emails_stopped"}


@pytest.mark.parametrize(("happen", "reason"), STOPS)
def test_what_happened_while_the_mail_before_it_was_on_its_way_stops_a_mail(
    desk: Desk, happen: Callable[[Session, int], None], reason: SkipReason
) -> None:
    """Both were made ready together."""
    desk.enrol(email="first@example.org")
    patient_id = desk.enrol(email="second@example.org")
    desk.transport.on_send = lambda _message: desk.write(lambda session: happen(session, patient_id))

    desk.run()

    assert desk.transport.recipients == ["first@example.org"]
    assert next(row for row in desk.rows() if row.patient_id == patient_id).skip_reason == reason


def test_an_address_that_was_corrected_while_the_mail_before_it_was_on_its_way_is_the_one_that_counts(
    desk: Desk,
) -> None:
    desk.enrol(email="first@example.org")
    patient_id = desk.enrol(email="wrong@example.org")

    def correct(session: Session) -> None:
        session.execute(update(Contact).where(col(Contact.patient_id) == patient_id).values(email="right@example.org"))

    desk.transport.on_send = lambda _message: desk.write(correct)
    desk.run()

    assert desk.transport.recipients == ["first@example.org", "right@example.org"]


# Several dispatchers


def many_due(session: Session, n: int, now: datetime) -> None:
    """So many patients with one due mail each, written without the services because there are many."""
    site_id = site_id_of(session, code="DEMO")
    numbers = range(1000, 1000 + n)
    session.execute(
        insert(Patient),
        [
            {"id": i, "public_id": random_id(), "site_id": site_id, "study_id": str(i), "sex": Sex.FEMALE}
            | {"birth_year": 1950, "language": "en", "created_at": now}
            for i in numbers
        ],
    )
    session.execute(
        insert(Contact),
        [{"patient_id": i, "family_name": "Mihon", "email": f"p{i}@example.org"} for i in numbers],
    )
    session.execute(insert(Enrolment), [{"patient_id": i, "enrolled_on": OPERATED_ON} for i in numbers])
    session.execute(
        insert(Operation),
        [
            {"id": i, "patient_id": i, "state": OperationState.PERFORMED, "operated_on": OPERATED_ON}
            | {"region": Region.CERVICAL, "procedure": "laminoplasty", "recorded_at": now}
            for i in numbers
        ],
    )
    session.execute(
        insert(FollowUp),
        [
            {"id": i, "patient_id": i, "operation_id": i, "timepoint": "M3"}
            | {"opens_on": DUE_ON, "due_on": DUE_ON, "closes_on": CLOSES_ON}
            for i in numbers
        ],
    )
    session.execute(
        insert(Reminder),
        [{"follow_up_id": i, "patient_id": i, "rung": 0, "due_on": DUE_ON} for i in numbers],
    )


def run_at_once(
    desk: Desk, n_dispatchers: int, *, on_send: Callable[[EmailMessage], object] = lambda message: None
) -> list[str]:
    """Whom mails went to when so many dispatchers, each with connections of its own, start together."""
    line = Barrier(n_dispatchers)
    transports = [MemoryTransport() for _ in range(n_dispatchers)]

    def run(transport: MemoryTransport) -> None:
        transport.on_send = on_send
        database = Database(desk.settings.database.url)
        line.wait()
        send_due_reminders(Dispatch(database, desk.settings, desk.keys, transport, lambda: desk.now))
        database.dispose()

    threads = [Thread(target=run, args=(transport,)) for transport in transports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [recipient for transport in transports for recipient in transport.recipients]


def test_two_dispatchers_at_once_send_each_of_200_mails_once(desk: Desk) -> None:
    desk.write(lambda session: many_due(session, 200, desk.now))

    recipients = run_at_once(desk, 2)

    assert sorted(recipients) == [f"p{i}@example.org" for i in range(1000, 1200)]


def test_without_the_claim_two_dispatchers_send_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: it shows that the test above can fail."""
    desk.write(lambda session: many_due(session, 1, desk.now))
    together = Barrier(2)

    def look_without_claiming(rows: Connection, **_: object) -> list[Claim]:
        planned = select(Reminder.id, Reminder.fence).where(Reminder.state == ReminderState.PLANNED)
        found = [Claim(row.id, row.fence) for row in rows.execute(planned)]
        rows.commit()
        if found:
            together.wait(timeout=10)
        return found

    # Patched because no setting takes the claim out.
    monkeypatch.setattr(outbox, "claim_due", look_without_claiming)
    recipients = run_at_once(desk, 2, on_send=lambda _message: together.wait(timeout=10))

    assert recipients == ["p1000@example.org", "p1000@example.org"]


@on_postgresql
def test_a_claim_lost_at_the_last_moment_sends_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.enrol()
    other = Database(desk.settings.database.url)
    stolen: list[bool] = []

    mark = outbox.mark

    def mark_late(rows: Connection, claim: Claim, **values: object) -> bool:
        if not stolen:
            stolen.append(True)
            with other.transaction() as session:
                session.execute(update(Reminder).values(fence=Reminder.fence + 1))
        return mark(rows, claim, **values)

    # Patched because nothing else stands between the look and the mark of one transaction.
    monkeypatch.setattr(outbox, "mark", mark_late)
    outcome = desk.run()
    other.dispose()

    assert (stolen, outcome, desk.transport.mails) == ([True], {"lost_claim": 1}, [])


def test_a_dispatcher_whose_claim_was_taken_over_writes_nothing_down(desk: Desk) -> None:
    desk.enrol()
    other = Database(desk.settings.database.url)

    def take_over(_message: EmailMessage) -> None:
        with other.transaction() as session:
            session.execute(update(Reminder).where(col(Reminder.fence) == 1).values(fence=2))

    desk.transport.on_send = take_over
    outcome = desk.run()
    other.dispose()

    assert outcome == {"lost_claim": 1}
    assert desk.rows()[0].state == ReminderState.SENDING


def test_a_claim_is_renewed_before_a_mail_that_waited_for_the_others(desk: Desk) -> None:
    for number in range(3):
        desk.enrol(email=f"p{number}@example.org")
    minutes: list[int] = []
    leases: list[timedelta] = []

    def clock() -> datetime:
        return desk.now + timedelta(minutes=9 * len(minutes))

    def wait(_message: EmailMessage) -> None:
        (row,) = [row for row in desk.rows() if row.state == ReminderState.SENDING]
        assert row.next_attempt_at is not None
        leases.append(row.next_attempt_at - clock())
        minutes.append(9)

    desk.transport.on_send = wait
    send_due_reminders(Dispatch(desk.database, desk.settings, desk.keys, desk.transport, clock))

    assert leases == [LEASE] * 3


# What the server said


def test_the_attempt_is_committed_before_the_mail_is_handed_over(desk: Desk) -> None:
    desk.enrol()
    other = Database(desk.settings.database.url)
    seen: list[tuple[str, str | None, int]] = []

    def look(_message: EmailMessage) -> None:
        with other.reading() as session:
            row = session.exec(select(Reminder).where(Reminder.rung == 0, col(Reminder.fence) > 0)).one()
            seen.append((row.state, row.message_id, row.n_attempts))

    desk.transport.on_send = look
    desk.run()
    other.dispose()

    assert seen == [(ReminderState.SENDING, desk.transport.mails[0]["Message-ID"], 1)]


def test_no_transaction_is_open_while_a_mail_is_handed_over(desk: Desk) -> None:
    desk.enrol()
    other = Database(desk.settings.database.url)

    def write(_message: EmailMessage) -> None:
        with other.transaction() as session:
            session.execute(update(Contact).values(phone="06"))

    desk.transport.on_send = write
    outcome = desk.run()
    other.dispose()

    assert outcome == {"accepted": 1}


def test_a_deferred_mail_is_tried_again_after_five_minutes(desk: Desk) -> None:
    desk.enrol()
    desk.transport.failures = [TryLater("451 later")]

    outcomes = [desk.run(desk.now + timedelta(seconds=seconds)) for seconds in (0, 299, 300)]

    assert outcomes == [{"deferred": 1}, {}, {"accepted": 1}]


def test_the_second_attempt_is_the_same_mail_with_the_same_link(desk: Desk) -> None:
    desk.enrol()
    desk.transport.failures = [TryLater("451 later")]
    desk.run()

    desk.run(desk.now + timedelta(hours=1))

    first, second = desk.transport.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert form_url(first) == form_url(second)


def tries_until_given_up(desk: Desk, start: datetime, *, rung: int = 0) -> list[datetime]:
    """When the mail of a rung was tried that is always deferred."""
    tried, at = [], start
    while len(tried) < 100:
        desk.transport.failures = [TryLater("451 later")]
        desk.run(at)
        tried.append(at)
        row = desk.rows()[rung]
        if row.next_attempt_at is None:
            break
        at = row.next_attempt_at
    return tried


def test_waits_double_up_to_six_hours(desk: Desk) -> None:
    desk.enrol()

    tried = tries_until_given_up(desk, desk.now)

    minutes = [(later - earlier).total_seconds() / 60 for earlier, later in pairwise(tried)]
    assert minutes[:9] == [5, 10, 20, 40, 80, 160, 320, 360, 360]


@pytest.mark.parametrize(
    ("rung", "first_day"),
    [
        (0, DUE_ON),
        (2, date(2026, 12, 4)),
        (2, date(2026, 12, 14)),  # ten days late, as after an outage that swallowed the whole ladder
    ],
)
def test_a_mail_is_tried_for_five_days_from_its_first_attempt(desk: Desk, rung: int, first_day: date) -> None:
    desk.enrol()

    tried = tries_until_given_up(desk, desk.on(first_day), rung=rung)

    assert GIVE_UP_AFTER <= tried[-1] - tried[0] <= GIVE_UP_AFTER + timedelta(hours=6)
    assert desk.rows()[rung].state == ReminderState.REJECTED


@pytest.mark.parametrize("failure", [Refused("550 5.1.1 no such user"), Refused("554 5.7.1 rejected")])
def test_a_refused_mail_is_not_tried_again(desk: Desk, failure: Refused) -> None:
    desk.enrol()
    desk.transport.failures = [failure]

    outcomes = [desk.run(desk.now + DAY * days) for days in range(6)]

    assert outcomes == [{"rejected": 1}, {}, {}, {}, {}, {}]
    assert desk.rows()[0].failure == str(failure)


def test_an_unknown_mail_goes_out_once_more_after_a_day(desk: Desk) -> None:
    desk.enrol()
    desk.transport.failures = [OutcomeUnknown("lost")]

    times = (timedelta(0), UNKNOWN_RETRY - timedelta(seconds=1), UNKNOWN_RETRY, 2 * UNKNOWN_RETRY)
    outcomes = [desk.run(desk.now + after) for after in times]

    assert outcomes == [{"unknown": 1}, {}, {"accepted": 1}, {}]
    assert desk.transport.mails[0]["Message-ID"] == desk.transport.mails[1]["Message-ID"]


def test_a_mail_that_is_unknown_twice_never_goes_out_again(desk: Desk) -> None:
    desk.enrol()
    desk.transport.failures = [OutcomeUnknown("lost"), OutcomeUnknown("lost again")]

    outcomes = [desk.run(desk.now + DAY * days) for days in range(6)]

    assert outcomes == [{"unknown": 1}, {"rejected": 1}, {}, {}, {}, {}]


def test_a_mail_that_is_unknown_then_deferred_then_unknown_never_goes_out_again(desk: Desk) -> None:
    desk.enrol()
    desk.transport.failures = [OutcomeUnknown("lost"), TryLater("451 later"), OutcomeUnknown("lost again")]

    outcomes = [desk.run(desk.now + DAY * days) for days in range(6)]

    assert outcomes == [{"unknown": 1}, {"deferred": 1}, {"rejected": 1}, {}, {}, {}]


def test_an_answer_stops_the_second_copy_of_an_unknown_mail(desk: Desk) -> None:
    patient_id = desk.enrol()
    desk.transport.failures = [OutcomeUnknown("lost")]
    desk.run()
    desk.write(lambda session: answer(session, patient_id))

    desk.run(desk.now + UNKNOWN_RETRY)

    assert (len(desk.transport.mails), desk.states()[0]) == (1, SkipReason.ANSWERED)


@pytest.mark.parametrize("death", [KeyboardInterrupt(), SystemExit(1)])
def test_a_mail_whose_dispatcher_died_is_unknown_after_the_lease(desk: Desk, death: BaseException) -> None:
    desk.enrol()
    desk.transport.failures = [death]
    with pytest.raises(type(death)):
        desk.run()

    outcomes = [desk.run(desk.now + after) for after in (LEASE - timedelta(seconds=1), LEASE)]

    assert outcomes == [{}, {"unknown": 1}]


def test_a_mail_whose_dispatcher_died_goes_out_once_more_as_the_same_mail(desk: Desk) -> None:
    desk.enrol()
    desk.transport.failures = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        desk.run()
    desk.run(desk.now + LEASE)

    desk.run(desk.now + LEASE + UNKNOWN_RETRY)

    first, second = desk.transport.mails
    assert (first["Message-ID"], form_url(first)) == (second["Message-ID"], form_url(second))


def test_a_mail_whose_dispatcher_died_twice_never_goes_out_again(desk: Desk) -> None:
    desk.enrol()
    desk.transport.failures = [KeyboardInterrupt(), KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        desk.run()
    desk.run(desk.now + LEASE)
    with pytest.raises(KeyboardInterrupt):
        desk.run(desk.now + LEASE + UNKNOWN_RETRY)

    for days in range(2, 6):
        desk.run(desk.now + DAY * days)

    assert (len(desk.transport.mails), desk.states()[0]) == (2, ReminderState.REJECTED)


def test_mails_that_a_dead_dispatcher_had_only_claimed_go_out_after_the_lease(desk: Desk) -> None:
    for number in range(3):
        desk.enrol(email=f"p{number}@example.org")
    desk.transport.failures = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        desk.run()

    desk.run(desk.now + LEASE)

    assert sorted(desk.transport.recipients) == ["p0@example.org", "p1@example.org", "p2@example.org"]


def test_two_mails_of_a_patient_that_are_made_ready_together_share_the_link_that_stops_them(desk: Desk) -> None:
    def operate_twice(session: Session) -> None:
        patient = make_patient(session, now=desk.now)
        for days in (0, 1):
            operated_on = OPERATED_ON - timedelta(days=days)
            make_operation(
                session, patient, desk.settings, now=desk.now, today=desk.now.date(), operated_on=operated_on
            )

    desk.write(operate_twice)
    assert desk.run() == {"accepted": 2}

    with desk.database.reading() as session:
        purposes = sorted(session.exec(select(AccessLink.purpose)))
        n_audited = len(session.exec(select(AuditEvent.id).where(AuditEvent.action == "link_issued")).all())
    assert len({str(mail["List-Unsubscribe"]) for mail in desk.transport.mails}) == 1
    assert (purposes, n_audited) == (["form", "form", "preferences"], 3)


def test_every_outcome_is_audited(desk: Desk) -> None:
    desk.enrol()
    desk.transport.failures = [TryLater("451 later"), OutcomeUnknown("lost")]

    for days in range(3):
        desk.run(desk.now + DAY * days)

    assert desk.actions() == ["reminder_deferred", "reminder_unknown", "reminder_accepted"]


def test_a_mail_whose_dispatcher_died_is_audited(desk: Desk) -> None:
    desk.enrol()
    desk.transport.failures = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        desk.run()

    desk.run(desk.now + LEASE)

    assert desk.actions() == ["reminder_unknown"]


# One patient's trouble is not another's


@pytest.mark.parametrize("position", [0, 1])
def test_a_mail_that_cannot_be_built_is_rejected_and_the_others_go(desk: Desk, position: int) -> None:
    emails = ["good@example.org"]
    emails.insert(position, "=?utf-8?q?=0A?=bcc@example.org")
    for email in emails:
        desk.enrol(email=email)

    desk.run()

    first_rungs = [row for row in desk.rows() if row.rung == 0]
    assert desk.transport.recipients == ["good@example.org"]
    assert first_rungs[position].state == ReminderState.REJECTED
    assert "reminder_rejected" in desk.actions()


@pytest.mark.parametrize("failure", [TryLater("451"), Refused("550"), OutcomeUnknown("lost")])
def test_a_mail_that_fails_does_not_hold_up_the_others(desk: Desk, failure: Exception) -> None:
    for number in range(3):
        desk.enrol(email=f"p{number}@example.org")
    desk.transport.failures = [failure]

    outcome = desk.run()

    assert outcome["accepted"] == 2


def test_an_accident_that_nobody_foresaw_does_not_hold_up_the_others(desk: Desk) -> None:
    for number in range(3):
        desk.enrol(email=f"p{number}@example.org")
    desk.transport.failures = [ZeroDivisionError()]

    outcome = desk.run()

    assert outcome == {"failed": 1, "accepted": 2}


def test_a_mail_with_an_accident_is_treated_as_unknown(desk: Desk) -> None:
    desk.enrol()
    desk.transport.failures = [ZeroDivisionError()]

    outcomes = [desk.run(desk.now + after) for after in (timedelta(0), LEASE, LEASE + UNKNOWN_RETRY)]

    assert outcomes == [{"failed": 1}, {"unknown": 1}, {"accepted": 1}]


# Being told to stop


def test_a_dispatcher_that_is_told_to_stop_gives_its_claims_back(desk: Desk) -> None:
    for number in range(3):
        desk.enrol(email=f"p{number}@example.org")
    stopping: list[EmailMessage] = []
    desk.transport.on_send = stopping.append
    dispatch = Dispatch(
        desk.database, desk.settings, desk.keys, desk.transport, lambda: desk.now, is_stopping=lambda: bool(stopping)
    )

    first, second = dict(send_due_reminders(dispatch)), desk.run()

    assert (first, second) == ({"accepted": 1}, {"accepted": 2})


# A database that is away when a mail has left


class Busy:
    """Another process that holds SQLite's writer from the moment a mail leaves, until a dispatcher has waited."""

    def __init__(self, desk: Desk, *, connections: int = 1) -> None:
        self.desk, self.n_pauses = desk, 0
        mail = desk.settings.mail.model_copy(update={"host": "127.0.0.1", "connections": connections})
        self.settings = desk.settings.model_copy(update={"mail": mail})
        self._other = sqlite3.connect(desk.database.url.database or "", isolation_level=None, check_same_thread=False)
        # The fifteen seconds of the rules would be waited for in earnest.
        event.listen(desk.database.engine, "checkout", lambda raw, *_: raw.execute("PRAGMA busy_timeout = 50"))
        desk.transport.on_send = self.hold

    def hold(self, _message: EmailMessage) -> None:
        if not self._other.in_transaction:
            self._other.execute("BEGIN IMMEDIATE")

    def let_go(self) -> None:
        self.desk.transport.on_send = lambda message: None
        self._other.close()

    def pause(self, _seconds: float) -> None:
        self.n_pauses += 1
        if self.n_pauses == 20:
            self.let_go()

    def run(self, *, is_stopping: bool = False) -> dict[str, int]:
        """Send what is due; whoever is told to stop is told while the first mail is on its way."""
        desk = self.desk
        told = lambda: is_stopping and bool(desk.transport.mails)  # noqa: E731
        basis = (desk.database, self.settings, desk.keys, desk.transport, lambda: desk.now, told)
        return dict(send_due_reminders(Dispatch(*basis, patience=Patience(sleep=self.pause))))


@pytest.fixture
def busy(desk: Desk) -> Iterator[Busy]:
    found = Busy(desk)
    yield found
    found.let_go()


@on_sqlite
def test_a_mail_that_cannot_be_marked_at_once_is_marked_when_the_database_is_back(busy: Busy) -> None:
    busy.desk.enrol()

    assert busy.run() == {"accepted": 1}

    for after in (LEASE, LEASE + UNKNOWN_RETRY):
        busy.desk.run(busy.desk.now + after)
    assert (busy.desk.states()[0], len(busy.desk.transport.mails), busy.n_pauses > 0) == ("accepted", 1, True)


@on_sqlite
def test_a_mail_that_cannot_be_marked_is_not_waited_for_by_a_dispatcher_that_is_told_to_stop(busy: Busy) -> None:
    busy.desk.enrol()

    assert busy.run(is_stopping=True) == {"failed": 1}

    assert (busy.desk.states()[0], busy.n_pauses) == ("sending", 0)


@on_sqlite
def test_a_lane_that_ends_does_not_keep_another_from_marking_what_has_left(desk: Desk) -> None:
    busy, both, has_held = Busy(desk, connections=2), Barrier(2), Event()
    for number in range(BATCH_SIZE + 1):
        desk.enrol(email=f"p{number}@example.org")

    def leave(message: EmailMessage) -> None:
        # Both lanes have a mail on its way: one dies of it, when the other can no longer mark its own.
        is_first = both.wait(10) == 0
        if is_first:
            busy.hold(message)
            has_held.set()
        else:
            has_held.wait(10)
            raise KeyboardInterrupt

    desk.transport.on_send = leave
    with pytest.raises(KeyboardInterrupt):
        busy.run()

    assert (len(desk.transport.mails), desk.states().count("accepted"), busy.n_pauses > 0) == (1, 1, True)
