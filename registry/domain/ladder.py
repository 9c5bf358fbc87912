"""The reminder ladder: which mail is due on which day, and why one is not sent."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from registry.domain.calendar import add_days
from registry.domain.schedule import FollowUpStatus
from registry.domain.study import Ladder, Timepoint, VisitWindow


@dataclass(frozen=True)
class Rung:
    """One step of a ladder: the how many-th mail, and the day from which it is due."""

    number: int
    due_on: date


class SkipReason(StrEnum):
    """Why a planned mail is not sent."""

    ANSWERED = "answered"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    DIED = "died"
    EMAILS_STOPPED = "emails_stopped"
    NO_ADDRESS = "no_address"
    WINDOW_CLOSED = "window_closed"
    OPERATION_OFF = "operation_off"
    OVERTAKEN = "overtaken"
    NOT_YET_OPEN = "not_yet_open"
    NOT_PLANNED = "not_planned"
    PHONE_ASKED = "phone_asked"
    BOUNCED = "bounced"


class MailKind(StrEnum):
    """Which words a mail carries."""

    INVITATION = "invitation"
    REMINDER = "reminder"
    LAST_REMINDER = "last_reminder"
    FRESH_LINK = "fresh_link"


def rungs(timepoint: Timepoint, window: VisitWindow, ladder: Ladder, *, enrolled_on: date) -> tuple[Rung, ...]:
    """The mails of one follow-up: counted from the due date, or before an operation every few days until the eve."""
    if timepoint.is_before:
        return _rungs_before(window, ladder.before_every_days, enrolled_on=enrolled_on)
    return tuple(Rung(number, add_days(window.due_on, days)) for number, days in enumerate(ladder.email_days))


def _rungs_before(window: VisitWindow, every_days: int, *, enrolled_on: date) -> tuple[Rung, ...]:
    start = max(enrolled_on, window.opens_on)
    days = range(0, (window.due_on - start).days, every_days)
    return tuple(Rung(number, add_days(start, offset)) for number, offset in enumerate(days))


_REASON_BY_STATUS = {
    FollowUpStatus.COMPLETED: SkipReason.ANSWERED,
    FollowUpStatus.DECLINED: SkipReason.DECLINED,
    FollowUpStatus.WITHDRAWN: SkipReason.WITHDRAWN,
    FollowUpStatus.DIED: SkipReason.DIED,
    FollowUpStatus.MISSED: SkipReason.WINDOW_CLOSED,
    FollowUpStatus.NOT_NEEDED: SkipReason.OPERATION_OFF,
    # Only a mail whose operation was moved after its day came due; the plan brings it back on its new day.
    FollowUpStatus.UPCOMING: SkipReason.NOT_YET_OPEN,
}


def what_ended(status: FollowUpStatus) -> SkipReason | None:
    """Why nobody asks for a form any more, or None while somebody does or will."""
    return None if status == FollowUpStatus.UPCOMING else _REASON_BY_STATUS.get(status)


def reason_to_skip(
    status: FollowUpStatus,
    *,
    is_before: bool,
    window: VisitWindow,
    has_address: bool,
    are_emails_stopped: bool,
    today: date,
    wants_call: bool = False,
    has_bounced: bool = False,
) -> SkipReason | None:
    """Why no mail may go to this patient for this follow-up today, or None when it may."""
    if status in _REASON_BY_STATUS:
        return _REASON_BY_STATUS[status]
    if is_before and today >= window.due_on:
        return SkipReason.WINDOW_CLOSED
    if are_emails_stopped:
        return SkipReason.EMAILS_STOPPED
    if has_bounced:
        return SkipReason.BOUNCED
    if wants_call:
        return SkipReason.PHONE_ASKED
    return None if has_address else SkipReason.NO_ADDRESS


def mail_kind(*, is_first: bool, is_last: bool) -> MailKind:
    """The words of a mail: the first that reaches the patient invites, whatever its rung; the last one says so."""
    if is_first:
        return MailKind.INVITATION
    return MailKind.LAST_REMINDER if is_last else MailKind.REMINDER
