"""Before and after within one group."""

from __future__ import annotations

from math import sqrt

from registry.statistics.distributions import two_sided_p
from registry.statistics.moments import Moments
from registry.statistics.results import (
    SMALLEST_TESTED_GROUP,
    Absent,
    MeanChange,
    Reason,
    TTest,
    shortage,
)
from registry.statistics.score_table import ScoreTable
from registry.statistics.summary import mean_estimate


def mean_change(table: ScoreTable) -> MeanChange | Absent:
    """The mean of after - before with its t interval and the paired t test; negative is better.

    Formula: with d = after - before, mean(d) +- t(0.975, n - 1) sd(d) / sqrt(n);
    t = mean(d) sqrt(n) / sd(d) with df = n - 1.
    Units: points.
    Missing data: patients with both scores.
    Errors: absent when n = 0, n < 2 or every change is the same; the test alone is absent when n < 5.
    Reference: R t.test(after, before, paired = TRUE).
    """
    if short := shortage(table.n_both, needed=2):
        return short
    change = table.moments.change
    estimate = mean_estimate(change)
    if isinstance(estimate, Absent):
        return estimate
    return MeanChange(estimate=estimate, standard_error=sqrt(change.squared_error), test=paired_t_test(change))


def paired_t_test(change: Moments) -> TTest | Absent:
    """The two-sided test that the mean change is 0.

    Formula: t = mean / (sd / sqrt(n)), df = n - 1.
    Units: none.
    Errors: absent when n < 5 or every change is the same.
    Reference: R t.test().
    """
    if short := shortage(change.n, needed=SMALLEST_TESTED_GROUP):
        return short
    if change.squares == 0:
        return Absent(reason=Reason.NO_VARIATION)
    t = float(change.mean) / sqrt(change.squared_error)
    return TTest(t=t, df=change.n - 1, p=two_sided_p(t, df=change.n - 1))
