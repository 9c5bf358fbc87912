"""Sending hours: a mail leaves on a day and at an hour of the hospital that the protocol names, and at no other."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from registry.domain.sending_hours import ALWAYS, SendingHours, Weekday, problems_of_hours

DAYS = frozenset({Weekday.MONDAY, Weekday.TUESDAY, Weekday.WEDNESDAY, Weekday.THURSDAY})
HOURS = SendingHours(time(9), time(10), time(20), DAYS)
FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)


@pytest.mark.parametrize(
    ("clock", "first", "retry"),
    [
        (time(8, 59, 59, 999999), False, False),
        (time(9), True, True),
        (time(9, 59, 59, 999999), True, True),
        (time(10), False, True),
        (time(19, 59, 59), False, True),
        (time(20), False, False),
    ],
)
def test_first_mails_leave_within_the_hour_and_retries_until_evening(clock: time, first: bool, retry: bool) -> None:
    local = datetime.combine(MONDAY, clock)

    assert (HOURS.admits_first(local), HOURS.admits_retry(local)) == (first, retry)


def test_on_other_days_nothing_leaves_for_the_first_time() -> None:
    local = datetime.combine(FRIDAY, time(9, 30))

    assert (HOURS.admits_first(local), HOURS.admits_retry(local)) == (False, True)


@pytest.mark.parametrize("offset", range(7))
def test_a_mail_due_on_another_day_leaves_on_the_next_sending_day(offset: int) -> None:
    day = MONDAY + timedelta(days=offset)

    assert HOURS.first_sending_day(day) == (day if offset < 4 else MONDAY + timedelta(days=7))


def test_weekdays_are_those_of_the_calendar() -> None:
    assert [Weekday.of(MONDAY + timedelta(days=offset)) for offset in range(7)] == list(Weekday)
    assert Weekday.of(date(2024, 2, 29)) == Weekday.THURSDAY


def lengths(hours: SendingHours, zone: str) -> set[int]:
    """How many minutes mails leave on the sending days of two years, counted in UTC through every clock change."""
    minutes = {date(2026, 1, 3) + timedelta(days=offset): 0 for offset in range(724)}
    instant = datetime(2026, 1, 1, tzinfo=UTC)
    while instant < datetime(2028, 1, 1, tzinfo=UTC):
        local = instant.astimezone(ZoneInfo(zone))
        if hours.admits_first(local) and local.date() in minutes:
            minutes[local.date()] += 15
        instant += timedelta(minutes=15)
    assert not any(length for day, length in minutes.items() if not hours.is_sending_day(day))
    return {length for day, length in minutes.items() if hours.is_sending_day(day)}


@pytest.mark.parametrize(
    "zone",
    ["Asia/Tokyo", "Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia"],
)
def test_every_sending_day_has_its_whole_hour_whatever_the_clocks_do(zone: str) -> None:
    assert lengths(HOURS, zone) == {60}


def test_an_hour_of_the_night_would_fall_out_of_a_day_or_come_twice() -> None:
    """Why no mail leaves before 05:00."""
    at_night = SendingHours(time(2), time(3), time(20), frozenset(Weekday))

    assert lengths(at_night, "Europe/Berlin") == {0, 60, 120}


def test_a_demonstration_waits_for_nothing() -> None:
    for clock in (time.min, time(3), time(23, 59, 59)):
        local = datetime.combine(FRIDAY, clock)
        assert (ALWAYS.admits_first(local), ALWAYS.admits_retry(local)) == (True, True)


@pytest.mark.parametrize(
    ("hours", "setting"),
    [
        (SendingHours(time(4, 59), time(10), time(20), DAYS), "send_from"),
        (SendingHours(time(9), time(9), time(20), DAYS), "send_until"),
        (SendingHours(time(9), time(10), time(9, 59), DAYS), "retry_until"),
        (SendingHours(time(9), time(10), time(20), frozenset()), "weekdays"),
    ],
)
def test_hours_that_cannot_be_are_named(hours: SendingHours, setting: str) -> None:
    assert [problem.partition(":")[0] for problem in problems_of_hours(hours)] == [f"study.reminders.{setting}"]


def test_the_usual_hours_have_no_problem() -> None:
    assert (
        list(problems_of_hours(HOURS)) == list(problems_of_hours(SendingHours(time(5), time(6), time(6), DAYS))) == []
    )
