"""What would go out: the mails of the coming days as they stand now, each with its day or with why it would not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from registry.domain.calendar import add_days
from registry.domain.ladder import SkipReason
from registry.domain.sending_hours import SendingHours
from registry.services.outbox import reason_on
from registry.storage.database import Session
from registry.storage.outbox import PlannedMail, planned_mails


@dataclass(frozen=True)
class Forecast:
    """One planned mail: for whom, by the study ID alone, and what would become of it."""

    leaves_on: date
    study_id: str
    timepoint: str
    rung: int
    reason: SkipReason | None
    """Why it would not go out; None when it would."""


def forecast(session: Session, *, site_id: int, hours: SendingHours, today: date, days: int) -> Iterator[Forecast]:
    """The mails of a site that leave, or would not, from today on for so many days, in order of the day."""
    last = add_days(today, days)
    planned = planned_mails(session, site_id=site_id, until=last)
    by_due_day = groupby(planned, key=lambda mail: hours.first_sending_day(max(mail.reminder.due_on, today)))
    for leaves_on, mails in by_due_day:
        if leaves_on <= last:
            yield from _of_a_day(leaves_on, mails)


def _of_a_day(leaves_on: date, mails: Iterable[PlannedMail]) -> Iterator[Forecast]:
    """Of several mails about one form that would leave on the same day, the last one leaves."""
    todays = list(mails)
    latest = {mail.follow_up.id: mail.reminder.rung for mail in sorted(todays, key=lambda mail: mail.reminder.rung)}
    for mail in todays:
        is_overtaken = mail.reminder.rung < latest[mail.follow_up.id]
        reason = reason_on(mail, leaves_on) or (SkipReason.OVERTAKEN if is_overtaken else None)
        yield Forecast(leaves_on, mail.patient.study_id, mail.follow_up.timepoint, mail.reminder.rung, reason)
