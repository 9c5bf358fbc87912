"""Those who did not answer. Witness of the numbers: tests/reference (R fills in and fits again)."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from registry.statistics.comparison import adjusted_difference
from registry.statistics.missing import (
    DifferenceBounds,
    TippingPoint,
    answered_against_missing,
    delta_adjusted,
    delta_grid,
    difference_bounds,
    tipping_point,
)
from registry.statistics.results import Absent, AdjustedComparison, Estimate, Method, Reason, Summary
from registry.statistics.score_table import ScoreTable

Row = tuple[int, int | None, int]

afters = st.one_of(st.none(), st.integers(0, 100))
rows = st.lists(st.tuples(st.integers(0, 100), afters, st.integers(1, 9)), min_size=6)
claim = settings(deadline=None, database=None)


def table(*cells: tuple[int | None, int | None, int]) -> ScoreTable:
    return ScoreTable.from_counts(cells)


FIRST = table((60, 20, 6), (50, 10, 6), (70, 35, 6), (70, None, 6))
SECOND = table((60, 40, 6), (40, 30, 6), (50, 30, 6), (40, None, 2))


def tipped(first: ScoreTable, second: ScoreTable) -> TippingPoint:
    result = tipping_point(first, second)
    assert isinstance(result, TippingPoint)
    return result


def moved(first: ScoreTable, second: ScoreTable, *, delta_first: float, delta_second: float) -> Estimate:
    result = delta_adjusted(first, second, delta_first=delta_first, delta_second=delta_second)
    assert isinstance(result, Estimate)
    return result


def test_answered_are_held_against_those_without_an_answer() -> None:
    result = answered_against_missing(table((60, 20, 2), (70, 0, 2), (50, None, 3), (60, None, 3), (None, None, 4)))

    assert isinstance(result.first.summary, Summary)
    assert isinstance(result.second.summary, Summary)
    assert (result.first.summary.mean, result.second.summary.mean) == (65.0, 55.0)
    assert (result.first.n_missing, result.second.n_missing) == (0, 4)


def test_everyone_answered_leaves_nobody_to_hold_against() -> None:
    result = answered_against_missing(table((60, 20, 5), (50, 20, 5)))

    assert result.second.summary == result.standardised_difference == Absent(reason=Reason.NO_ANSWERS)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (table(), Reason.NO_ANSWERS),
        (table((60, None, 90)), Reason.NO_ANSWERS),
        (table((60, 20, 1), (60, None, 9)), Reason.FEWER_THAN_TWO),
        (table((60, 20, 2), (50, 30, 2), (50, None, 9)), Reason.FEWER_THAN_FIVE),
    ],
    ids=["empty", "everyone missing", "a group of one", "a group of four"],
)
def test_too_few_answers_have_no_tipping_point(other: ScoreTable, reason: Reason) -> None:
    absent = Absent(reason=reason)

    assert tipping_point(FIRST, other) == tipping_point(other, FIRST) == absent
    assert delta_grid(FIRST, other, deltas=[0]) == absent
    assert delta_adjusted(other, FIRST, delta_first=0, delta_second=0) == absent


def test_all_the_same_score_before_has_no_tipping_point() -> None:
    same = table((60, 20, 5), (60, 30, 5), (60, None, 3))

    assert tipping_point(same, same) == Absent(reason=Reason.NO_VARIATION_BEFORE)


def test_group_that_answered_completely_has_no_tipping_delta() -> None:
    result = tipped(FIRST.complete, SECOND)

    assert result.first.tipping_delta == result.first.imputed_mean == Absent(reason=Reason.NO_WEIGHT)
    assert (result.first.n_missing, result.first.weight) == (0, 0.0)
    assert isinstance(result.second.tipping_delta, float)


def test_weight_is_the_share_of_the_missing_where_the_groups_were_alike_before() -> None:
    first, second = table((60, 20, 4), (40, 15, 4), (50, None, 2)), table((60, 50, 6), (40, 20, 6))

    assert tipped(first, second).first.weight == 0.2


def test_missing_are_taken_from_the_line_at_their_score_before() -> None:
    # Slope 0.5 in both groups; the missing stood 10 points above the answered before.
    first, second = table((40, 10, 3), (60, 20, 3), (60, None, 4)), table((40, 50, 3), (60, 60, 2), (40, 48, 2))

    result = tipped(first, second)

    assert result.first.imputed_mean == pytest.approx(15 + 10 * result.adjusted.slope)


def test_patients_without_a_score_before_change_nothing() -> None:
    more = ScoreTable.combined([FIRST, table((None, 20, 40), (None, None, 40))])

    assert tipping_point(more, SECOND) == tipping_point(FIRST, SECOND)
    assert difference_bounds(more, SECOND) == difference_bounds(FIRST, SECOND)


def test_grid_holds_each_pair_of_deltas() -> None:
    grid = delta_grid(FIRST, SECOND, deltas=[-10, 0, 10])

    assert not isinstance(grid, Absent)
    assert len(grid) == 9
    for scenario in grid:
        expected = moved(FIRST, SECOND, delta_first=scenario.delta_first, delta_second=scenario.delta_second)
        assert scenario.estimate == expected


def test_bounds_take_the_ends_of_the_scale() -> None:
    first, second = table((60, 20, 3), (40, None, 1)), table((50, 40, 1), (50, None, 1), (None, 5, 9))

    result = difference_bounds(first, second)

    assert result == DifferenceBounds(
        after_low=15.0 - 70.0,
        after_high=40.0 - 20.0,
        change_low=15.0 - 70.0 - 5.0,
        change_high=40.0 - 20.0 - 5.0,
        n_first=4,
        n_second=2,
        n_missing_first=1,
        n_missing_second=1,
    )


def test_everyone_missing_leaves_the_whole_scale() -> None:
    result = difference_bounds(table((60, None, 3)), table((60, None, 3)))

    assert isinstance(result, DifferenceBounds)
    assert (result.after_low, result.after_high) == (-100.0, 100.0)


def test_nobody_with_a_score_before_has_no_bounds() -> None:
    assert difference_bounds(FIRST, table((None, 20, 9))) == Absent(reason=Reason.NO_ANSWERS)


@claim
@given(first=rows, second=rows)
def test_at_the_tipping_delta_the_interval_ends_at_zero(first: list[Row], second: list[Row]) -> None:
    one, two = table(*first), table(*second)
    result = tipping_point(one, two)
    assume(isinstance(result, TippingPoint))
    assert isinstance(result, TippingPoint)

    for delta_first, delta_second in ((result.first.tipping_delta, 0.0), (0.0, result.second.tipping_delta)):
        if isinstance(delta_first, Absent) or isinstance(delta_second, Absent):
            continue
        there = moved(one, two, delta_first=delta_first, delta_second=delta_second)
        width = there.high - there.low
        assert min(abs(there.low), abs(there.high)) == pytest.approx(0, abs=1e-9 * (1 + width + abs(there.value)))


@claim
@given(first=rows, second=rows)
def test_without_delta_it_is_the_adjusted_difference(first: list[Row], second: list[Row]) -> None:
    one, two = table(*first), table(*second)
    adjusted = adjusted_difference(one, two)
    assume(isinstance(adjusted, AdjustedComparison))
    assert isinstance(adjusted, AdjustedComparison)

    there = moved(one, two, delta_first=0, delta_second=0)

    estimate = adjusted.estimate
    assert (there.value, there.low, there.high) == (estimate.value, estimate.low, estimate.high)
    assert there.method is Method.DELTA_ADJUSTED
    assert tipped(one, two).excludes_zero == (adjusted.test.p < 0.05)


@claim
@given(first=rows, second=rows)
def test_swapping_the_groups_keeps_each_group_its_delta(first: list[Row], second: list[Row]) -> None:
    one_way, other_way = tipping_point(table(*first), table(*second)), tipping_point(table(*second), table(*first))

    if isinstance(one_way, Absent) or isinstance(other_way, Absent):
        assert one_way == other_way
        return
    # At 0 both ends are as near, and either direction would do.
    assume(one_way.adjusted.estimate.value != 0)
    assert other_way.first.tipping_delta == one_way.second.tipping_delta
    assert other_way.second.tipping_delta == one_way.first.tipping_delta
    assert other_way.first.weight == -one_way.second.weight


@claim
@given(first=rows, second=rows, seed=st.randoms(use_true_random=False))
def test_order_does_not_matter_and_doubling_keeps_the_weights(
    first: list[Row], second: list[Row], seed: Random
) -> None:
    mixed = list(first)
    seed.shuffle(mixed)
    result = tipping_point(table(*first), table(*second))
    assume(isinstance(result, TippingPoint))
    assert isinstance(result, TippingPoint)

    twice = tipped(table(*first, *first), table(*second, *second))

    assert tipping_point(table(*mixed), table(*second)) == result
    assert (twice.first.weight, twice.second.weight) == (result.first.weight, result.second.weight)


@claim
@given(first=rows, second=rows, seed=st.randoms(use_true_random=False))
def test_bounds_hold_whatever_the_missing_would_have_said(first: list[Row], second: list[Row], seed: Random) -> None:
    def filled(cells: list[Row]) -> float:
        scores = [(seed.randint(0, 100) if after is None else after, n) for _, after, n in cells]
        return sum(after * n for after, n in scores) / sum(n for _, n in scores)

    bounds = difference_bounds(table(*first), table(*second))

    assert isinstance(bounds, DifferenceBounds)
    difference = filled(first) - filled(second)
    assert bounds.after_low - 1e-9 <= difference <= bounds.after_high + 1e-9
    assert bounds.change_high - bounds.change_low == pytest.approx(bounds.after_high - bounds.after_low)
