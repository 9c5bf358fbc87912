"""One claimed mail on its way: decide and commit, hand over outside every transaction, write down what became of it."""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from registry.clock import Clock
from registry.config import Settings, SiteSettings
from registry.domain.actors import SCHEDULER
from registry.domain.ladder import SkipReason, reason_to_skip
from registry.domain.schedule import status_of
from registry.mail import messages
from registry.mail.journal import Handed
from registry.mail.messages import UnsafeHeader
from registry.mail.outgoing import Outgoing
from registry.mail.return_path import envelope_sender
from registry.mail.transport import OutcomeUnknown, Refused, Transport, TryLater, Unreachable, Unwelcome
from registry.security.keys import KeyRing
from registry.security.tokens import random_id
from registry.services import audit, letters, links
from registry.services.follow_up_facts import facts_of
from registry.services.fresh_links import reason_to_refuse
from registry.services.links import IssuedLink
from registry.storage import outbox
from registry.storage.database import Database, Rows
from registry.storage.due_mails import DueMail, due_mail
from registry.storage.models import ReminderKind, ReminderState
from registry.storage.outbox import Claim, PlannedMail
from registry.storage.together import Apart, Patience, Result, Writing

logger = logging.getLogger(__name__)

# Longer than the longest wait for a server's replies: a claim that outlives this belongs to a process that died.
LEASE = timedelta(minutes=30)
# A claim so young need not be renewed before its mail is sent.
_FRESH = timedelta(minutes=1)
FIRST_RETRY = timedelta(minutes=5)
LONGEST_RETRY = timedelta(hours=6)
# A wait is longer by up to this share, so that what was put off together does not come back together.
JITTER = 0.25
GIVE_UP_AFTER = timedelta(days=5)
# A mail whose fate is unknown goes out once more, a day later, if the patient has not answered by then.
UNKNOWN_RETRY = timedelta(hours=24)
LOST_CLAIM = "lost_claim"
UNWELCOME = "unwelcome"
"""A mail that is put off because the server minds what we send: what comes next waits as well."""
UNREACHABLE = "unreachable"
"""A mail that is put off because the server could not be spoken to: the others are not even tried."""


@dataclass(frozen=True)
class Dispatch:
    """What the dispatcher works with; the clock goes on while mails wait for a slow server."""

    database: Database
    settings: Settings
    keys: KeyRing
    transport: Transport
    clock: Clock
    is_stopping: Callable[[], bool] = lambda: False
    chance: Callable[[], float] = field(default=random.random)
    """Between 0 and 1: how much longer a wait becomes."""
    keep: Callable[[Handed], None] = lambda handed: None
    """Writes down outside the database what was handed over."""
    writing: Writing | None = None
    """How several lanes share the one writer."""
    patience: Patience = field(default_factory=Patience)

    def do(self, work: Callable[[Connection], Result]) -> Result:
        """Work in a transaction; what came of it once that is durable."""
        return (self.writing or Apart(self.database)).do(work)

    def insist(self, work: Callable[[Connection], Result]) -> Result:
        """Work that is tried again while the database is away."""
        return self.patience.do(self.writing or Apart(self.database), work)


@dataclass(frozen=True)
class Attempt:
    """The how many-th try of a mail, and when the first one was."""

    number: int
    first_tried_at: datetime


@dataclass(frozen=True)
class Outcome:
    """What became of a mail, and what is written down of it."""

    name: str
    values: dict[str, object]


def deliver(dispatch: Dispatch, claim: Claim, site: SiteSettings) -> str:
    """One mail from its claim to its mark; the name of what became of it."""
    decided = _decide(dispatch, claim, site)
    if isinstance(decided, str):
        return decided
    try:
        message = decided.written(site, dispatch.settings)
    except UnsafeHeader as error:
        # One patient's odd name or address must not keep the others waiting.
        return _write_down(dispatch, claim, _rejected(str(error), dispatch.clock()))
    return _write_down(dispatch, claim, _hand_over(dispatch, decided, message))


