"""One group against another by ranks. Witnesses: tests/reference (R wilcox.test; Hollander and Wolfe)."""

from __future__ import annotations

from itertools import combinations
from random import Random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.statistics.rank_sums import RankComparison, change_ranks, mann_whitney, superiority
from registry.statistics.results import Absent, Estimate, Method, Reason
from registry.statistics.score_table import ScoreTable

Counts = dict[int, int]

claim = settings(deadline=None, database=None)
counts = st.dictionaries(st.integers(-90, 90), st.integers(1, 9), min_size=5, max_size=30)
untied = st.lists(st.integers(-100, 100), min_size=10, max_size=12, unique=True)


def found(first: Counts, second: Counts) -> RankComparison:
    result = mann_whitney(first, second)
    assert isinstance(result, RankComparison)
    return result


def interval(result: RankComparison) -> Estimate:
    assert isinstance(result.superiority.interval, Estimate)
    return result.superiority.interval


VARIED = ScoreTable.from_counts([(60, 20, 2), (50, 30, 2), (40, 35, 2)])


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([], Reason.NO_ANSWERS),
        ([(60, None, 90), (None, 20, 90)], Reason.NO_ANSWERS),
        ([(60, 20, 1)], Reason.FEWER_THAN_TWO),
        ([(60, 20, 2), (50, 30, 2)], Reason.FEWER_THAN_FIVE),
    ],
    ids=["empty", "everyone missing", "a group of one", "a group of four"],
)
def test_too_small_a_group_on_either_side_is_not_compared(
    cells: list[tuple[int | None, int | None, int]], reason: Reason
) -> None:
    other = ScoreTable.from_counts(cells)

    assert change_ranks(VARIED, other) == change_ranks(other, VARIED) == Absent(reason=reason)


def test_one_group_must_vary() -> None:
    assert mann_whitney({-20: 5}, {-20: 9}) == Absent(reason=Reason.NO_VARIATION)
    assert mann_whitney({-20: 5}, {-30: 9}) == Absent(reason=Reason.NO_VARIATION)
    assert isinstance(mann_whitney({-20: 5}, {-30: 8, -10: 1}), RankComparison)


def test_first_group_that_fell_more_is_superior_and_has_a_negative_shift() -> None:
    result = found({-50: 4, -40: 4, -10: 2}, {-20: 4, -10: 4, 0: 2})

    assert result.shift.value == -30.0
    assert result.test.statistic == 2 * 4 / 2 + 2 * 4
    assert result.superiority.value == 1 - result.test.statistic / 100


def test_groups_apart_have_a_superiority_of_one_without_an_interval() -> None:
    result = found(dict.fromkeys(range(-60, -50), 1), dict.fromkeys(range(10), 1))

    assert result.superiority.value == 1.0
    assert result.superiority.interval == Absent(reason=Reason.NO_OVERLAP)
    assert result.test.statistic == 0


def test_superiority_of_one_patient_has_no_interval() -> None:
    assert superiority({-20: 1}, {-30: 1, -10: 1}).interval == Absent(reason=Reason.FEWER_THAN_TWO)


def test_superiority_of_groups_that_do_not_vary_has_no_interval() -> None:
    result = superiority({-20: 4}, {-20: 4})

    assert (result.value, result.interval) == (0.5, Absent(reason=Reason.NO_VARIATION))


@pytest.mark.parametrize(("first", "second"), [({}, {1: 1}), ({1: 1}, {})])
def test_superiority_over_nobody_is_refused(first: Counts, second: Counts) -> None:
    with pytest.raises(ValueError, match="no values"):
        superiority(first, second)


@pytest.mark.parametrize(
    ("first", "second", "is_exact"),
    [
        (dict.fromkeys(range(49), 1), dict.fromkeys(range(-49, 0), 1), True),
        (dict.fromkeys(range(50), 1), dict.fromkeys(range(-49, 0), 1), False),
        (dict.fromkeys(range(5), 1), dict.fromkeys(range(-54, -4), 1), False),
        (dict.fromkeys(range(5), 1), dict.fromkeys(range(-4, 1), 1), False),
        ({-3: 2, -2: 1, 5: 1, 6: 1}, dict.fromkeys(range(10, 15), 1), False),
    ],
    ids=["49 and 49", "50 and 49", "5 and 50", "tied between", "tied within"],
)
def test_exact_only_below_fifty_without_ties(first: Counts, second: Counts, is_exact: bool) -> None:
    result = found(first, second)

    assert (result.test.is_exact, result.test.is_continuity_corrected) == (is_exact, not is_exact)
    assert result.shift.method is (Method.EXACT_RANKS if is_exact else Method.NORMAL_RANKS)


