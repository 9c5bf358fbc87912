"""What the rank tests share: midranks and ties of counts, the two ways to P, and order statistics of paired values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, erf, erfc, sqrt

from registry.statistics.distributions import normal_quantile
from registry.statistics.results import CONFIDENCE_LEVEL, Estimate, Method
from registry.statistics.summary import quantile

FIRST_SIZE_NOT_EXACT = 50
TAIL = (1 - Fraction(str(CONFIDENCE_LEVEL))) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RankTest:
    """A two-sided rank test of the hypothesis that nothing differs, with how its P was found."""

    statistic: float
    p: float
    is_exact: bool
    is_continuity_corrected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Which value from either end of the sorted paired values bounds an interval, from 1, and at which level."""

    rank: int
    level: float
    method: Method


def midranks(counts: Mapping[int, int]) -> dict[int, int]:
    """Twice the rank of every value, ties sharing the mean of theirs; doubled, so that it is whole.

    Formula: 2 * (number below) + (number equal) + 1.
    Units: none.
    Errors: none.
    Reference: R rank(ties.method = "average").
    """
    ranks, below = {}, 0
    for value, n in sorted(counts.items()):
        ranks[value] = 2 * below + n + 1
        below += n
    return ranks


def tie_term(sizes: Iterable[int]) -> int:
    """The sum of t^3 - t over groups of t equal values, which makes the variance of a rank sum smaller."""
    return sum(t**3 - t for t in sizes)


def exact_test(statistic: int, frequencies: Sequence[int]) -> RankTest:
    """The test from the whole distribution of a symmetric statistic, given as value -> number of arrangements.

    Formula: P = min(1, 2 P(at least as far from the middle on the same side)).
    Units: none.
    Errors: none for a statistic from 0 to the largest.
    Reference: R wilcox.test(exact = TRUE).
    """
    nearer_end = min(statistic, len(frequencies) - 1 - statistic)
    tail = Fraction(sum(frequencies[: nearer_end + 1]), sum(frequencies))
    return RankTest(
        statistic=float(statistic), p=float(min(2 * tail, Fraction(1))), is_exact=True, is_continuity_corrected=False
    )


def normal_test(statistic: Fraction, *, expected: Fraction, variance: Fraction) -> RankTest:
    """The test from the normal approximation, moved half a step towards the middle.

    Formula: z = (d - sign(d) / 2) / sqrt(variance) with d = statistic - expected; P = 2 Phi(-|z|).
    Units: none.
    Errors: none for a variance above 0.
    Reference: R wilcox.test(exact = FALSE, correct = TRUE).
    """
    z = float(abs(statistic - expected) - Fraction(statistic != expected, 2)) / sqrt(variance)
    # erfc and not 1 - erf: small values keep their digits.
    return RankTest(statistic=float(statistic), p=erfc(abs(z) / sqrt(2)), is_exact=False, is_continuity_corrected=True)


def exact_position(frequencies: Sequence[int]) -> Position:
    """Where the interval ends by the whole distribution of the statistic.

    Formula: the smallest k >= 1 with P(statistic <= k) >= 0.025.
    Units: none.
    Errors: where even the outermost values cover less than 95 %, the level is what they cover.
    Reference: Hollander and Wolfe, Nonparametric Statistical Methods, 1999, 3.3 and 4.3;
    R wilcox.test(conf.int = TRUE).
    """
    total = sum(frequencies)
    rank, below = 0, frequencies[0]
    while Fraction(below, total) < TAIL:
        rank += 1
        below += frequencies[rank]
    covered = CONFIDENCE_LEVEL if rank else float(1 - Fraction(2 * frequencies[0], total))
    return Position(rank=max(rank, 1), level=covered, method=Method.EXACT_RANKS)


def normal_position(n_pairs: int, *, variance: Fraction) -> Position:
    """Where the interval ends by the normal approximation: beyond it the corrected test says P < .05.

    Formula: k = ceil(N / 2 - 1/2 - z(0.975) sqrt(variance)) of N paired values.
    Units: none.
    Errors: where k < 1 the outermost values are taken, and the level is what the approximation gives them.
    Reference: as exact_position(); R finds the same values as roots of the corrected test.
    """
    half, deviation = (n_pairs - 1) / 2, sqrt(variance)
    rank = ceil(half - normal_quantile((1 + CONFIDENCE_LEVEL) / 2) * deviation)
    level = CONFIDENCE_LEVEL if rank >= 1 else erf(half / deviation / sqrt(2))
    return Position(rank=max(rank, 1), level=level, method=Method.NORMAL_RANKS)


def middle(paired: Mapping[int, int], *, position: Position, n: int, steps: int = 1) -> Estimate:
    """The median of paired values, given as value -> n in steps to a point, with its interval of order statistics.

    Formula: the type 7 median; the k-th smallest and the k-th largest value.
    Units: points.
    Errors: none for two paired values or more.
    Reference: Hodges and Lehmann, Ann Math Stat 1963;34:598-611.
    """
    last = sum(paired.values()) - 1
    return Estimate(
        value=quantile(paired, Fraction(1, 2)) / steps,
        low=quantile(paired, Fraction(position.rank - 1, last)) / steps,
        high=quantile(paired, Fraction(last + 1 - position.rank, last)) / steps,
        level=position.level,
        method=position.method,
        n=n,
    )


def has_ties(sizes: Collection[int]) -> bool:
    """Whether any of these groups of equal values holds more than one."""
    return any(n > 1 for n in sizes)
