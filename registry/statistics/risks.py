"""The share of one group against that of another: risk difference, risk ratio, odds ratio, Fisher's exact test."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import exp, log, sqrt

from registry.statistics.distributions import normal_quantile
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

# What is added to each cell when one of them is empty.
CORRECTION = Fraction(1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio(Estimate):
    """A ratio with its interval; corrected when an empty cell had 0.5 added to it and to the other three."""

    is_corrected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskComparison:
    """The share of the first group against that of the second, with Fisher's exact P."""

    first: Proportion
    second: Proportion
    difference: Estimate
    risk_ratio: Ratio | Absent
    odds_ratio: Ratio | Absent
    p: float


def compared_shares(first: Proportion, second: Proportion) -> RiskComparison | Absent:
    """The share of the first group against that of the second, in all the ways there are.

    Formula: see risk_difference(), risk_ratio(), odds_ratio(); P: the sum of the probabilities of all tables with
    the same margins that are no more probable than this one.
    Units: shares from 0 to 1; ratios have none.
    Errors: absent when a group has n < 5; the ratios are absent when nobody or everybody of both groups counts.
    Reference: Fisher's exact test: R fisher.test().
    """
    if short := shortage(first.n, second.n, needed=SMALLEST_TESTED_GROUP):
        return short
    return RiskComparison(
        first=first,
        second=second,
        difference=risk_difference(first, second),
        risk_ratio=risk_ratio(first, second),
        odds_ratio=odds_ratio(first, second),
        p=_fisher_p(first, second),
    )


def risk_difference(first: Proportion, second: Proportion) -> Estimate:
    """The difference of two shares, first minus second, with Newcombe's interval.

    Formula: with the Wilson limits l and u of each share,
    low = d - sqrt((p1 - l1)^2 + (u2 - p2)^2), high = d + sqrt((u1 - p1)^2 + (p2 - l2)^2).
    Units: a difference of shares, from -1 to 1.
    Errors: none.
    Reference: Newcombe, Stat Med 1998;17:873-90, method 10.
    """
    value = float(Fraction(first.k, first.n) - Fraction(second.k, second.n))
    return Estimate(
        value=value,
        low=value - sqrt((first.value - first.low) ** 2 + (second.high - second.value) ** 2),
        high=value + sqrt((first.high - first.value) ** 2 + (second.value - second.low) ** 2),
        level=CONFIDENCE_LEVEL,
        method=Method.NEWCOMBE,
        n=first.n + second.n,
    )


def risk_ratio(first: Proportion, second: Proportion) -> Ratio | Absent:
    """The share of the first group divided by that of the second.

    Formula: p1 / p2; exp(log +- z(0.975) sqrt(1 / k1 - 1 / n1 + 1 / k2 - 1 / n2)). When one of the four cells is
    empty, 0.5 is added to each, so that n grows by 1, and the result says so.
    Units: none.
    Errors: absent when nobody or everybody of both groups counts.
    Reference: Katz et al., Biometrics 1978;34:469-74.
    """
    cells = _cells(first, second)
    if isinstance(cells, Absent):
        return cells
    yes_1, no_1, yes_2, no_2 = cells
    n_1, n_2 = yes_1 + no_1, yes_2 + no_2
    variance = 1 / yes_1 - 1 / n_1 + 1 / yes_2 - 1 / n_2
    return _ratio((yes_1 / n_1) / (yes_2 / n_2), variance, first, second)


def odds_ratio(first: Proportion, second: Proportion) -> Ratio | Absent:
    """The odds of the first group divided by those of the second.

    Formula: a d / (b c) of the four cells; exp(log +- z(0.975) sqrt(1 / a + 1 / b + 1 / c + 1 / d)). When one of
    them is empty, 0.5 is added to each, and the result says so.
    Units: none.
    Errors: absent when nobody or everybody of both groups counts.
    Reference: Woolf, Ann Hum Genet 1955;19:251-3; 0.5: Haldane, Ann Hum Genet 1956;20:309-11.
    """
    cells = _cells(first, second)
    if isinstance(cells, Absent):
        return cells
    yes_1, no_1, yes_2, no_2 = cells
    variance = 1 / yes_1 + 1 / no_1 + 1 / yes_2 + 1 / no_2
    return _ratio((yes_1 * no_2) / (no_1 * yes_2), variance, first, second)


def _cells(first: Proportion, second: Proportion) -> tuple[Fraction, ...] | Absent:
    """Those who count and those who do not, of the first group and of the second."""
    counts = (first.k, first.n - first.k, second.k, second.n - second.k)
    if counts[0] == counts[2] == 0 or counts[1] == counts[3] == 0:
        return Absent(reason=Reason.NO_VARIATION)
    added = CORRECTION if _is_corrected(first, second) else 0
    return tuple(Fraction(count) + added for count in counts)


def _is_corrected(first: Proportion, second: Proportion) -> bool:
    return any(share.k in (0, share.n) for share in (first, second))


def _ratio(value: Fraction, variance: Fraction, first: Proportion, second: Proportion) -> Ratio:
    half_width = normal_quantile((1 + CONFIDENCE_LEVEL) / 2) * sqrt(variance)
    return Ratio(
        value=float(value),
        low=exp(log(value) - half_width),
        high=exp(log(value) + half_width),
        level=CONFIDENCE_LEVEL,
        method=Method.LOG,
        n=first.n + second.n,
        is_corrected=_is_corrected(first, second),
    )


def _fisher_p(first: Proportion, second: Proportion) -> float:
    # Here and not above: a process that makes no report must not load scipy.
    from scipy.stats import fisher_exact

    return float(fisher_exact([[first.k, first.n - first.k], [second.k, second.n - second.k]]).pvalue)