def test_changes_nobody_has_make_no_difference() -> None:
    first, second = {-50: 4, -10: 3}, {-30: 2, 20: 6}

    assert mann_whitney({**first, 7: 0}, {**second, -50: 0}) == mann_whitney(first, second)


def test_patients_without_both_scores_change_nothing() -> None:
    more = ScoreTable.from_counts([*VARIED.cells, (80, None, 40), (None, 5, 40), (None, None, 40)])
    second = ScoreTable.from_counts([(70, 60, 4), (60, 40, 4)])

    assert change_ranks(more, second) == change_ranks(VARIED, second)


def test_millions_cost_no_more_than_hundreds() -> None:
    everyone = {change: 10**7 + change for change in range(-100, 101)}

    result = found(everyone, {change - 1: n for change, n in everyone.items()})

    assert result.shift.value == 1.0
    assert result.test.p < 1e-10
    assert result.superiority.value < 0.5


@claim
@given(values=untied, data=st.data())
def test_exact_p_equals_counting_every_division_into_two(values: list[int], data: st.DataObject) -> None:
    m = data.draw(st.integers(5, len(values) - 5))
    n_pairs = m * (len(values) - m)
    # U of a division: the sum of its ranks from 1, less what it is at least.
    every = [sum(chosen) - m * (m + 1) // 2 for chosen in combinations(range(1, len(values) + 1), m)]

    test = found(dict.fromkeys(values[:m], 1), dict.fromkeys(values[m:], 1)).test

    distance = abs(test.statistic - n_pairs / 2)
    assert test.p == sum(abs(u - n_pairs / 2) >= distance for u in every) / len(every)


@claim
@given(first=counts, second=counts)
def test_shift_superiority_and_u_equal_counting_all_pairs(first: Counts, second: Counts) -> None:
    pairs = [(x, y) for x, n in first.items() for y, m in second.items() for _ in range(n * m)]
    higher = sum((x > y) + (x == y) / 2 for x, y in pairs)

    result = found(first, second)

    assert result.shift.value == median(x - y for x, y in pairs)
    assert result.test.statistic == higher
    assert result.superiority.value == pytest.approx(1 - higher / len(pairs), abs=1e-12)


@claim
@given(first=counts, second=counts)
def test_intervals_contain_the_estimates(first: Counts, second: Counts) -> None:
    result = found(first, second)

    assert result.shift.low <= result.shift.value <= result.shift.high
    assert result.shift.level == 0.95
    assert 0 <= result.test.p <= 1
    if isinstance(result.superiority.interval, Estimate):
        assert 0 < result.superiority.interval.low < result.superiority.value < result.superiority.interval.high < 1


@claim
@given(first=counts, second=counts)
def test_swapping_the_groups_flips_the_sign_and_turns_the_share_round(first: Counts, second: Counts) -> None:
    one, other = found(first, second), found(second, first)

    assert (other.shift.value, other.shift.low, other.shift.high) == (
        -one.shift.value,
        -one.shift.high,
        -one.shift.low,
    )
    assert other.test.p == one.test.p
    assert other.superiority.value == pytest.approx(1 - one.superiority.value)
    if isinstance(one.superiority.interval, Estimate):
        assert interval(other).low == pytest.approx(1 - interval(one).high, abs=1e-12)


@claim
@given(first=counts, second=counts, points=st.integers(-10, 10))
def test_shifting_both_groups_leaves_everything(first: Counts, second: Counts, points: int) -> None:
    moved = ({value + points: n for value, n in group.items()} for group in (first, second))

    assert mann_whitney(*moved) == mann_whitney(first, second)


@claim
@given(first=counts, second=counts, seed=st.randoms(use_true_random=False))
def test_order_of_the_values_does_not_matter(first: Counts, second: Counts, seed: Random) -> None:
    mixed = list(first.items())
    seed.shuffle(mixed)

    assert mann_whitney(dict(mixed), second) == mann_whitney(first, second)


@claim
@given(first=counts, second=counts)
def test_twice_the_patients_leave_the_estimates_and_narrow_the_intervals(first: Counts, second: Counts) -> None:
    once = found(first, second)
    twice = found(*({value: 2 * n for value, n in group.items()} for group in (first, second)))

    assert twice.shift.value == once.shift.value
    assert once.shift.low <= twice.shift.low <= twice.shift.high <= once.shift.high
    assert twice.test.statistic == 4 * once.test.statistic
    assert twice.superiority.value == once.superiority.value
    if isinstance(once.superiority.interval, Estimate):
        assert interval(once).low < interval(twice).low < interval(twice).high < interval(once).high
