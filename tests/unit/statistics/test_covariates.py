"""The adjusted difference with covariates. Witness of the numbers: tests/reference (R lm and sandwich)."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from registry.statistics.covariates import CovariateAdjustment, CovariateRow, covariate_adjusted_difference
from registry.statistics.results import Absent, Comparison, Reason

claim = settings(deadline=None, database=None)
scores = st.integers(0, 100)
patients = st.lists(
    st.builds(
        CovariateRow, before=scores, after=scores, is_first=st.booleans(), covariates=st.tuples(st.integers(20, 90))
    ),
    min_size=14,
    max_size=40,
)


def cohort(*, covariates: int = 1) -> list[CovariateRow]:
    chance = Random(5)
    return [
        CovariateRow(
            before=chance.randint(30, 100),
            after=chance.randint(0, 100),
            is_first=place % 2 == 0,
            covariates=tuple(chance.randint(20, 90) for _ in range(covariates)),
        )
        for place in range(24)
    ]


def adjusted(rows: list[CovariateRow]) -> CovariateAdjustment:
    result = covariate_adjusted_difference(rows)
    assert isinstance(result, CovariateAdjustment)
    return result


def test_patients_with_anything_missing_are_left_out_and_counted() -> None:
    rows = cohort()
    missing = [
        replace(rows[0], before=None),
        replace(rows[1], after=None),
        replace(rows[2], covariates=(None,)),
    ]

    result = adjusted(rows + missing)

    assert result.n_left_out == 3
    assert result.classical == adjusted(rows).classical


@pytest.mark.parametrize(
    ("n_first", "reason"), [(0, Reason.NO_ANSWERS), (1, Reason.FEWER_THAN_TWO), (4, Reason.FEWER_THAN_FIVE)]
)
def test_too_small_a_group_is_not_compared(n_first: int, reason: Reason) -> None:
    rows = [replace(row, is_first=place < n_first) for place, row in enumerate(cohort())]

    assert covariate_adjusted_difference(rows) == Absent(reason=reason)


def test_nobody_is_not_compared() -> None:
    assert covariate_adjusted_difference([]) == Absent(reason=Reason.NO_ANSWERS)


@pytest.mark.parametrize("column", ["constant", "twice", "group", "before", "sum", "large and constant", "a tenth"])
def test_covariate_that_follows_from_others_is_refused(column: str) -> None:
    def more(row: CovariateRow) -> float:
        assert row.before is not None
        age = row.covariates[0]
        assert age is not None
        return {
            "constant": 3,
            "twice": 2 * age,
            "group": float(row.is_first),
            "before": row.before,
            "sum": 0.1 * row.before + 0.7 * age - row.is_first,
            "large and constant": 1e9,
            # The mean of many tenths is not quite a tenth.
            "a tenth": 0.1,
        }[column]

    rows = [replace(row, covariates=(*row.covariates, more(row))) for row in cohort()]

    assert covariate_adjusted_difference(rows) == Absent(reason=Reason.RANK_DEFICIENT)


def test_all_the_same_score_before_is_refused() -> None:
    rows = [replace(row, before=60) for row in cohort()]

    assert covariate_adjusted_difference(rows) == Absent(reason=Reason.RANK_DEFICIENT)


@pytest.mark.parametrize("n_covariates", [21, 22, 30])
def test_as_many_columns_as_patients_are_refused(n_covariates: int) -> None:
    # With the intercept, the group and the score before, 21 covariates make 24 columns for 24 patients.
    assert covariate_adjusted_difference(cohort(covariates=n_covariates)) == Absent(reason=Reason.RANK_DEFICIENT)


def test_one_column_less_than_patients_is_fitted() -> None:
    assert adjusted(cohort(covariates=20)).classical.test.df == 1


def test_perfect_fit_is_absent() -> None:
    rows = [replace(row, after=(row.before or 0) / 3 + 7 * row.is_first) for row in cohort()]

    assert covariate_adjusted_difference(rows) == Absent(reason=Reason.NO_RESIDUAL_VARIATION)


def test_all_the_same_score_after_is_absent() -> None:
    rows = [replace(row, after=10) for row in cohort()]

    assert covariate_adjusted_difference(rows) == Absent(reason=Reason.NO_RESIDUAL_VARIATION)


@pytest.mark.parametrize("number", [nan, inf])
def test_number_that_is_not_finite_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        covariate_adjusted_difference([*cohort(), replace(cohort()[0], covariates=(number,))])


def test_patients_with_other_covariates_are_refused() -> None:
    with pytest.raises(ValueError, match="same number"):
        covariate_adjusted_difference([*cohort(), replace(cohort()[0], covariates=(1, 2))])


def test_unit_of_a_covariate_changes_only_its_coefficient() -> None:
    rows = cohort()
    grams = [replace(row, covariates=tuple((value or 0) * 1e6 + 1e9 for value in row.covariates)) for row in rows]

    one, other = adjusted(rows), adjusted(grams)

    assert other.classical.estimate.value == pytest.approx(one.classical.estimate.value, rel=1e-8)
    assert other.classical.standard_error == pytest.approx(one.classical.standard_error, rel=1e-8)
    assert other.covariates[0].value * 1e6 == pytest.approx(one.covariates[0].value, rel=1e-8)


def test_results_are_plain_numbers() -> None:
    result = adjusted(cohort())

    assert isinstance(result.robust, Comparison)
    assert {type(result.r_squared), type(result.before.value), type(result.robust.standard_error)} == {float}
    assert type(result.classical.n_first) is int


@claim
@given(rows=patients, seed=st.randoms(use_true_random=False))
def test_interval_contains_the_estimate_and_order_does_not_matter(rows: list[CovariateRow], seed: Random) -> None:
    result = covariate_adjusted_difference(rows)
    assume(isinstance(result, CovariateAdjustment))
    assert isinstance(result, CovariateAdjustment)
    mixed = list(rows)
    seed.shuffle(mixed)

    again = adjusted(mixed)

    assert result.classical.estimate.low < result.classical.estimate.value < result.classical.estimate.high
    assert again.classical.estimate.value == pytest.approx(result.classical.estimate.value, rel=1e-8, abs=1e-8)
    assert again.classical.standard_error == pytest.approx(result.classical.standard_error, rel=1e-8)


@claim
@given(rows=patients)
def test_swapping_the_groups_flips_the_sign(rows: list[CovariateRow]) -> None:
    one_way = covariate_adjusted_difference(rows)
    other_way = covariate_adjusted_difference([replace(row, is_first=not row.is_first) for row in rows])

    if isinstance(one_way, Absent) or isinstance(other_way, Absent):
        assert isinstance(one_way, Absent) == isinstance(other_way, Absent)
        return
    assert other_way.classical.test.t == pytest.approx(-one_way.classical.test.t, rel=1e-8, abs=1e-8)
    if isinstance(one_way.robust, Comparison) and isinstance(other_way.robust, Comparison):
        assert other_way.robust.standard_error == pytest.approx(one_way.robust.standard_error, rel=1e-8)


@claim
@given(rows=patients)
def test_doubling_the_cohort_leaves_the_estimate_and_narrows_it(rows: list[CovariateRow]) -> None:
    once, twice = covariate_adjusted_difference(rows), covariate_adjusted_difference(rows * 2)

    assume(isinstance(once, CovariateAdjustment) and isinstance(twice, CovariateAdjustment))
    assert isinstance(once, CovariateAdjustment)
    assert isinstance(twice, CovariateAdjustment)
    df = once.classical.test.df
    # The matrix halves, and twice the residuals stand over the new degrees of freedom.
    narrower = once.classical.standard_error**2 * df / (df + len(rows))
    assert twice.classical.estimate.value == pytest.approx(once.classical.estimate.value, rel=1e-7, abs=1e-7)
    assert twice.classical.standard_error**2 == pytest.approx(narrower, rel=1e-7)
