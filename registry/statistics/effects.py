"""How large a change is: standardised, correlated, in percent, and where the scores lie on the scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import atanh, exp, lgamma, sqrt, tanh

from registry.domain.instruments import LOWEST_SCORE
from registry.statistics.distributions import normal_quantile
from registry.statistics.moments import Moments
from registry.statistics.responders import proportion
from registry.statistics.results import (
    CONFIDENCE_LEVEL,
    SMALLEST_TESTED_GROUP,
    Absent,
    Estimate,
    Method,
    Proportion,
    Reason,
    shortage,
)
from registry.statistics.score_table import ScoreTable
from registry.statistics.summary import quantile

CEILING_FROM = 95


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Pearson's r of after with before, from -1 to 1."""

    value: float
    interval: Estimate | Absent
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentageChange:
    """The change in percent of the score before; patients with before = 0 have none of their own."""

    of_means: float
    mean_of_individuals: float
    n: int
    n_zero_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quartiles:
    """A quarter of the scores lies at or below the first, a quarter at or above the third, in points."""

    first: float
    third: float


def change_effect(first: ScoreTable, second: ScoreTable) -> Estimate | Absent:
    """The difference of the mean change between two groups in standard deviations, first minus second.

    Formula, units, errors and reference: see hedges_g().
    Missing data: patients with both scores.
    """
    if short := shortage(first.n_both, second.n_both, needed=SMALLEST_TESTED_GROUP):
        return short
    return hedges_g(first.moments.change, second.moments.change)


def hedges_g(first: Moments, second: Moments) -> Estimate | Absent:
    """The difference of two means in pooled standard deviations, without the bias of small groups.

    Formula: g = J (mean 1 - mean 2) / s, s^2 = (squares 1 + squares 2) / df, df = n1 + n2 - 2,
    J = Gamma(df / 2) / (sqrt(df / 2) Gamma((df - 1) / 2));
    g +- z(0.975) sqrt(1 / n1 + 1 / n2 + g^2 / (2 (n1 + n2))), the large-sample variance.
    Units: standard deviations of the change.
    Errors: absent when a group has n < 5 or neither group varies.
    Reference: Hedges, J Educ Stat 1981;6:107-28; interval: Hedges and Olkin, Statistical Methods for Meta-Analysis,
    1985, 5.E; R metafor::escalc(measure = "SMD").
    """
    if short := shortage(first.n, second.n, needed=SMALLEST_TESTED_GROUP):
        return short
    df = first.n + second.n - 2
    pooled = (first.squares + second.squares) / df
    if pooled == 0:
        return Absent(reason=Reason.NO_VARIATION)
    g = _small_sample_correction(df) * float(first.mean - second.mean) / sqrt(pooled)
    n = first.n + second.n
    return _normal_estimate(g, squared_error=1 / first.n + 1 / second.n + g * g / (2 * n), n=n)


def standardised_change(table: ScoreTable) -> Estimate | Absent:
    """The mean change within a group in standard deviations of the change (d_z).

    Formula: d = mean / sd of after - before, uncorrected; d +- z(0.975) sqrt(1 / n + d^2 / (2 n)).
    Units: standard deviations of the change; not comparable with those of the scores.
    Missing data: patients with both scores.
    Errors: absent when n < 5 or every change is the same.
    Reference: Lakens, Front Psychol 2013;4:863; interval: Gibbons et al., J Educ Stat 1993;18:271-9.
    """
    if short := shortage(table.n_both, needed=SMALLEST_TESTED_GROUP):
        return short
    change = table.moments.change
    if change.squares == 0:
        return Absent(reason=Reason.NO_VARIATION)
    d = float(change.mean) / sqrt(change.variance)
    return _normal_estimate(d, squared_error=1 / change.n + d * d / (2 * change.n), n=change.n)


def correlation(table: ScoreTable) -> Correlation | Absent:
    """Pearson's correlation of the scores after with the scores before.

    Formula: r = Sxy / sqrt(Sxx Syy); interval: tanh(atanh(r) +- z(0.975) / sqrt(n - 3)).
    Units: none.
    Missing data: patients with both scores.
    Errors: absent when n < 2, or before or after does not vary; the interval is absent when n < 5 or r is 1 or -1.
    Reference: Fisher, Metron 1921;1:3-32; R cor.test().
    """
    if short := shortage(table.n_both, needed=2):
        return short
    moments = table.moments
    if moments.before.squares == 0:
        return Absent(reason=Reason.NO_VARIATION_BEFORE)
    if moments.after.squares == 0:
        return Absent(reason=Reason.NO_VARIATION)
    determined = moments.products**2 / (moments.before.squares * moments.after.squares)
    r = sqrt(determined) if moments.products > 0 else -sqrt(determined)
    return Correlation(value=r, interval=_fisher_interval(r, n=moments.n), n=moments.n)


