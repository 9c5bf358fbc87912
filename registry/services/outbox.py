"""Reminders on their way: find what is due, claim it, send it, mark it."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage

from sqlmodel import Session, select

from registry.config import Settings, SiteSettings
from registry.domain.actors import SCHEDULER
from registry.domain.ladder import MailKind, SkipReason, mail_kind, reason_to_skip
from registry.domain.schedule import FollowUpFacts, status_of
from registry.domain.study import BEFORE, VisitWindow
from registry.mail import messages
from registry.mail.messages import UnsafeHeader
from registry.mail.transport import OutcomeUnknown, Refused, Transport, TryLater
from registry.security.keys import KeyRing
from registry.security.tokens import random_id
from registry.services import audit, links
from registry.storage import outbox
from registry.storage.database import Database
from registry.storage.models import ReminderState, Site
from registry.storage.outbox import Claim, DueMail

logger = logging.getLogger(__name__)

BATCH_SIZE = 50
# Longer than the longest wait for a server's reply: a claim that outlives this belongs to a process that died.
LEASE = timedelta(minutes=30)
FIRST_RETRY = timedelta(minutes=5)
LONGEST_RETRY = timedelta(hours=6)
GIVE_UP_AFTER = timedelta(days=5)
# A mail whose fate is unknown goes out once more, a day later, if the patient has not answered by then.
UNKNOWN_RETRY = timedelta(hours=24)
LOST_CLAIM = "lost_claim"


@dataclass(frozen=True)
class Dispatch:
    """What the dispatcher works with."""

    database: Database
    settings: Settings
    keys: KeyRing
    transport: Transport
    now: datetime


def send_due_reminders(dispatch: Dispatch) -> Counter[str]:
    """Send everything that is due now, site by site, and count what became of each mail."""
    outcomes: Counter[str] = Counter()
    with dispatch.database.transaction() as session:
        later = dispatch.now + UNKNOWN_RETRY
        outcomes[ReminderState.UNKNOWN] += outbox.give_up_lost_sendings(
            session, now=dispatch.now, next_attempt_at=later
        )
        sites = [(row.id, row.code) for row in session.exec(select(Site))]
    for site_id, code in sites:
        site = dispatch.settings.site(code)
        for claim in _claims(dispatch, site_id, site):
            outcomes[_send(dispatch, claim, site)] += 1
    return +outcomes


def _claims(dispatch: Dispatch, site_id: int, site: SiteSettings) -> Iterator[Claim]:
    """Claims in batches until nothing is due."""
    today = dispatch.now.astimezone(site.zone).date()
    while True:
        with dispatch.database.transaction() as session:
            batch = outbox.claim_due(
                session,
                site_id=site_id,
                today=today,
                now=dispatch.now,
                lease_ends_at=dispatch.now + LEASE,
                limit=BATCH_SIZE,
            )
        if not batch:
            return
        yield from batch


def _send(dispatch: Dispatch, claim: Claim, site: SiteSettings) -> str:
    """One mail: decide and commit, then SMTP outside every transaction, then mark."""
    today = dispatch.now.astimezone(site.zone).date()
    try:
        with dispatch.database.transaction() as session:
            mail = outbox.due_mail(session, claim, today=today)
            if mail is None:
                return LOST_CLAIM
            reason = _reason_to_skip(mail, today)
            if reason is not None:
                return _skip(session, claim, reason, dispatch.now)
            message = _prepare(session, claim, mail, site, dispatch)
    except UnsafeHeader as error:
        # One patient's odd name or address must not keep the others waiting.
        return _write_down(dispatch, claim, *_rejected(str(error), dispatch.now))
    return _write_down(dispatch, claim, *_hand_over(dispatch, mail, message))


def _write_down(dispatch: Dispatch, claim: Claim, outcome: str, values: dict[str, object]) -> str:
    """Mark what became of a mail, unless somebody else holds the claim by now."""
    with dispatch.database.transaction() as session:
        if not outbox.mark(session, claim, **values):
            return LOST_CLAIM
        audit.record(
            session,
            action=f"reminder_{outcome}",
            subject="reminder",
            subject_id=claim.id,
            by=SCHEDULER,
            now=dispatch.now,
        )
    logger.info("Reminder %s: reminder=%s", outcome, claim.id)
    return outcome


def _reason_to_skip(mail: DueMail, today: date) -> SkipReason | None:
    window = VisitWindow(mail.follow_up.opens_on, mail.follow_up.due_on, mail.follow_up.closes_on)
    facts = FollowUpFacts(
        window=window,
        operation_state=mail.operation.state,
        has_answers=mail.has_answers,
        is_submitted=mail.is_submitted,
        declined_on=mail.follow_up.declined_on,
        withdrawn_on=mail.enrolment.withdrawn_on,
        died_on=mail.patient.died_on,
    )
    reason = reason_to_skip(
        status_of(facts, today=today),
        is_before=mail.follow_up.timepoint == BEFORE,
        window=window,
        has_address=bool(mail.contact.email),
        are_emails_stopped=mail.contact.emails_stopped_at is not None,
        today=today,
    )
    return reason or (SkipReason.OVERTAKEN if mail.ladder.is_overtaken else None)


def _skip(session: Session, claim: Claim, reason: SkipReason, now: datetime) -> str:
    outbox.mark(session, claim, state=ReminderState.SKIPPED, skip_reason=reason, next_attempt_at=None)
    audit.record(
        session,
        action="reminder_skipped",
        subject="reminder",
        subject_id=claim.id,
        by=SCHEDULER,
        now=now,
        reason=reason,
    )
    return ReminderState.SKIPPED


def _prepare(session: Session, claim: Claim, mail: DueMail, site: SiteSettings, dispatch: Dispatch) -> EmailMessage:
    """Fix the link and the Message-ID, and commit the attempt, before a byte goes out."""
    now, reminder = dispatch.now, mail.reminder
    message_id = reminder.message_id or _message_id(dispatch.settings.mail.sender)
    issuing = links.Issuing(session, dispatch.keys, SCHEDULER, now)
    form = links.form_link(issuing, patient_id=reminder.patient_id, follow_up_id=reminder.follow_up_id)
    stop = links.preferences_link(issuing, patient_id=reminder.patient_id)
    outbox.mark(
        session,
        claim,
        state=ReminderState.SENDING,
        message_id=message_id,
        access_link_id=form.id,
        n_attempts=reminder.n_attempts + 1,
        next_attempt_at=now + LEASE,
    )
    letter = _letter(mail, site, dispatch.settings, form.token, stop.token)
    return messages.follow_up_reminder(letter, settings=dispatch.settings.mail, message_id=message_id, now=now)


def _letter(
    mail: DueMail, site: SiteSettings, settings: Settings, form_token: str, stop_token: str
) -> messages.Reminder:
    patient, contact, first = mail.patient, mail.contact, mail.ladder.first_sent_at
    return messages.Reminder(
        kind=_kind(mail),
        addressee=messages.Addressee(
            contact.email or "", contact.family_name, contact.given_name, patient.sex, patient.language
        ),
        site=site,
        form_url=f"{settings.base_url}/s/{form_token}",
        stop_url=f"{settings.base_url}/m/{stop_token}",
        closes_on=mail.follow_up.closes_on,
        n_items=len(settings.protocol.items),
        first_written_on=first.astimezone(site.zone).date() if first else None,
        is_demo=settings.demo.enabled,
    )


def _kind(mail: DueMail) -> MailKind:
    ladder = mail.ladder
    return mail_kind(is_first=ladder.first_sent_at is None, is_last=mail.reminder.rung == ladder.last_rung)


def _hand_over(dispatch: Dispatch, mail: DueMail, message: EmailMessage) -> tuple[str, dict[str, object]]:
    """Send, and say what to write down."""
    now, attempt = dispatch.now, mail.reminder.n_attempts + 1
    try:
        dispatch.transport.send(message, recipient=mail.contact.email or "")
    except TryLater as failure:
        return _deferred(mail, attempt, str(failure), now)
    except Refused as failure:
        return _rejected(str(failure), now)
    except OutcomeUnknown as failure:
        if mail.reminder.failed_at is not None:
            return _rejected(f"twice unknown: {failure}", now)
        values = {"next_attempt_at": now + UNKNOWN_RETRY, "failed_at": now, "failure": str(failure)}
        return ReminderState.UNKNOWN, {"state": ReminderState.UNKNOWN, **values}
    return ReminderState.ACCEPTED, {"state": ReminderState.ACCEPTED, "sent_at": now, "next_attempt_at": None}


def _deferred(mail: DueMail, attempt: int, failure: str, now: datetime) -> tuple[str, dict[str, object]]:
    first_tried = datetime.combine(mail.reminder.due_on, datetime.min.time(), UTC)
    if now - first_tried > GIVE_UP_AFTER and attempt > 1:
        return _rejected(failure, now)
    wait = min(FIRST_RETRY * 2 ** (attempt - 1), LONGEST_RETRY)
    return ReminderState.DEFERRED, {
        "state": ReminderState.DEFERRED,
        "next_attempt_at": now + wait,
        "failure": failure,
    }


def _rejected(failure: str, now: datetime) -> tuple[str, dict[str, object]]:
    return ReminderState.REJECTED, {
        "state": ReminderState.REJECTED,
        "failed_at": now,
        "failure": failure,
        "next_attempt_at": None,
    }


def _message_id(sender: str) -> str:
    return f"<{random_id(20)}@{sender.rpartition('@')[2]}>"
