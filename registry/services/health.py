"""The registry's health: the scheduler writes it down every minute, and pages, `/healthz` and `doctor` read it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from registry.domain.alarms import Alarm, alarms_of, is_silent
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
}
"""What each alarm says to staff."""


@dataclass(frozen=True)
class Health:
    """When the scheduler last gave a sign, and what is wrong."""

    beat_at: datetime | None
    alarms: tuple[Alarm, ...]


def beat(session: Session, *, now: datetime) -> tuple[Alarm, ...]:
    """Write down that the scheduler lives, and what it finds wrong with the mails."""
    alarms = alarms_of(mail_facts(session, now=now), now=now)
    session.execute(update(Heartbeat).values(beat_at=now, alarms=[alarm.value for alarm in alarms]))
    return alarms


def health_of(rows: Rows, *, now: datetime) -> Health:
    """The health as the scheduler saw it last; one row, whatever the size of the registry."""
    row = rows.execute(_READ).one()
    silent = (Alarm.SCHEDULER_SILENT,) if is_silent(row.beat_at, now=now) else ()
    return Health(row.beat_at, (*silent, *(Alarm(code) for code in row.alarms)))
