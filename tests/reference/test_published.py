"""registry.statistics against printed results, rebuilt from the means, SDs and n that stand beside them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from registry.statistics.comparison import ancova, welch
from registry.statistics.moments import Moments, PairMoments
from registry.statistics.responders import proportion
from registry.statistics.results import AdjustedComparison, Comparison, Proportion


def rebuilt(*, n: int, mean: str, sd: str) -> Moments:
    return Moments(n=n, mean=Fraction(mean), squares=(n - 1) * Fraction(sd) ** 2)


def rebuilt_pairs(*, before: Moments, after: Moments, sd_change: str) -> PairMoments:
    """The products of deviations follow from var(change) = var(before) + var(after) - 2 cov."""
    squares_of_change = (before.n - 1) * Fraction(sd_change) ** 2
    products = (before.squares + after.squares - squares_of_change) / 2
    return PairMoments(before=before, after=after, products=products)


# Vickers and Altman, BMJ 2001;323:1123-4: on this scale lower is worse.
PLACEBO = rebuilt_pairs(
    before=rebuilt(n=27, mean="53.9", sd="14.0"),
    after=rebuilt(n=27, mean="62.3", sd="17.9"),
    sd_change="14.6",
)
ACUPUNCTURE = rebuilt_pairs(
    before=rebuilt(n=25, mean="60.4", sd="12.3"),
    after=rebuilt(n=25, mean="79.6", sd="17.1"),
    sd_change="16.1",
)


def test_ancova_equals_vickers_and_altman_2001() -> None:
    result = ancova(ACUPUNCTURE, PLACEBO)

    assert isinstance(result, AdjustedComparison)
    assert result.estimate.value == pytest.approx(12.7, abs=0.05)
    assert result.estimate.low == pytest.approx(4.1, abs=0.05)
    assert result.estimate.high == pytest.approx(21.3, abs=0.05)
    assert result.test.p == pytest.approx(0.005, abs=0.0005)
    assert result.test.df == 49
    assert result.slope == pytest.approx(0.7054, abs=0.00005)


def test_welch_on_change_lies_beside_the_equal_variance_test_of_vickers_and_altman_2001() -> None:
    # Printed: 10.8 (2.3 to 19.4), P = 0.014, from Student's test; with SDs so alike Welch's lies close by.
    result = welch(ACUPUNCTURE.change, PLACEBO.change)

    assert isinstance(result, Comparison)
    assert result.estimate.value == pytest.approx(10.8, abs=0.05)
    assert result.estimate.low == pytest.approx(2.3, abs=0.1)
    assert result.estimate.high == pytest.approx(19.4, abs=0.1)
    assert result.test.p == pytest.approx(0.014, abs=0.002)


# Kim et al., Sci Rep 2021;11:3931, Table 3: VAS of the back, 0 to 10, surgery (57) against none (71).
# The differences and P values are calculated from its means and SDs with R 4.2.2 (clinical reference, 2.3).
@pytest.mark.parametrize(
    ("surgery", "none", "difference", "p"),
    [
        (("2.33", "1.56"), ("3.38", "2.32"), -1.05, 0.0028),
        (("2.02", "1.37"), ("3.10", "2.01"), -1.08, 0.00045),
        (("2.24", "1.73"), ("2.42", "1.67"), -0.18, 0.554),
    ],
    ids=["3 months", "6 months", "12 months"],
)
def test_welch_equals_kim_2021(surgery: tuple[str, str], none: tuple[str, str], difference: float, p: float) -> None:
    result = welch(rebuilt(n=57, mean=surgery[0], sd=surgery[1]), rebuilt(n=71, mean=none[0], sd=none[1]))

    assert isinstance(result, Comparison)
    assert result.estimate.value == pytest.approx(difference, abs=1e-12)
    assert result.test.p == pytest.approx(p, rel=0.02)


def test_welch_equals_kim_2021_at_one_month() -> None:
    result = welch(rebuilt(n=57, mean="2.43", sd="1.88"), rebuilt(n=71, mean="3.97", sd="2.17"))

    assert isinstance(result, Comparison)
    assert result.estimate.value == pytest.approx(-1.54, abs=1e-12)
    assert result.test.p < 0.0001


# 81 of 263: Newcombe, Stat Med 1998;17:857-72, Table I, method 3.
# 9 of 26: calculated with R and scipy (clinical reference, 1.3).
@pytest.mark.parametrize(
    ("k", "n", "low", "high", "tolerance"), [(81, 263, 0.2553, 0.3662, 5e-5), (9, 26, 0.194, 0.538, 5e-4)]
)
def test_wilson_interval_equals_the_printed_one(k: int, n: int, low: float, high: float, tolerance: float) -> None:
    result = proportion(k, n)

    assert isinstance(result, Proportion)
    assert result.low == pytest.approx(low, abs=tolerance)
    assert result.high == pytest.approx(high, abs=tolerance)
