"""How much the comparison can tell: the width of its interval, its power, and what more answers would bring."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

from registry.statistics.comparison import adjusted_difference
from registry.statistics.distributions import t_quantile
from registry.statistics.results import CONFIDENCE_LEVEL, SMALLEST_TESTED_GROUP, Absent
from registry.statistics.score_table import ScoreTable

# The minimal important change of the VAS.
IMPORTANT_DIFFERENCE = 15.0
WANTED_HALF_WIDTH = 5.0
_SMALLEST_DF = 2 * SMALLEST_TESTED_GROUP - 3
# Noncentralities beyond which the power is 1 to the last digit, and beyond which one tail holds all of it.
_CERTAIN = 30.0
_ONE_TAIL = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """The precision of the adjusted difference, in points; power from 0 to 1."""

    half_width: float
    important_difference: float
    power: float
    wanted_half_width: float
    more_per_group: int
    n_first: int
    n_second: int


def precision(
    first: ScoreTable,
    second: ScoreTable,
    *,
    important_difference: float = IMPORTANT_DIFFERENCE,
    wanted_half_width: float = WANTED_HALF_WIDTH,
) -> Precision | Absent:
    """The half-width of the adjusted difference's interval, its power, and how many more answers narrow it enough.

    Formula: half-width h = t(0.975, n - 3) se with the se of ancova(); power: see ancova_power();
    more per group: the smallest m for which h <= wanted when m patients with both scores join each group,
    with se^2 = s^2 (1 / (n1 + m) + 1 / (n2 + m) + gap^2 / (Sxx (n + 2m) / n)) and df = n + 2m - 3.
    Units: points; patients.
    Assumptions: the new patients have the residual variance s^2, the gap between the means before and the spread of
    before within the groups that the present ones have.
    Missing data: patients with both scores.
    Errors: absent as ancova() is; ValueError when the important difference or the wanted half-width is not positive.
    Reference: Borm, Fransen and Lemmens, J Clin Epidemiol 2007;60:1234-8 (sample size of ANCOVA); R qt(), pt().
    """
    if important_difference <= 0 or wanted_half_width <= 0:
        raise ValueError("a difference and a half-width are positive")
    found = adjusted_difference(first, second)
    if isinstance(found, Absent):
        return found
    plan = _plan(first, second, squared_error=found.standard_error**2)
    return Precision(
        half_width=plan.half_width(0),
        important_difference=important_difference,
        power=ancova_power(
            important_difference, standard_error=found.standard_error, df=found.n_first + found.n_second - 3
        ),
        wanted_half_width=wanted_half_width,
        more_per_group=_smallest_addition(plan, wanted_half_width),
        n_first=found.n_first,
        n_second=found.n_second,
    )


def ancova_power(difference: float, *, standard_error: float, df: int) -> float:
    """The probability that the two-sided 5 % t test finds a true difference of this size.

    Formula: P(|T| > t(0.975, df)) with T noncentral t, noncentrality = difference / standard error.
    Units: a probability.
    Errors: ValueError when the standard error is not positive or df < 7, which two groups of 5 have.
    Reference: R pt(q, df, ncp); scipy.special.nctdtr; tolerance 1e-8.
    """
    if standard_error <= 0 or df < _SMALLEST_DF:
        raise ValueError(f"a power needs a standard error above 0 and df of at least {_SMALLEST_DF}")
    noncentrality = abs(difference) / standard_error
    if noncentrality > _CERTAIN:
        return 1.0
    from scipy import special

    critical = t_quantile((1 + CONFIDENCE_LEVEL) / 2, df=df)
    found = 1 - float(special.nctdtr(df, noncentrality, critical))
    # The far tail vanishes beyond 8, where scipy returns NaN for it.
    return found if noncentrality > _ONE_TAIL else found + float(special.nctdtr(df, noncentrality, -critical))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What the width depends on when more patients join."""

    n_first: int
    n_second: int
    variance: float
    gap_share: float

    def half_width(self, more: int) -> float:
        one, two = self.n_first + more, self.n_second + more
        grown = (one + two) / (self.n_first + self.n_second)
        error = sqrt(self.variance * (1 / one + 1 / two + self.gap_share / grown))
        return t_quantile((1 + CONFIDENCE_LEVEL) / 2, df=one + two - 3) * error


def _plan(first: ScoreTable, second: ScoreTable, *, squared_error: float) -> _Plan:
    one, two = first.moments.before, second.moments.before
    gap_share = (one.mean - two.mean) ** 2 / (one.squares + two.squares)
    leverage = Fraction(1, one.n) + Fraction(1, two.n) + gap_share
    return _Plan(n_first=one.n, n_second=two.n, variance=squared_error / float(leverage), gap_share=float(gap_share))


def _smallest_addition(plan: _Plan, wanted: float) -> int:
    """By doubling and halving: the width falls with every patient who joins."""
    too_few, enough = -1, 0
    while plan.half_width(enough) > wanted:
        too_few, enough = enough, 2 * enough + 1
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if plan.half_width(middle) <= wanted else (middle, enough)
    return enough
