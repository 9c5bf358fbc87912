"""Mean, standard deviation, quantiles, trajectory points. Witness of the numbers: tests/reference."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.statistics.results import Absent, Estimate, Reason, Summary
from registry.statistics.summary import quantile, summary, trajectory_point

counts_of_scores = st.dictionaries(st.integers(0, 100), st.integers(1, 50), min_size=1)
claim = settings(deadline=None, database=None)


def test_nobody_answered_gives_no_summary() -> None:
    assert summary({}) == Absent(reason=Reason.NO_ANSWERS)


def test_one_answer_has_a_mean_and_a_median_and_no_sd() -> None:
    result = summary({40: 1})

    assert result == Summary(n=1, mean=40.0, sd=Absent(reason=Reason.FEWER_THAN_TWO), median=40.0)


def test_equal_answers_have_an_sd_of_exactly_zero() -> None:
    assert summary({70: 3}) == Summary(n=3, mean=70.0, sd=0.0, median=70.0)


def test_median_of_an_even_number_lies_between_the_two_in_the_middle() -> None:
    assert quantile({10: 1, 20: 1, 50: 2}, Fraction(1, 2)) == 35.0


def test_extreme_quantiles_are_the_smallest_and_the_largest_value() -> None:
    counts = {5: 2, 90: 1}

    assert (quantile(counts, Fraction(0)), quantile(counts, Fraction(1))) == (5.0, 90.0)


@pytest.mark.parametrize("probability", [Fraction(-1, 10), Fraction(11, 10)])
def test_quantile_outside_the_unit_interval_is_refused(probability: Fraction) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        quantile({1: 1}, probability)


def test_quantile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="of 0 values"):
        quantile({}, Fraction(1, 2))


def test_trajectory_point_without_answers_says_so() -> None:
    point = trajectory_point({}, months=3)

    assert point.n == 0
    assert point.mean == point.interval == Absent(reason=Reason.NO_ANSWERS)


def test_trajectory_point_of_one_answer_has_a_mean_without_an_interval() -> None:
    point = trajectory_point({30: 1}, months=3)

    assert (point.mean, point.interval) == (30.0, Absent(reason=Reason.FEWER_THAN_TWO))


def test_trajectory_point_of_equal_answers_has_no_interval() -> None:
    assert trajectory_point({30: 9}, months=3).interval == Absent(reason=Reason.NO_VARIATION)


@claim
@given(counts=counts_of_scores)
def test_interval_contains_the_mean_and_the_mean_lies_within_the_scores(counts: dict[int, int]) -> None:
    point = trajectory_point(counts, months=12)

    assert not isinstance(point.mean, Absent)
    assert min(counts) <= point.mean <= max(counts)
    if isinstance(point.interval, Estimate):
        assert point.interval.low < point.mean < point.interval.high


@claim
@given(counts=counts_of_scores, data=st.data())
def test_quantiles_rise_with_their_probability(counts: dict[int, int], data: st.DataObject) -> None:
    lower, upper = sorted(data.draw(st.tuples(st.fractions(0, 1), st.fractions(0, 1))))

    assert min(counts) <= quantile(counts, lower) <= quantile(counts, upper) <= max(counts)
