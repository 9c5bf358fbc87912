"""How much the comparison can tell. Witness of the numbers: tests/reference (R qt, pt with ncp)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from registry.statistics.comparison import adjusted_difference
from registry.statistics.precision import Precision, ancova_power, precision
from registry.statistics.results import Absent, AdjustedComparison, Reason
from registry.statistics.score_table import ScoreTable

Row = tuple[int, int, int]

rows = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(1, 9)), min_size=5)
claim = settings(deadline=None, database=None)


def table(*cells: tuple[int | None, int | None, int]) -> ScoreTable:
    return ScoreTable.from_counts(cells)


FIRST = table((60, 20, 2), (50, 30, 2), (40, 35, 2), (80, None, 9))
SECOND = table((60, 60, 2), (50, 30, 2), (30, 35, 2))


def known(first: ScoreTable, second: ScoreTable, *, wanted: float = 5) -> Precision:
    result = precision(first, second, wanted_half_width=wanted)
    assert isinstance(result, Precision)
    return result


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (table(), Reason.NO_ANSWERS),
        (table((60, 20, 1)), Reason.FEWER_THAN_TWO),
        (table((60, 20, 4)), Reason.FEWER_THAN_FIVE),
    ],
)
def test_precision_is_absent_where_the_comparison_is(other: ScoreTable, reason: Reason) -> None:
    assert precision(FIRST, other) == precision(other, FIRST) == Absent(reason=reason)


@pytest.mark.parametrize(("difference", "width"), [(0, 5), (15, 0), (-15, 5)])
def test_difference_and_width_must_be_positive(difference: float, width: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        precision(FIRST, SECOND, important_difference=difference, wanted_half_width=width)


@pytest.mark.parametrize(("standard_error", "df"), [(0.0, 20), (-1.0, 20), (1.0, 6)])
def test_power_is_refused_where_no_comparison_stands(standard_error: float, df: int) -> None:
    with pytest.raises(ValueError, match="a power needs"):
        ancova_power(15, standard_error=standard_error, df=df)


def test_narrow_interval_needs_nobody_more() -> None:
    assert known(FIRST, SECOND, wanted=1000).more_per_group == 0


def test_power_at_no_difference_is_the_level_of_the_test() -> None:
    assert ancova_power(0, standard_error=3, df=40) == pytest.approx(0.05, rel=1e-10)


@pytest.mark.parametrize("df", [7, 8, 20, 100, 1_000, 1_600_000])
def test_power_grows_with_the_difference_and_is_never_nan(df: int) -> None:
    powers = [ancova_power(step / 4, standard_error=1, df=df) for step in range(400)]

    assert all(0 <= power <= 1 for power in powers)
    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(powers))
    assert powers[-1] == 1.0


def test_power_of_a_large_group_is_that_of_the_normal_test() -> None:
    # 80 % at a difference of 2.8016 standard errors: the quantiles at 0.975 and 0.8 added.
    assert ancova_power(2.8015852, standard_error=1, df=10**7) == pytest.approx(0.8, abs=1e-6)


@claim
@given(first=rows, second=rows)
def test_wider_wish_needs_fewer_and_the_present_width_nobody(first: list[Row], second: list[Row]) -> None:
    one, two = table(*first), table(*second)
    present = precision(one, two)
    assume(isinstance(present, Precision))
    assert isinstance(present, Precision)

    shares = (1.001, 0.999, 0.5, 0.1)
    more = [known(one, two, wanted=share * present.half_width).more_per_group for share in shares]

    assert more[0] == 0 < more[1]
    assert more == sorted(more)


@claim
@given(first=rows, second=rows)
def test_half_width_is_that_of_the_interval_and_swapping_changes_nothing(first: list[Row], second: list[Row]) -> None:
    one, two = table(*first), table(*second)
    adjusted = adjusted_difference(one, two)
    assume(isinstance(adjusted, AdjustedComparison))
    assert isinstance(adjusted, AdjustedComparison)

    here, there = known(one, two), known(two, one)

    estimate = adjusted.estimate
    assert here.half_width == pytest.approx((estimate.high - estimate.low) / 2, rel=1e-9)
    assert there.half_width == pytest.approx(here.half_width, rel=1e-12)
    assert (there.more_per_group, there.power) == (here.more_per_group, here.power)


def test_doubling_the_groups_is_what_adding_as_many_promises() -> None:
    # Equal groups: the planned width at n more a group is the width of the doubled cohort, but for the residual df.
    once, twice = (
        known(*(table(*((b, a, f * n) for b, a, n in t.pairs)) for t in (FIRST, SECOND))) for f in (100, 200)
    )

    more = known(*(table(*((b, a, 100 * n) for b, a, n in t.pairs)) for t in (FIRST, SECOND)), wanted=twice.half_width)

    assert once.half_width > twice.half_width
    assert more.more_per_group == pytest.approx(600, abs=3)
