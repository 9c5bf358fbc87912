"""One registry sends: not its copy, not one whose clock was wrong, and nothing twice after a back-up was put back."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from registry import scheduler
from registry.config import Settings
from registry.domain.sending_guard import Hold, is_ahead
from registry.mail.journal import Handed
from registry.security.keys import KeyRing
from registry.services import audit, sender
from registry.services.follow_up_plan import plan_again
from registry.services.outbox import LEASE, UNKNOWN_RETRY, Dispatch, send_due_reminders
from registry.services.sender import Installation, hold_back, hold_of, installation, resume, take_up
from registry.storage.database import Database
from registry.storage.models import AuditEvent, Heartbeat, Patient, Reminder, ReminderState
from tests.factories import BY
from tests.integration.test_outbox import Desk
from tests.live import SetClock

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
DAY = timedelta(days=1)


@pytest.fixture
def desk(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Desk:
    return Desk(database, settings, keys, now)


@pytest.fixture
def own(settings: Settings) -> Installation:
    return installation(settings)


def hold(desk: Desk, own: Installation, at: datetime | None = None) -> Hold | None:
    with desk.database.reading() as session:
        return hold_of(session, instance=own.instance, now=at or desk.now)


def elsewhere(settings: Settings, folder: Path) -> Installation:
    """The same keys and files, copied to another place."""
    shutil.copytree(settings.security.key_file.parent / "sending", folder / "sending")
    shutil.copy(settings.security.key_file, folder / "secret.key")
    security = settings.security.model_copy(update={"key_file": folder / "secret.key"})
    return installation(settings.model_copy(update={"security": security}))


# A copy of the registry


def test_the_first_installation_is_the_one_that_sends(desk: Desk, own: Installation) -> None:
    desk.write(lambda session: take_up(session, own, now=desk.now))

    assert hold(desk, own) is None
    assert installation(desk.settings).instance == own.instance


def test_processes_that_start_at_once_are_one_installation(settings: Settings) -> None:
    context = get_context("fork")
    found = context.Queue()
    starting = [context.Process(target=_tell_instance, args=(settings, found)) for _ in range(8)]
    for process in starting:
        process.start()
    told = {found.get(timeout=30) for _ in starting}
    for process in starting:
        process.join(30)

    assert told == {installation(settings).instance}


def _tell_instance(settings: Settings, found: Any) -> None:
    found.put(installation(settings).instance)


def test_a_copy_in_another_place_sends_nothing(desk: Desk, own: Installation, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copy = elsewhere(desk.settings, tmp_path / "copy")
    desk.write(lambda session: take_up(session, own, now=desk.now))
    desk.write(lambda session: take_up(session, copy, now=desk.now))

    assert (hold(desk, own), hold(desk, copy)) == (None, Hold.ELSEWHERE)


def test_a_copy_on_another_machine_sends_nothing(
    desk: Desk, own: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write(lambda session: take_up(session, own, now=desk.now))
    (tmp_path / "machine-id").write_text("another machine")
    monkeypatch.setattr(sender, "_MACHINE", tmp_path / "machine-id")

    assert hold(desk, installation(desk.settings)) == Hold.ELSEWHERE


def test_a_person_may_let_the_copy_send_and_the_original_stops(desk: Desk, own: Installation, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copy = elsewhere(desk.settings, tmp_path / "copy")
    desk.write(lambda session: take_up(session, own, now=desk.now))

    desk.write(lambda session: resume(session, instance=copy.instance, by=BY, now=desk.now))

    assert (hold(desk, own), hold(desk, copy)) == (Hold.ELSEWHERE, None)
    with desk.database.reading() as session:
        assert "sending_resumed" in session.exec(select(AuditEvent.action)).all()


# A clock that was wrong


def test_a_clock_far_behind_the_last_sign_of_life_holds_mails_until_it_is_right(desk: Desk, own: Installation) -> None:
    desk.write(lambda session: take_up(session, own, now=desk.now))
    desk.write(lambda session: session.add(_beaten(session, desk.now)))

    found = [hold(desk, own, desk.now - timedelta(minutes=minutes)) for minutes in (0, 4, 6)]

    assert found == [None, None, Hold.CLOCK_BEHIND]


def test_a_person_may_say_that_the_earlier_time_is_right(desk: Desk, own: Installation) -> None:
    desk.write(lambda session: take_up(session, own, now=desk.now))
    desk.write(lambda session: session.add(_beaten(session, desk.now + 365 * DAY)))
    before = hold(desk, own)

    desk.write(lambda session: resume(session, instance=own.instance, by=BY, now=desk.now))

    assert (before, hold(desk, own)) == (Hold.CLOCK_BEHIND, None)


def _beaten(session: object, at: datetime) -> Heartbeat:
    row = session.get_one(Heartbeat, 1)  # type: ignore[attr-defined]
    row.beat_at = at
    assert isinstance(row, Heartbeat)
    return row


@pytest.mark.parametrize(
    ("by_wall", "by_other", "expected"),
    [
        (timedelta(minutes=1), timedelta(minutes=1), False),
        (timedelta(hours=25), timedelta(minutes=1), False),
        (timedelta(hours=27), timedelta(minutes=1), True),
        (timedelta(days=7), timedelta(days=7), False),
        (timedelta(days=-3), timedelta(minutes=1), False),
    ],
)
def test_a_clock_is_ahead_when_another_has_not_seen_that_time(
    by_wall: timedelta, by_other: timedelta, *, expected: bool
) -> None:
    assert is_ahead(by_wall=by_wall, by_other=by_other) is expected


def test_a_clock_that_was_ahead_holds_mails_until_a_person_has_looked(desk: Desk, own: Installation) -> None:
    desk.write(lambda session: take_up(session, own, now=desk.now))
    desk.write(lambda session: hold_back(session, reason=Hold.CLOCK_AHEAD, by=BY, now=desk.now))

    assert hold(desk, own, desk.now + 30 * DAY) == Hold.CLOCK_AHEAD


def test_a_scheduler_whose_clock_jumps_ahead_holds_mails_although_it_is_put_right(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(0, 6000, 60))
    monkeypatch.setattr(scheduler, "steady_seconds", lambda: next(seconds))
    real = desk.settings.model_copy(update={"demo": desk.settings.demo.model_copy(update={"enabled": False})})
    clock = SetClock(desk.now)
    guard = scheduler._Guard(desk.database, real, clock)

    found = []
    for step in (timedelta(minutes=1), timedelta(days=365), timedelta(days=-365)):
        clock.instant += step
        found.append(guard.hold())

    assert found == [None, Hold.CLOCK_AHEAD, Hold.CLOCK_AHEAD]


# A back-up that is put back


def dispatch(desk: Desk, own: Installation, at: datetime) -> None:
    keep = own.keep
    send_due_reminders(Dispatch(desk.database, desk.settings, desk.keys, desk.transport, lambda: at, keep=keep))


@pytest.fixture
def put_back(desk: Desk, own: Installation, tmp_path: Path) -> Iterator[Desk]:
    """Three invitations went out after a back-up was made; then the back-up was put back."""
    for _ in range(3):
        desk.enrol()
    path = Path(desk.settings.database.url.removeprefix("sqlite:///"))
    with desk.database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(path, tmp_path / "back-up.db")
    dispatch(desk, own, desk.now)
    assert len(desk.transport.recipients) == 3
    desk.database.dispose()
    for left in path.parent.glob(f"{path.name}-*"):
        left.unlink()
    shutil.copy(tmp_path / "back-up.db", path)
    yield desk
    desk.database.dispose()


@on_sqlite
def test_a_back_up_that_is_put_back_sends_nothing_again(put_back: Desk, own: Installation) -> None:
    put_back.write(lambda session: take_up(session, own, now=put_back.now))

    for day in range(31):
        dispatch(put_back, own, put_back.now + day * DAY)

    invited = put_back.rows("M3")
    assert len(put_back.transport.recipients) == 9
    assert {row.state for row in invited} == {ReminderState.ACCEPTED}
    assert put_back.actions().count("reminder_remembered") == 3


@on_sqlite
def test_without_the_journal_every_mail_would_go_out_once_more(put_back: Desk, own: Installation) -> None:
    for day in range(31):
        dispatch(put_back, own, put_back.now + day * DAY)

    assert len(put_back.transport.recipients) == 12


def test_a_mail_counts_as_sent_though_the_journal_cannot_be_written(desk: Desk, own: Installation) -> None:
    desk.enrol()
    own.journal.path.mkdir(parents=True)

    dispatch(desk, own, desk.now)

    assert desk.states("M3")[0] == ReminderState.ACCEPTED


def test_a_row_with_an_old_number_and_another_patient_is_not_taken_for_the_one_that_was_sent(
    desk: Desk, own: Installation
) -> None:
    desk.enrol()
    first = desk.rows("M3")[0]
    own.journal.write(Handed(first.id, "another patient", "<1@example.org>", desk.now))

    desk.write(lambda session: take_up(session, own, now=desk.now))

    assert desk.states("M3")[0] == ReminderState.PLANNED


def test_a_mail_that_was_handed_over_before_its_sender_was_killed_counts_as_sent(desk: Desk, own: Installation) -> None:
    desk.enrol()
    first = desk.rows("M3")[0]
    with desk.database.reading() as session:
        public_id = session.exec(select(Patient.public_id)).one()
    own.journal.write(Handed(first.id, public_id, "<1@example.org>", desk.now))

    desk.write(lambda session: take_up(session, own, now=desk.now))
    desk.run()

    with desk.database.reading() as session:
        found = session.get_one(Reminder, first.id)
        assert (found.state, found.message_id, found.sent_at) == (ReminderState.ACCEPTED, "<1@example.org>", desk.now)
    assert desk.transport.recipients == []


def die_before_the_mark(desk: Desk, own: Installation) -> None:
    """A mail is handed over, and what happens to its dispatcher keeps it from being marked."""

    def keep(handed: Handed) -> None:
        own.keep(handed)
        raise KeyboardInterrupt

    basis = (desk.database, desk.settings, desk.keys, desk.transport, lambda: desk.now)
    with pytest.raises(KeyboardInterrupt):
        send_due_reminders(Dispatch(*basis, keep=keep))


def test_a_mail_that_was_handed_over_and_never_marked_counts_as_sent_without_a_new_start(
    desk: Desk, own: Installation
) -> None:
    desk.enrol()
    die_before_the_mark(desk, own)

    for after in (LEASE, LEASE + UNKNOWN_RETRY):
        dispatch(desk, own, desk.now + after)

    first = desk.rows("M3")[0]
    assert (first.state, first.sent_at, first.failure) == (ReminderState.ACCEPTED, desk.now, "")
    assert (len(desk.transport.recipients), desk.actions()) == (1, ["reminder_remembered"])


def test_a_journal_that_cannot_be_read_keeps_no_other_mail_from_leaving(desk: Desk, own: Installation) -> None:
    desk.enrol()
    die_before_the_mark(desk, own)
    own.journal.path.unlink()
    own.journal.path.mkdir()
    desk.enrol()

    dispatch(desk, own, desk.now + LEASE)

    assert sorted(desk.states("M3")[::3]) == [ReminderState.ACCEPTED, ReminderState.UNKNOWN]


def came_back(desk: Desk, reminder_id: int, at: datetime) -> None:
    """A mail is returned, and staff correct the address."""

    def change(session: Session) -> None:
        row = session.get_one(Reminder, reminder_id)
        row.state, row.bounced_at = ReminderState.BOUNCED, at
        session.add(row)
        session.flush()
        audit.record(session, action="reminder_bounced", subject="reminder", subject_id=row.id, by=BY, now=at)
        today = at.date()
        plan_again(session, patient_id=row.patient_id, study=desk.settings.protocol, today=today, is_new_address=True)

    desk.write(change)


def test_a_mail_that_came_back_goes_to_the_new_address_though_the_journal_knows_the_first_one(
    desk: Desk, own: Installation
) -> None:
    desk.enrol()
    dispatch(desk, own, desk.now)
    first = desk.rows("M3")[0]
    came_back(desk, first.id, desk.now + timedelta(hours=1))

    desk.write(lambda session: take_up(session, own, now=desk.now + timedelta(hours=2)))
    dispatch(desk, own, desk.now + timedelta(hours=3))

    assert len(desk.transport.recipients) == 2
    second = desk.rows("M3")[0]
    assert (second.state, second.message_id != first.message_id) == (ReminderState.ACCEPTED, True)


def test_the_last_mail_of_a_form_goes_to_the_new_address_although_earlier_ones_arrived(
    desk: Desk, own: Installation
) -> None:
    desk.enrol()
    for day in (0, 7, 14):
        dispatch(desk, own, desk.now + day * DAY)
    last = desk.rows("M3")[2]
    came_back(desk, last.id, desk.now + 14 * DAY + timedelta(hours=1))

    for day in range(15, 40):
        dispatch(desk, own, desk.now + day * DAY)

    assert len(desk.transport.recipients) == 4
    assert desk.states("M3") == ["accepted"] * 3
