"""One group against another: the adjusted difference (ANCOVA) and the difference in change (Welch)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

from registry.statistics.distributions import two_sided_p
from registry.statistics.moments import Moments, PairMoments
from registry.statistics.results import (
    SMALLEST_TESTED_GROUP,
    Absent,
    AdjustedComparison,
    Comparison,
    Method,
    Reason,
    TTest,
    shortage,
)
from registry.statistics.score_table import ScoreTable
from registry.statistics.summary import t_estimate


def adjusted_difference(first: ScoreTable, second: ScoreTable) -> AdjustedComparison | Absent:
    """The difference of after between two groups at equal before, first minus second (ANCOVA).

    Formula, units, errors and reference: see ancova().
    Missing data: patients with both scores.
    """
    if short := shortage(first.n_both, second.n_both, needed=SMALLEST_TESTED_GROUP):
        return short
    return ancova(first.moments, second.moments)


def change_difference(first: ScoreTable, second: ScoreTable) -> Comparison | Absent:
    """The difference of the mean change between two groups, first minus second (Welch).

    Formula, units, errors and reference: see welch().
    Missing data: patients with both scores.
    """
    if short := shortage(first.n_both, second.n_both, needed=SMALLEST_TESTED_GROUP):
        return short
    return welch(first.moments.change, second.moments.change)


def ancova(first: PairMoments, second: PairMoments) -> AdjustedComparison | Absent:
    """The least-squares fit of after ~ before + group with one slope for both groups.

    Formula: with sums of squares and products within the groups, b = Sxy / Sxx,
    estimate = (mean after 1 - mean after 2) - b (mean before 1 - mean before 2),
    s^2 = (Syy - Sxy^2 / Sxx) / (n - 3), se^2 = s^2 (1/n1 + 1/n2 + (mean before 1 - mean before 2)^2 / Sxx),
    R^2 = 1 - residual / total sum of squares; t = estimate / se with df = n - 3.
    Units: points; the slope is points after per point before.
    Errors: absent when a group has n < 5, before does not vary within the groups, or the fit is perfect.
    Reference: Vickers and Altman, BMJ 2001;323:1123-4; R lm(after ~ before + group).
    """
    if short := shortage(first.n, second.n, needed=SMALLEST_TESTED_GROUP):
        return short
    fit = _pooled_fit(first, second)
    if isinstance(fit, Absent):
        return fit
    df = first.n + second.n - 3
    compared = compared_by_t(
        fit.difference,
        fit.residual / df * fit.leverage,
        df=df,
        method=Method.ANCOVA,
        sizes=(first.n, second.n),
    )
    return AdjustedComparison(
        estimate=compared.estimate,
        standard_error=compared.standard_error,
        test=compared.test,
        n_first=first.n,
        n_second=second.n,
        slope=float(fit.slope),
        r_squared=float(1 - fit.residual / fit.total),
    )


def welch(first: Moments, second: Moments) -> Comparison | Absent:
    """The difference of two means, first minus second, without assuming equal variances.

    Formula: with v = s^2 / n of each group, se^2 = v1 + v2,
    df = (v1 + v2)^2 / (v1^2 / (n1 - 1) + v2^2 / (n2 - 1)).
    Units: points.
    Errors: absent when a group has n < 5 or neither group varies.
    Reference: Welch, Biometrika 1947;34:28-35; R t.test(var.equal = FALSE).
    """
    if short := shortage(first.n, second.n, needed=SMALLEST_TESTED_GROUP):
        return short
    if first.squares == second.squares == 0:
        return Absent(reason=Reason.NO_VARIATION)
    one, two = first.squared_error, second.squared_error
    df = (one + two) ** 2 / (one**2 / (first.n - 1) + two**2 / (second.n - 1))
    return compared_by_t(
        first.mean - second.mean, one + two, df=float(df), method=Method.WELCH, sizes=(first.n, second.n)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _PooledFit:
    """The exact least-squares fit; the variance of the difference is leverage times the residual variance."""

    slope: Fraction
    difference: Fraction
    leverage: Fraction
    residual: Fraction
    total: Fraction


def _pooled_fit(first: PairMoments, second: PairMoments) -> _PooledFit | Absent:
    within_before = first.before.squares + second.before.squares
    within_after = first.after.squares + second.after.squares
    if within_before == 0:
        return Absent(reason=Reason.NO_VARIATION_BEFORE)
    slope = (first.products + second.products) / within_before
    residual = within_after - slope * slope * within_before
    if residual == 0:
        return Absent(reason=Reason.NO_RESIDUAL_VARIATION)
    gap_before = first.before.mean - second.before.mean
    gap_after = first.after.mean - second.after.mean
    reciprocals = Fraction(1, first.n) + Fraction(1, second.n)
    return _PooledFit(
        slope=slope,
        difference=gap_after - slope * gap_before,
        leverage=reciprocals + gap_before * gap_before / within_before,
        residual=residual,
        total=within_after + gap_after * gap_after / reciprocals,
    )


def compared_by_t(
    difference: Fraction, squared_error: Fraction, *, df: float, method: Method, sizes: tuple[int, int]
) -> Comparison:
    """A difference with its t interval and t test.

    Formula: difference +- t(0.975, df) se; t = difference / se, se the root of the squared error.
    Units: those of the difference.
    Errors: ZeroDivisionError when the squared error is 0, which the callers rule out.
    Reference: R confint(), summary.lm().
    """
    standard_error = sqrt(squared_error)
    t = float(difference) / standard_error
    return Comparison(
        estimate=t_estimate(difference, squared_error, df=df, method=method, n=sum(sizes)),
        standard_error=standard_error,
        test=TTest(t=t, df=df, p=two_sided_p(t, df=df)),
        n_first=sizes[0],
        n_second=sizes[1],
    )
