"""Before and after within one group by ranks: Wilcoxon's signed-rank test and the pseudo-median of the change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

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
from registry.statistics.results import SMALLEST_TESTED_GROUP, Absent, Estimate, Reason, shortage
from registry.statistics.score_table import ScoreTable
from registry.statistics.summary import quantile

# A mean of two whole numbers is a multiple of half a point: the sums stand for it.
STEPS_TO_A_POINT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRank:
    """The pseudo-median of the changes other than 0, with interval and test; n counts the zeros dropped too."""

    pseudo_median: float
    interval: Estimate | Absent
    test: RankTest | Absent
    n: int
    n_zeros: int


def signed_rank_change(table: ScoreTable) -> SignedRank | Absent:
    """The pseudo-median of after - before with the signed-rank test; negative is better.

    Formula, units, errors and reference: see signed_rank().
    Missing data: patients with both scores.
    """
    return signed_rank(table.change_counts)


def signed_rank(changes: Mapping[int, int]) -> SignedRank | Absent:
    """Wilcoxon's signed-rank test of changes given as value -> n, and their pseudo-median.

    Formula: the zeros are dropped first, for the test and for the pseudo-median, as R does.
    V = sum of the ranks of |d| over d > 0; exact when n < 50 without ties of |d| and without zeros, otherwise normal
    with E = m (m + 1) / 4 and variance m (m + 1) (2 m + 1) / 24 - sum(t^3 - t) / 48 over the ties, corrected for
    continuity, m the changes left. Pseudo-median = median of the means (d_i + d_j) / 2, i <= j; its interval is the
    set of shifts that the same test does not refuse (where the approximation is used, with the ties of d).
    Units: points; V has none.
    Errors: absent when n = 0, n < 2 or every change is 0. Test and interval are absent when n < 5 or fewer than 5
    changed, the interval also when those changes are all the same. Its level is below 0.95 when so few changed that
    no mean lies further out (five without ties: 0.9375); R keeps the name 95 % for the exact case, and narrows the
    interval for the other.
    Reference: Hollander and Wolfe, Nonparametric Statistical Methods, 1999, 3.1-3.3;
    R wilcox.test(after, before, paired = TRUE, conf.int = TRUE).
    """
    n = sum(changes.values())
    if short := shortage(n, needed=2):
        return short
    changed = {value: count for value, count in changes.items() if value and count}
    if not changed:
        return Absent(reason=Reason.NO_VARIATION)
    means = _sums_of_two(changed)
    test, interval = _tested(changed, means, n=n)
    return SignedRank(
        pseudo_median=quantile(means, Fraction(1, 2)) / STEPS_TO_A_POINT,
        interval=interval,
        test=test,
        n=n,
        n_zeros=n - sum(changed.values()),
    )


def _tested(
    changed: Mapping[int, int], means: Mapping[int, int], *, n: int
) -> tuple[RankTest | Absent, Estimate | Absent]:
    n_changed = sum(changed.values())
    if short := shortage(n, needed=SMALLEST_TESTED_GROUP):
        return short, short
    if n_changed < SMALLEST_TESTED_GROUP:
        few = Absent(reason=Reason.FEWER_THAN_FIVE_CHANGED)
        return few, few
    sizes = _sizes(changed)
    is_exact = n == n_changed < FIRST_SIZE_NOT_EXACT and not has_ties(sizes.values())
    test, position = (_exact if is_exact else _approximate)(changed, sizes)
    if len(means) == 1:
        return test, Absent(reason=Reason.NO_VARIATION)
    return test, middle(means, position=position, n=n_changed, steps=STEPS_TO_A_POINT)


def _exact(changed: Mapping[int, int], sizes: Mapping[int, int]) -> tuple[RankTest, Position]:
    frequencies = _frequencies(len(sizes))
    return exact_test(int(_rank_sum(changed, sizes)), frequencies), exact_position(frequencies)


def _approximate(changed: Mapping[int, int], sizes: Mapping[int, int]) -> tuple[RankTest, Position]:
    n = sum(sizes.values())
    n_pairs = n * (n + 1) // 2
    untied = Fraction(n * (n + 1) * (2 * n + 1), 24)
    test = normal_test(
        _rank_sum(changed, sizes),
        expected=Fraction(n_pairs, 2),
        variance=untied - Fraction(tie_term(sizes.values()), 48),
    )
    # Away from the middle of two changes, a change and its opposite are no tie any more.
    return test, normal_position(n_pairs, variance=untied - Fraction(tie_term(changed.values()), 48))


def _sizes(changed: Mapping[int, int]) -> Counter[int]:
    """Size of the change, whichever its direction -> n."""
    sizes: Counter[int] = Counter()
    for value, n in changed.items():
        sizes[abs(value)] += n
    return sizes


def _rank_sum(changed: Mapping[int, int], sizes: Mapping[int, int]) -> Fraction:
    doubled = midranks(sizes)
    return Fraction(sum(n * doubled[value] for value, n in changed.items() if value > 0), 2)


def _sums_of_two(changed: Mapping[int, int]) -> Counter[int]:
    """Sum of two changes -> number of pairs of patients, each also paired with itself."""
    sums: Counter[int] = Counter()
    for value, n in changed.items():
        sums[2 * value] += n * (n + 1) // 2
    for (one, n_one), (other, n_other) in combinations(changed.items(), 2):
        sums[one + other] += n_one * n_other
    return sums


def _frequencies(n: int) -> list[int]:
    """How many of the 2^n choices of signs give each sum of positive ranks, from 0 to n (n + 1) / 2."""
    found = [1] + [0] * (n * (n + 1) // 2)
    for rank in range(1, n + 1):
        for total in range(len(found) - 1, rank - 1, -1):
            found[total] += found[total - rank]
    return found