def make_ready(dispatch: Dispatch, claims: Sequence[Claim], site: SiteSettings) -> None:
    """Links and Message-IDs of a batch's ladders in one transaction; whether each mail goes is decided when it goes."""
    dispatch.do(partial(_make_ready_in, dispatch=dispatch, claims=claims, site=site))


def _make_ready_in(rows: Connection, *, dispatch: Dispatch, claims: Sequence[Claim], site: SiteSettings) -> None:
    now = dispatch.clock()
    today = _today(now, site)
    found = [(claim, due_mail(rows, claim, today=today)) for claim in claims]
    mails = {claim: mail for claim, mail in found if mail and _is_of_ladder(mail) and not _reason_to_skip(mail, today)}
    forms = letters.form_link_ids(links.Issuing(rows, dispatch.keys, SCHEDULER, now), list(mails.values()))
    values = {
        claim: {"message_id": _message_id(dispatch, mail), "access_link_id": forms[claim.id]}
        for claim, mail in mails.items()
    }
    outbox.mark_each(rows, values)


@dataclass(frozen=True)
class _Decided:
    """A mail that goes: written down as on its way, and not yet put into words."""

    mail: DueMail
    attempt: Attempt
    message_id: str
    form: IssuedLink
    stop: IssuedLink

    def written(self, site: SiteSettings, settings: Settings) -> Outgoing:
        """The mail, dated by its first attempt so that a second copy is the same mail."""
        letter = letters.letter_for(self.mail, site, settings, self.form, self.stop)
        now = self.attempt.first_tried_at
        return messages.written_reminder(letter, settings=settings.mail, message_id=self.message_id, now=now)


def _decide(dispatch: Dispatch, claim: Claim, site: SiteSettings) -> _Decided | str:
    """Read every fact anew, decide, and write down the attempt: committed before a byte goes out."""
    return dispatch.do(partial(_decide_in, dispatch=dispatch, claim=claim, site=site))


def _decide_in(rows: Connection, *, dispatch: Dispatch, claim: Claim, site: SiteSettings) -> _Decided | str:
    now = dispatch.clock()
    today = _today(now, site)
    mail = due_mail(rows, claim, today=today)
    if mail is None:
        return LOST_CLAIM
    reason = _reason_to_skip(mail, today)
    if reason is not None:
        return _skip(rows, claim, reason, now)
    attempt = Attempt(mail.reminder.n_attempts + 1, mail.reminder.first_tried_at or now)
    form, stop = letters.links_for(links.Issuing(rows, dispatch.keys, SCHEDULER, now), mail)
    message_id = _message_id(dispatch, mail)
    tried = {"n_attempts": attempt.number, "first_tried_at": attempt.first_tried_at}
    begun = tried | {"message_id": message_id, "access_link_id": form.id}
    is_held = _begin_sending(rows, claim, mail, begun, now)
    return _Decided(mail, attempt, message_id, form, stop) if is_held else LOST_CLAIM


def _begin_sending(rows: Rows, claim: Claim, mail: DueMail, begun: dict[str, object], now: datetime) -> bool:
    """What stays as it is stays out of the statement: an index that is not touched need not be made durable."""
    reminder = mail.reminder
    changed = {name: value for name, value in begun.items() if getattr(reminder, name) != value}
    if reminder.next_attempt_at is None or now + LEASE - reminder.next_attempt_at > _FRESH:
        changed["next_attempt_at"] = now + LEASE
    return outbox.mark(rows, claim, state=ReminderState.SENDING, claimed_at=now, **changed)


def _today(now: datetime, site: SiteSettings) -> date:
    return now.astimezone(site.zone).date()


def _reason_to_skip(mail: DueMail, today: date) -> SkipReason | None:
    is_overtaken = _is_of_ladder(mail) and mail.ladder.is_overtaken
    return reason_on(mail, today) or (SkipReason.OVERTAKEN if is_overtaken else None)


def _is_of_ladder(mail: DueMail) -> bool:
    return mail.reminder.kind == ReminderKind.LADDER


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
        has_bounced=mail.contact.email_bounced_at is not None,
    )


