"""One group against another by ranks: Mann-Whitney, the Hodges-Lehmann shift, the probability of superiority."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import exp, log, sqrt

from registry.statistics.distributions import normal_quantile
from registry.statistics.moments import Moments
from registry.statistics.ranks import (
    FIRST_SIZE_NOT_EXACT,
    Position,
    RankTest,
    exact_position,
    exact_test,
    has_ties,
    middle,
    midranks,
    normal_position,
    normal_test,
    tie_term,
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Superiority:
    """The share of pairs of patients in which the first group's improved more, ties half, with its interval."""

    value: float
    interval: Estimate | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class RankComparison:
    """The first group against the second by ranks; the statistic of the test is U of the first group."""

    shift: Estimate
    superiority: Superiority
    test: RankTest
    n_first: int
    n_second: int


def change_ranks(first: ScoreTable, second: ScoreTable) -> RankComparison | Absent:
    """The shift of the change between two groups, first minus second, with the Mann-Whitney test.

    Formula, units, errors and reference: see mann_whitney() and superiority().
    Missing data: patients with both scores.
    """
    return mann_whitney(first.change_counts, second.change_counts)


def mann_whitney(first: Mapping[int, int], second: Mapping[int, int]) -> RankComparison | Absent:
    """The rank comparison of two variables given as value -> n, first minus second.

    Formula: U = number of pairs with first > second, ties half; exact when both n < 50 without ties, otherwise normal
    with E = n1 n2 / 2 and variance n1 n2 / 12 (N + 1 - sum(t^3 - t) / (N (N - 1))) over the ties, corrected for
    continuity. Shift = median of the differences of all pairs; its interval is the set of shifts that the same test
    does not refuse (where the approximation is used, with the ties within each group).
    Units: points; U has none.
    Errors: absent when a group has n < 5 or neither group varies.
    Reference: Hollander and Wolfe, Nonparametric Statistical Methods, 1999, 4.1-4.3;
    R wilcox.test(first, second, conf.int = TRUE).
    """
    first, second = _filled(first), _filled(second)
    n_first, n_second = sum(first.values()), sum(second.values())
    if short := shortage(n_first, n_second, needed=SMALLEST_TESTED_GROUP):
        return short
    if len(first) == len(second) == 1:
        return Absent(reason=Reason.NO_VARIATION)
    test, position = _tested(first, second)
    return RankComparison(
        shift=middle(_differences(first, second), position=position, n=n_first + n_second),
        superiority=superiority(first, second),
        test=test,
        n_first=n_first,
        n_second=n_second,
    )


def superiority(first: Mapping[int, int], second: Mapping[int, int]) -> Superiority:
    """How likely a patient of the first group has the lower value, which is the better one.

    Formula: s = share of pairs with first < second, ties half. With the placements v(x) = share of the second group
    above x, w(y) = share of the first below y, ties half: variance = var(v) / n1 + var(w) / n2;
    interval: logit(s) +- z(0.975) sqrt(variance) / (s (1 - s)), turned back into a share.
    Units: a share from 0 to 1.
    Errors: the interval is absent when a group has n < 2 or the groups do not overlap; ValueError for an empty group.
    Reference: DeLong et al., Biometrics 1988;44:837-45; logit limits: Pepe, The Statistical Evaluation of Medical
    Tests, 2003, 5.2.
    """
    n_first, n_second = sum(first.values()), sum(second.values())
    ours, theirs = (Moments.from_counts(placed) for placed in _placements(first, second))
    value = ours.mean / (2 * n_second)
    if short := shortage(n_first, n_second, needed=2):
        return Superiority(value=float(value), interval=short)
    variance = ours.squared_error / (2 * n_second) ** 2 + theirs.squared_error / (2 * n_first) ** 2
    return Superiority(value=float(value), interval=_logit_interval(value, variance, n=n_first + n_second))


