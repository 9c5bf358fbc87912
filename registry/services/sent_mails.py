"""A mail that was sent, written again from its row for staff: the same mail, but for the links that open a form."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from registry.config import Settings, SiteSettings
from registry.domain.errors import Unknown
from registry.mail.conversation import without_addresses
from registry.mail.messages import UnsafeHeader, written_reminder
from registry.mail.outgoing import Outgoing
from registry.security.tokens import TOKEN_LENGTH
from registry.services.letters import letter_for
from registry.services.links import IssuedLink
from registry.storage.due_mails import DueMail, LadderFacts
from registry.storage.models import (
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
from registry.storage.models.base import table_of

TRIED = frozenset(
    {
        ReminderState.ACCEPTED,
        ReminderState.BOUNCED,
        ReminderState.UNKNOWN,
        ReminderState.DEFERRED,
        ReminderState.REJECTED,
    }
)
"""The states of a mail that was handed to a server, or is to be handed over again."""
# As long as what it hides, and of ASCII: the mail is broken into lines and encoded as the one that was sent.
_DOTS = IssuedLink(id=0, public_id="", token="." * TOKEN_LENGTH)
# However it is written: a server's reply may quote the mail that it refuses.
_LOOKS_LIKE_A_TOKEN = re.compile(rf"(?<![0-9a-z])[0-9a-z]{{{TOKEN_LENGTH}}}(?![0-9a-z])", re.IGNORECASE)
_NAMED_IN_A_MAIL = frozenset({"family_name", "given_name", "email", "language"})

_contact, _operation = table_of(Contact).c, table_of(Operation).c
_enrolment, _follow_up = table_of(Enrolment).c, table_of(FollowUp).c
_event, _patient, _reminder = table_of(AuditEvent).c, table_of(Patient).c, table_of(Reminder).c


@dataclass(frozen=True)
class SentMail:
    """A mail of a site with what became of it."""

    reminder: Reminder
    patient: Patient
    follow_up: FollowUp
    failure: str
    """Why it failed, without addresses and links."""
    message: Outgoing | None
    """The mail written again; None when it cannot be written, as without an address."""
    is_dated_by_arrival: bool
    """Whether nobody knows when it was first tried, as of one that only the journal of sent mails knew."""
    contact_changed: bool
    """Whether the name, the address or the language is another one than at the time."""
    operation_changed: bool
    """Whether the operation was changed since, and with it the days that a mail names."""


def sent_mail(session: Session, *, reminder_id: int, site: SiteSettings, site_id: int, settings: Settings) -> SentMail:
    """A mail of a site as it was handed to the server; one that nobody tried to send is not there."""
    mail = _mail(session, reminder_id, site_id)
    tried_at = mail.reminder.claimed_at or mail.reminder.sent_at
    if tried_at is None or mail.reminder.state not in TRIED:
        raise Unknown("no such mail at this site")
    return SentMail(
        reminder=mail.reminder,
        patient=mail.patient,
        follow_up=mail.follow_up,
        failure=said_of(mail.reminder.failure),
        message=_written(mail, site, settings),
        is_dated_by_arrival=mail.reminder.first_tried_at is None,
        contact_changed=_contact_changed(session, mail.patient, tried_at),
        operation_changed=_operation_changed(session, mail.operation, tried_at),
    )


def said_of(failure: str) -> str:
    """The reason of a failure as staff may read it: no address, and nothing that could open a form."""
    return _LOOKS_LIKE_A_TOKEN.sub(_DOTS.token, without_addresses(failure))


def _mail(session: Session, reminder_id: int, site_id: int) -> DueMail:
    found = session.execute(
        select(Reminder, FollowUp, Operation, Patient, Contact, Enrolment)
        .join(FollowUp, _follow_up.id == _reminder.follow_up_id)
        .join(Operation, _operation.id == _follow_up.operation_id)
        .join(Patient, _patient.id == _reminder.patient_id)
        .join(Contact, _contact.patient_id == _patient.id)
        .join(Enrolment, _enrolment.patient_id == _patient.id)
        .where(_reminder.id == reminder_id, _patient.site_id == site_id)
    ).first()
    if found is None:
        raise Unknown("no such mail at this site")
    # Whether the patient has answered, or wants to be phoned, decides no word of a mail.
    facts = (*found, None, False, _ladder_then(session, found.Reminder, found.FollowUp))
    return DueMail(*facts)


def _ladder_then(session: Session, mail: Reminder, follow_up: FollowUp) -> LadderFacts:
    """The mail among the others as they were when it was last tried: what came later decided no word of it."""
    columns = (_reminder.id, _reminder.rung, _reminder.state, _reminder.due_on, _reminder.sent_at, _reminder.claimed_at)
    of_ladder = (_reminder.follow_up_id == follow_up.id, _reminder.kind == ReminderKind.LADDER)
    then = mail.claimed_at or mail.sent_at
    others = [row for row in session.execute(select(*columns).where(*of_ladder)) if row.id != mail.id]
    sent = [row.sent_at for row in others if row.due_on >= follow_up.opens_on and _was_before(row.sent_at, then)]
    standing = [row.rung for row in others if row.state != ReminderState.SKIPPED or _was_skipped_after(row, then)]
    return LadderFacts(False, min(sent, default=None), max([*standing, mail.rung]))


def _was_before(sent_at: datetime | None, then: datetime | None) -> bool:
    return sent_at is not None and then is not None and sent_at <= then


def _was_skipped_after(row: Any, then: datetime | None) -> bool:
    return row.claimed_at is not None and then is not None and row.claimed_at > then


def _written(mail: DueMail, site: SiteSettings, settings: Settings) -> Outgoing | None:
    letter = letter_for(mail, site, settings, _DOTS, _DOTS)
    dated = mail.reminder.first_tried_at or mail.reminder.sent_at
    message_id = mail.reminder.message_id
    if dated is None or message_id is None:
        return None
    try:
        return written_reminder(letter, settings=settings.mail, message_id=message_id, now=dated)
    except UnsafeHeader:
        return None


def _contact_changed(session: Session, patient: Patient, since: datetime) -> bool:
    of_patient = (_event.subject == "patient", _event.subject_id == patient.id)
    changes = select(_event.details).where(*of_patient, _event.action == "contact_changed", _event.at > since)
    named = (set(str(row.details.get("changed", "")).split(", ")) for row in session.execute(changes))
    return any(names & _NAMED_IN_A_MAIL for names in named)


def _operation_changed(session: Session, operation: Operation, since: datetime) -> bool:
    of_operation = (_event.subject == "operation", _event.subject_id == operation.id, _event.at > since)
    return session.execute(select(_event.id).where(*of_operation).limit(1)).first() is not None
