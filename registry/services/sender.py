"""Who may send: one registry, and not its copy; and nothing that was sent before a back-up was put back."""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import bindparam, exists, func, select, update

from registry.config import Settings
from registry.domain.actors import SCHEDULER, Actor
from registry.domain.sending_guard import Hold, is_behind
from registry.mail.journal import Handed, Journal
from registry.security.keys import create_once
from registry.security.tokens import random_id
from registry.services import audit
from registry.storage.database import Session
from registry.storage.models import AuditEvent, Heartbeat, Patient, Reminder, ReminderState, Sender
from registry.storage.models.base import table_of

logger = logging.getLogger(__name__)

_audit = table_of(AuditEvent).c
_heartbeat = table_of(Heartbeat).c
_patient = table_of(Patient).c
_reminder = table_of(Reminder).c
_sender = table_of(Sender).c
_MACHINE = Path("/etc/machine-id")
# What a back-up can have forgotten lies after the newest mail that it knows; and a mail is marked soon after it left.
LOOKS_BACK = timedelta(days=2)


@dataclass(frozen=True)
class Installation:
    """What this registry is known by where it runs, and where it writes down what it has sent."""

    instance: str
    journal: Journal

    def keep(self, handed: Handed) -> None:
        """Write down a mail that was handed over; a full disk must not keep it from being marked as sent."""
        try:
            self.journal.write(handed)
        except OSError:
            logger.exception("The journal of sent mails cannot be written")


def installation(settings: Settings) -> Installation:
    """The installation whose secret keys these are; its files stand beside them, and outside the database."""
    folder = settings.security.key_file.parent / "sending"
    return Installation(_instance(folder), Journal(folder / "journal"))


def _instance(folder: Path) -> str:
    """A random name in a file, on this machine, in this place: a copy elsewhere is another one."""
    file = folder / "instance"
    if not file.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_once(file, random_id(26))
    machine = _MACHINE.read_text(encoding="ascii", errors="replace") if _MACHINE.exists() else ""
    told = "\n".join((file.read_text(encoding="ascii").strip(), machine.strip(), str(folder.resolve())))
    return hashlib.sha256(told.encode()).hexdigest()


def take_up(session: Session, own: Installation, *, now: datetime) -> int:
    """Begin to send: the first installation is the one that does. Says how many mails it had to be reminded of."""
    session.execute(update(Sender).where(_sender.instance == "").values(instance=own.instance))
    return remember(session, own.journal, now=now)


def hold_of(session: Session, *, instance: str, now: datetime, is_demo: bool = False) -> Hold | None:
    """Why nothing may leave now, or None; two rows are read."""
    row = session.execute(select(_sender.instance, _sender.hold)).one()
    if row.instance != instance:
        return Hold.ELSEWHERE
    if row.hold is not None:
        return Hold(row.hold)
    if is_demo:
        # Its clock stands still, at whatever moment it was started for.
        return None
    beat_at = session.execute(select(_heartbeat.beat_at)).scalar()
    return Hold.CLOCK_BEHIND if is_behind(now, beat_at=beat_at) else None


def hold_back(session: Session, *, reason: Hold, by: Actor, now: datetime) -> None:
    """Let nothing leave until a person says that it may."""
    session.execute(update(Sender).values(hold=reason))
    _record(session, "sending_held", by, now, reason=reason)


def resume(session: Session, *, instance: str, by: Actor, now: datetime) -> None:
    """Say that this installation is the one that sends, and that its clock is right."""
    session.execute(update(Sender).values(instance=instance, hold=None))
    # A sign of life from the future would hold everything back again.
    session.execute(update(Heartbeat).where(_heartbeat.beat_at > now).values(beat_at=now))
    _record(session, "sending_resumed", by, now)


_REMEMBER = (
    update(Reminder)
    .where(
        _reminder.id == bindparam("of_reminder"),
        _reminder.sent_at.is_(None),
        _reminder.patient_id.in_(select(_patient.id).where(_patient.public_id == bindparam("of_patient"))),
        # What came back since is planned anew for another address, and is to be sent once more.
        ~exists().where(
            _audit.subject == "reminder",
            _audit.subject_id == bindparam("of_reminder"),
            _audit.action == "reminder_bounced",
            _audit.at >= bindparam("was_sent_at"),
        ),
    )
    .values(
        state=ReminderState.ACCEPTED,
        skip_reason=None,
        next_attempt_at=None,
        sent_at=bindparam("was_sent_at"),
        message_id=bindparam("was_message_id"),
    )
)


def remember(session: Session, journal: Journal, *, now: datetime) -> int:
    """Mark the mails that were handed over and that the database knows nothing of, and say how many."""
    last = session.execute(select(func.max(_reminder.sent_at))).scalar()
    n_remembered = 0
    for handed in journal.read():
        if last is None or handed.sent_at > last - LOOKS_BACK:
            n_remembered += _remember(session, handed, now)
    return n_remembered


def _remember(session: Session, handed: Handed, now: datetime) -> int:
    values = {
        "of_reminder": handed.reminder_id,
        "of_patient": handed.patient,
        "was_sent_at": handed.sent_at,
        "was_message_id": handed.message_id,
    }
    found = session.execute(_REMEMBER, values).rowcount  # type: ignore[attr-defined]
    if found:
        audit.record(
            session,
            action="reminder_remembered",
            subject="reminder",
            subject_id=handed.reminder_id,
            by=SCHEDULER,
            now=now,
        )
    return int(found)


def _record(session: Session, action: str, by: Actor, now: datetime, **details: audit.Detail) -> None:
    audit.record(session, action=action, subject="sender", subject_id=1, by=by, now=now, **details)
