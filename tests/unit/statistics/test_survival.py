"""Cumulative incidence. Witness of the numbers: tests/reference (R survival, cmprsk)."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.statistics.event_table import EventTable, Outcome
from registry.statistics.results import Absent, Estimate, Method, Reason
from registry.statistics.survival import IncidencePoint, cumulative_incidence

Row = tuple[float, Outcome, int]

EVENT, DEATH, CENSORED = Outcome.EVENT, Outcome.DEATH, Outcome.CENSORED
cells = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(list(Outcome)), st.integers(1, 9)), min_size=1, max_size=30
)
deathless = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from([EVENT, CENSORED]), st.integers(1, 9)), min_size=1, max_size=30
)
claim = settings(deadline=None, database=None)


def point(*rows: Row, at: float) -> IncidencePoint:
    return cumulative_incidence(EventTable.from_counts(rows), at=[at])[0]


def value(found: IncidencePoint) -> float:
    assert isinstance(found.incidence, float)
    return found.incidence


def error(found: IncidencePoint) -> float:
    assert isinstance(found.standard_error, float)
    return found.standard_error


def interval(found: IncidencePoint) -> Estimate:
    assert isinstance(found.interval, Estimate)
    return found.interval


def test_death_takes_patients_away_from_the_event() -> None:
    # After the death of half, the event of all who are left reaches half and not everyone.
    result = point((4, DEATH, 5), (8, EVENT, 5), at=8)

    assert value(result) == 0.5
    assert (result.n_at_risk, result.n_events, result.n_deaths, result.n_censored) == (5, 5, 5, 0)


def test_censoring_leaves_the_prospects_of_the_others() -> None:
    assert value(point((4, CENSORED, 5), (8, EVENT, 1), (9, CENSORED, 4), at=8)) == pytest.approx(0.2)


def test_interval_names_its_method_and_size() -> None:
    estimate = interval(point((4, EVENT, 3), (8, CENSORED, 7), at=6))

    assert (estimate.method, estimate.n, estimate.level) == (Method.AALEN_JOHANSEN, 10, 0.95)


def test_counts_include_the_time_and_those_at_risk_are_observed_until_it() -> None:
    rows = [(4, EVENT, 2), (6, CENSORED, 3), (6, DEATH, 1), (9, CENSORED, 4)]
    table = EventTable.from_counts(rows)

    before, at, between, last = cumulative_incidence(table, at=[5.9, 6, 7, 9])

    assert (before.n_at_risk, before.n_censored) == (8, 0)
    assert (at.n_at_risk, at.n_events, at.n_deaths, at.n_censored) == (8, 2, 1, 3)
    assert between.n_at_risk == 4
    assert (last.n_at_risk, last.n_censored) == (4, 7)


def test_beyond_the_last_observation_nothing_is_known() -> None:
    result = point((4, EVENT, 2), (6, CENSORED, 3), at=6.1)

    nobody = Absent(reason=Reason.NOBODY_AT_RISK)
    assert result.incidence == result.standard_error == result.interval == nobody
    assert (result.n_at_risk, result.n_events, result.n_censored) == (0, 2, 3)


def test_before_the_first_event_the_incidence_is_zero_without_an_interval() -> None:
    no_event = Absent(reason=Reason.NO_EVENTS)
    for at in (1, 3):
        result = point((2, CENSORED, 4), (3, DEATH, 1), (4, EVENT, 2), at=at)
        assert (result.incidence, result.standard_error, result.interval) == (0.0, 0.0, no_event)


def test_nobody_has_no_incidence() -> None:
    result = point(at=12)

    assert result.incidence == result.standard_error == result.interval == Absent(reason=Reason.NO_ANSWERS)
    assert result.n_at_risk == 0


def test_event_of_everyone_who_was_left_has_no_interval() -> None:
    for early in (EVENT, CENSORED):
        result = point((1, early, 3), *((month, EVENT, 1) for month in range(2, 8)), at=7)
        assert value(result) == pytest.approx(1)
        assert result.interval == Absent(reason=Reason.NO_VARIATION)


def test_single_patient_is_described() -> None:
    assert value(point((4, EVENT, 1), at=4)) == 1.0
    assert value(point((4, CENSORED, 1), at=4)) == 0.0


@claim
@given(rows=cells)
def test_curve_rises_within_0_and_1_and_its_intervals_hold_it(rows: list[Row]) -> None:
    table = EventTable.from_counts(rows)
    points = cumulative_incidence(table, at=[step.months for step in table.steps])

    values = [value(found) for found in points]
    assert values == sorted(values)
    assert 0 <= values[0] <= values[-1] <= 1 + 1e-12
    for found in points:
        if isinstance(found.interval, Estimate):
            assert 0 < found.interval.low < value(found) < found.interval.high <= 1


@claim
@given(rows=deathless)
def test_without_deaths_it_is_one_minus_kaplan_meier_with_greenwoods_error(rows: list[Row]) -> None:
    table = EventTable.from_counts(rows)
    surviving, greenwood = Fraction(1), Fraction(0)
    for step, found in zip(
        table.steps, cumulative_incidence(table, at=[step.months for step in table.steps]), strict=True
    ):
        n, d = step.n_at_risk, step.n_events
        surviving *= Fraction(n - d, n)
        greenwood += Fraction(d, n * (n - d)) if n > d else 0
        assert value(found) == pytest.approx(float(1 - surviving), abs=1e-12)
        assert error(found) == pytest.approx(sqrt(surviving**2 * greenwood), rel=1e-7, abs=1e-9)


@claim
@given(rows=cells)
def test_events_and_deaths_and_those_free_of_both_add_up(rows: list[Row]) -> None:
    swapped = {EVENT: DEATH, DEATH: EVENT, CENSORED: CENSORED}
    either = {EVENT: EVENT, DEATH: EVENT, CENSORED: CENSORED}
    table = EventTable.from_counts(rows)
    times = [step.months for step in table.steps]

    def incidences(meaning: dict[Outcome, Outcome]) -> list[float]:
        as_meant = EventTable.from_counts((months, meaning[outcome], n) for months, outcome, n in rows)
        return [value(found) for found in cumulative_incidence(as_meant, at=times)]

    events = [value(found) for found in cumulative_incidence(table, at=times)]
    for event, death, any_of_both in zip(events, incidences(swapped), incidences(either), strict=True):
        assert event + death == pytest.approx(any_of_both, abs=1e-12)


@claim
@given(rows=cells)
def test_without_censoring_it_is_the_share_with_its_binomial_error(rows: list[Row]) -> None:
    rows = [(months, DEATH if outcome is CENSORED else outcome, n) for months, outcome, n in rows]
    table = EventTable.from_counts(rows)

    for found in cumulative_incidence(table, at=[step.months for step in table.steps]):
        share = found.n_events / table.n
        assert value(found) == pytest.approx(share, abs=1e-12)
        assert error(found) ** 2 == pytest.approx(share * (1 - share) / table.n, rel=1e-9, abs=1e-14)


@claim
@given(rows=cells, seed=st.randoms(use_true_random=False))
def test_doubling_the_group_halves_the_variance_and_order_does_not_matter(rows: list[Row], seed: Random) -> None:
    mixed = [(months, outcome, 2 * n) for months, outcome, n in rows]
    seed.shuffle(mixed)
    times = sorted({months for months, _, _ in rows})
    once, twice = (cumulative_incidence(EventTable.from_counts(r), at=times) for r in (rows, mixed))

    for one, two in zip(once, twice, strict=True):
        assert value(two) == pytest.approx(value(one), abs=1e-12)
        assert error(two) ** 2 == pytest.approx(error(one) ** 2 / 2, rel=1e-9, abs=1e-14)


def test_a_million_patients_cost_as_much_as_few() -> None:
    result = point((12, EVENT, 160_000), (12, CENSORED, 40_000), (24, DEATH, 400_000), (24, EVENT, 1_000_000), at=12)

    assert value(result) == 0.1
    assert error(result) == pytest.approx(sqrt(0.09 / 1_600_000), rel=1e-9)
