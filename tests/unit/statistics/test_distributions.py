"""Quantiles and tails. Witness: R 4.2.2, qt(), pt() and qnorm() with 17 digits; 1e-8 relative."""

from __future__ import annotations

import pytest

from registry.statistics.distributions import normal_quantile, t_quantile, two_sided_p


@pytest.mark.parametrize(
    ("df", "expected"),
    [
        (1, 12.706204736174694),
        (2.7, 3.3921483831737502),
        (53, 2.0057459953178687),
        (1e6, 1.9599663568141066),
    ],
)
def test_t_quantile_equals_r(df: float, expected: float) -> None:
    assert t_quantile(0.975, df=df) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    ("t", "df", "expected"), [(-30.0, 9, 2.483704704158263e-10), (45.0, 120.4, 3.7151148771419462e-77)]
)
def test_small_p_keeps_its_digits(t: float, df: float, expected: float) -> None:
    assert two_sided_p(t, df=df) == pytest.approx(expected, rel=1e-8)


def test_p_at_zero_is_one() -> None:
    assert two_sided_p(0.0, df=10) == 1.0


def test_normal_quantile_equals_r() -> None:
    assert normal_quantile(0.975) == pytest.approx(1.9599639845400536, rel=1e-12)


def test_results_are_plain_floats() -> None:
    assert {type(t_quantile(0.975, df=3)), type(two_sided_p(1.0, df=3)), type(normal_quantile(0.5))} == {float}
