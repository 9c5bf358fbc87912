"""Silent failures: what is wrong when mails do not leave, are not taken, or nobody answers them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Alarm(StrEnum):
    """Something that a person must look at, because patients would otherwise wait for a mail that never comes."""

    SCHEDULER_SILENT = "scheduler_silent"
    MAIL_WAITS = "mail_waits"
    MAIL_REFUSED = "mail_refused"
    NOBODY_ANSWERS = "nobody_answers"
    BOUNCES_UNREAD = "bounces_unread"
    MAIL_UNWELCOME = "mail_unwelcome"
    SENDING_HELD = "sending_held"


# The scheduler gives a sign every minute.
SILENT_AFTER = timedelta(minutes=10)
# A mail server asks for patience for minutes; after hours it is down, or does not want us.
LONGEST_WAIT = timedelta(hours=3)
FEWEST_REFUSED = 3
# Two of three patients answer within a week: none of twenty is no accident.
FEWEST_UNANSWERED = 20
ANSWERS_WITHIN = timedelta(days=7)


@dataclass(frozen=True)
class MailFacts:
    """What became of mails lately."""

    waiting_since: datetime | None
    """Since when the mail that has waited longest for its server has been tried."""
    last_accepted_at: datetime | None
    n_refused: int
    """How many mails were refused since the last one was accepted."""
    n_sent: int
    """How many mails went out so long ago that most patients have answered by now, and not long before that."""
    n_answered: int
    """How many of the forms that those mails were about have been begun since."""
    unwelcome_until: datetime | None = None
    """Until when none is tried, because the server minds what we send or who we are."""
    bounces_unread_since: datetime | None = None
    """Since when returned mails could not be read."""


def alarms_of(facts: MailFacts, *, now: datetime) -> tuple[Alarm, ...]:
    """What is wrong with the mails."""
    found = (
        (_waits_in_vain(facts, now), Alarm.MAIL_WAITS),
        (facts.n_refused >= FEWEST_REFUSED, Alarm.MAIL_REFUSED),
        (facts.unwelcome_until is not None, Alarm.MAIL_UNWELCOME),
        (facts.n_sent >= FEWEST_UNANSWERED and facts.n_answered == 0, Alarm.NOBODY_ANSWERS),
        (_is_long_ago(facts.bounces_unread_since, now), Alarm.BOUNCES_UNREAD),
    )
    return tuple(alarm for applies, alarm in found if applies)


def _waits_in_vain(facts: MailFacts, now: datetime) -> bool:
    """Whether a mail has waited long, and no other was taken meanwhile: one mailbox that is full is no alarm."""
    since = facts.waiting_since
    if since is None or not _is_long_ago(since, now):
        return False
    return facts.last_accepted_at is None or facts.last_accepted_at < since


def _is_long_ago(since: datetime | None, now: datetime) -> bool:
    return since is not None and now - since > LONGEST_WAIT


def is_silent(beat_at: datetime | None, *, now: datetime) -> bool:
    """Whether the scheduler has given no sign for too long, or never."""
    return beat_at is None or now - beat_at > SILENT_AFTER
