"""Shares of responders. Witnesses of the interval: tests/reference (R prop.test; Newcombe 1998)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.statistics.responders import proportion, responders
from registry.statistics.results import Absent, Proportion, Reason
from registry.statistics.score_table import ScoreTable

claim = settings(deadline=None, database=None)


def share(*cells: tuple[int | None, int | None, int], at_least_percent: int = 30) -> Proportion:
    result = responders(ScoreTable.from_counts(cells), at_least_percent=at_least_percent)
    assert isinstance(result, Proportion)
    return result


def test_relief_of_exactly_the_percentage_counts_and_a_point_less_does_not() -> None:
    assert share((10, 7, 1), (70, 49, 1), (70, 50, 1)).k == 2


@pytest.mark.parametrize("before", range(1, 101))
def test_threshold_is_exact_at_every_score_before(before: int) -> None:
    # Witness: the whole numbers of points that make up 30 % of the score before, rounded up.
    points = -(-30 * before // 100)

    assert share((before, before - points, 1)).k == 1
    assert share((before, before - points + 1, 1)).k == 0


def test_score_of_zero_before_is_left_out_of_both_numbers() -> None:
    result = share((0, 0, 5), (0, 40, 5), (60, 20, 3), (60, 60, 1))

    assert (result.k, result.n) == (3, 4)


def test_missing_scores_are_left_out() -> None:
    result = share((60, None, 9), (None, 20, 9), (60, 20, 1))

    assert (result.k, result.n) == (1, 1)


def test_worse_patients_are_no_responders() -> None:
    assert share((40, 100, 3)).k == 0


@pytest.mark.parametrize("cells", [[], [(60, None, 9)], [(0, 0, 9)]], ids=["empty", "missing", "zero before"])
def test_nobody_to_count_is_absent(cells: list[tuple[int | None, int | None, int]]) -> None:
    result = responders(ScoreTable.from_counts(cells), at_least_percent=30)

    assert result == Absent(reason=Reason.NO_ANSWERS)


def test_ends_of_the_scale_are_exact() -> None:
    none, everyone = proportion(0, 7), proportion(7, 7)

    assert isinstance(none, Proportion)
    assert isinstance(everyone, Proportion)
    assert (none.low, everyone.high) == (0.0, 1.0)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5)])
def test_share_outside_the_whole_is_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        proportion(k, n)


@claim
@given(n=st.integers(1, 10**6), data=st.data())
def test_interval_contains_the_share_and_stays_within_0_and_1(n: int, data: st.DataObject) -> None:
    result = proportion(data.draw(st.integers(0, n)), n)

    assert isinstance(result, Proportion)
    assert 0 <= result.low <= result.value <= result.high <= 1


@claim
@given(n=st.integers(1, 10**4), data=st.data())
def test_interval_of_those_who_do_not_respond_is_the_mirror_image(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    one, other = proportion(k, n), proportion(n - k, n)

    assert isinstance(one, Proportion)
    assert isinstance(other, Proportion)
    assert (other.low, other.high) == (pytest.approx(1 - one.high), pytest.approx(1 - one.low))
