"""The day that was computed is the day that is stored, on both databases, and the day that is shown."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, cast, func, insert, select
from sqlalchemy.types import Date, String

from registry.domain.calendar import add_months
from registry.languages import long_day
from registry.storage.database import Database
from registry.storage.models import FollowUp
from registry.storage.models.base import table_of

OPERATED = [date(1990, 1, 1) + timedelta(days=offset) for offset in range(40177)]
MONTHS = (0, 3, 6, 12, 24)
DUE = sorted({add_months(day, months) for day in OPERATED for months in MONTHS})

_table = Table("stored_day", MetaData(), Column("id", Integer, primary_key=True), Column("day", Date))


def test_every_due_day_is_stored_as_it_was_computed(database: Database) -> None:
    assert type(table_of(FollowUp).c.due_on.type) is Date
    with database.engine.begin() as connection:
        _table.create(connection)
        connection.execute(insert(_table), [{"id": number, "day": day} for number, day in enumerate(DUE)])
        found = [row.day for row in connection.execute(select(_table.c.day).order_by(_table.c.id))]
        in_order = [row.day for row in connection.execute(select(_table.c.day).order_by(_table.c.day))]
        written = select(cast(_table.c.day, String)).order_by(_table.c.id)
        texts = [str(row[0]) for row in connection.execute(written)]
        n_until = connection.execute(
            select(func.count()).where(_table.c.day <= date(2028, 2, 29)).select_from(_table)
        ).scalar_one()

    assert found == in_order == DUE
    assert texts == [day.isoformat() for day in DUE]
    assert n_until == sum(day <= date(2028, 2, 29) for day in DUE)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_due_day_is_shown_as_it_is(language: str) -> None:
    assert [day for day in DUE if _read(long_day(day, language), language) != (day, day.weekday())] == []


def _read(shown: str, language: str) -> tuple[date, int]:
    """What a person reads: the day, and the weekday beside it."""
    if language == "en":
        weekday = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"].index(shown.split()[0])
        return datetime.strptime(shown.partition(" ")[2], "%d %B %Y").date(), weekday  # noqa: DTZ007  a day, not a time
    found = re.fullmatch(r"(\d+)年(\d+)月(\d+)日（(.)）", shown)
    assert found is not None
    return date(*map(int, found.group(1, 2, 3))), "月火水木金土日".index(found[4])


# SQLite and PostgreSQL count months differently: nothing is counted there.
ARITHMETIC = re.compile(
    r"""func\.(date|julianday|strftime|datetime|age|now|current_date|date_trunc|make_interval|to_date)\b
      | \b(julianday|date_trunc|make_interval|INTERVAL\s*')
      | CURRENT_(DATE|TIMESTAMP)
      | c?\.?(due_on|opens_on|closes_on|operated_on|planned_on|sent_at)\s*[+-]\s*(timedelta|literal|text|bindparam|\d)
    """,
    re.VERBOSE,
)
SOURCES = [*Path(__file__).parents[2].joinpath("registry").rglob("*.py")]
SOURCES += Path(__file__).parents[2].joinpath("migrations").rglob("*.py")


def counted_in_sql(source: str) -> Iterator[str]:
    return (line.strip() for line in source.splitlines() if ARITHMETIC.search(line))


def test_no_day_is_counted_in_sql() -> None:
    assert [(path.name, line) for path in SOURCES for line in counted_in_sql(path.read_text())] == []


@pytest.mark.parametrize(
    "line",
    [
        "where(_follow_up.due_on + timedelta(days=21) <= today)",
        "select(func.date(_operation.operated_on, '+1 year'))",
        "text(\"operated_on + INTERVAL '12 months'\")",
        "text('due_on < CURRENT_DATE')",
    ],
)
def test_a_day_counted_in_sql_would_be_found(line: str) -> None:
    assert list(counted_in_sql(line))
