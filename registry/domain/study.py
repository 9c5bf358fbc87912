"""The protocol as data: timepoints, windows, reminder ladder, entry rule and groupings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from registry.domain.calendar import add_days, add_months
from registry.domain.instruments import HIGHEST_SCORE, INSTRUMENTS, LOWEST_SCORE, Instrument, Item
from registry.domain.sending_hours import USUAL, SendingHours, problems_of_hours
from registry.domain.vocabularies import UNKNOWN_GROUP

BEFORE = "before"
LONGEST_FOLLOW_UP_MONTHS = 600
LONGEST_WINDOW_DAYS = 3650


@dataclass(frozen=True)
class VisitWindow:
    """The days on which a form counts, both ends included, and the day on which it is due."""

    opens_on: date
    due_on: date
    closes_on: date

    def contains(self, day: date) -> bool:
        """Whether the form is open on this day."""
        return self.opens_on <= day <= self.closes_on


@dataclass(frozen=True)
class Timepoint:
    """A planned moment: so many months after the operation; 0 months is the form before it."""

    code: str
    months: int
    opens_days_before: int
    closes_days_after: int

    @property
    def is_before(self) -> bool:
        """Whether this is the form before the operation."""
        return self.code == BEFORE

    def window(self, operation_day: date) -> VisitWindow:
        """The window of this timepoint for an operation on that day."""
        due_on = add_months(operation_day, self.months)
        return VisitWindow(
            opens_on=add_days(due_on, -self.opens_days_before),
            due_on=due_on,
            closes_on=add_days(due_on, self.closes_days_after),
        )


@dataclass(frozen=True)
class Ladder:
    """How a form is asked for, in days after its due date: by mail, then by telephone, then by letter."""

    email_days: tuple[int, ...]
    before_every_days: int
    hours: SendingHours = USUAL
    phone_after_days: int = 21
    letter_after_days: int = 35


@dataclass(frozen=True)
class EntryRule:
    """The filter of a cohort: a before score of at least this much on this item."""

    item: str
    at_least: int


@dataclass(frozen=True)
class Grouping:
    """By what patients are compared, and its groups in the order in which differences are taken."""

    code: str
    groups: tuple[str, ...]
    labels: Mapping[str, Mapping[str, str]]

    def label(self, group: str, language: str) -> str:
        """A group in words."""
        return self.labels[language].get(group, group)


@dataclass(frozen=True)
class ConsentRule:
    """Which version of the words patients agree to before their first answer; without one nobody is asked."""

    version: str = ""
    still_valid: tuple[str, ...] = ()

    def is_met(self, version: str | None, *, is_given: bool) -> bool:
        """Whether a decision lets a patient answer without being asked again."""
        return not self.version or (is_given and version in (self.version, *self.still_valid))


@dataclass(frozen=True)
class Study:
    """The protocol of the registry, checked as a whole."""

    instrument: Instrument
    items: tuple[Item, ...]
    timepoints: tuple[Timepoint, ...]
    ladder: Ladder
    entry_rule: EntryRule
    groupings: tuple[Grouping, ...]
    consent: ConsentRule = ConsentRule()
    asks_body_regions: bool = False

    def timepoint(self, code: str) -> Timepoint | None:
        """The timepoint with this code, if the protocol has it."""
        return next((timepoint for timepoint in self.timepoints if timepoint.code == code), None)

    def item(self, code: str) -> Item | None:
        """The item with this code, if the protocol asks it."""
        return next((item for item in self.items if item.code == code), None)

    def grouping(self, code: str) -> Grouping | None:
        """The grouping with this code, if the protocol names it."""
        return next((grouping for grouping in self.groupings if grouping.code == code), None)

    @property
    def follow_ups(self) -> tuple[Timepoint, ...]:
        """The timepoints after an operation."""
        return tuple(timepoint for timepoint in self.timepoints if not timepoint.is_before)

    def next_timepoint(self, code: str) -> Timepoint | None:
        """The timepoint that comes after this one."""
        later = iter(self.timepoints)
        found = any(timepoint.code == code for timepoint in later)
        return next(later, None) if found else None


def problems_of(study: Study) -> Iterator[str]:
    """What is wrong with a protocol as a whole, in words for a coordinator."""
    yield from _problems_of_timepoints(study.timepoints)
    yield from _problems_of_ladder(study)
    yield from _problems_of_reports(study)


def _problems_of_timepoints(timepoints: tuple[Timepoint, ...]) -> Iterator[str]:
    codes = [timepoint.code for timepoint in timepoints]
    for code in sorted({code for code in codes if codes.count(code) > 1}):
        yield f"study.timepoints: {code} is there more than once"
    for timepoint in timepoints:
        if timepoint.opens_days_before < 0 or timepoint.closes_days_after < 0:
            yield f"study.timepoints: the window of {timepoint.code} must not have negative days"
        if max(timepoint.opens_days_before, timepoint.closes_days_after) > LONGEST_WINDOW_DAYS:
            yield f"study.timepoints: the window of {timepoint.code} must not be wider than {LONGEST_WINDOW_DAYS} days"
        if timepoint.months > LONGEST_FOLLOW_UP_MONTHS:
            yield f"study.timepoints: {timepoint.code} must be at most {LONGEST_FOLLOW_UP_MONTHS} months away"
        if not timepoint.is_before and timepoint.months < 1:
            yield f"study.timepoints: {timepoint.code} must be at least 1 month after the operation"
    for earlier, later in pairwise(timepoints):
        if later.months <= earlier.months:
            yield f"study.timepoints: {later.code} must come later than {earlier.code}; list them in order of time"
        elif _overlap(earlier, later):
            yield (
                f"study.timepoints: the window of {later.code} opens before that of {earlier.code} has closed; "
                "an answer could belong to both"
            )


_SHORTEST_MONTH_DAYS = 28


def _overlap(earlier: Timepoint, later: Timepoint) -> bool:
    """Whether two windows share a day for an operation on any day of a leap-year cycle."""
    reaches = (earlier.opens_days_before, earlier.closes_days_after, later.opens_days_before, later.closes_days_after)
    if min(reaches) < 0 or max(reaches) > LONGEST_WINDOW_DAYS or later.months > LONGEST_FOLLOW_UP_MONTHS:
        return False
    if (later.months - earlier.months) * _SHORTEST_MONTH_DAYS > earlier.closes_days_after + later.opens_days_before:
        # No need to try every day: settings are read whenever a command starts.
        return False
    days = (date(2023, 1, 1) + timedelta(days=offset) for offset in range(4 * 365 + 1))
    return any(later.window(day).opens_on <= earlier.window(day).closes_on for day in days)


def _problems_of_ladder(study: Study) -> Iterator[str]:
    days = study.ladder.email_days
    if not days or list(days) != sorted(set(days)) or days[0] < 0:
        yield "study.reminders.email_days: give days after the due date in rising order, such as [0, 7, 14]"
    for timepoint in study.follow_ups:
        if days and max(days) > timepoint.closes_days_after:
            yield (
                f"study.reminders.email_days: the last reminder ({max(days)} days after the due date) "
                f"comes after {timepoint.code} has closed ({timepoint.closes_days_after} days)"
            )
    if study.ladder.before_every_days < 1:
        yield "study.reminders.before_every_days: must be 1 or more"
    yield from _problems_of_manual_rungs(study)
    yield from problems_of_hours(study.ladder.hours)


def _problems_of_manual_rungs(study: Study) -> Iterator[str]:
    ladder = study.ladder
    last_mail = max(ladder.email_days, default=0)
    if ladder.phone_after_days <= last_mail:
        yield f"study.reminders.phone_after_days: must be later than the last mail ({last_mail} days)"
    if ladder.letter_after_days <= ladder.phone_after_days:
        yield (
            f"study.reminders.letter_after_days: must be later than phone_after_days ({ladder.phone_after_days} days)"
        )
    for timepoint in study.follow_ups:
        if ladder.letter_after_days > timepoint.closes_days_after:
            yield (
                f"study.reminders.letter_after_days: the letter ({ladder.letter_after_days} days after the due date) "
                f"comes after {timepoint.code} has closed ({timepoint.closes_days_after} days)"
            )


def _problems_of_reports(study: Study) -> Iterator[str]:
    if study.item(study.entry_rule.item) is None:
        yield f"study.entry.item: {study.entry_rule.item} is not one of study.items"
    if not LOWEST_SCORE <= study.entry_rule.at_least <= HIGHEST_SCORE:
        yield "study.entry.at_least: must be from 0 to 100"
    for grouping in study.groupings:
        if len(grouping.groups) != 2:
            yield f"study.groupings: {grouping.code} must name exactly two groups to compare"
        if UNKNOWN_GROUP in grouping.groups:
            yield f"study.groupings: {grouping.code} must not list unknown; it is always shown apart"
        for language in ("en", "ja"):
            if language not in grouping.labels:
                yield f"study.groupings: {grouping.code} has no labels.{language}"


def known_instruments() -> str:
    """The versions that can be named in a protocol, for a message."""
    return ", ".join(sorted(INSTRUMENTS))