def _logit_interval(value: Fraction, variance: Fraction, *, n: int) -> Estimate | Absent:
    if value in (0, 1):
        return Absent(reason=Reason.NO_OVERLAP)
    if variance == 0:
        return Absent(reason=Reason.NO_VARIATION)
    half_width = normal_quantile((1 + CONFIDENCE_LEVEL) / 2) * sqrt(variance) / float(value * (1 - value))
    odds = log(value / (1 - value))
    return Estimate(
        value=float(value),
        low=_share(odds - half_width),
        high=_share(odds + half_width),
        level=CONFIDENCE_LEVEL,
        method=Method.DELONG,
        n=n,
    )


def _share(log_odds: float) -> float:
    # exp of a large positive number overflows; of a negative one it fades to 0.
    return 1 / (1 + exp(-log_odds)) if log_odds > 0 else exp(log_odds) / (1 + exp(log_odds))


def _placements(first: Mapping[int, int], second: Mapping[int, int]) -> tuple[Counter[int], Counter[int]]:
    """Twice the number of the other group on the worse side of each of ours, and on the better side of theirs."""
    both = midranks(_pooled(first, second))
    n_second = sum(second.values())
    ours: Counter[int] = Counter()
    theirs: Counter[int] = Counter()
    # The rank among all less the rank among one's own is the number of others below, ties half.
    for value, rank in midranks(first).items():
        ours[2 * n_second - (both[value] - rank)] += first[value]
    for value, rank in midranks(second).items():
        theirs[both[value] - rank] += second[value]
    return ours, theirs


def _tested(first: Mapping[int, int], second: Mapping[int, int]) -> tuple[RankTest, Position]:
    sizes = sum(first.values()), sum(second.values())
    pooled = _pooled(first, second)
    doubled = midranks(pooled)
    rank_sum = Fraction(sum(n * doubled[value] for value, n in first.items()), 2)
    u = rank_sum - Fraction(sizes[0] * (sizes[0] + 1), 2)
    if max(sizes) < FIRST_SIZE_NOT_EXACT and not has_ties(pooled.values()):
        frequencies = _frequencies(*sizes)
        return exact_test(int(u), frequencies), exact_position(frequencies)
    n_pairs = sizes[0] * sizes[1]
    # Shifted by anything but a whole number, the groups share no value: only the ties within each are left.
    within = _variance(sizes, tie_term(first.values()) + tie_term(second.values()))
    variance = _variance(sizes, tie_term(pooled.values()))
    test = normal_test(u, expected=Fraction(n_pairs, 2), variance=variance)
    return test, normal_position(n_pairs, variance=within)


def _variance(sizes: tuple[int, int], ties: int) -> Fraction:
    total = sum(sizes)
    return Fraction(sizes[0] * sizes[1], 12) * (total + 1 - Fraction(ties, total * (total - 1)))


def _filled(counts: Mapping[int, int]) -> dict[int, int]:
    return {value: n for value, n in counts.items() if n}


def _pooled(first: Mapping[int, int], second: Mapping[int, int]) -> Counter[int]:
    return Counter(first) + Counter(second)


def _differences(first: Mapping[int, int], second: Mapping[int, int]) -> Counter[int]:
    """Difference of two patients, one of each group -> number of such pairs."""
    found: Counter[int] = Counter()
    for (one, n_one), (other, n_other) in product(first.items(), second.items()):
        found[one - other] += n_one * n_other
    return found


def _frequencies(n_first: int, n_second: int) -> list[int]:
    """How many arrangements of the two groups give each U, from 0 to n1 n2 (the Gaussian binomial coefficients)."""
    found = [1] + [0] * (n_first * n_second)
    for step in range(1, n_first + 1):
        for u in range(len(found) - 1, n_second + step - 1, -1):
            found[u] -= found[u - n_second - step]
        for u in range(step, len(found)):
            found[u] += found[u - step]
    return found
