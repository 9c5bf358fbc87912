"""The adjusted difference with further covariates, from one row a patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite, sqrt
from typing import Any

from registry.statistics.association import t_comparison
from registry.statistics.results import (
    SMALLEST_TESTED_GROUP,
    Absent,
    Comparison,
    Method,
    Reason,
    shortage,
)

# Of columns of length 1, of leverages, and of a column's range beside its values: what lies below is rounding.
_ROUNDING = 1e-9
_ROUNDING_OF_A_COLUMN = 1e-13


@dataclass(frozen=True, slots=True, kw_only=True)
class CovariateRow:
    """One patient: both scores, whether in the first group, and the covariates as numbers or indicators 0 and 1."""

    before: float | None
    after: float | None
    is_first: bool
    covariates: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """What one unit more of a variable adds to the score after, with its classical and its robust error."""

    value: float
    standard_error: float
    robust_error: float | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class CovariateAdjustment:
    """The first group minus the second at equal score before and equal covariates."""

    classical: Comparison
    robust: Comparison | Absent
    before: Coefficient
    covariates: tuple[Coefficient, ...]
    r_squared: float
    n_left_out: int


def covariate_adjusted_difference(rows: Sequence[CovariateRow]) -> CovariateAdjustment | Absent:
    """The least-squares fit of after ~ before + group + covariates with classical and HC3 errors.

    Formula: b = (X'X)^-1 X'y from the singular values of the centred columns, each scaled to length 1;
    classical variance s^2 (X'X)^-1 with s^2 = residual sum of squares / (n - p), p the number of columns with
    the intercept; robust variance (X'X)^-1 X' diag(e^2 / (1 - h)^2) X (X'X)^-1; t with df = n - p.
    Units: points.
    Missing data: patients for whom the scores and all covariates are known; the others are counted as left out.
    Errors: absent when a group has n < 5, a column is constant or follows from others, there are as many columns as
    patients, or the fit is perfect;
    the robust errors alone are absent when one patient decides a coefficient, as the only one with an indicator.
    ValueError when rows have different numbers of covariates or a number is not finite.
    Reference: R lm(), sandwich::vcovHC(type = "HC3"); tolerance 1e-8.
    """
    known = [row for row in rows if None not in (row.before, row.after, *row.covariates)]
    _check(rows)
    sizes = (sum(row.is_first for row in known), sum(not row.is_first for row in known))
    if short := shortage(*sizes, needed=SMALLEST_TESTED_GROUP):
        return short
    fit = _fitted(known)
    if isinstance(fit, Absent):
        return fit
    classical = _group_effect(fit, fit.errors[0], sizes, Method.ANCOVA_COVARIATES)
    if isinstance(classical, Absent):
        return classical
    before, *covariates = [_coefficient(fit, column) for column in range(1, len(fit.values))]
    return CovariateAdjustment(
        classical=classical,
        robust=_robust_effect(fit, sizes),
        before=before,
        covariates=tuple(covariates),
        r_squared=fit.r_squared,
        n_left_out=len(rows) - len(known),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """Coefficients and their squared errors, in the order group, before, covariates."""

    values: list[float]
    errors: list[float]
    robust_errors: list[float] | None
    r_squared: float
    df: int


def _check(rows: Sequence[CovariateRow]) -> None:
    if len({len(row.covariates) for row in rows}) > 1:
        raise ValueError("every patient needs the same number of covariates")
    numbers = (number for row in rows for number in (row.before, row.after, *row.covariates) if number is not None)
    if not all(isfinite(number) for number in numbers):
        raise ValueError("a score or covariate is not a finite number")


def _fitted(rows: Sequence[CovariateRow]) -> _Fit | Absent:
    import numpy as np

    x = np.array([[row.is_first, row.before, *row.covariates] for row in rows], dtype=float)
    y = np.array([row.after for row in rows], dtype=float)
    is_constant = np.ptp(x, axis=0) <= _ROUNDING_OF_A_COLUMN * np.abs(x).max(axis=0)
    # With the intercept there must be fewer columns than patients.
    if len(x) <= len(is_constant) + 1 or is_constant.any():
        return Absent(reason=Reason.RANK_DEFICIENT)
    x, y = x - x.mean(axis=0), y - y.mean()
    lengths = np.sqrt((x * x).sum(axis=0))
    left, singular, right = np.linalg.svd(x / lengths, full_matrices=False)
    if singular[-1] < _ROUNDING:
        return Absent(reason=Reason.RANK_DEFICIENT)
    # The rows of `solver` times y are the coefficients; their squares give every variance.
    solver = (right.T / singular) @ left.T / lengths[:, None]
    residuals = y - left @ (left.T @ y)
    return _described(solver, left, y, residuals)


def _described(solver: Any, left: Any, y: Any, residuals: Any) -> _Fit | Absent:
    residual, total = float(residuals @ residuals), float(y @ y)
    df = len(y) - len(solver) - 1
    # A perfect fit leaves rounding behind, never exactly 0.
    if residual <= 1e-20 * total:
        return Absent(reason=Reason.NO_RESIDUAL_VARIATION)
    freedom = 1 - 1 / len(y) - (left * left).sum(axis=1)
    robust = None
    if freedom.min() > _ROUNDING:
        robust = ((solver * (residuals / freedom)) ** 2).sum(axis=1).tolist()
    return _Fit(
        values=(solver @ y).tolist(),
        errors=((solver * solver).sum(axis=1) * (residual / df)).tolist(),
        robust_errors=robust,
        r_squared=1 - residual / total,
        df=df,
    )


def _robust_effect(fit: _Fit, sizes: tuple[int, int]) -> Comparison | Absent:
    if fit.robust_errors is None:
        return Absent(reason=Reason.FULL_LEVERAGE)
    return _group_effect(fit, fit.robust_errors[0], sizes, Method.HC3)


def _group_effect(fit: _Fit, squared_error: float, sizes: tuple[int, int], method: Method) -> Comparison | Absent:
    return t_comparison(Fraction(fit.values[0]), Fraction(squared_error), df=fit.df, method=method, sizes=sizes)


def _coefficient(fit: _Fit, column: int) -> Coefficient:
    robust = fit.robust_errors
    return Coefficient(
        value=fit.values[column],
        standard_error=sqrt(fit.errors[column]),
        robust_error=Absent(reason=Reason.FULL_LEVERAGE) if robust is None else sqrt(robust[column]),
    )
