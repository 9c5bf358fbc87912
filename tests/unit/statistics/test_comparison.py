"""One group against another. Witnesses of the numbers: tests/reference (R; Vickers and Altman)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from registry.statistics.comparison import adjusted_difference, ancova, change_difference, welch
from registry.statistics.results import Absent, AdjustedComparison, Comparison, Reason
from registry.statistics.score_table import ScoreTable

Row = tuple[int, int, int]
Compare = Callable[[ScoreTable, ScoreTable], Comparison | Absent]

BOTH = pytest.mark.parametrize("compare", [adjusted_difference, change_difference])
# Room of 10 points at either end, so that a shift keeps the scores on the scale.
rows = st.lists(st.tuples(st.integers(10, 90), st.integers(10, 90), st.integers(1, 9)), min_size=5)
claim = settings(deadline=None, database=None)


def table(*cells: tuple[int | None, int | None, int]) -> ScoreTable:
    return ScoreTable.from_counts(cells)


VARIED = table((60, 20, 2), (50, 30, 2), (40, 35, 2))


@BOTH
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


@BOTH
def test_groups_of_five_are_compared(compare: Compare) -> None:
    five = table((60, 20, 2), (50, 30, 2), (40, 10, 1))

    result = compare(five, VARIED)

    assert isinstance(result, Comparison)
    assert (result.n_first, result.n_second, result.estimate.n) == (5, 6, 11)


def test_rule_of_five_holds_for_rebuilt_moments_too() -> None:
    four = table((60, 20, 2), (50, 30, 2)).moments

    assert ancova(four, VARIED.moments) == Absent(reason=Reason.FEWER_THAN_FIVE)
    assert welch(four.change, VARIED.moments.change) == Absent(reason=Reason.FEWER_THAN_FIVE)


def test_ancova_needs_before_to_vary_within_a_group() -> None:
    first, second = table((60, 20, 5), (60, 30, 5)), table((40, 20, 5), (40, 30, 5))

    assert adjusted_difference(first, second) == Absent(reason=Reason.NO_VARIATION_BEFORE)


def test_ancova_of_a_perfect_line_is_absent() -> None:
    first, second = table((60, 40, 5), (40, 20, 5)), table((60, 50, 5), (40, 30, 5))

    assert adjusted_difference(first, second) == Absent(reason=Reason.NO_RESIDUAL_VARIATION)


def test_welch_needs_one_group_to_vary() -> None:
    first, second = table((60, 40, 5), (50, 30, 5)), table((60, 20, 9))

    assert change_difference(first, second) == Absent(reason=Reason.NO_VARIATION)


def test_welch_compares_a_varying_group_with_a_constant_one() -> None:
    result = change_difference(VARIED, table((60, 20, 9)))

    assert isinstance(result, Comparison)
    assert result.test.df == pytest.approx(5)


def test_equal_scores_before_make_the_adjusted_difference_that_of_the_means_after() -> None:
    first, second = table((60, 20, 5), (40, 10, 5)), table((60, 50, 5), (40, 20, 5))

    result = adjusted_difference(first, second)

    assert isinstance(result, AdjustedComparison)
    assert result.estimate.value == 15.0 - 35.0
    assert 0 < result.r_squared < 1


def test_patients_without_both_scores_change_nothing() -> None:
    missing = [(80, None, 40), (None, 5, 40), (None, None, 40)]
    more = ScoreTable.from_counts([*VARIED.cells, *missing])
    second = table((70, 60, 4), (60, 40, 4))

    assert adjusted_difference(more, second) == adjusted_difference(VARIED, second)
    assert change_difference(more, second) == change_difference(VARIED, second)


@claim
@given(first=rows, second=rows)
@BOTH
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
@BOTH
def test_swapping_the_groups_flips_the_sign_and_nothing_else(
    compare: Compare, first: list[Row], second: list[Row]
) -> None:
    one_way = compare(table(*first), table(*second))
    other_way = compare(table(*second), table(*first))

    if isinstance(one_way, Absent) or isinstance(other_way, Absent):
        assert one_way == other_way
        return
    mirrored = replace(
        one_way.estimate,
        value=-one_way.estimate.value,
        low=-one_way.estimate.high,
        high=-one_way.estimate.low,
    )
    assert other_way.estimate == mirrored
    assert other_way.test == replace(one_way.test, t=-one_way.test.t)


@claim
@given(first=rows, second=rows, before=st.integers(-10, 10), after=st.integers(-10, 10))
@BOTH
def test_shifting_both_groups_leaves_the_difference(
    compare: Compare, first: list[Row], second: list[Row], before: int, after: int
) -> None:
    def shifted(cells: list[Row]) -> ScoreTable:
        return table(*((b + before, a + after, n) for b, a, n in cells))

    assert compare(shifted(first), shifted(second)) == compare(table(*first), table(*second))


@claim
@given(first=rows, second=rows, seed=st.randoms(use_true_random=False))
@BOTH
def test_order_of_the_rows_does_not_matter(compare: Compare, first: list[Row], second: list[Row], seed: Random) -> None:
    mixed = list(first)
    seed.shuffle(mixed)

    assert compare(table(*mixed), table(*second)) == compare(table(*first), table(*second))
