"""registry.statistics.association and covariates against R: association.R wrote association_r.csv (lm, sandwich).

Closed forms agree to 1e-8 relative. The last test runs the script again where R and sandwich are installed.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from registry.statistics.association import (
    SlopeComparison,
    after_difference,
    robust_adjusted_difference,
    slope_difference,
)
from registry.statistics.covariates import CovariateAdjustment, CovariateRow, covariate_adjusted_difference
from registry.statistics.results import Absent, Reason
from registry.statistics.score_table import Cell, ScoreTable
from tests.reference.witness import HERE, Key, differing, read_rows, read_witness, run_again, with_test

COVARIATES = {"smallest": ("age", "revised")}
ALL_COVARIATES = ("age", "bmi", "female", "revised")


def tables() -> dict[tuple[str, str], ScoreTable]:
    cells: defaultdict[tuple[str, str], list[Cell]] = defaultdict(list)
    for row in read_rows("cohort_input.csv"):
        before, after = (int(row[name]) if row[name] else None for name in ("before", "after"))
        cells[row["cohort"], row["group"]].append((before, after, 1))
    found = {key: ScoreTable.from_counts(rows) for key, rows in cells.items()}
    for group in ("without", "with"):
        found["large_entered", group] = found["large", group].entered(at_least=30)
    return found


def from_counts() -> dict[Key, float]:
    numbers: dict[Key, float] = {}
    found = tables()
    for cohort in {cohort for cohort, _ in found} - {"tiny"}:
        first, second = found[cohort, "without"], found[cohort, "with"]
        slopes = slope_difference(first, second)
        assert isinstance(slopes, SlopeComparison)
        both = {
            **with_test("hc3", robust_adjusted_difference(first, second)),
            **with_test("interaction", slopes),
            "interaction_slope_first": slopes.slope_first,
            "interaction_slope_second": slopes.slope_second,
            **with_test("after", after_difference(first, second)),
        }
        numbers |= {(cohort, "between", name): value for name, value in both.items()}
    return numbers


def number(text: str) -> float | None:
    return float(text) if text else None


def covariate_rows(cohort: str) -> list[CovariateRow]:
    names = COVARIATES.get(cohort, ALL_COVARIATES)
    return [
        CovariateRow(
            before=number(row["before"]),
            after=number(row["after"]),
            is_first=row["group"] == "without",
            covariates=tuple(number(row[name]) for name in names),
        )
        for row in read_rows("covariates_input.csv")
        if row["cohort"] == cohort
    ]


def from_rows() -> dict[Key, float]:
    numbers: dict[Key, float] = {}
    for cohort in ("ordinary", "unequal", "smallest", "single"):
        found = covariate_adjusted_difference(covariate_rows(cohort))
        assert isinstance(found, CovariateAdjustment)
        both = {
            **with_test("classical", found.classical),
            "r_squared": found.r_squared,
            "n_left_out": found.n_left_out,
        }
        if not isinstance(found.robust, Absent):
            both |= with_test("robust", found.robust)
        terms = ("before", *COVARIATES.get(cohort, ALL_COVARIATES))
        for name, term in zip(terms, (found.before, *found.covariates), strict=True):
            both |= {f"{name}_value": term.value, f"{name}_se": term.standard_error}
            if not isinstance(term.robust_error, Absent):
                both[f"{name}_robust"] = term.robust_error
        numbers |= {(cohort, "covariates", name): value for name, value in both.items()}
    return numbers


WITNESS = read_witness(HERE / "association_r.csv")


def test_robust_errors_slopes_and_scores_after_equal_r() -> None:
    assert differing(from_counts(), WITNESS) == {}


def test_covariate_adjustment_equals_r() -> None:
    assert differing(from_rows(), WITNESS) == {}


def test_every_number_of_r_is_compared() -> None:
    assert WITNESS.keys() == from_counts().keys() | from_rows().keys()


def test_only_patient_with_an_indicator_leaves_the_robust_error_absent() -> None:
    found = covariate_adjusted_difference(covariate_rows("single"))

    assert isinstance(found, CovariateAdjustment)
    assert found.robust == Absent(reason=Reason.FULL_LEVERAGE)
    assert ("single", "covariates", "classical_se") in WITNESS


@pytest.mark.parametrize("cohort", ["planted", "coarse", "smallest", "unequal"])
def test_rows_without_covariates_give_the_numbers_of_the_counts(cohort: str) -> None:
    found = tables()
    rows = [
        CovariateRow(before=before, after=after, is_first=group == "without", covariates=())
        for group in ("without", "with")
        for before, after, n in found[cohort, group].cells
        for _ in range(n)
    ]

    result = covariate_adjusted_difference(rows)

    assert isinstance(result, CovariateAdjustment)
    ours = {(cohort, "between", name): value for name, value in with_test("hc3", result.robust).items()}
    assert differing(ours, WITNESS) == {}


def test_r_run_again_gives_the_stored_numbers(tmp_path: Path) -> None:
    inputs = ("cohort_input.csv", "covariates_input.csv")

    again = run_again("association", inputs=inputs, folder=tmp_path, packages=["sandwich"])

    assert again.keys() == WITNESS.keys()
    assert differing(again, WITNESS) == {}
