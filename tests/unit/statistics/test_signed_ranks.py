"""Change within one group by ranks. Witnesses: tests/reference (R wilcox.test; Hollander and Wolfe)."""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from random import Random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.statistics.ranks import RankTest
from registry.statistics.results import Absent, Estimate, Method, Reason
from registry.statistics.score_table import ScoreTable
from registry.statistics.signed_ranks import SignedRank, signed_rank, signed_rank_change

claim = settings(deadline=None, database=None)
changes = st.dictionaries(st.integers(-100, 100), st.integers(1, 9), min_size=2)
few_untied = st.lists(st.integers(1, 100), min_size=5, max_size=9, unique=True).flatmap(
    lambda sizes: st.tuples(*(st.sampled_from((size, -size)) for size in sizes))
)


def found(counts: dict[int, int]) -> SignedRank:
    result = signed_rank(counts)
    assert isinstance(result, SignedRank)
    return result


def ranked(counts: dict[int, int]) -> tuple[RankTest, Estimate]:
    result = found(counts)
    assert isinstance(result.test, RankTest)
    assert isinstance(result.interval, Estimate)
    return result.test, result.interval


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([], Reason.NO_ANSWERS),
        ([(60, None, 40), (None, 20, 3)], Reason.NO_ANSWERS),
        ([(60, 20, 1)], Reason.FEWER_THAN_TWO),
        ([(60, 60, 9), (0, 0, 9)], Reason.NO_VARIATION),
    ],
    ids=["empty", "everyone missing", "a group of one", "nobody changed"],
)
def test_ranks_are_absent_with_their_reason(cells: list[tuple[int | None, int | None, int]], reason: Reason) -> None:
    assert signed_rank_change(ScoreTable.from_counts(cells)) == Absent(reason=reason)


def test_four_patients_get_a_pseudo_median_and_no_test() -> None:
    result = found({-10: 2, -30: 2})

    assert result.pseudo_median == -20.0
    assert result.test == result.interval == Absent(reason=Reason.FEWER_THAN_FIVE)


def test_four_who_changed_among_many_who_did_not_are_not_tested() -> None:
    result = found({0: 500, -10: 2, -30: 2})

    assert (result.n, result.n_zeros, result.pseudo_median) == (504, 500, -20.0)
    assert result.test == result.interval == Absent(reason=Reason.FEWER_THAN_FIVE_CHANGED)


def test_same_change_in_all_is_tested_and_has_no_interval() -> None:
    result = found({-30: 9})

    assert result.pseudo_median == -30.0
    assert result.interval == Absent(reason=Reason.NO_VARIATION)
    assert isinstance(result.test, RankTest)
    assert result.test.p < 0.01


def test_five_untied_changes_cover_less_than_95_percent_and_say_so() -> None:
    test, interval = ranked({-3: 1, -18: 1, -27: 1, -41: 1, -66: 1})

    assert (test.statistic, test.p) == (0.0, 2 / 32)
    assert (interval.low, interval.high, interval.level) == (-66.0, -3.0, 0.9375)


def test_hardly_any_distinct_changes_cover_less_than_95_percent_and_say_so() -> None:
    _, interval = ranked({-66: 1, -50: 2, -3: 2})

    assert (interval.low, interval.high, interval.method) == (-66.0, -3.0, Method.NORMAL_RANKS)
    assert 0.9 < interval.level < 0.95


@pytest.mark.parametrize(
    ("counts", "is_exact"),
    [
        (dict.fromkeys(range(1, 50), 1), True),
        (dict.fromkeys(range(1, 51), 1), False),
        ({-1: 1, 1: 1, 3: 1, 4: 1, 5: 1}, False),
        ({-2: 2, 3: 1, 4: 1, 5: 1}, False),
        ({0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1}, False),
    ],
    ids=["49", "50", "tied in size", "tied", "a zero"],
)
def test_exact_only_below_fifty_without_ties_and_zeros(counts: dict[int, int], is_exact: bool) -> None:
    test, _ = ranked(counts)

    assert (test.is_exact, test.is_continuity_corrected) == (is_exact, not is_exact)


