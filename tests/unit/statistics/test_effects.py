"""Standardised changes, correlation, percentages. Witnesses: tests/reference (base R; R metafor as printed)."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from registry.statistics.effects import (
    Correlation,
    PercentageChange,
    Quartiles,
    at_ceiling,
    at_floor,
    change_effect,
    correlation,
    hedges_g,
    percentage_change,
    quartiles,
    standardised_change,
)
from registry.statistics.results import Absent, Estimate, Method, Proportion, Reason
from registry.statistics.score_table import ScoreTable

Row = tuple[int, int, int]
Cells = list[tuple[int | None, int | None, int]]

claim = settings(deadline=None, database=None)
# Room of 10 points at either end, so that a shift keeps the scores on the scale.
rows = st.lists(st.tuples(st.integers(10, 90), st.integers(10, 90), st.integers(1, 9)), min_size=5)


def table(*cells: tuple[int | None, int | None, int]) -> ScoreTable:
    return ScoreTable.from_counts(cells)


VARIED = table((60, 20, 2), (50, 30, 2), (40, 35, 2))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (table(), Reason.NO_ANSWERS),
        (table((60, None, 90), (None, 20, 90)), Reason.NO_ANSWERS),
        (table((60, 20, 1)), Reason.FEWER_THAN_TWO),
        (table((60, 20, 2), (50, 30, 2)), Reason.FEWER_THAN_FIVE),
    ],
    ids=["empty", "everyone missing", "a group of one", "a group of four"],
)
def test_too_small_a_group_has_no_standardised_effect(other: ScoreTable, reason: Reason) -> None:
    absent = Absent(reason=reason)

    assert change_effect(VARIED, other) == change_effect(other, VARIED) == standardised_change(other) == absent


def test_rule_of_five_holds_for_rebuilt_moments_too() -> None:
    four = table((60, 20, 2), (50, 30, 2)).moments.change

    assert hedges_g(four, VARIED.moments.change) == Absent(reason=Reason.FEWER_THAN_FIVE)


def test_changes_without_variation_have_no_standard_deviation_to_count_in() -> None:
    constant = table((60, 20, 5), (50, 10, 2))

    assert change_effect(constant, table((40, 30, 6))) == Absent(reason=Reason.NO_VARIATION)
    assert standardised_change(constant) == Absent(reason=Reason.NO_VARIATION)


@pytest.mark.parametrize(
    ("per_group", "correction"),
    # Gamma(4) / (2 Gamma(3.5)) in closed form; the usual approximation 1 - 3 / (4 df - 1) for a crowd.
    [(5, 6 / (2 * 15 / 8 * sqrt(pi))), (1_000_000, 1 - 3 / (4 * 1_999_998 - 1))],
)
def test_small_sample_correction_is_exact_and_does_not_overflow(per_group: int, correction: float) -> None:
    first = table((50, 30, per_group - 2), (50, 40, 1), (50, 20, 1)).moments.change
    second = table((50, 50, per_group - 2), (50, 60, 1), (50, 40, 1)).moments.change
    uncorrected = -20 / sqrt((first.squares + second.squares) / (2 * per_group - 2))

    found = hedges_g(first, second)

    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(correction * uncorrected, rel=1e-8)
    assert found.method is Method.LARGE_SAMPLE


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([], Reason.NO_ANSWERS),
        ([(60, 20, 1)], Reason.FEWER_THAN_TWO),
        ([(60, 20, 3), (60, 30, 4)], Reason.NO_VARIATION_BEFORE),
        ([(60, 20, 3), (50, 20, 4)], Reason.NO_VARIATION),
    ],
    ids=["empty", "a group of one", "same before", "same after"],
)
def test_correlation_is_absent_with_its_reason(cells: Cells, reason: Reason) -> None:
    assert correlation(table(*cells)) == Absent(reason=reason)


def test_perfect_lines_correlate_fully_and_have_no_interval() -> None:
    without = Absent(reason=Reason.NO_RESIDUAL_VARIATION)

    assert correlation(table((60, 40, 5), (40, 20, 5), (70, 50, 3))) == Correlation(value=1.0, interval=without, n=13)
    assert correlation(table((60, 20, 5), (40, 40, 5))) == Correlation(value=-1.0, interval=without, n=10)


def test_correlation_of_four_has_no_interval() -> None:
    found = correlation(table((60, 20, 1), (50, 30, 1), (40, 35, 2)))

    assert isinstance(found, Correlation)
    assert found.interval == Absent(reason=Reason.FEWER_THAN_FIVE)


def test_score_of_zero_before_enters_the_change_of_the_means_and_no_percentage_of_its_own() -> None:
    found = percentage_change(table((0, 30, 1), (60, 30, 1), (80, 60, 1), (50, None, 9)))

    assert found == PercentageChange(
        of_means=pytest.approx(100 * (120 - 140) / 140), mean_of_individuals=-37.5, n=2, n_zero_before=1
    )


@pytest.mark.parametrize(
    ("cells", "reason"),
    [([], Reason.NO_ANSWERS), ([(50, None, 9)], Reason.NO_ANSWERS), ([(0, 0, 4), (0, 50, 5)], Reason.ZERO_BEFORE)],
    ids=["empty", "missing", "zero before"],
)
def test_percentage_is_absent_with_its_reason(cells: Cells, reason: Reason) -> None:
    assert percentage_change(table(*cells)) == Absent(reason=reason)


def test_percentages_of_one_patient_agree() -> None:
    assert percentage_change(table((80, 20, 1))) == PercentageChange(
        of_means=-75.0, mean_of_individuals=-75.0, n=1, n_zero_before=0
    )


def test_ends_of_the_scale_are_counted_at_0_and_from_95() -> None:
    counts = {0: 3, 1: 2, 94: 4, 95: 1, 100: 2}

    floor, ceiling = at_floor(counts), at_ceiling(counts)

    assert isinstance(floor, Proportion)
    assert isinstance(ceiling, Proportion)
    assert (floor.k, floor.n, ceiling.k, ceiling.n) == (3, 12, 3, 12)


@pytest.mark.parametrize("described", [at_floor, at_ceiling, quartiles])
def test_nobody_to_describe_is_absent(described: Callable[[dict[int, int]], object]) -> None:
    assert described({}) == described({40: 0}) == Absent(reason=Reason.NO_ANSWERS)


def test_quartiles_lie_between_scores_where_they_must() -> None:
    assert quartiles({10: 1, 20: 1, 30: 1, 40: 1}) == Quartiles(first=17.5, third=32.5)
    assert quartiles({70: 9}) == Quartiles(first=70.0, third=70.0)


@claim
@given(first=rows, second=rows)
def test_intervals_contain_the_effects(first: list[Row], second: list[Row]) -> None:
    found = correlation(table(*first))
    if isinstance(found, Correlation) and isinstance(found.interval, Estimate):
        assert -1 <= found.interval.low <= found.value <= found.interval.high <= 1
    for effect in (change_effect(table(*first), table(*second)), standardised_change(table(*first))):
        if isinstance(effect, Estimate):
            assert effect.low < effect.value < effect.high


@claim
@given(first=rows, second=rows)
def test_swapping_the_groups_flips_the_sign(first: list[Row], second: list[Row]) -> None:
    one, other = change_effect(table(*first), table(*second)), change_effect(table(*second), table(*first))

    assume(isinstance(one, Estimate) and isinstance(other, Estimate))
    assert isinstance(one, Estimate)
    assert isinstance(other, Estimate)
    assert (other.value, other.low, other.high) == (-one.value, -one.high, -one.low)


@claim
@given(first=rows, second=rows, before=st.integers(-10, 10), after=st.integers(-10, 10))
def test_shifting_the_scores_leaves_effect_and_correlation(
    first: list[Row], second: list[Row], before: int, after: int
) -> None:
    moved = [table(*((b + before, a + after, n) for b, a, n in cells)) for cells in (first, second)]

    assert change_effect(*moved) == change_effect(table(*first), table(*second))
    assert correlation(moved[0]) == correlation(table(*first))


@claim
@given(cells=rows)
def test_before_and_after_correlate_alike_both_ways_round(cells: list[Row]) -> None:
    found, turned = correlation(table(*cells)), correlation(table(*((a, b, n) for b, a, n in cells)))

    if isinstance(found, Correlation) and isinstance(turned, Correlation):
        assert found == turned


@claim
@given(cells=rows)
def test_hundred_times_as_many_patients_leave_correlation_and_percentages(cells: list[Row]) -> None:
    once, many = table(*cells), table(*((b, a, 100 * n) for b, a, n in cells))
    one, other = correlation(once), correlation(many)

    if isinstance(one, Correlation) and isinstance(other, Correlation):
        assert other.value == one.value
    if (
        isinstance(one, Correlation)
        and isinstance(other, Correlation)
        and isinstance(one.interval, Estimate)
        and isinstance(other.interval, Estimate)
    ):
        assert one.interval.low < other.interval.low < other.interval.high < one.interval.high
    percent, percent_of_many = percentage_change(once), percentage_change(many)
    assert isinstance(percent, PercentageChange)
    assert isinstance(percent_of_many, PercentageChange)
    assert percent_of_many.of_means == percent.of_means
    assert percent_of_many.mean_of_individuals == percent.mean_of_individuals
