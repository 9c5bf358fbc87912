"""Health: the scheduler's sign of life, and the alarms that pages, `/healthz` and `doctor` tell of."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text, update
from sqlmodel import Session, col

from registry.config import Settings
from registry.domain.alarms import Alarm
from registry.domain.sending_guard import Hold
from registry.mail.transport import Refused, TryLater, Unwelcome
from registry.security.keys import KeyRing
from registry.services.health import SAID, Health, beat, health_of
from registry.storage.database import Database
from registry.storage.models import Reminder, ReminderState
from tests.desk import at_desk
from tests.integration.test_outbox import Desk

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def desk(database: Database, settings: Settings, keys: KeyRing, now: datetime) -> Desk:
    return Desk(database, settings, keys, now)


def health(desk: Desk, at: datetime) -> Health:
    """What the scheduler writes down at a moment, read back."""
    with desk.database.transaction() as session:
        beat(session, now=at)
    with desk.database.look() as rows:
        return health_of(rows, now=at)


def test_a_registry_whose_scheduler_never_ran_is_silent(desk: Desk) -> None:
    with desk.database.look() as rows:
        assert health_of(rows, now=desk.now) == Health(None, (Alarm.SCHEDULER_SILENT,))


def test_a_sign_of_life_lasts_ten_minutes(desk: Desk) -> None:
    assert health(desk, desk.now) == Health(desk.now, ())
    with desk.database.look() as rows:
        assert health_of(rows, now=desk.now + timedelta(minutes=11)).alarms == (Alarm.SCHEDULER_SILENT,)


def test_a_mail_server_that_asks_for_patience_for_hours_is_an_alarm_until_it_takes_one(desk: Desk) -> None:
    desk.enrol()
    desk.transport.failures = [TryLater("451 later")]
    desk.run()

    early, late = health(desk, desk.now + HOUR), health(desk, desk.now + 4 * HOUR)
    desk.run(desk.now + 5 * HOUR)

    assert (early.alarms, late.alarms) == ((), (Alarm.MAIL_WAITS,))
    assert health(desk, desk.now + 6 * HOUR).alarms == ()


def test_one_mailbox_that_is_full_is_no_alarm_while_others_are_taken(desk: Desk) -> None:
    desk.enrol(email="full@example.org")
    desk.transport.failures = [TryLater("452 mailbox full")]
    desk.run()
    desk.enrol(email="fine@example.org")
    desk.run(desk.now + timedelta(minutes=1))

    assert health(desk, desk.now + 4 * HOUR).alarms == ()


def test_one_refusal_after_the_other_is_an_alarm_until_a_mail_is_accepted(desk: Desk) -> None:
    for _ in range(3):
        desk.enrol()
    desk.transport.failures = [Refused("550 no")] * 3
    desk.run()
    refused = health(desk, desk.now + HOUR)
    desk.enrol()
    desk.run(desk.now + 2 * HOUR)

    assert refused.alarms == (Alarm.MAIL_REFUSED,)
    assert health(desk, desk.now + 3 * HOUR).alarms == ()


def test_twenty_mails_without_one_answer_are_an_alarm_until_somebody_begins(desk: Desk) -> None:
    for _ in range(20):
        desk.enrol()
    assert desk.run() == {"accepted": 20}

    after = [health(desk, desk.now + days * DAY).alarms for days in (6, 8, 13, 15)]
    with desk.database.transaction() as session:
        session.execute(
            text(
                "INSERT INTO assessment (follow_up_id, patient_id, reference, language, started_at)"
                " SELECT follow_up_id, patient_id, 'r', 'en', sent_at FROM reminder WHERE sent_at IS NOT NULL LIMIT 1"
            )
        )

    assert after == [(), (Alarm.NOBODY_ANSWERS,), (Alarm.NOBODY_ANSWERS,), ()]
    assert health(desk, desk.now + 8 * DAY).alarms == ()


def test_the_facts_are_found_by_indexes(desk: Desk) -> None:
    """A tick costs what was sent lately, not what was ever sent."""
    desk.enrol()

    def seen(session: Session) -> set[str]:
        asked = (
            "SELECT max(sent_at) FROM reminder",
            "SELECT count(*) FROM reminder WHERE failed_at > '2026-01-01' AND state = 'rejected'",
            "SELECT count(*) FROM reminder WHERE sent_at > '2026-01-01' AND sent_at <= '2026-01-08'",
            "SELECT min(first_tried_at) FROM reminder WHERE next_attempt_at IS NOT NULL AND state = 'deferred'",
        )
        if desk.database.is_sqlite:
            plans = [session.execute(text(f"EXPLAIN QUERY PLAN {each}")).all() for each in asked]
        else:
            session.execute(text("SET LOCAL enable_seqscan = off"))
            plans = [session.execute(text(f"EXPLAIN {each}")).all() for each in asked]
        return {name for plan in plans for name in INDEXES if name in str(plan)}

    with desk.database.transaction() as session:
        assert seen(session) == INDEXES


INDEXES = {"ix__reminder__sent_at", "ix__reminder__failed_at", "ix__reminder__next_attempt"}


def test_staff_see_an_alarm_on_every_page_and_nobody_else_does(desk: Desk, settings: Settings, now: datetime) -> None:
    with at_desk(desk.database, settings, now) as alice:
        alice.sign_in()
        silent = alice.page("/patients")
        health(desk, now)
        working = alice.page("/patients")

    words = SAID[Alarm.SCHEDULER_SILENT]
    assert (words in silent, words in working) == (True, False)


def test_a_mail_of_unknown_fate_is_no_refusal(desk: Desk) -> None:
    for _ in range(3):
        desk.enrol()
    unknown = update(Reminder).where(col(Reminder.rung) == 0)
    values = {"state": ReminderState.UNKNOWN, "failed_at": desk.now, "next_attempt_at": desk.now + DAY}
    desk.write(lambda session: session.execute(unknown.values(**values)))

    assert health(desk, desk.now + HOUR).alarms == ()


def test_a_server_that_minds_our_mails_is_an_alarm_until_it_takes_one(desk: Desk) -> None:
    for _ in range(3):
        desk.enrol()
    desk.transport.failures = [Unwelcome("554 5.7.1 spam")] * 3
    ticks = iter(range(60))
    while desk.transport.failures:
        desk.run(desk.now + next(ticks) * timedelta(minutes=1))

    assert health(desk, desk.now + HOUR).alarms == (Alarm.MAIL_UNWELCOME,)
    desk.run(desk.now + 8 * HOUR)
    assert health(desk, desk.now + 9 * HOUR).alarms == ()


def test_mails_that_are_held_back_are_an_alarm_and_an_earlier_time_is_not_written_down(desk: Desk) -> None:
    health(desk, desk.now)
    with desk.database.transaction() as session:
        alarms = beat(session, now=desk.now - HOUR, hold=Hold.CLOCK_BEHIND)
    with desk.database.look() as rows:
        assert health_of(rows, now=desk.now) == Health(desk.now, (Alarm.SENDING_HELD,))
    assert alarms == (Alarm.SENDING_HELD,)