def test_statistic_in_the_middle_has_a_p_of_one() -> None:
    test, _ = ranked({-4: 1, -1: 1, 2: 1, 3: 1, 20: 1, -20: 1})

    assert test.statistic == 10.5
    assert test.p == 1.0


def test_zeros_are_dropped_from_the_pseudo_median_and_its_n() -> None:
    changed = {-40: 3, -30: 2, -10: 4}

    assert found({**changed, 0: 30}).pseudo_median == found(changed).pseudo_median
    assert ranked({**changed, 0: 30})[1] == ranked(changed)[1]
    assert ranked(changed)[1].n == 9


def test_millions_cost_no_more_than_hundreds() -> None:
    # Rows of so many patients would not fit into memory, nor their pairs into a lifetime.
    test, interval = ranked({change: 10**6 * (200 - change) for change in range(-100, 101)})

    assert test.p < 1e-10
    assert interval.low <= interval.high


@claim
@given(signs=few_untied)
def test_exact_p_equals_counting_every_choice_of_signs(signs: tuple[int, ...]) -> None:
    n = len(signs)
    sums = [
        sum(rank for rank, sign in zip(range(1, n + 1), chosen, strict=True) if sign)
        for chosen in product((0, 1), repeat=n)
    ]

    test, _ = ranked(dict.fromkeys(signs, 1))

    distance = abs(test.statistic - n * (n + 1) / 4)
    assert test.p == sum(abs(total - n * (n + 1) / 4) >= distance for total in sums) / 2**n


@claim
@given(counts=changes)
def test_pseudo_median_equals_the_median_of_all_means(counts: dict[int, int]) -> None:
    rows = [value for value, n in counts.items() for _ in range(n) if value]
    means = [(one + other) / 2 for one, other in combinations_with_replacement(rows, 2)]
    result = signed_rank(counts)

    if isinstance(result, SignedRank):
        assert result.pseudo_median == median(means)


@claim
@given(counts=changes)
def test_interval_contains_the_pseudo_median(counts: dict[int, int]) -> None:
    result = signed_rank(counts)

    if isinstance(result, SignedRank) and isinstance(result.interval, Estimate):
        assert result.interval.low <= result.interval.value == result.pseudo_median <= result.interval.high
    if isinstance(result, SignedRank) and isinstance(result.test, RankTest):
        assert 0 <= result.test.p <= 1


@claim
@given(counts=changes)
def test_looking_from_after_to_before_flips_the_sign(counts: dict[int, int]) -> None:
    forwards, backwards = signed_rank(counts), signed_rank({-value: n for value, n in counts.items()})

    if isinstance(forwards, Absent) or isinstance(backwards, Absent):
        assert forwards == backwards
        return
    assert backwards.pseudo_median == -forwards.pseudo_median
    if isinstance(forwards.test, RankTest) and isinstance(backwards.test, RankTest):
        assert backwards.test.p == forwards.test.p
    if isinstance(forwards.interval, Estimate) and isinstance(backwards.interval, Estimate):
        assert (backwards.interval.low, backwards.interval.high) == (-forwards.interval.high, -forwards.interval.low)


@claim
@given(counts=changes, seed=st.randoms(use_true_random=False))
def test_order_of_the_values_does_not_matter(counts: dict[int, int], seed: Random) -> None:
    mixed = list(counts.items())
    seed.shuffle(mixed)

    assert signed_rank(dict(mixed)) == signed_rank(counts)


@claim
@given(counts=st.dictionaries(st.integers(-100, -1), st.integers(1, 9), min_size=5))
def test_hundred_times_as_many_patients_narrow_the_interval(counts: dict[int, int]) -> None:
    _, interval = ranked(counts)
    many_test, many = ranked({value: 100 * n for value, n in counts.items()})

    assert interval.low <= many.low <= many.high <= interval.high
    assert many_test.p < ranked(counts)[0].p
