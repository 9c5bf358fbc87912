"""What choosing patients by a high score before does to their change, without any treatment."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

from registry.statistics.moments import PairMoments
from registry.statistics.paired import mean_change
from registry.statistics.results import SMALLEST_TESTED_GROUP, Absent, MeanChange, Reason, shortage
from registry.statistics.score_table import ScoreTable


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionEffect:
    """The change that the entry rule alone would produce in one group; negative is a fall, as in every change.

    It stands beside the observed change of the entrants, and it includes differences in effect: patients with more
    pain may also gain more.
    """

    change_by_rule: float
    change_by_normal_theory: float | Absent
    slope: float
    correlation: float | Absent
    mean_before_all: float
    mean_before_entrants: float
    n_all: int
    n_entrants: int
    observed: MeanChange | Absent
    observed_all: MeanChange | Absent


def selection_effect(table: ScoreTable, *, at_least: int = 30) -> SelectionEffect | Absent:
    """The change that the entry rule alone would produce among all-comers of one group.

    Formula: -(1 - b) (mean before of the entrants - mean before of all), b the least-squares slope of after on before
    among all; the normal theory is normal_selection() with the mean and sd of before and the correlation of all.
    Units: points; negative is a fall.
    Missing data: patients with both scores, entrants and others.
    Errors: absent when n < 5, nobody enters, or before does not vary; the normal theory alone when after does not.
    Reference: Barnett, van der Pols and Dobson, Int J Epidemiol 2005;34:215-20; R lm(after ~ before).
    """
    entrants = table.entered(at_least=at_least)
    if short := shortage(table.n_both, needed=SMALLEST_TESTED_GROUP) or shortage(entrants.n_both, needed=1):
        return short
    everyone, chosen = table.moments, entrants.moments
    if everyone.before.squares == 0:
        return Absent(reason=Reason.NO_VARIATION_BEFORE)
    slope = everyone.products / everyone.before.squares
    correlation = _correlation(everyone)
    return SelectionEffect(
        change_by_rule=float((slope - 1) * (chosen.before.mean - everyone.before.mean)),
        change_by_normal_theory=_by_normal_theory(everyone, correlation, cut=at_least),
        slope=float(slope),
        correlation=correlation,
        mean_before_all=float(everyone.before.mean),
        mean_before_entrants=float(chosen.before.mean),
        n_all=everyone.n,
        n_entrants=chosen.n,
        observed=mean_change(entrants),
        observed_all=mean_change(table),
    )


def normal_selection(*, mean: float, sd: float, correlation: float, cut: float) -> float:
    """The change of those at or above the cut when both scores are normal with the same mean and sd.

    Formula: -(1 - r) s f(z) / (1 - F(z)) with z = (cut - m) / s, f and F the standard normal density and
    distribution function: the mean of the normal distribution above the cut is m + s f(z) / (1 - F(z)).
    Units: those of the score; negative is a fall.
    Errors: ValueError when the sd is not positive or r lies outside -1 to 1.
    Reference: Davis, Am J Epidemiol 1976;104:493-8; Barnett and others, Int J Epidemiol 2005;34:215-20.
    """
    if sd <= 0 or not -1 <= correlation <= 1:
        raise ValueError(f"no normal distribution has sd {sd} and correlation {correlation}")
    # The scaled complementary error function: density and tail would both vanish far above the mean.
    from scipy import special

    return -(1 - correlation) * sd * sqrt(2 / pi) / float(special.erfcx((cut - mean) / sd / sqrt(2)))


def _correlation(moments: PairMoments) -> float | Absent:
    if moments.after.squares == 0:
        return Absent(reason=Reason.NO_VARIATION)
    squared = moments.products**2 / (moments.before.squares * moments.after.squares)
    return sqrt(squared) if moments.products > 0 else -sqrt(squared)


def _by_normal_theory(moments: PairMoments, correlation: float | Absent, *, cut: int) -> float | Absent:
    if isinstance(correlation, Absent):
        return correlation
    return normal_selection(
        mean=float(moments.before.mean), sd=sqrt(moments.before.variance), correlation=correlation, cut=cut
    )
