"""Change within one group. Witness of the numbers: tests/reference (R t.test, paired)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.statistics.paired import mean_change, paired_t_test
from registry.statistics.results import Absent, MeanChange, Reason, TTest
from registry.statistics.score_table import ScoreTable

pairs = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(1, 9)), min_size=2)
claim = settings(deadline=None, database=None)


def table(*rows: tuple[int | None, int | None, int]) -> ScoreTable:
    return ScoreTable.from_counts(rows)


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (table(), Reason.NO_ANSWERS),
        (table((60, None, 40), (None, 20, 3)), Reason.NO_ANSWERS),
        (table((60, 20, 1)), Reason.FEWER_THAN_TWO),
        (table((60, 20, 30)), Reason.NO_VARIATION),
        (table((60, 40, 5), (50, 30, 5)), Reason.NO_VARIATION),
    ],
    ids=["empty", "everyone missing", "a group of one", "all the same", "all the same change"],
)
def test_change_is_absent_with_its_reason(scores: ScoreTable, reason: Reason) -> None:
    assert mean_change(scores) == Absent(reason=reason)


def test_four_patients_get_an_interval_and_no_test() -> None:
    result = mean_change(table((60, 20, 2), (60, 40, 2)))

    assert isinstance(result, MeanChange)
    assert result.estimate.low < -30.0 == result.estimate.value < result.estimate.high
    assert result.test == Absent(reason=Reason.FEWER_THAN_FIVE)


def test_five_patients_are_tested() -> None:
    result = mean_change(table((60, 20, 3), (60, 40, 2)))

    assert isinstance(result, MeanChange)
    assert isinstance(result.test, TTest)
    assert result.test.df == 4


def test_relief_is_a_negative_change() -> None:
    result = mean_change(table((80, 20, 3), (70, 30, 3)))

    assert isinstance(result, MeanChange)
    assert isinstance(result.test, TTest)
    assert result.estimate.value == -50.0
    assert result.test.t < 0


def test_changes_without_variation_are_not_tested() -> None:
    constant = table((60, 20, 9)).moments.change

    assert paired_t_test(constant) == Absent(reason=Reason.NO_VARIATION)


@claim
@given(rows=pairs)
def test_interval_contains_the_estimate_and_p_agrees_with_it(rows: list[tuple[int, int, int]]) -> None:
    result = mean_change(ScoreTable.from_counts(rows))

    if isinstance(result, MeanChange):
        assert result.estimate.low < result.estimate.value < result.estimate.high
    if isinstance(result, MeanChange) and isinstance(result.test, TTest):
        assert 0 <= result.test.p <= 1
        assert (result.test.p < 0.05) == (result.estimate.low > 0 or result.estimate.high < 0)


@claim
@given(rows=pairs)
def test_looking_from_after_to_before_flips_the_sign(rows: list[tuple[int, int, int]]) -> None:
    forwards = mean_change(ScoreTable.from_counts(rows))
    backwards = mean_change(ScoreTable.from_counts((after, before, n) for before, after, n in rows))

    if isinstance(forwards, Absent) or isinstance(backwards, Absent):
        assert forwards == backwards
    else:
        assert backwards.estimate.value == -forwards.estimate.value
        assert backwards.estimate.low == -forwards.estimate.high
