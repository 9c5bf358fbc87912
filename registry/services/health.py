"""The registry's health: the scheduler writes it down every minute, and pages, `/healthz` and `doctor` read it."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select, update

from registry.domain.alarms import Alarm, alarms_of, is_silent
from registry.domain.sending_guard import Hold
from registry.services.mail_limits import held_until
from registry.storage.database import Rows, Session
from registry.storage.models import Heartbeat
from registry.storage.models.base import table_of
from registry.storage.vitals import mail_facts

_heartbeat = table_of(Heartbeat).c
_READ = select(_heartbeat.beat_at, _heartbeat.alarms)

SAID = {
    Alarm.SCHEDULER_SILENT: "The scheduler is not running: no mail leaves.",
    Alarm.MAIL_WAITS: "The mail server has taken no mail for hours: reminders are waiting.",
    Alarm.MAIL_REFUSED: "The mail server refuses one mail after the other.",
    Alarm.NOBODY_ANSWERS: "Mails were sent, and nobody has answered for a week: the links may not work.",
    Alarm.MAIL_UNWELCOME: "The mail server minds our mails, whoever they are for: they wait, and are tried again.",
    Alarm.SENDING_HELD: (
        "No mail leaves: this may be a copy of the registry, or its clock was wrong. Whoever runs the server decides."
    ),
    Alarm.BOUNCES_UNREAD: "Returned mails have not been read for hours: wrong addresses go unseen.",
}
"""What each alarm says to staff."""


@dataclass(frozen=True)
class Health:
    """When the scheduler last gave a sign, and what is wrong."""

    beat_at: datetime | None
    alarms: tuple[Alarm, ...]


def beat(session: Session, *, now: datetime, hold: Hold | None = None) -> tuple[Alarm, ...]:
    """Write down that the scheduler lives, and what it finds wrong with the mails."""
    held = (Alarm.SENDING_HELD,) if hold is not None else ()
    facts = replace(mail_facts(session, now=now), unwelcome_until=held_until(session))
    alarms = (*held, *alarms_of(facts, now=now))
    # A clock that went back must not be forgotten by writing down the earlier time.
    last = session.execute(select(_heartbeat.beat_at)).scalar()
    beat_at = last if hold == Hold.CLOCK_BEHIND else now
    session.execute(update(Heartbeat).values(beat_at=beat_at, alarms=[alarm.value for alarm in alarms]))
    return alarms


def note_reading(session: Session, *, has_worked: bool, now: datetime) -> None:
    """Write down since when returned mails cannot be read, or that they can be, or need not be."""
    statement = update(Heartbeat)
    if has_worked:
        # A write for nothing every few minutes would keep patients waiting for the writer's place.
        statement = statement.where(_heartbeat.bounces_unread_since.is_not(None)).values(bounces_unread_since=None)
    else:
        statement = statement.values(bounces_unread_since=func.coalesce(_heartbeat.bounces_unread_since, now))
    session.execute(statement)


def health_of(rows: Rows, *, now: datetime) -> Health:
    """The health as the scheduler saw it last; one row, whatever the size of the registry."""
    row = rows.execute(_READ).one()
    silent = (Alarm.SCHEDULER_SILENT,) if is_silent(row.beat_at, now=now) else ()
    return Health(row.beat_at, (*silent, *(Alarm(code) for code in row.alarms)))
