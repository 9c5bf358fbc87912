"""What the entry rule alone produces. Witness of the numbers: tests/reference (R)."""

from __future__ import annotations

from math import pi, sqrt
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from registry.statistics.results import Absent, MeanChange, Reason
from registry.statistics.score_table import ScoreTable
from registry.statistics.selection import SelectionEffect, normal_selection, selection_effect

rows = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90), st.integers(1, 9)), min_size=5)
claim = settings(deadline=None, database=None)


def table(*cells: tuple[int | None, int | None, int]) -> ScoreTable:
    return ScoreTable.from_counts(cells)


def effect(scores: ScoreTable, *, at_least: int = 30) -> SelectionEffect:
    result = selection_effect(scores, at_least=at_least)
    assert isinstance(result, SelectionEffect)
    return result


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (table(), Reason.NO_ANSWERS),
        (table((60, None, 90), (None, 20, 9)), Reason.NO_ANSWERS),
        (table((60, 20, 1)), Reason.FEWER_THAN_TWO),
        (table((60, 20, 4)), Reason.FEWER_THAN_FIVE),
        (table((60, 20, 5), (60, 30, 5)), Reason.NO_VARIATION_BEFORE),
        (table((10, 20, 5), (20, 30, 5)), Reason.NO_ANSWERS),
    ],
    ids=["empty", "everyone missing", "one", "four", "all the same before", "nobody enters"],
)
def test_effect_is_absent_with_its_reason(scores: ScoreTable, reason: Reason) -> None:
    assert selection_effect(scores) == Absent(reason=reason)


def test_fall_of_the_entrants_without_any_effect() -> None:
    # Slope 0.5 around a mean of 30: the entrants stand 15 above it before and 7.5 above it after.
    result = effect(table((0, 15, 5), (20, 25, 5), (40, 35, 5), (60, 45, 5)), at_least=30)

    assert (result.slope, result.mean_before_all, result.mean_before_entrants) == (0.5, 30.0, 50.0)
    assert result.change_by_rule == -10.0
    assert (result.n_all, result.n_entrants) == (20, 10)
    assert isinstance(result.observed, MeanChange)
    assert result.observed.estimate.value == -10.0
    assert isinstance(result.observed_all, MeanChange)
    assert result.observed_all.estimate.value == 0.0


def test_score_at_the_threshold_enters() -> None:
    assert effect(table((30, 10, 3), (29, 20, 3), (60, 30, 3))).n_entrants == 6


def test_rule_that_everyone_meets_produces_nothing() -> None:
    assert effect(table((40, 10, 5), (60, 50, 5))).change_by_rule == 0.0


def test_opposite_scores_are_correlated_negatively() -> None:
    result = effect(table((20, 60, 5), (60, 20, 5)))

    assert (result.slope, result.correlation) == (-1.0, -1.0)
    assert result.change_by_rule == -40.0


def test_patients_without_both_scores_change_nothing() -> None:
    scores = table((20, 10, 5), (60, 20, 5))

    assert effect(ScoreTable.combined([scores, table((90, None, 7), (None, 5, 7))])) == effect(scores)


def test_constant_score_after_has_no_normal_theory() -> None:
    result = effect(table((20, 0, 5), (60, 0, 5)))

    assert result.correlation == result.change_by_normal_theory == Absent(reason=Reason.NO_VARIATION)
    assert result.change_by_rule == -20.0


def test_single_entrant_far_above_a_million_others_still_has_a_normal_theory() -> None:
    result = effect(table((0, 0, 500_000), (0, 5, 500_000), (100, 80, 1)), at_least=100)

    assert isinstance(result.change_by_normal_theory, float)
    assert -100 < result.change_by_normal_theory < -90


def test_normal_theory_at_the_mean_is_that_of_the_half_normal() -> None:
    assert normal_selection(mean=50, sd=20, correlation=0.4, cut=50) == pytest.approx(-0.6 * 20 * sqrt(2 / pi))


def test_normal_theory_without_a_cut_or_with_perfect_correlation_produces_nothing() -> None:
    assert normal_selection(mean=50, sd=1, correlation=0.4, cut=-1e6) == 0
    assert normal_selection(mean=50, sd=20, correlation=1, cut=60) == 0


@pytest.mark.parametrize(("sd", "correlation"), [(0, 0.5), (-1, 0.5), (10, 1.5)])
def test_impossible_distribution_is_refused(sd: float, correlation: float) -> None:
    with pytest.raises(ValueError, match="no normal distribution"):
        normal_selection(mean=50, sd=sd, correlation=correlation, cut=30)


def test_rule_agrees_with_the_normal_theory_in_normal_scores() -> None:
    # Witness: 40,000 pairs drawn with equal mean and sd and a correlation of 0.6; half a point for rounding.
    chance = Random(3)
    cells = []
    for _ in range(40_000):
        true = chance.gauss(50, 15 * sqrt(0.6))
        before, after = (round(chance.gauss(true, 15 * sqrt(0.4))) for _ in range(2))
        cells.append((min(100, max(0, before)), min(100, max(0, after)), 1))

    result = effect(table(*cells), at_least=55)

    assert result.change_by_rule == pytest.approx(normal_selection(mean=50, sd=15, correlation=0.6, cut=54.5), abs=0.2)
    assert isinstance(result.observed, MeanChange)
    assert result.observed.estimate.value == pytest.approx(result.change_by_rule, abs=0.3)


@claim
@given(cells=rows, shift=st.integers(0, 10), seed=st.randoms(use_true_random=False))
def test_shift_doubling_and_order_leave_the_effect(cells: list[tuple[int, int, int]], shift: int, seed: Random) -> None:
    result = selection_effect(table(*cells))
    assume(isinstance(result, SelectionEffect))
    assert isinstance(result, SelectionEffect)
    mixed = [(b + shift, a + shift, 2 * n) for b, a, n in cells]
    seed.shuffle(mixed)

    again = effect(table(*mixed), at_least=30 + shift)

    assert (again.change_by_rule, again.slope) == (result.change_by_rule, result.slope)
    assert again.n_entrants == 2 * result.n_entrants


@claim
@given(cells=rows)
def test_entrants_and_others_share_the_change_of_all(cells: list[tuple[int, int, int]]) -> None:
    # The fitted change of the entrants is that of all plus what the rule adds.
    result = selection_effect(table(*cells))
    assume(isinstance(result, SelectionEffect))
    assert isinstance(result, SelectionEffect)

    moments = table(*cells).moments
    fitted = float(moments.after.mean) + result.slope * (result.mean_before_entrants - result.mean_before_all)

    expected = float(moments.change.mean) + result.change_by_rule
    assert fitted - result.mean_before_entrants == pytest.approx(expected, abs=1e-9)
