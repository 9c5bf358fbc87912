"""Due dates are the same day of a later month, or its last day; shown against two independent oracles."""

from datetime import date, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.calendar import add_days, add_months

EVERY_DAY = [date(1990, 1, 1) + timedelta(days=offset) for offset in range(40177)]
OFFSETS = (1, 2, 3, 6, 12, 24, 60, 120)


@pytest.mark.parametrize(
    ("day", "months", "wanted"),
    [
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 2, 29), 24, date(2026, 2, 28)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
        (date(2023, 2, 28), 12, date(2024, 2, 28)),
        (date(2023, 11, 29), 3, date(2024, 2, 29)),
        (date(2023, 11, 30), 3, date(2024, 2, 29)),
        (date(2022, 11, 30), 3, date(2023, 2, 28)),
        (date(2026, 8, 31), 3, date(2026, 11, 30)),
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
        (date(2026, 10, 31), 1, date(2026, 11, 30)),
        (date(2026, 12, 31), 1, date(2027, 1, 31)),
        (date(2026, 12, 1), 12, date(2027, 12, 1)),
        (date(2099, 2, 28), 12, date(2100, 2, 28)),  # 2100 is no leap year
        (date(2096, 2, 29), 48, date(2100, 2, 28)),
        (date(2026, 3, 31), 0, date(2026, 3, 31)),
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
        (date(2026, 1, 31), -1, date(2025, 12, 31)),
    ],
)
def test_months_later_is_the_same_day_or_the_last_of_a_short_month(day: date, months: int, wanted: date) -> None:
    assert add_months(day, months) == wanted


def test_the_days_tried_are_those_from_1990_to_2099() -> None:
    assert (len(EVERY_DAY), EVERY_DAY[-1]) == (40177, date(2099, 12, 31))


@pytest.mark.parametrize("months", OFFSETS)
def test_every_day_of_110_years_agrees_with_dateutil(months: int) -> None:
    step = relativedelta(months=months)

    assert [day for day in EVERY_DAY if add_months(day, months) != day + step] == []


def _walked(day: date, months: int) -> date:
    """An oracle without arithmetic on numbers of months: walk from first to first, then back from a missing day."""
    first = day.replace(day=1)
    for _ in range(months):
        first = (first + timedelta(days=31)).replace(day=1)
    for day_of_month in range(day.day, 27, -1):
        try:
            return first.replace(day=day_of_month)
        except ValueError:
            continue
    return first.replace(day=day.day)


@pytest.mark.parametrize("months", [3, 12])
def test_every_day_of_110_years_agrees_with_walking_through_the_months(months: int) -> None:
    assert [day for day in EVERY_DAY if add_months(day, months) != _walked(day, months)] == []


def test_a_year_is_not_365_days() -> None:
    """The negative control: a shortcut is wrong for a quarter of all days."""
    wrong = [day for day in EVERY_DAY if add_days(day, 365) != add_months(day, 12)]

    assert len(wrong) == 9855


@given(st.dates(date(1990, 1, 1), date(2099, 12, 31)), st.integers(0, 120), st.integers(0, 120))
def test_a_later_operation_is_never_due_earlier(day: date, months: int, days: int) -> None:
    assert add_months(day, months) <= add_months(day + timedelta(days=days), months)


@pytest.mark.parametrize(
    ("day", "days", "wanted"),
    [
        (date(2024, 2, 28), 1, date(2024, 2, 29)),
        (date(2023, 2, 28), 1, date(2023, 3, 1)),
        (date(2026, 1, 1), -1, date(2025, 12, 31)),
        (date(2026, 3, 29), 0, date(2026, 3, 29)),
    ],
)
def test_days_later(day: date, days: int, wanted: date) -> None:
    assert add_days(day, days) == wanted
