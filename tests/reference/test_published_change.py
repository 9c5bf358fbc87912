"""Ranks, effects and risks against printed results."""

from __future__ import annotations

from fractions import Fraction

import pytest

from registry.statistics.effects import hedges_g
from registry.statistics.moments import Moments
from registry.statistics.rank_sums import RankComparison, mann_whitney
from registry.statistics.ranks import RankTest
from registry.statistics.responders import proportion
from registry.statistics.results import Estimate, Proportion
from registry.statistics.risks import Ratio, RiskComparison, compared_shares, risk_difference
from registry.statistics.signed_ranks import SignedRank, signed_rank


def share(k: int, n: int) -> Proportion:
    found = proportion(k, n)
    assert isinstance(found, Proportion)
    return found


def described(n: int, mean: int, sd: int) -> Moments:
    return Moments(n=n, mean=Fraction(mean), squares=Fraction((n - 1) * sd * sd))


def test_ratios_equal_the_worked_example() -> None:
    found = compared_shares(share(79, 200), share(983, 5022))

    assert isinstance(found, RiskComparison)
    assert isinstance(found.risk_ratio, Ratio)
    assert isinstance(found.odds_ratio, Ratio)
    risk, odds = found.risk_ratio, found.odds_ratio
    assert [round(number, 2) for number in (risk.value, risk.low, risk.high)] == [2.02, 1.68, 2.42]
    assert [round(number, 2) for number in (odds.value, odds.low, odds.high)] == [2.68, 2.00, 3.59]
    assert not risk.is_corrected


def test_fisher_finds_11_of_12_unlike_3_of_16() -> None:
    found = compared_shares(share(11, 12), share(3, 16))

    assert isinstance(found, RiskComparison)
    assert found.p < 0.01


# Newcombe, Stat Med 1998;17:873-90, Table II, method 10.
@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_risk_difference_equals_newcombe_1998(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    found = risk_difference(share(*first), share(*second))

    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_signed_rank_equals_the_depression_scale_of_hollander_and_wolfe() -> None:
    # Hamilton depression scale factor IV in thousandths, nine patients; V and the one-sided P as in R ?wilcox.test.
    before = [1830, 500, 1620, 2480, 1680, 1880, 1550, 3060, 1300]
    after = [878, 647, 598, 2050, 1060, 1290, 1060, 3140, 1290]

    found = signed_rank({first - second: 1 for first, second in zip(before, after, strict=True)})

    assert isinstance(found, SignedRank)
    assert isinstance(found.test, RankTest)
    assert found.test.is_exact
    assert found.test.statistic == 40
    assert found.test.p / 2 == pytest.approx(0.01953, abs=5e-6)


def test_mann_whitney_equals_the_permeability_of_hollander_and_wolfe() -> None:
    # Permeability of the chorioamnion in hundredths, at term and before; W and the one-sided P as in R ?wilcox.test.
    at_term = [80, 83, 189, 104, 145, 138, 191, 164, 73, 146]
    before_term = [115, 88, 90, 74, 121]

    found = mann_whitney(dict.fromkeys(at_term, 1), dict.fromkeys(before_term, 1))

    assert isinstance(found, RankComparison)
    assert found.test.is_exact
    assert found.test.statistic == 35
    assert found.test.p / 2 == pytest.approx(0.1272, abs=5e-5)


# Lengths of stay in Normand, Stat Med 1999;18:321-59, as n, mean, SD; g and its variance as R metafor prints them.
@pytest.mark.parametrize(
    ("first", "second", "g", "variance"),
    [
        ((155, 55, 47), (156, 75, 64), -0.3552, 0.0131),
        ((31, 27, 7), (32, 29, 4), -0.3479, 0.0645),
        ((75, 64, 17), (71, 119, 29), -2.3176, 0.0458),
        ((18, 66, 20), (18, 137, 48), -1.8880, 0.1606),
        ((8, 14, 8), (13, 18, 11), -0.3840, 0.2054),
        ((57, 19, 7), (52, 18, 4), 0.1721, 0.0369),
    ],
)
def test_hedges_g_equals_metafor(
    first: tuple[int, int, int], second: tuple[int, int, int], g: float, variance: float
) -> None:
    found = hedges_g(described(*first), described(*second))

    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(g, abs=5e-5)
    assert ((found.high - found.low) / 2 / 1.959963984540054) ** 2 == pytest.approx(variance, abs=5e-5)
