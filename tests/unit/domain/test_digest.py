"""The digest of a working day: when it may leave, how often it is tried, and its counts in words."""

from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from registry.domain.digest import MOST_ATTEMPTS, DigestCounts, is_digest_time, problem_of_time, wait_after

AT = time(8, 30)
TOKYO = ZoneInfo("Asia/Tokyo")
FRIDAY = datetime(2026, 11, 20, tzinfo=TOKYO)


@pytest.mark.parametrize(
    ("hour", "minute", "may"), [(0, 0, False), (8, 29, False), (8, 30, True), (11, 59, True), (12, 0, False)]
)
def test_it_leaves_from_its_time_until_noon(hour: int, minute: int, may: bool) -> None:
    assert is_digest_time(FRIDAY.replace(hour=hour, minute=minute), at=AT) is may


def test_it_leaves_on_working_days() -> None:
    week = [FRIDAY.replace(hour=9) + timedelta(days) for days in range(7)]

    assert [f"{each:%a}" for each in week if is_digest_time(each, at=AT)] == ["Fri", "Mon", "Tue", "Wed", "Thu"]


def test_the_clock_and_the_weekday_are_the_hospitals() -> None:
    instant = datetime(2026, 11, 22, 23, 45, tzinfo=UTC)  # Sunday evening, and Monday morning in Tokyo
    zones = [ZoneInfo("UTC"), TOKYO, ZoneInfo("America/Los_Angeles")]

    assert [is_digest_time(instant.astimezone(zone), at=AT) for zone in zones] == [False, True, False]


@pytest.mark.parametrize(
    ("at", "is_good"),
    [
        (time(4, 59), False),
        (time(5), True),
        (time(11, 59), True),
        (time(12), False),
        (time(8, 30, tzinfo=timezone(timedelta(hours=9))), False),
    ],
)
def test_its_time_is_in_the_morning(at: time, is_good: bool) -> None:
    assert (problem_of_time(at) is None) is is_good


def test_the_waits_grow_and_end_within_the_morning() -> None:
    waits = [wait_after(number) for number in range(1, MOST_ATTEMPTS + 1)]

    assert waits == [timedelta(minutes=15), timedelta(minutes=30), timedelta(minutes=60), None]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (DigestCounts(n_at_risk=1, n_calls=4, n_returned=2), "1 baseline at risk, 4 calls, 2 returned"),
        (DigestCounts(n_at_risk=2, n_calls=1, n_letters=1), "2 baselines at risk, 1 call, 1 letter"),
        (DigestCounts(n_letters=3, n_reviews=1), "3 letters, 1 to review"),
        (DigestCounts(), ""),
    ],
)
def test_the_counts_in_words(counts: DigestCounts, words: str) -> None:
    assert (counts.in_words(), counts.is_empty) == (words, not words)
