"""Those who did not answer: how they differed before, and what their answers would have to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from registry.domain.instruments import HIGHEST_SCORE, LOWEST_SCORE
from registry.statistics.comparison import ancova
from registry.statistics.moments import Moments
from registry.statistics.results import (
    SMALLEST_TESTED_GROUP,
    Absent,
    AdjustedComparison,
    Estimate,
    Method,
    Reason,
    shortage,
)
from registry.statistics.score_table import ScoreTable
from registry.statistics.table_one import ContinuousBalance, continuous_balance


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingGroup:
    """One group's missing scores: what is assumed of them, and by how much they would have to differ from it.

    `weight` is what one point more in each of them adds to the adjusted difference.
    """

    n_answered: int
    n_missing: int
    weight: float
    imputed_mean: float | Absent
    tipping_delta: float | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class TippingPoint:
    """What it takes for the interval of the adjusted difference to include 0, or no longer to."""

    adjusted: AdjustedComparison
    excludes_zero: bool
    first: MissingGroup
    second: MissingGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaScenario:
    """The adjusted difference if the missing differed by so many points from what is assumed of them."""

    delta_first: int
    delta_second: int
    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceBounds:
    """The lowest and the highest difference that the missing scores leave possible, first minus second, in points."""

    after_low: float
    after_high: float
    change_low: float
    change_high: float
    n_first: int
    n_second: int
    n_missing_first: int
    n_missing_second: int


def answered_against_missing(table: ScoreTable) -> ContinuousBalance:
    """The score before of those who have a score after (first) against those who have none (second).

    Formula, units, errors and reference: see table_one.continuous_balance().
    Missing data: patients without a score before are counted as missing on their side.
    """
    answered: dict[int | None, int] = {}
    missing: dict[int | None, int] = {}
    for before, after, n in table.cells:
        side = missing if after is None else answered
        side[before] = side.get(before, 0) + n
    return continuous_balance(answered, missing)


def tipping_point(first: ScoreTable, second: ScoreTable) -> TippingPoint | Absent:
    """By how many points the missing of one group must differ for the adjusted difference to change its verdict.

    Formula: a missing score is taken as the group's ANCOVA line at the patient's score before, plus delta.
    Then the adjusted difference of all is the ancova() one plus weight1 delta1 + weight2 delta2, and
    weight1 = q1 - g d1, weight2 = -q2 - g d2: q the share missing of those with a score before, g the gap between
    the groups' means before, d = n missing (mean before of the missing - of the group) / Sxx, all over
    everyone with a score before. Tipping delta = -(end of the interval that lies nearest to 0) / weight;
    where the difference is exactly 0 both ends are as near, and the lower one is taken.
    Units: points of the score after; positive means more pain than assumed.
    Assumptions: without delta the missing follow the same line as the answered (missing at random given the score
    before and the group); who is missing, the scores before and delta are taken as fixed, so the interval moves and
    keeps its width; everyone missing in a group differs by the same delta; scores may leave the scale
    (compare imputed mean + delta with 0 and 100).
    Missing data: patients with a score before; without one nothing can be assumed, and they are left out.
    Errors: absent as ancova() is; a group's delta is absent when its missing carry no weight.
    Reference: White, Carpenter and Horton, Stat Sin 2018;28:1985-2003 (mean score, pattern mixture);
    Yan, Lee and Li, J Biopharm Stat 2009;19:1085-98 (tipping point).
    """
    adjusted = _adjusted(first, second)
    if isinstance(adjusted, Absent):
        return adjusted
    low, high = adjusted.estimate.low, adjusted.estimate.high
    nearest = min(low, high, key=abs)
    weights = _weights(first, second)
    groups = [
        _missing_group(table, weight=weight, slope=adjusted.slope, nearest=nearest)
        for table, weight in zip((first, second), weights, strict=True)
    ]
    return TippingPoint(adjusted=adjusted, excludes_zero=low > 0 or high < 0, first=groups[0], second=groups[1])


def delta_adjusted(
    first: ScoreTable, second: ScoreTable, *, delta_first: float, delta_second: float
) -> Estimate | Absent:
    """The adjusted difference if the missing of each group differed by so many points from what is assumed.

    Formula, units, assumptions, missing data and reference: see tipping_point().
    Errors: absent as ancova() is.
    """
    adjusted = _adjusted(first, second)
    if isinstance(adjusted, Absent):
        return adjusted
    return _moved(adjusted, _weights(first, second), (delta_first, delta_second))


def delta_grid(first: ScoreTable, second: ScoreTable, *, deltas: Sequence[int]) -> tuple[DeltaScenario, ...] | Absent:
    """The adjusted difference for each pair of these deltas, one for the missing of each group.

    Formula, units, assumptions, missing data and reference: see tipping_point().
    Errors: absent as ancova() is.
    """
    adjusted = _adjusted(first, second)
    if isinstance(adjusted, Absent):
        return adjusted
    weights = _weights(first, second)
    return tuple(
        DeltaScenario(delta_first=one, delta_second=two, estimate=_moved(adjusted, weights, (one, two)))
        for one in deltas
        for two in deltas
    )


def difference_bounds(first: ScoreTable, second: ScoreTable) -> DifferenceBounds | Absent:
    """The difference of the means when all missing scores are the best in one group and the worst in the other.

    Formula: low has 0 for the missing of the first group and 100 for those of the second; high the other way round;
    the change of the same patients is their score after minus their score before.
    Units: points; these are ends of what is possible, no interval.
    Missing data: patients with a score before; a missing score after takes the ends of the scale.
    Errors: absent when a group has nobody with a score before.
    Reference: Horowitz and Manski, J Am Stat Assoc 2000;95:77-84.
    """
    sides = [_with_before(table) for table in (first, second)]
    if short := shortage(*(sum(n for _, _, n in side) for side in sides), needed=1):
        return short
    (best_first, worst_first), (best_second, worst_second) = (_mean_ends(side) for side in sides)
    before = [Moments.from_counts(table.before_counts) for table in (first, second)]
    gap = before[0].mean - before[1].mean
    return DifferenceBounds(
        after_low=float(best_first - worst_second),
        after_high=float(worst_first - best_second),
        change_low=float(best_first - worst_second - gap),
        change_high=float(worst_first - best_second - gap),
        n_first=before[0].n,
        n_second=before[1].n,
        n_missing_first=sum(_missing_before(first).values()),
        n_missing_second=sum(_missing_before(second).values()),
    )


def _adjusted(first: ScoreTable, second: ScoreTable) -> AdjustedComparison | Absent:
    if short := shortage(first.n_both, second.n_both, needed=SMALLEST_TESTED_GROUP):
        return short
    return ancova(first.moments, second.moments)


def _missing_before(table: ScoreTable) -> dict[int, int]:
    """Score before -> n of those who have no score after."""
    return {before: n for before, after, n in table.cells if before is not None and after is None}


def _weights(first: ScoreTable, second: ScoreTable) -> tuple[Fraction, Fraction]:
    """What one point more in the missing of each group adds to the least-squares difference of all."""
    one, two = Moments.from_counts(first.before_counts), Moments.from_counts(second.before_counts)
    gap, within = one.mean - two.mean, one.squares + two.squares

    def weight(table: ScoreTable, moments: Moments, sign: int) -> Fraction:
        missing = _missing_before(table)
        n_missing = sum(missing.values())
        excess = sum((n * (before - moments.mean) for before, n in missing.items()), Fraction(0))
        return Fraction(sign * n_missing, moments.n) - gap * excess / within

    return weight(first, one, 1), weight(second, two, -1)


def _missing_group(table: ScoreTable, *, weight: Fraction, slope: float, nearest: float) -> MissingGroup:
    missing = _missing_before(table)
    imputed: float | Absent = Absent(reason=Reason.NO_WEIGHT)
    if missing:
        answered = table.moments
        distance = Moments.from_counts(missing).mean - answered.before.mean
        imputed = float(answered.after.mean) + slope * float(distance)
    return MissingGroup(
        n_answered=table.n_both,
        n_missing=sum(missing.values()),
        weight=float(weight),
        imputed_mean=imputed,
        tipping_delta=-nearest / float(weight) if weight else Absent(reason=Reason.NO_WEIGHT),
    )


def _moved(adjusted: AdjustedComparison, weights: tuple[Fraction, Fraction], deltas: tuple[float, float]) -> Estimate:
    shift = sum(float(weight) * delta for weight, delta in zip(weights, deltas, strict=True))
    estimate = adjusted.estimate
    return Estimate(
        value=estimate.value + shift,
        low=estimate.low + shift,
        high=estimate.high + shift,
        level=estimate.level,
        method=Method.DELTA_ADJUSTED,
        n=estimate.n,
    )


def _with_before(table: ScoreTable) -> list[tuple[int, int | None, int]]:
    return [(before, after, n) for before, after, n in table.cells if before is not None]


def _mean_ends(side: Sequence[tuple[int, int | None, int]]) -> Iterator[Fraction]:
    """The mean after with the best score for all who have none, and with the worst."""
    everyone = sum(n for _, _, n in side)
    for taken in (LOWEST_SCORE, HIGHEST_SCORE):
        yield Fraction(sum(n * (taken if after is None else after) for _, after, n in side), everyone)
