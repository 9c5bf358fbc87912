"""Alarms: what has gone silent is said, and what passes by itself is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from registry.domain.alarms import Alarm, MailFacts, alarms_of, is_silent

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
CALM = MailFacts(waiting_since=None, last_accepted_at=None, n_refused=0, n_sent=0, n_answered=0)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("facts", "alarms"),
    [
        (CALM, ()),
        (replace(CALM, waiting_since=NOW - 3 * HOUR), ()),
        (replace(CALM, waiting_since=NOW - 3 * HOUR - MINUTE), (Alarm.MAIL_WAITS,)),
        (replace(CALM, waiting_since=NOW - 9 * HOUR, last_accepted_at=NOW - 10 * HOUR), (Alarm.MAIL_WAITS,)),
        (replace(CALM, waiting_since=NOW - 9 * HOUR, last_accepted_at=NOW - 8 * HOUR), ()),
        (replace(CALM, n_refused=2), ()),
        (replace(CALM, n_refused=3), (Alarm.MAIL_REFUSED,)),
        (replace(CALM, unwelcome_until=NOW), (Alarm.MAIL_UNWELCOME,)),
        (replace(CALM, n_sent=19), ()),
        (replace(CALM, n_sent=20), (Alarm.NOBODY_ANSWERS,)),
        (replace(CALM, n_sent=500, n_answered=1), ()),
        (replace(CALM, bounces_unread_since=NOW - 3 * HOUR), ()),
        (replace(CALM, bounces_unread_since=NOW - 3 * HOUR - MINUTE), (Alarm.BOUNCES_UNREAD,)),
        (replace(CALM, n_refused=9, n_sent=20), (Alarm.MAIL_REFUSED, Alarm.NOBODY_ANSWERS)),
    ],
)
def test_an_alarm_is_raised_for_what_does_not_pass_by_itself(facts: MailFacts, alarms: tuple[Alarm, ...]) -> None:
    assert alarms_of(facts, now=NOW) == alarms


@pytest.mark.parametrize(
    ("beat_at", "silent"), [(None, True), (NOW, False), (NOW - 10 * MINUTE, False), (NOW - 10.1 * MINUTE, True)]
)
def test_a_scheduler_without_a_sign_of_life_is_silent(beat_at: datetime | None, silent: bool) -> None:
    assert is_silent(beat_at, now=NOW) == silent
