"""Mails that came back: what each of them changes, once, and nothing unless its return path is signed."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlmodel import Session, col, func, select

from registry.clock import Clock
from registry.config import Settings
from registry.domain.actors import Actor
from registry.mail.bounces import Kind, Returned, read_returned
from registry.mail.failures import Severity, reason
from registry.mail.return_box import BoxUnreadable, ReturnBox, WaitingMail
from registry.mail.return_path import read_return_path
from registry.security.keys import KeyRing
from registry.services import audit
from registry.services.health import note_reading
from registry.storage.database import Database
from registry.storage.models import Contact, Patient, Reminder, ReminderState, Site

logger = logging.getLogger(__name__)

# Servers give up within days; what comes back much later was kept by somebody.
BELIEVED_FOR = timedelta(days=30)
# A mailbox that was full on so many days is not read by anybody.
MOST_SOFT_BOUNCES = 5


class Outcome(StrEnum):
    """What became of a mail at the return address."""

    HARD = "hard"
    SOFT = "soft"
    UNWANTED = "unwanted"
    REPEATED = "repeated"
    """About a mail that has come back already, or was taken up again since."""
    UNSIGNED = "unsigned"
    """Not about a mail that the registry sent to this address of late."""
    PASSING = "passing"
    AUTO_REPLY = "auto_reply"
    OTHER = "other"
    UNREADABLE = "unreadable"
    EARLY = "early"
    """The mail that came back is not yet marked as sent; next time it is."""
    ERROR = "error"


_STAYS = (Outcome.EARLY, Outcome.ERROR)
# Somebody may have written by hand, or an attacker: a person should look.
_ODD = (Outcome.OTHER, Outcome.UNREADABLE, Outcome.UNSIGNED)
_ON_ITS_WAY = (ReminderState.CLAIMED, ReminderState.SENDING)
# A mail whose fate was unknown has evidently left.
_HAS_LEFT = (ReminderState.ACCEPTED, ReminderState.UNKNOWN)


@dataclass(frozen=True)
class Reading:
    """What a reader of returned mails works with."""

    database: Database
    settings: Settings
    keys: KeyRing
    box: ReturnBox
    clock: Clock
    by: Actor
    is_stopping: Callable[[], bool] = lambda: False


def read_bounces(reading: Reading) -> Counter[str]:
    """Read every mail that came back, and count what became of each; fails when the box cannot be read."""
    outcomes: Counter[str] = Counter()
    try:
        with reading.box as box:
            for mail in box.waiting():
                if reading.is_stopping():
                    break
                outcome = _take(reading, mail)
                outcomes[outcome] += 1
                if outcome not in _STAYS:
                    box.put_away(mail, is_odd=outcome in _ODD)
    except BoxUnreadable:
        _note(reading, has_worked=False)
        raise
    _note(reading, has_worked=True)
    return outcomes


def _note(reading: Reading, *, has_worked: bool) -> None:
    with reading.database.transaction() as session:
        note_reading(session, has_worked=has_worked, now=reading.clock())


def _take(reading: Reading, mail: WaitingMail) -> Outcome:
    """The effect of one mail, in a transaction of its own."""
    settings, keys, by, now = reading.settings, reading.keys, reading.by, reading.clock()
    try:
        returned = read_returned(mail.content) if mail.content is not None else Returned(Kind.UNREADABLE)
        with reading.database.transaction() as session:
            outcome = take_returned(session, returned=returned, settings=settings, keys=keys, by=by, now=now)
    except Exception:
        # Whatever one mail stumbles over, the next is read; this one stays where it is.
        logger.exception("A returned mail could not be taken")
        return Outcome.ERROR
    logger.info("Returned mail: %s", outcome)
    return outcome


def take_returned(
    session: Session, *, returned: Returned, settings: Settings, keys: KeyRing, by: Actor, now: datetime
) -> Outcome:
    """Let a returned mail have its effect: once, however often and by however many it is read."""
    if returned.kind is not Kind.FAILED or returned.severity is None:
        return Outcome(returned.kind)
    found = _signed_for(session, returned, settings, keys)
    if found is None or not _is_about(returned, found.reminder, now):
        return Outcome.UNSIGNED
    if found.reminder.state in _ON_ITS_WAY:
        return Outcome.EARLY
    if found.reminder.state not in _HAS_LEFT:
        return Outcome.REPEATED
    today = now.astimezone(settings.site(found.site_code).zone).date()
    _record_failure(session, found, _Failure(returned.severity, returned.status, today), by, now)
    return Outcome(returned.severity)


@dataclass(frozen=True)
class _Failure:
    """Why a mail came back, and on which day of the hospital."""

    severity: Severity
    status: str
    today: date

    @property
    def reason(self) -> str:
        return reason(self.status, self.severity)


@dataclass(frozen=True)
class _Found:
    """The mail that came back, and everybody who is reached at that address, all held."""

    reminder: Reminder
    contacts: Sequence[Contact]
    site_code: str


def _signed_for(session: Session, returned: Returned, settings: Settings, keys: KeyRing) -> _Found | None:
    for address in returned.arrived_at:
        path = read_return_path(address, bounce_address=settings.bounces.address)
        found = _held(session, path.reminder_id) if path else None
        # Held first: somebody may be changing the address that it was signed for.
        if path and found and path.is_signed(keys, recipient=found[0]):
            return found[1]
    return None


def _held(session: Session, reminder_id: int) -> tuple[str, _Found] | None:
    """A mail, its patient's address and whoever shares it: contacts first and in order, as everybody holds them."""
    row = session.execute(
        select(Contact.patient_id, Contact.email, Site.code)
        .join_from(Reminder, Contact, col(Contact.patient_id) == Reminder.patient_id)
        .join(Patient, col(Patient.id) == Reminder.patient_id)
        .join(Site, col(Site.id) == Patient.site_id)
        .where(Reminder.id == reminder_id)
    ).first()
    if row is None or not row.email:
        return None
    sharing = select(Contact).where(func.lower(Contact.email) == row.email.lower()).order_by(col(Contact.patient_id))
    contacts = session.exec(sharing.with_for_update().execution_options(populate_existing=True)).all()
    if row.patient_id not in [contact.patient_id for contact in contacts]:
        return None
    reminder = session.get_one(Reminder, reminder_id, with_for_update=True, populate_existing=True)
    return row.email, _Found(reminder, contacts, row.code)


