"""The resampled difference. Witness of the interval: tests/reference (R reads our resamples)."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from registry.statistics.bootstrap import (
    BootstrapDifference,
    bootstrap_difference,
    resample_plan,
    resampled_counts,
    resampled_differences,
)
from registry.statistics.comparison import change_difference
from registry.statistics.results import Absent, Comparison, Reason
from registry.statistics.score_table import ScoreTable

Row = tuple[int, int, int]

rows = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90), st.integers(1, 9)), min_size=5, max_size=12)
claim = settings(deadline=None, database=None)


def table(*cells: tuple[int | None, int | None, int]) -> ScoreTable:
    return ScoreTable.from_counts(cells)


FIRST = table((60, 20, 2), (50, 30, 2), (40, 35, 2), (80, 5, 7))
SECOND = table((60, 60, 2), (50, 30, 2), (30, 35, 2), (70, 20, 4))


def resampled(first: ScoreTable, second: ScoreTable, *, seed: int = 1, n_resamples: int = 500) -> BootstrapDifference:
    result = bootstrap_difference(first, second, seed=seed, n_resamples=n_resamples)
    assert isinstance(result, BootstrapDifference)
    return result


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (table(), Reason.NO_ANSWERS),
        (table((60, None, 90), (None, 20, 90)), Reason.NO_ANSWERS),
        (table((60, 20, 1)), Reason.FEWER_THAN_TWO),
        (table((60, 20, 2), (50, 30, 2)), Reason.FEWER_THAN_FIVE),
    ],
)
def test_too_small_a_group_is_not_resampled(other: ScoreTable, reason: Reason) -> None:
    assert bootstrap_difference(FIRST, other, seed=1) == Absent(reason=reason)
    assert bootstrap_difference(other, FIRST, seed=1) == Absent(reason=reason)


def test_constant_changes_are_not_resampled() -> None:
    result = bootstrap_difference(table((60, 40, 5), (50, 30, 5)), table((60, 20, 9)), seed=1)

    assert result == Absent(reason=Reason.NO_VARIATION)


def test_resamples_on_one_side_have_no_interval() -> None:
    # Of a single resample all lie on one side, unless it equals the estimate.
    result = bootstrap_difference(FIRST, SECOND, seed=1, n_resamples=1)

    assert result == Absent(reason=Reason.NO_VARIATION)


def test_no_resample_is_refused() -> None:
    with pytest.raises(ValueError, match="no number of resamples"):
        bootstrap_difference(FIRST, SECOND, seed=1, n_resamples=0)


def test_five_thousand_resamples_are_drawn_unless_told_otherwise() -> None:
    result = bootstrap_difference(FIRST, SECOND, seed=1)

    assert isinstance(result, BootstrapDifference)
    assert result.plan.n_resamples == sum(result.resampled.counts) == 5_000


def test_same_seed_gives_the_same_result_and_another_seed_another() -> None:
    assert resampled(FIRST, SECOND, seed=4) == resampled(FIRST, SECOND, seed=4)
    assert resampled(FIRST, SECOND, seed=4).estimate.low != resampled(FIRST, SECOND, seed=5).estimate.low


def test_plan_is_enough_to_draw_the_same_resamples() -> None:
    plan = resampled(FIRST, SECOND, seed=9).plan
    generator = np.random.Generator(np.random.PCG64(plan.seed))
    shares = [np.array(counts) / sum(counts) for counts in (plan.counts_first, plan.counts_second)]
    first = generator.multinomial(plan.n_first, shares[0], size=plan.n_resamples)
    second = generator.multinomial(plan.n_second, shares[1], size=plan.n_resamples)

    ours = resampled_counts(plan)

    assert (ours[0] == first).all()
    assert (ours[1] == second).all()
    assert plan == resample_plan(FIRST, SECOND, seed=9, n_resamples=500)


def test_histogram_holds_every_resample_between_its_edges() -> None:
    result = resampled(FIRST, SECOND)

    differences = resampled_differences(result.plan) / (result.plan.n_first * result.plan.n_second)
    assert sum(result.resampled.counts) == 500
    assert len(result.resampled.edges) == len(result.resampled.counts) + 1
    assert result.resampled.edges[0] == differences.min()
    assert result.resampled.edges[-1] == differences.max()


def test_results_are_plain_numbers() -> None:
    result = resampled(FIRST, SECOND)

    numbers = (result.estimate.low, result.acceleration, result.bias_correction, result.resampled.edges[0])
    assert {type(number) for number in numbers} == {float}
    assert type(result.resampled.counts[0]) is int


def test_interval_lies_where_scipy_finds_it() -> None:
    # Other draws of 5,000: the ends differ by the chance of the resamples, here below a tenth of a standard error.
    changes = [np.repeat(list(t.change_counts), list(t.change_counts.values())) for t in (FIRST, SECOND)]
    theirs = stats.bootstrap(
        changes,
        lambda one, two, axis: one.mean(axis=axis) - two.mean(axis=axis),
        n_resamples=20_000,
        rng=np.random.default_rng(2),
    )

    ours = resampled(FIRST, SECOND, n_resamples=20_000)

    interval = theirs.confidence_interval
    assert ours.estimate.low == pytest.approx(interval.low, abs=theirs.standard_error / 10)
    assert ours.estimate.high == pytest.approx(interval.high, abs=theirs.standard_error / 10)


def test_acceleration_of_a_skewed_group_has_its_sign_and_turns_with_the_side() -> None:
    skewed, even = table((0, 0, 20), (0, 90, 2)), table((0, 10, 8), (0, 20, 8))

    assert resampled(skewed, even).acceleration > 0
    assert resampled(even, skewed).acceleration == -resampled(skewed, even).acceleration


def test_large_symmetric_groups_get_the_interval_of_the_t_test() -> None:
    first = table((50, 40, 400_000), (50, 20, 400_000))
    second = table((50, 30, 400_000), (50, 10, 400_000))
    welch = change_difference(first, second)

    result = resampled(first, second, n_resamples=5_000)

    assert isinstance(welch, Comparison)
    tenth = welch.standard_error / 10
    assert result.estimate.low == pytest.approx(welch.estimate.low, abs=tenth)
    assert result.estimate.high == pytest.approx(welch.estimate.high, abs=tenth)
    assert welch.standard_error == pytest.approx(sqrt(2 * 100 / 800_000), rel=1e-5)


def test_patients_without_both_scores_change_nothing() -> None:
    more = ScoreTable.combined([FIRST, table((80, None, 40), (None, 5, 40))])

    assert bootstrap_difference(more, SECOND, seed=1) == bootstrap_difference(FIRST, SECOND, seed=1)


@claim
@given(first=rows, second=rows, shift=st.integers(0, 10))
def test_interval_contains_the_estimate_and_a_shift_of_both_changes_nothing(
    first: list[Row], second: list[Row], shift: int
) -> None:
    def shifted(cells: list[Row]) -> ScoreTable:
        return table(*((b, a + shift, n) for b, a, n in cells))

    result = bootstrap_difference(table(*first), table(*second), seed=3, n_resamples=1_000)
    assume(isinstance(result, BootstrapDifference))
    assert isinstance(result, BootstrapDifference)

    moved = resampled(shifted(first), shifted(second), seed=3, n_resamples=1_000)

    assert result.estimate.low < result.estimate.value < result.estimate.high
    assert moved.estimate == result.estimate
