"""When mails may leave: on which weekdays and between which hours, on the clock of the hospital."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum

from registry.domain.calendar import add_days


class Weekday(StrEnum):
    """A day of the week, in the order of `date.weekday()`."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"

    @classmethod
    def of(cls, day: date) -> "Weekday":
        """The weekday of a day."""
        return tuple(cls)[day.weekday()]


# Clocks are put forward or back before this hour everywhere, so that an hour of sending never falls out of a day.
EARLIEST = time(5)


@dataclass(frozen=True)
class SendingHours:
    """When a mail leaves for the first time, and until when a server that put it off is asked again."""

    begins: time
    ends: time
    retries_end: time
    weekdays: frozenset[Weekday]

    def admits_first(self, local: datetime) -> bool:
        """Whether mails that nobody has tried yet leave at this moment of the hospital."""
        return self.is_sending_day(local.date()) and self.begins <= local.time() < self.ends

    def admits_retry(self, local: datetime) -> bool:
        """Whether a mail that was put off may be tried again: on any day, but at no hour that would wake anybody."""
        return self.begins <= local.time() < self.retries_end

    def is_sending_day(self, day: date) -> bool:
        """Whether mails leave on this day."""
        return Weekday.of(day) in self.weekdays

    def first_sending_day(self, day: date) -> date:
        """The day on which a mail that is due on this day leaves: the same, or the next on which mails leave."""
        week = (add_days(day, offset) for offset in range(len(Weekday)))
        return next(each for each in week if self.is_sending_day(each))


USUAL = SendingHours(
    time(9), time(10), time(20), frozenset({Weekday.MONDAY, Weekday.TUESDAY, Weekday.WEDNESDAY, Weekday.THURSDAY})
)
ALWAYS = SendingHours(time.min, time.max, time.max, frozenset(Weekday))
"""At any hour of any day, as in a demonstration."""


def problems_of_hours(hours: SendingHours) -> Iterator[str]:
    """What is wrong with hours, in the names of their settings."""
    if hours.begins < EARLIEST:
        yield "study.reminders.send_from: no mail leaves before 05:00"
    if hours.ends <= hours.begins:
        yield "study.reminders.send_until: must be later than send_from"
    if hours.retries_end < hours.ends:
        yield "study.reminders.retry_until: must not be earlier than send_until"
    if not hours.weekdays:
        yield 'study.reminders.weekdays: name at least one day, such as ["monday", "tuesday"]'
