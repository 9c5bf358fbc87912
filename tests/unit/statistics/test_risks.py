"""Shares of two groups compared. Witnesses: tests/reference (R glm, fisher.test; Newcombe 1998)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.statistics.responders import proportion
from registry.statistics.results import Absent, Proportion, Reason
from registry.statistics.risks import (
    Ratio,
    RiskComparison,
    compared_shares,
    odds_ratio,
    risk_difference,
    risk_ratio,
)

claim = settings(deadline=None, database=None)
shares = st.integers(5, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def share(k: int, n: int) -> Proportion:
    found = proportion(k, n)
    assert isinstance(found, Proportion)
    return found


def compared(first: tuple[int, int], second: tuple[int, int]) -> RiskComparison:
    found = compared_shares(share(*first), share(*second))
    assert isinstance(found, RiskComparison)
    return found


def ratio(found: Ratio | Absent) -> Ratio:
    assert isinstance(found, Ratio)
    return found


@pytest.mark.parametrize(("n", "reason"), [(1, Reason.FEWER_THAN_TWO), (4, Reason.FEWER_THAN_FIVE)])
def test_too_small_a_group_on_either_side_is_not_compared(n: int, reason: Reason) -> None:
    small, large = share(1, n), share(30, 90)

    assert compared_shares(small, large) == compared_shares(large, small) == Absent(reason=reason)


@pytest.mark.parametrize(("first", "second"), [((0, 20), (0, 30)), ((6, 6), (7, 7))], ids=["nobody", "everybody"])
def test_nobody_or_everybody_has_no_ratio(first: tuple[int, int], second: tuple[int, int]) -> None:
    found = compared(first, second)

    assert found.risk_ratio == found.odds_ratio == Absent(reason=Reason.NO_VARIATION)
    assert found.difference.low < found.difference.value == 0.0 < found.difference.high
    assert found.p == 1.0


@pytest.mark.parametrize("first", [(0, 9), (9, 9)])
def test_empty_cell_is_corrected_in_both_ratios_and_marked(first: tuple[int, int]) -> None:
    found = compared(first, (4, 9))
    risk, odds = (first[0] + 0.5) / 10 / (4.5 / 10), (first[0] + 0.5) / (9.5 - first[0]) / (4.5 / 5.5)

    assert ratio(found.risk_ratio).is_corrected
    assert ratio(found.odds_ratio).is_corrected
    assert ratio(found.risk_ratio).value == pytest.approx(risk)
    assert ratio(found.odds_ratio).value == pytest.approx(odds)
    assert found.difference.value == first[0] / 9 - 4 / 9


def test_filled_cells_are_not_corrected() -> None:
    found = compared((3, 9), (4, 9))

    assert (ratio(found.risk_ratio).value, ratio(found.odds_ratio).value) == (0.75, 15 / 24)
    assert not ratio(found.risk_ratio).is_corrected


def test_millions_are_compared_exactly() -> None:
    assert 0 < compared((800_000, 1_600_000), (799_000, 1_600_000)).p < 1


@claim
@given(first=shares, second=shares)
def test_intervals_contain_the_estimates(first: tuple[int, int], second: tuple[int, int]) -> None:
    found = compared(first, second)

    assert -1 <= found.difference.low <= found.difference.value <= found.difference.high <= 1
    assert 0 <= found.p <= 1
    for one in (found.risk_ratio, found.odds_ratio):
        if isinstance(one, Ratio):
            assert 0 < one.low < one.value < one.high


@claim
@given(first=shares, second=shares)
def test_swapping_the_groups_flips_the_sign_and_inverts_the_ratios(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    one, other = compared(first, second), compared(second, first)

    assert other.difference.value == -one.difference.value
    assert (other.difference.low, other.difference.high) == (-one.difference.high, -one.difference.low)
    assert other.p == pytest.approx(one.p)
    for forwards, backwards in ((one.risk_ratio, other.risk_ratio), (one.odds_ratio, other.odds_ratio)):
        if isinstance(forwards, Absent) or isinstance(backwards, Absent):
            assert forwards == backwards
        else:
            assert backwards.value == pytest.approx(1 / forwards.value)
            assert backwards.low == pytest.approx(1 / forwards.high)
            assert backwards.is_corrected == forwards.is_corrected


@claim
@given(first=shares, second=shares)
def test_those_who_do_not_respond_have_the_inverse_odds_ratio(first: tuple[int, int], second: tuple[int, int]) -> None:
    others = (share(n - k, n) for k, n in (first, second))
    found, mirrored = odds_ratio(share(*first), share(*second)), odds_ratio(*others)

    if isinstance(found, Ratio) and isinstance(mirrored, Ratio):
        assert mirrored.value == pytest.approx(1 / found.value)
        assert (mirrored.low, mirrored.high) == (pytest.approx(1 / found.high), pytest.approx(1 / found.low))


@claim
@given(first=shares, second=shares)
def test_four_times_the_patients_halve_the_interval_of_a_ratio(first: tuple[int, int], second: tuple[int, int]) -> None:
    once = risk_ratio(share(*first), share(*second))
    many = risk_ratio(share(4 * first[0], 4 * first[1]), share(4 * second[0], 4 * second[1]))

    if isinstance(once, Ratio) and isinstance(many, Ratio) and not once.is_corrected:
        assert many.value == once.value
        assert (many.high / many.low) ** 2 == pytest.approx(once.high / once.low)


@claim
@given(first=shares, second=shares)
def test_twice_the_patients_narrow_the_interval_of_the_difference(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    once = risk_difference(share(*first), share(*second))
    twice = risk_difference(share(2 * first[0], 2 * first[1]), share(2 * second[0], 2 * second[1]))

    assert twice.value == once.value
    assert twice.high - twice.low < once.high - once.low
