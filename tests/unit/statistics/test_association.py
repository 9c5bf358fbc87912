"""Beside the adjusted difference. Witness of the numbers: tests/reference (R lm and sandwich)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from registry.statistics.association import (
    SlopeComparison,
    after_difference,
    robust_adjusted_difference,
    slope_difference,
)
from registry.statistics.comparison import adjusted_difference
from registry.statistics.results import Absent, AdjustedComparison, Comparison, Reason
from registry.statistics.score_table import ScoreTable

Row = tuple[int, int, int]
Compare = Callable[[ScoreTable, ScoreTable], Comparison | Absent]

ALL = pytest.mark.parametrize("compare", [robust_adjusted_difference, slope_difference, after_difference])
# Room of 10 points at either end, so that a shift keeps the scores on the scale.
rows = st.lists(st.tuples(st.integers(10, 90), st.integers(10, 90), st.integers(1, 9)), min_size=5)
claim = settings(deadline=None, database=None)


def table(*cells: tuple[int | None, int | None, int]) -> ScoreTable:
    return ScoreTable.from_counts(cells)


VARIED = table((60, 20, 2), (50, 30, 2), (40, 35, 2))


@ALL
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
def test_too_small_a_group_on_either_side_is_not_compared(compare: Compare, other: ScoreTable, reason: Reason) -> None:
    assert compare(VARIED, other) == compare(other, VARIED) == Absent(reason=reason)


@pytest.mark.parametrize("compare", [robust_adjusted_difference, slope_difference])
def test_lines_need_before_to_vary(compare: Compare) -> None:
    first, second = table((60, 20, 5), (60, 30, 5)), table((40, 20, 5), (40, 30, 5))

    assert compare(first, second) == Absent(reason=Reason.NO_VARIATION_BEFORE)


def test_slopes_need_before_to_vary_in_either_group() -> None:
    constant = table((60, 20, 5), (60, 30, 5))

    assert slope_difference(VARIED, constant) == Absent(reason=Reason.NO_VARIATION_BEFORE)
    assert slope_difference(constant, VARIED) == Absent(reason=Reason.NO_VARIATION_BEFORE)


@pytest.mark.parametrize("compare", [robust_adjusted_difference, slope_difference])
def test_perfect_lines_are_absent(compare: Compare) -> None:
    first, second = table((60, 40, 5), (40, 20, 5)), table((60, 50, 5), (40, 30, 5))

    assert compare(first, second) == Absent(reason=Reason.NO_RESIDUAL_VARIATION)


def test_all_the_same_score_after_is_not_compared() -> None:
    assert after_difference(table((60, 20, 5)), table((50, 30, 5))) == Absent(reason=Reason.NO_VARIATION)


def test_patient_who_alone_decides_the_slope_leaves_no_robust_error() -> None:
    first, second = table((60, 20, 4), (60, 25, 2), (80, 70, 1)), table((50, 20, 4), (50, 30, 4))

    assert isinstance(adjusted_difference(first, second), AdjustedComparison)
    assert robust_adjusted_difference(first, second) == Absent(reason=Reason.FULL_LEVERAGE)


def test_slopes_are_those_of_the_groups() -> None:
    result = slope_difference(table((20, 10, 3), (60, 50, 3)), table((20, 30, 3), (60, 50, 2), (60, 56, 2)))

    assert isinstance(result, SlopeComparison)
    assert result.slope_first == 1.0
    assert result.slope_second == pytest.approx(23 / 40)
    assert result.estimate.value == pytest.approx(1 - 23 / 40)


@claim
@given(first=rows, second=rows)
def test_robust_difference_is_the_adjusted_one_with_another_error(first: list[Row], second: list[Row]) -> None:
    robust = robust_adjusted_difference(table(*first), table(*second))
    classical = adjusted_difference(table(*first), table(*second))

    assume(isinstance(robust, Comparison))
    assert isinstance(robust, Comparison)
    assert isinstance(classical, AdjustedComparison)
    assert robust.estimate.value == classical.estimate.value
    assert robust.test.df == classical.test.df


@claim
@given(first=rows, second=rows)
@ALL
def test_interval_contains_the_estimate_and_p_agrees_with_it(
    compare: Compare, first: list[Row], second: list[Row]
) -> None:
    result = compare(table(*first), table(*second))

    assume(isinstance(result, Comparison))
    assert isinstance(result, Comparison)
    assert result.estimate.low < result.estimate.value < result.estimate.high
    assert 0 <= result.test.p <= 1
    assert (result.test.p < 0.05) == (result.estimate.low > 0 or result.estimate.high < 0)


@claim
@given(first=rows, second=rows)
@ALL
def test_swapping_the_groups_flips_the_sign_and_nothing_else(
    compare: Compare, first: list[Row], second: list[Row]
) -> None:
    one_way = compare(table(*first), table(*second))
    other_way = compare(table(*second), table(*first))

    if isinstance(one_way, Absent) or isinstance(other_way, Absent):
        assert one_way == other_way
        return
    turned = replace(
        one_way.estimate, value=-one_way.estimate.value, low=-one_way.estimate.high, high=-one_way.estimate.low
    )
    assert other_way.estimate == turned
    assert other_way.test == replace(one_way.test, t=-one_way.test.t)


@claim
@given(first=rows, second=rows, before=st.integers(-10, 10), after=st.integers(-10, 10))
@ALL
def test_shifting_both_groups_leaves_the_difference(
    compare: Compare, first: list[Row], second: list[Row], before: int, after: int
) -> None:
    def shifted(cells: list[Row]) -> ScoreTable:
        return table(*((b + before, a + after, n) for b, a, n in cells))

    assert compare(shifted(first), shifted(second)) == compare(table(*first), table(*second))


@claim
@given(first=rows, second=rows, seed=st.randoms(use_true_random=False))
@ALL
def test_order_of_the_rows_and_missing_scores_do_not_matter(
    compare: Compare, first: list[Row], second: list[Row], seed: Random
) -> None:
    mixed: list[tuple[int | None, int | None, int]] = [*first, (80, None, 40), (None, 5, 40), (None, None, 40)]
    seed.shuffle(mixed)

    assert compare(table(*mixed), table(*second)) == compare(table(*first), table(*second))


@claim
@given(first=rows, second=rows)
def test_doubling_the_cohort_brings_the_robust_variance_below_half(first: list[Row], second: list[Row]) -> None:
    # The weights halve and the residuals stay; the leverages shrink too, and with them the correction.
    def times(cells: list[Row], factor: int) -> ScoreTable:
        return table(*((b, a, n * factor) for b, a, n in cells))

    once = robust_adjusted_difference(table(*first), table(*second))
    twice = robust_adjusted_difference(times(first, 2), times(second, 2))

    assume(isinstance(once, Comparison) and isinstance(twice, Comparison))
    assert isinstance(once, Comparison)
    assert isinstance(twice, Comparison)
    assert twice.estimate.value == once.estimate.value
    assert twice.standard_error**2 < once.standard_error**2 / 2


def test_robust_variance_of_a_large_cohort_is_half_that_of_half_of_it() -> None:
    once, twice = (
        robust_adjusted_difference(table((60, 20, n), (50, 30, n), (40, 35, n)), table((60, 30, n), (30, 30, 2 * n)))
        for n in (100_000, 200_000)
    )

    assert isinstance(once, Comparison)
    assert isinstance(twice, Comparison)
    assert twice.standard_error**2 == pytest.approx(once.standard_error**2 / 2, rel=1e-4)
