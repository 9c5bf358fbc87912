"""Beside the adjusted difference: robust errors, one slope a group, and the scores after as they stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import fsum

from registry.statistics.comparison import compared_by_t, welch
from registry.statistics.moments import Moments, PairMoments
from registry.statistics.results import (
    SMALLEST_TESTED_GROUP,
    Absent,
    Comparison,
    Method,
    Reason,
    shortage,
)
from registry.statistics.score_table import ScoreTable


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopeComparison(Comparison):
    """The slope of after on before in the first group minus that in the second, with both slopes."""

    slope_first: float
    slope_second: float


def robust_adjusted_difference(first: ScoreTable, second: ScoreTable) -> Comparison | Absent:
    """The adjusted difference of ancova() with a standard error that allows the spread to differ (HC3).

    Formula: with e the residual and h the leverage of a patient in after ~ before + group,
    se^2 = sum of c^2 e^2 / (1 - h)^2, where the estimate is the sum of c * after:
    c = +-1 / n of the group - (mean before 1 - mean before 2) (before - mean of the group) / Sxx and
    h = 1 / n of the group + (before - mean of the group)^2 / Sxx; t = estimate / se with df = n - 3.
    Units: points.
    Missing data: patients with both scores.
    Errors: absent when a group has n < 5, before does not vary within the groups, one patient alone decides
    a coefficient (h = 1), or no residual reaches the difference.
    Reference: MacKinnon and White, J Econom 1985;29:305-25; Long and Ervin, Am Stat 2000;54:217-24;
    R sandwich::vcovHC(type = "HC3").
    """
    if short := shortage(first.n_both, second.n_both, needed=SMALLEST_TESTED_GROUP):
        return short
    line = _common_line(first.moments, second.moments)
    if isinstance(line, Absent):
        return line
    shares = [*_error_shares(first, line, sign=1), *_error_shares(second, line, sign=-1)]
    if None in shares:
        return Absent(reason=Reason.FULL_LEVERAGE)
    squared_error = Fraction(fsum(share for share in shares if share))
    df = first.n_both + second.n_both - 3
    return t_comparison(line.difference, squared_error, df=df, method=Method.HC3, sizes=(first.n_both, second.n_both))


def slope_difference(first: ScoreTable, second: ScoreTable) -> SlopeComparison | Absent:
    """The difference between the two slopes of after on before, first minus second (interaction).

    Formula: b = Sxy / Sxx within each group, estimate = b1 - b2,
    s^2 = (residual sums of squares of both groups) / (n - 4), se^2 = s^2 (1 / Sxx1 + 1 / Sxx2);
    t = estimate / se with df = n - 4.
    Units: points after per point before.
    Missing data: patients with both scores.
    Errors: absent when a group has n < 5, before does not vary in one of the groups, or both fits are perfect.
    Reference: R lm(after ~ before * group).
    """
    if short := shortage(first.n_both, second.n_both, needed=SMALLEST_TESTED_GROUP):
        return short
    one, two = first.moments, second.moments
    if 0 in (one.before.squares, two.before.squares):
        return Absent(reason=Reason.NO_VARIATION_BEFORE)
    slopes = (one.products / one.before.squares, two.products / two.before.squares)
    df = one.n + two.n - 4
    variance = (_residual_squares(one) + _residual_squares(two)) / df
    squared_error = variance * (1 / one.before.squares + 1 / two.before.squares)
    found = t_comparison(slopes[0] - slopes[1], squared_error, df=df, method=Method.INTERACTION, sizes=(one.n, two.n))
    if isinstance(found, Absent):
        return found
    return SlopeComparison(
        estimate=found.estimate,
        standard_error=found.standard_error,
        test=found.test,
        n_first=one.n,
        n_second=two.n,
        slope_first=float(slopes[0]),
        slope_second=float(slopes[1]),
    )


def after_difference(first: ScoreTable, second: ScoreTable) -> Comparison | Absent:
    """The difference of the mean score after between two groups, first minus second (Welch).

    Formula, units, errors and reference: see comparison.welch().
    Missing data: patients with both scores, so that its n is that of the difference in change.
    """
    if short := shortage(first.n_both, second.n_both, needed=SMALLEST_TESTED_GROUP):
        return short
    return welch(first.moments.after, second.moments.after)


def t_comparison(
    difference: Fraction, squared_error: Fraction, *, df: int, method: Method, sizes: tuple[int, int]
) -> Comparison | Absent:
    """A difference with its t interval and t test from its squared standard error.

    Formula: difference +- t(0.975, df) se; t = difference / se.
    Units: those of the difference.
    Errors: absent when the squared error is 0.
    Reference: R confint(), summary.lm().
    """
    if squared_error == 0:
        return Absent(reason=Reason.NO_RESIDUAL_VARIATION)
    return compared_by_t(difference, squared_error, df=df, method=method, sizes=sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CommonLine:
    """The exact fit of after ~ before + group, and what the weights of the patients in it are made of."""

    slope: Fraction
    difference: Fraction
    gap_before: Fraction
    within: Fraction


def _common_line(first: PairMoments, second: PairMoments) -> _CommonLine | Absent:
    within = first.before.squares + second.before.squares
    if within == 0:
        return Absent(reason=Reason.NO_VARIATION_BEFORE)
    slope = (first.products + second.products) / within
    gap_before = first.before.mean - second.before.mean
    return _CommonLine(
        slope=slope,
        difference=first.after.mean - second.after.mean - slope * gap_before,
        gap_before=gap_before,
        within=within,
    )


def _error_shares(table: ScoreTable, line: _CommonLine, *, sign: int) -> Iterator[float | None]:
    """What the patients of one score before add to the squared error; None where one decides the fit alone.

    Leverage and weight depend on the score before alone, so the sum over its patients is exact from three sums.
    """
    moments = table.moments
    for before, after in _after_by_before(table).items():
        deviation = before - moments.before.mean
        freedom = 1 - Fraction(1, moments.n) - deviation * deviation / line.within
        if freedom == 0:
            yield None
            continue
        fitted = moments.after.mean + line.slope * deviation
        squares = after.squares + after.n * (after.mean - fitted) ** 2
        weight = Fraction(sign, moments.n) - line.gap_before * deviation / line.within
        yield float(squares * (weight / freedom) ** 2)


def _after_by_before(table: ScoreTable) -> dict[int, Moments]:
    counts: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for before, after, n in table.pairs:
        counts[before][after] = n
    return {before: Moments.from_counts(after) for before, after in counts.items()}


def _residual_squares(moments: PairMoments) -> Fraction:
    return moments.after.squares - moments.products**2 / moments.before.squares
