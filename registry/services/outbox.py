"""Reminders on their way: find what is due, claim it, send it, mark it."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email.message import EmailMessage

from sqlmodel import Session, select

from registry.clock import Clock
from registry.config import Settings, SiteSettings
from registry.domain.actors import SCHEDULER
from registry.domain.ladder import SkipReason, reason_to_skip
from registry.domain.schedule import status_of
from registry.mail import messages
from registry.mail.messages import UnsafeHeader
from registry.mail.transport import OutcomeUnknown, Refused, Transport, TryLater
from registry.security.keys import KeyRing
from registry.security.tokens import random_id
from registry.services import audit, letters, links
from registry.services.follow_up_facts import facts_of
from registry.services.fresh_links import reason_to_refuse
from registry.storage import outbox
from registry.storage.database import Database
from registry.storage.models import ReminderKind, ReminderState, Site
from registry.storage.outbox import Claim, DueMail, Moment, PlannedMail

logger = logging.getLogger(__name__)

# Few enough that a killed process keeps few patients waiting for the end of its lease.
BATCH_SIZE = 10
# Longer than the longest wait for a server's reply: a claim that outlives this belongs to a process that died.
LEASE = timedelta(minutes=30)
FIRST_RETRY = timedelta(minutes=5)
LONGEST_RETRY = timedelta(hours=6)
GIVE_UP_AFTER = timedelta(days=5)
# A mail whose fate is unknown goes out once more, a day later, if the patient has not answered by then.
UNKNOWN_RETRY = timedelta(hours=24)
LOST_CLAIM = "lost_claim"
FAILED = "failed"


@dataclass(frozen=True)
class Attempt:
    """The how many-th try of a mail, and when the first one was."""

    number: int
    first_tried_at: datetime


@dataclass(frozen=True)
class Dispatch:
    """What the dispatcher works with; the clock goes on while mails wait for a slow server."""

    database: Database
    settings: Settings
    keys: KeyRing
    transport: Transport
    clock: Clock
    is_stopping: Callable[[], bool] = lambda: False


def send_due_reminders(dispatch: Dispatch) -> Counter[str]:
    """Send everything that is due now, site by site, and count what became of each mail."""
    outcomes = _give_up_lost_sendings(dispatch)
    with dispatch.database.reading() as session:
        sites = [(row.id, row.code) for row in session.exec(select(Site))]
    for site_id, code in sites:
        site = dispatch.settings.site(code)
        for batch in _batches(dispatch, site_id, site):
            outcomes.update(_send_batch(dispatch, batch, site))
    return +outcomes


def _give_up_lost_sendings(dispatch: Dispatch) -> Counter[str]:
    now = dispatch.clock()
    with dispatch.database.transaction() as session:
        lost = outbox.give_up_lost_sendings(session, now=now, next_attempt_at=now + UNKNOWN_RETRY)
        for reminder_id, state in lost.items():
            _record(session, reminder_id, state, now)
    return Counter(lost.values())


def _batches(dispatch: Dispatch, site_id: int, site: SiteSettings) -> Iterator[list[Claim]]:
    """Claims in batches until nothing is due or the process is told to stop."""
    while not dispatch.is_stopping():
        moment = _moment(dispatch, site)
        with dispatch.database.transaction() as session:
            batch = outbox.claim_due(
                session, site_id=site_id, moment=moment, lease_ends_at=moment.now + LEASE, limit=BATCH_SIZE
            )
        if not batch:
            return
        yield batch


def _moment(dispatch: Dispatch, site: SiteSettings) -> Moment:
    now, hours = dispatch.clock(), dispatch.settings.sending_hours
    local = now.astimezone(site.zone)
    return Moment(now, local.date(), hours.admits_first(local), hours.admits_retry(local))


def _send_batch(dispatch: Dispatch, batch: list[Claim], site: SiteSettings) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for number, claim in enumerate(batch):
        if dispatch.is_stopping():
            with dispatch.database.transaction() as session:
                outbox.release(session, batch[number:])
            break
        try:
            outcomes[_send(dispatch, claim, site)] += 1
        except Exception:
            # Whatever one mail stumbles over, the next patient's is sent; its row is taken up again after the lease.
            logger.exception("Reminder failed: reminder=%s", claim.id)
            outcomes[FAILED] += 1
    return outcomes


def _today(now: datetime, site: SiteSettings) -> date:
    return now.astimezone(site.zone).date()


def _send(dispatch: Dispatch, claim: Claim, site: SiteSettings) -> str:
    """One mail: decide and commit, then SMTP outside every transaction, then mark."""
    now = dispatch.clock()
    try:
        with dispatch.database.transaction() as session:
            mail = outbox.due_mail(session, claim, today=_today(now, site))
            if mail is None:
                return LOST_CLAIM
            reason = _reason_to_skip(mail, _today(now, site))
            if reason is not None:
                return _skip(session, claim, reason, now)
            attempt = Attempt(mail.reminder.n_attempts + 1, mail.reminder.first_tried_at or now)
            message = _prepare(session, claim, mail, attempt, site, dispatch, now)
            if message is None:
                return LOST_CLAIM
    except UnsafeHeader as error:
        # One patient's odd name or address must not keep the others waiting.
        return _write_down(dispatch, claim, *_rejected(str(error), now))
    return _write_down(dispatch, claim, *_hand_over(dispatch, mail, attempt, message))


def _write_down(dispatch: Dispatch, claim: Claim, outcome: str, values: dict[str, object]) -> str:
    """Mark what became of a mail, unless somebody else holds the claim by now."""
    with dispatch.database.transaction() as session:
        if not outbox.mark(session, claim, **values):
            return LOST_CLAIM
        _record(session, claim.id, outcome, dispatch.clock())
    logger.info("Reminder %s: reminder=%s", outcome, claim.id)
    return outcome


def _record(session: Session, reminder_id: int, outcome: str, now: datetime) -> None:
    audit.record(
        session, action=f"reminder_{outcome}", subject="reminder", subject_id=reminder_id, by=SCHEDULER, now=now
    )


def _reason_to_skip(mail: DueMail, today: date) -> SkipReason | None:
    is_overtaken = mail.reminder.kind == ReminderKind.LADDER and mail.ladder.is_overtaken
    return reason_on(mail, today) or (SkipReason.OVERTAKEN if is_overtaken else None)


def reason_on(mail: PlannedMail, day: date) -> SkipReason | None:
    """Why a mail would not go out on a day, by what is known now."""
    if mail.reminder.kind == ReminderKind.FRESH_LINK:
        return reason_to_refuse(mail.patient, mail.enrolment, mail.contact, mail.follow_up, today=day)
    facts = facts_of(mail.follow_up, mail.operation, mail.patient, mail.enrolment, mail.answered)
    return reason_to_skip(
        status_of(facts, today=day),
        is_before=facts.is_before,
        window=facts.window,
        has_address=bool(mail.contact.email),
        are_emails_stopped=mail.contact.emails_stopped_at is not None,
        today=day,
        wants_call=mail.wants_call,
    )


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


def _prepare(
    session: Session,
    claim: Claim,
    mail: DueMail,
    attempt: Attempt,
    site: SiteSettings,
    dispatch: Dispatch,
    now: datetime,
) -> EmailMessage | None:
    """Fix the link and the Message-ID and write down the attempt; committed before a byte goes out."""
    reminder = mail.reminder
    message_id = reminder.message_id or _message_id(dispatch.settings.mail.sender)
    issuing = links.Issuing(session, dispatch.keys, SCHEDULER, now)
    form, stop = letters.links_for(issuing, mail)
    is_held = outbox.mark(
        session,
        claim,
        state=ReminderState.SENDING,
        message_id=message_id,
        access_link_id=form.id,
        n_attempts=attempt.number,
        first_tried_at=attempt.first_tried_at,
        next_attempt_at=now + LEASE,
    )
    letter = letters.letter_for(mail, site, dispatch.settings, form, stop)
    message = messages.follow_up_reminder(letter, settings=dispatch.settings.mail, message_id=message_id, now=now)
    return message if is_held else None


def _hand_over(
    dispatch: Dispatch, mail: DueMail, attempt: Attempt, message: EmailMessage
) -> tuple[str, dict[str, object]]:
    """Send, and say what to write down."""
    try:
        dispatch.transport.send(message, recipient=mail.contact.email or "")
    except TryLater as failure:
        return _deferred(attempt, str(failure), dispatch.clock())
    except Refused as failure:
        return _rejected(str(failure), dispatch.clock())
    except OutcomeUnknown as failure:
        return _unknown(mail, str(failure), dispatch.clock())
    values = {"state": ReminderState.ACCEPTED, "sent_at": dispatch.clock(), "next_attempt_at": None}
    return ReminderState.ACCEPTED, values


def _unknown(mail: DueMail, failure: str, now: datetime) -> tuple[str, dict[str, object]]:
    if mail.reminder.failed_at is not None:
        return _rejected(f"twice unknown: {failure}", now)
    values = {"next_attempt_at": now + UNKNOWN_RETRY, "failed_at": now, "failure": failure}
    return ReminderState.UNKNOWN, {"state": ReminderState.UNKNOWN, **values}


def _deferred(attempt: Attempt, failure: str, now: datetime) -> tuple[str, dict[str, object]]:
    if now - attempt.first_tried_at > GIVE_UP_AFTER:
        return _rejected(failure, now)
    wait = min(FIRST_RETRY * 2 ** (attempt.number - 1), LONGEST_RETRY)
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
