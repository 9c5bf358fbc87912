"""The difference in mean change with an interval that assumes no distribution, by resampling the counts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import erfc, sqrt
from typing import Any

from registry.statistics.distributions import normal_quantile
from registry.statistics.results import (
    CONFIDENCE_LEVEL,
    SMALLEST_TESTED_GROUP,
    Absent,
    Estimate,
    Method,
    Reason,
    shortage,
)
from registry.statistics.score_table import ScoreTable

N_RESAMPLES = 5_000
N_BINS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ResamplePlan:
    """All that is needed to draw the same resamples again, with any program that has this generator.

    One generator draws `n_resamples` rows of multinomial counts for the first group, then for the second;
    the columns are the values, the probabilities are their counts / n.
    """

    seed: int
    generator: str
    n_resamples: int
    values_first: tuple[int, ...]
    counts_first: tuple[int, ...]
    values_second: tuple[int, ...]
    counts_second: tuple[int, ...]

    @property
    def n_first(self) -> int:
        """The patients of the first group, in each resample too."""
        return sum(self.counts_first)

    @property
    def n_second(self) -> int:
        """The patients of the second group, in each resample too."""
        return sum(self.counts_second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many values lie between each edge and the next; the last bin holds its upper edge too."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapDifference:
    """The first group's mean change minus the second's, with its bias-corrected and accelerated interval."""

    estimate: Estimate
    bias_correction: float
    acceleration: float
    resampled: Histogram
    plan: ResamplePlan


def bootstrap_difference(
    first: ScoreTable, second: ScoreTable, *, seed: int, n_resamples: int = N_RESAMPLES
) -> BootstrapDifference | Absent:
    """The difference of the mean change between two groups with its BCa bootstrap interval, first minus second.

    Formula: z0 = normal quantile of the share of resamples below the estimate (equal ones count half);
    a = sum of U^3 / (6 (sum of U^2)^(3/2)) over the patients of both groups, with the influence that the jackknife
    gives for a mean: U = (change - mean of the group) / n of the group, negative in the second group;
    ends = type 7 quantiles of the resamples at F(z0 + (z0 +- z) / (1 - a (z0 +- z))), z the normal quantile at 0.975.
    Units: points.
    Missing data: patients with both scores.
    Errors: absent when a group has n < 5, neither group's change varies, or all resamples lie on one side;
    ValueError without a resample.
    Reference: Efron, J Am Stat Assoc 1987;82:171-85; Davison and Hinkley, Bootstrap Methods, 1997, 5.3;
    the witness reads our resamples.
    """
    if short := shortage(first.n_both, second.n_both, needed=SMALLEST_TESTED_GROUP):
        return short
    moments = (first.moments.change, second.moments.change)
    if not any(moment.squares for moment in moments):
        return Absent(reason=Reason.NO_VARIATION)
    plan = resample_plan(first, second, seed=seed, n_resamples=n_resamples)
    differences = resampled_differences(plan)
    estimate = moments[0].mean - moments[1].mean
    share_below = _share_below(differences, estimate, plan)
    if share_below in (0, 1):
        return Absent(reason=Reason.NO_VARIATION)
    bias_correction, acceleration = normal_quantile(share_below), _acceleration(first, second)
    resampled = differences / _scale(plan)
    return BootstrapDifference(
        estimate=_estimate(estimate, _ends(resampled, bias_correction, acceleration), n=plan.n_first + plan.n_second),
        bias_correction=bias_correction,
        acceleration=acceleration,
        resampled=_histogram(resampled),
        plan=plan,
    )


def resample_plan(first: ScoreTable, second: ScoreTable, *, seed: int, n_resamples: int = N_RESAMPLES) -> ResamplePlan:
    """What to draw: the changes of both groups with their counts, the seed and how often.

    Missing data: patients with both scores.
    Errors: ValueError without a resample.
    """
    if n_resamples < 1:
        raise ValueError(f"{n_resamples} is no number of resamples")
    one, two = first.change_counts, second.change_counts
    return ResamplePlan(
        seed=seed,
        generator="numpy.random.Generator(PCG64(seed)).multinomial",
        n_resamples=n_resamples,
        values_first=tuple(one),
        counts_first=tuple(one.values()),
        values_second=tuple(two),
        counts_second=tuple(two.values()),
    )


def resampled_counts(plan: ResamplePlan) -> tuple[Any, Any]:
    """The resamples of both groups: integer arrays with a row for each resample and a column for each value.

    Formula: a resample of n patients with replacement is a multinomial draw of n with probabilities counts / n.
    Errors: none for a plan from resample_plan(); the draws depend on the version of numpy, whose generators may
    change between versions.
    Reference: numpy.random.Generator.multinomial.
    """
    import numpy as np

    generator = np.random.Generator(np.random.PCG64(plan.seed))

    def draws(counts: tuple[int, ...]) -> Any:
        n = sum(counts)
        return generator.multinomial(n, np.array(counts) / n, size=plan.n_resamples)

    # One after the other: the second group's draws begin where the first group's end.
    first = draws(plan.counts_first)
    return first, draws(plan.counts_second)


def resampled_differences(plan: ResamplePlan) -> Any:
    """The difference of the mean changes in each resample, times n1 n2, as exact integers.

    Formula: n2 * sum of the changes of group 1 - n1 * sum of the changes of group 2.
    """
    import numpy as np

    first, second = resampled_counts(plan)
    return plan.n_second * (first @ np.array(plan.values_first)) - plan.n_first * (
        second @ np.array(plan.values_second)
    )


def _estimate(value: Fraction, ends: tuple[float, float], *, n: int) -> Estimate:
    low, high = ends
    return Estimate(value=float(value), low=low, high=high, level=CONFIDENCE_LEVEL, method=Method.BCA, n=n)


def _scale(plan: ResamplePlan) -> int:
    return plan.n_first * plan.n_second


def _share_below(differences: Any, estimate: Fraction, plan: ResamplePlan) -> float:
    # Whole numbers compared with whole numbers: a tie is a tie.
    whole = int(estimate * _scale(plan))
    below, equal = int((differences < whole).sum()), int((differences == whole).sum())
    return (below + equal / 2) / len(differences)


def _acceleration(first: ScoreTable, second: ScoreTable) -> float:
    cubes, squares = Fraction(0), Fraction(0)
    for table, sign in ((first, 1), (second, -1)):
        mean = table.moments.change.mean
        for change, n in table.change_counts.items():
            influence = sign * (change - mean) / table.n_both
            cubes += n * influence**3
            squares += n * influence**2
    return float(cubes) / (6 * sqrt(squares) ** 3)


def _ends(differences: Any, bias_correction: float, acceleration: float) -> tuple[float, float]:
    import numpy as np

    z = normal_quantile((1 + CONFIDENCE_LEVEL) / 2)
    moved = (bias_correction - z, bias_correction + z)
    shares = [_normal_share(bias_correction + m / (1 - acceleration * m)) for m in moved]
    low, high = np.quantile(differences, shares)
    return float(low), float(high)


def _normal_share(z: float) -> float:
    return erfc(-z / sqrt(2)) / 2


def _histogram(differences: Any) -> Histogram:
    import numpy as np

    counts, edges = np.histogram(differences, bins=N_BINS)
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))
