"""The counts by time and outcome of one group."""

from __future__ import annotations

from math import inf, nan

import pytest

from registry.statistics.event_table import EventTable, Outcome, Step, side_by_side

EVENT, DEATH, CENSORED = Outcome.EVENT, Outcome.DEATH, Outcome.CENSORED


def test_order_and_splitting_of_the_rows_do_not_matter() -> None:
    rows = [(12.5, EVENT, 2), (3, CENSORED, 1), (12.5, DEATH, 1)]
    single = [(months, outcome, 1) for months, outcome, n in rows for _ in range(n)]

    assert EventTable.from_counts(reversed(single)) == EventTable.from_counts(rows)


def test_censored_at_a_time_are_at_risk_at_it() -> None:
    table = EventTable.from_counts([(4, EVENT, 2), (4, CENSORED, 3), (6, DEATH, 1)])

    assert table.n == 6
    assert table.steps == (
        Step(months=4, n_at_risk=6, n_events=2, n_deaths=0, n_censored=3),
        Step(months=6, n_at_risk=1, n_events=0, n_deaths=1, n_censored=0),
    )


def test_rows_without_patients_leave_no_step() -> None:
    assert EventTable.from_counts([(4, EVENT, 0)]).steps == ()


@pytest.mark.parametrize("months", [-0.1, nan, inf])
def test_impossible_time_is_refused(months: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        EventTable.from_counts([(months, EVENT, 1)])


def test_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        EventTable.from_counts([(4, EVENT, -1)])


def test_groups_stand_side_by_side_at_the_times_of_events_and_deaths() -> None:
    first = EventTable.from_counts([(4, EVENT, 1), (5, CENSORED, 2), (9, DEATH, 1)])
    second = EventTable.from_counts([(4, CENSORED, 1), (7, EVENT, 1)])

    steps = [[(step.months, step.n_at_risk, step.n_events) for step in here] for here in side_by_side([first, second])]

    assert steps == [[(4, 4, 1), (4, 2, 0)], [(7, 1, 0), (7, 1, 1)], [(9, 1, 0), (9, 0, 0)]]