def _skip(rows: Rows, claim: Claim, reason: SkipReason, now: datetime) -> str:
    if not outbox.mark(rows, claim, state=ReminderState.SKIPPED, skip_reason=reason, next_attempt_at=None):
        return LOST_CLAIM
    record(rows, claim.id, ReminderState.SKIPPED, now, reason=reason)
    return ReminderState.SKIPPED


def _hand_over(dispatch: Dispatch, decided: _Decided, message: Outgoing) -> Outcome:
    """Send, and say what to write down."""
    mail, attempt, message_id = decided.mail, decided.attempt, decided.message_id
    recipient = mail.contact.email or ""
    sender = envelope_sender(dispatch.settings, dispatch.keys, reminder_id=mail.reminder.id, recipient=recipient)
    try:
        dispatch.transport.send(message, recipient=recipient, sender=sender)
    except TryLater as failure:
        return _deferred(dispatch, _put_off(failure), attempt, str(failure))
    except Refused as failure:
        return _rejected(str(failure), dispatch.clock())
    except OutcomeUnknown as failure:
        return _unknown(mail, str(failure), dispatch.clock())
    sent_at = dispatch.clock()
    dispatch.keep(Handed(mail.reminder.id, mail.patient.public_id, message_id, sent_at))
    values = {"state": ReminderState.ACCEPTED, "sent_at": sent_at, "next_attempt_at": None}
    return Outcome(ReminderState.ACCEPTED, values)


def _put_off(failure: TryLater) -> str:
    if isinstance(failure, Unwelcome):
        return UNWELCOME
    return UNREACHABLE if isinstance(failure, Unreachable) else ReminderState.DEFERRED


def _write_down(dispatch: Dispatch, claim: Claim, outcome: Outcome) -> str:
    """Mark what became of a mail, unless somebody else holds the claim by now."""
    state = str(outcome.values["state"])

    def mark(rows: Connection) -> bool:
        is_held = outbox.mark(rows, claim, **outcome.values)
        if is_held:
            record(rows, claim.id, state, dispatch.clock())
        return is_held

    # The mail has left: one that is not marked would leave once more.
    if not dispatch.insist(mark):
        return LOST_CLAIM
    logger.info("Reminder %s: reminder=%s", state, claim.id)
    return outcome.name


def record(rows: Rows, reminder_id: int, state: str, now: datetime, **details: SkipReason) -> None:
    """Write into the audit trail what became of a mail."""
    action = f"reminder_{state}"
    audit.record(rows, action=action, subject="reminder", subject_id=reminder_id, by=SCHEDULER, now=now, **details)


def _unknown(mail: DueMail, failure: str, now: datetime) -> Outcome:
    if mail.reminder.failed_at is not None:
        return _rejected(f"twice unknown: {failure}", now)
    values = {"next_attempt_at": now + UNKNOWN_RETRY, "failed_at": now, "failure": failure}
    return Outcome(ReminderState.UNKNOWN, {"state": ReminderState.UNKNOWN, **values})


def _deferred(dispatch: Dispatch, name: str, attempt: Attempt, failure: str) -> Outcome:
    now = dispatch.clock()
    if now - attempt.first_tried_at > GIVE_UP_AFTER:
        return _rejected(failure, now)
    # The exponent is kept small: after five days of attempts the power would not fit into a number of seconds.
    wait = min(FIRST_RETRY * 2 ** min(attempt.number - 1, 10), LONGEST_RETRY)
    next_attempt_at = now + wait * (1 + JITTER * dispatch.chance())
    return Outcome(name, {"state": ReminderState.DEFERRED, "next_attempt_at": next_attempt_at, "failure": failure})


def _rejected(failure: str, now: datetime) -> Outcome:
    values = {"state": ReminderState.REJECTED, "failed_at": now, "failure": failure, "next_attempt_at": None}
    return Outcome(ReminderState.REJECTED, values)


def _message_id(dispatch: Dispatch, mail: DueMail) -> str:
    domain = dispatch.settings.mail.sender.rpartition("@")[2]
    return mail.reminder.message_id or f"<{random_id(20)}@{domain}>"
