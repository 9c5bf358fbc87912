"""What became of mails lately, read by indexes on when they were sent, failed or put off."""

from datetime import datetime, timedelta

from sqlalchemy import and_, func, select

from registry.domain.alarms import ANSWERS_WITHIN, MailFacts
from registry.storage.database import Session
from registry.storage.models import Assessment, Heartbeat, Reminder, ReminderState
from registry.storage.models.base import table_of

_assessment = table_of(Assessment).c
_heartbeat = table_of(Heartbeat).c
_reminder = table_of(Reminder).c

_LOOKS_BACK = timedelta(days=30)


def mail_facts(session: Session, *, now: datetime) -> MailFacts:
    """The facts that alarms are made of; costs what was sent in a week and failed in a month."""
    last_accepted_at = session.execute(select(func.max(_reminder.sent_at))).scalar()
    n_sent, n_answered = _sent_and_answered(session, now)
    return MailFacts(
        waiting_since=_waiting_since(session),
        last_accepted_at=last_accepted_at,
        n_refused=_n_refused(session, since=max(last_accepted_at or now - _LOOKS_BACK, now - _LOOKS_BACK)),
        n_sent=n_sent,
        n_answered=n_answered,
        bounces_unread_since=session.execute(select(_heartbeat.bounces_unread_since)).scalar(),
    )


def _waiting_since(session: Session) -> datetime | None:
    # Said twice, for the index knows only that there is a next attempt.
    waiting = (_reminder.next_attempt_at.is_not(None), _reminder.state == ReminderState.DEFERRED)
    found: datetime | None = session.execute(select(func.min(_reminder.first_tried_at)).where(*waiting)).scalar()
    return found


def _n_refused(session: Session, *, since: datetime) -> int:
    refused = (_reminder.failed_at > since, _reminder.state == ReminderState.REJECTED)
    return int(session.execute(select(func.count()).where(*refused)).scalar_one())


def _sent_and_answered(session: Session, now: datetime) -> tuple[int, int]:
    """Of the mails that went out one to two weeks ago: how many there are, and how many forms were begun since."""
    begun = and_(_assessment.follow_up_id == _reminder.follow_up_id, _assessment.started_at >= _reminder.sent_at)
    statement = (
        select(func.count(_reminder.id), func.count(_assessment.id))
        .outerjoin_from(table_of(Reminder), table_of(Assessment), begun)
        .where(_reminder.sent_at > now - 2 * ANSWERS_WITHIN, _reminder.sent_at <= now - ANSWERS_WITHIN)
    )
    row = session.execute(statement).one()
    return row[0], row[1]
