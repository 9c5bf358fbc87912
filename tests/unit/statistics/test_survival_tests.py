"""Whether groups differ in time to the event. Witness of the numbers: tests/reference (R survival, cmprsk; scipy)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from registry.statistics.event_table import EventTable, Outcome
from registry.statistics.results import Absent, Reason
from registry.statistics.survival_tests import ChiSquareTest, gray_test, log_rank_test

Row = tuple[float, Outcome, int]
Test = Callable[[Sequence[EventTable]], ChiSquareTest | Absent]

EVENT, DEATH, CENSORED = Outcome.EVENT, Outcome.DEATH, Outcome.CENSORED
BOTH = pytest.mark.parametrize("compare", [log_rank_test, gray_test])
cells = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from(list(Outcome)), st.integers(1, 5)), min_size=5, max_size=20
)
claim = settings(deadline=None, database=None)


def table(*rows: Row) -> EventTable:
    return EventTable.from_counts(rows)


VARIED = table((3, EVENT, 2), (7, EVENT, 1), (9, DEATH, 1), (12, CENSORED, 6))


@BOTH
@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (table(), Reason.NO_ANSWERS),
        (table((4, EVENT, 1)), Reason.FEWER_THAN_TWO),
        (table((4, EVENT, 4)), Reason.FEWER_THAN_FIVE),
    ],
)
def test_too_small_a_group_is_not_tested(compare: Test, other: EventTable, reason: Reason) -> None:
    assert compare([VARIED, other]) == compare([other, VARIED]) == Absent(reason=reason)


@BOTH
def test_nobody_with_the_event_is_not_tested(compare: Test) -> None:
    quiet = table((9, DEATH, 3), (12, CENSORED, 6))

    assert compare([quiet, quiet]) == Absent(reason=Reason.NO_EVENTS)


@BOTH
def test_groups_never_at_risk_together_are_not_tested(compare: Test) -> None:
    assert compare([table((2, CENSORED, 9)), table((5, EVENT, 9))]) == Absent(reason=Reason.NO_COMMON_TIME)


def test_gray_test_is_refused_where_events_follow_a_pooled_incidence_of_one() -> None:
    # 20 of 25 at once, then 2 of the 5 left: 0.8 + 0.4, and there are more to come.
    first, second = table((1, EVENT, 20)), table((5, EVENT, 2), (6, EVENT, 3))

    assert gray_test([first, second]) == Absent(reason=Reason.NO_COMMON_TIME)
    assert isinstance(log_rank_test([first, second]), ChiSquareTest)


@BOTH
def test_one_group_is_no_comparison(compare: Test) -> None:
    with pytest.raises(ValueError, match="two groups"):
        compare([VARIED])


@BOTH
def test_equal_groups_do_not_differ(compare: Test) -> None:
    result = compare([VARIED, VARIED, VARIED])

    assert isinstance(result, ChiSquareTest)
    assert result.chi_square == pytest.approx(0, abs=1e-12)
    assert result.df == 2
    assert result.p == pytest.approx(1)
    assert result.observed == (3, 3, 3)


@BOTH
@claim
@given(first=cells, second=cells, third=cells)
def test_expected_events_add_up_and_order_of_the_groups_does_not_matter(
    compare: Test, first: list[Row], second: list[Row], third: list[Row]
) -> None:
    tables = [table(*rows) for rows in (first, second, third)]
    result = compare(tables)
    assume(isinstance(result, ChiSquareTest))
    assert isinstance(result, ChiSquareTest)

    turned = compare([tables[2], tables[0], tables[1]])

    assert isinstance(turned, ChiSquareTest)
    assert sum(result.expected) == pytest.approx(sum(result.observed))
    assert 0 <= result.p <= 1
    assert turned.expected == pytest.approx((result.expected[2], *result.expected[:2]))
    assert turned.chi_square == pytest.approx(result.chi_square, rel=1e-6, abs=1e-9)


@BOTH
@claim
@given(first=cells, second=cells, seed=st.randoms(use_true_random=False))
def test_order_of_the_rows_and_the_unit_of_time_do_not_matter(
    compare: Test, first: list[Row], second: list[Row], seed: Random
) -> None:
    mixed = [(months * 30, outcome, n) for months, outcome, n in first]
    seed.shuffle(mixed)
    other = [(months * 30, outcome, n) for months, outcome, n in second]

    assert compare([table(*mixed), table(*other)]) == compare([table(*first), table(*second)])


@claim
@given(first=cells, second=cells)
def test_without_deaths_and_censoring_gray_expects_what_log_rank_expects(first: list[Row], second: list[Row]) -> None:
    # R is then the number still free of the event.
    tables = [table(*((months, EVENT, n) for months, _, n in rows)) for rows in (first, second)]
    gray, ranks = gray_test(tables), log_rank_test(tables)

    assume(isinstance(gray, ChiSquareTest) and isinstance(ranks, ChiSquareTest))
    assert isinstance(gray, ChiSquareTest)
    assert isinstance(ranks, ChiSquareTest)
    assert gray.expected == pytest.approx(ranks.expected)