def percentage_change(table: ScoreTable) -> PercentageChange | Absent:
    """The change in percent of the score before, of the means and as the mean over patients; negative is better.

    Formula: 100 (mean after - mean before) / mean before over all with both scores;
    mean of 100 (after - before) / before over those of them with before > 0, which n counts.
    Units: percent.
    Missing data: patients with both scores; n_zero_before of them enter the first number and not the second.
    Errors: absent when nobody has both scores, or nobody of them a score before above 0.
    Reference: Vickers, BMC Med Res Methodol 2001;1:6, on why the second is no outcome to compare groups by.
    """
    if short := shortage(table.n_both, needed=1):
        return short
    moments = table.moments
    eligible = [(before, after, n) for before, after, n in table.pairs if before > 0]
    if not eligible:
        return Absent(reason=Reason.ZERO_BEFORE)
    n = sum(count for _, _, count in eligible)
    # One fraction for each score before, not for each pair.
    changes: Counter[int] = Counter()
    for before, after, count in eligible:
        changes[before] += count * (after - before)
    total = sum((Fraction(100 * change, before) for before, change in changes.items()), Fraction())
    return PercentageChange(
        of_means=float(100 * moments.change.mean / moments.before.mean),
        mean_of_individuals=float(total / n),
        n=n,
        n_zero_before=table.n_both - n,
    )


def at_floor(counts: Mapping[int, int]) -> Proportion | Absent:
    """The share of scores at 0, from which nobody can improve.

    Formula, errors and reference: see proportion().
    Units: a share from 0 to 1.
    Missing data: the counts hold only answers.
    """
    return proportion(counts.get(LOWEST_SCORE, 0), sum(counts.values()))


def at_ceiling(counts: Mapping[int, int]) -> Proportion | Absent:
    """The share of scores from 95 to 100, which leave hardly any room to get worse.

    Formula, errors and reference: see proportion().
    Units: a share from 0 to 1.
    Missing data: the counts hold only answers.
    """
    return proportion(sum(n for score, n in counts.items() if score >= CEILING_FROM), sum(counts.values()))


def quartiles(counts: Mapping[int, int]) -> Quartiles | Absent:
    """The first and the third quartile of a variable given as value -> n.

    Formula and reference: see quantile(), at 1/4 and 3/4.
    Units: points.
    Missing data: the counts hold only answers.
    Errors: absent when n = 0.
    """
    if not any(counts.values()):
        return Absent(reason=Reason.NO_ANSWERS)
    return Quartiles(first=quantile(counts, Fraction(1, 4)), third=quantile(counts, Fraction(3, 4)))


def _small_sample_correction(df: int) -> float:
    # By logarithms: the gamma function itself overflows at df = 342.
    return exp(lgamma(df / 2) - lgamma((df - 1) / 2)) / sqrt(df / 2)


def _normal_estimate(value: float, *, squared_error: float, n: int) -> Estimate:
    half_width = normal_quantile((1 + CONFIDENCE_LEVEL) / 2) * sqrt(squared_error)
    return Estimate(
        value=value,
        low=value - half_width,
        high=value + half_width,
        level=CONFIDENCE_LEVEL,
        method=Method.LARGE_SAMPLE,
        n=n,
    )


def _fisher_interval(r: float, *, n: int) -> Estimate | Absent:
    if short := shortage(n, needed=SMALLEST_TESTED_GROUP):
        return short
    if abs(r) == 1:
        return Absent(reason=Reason.NO_RESIDUAL_VARIATION)
    half_width = normal_quantile((1 + CONFIDENCE_LEVEL) / 2) / sqrt(n - 3)
    return Estimate(
        value=r,
        low=tanh(atanh(r) - half_width),
        high=tanh(atanh(r) + half_width),
        level=CONFIDENCE_LEVEL,
        method=Method.FISHER_Z,
        n=n,
    )