def _is_about(returned: Returned, reminder: Reminder, now: datetime) -> bool:
    """Whether the copy inside the report is this mail, and it left not too long ago."""
    left_at = reminder.sent_at or reminder.claimed_at
    is_same = returned.message_id is None or returned.message_id == reminder.message_id
    return is_same and left_at is not None and now - left_at <= BELIEVED_FOR


def _record_failure(session: Session, found: _Found, failure: _Failure, by: Actor, now: datetime) -> None:
    """Mark the mail, and everybody whose address has had enough."""
    _mark(session, found.reminder, failure, now)
    said = {"severity": failure.severity, "status": failure.status}
    audit.record(
        session, action="reminder_bounced", subject="reminder", subject_id=found.reminder.id, by=by, now=now, **said
    )
    for contact in found.contacts:
        if _is_dead(contact, failure) and contact.email_bounced_at is None:
            contact.email_bounced_at, contact.email_bounce = now, failure.reason
            audit.record(
                session, action="address_bounced", subject="patient", subject_id=contact.patient_id, by=by, now=now
            )
        session.add(contact)
    session.flush()


def _mark(session: Session, reminder: Reminder, failure: _Failure, now: datetime) -> None:
    reminder.sent_at = reminder.sent_at or reminder.claimed_at
    reminder.state, reminder.bounced_at, reminder.failure = ReminderState.BOUNCED, now, failure.reason
    # Whoever still waits for a server's reply about it must not mark it any more.
    reminder.next_attempt_at, reminder.fence = None, reminder.fence + 1
    session.add(reminder)
    session.flush()


def _is_dead(contact: Contact, failure: _Failure) -> bool:
    """Whether the address has had enough; what may pass by itself counts once a day."""
    if failure.severity is Severity.SOFT and contact.soft_bounced_on != failure.today:
        contact.n_soft_bounces, contact.soft_bounced_on = contact.n_soft_bounces + 1, failure.today
    return failure.severity is Severity.HARD or contact.n_soft_bounces >= MOST_SOFT_BOUNCES
