"""Mean, standard deviation and quantiles of one variable, and the mean with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import sqrt

from registry.statistics.distributions import t_quantile
from registry.statistics.moments import Moments
from registry.statistics.results import (
    CONFIDENCE_LEVEL,
    Absent,
    Estimate,
    Method,
    Reason,
    Summary,
    TrajectoryPoint,
    shortage,
)


def summary(counts: Mapping[int, int]) -> Summary | Absent:
    """The n, mean, standard deviation and median of a variable given as value -> n.

    Formula: mean = S / n; sd = sqrt(sum of squared deviations / (n - 1)); median = type 7 quantile at 1/2.
    Units: points.
    Missing data: the counts hold only answers.
    Errors: absent when n = 0; the sd is absent when n < 2.
    Reference: R mean(), sd(), quantile(type = 7).
    """
    if not any(counts.values()):
        return Absent(reason=Reason.NO_ANSWERS)
    moments = Moments.from_counts(counts)
    return Summary(
        n=moments.n,
        mean=float(moments.mean),
        sd=shortage(moments.n, needed=2) or sqrt(moments.variance),
        median=quantile(counts, Fraction(1, 2)),
    )


def quantile(counts: Mapping[int, int], probability: Fraction) -> float:
    """The type 7 quantile of a variable given as value -> n.

    Formula: with h = (n - 1) p, k = floor h and x[0] the smallest value, x[k] + (h - k) (x[k + 1] - x[k]).
    Units: points.
    Errors: ValueError when there is no value or p lies outside 0 to 1.
    Reference: Hyndman and Fan, Am Stat 1996;50:361-5; R quantile(type = 7).
    """
    n = sum(counts.values())
    if n == 0 or not 0 <= probability <= 1:
        raise ValueError(f"no quantile {probability} of {n} values")
    position = (n - 1) * probability
    rank = int(position)
    lower, upper = _at_rank(counts, rank), _at_rank(counts, min(rank + 1, n - 1))
    return float(lower + (position - rank) * (upper - lower))


def mean_estimate(moments: Moments) -> Estimate | Absent:
    """A mean with its t interval.

    Formula: mean +- t(0.975, n - 1) sd / sqrt(n).
    Units: points; the interval of few values can leave the range of the scale and is not cut.
    Errors: absent when n < 2 or when all values are the same.
    Reference: R t.test().
    """
    if short := shortage(moments.n, needed=2):
        return short
    if moments.squares == 0:
        return Absent(reason=Reason.NO_VARIATION)
    return t_estimate(moments.mean, moments.squared_error, df=moments.n - 1, method=Method.T, n=moments.n)


def t_estimate(value: Fraction, squared_error: Fraction, *, df: float, method: Method, n: int) -> Estimate:
    """A value with the interval value +- t(0.975, df) standard errors.

    Formula: as said; the level is 95 %.
    Units: those of the value.
    Errors: none for df > 0.
    Reference: R confint().
    """
    half_width = t_quantile((1 + CONFIDENCE_LEVEL) / 2, df=df) * sqrt(squared_error)
    centre = float(value)
    return Estimate(
        value=centre,
        low=centre - half_width,
        high=centre + half_width,
        level=CONFIDENCE_LEVEL,
        method=method,
        n=n,
    )


def trajectory_point(counts: Mapping[int, int], *, months: float) -> TrajectoryPoint:
    """The mean of the scores given so many months after the operation, with its t interval.

    Formula: mean +- t(0.975, n - 1) sd / sqrt(n) over all who answered then.
    Units: points.
    Missing data: everyone who answered at that moment counts, with or without other answers.
    Errors: the mean is absent when n = 0, the interval when n < 2 or when all scores are the same.
    Reference: R t.test().
    """
    if not any(counts.values()):
        nothing = Absent(reason=Reason.NO_ANSWERS)
        return TrajectoryPoint(months=months, n=0, mean=nothing, interval=nothing)
    moments = Moments.from_counts(counts)
    return TrajectoryPoint(months=months, n=moments.n, mean=float(moments.mean), interval=mean_estimate(moments))


def _at_rank(counts: Mapping[int, int], rank: int) -> int:
    """The value at this place, from 0, among the values in ascending order."""
    passed = 0
    for value, n in sorted(counts.items()):
        passed += n
        if rank < passed:
            return value
    raise IndexError(rank)
