"""What would go out: the mails of the coming days as they stand now, each with its day or with why it would not."""

from collections.abc import Generator, Iterable, Iterator
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
    public_id: str
    """By which staff find the patient's page."""


@dataclass(frozen=True)
class Foreseen:
    """A planned mail, the day on which it would leave, and why it would not."""

    mail: PlannedMail
    leaves_on: date
    reason: SkipReason | None


def forecast(
    session: Session, *, site_id: int, hours: SendingHours, today: date, days: int
) -> Generator[Forecast, None, None]:
    """The mails of a site that leave, or would not, from today on for so many days, in order of the day."""
    last = add_days(today, days)
    for found in foreseen(planned_mails(session, site_id=site_id, until=last), hours=hours, today=today):
        if found.leaves_on <= last:
            yield _told(found)


def foreseen(planned: Iterable[PlannedMail], *, hours: SendingHours, today: date) -> Iterator[Foreseen]:
    """What would become of mails that are planned, given in order of the day."""
    for leaves_on, mails in groupby(
        planned, key=lambda mail: hours.first_sending_day(max(mail.reminder.due_on, today))
    ):
        yield from _of_a_day(leaves_on, mails)


def _told(found: Foreseen) -> Forecast:
    patient, form, rung = found.mail.patient, found.mail.follow_up, found.mail.reminder.rung
    return Forecast(found.leaves_on, patient.study_id, form.timepoint, rung, found.reason, patient.public_id)


def _of_a_day(leaves_on: date, mails: Iterable[PlannedMail]) -> Iterator[Foreseen]:
    """Of several mails about one form that would leave on the same day, the last one leaves."""
    todays = list(mails)
    latest = {mail.follow_up.id: mail.reminder.rung for mail in sorted(todays, key=lambda mail: mail.reminder.rung)}
    for mail in todays:
        is_overtaken = mail.reminder.rung < latest[mail.follow_up.id]
        reason = reason_on(mail, leaves_on) or (SkipReason.OVERTAKEN if is_overtaken else None)
        yield Foreseen(mail, leaves_on, reason)
