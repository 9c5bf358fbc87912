"""The share of patients with at least so much relief."""

from __future__ import annotations

from math import sqrt

from registry.statistics.distributions import normal_quantile
from registry.statistics.results import CONFIDENCE_LEVEL, Absent, Method, Proportion, Reason
from registry.statistics.score_table import ScoreTable


def responders(table: ScoreTable, *, at_least_percent: int) -> Proportion | Absent:
    """The share whose score fell by at least this percentage of the score before.

    Formula: 100 (before - after) >= percent * before, in whole numbers; Wilson interval.
    Units: a share from 0 to 1.
    Missing data: patients with both scores and before > 0; the n of the result is their number.
    Errors: absent when there is no such patient.
    Reference: see proportion().
    """
    eligible = [(before, after, n) for before, after, n in table.pairs if before > 0]
    k = sum(n for before, after, n in eligible if 100 * (before - after) >= at_least_percent * before)
    return proportion(k, sum(n for _, _, n in eligible))


def proportion(k: int, n: int) -> Proportion | Absent:
    """The share k / n with its Wilson interval.

    Formula: (k + z^2 / 2 +- z sqrt(k (n - k) / n + z^2 / 4)) / (n + z^2), z the normal quantile at 0.975.
    Units: a share from 0 to 1.
    Errors: absent when n = 0; ValueError when k is not within 0 and n.
    Reference: Wilson, J Am Stat Assoc 1927;22:209-12; R prop.test(correct = FALSE).
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a share")
    if n == 0:
        return Absent(reason=Reason.NO_ANSWERS)
    low, high = _wilson_interval(k, n)
    return Proportion(k=k, n=n, value=k / n, low=low, high=high, level=CONFIDENCE_LEVEL, method=Method.WILSON)


def _wilson_interval(k: int, n: int) -> tuple[float, float]:
    z = normal_quantile((1 + CONFIDENCE_LEVEL) / 2)
    centre = k + z * z / 2
    half_width = z * sqrt(k * (n - k) / n + z * z / 4)
    # The formula gives these two ends exactly; rounding would leave them a hair outside.
    low = 0.0 if k == 0 else (centre - half_width) / (n + z * z)
    high = 1.0 if k == n else (centre + half_width) / (n + z * z)
    return low, high
