"""Invented lives: what happens to a patient and on which day, drawn at random from a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from random import Random

BEGINS, DAYS = date(2026, 1, 1), 3652
ZERO = datetime(2026, 1, 1, tzinfo=UTC)
SITES = {
    "TOKYO": "Asia/Tokyo",
    "BERLIN": "Europe/Berlin",
    "ANGELES": "America/Los_Angeles",
    "HOWE": "Australia/Lord_Howe",
}


class What(StrEnum):
    """What can happen."""

    ENROLLED = "enrolled"
    PLANNED = "planned"
    PUT_OFF = "put_off"
    OPERATED = "operated"
    ANSWERED = "answered"
    STOPPED = "stopped"
    WITHDREW = "withdrew"
    DIED = "died"


@dataclass(frozen=True)
class Happening:
    """Something that staff or the patient do on the afternoon of a day; the day it is about may be another."""

    on: date
    what: What
    day: date | None = None
    timepoint: str = ""


@dataclass(frozen=True)
class Life:
    """A patient of a site, with what happens in order."""

    number: int
    site: str
    happenings: tuple[Happening, ...]


@dataclass(frozen=True)
class Outage:
    """A time without a scheduler, in minutes since the beginning, on the clock of Greenwich."""

    begins: int
    ends: int

    def covers(self, moment: datetime) -> bool:
        """Whether no scheduler runs at a moment."""
        return self.begins <= (moment - ZERO).total_seconds() / 60 < self.ends


def lives(seed: int, count: int) -> list[Life]:
    """As many patients as asked for, the same for the same seed."""
    random = Random(seed)
    return [_life(random, number) for number in range(count)]


def outages(seed: int) -> list[Outage]:
    """Times without a scheduler: of minutes, a day, a week, a month, and once of 400 days."""
    random = Random(seed + 1)
    lengths = [random.randint(2, 90) for _ in range(200)] + [1440] * 40 + [7 * 1440] * 10 + [30 * 1440] * 4
    return [
        Outage(begins, begins + length)
        for length in [*lengths, 400 * 1440]
        for begins in [random.randrange(DAYS * 1440)]
    ]


def _life(random: Random, number: int) -> Life:
    enrolled = BEGINS + timedelta(days=random.randrange(DAYS - 900))
    happenings = [Happening(enrolled, What.ENROLLED)]
    happenings += _operations(random, enrolled)
    happenings += _ends(random, enrolled)
    happenings += _answers(random, happenings)
    happenings.sort(key=lambda one: (one.on, list(What).index(one.what)))
    return Life(number, random.choice(list(SITES)), tuple(happenings))


def _operations(random: Random, enrolled: date) -> Iterator[Happening]:
    """A planned day, which may move, and an operation, which may be put off for good or be entered very late."""
    day, planned = enrolled + timedelta(days=random.randint(1, 120)), enrolled
    yield Happening(enrolled, What.PLANNED, day)
    while random.random() < 0.25 and planned < day - timedelta(days=2):
        planned += timedelta(days=random.randint(1, (day - planned).days - 1))
        day = max(planned, day + timedelta(days=random.randint(-15, 40)))
        yield Happening(planned, What.PLANNED, day)
    if random.random() < 0.15:
        yield Happening(_between(random, planned, day + timedelta(days=1)), What.PUT_OFF)
        if random.random() < 0.5:
            return
        day += timedelta(days=random.randint(5, 90))
    yield Happening(day + timedelta(days=_delay(random)), What.OPERATED, day)


def _delay(random: Random) -> int:
    """How many days after an operation it is entered."""
    return random.choice((0, 0, 0, 1, 5, random.randint(10, 500)))


def _ends(random: Random, enrolled: date) -> Iterator[Happening]:
    for what in (What.STOPPED, What.WITHDREW, What.DIED):
        if random.random() < 0.1:
            on = enrolled + timedelta(days=random.randint(1, 900))
            yield Happening(on, what, on)


def _answers(random: Random, happenings: list[Happening]) -> Iterator[Happening]:
    """Answers to forms that are open: before the operation as long as it is planned, afterwards near the due day."""
    last = min((one.on for one in happenings if one.what in (What.WITHDREW, What.DIED)), default=date.max)
    for before, after in zip(happenings, [*happenings[1:], None], strict=True):
        if before.what == What.PLANNED and before.day and random.random() < 0.3:
            until = min(before.day, last, after.on if after else date.max)
            first = max(before.on, before.day - timedelta(days=60))
            if first < until:
                yield Happening(_between(random, first, until), What.ANSWERED, timepoint="before")
                break
    for one in happenings:
        if one.what == What.OPERATED and one.day:
            yield from _answers_after(random, one.on, one.day, last)


def _answers_after(random: Random, entered: date, operated: date, last: date) -> Iterator[Happening]:
    for timepoint, days in (("M3", 92), ("M6", 184), ("M12", 366), ("M24", 732)):
        on = operated + timedelta(days=days + random.randint(-5, 35))
        if entered < on < last and random.random() < 0.6:
            yield Happening(on, What.ANSWERED, timepoint=timepoint)


def _between(random: Random, first: date, until: date) -> date:
    return first + timedelta(days=random.randrange((until - first).days))
