"""Whether the groups differ in their time to the event: Gray's test, and the log-rank test beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import fsum

from registry.statistics.event_table import EventTable, Step, side_by_side
from registry.statistics.results import SMALLEST_TESTED_GROUP, Absent, Reason, shortage

Vector = list[float]

_SMALLEST_SHARE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class ChiSquareTest:
    """A test that the groups do not differ, with the events that each had and was expected to have."""

    chi_square: float
    df: int
    p: float
    observed: tuple[int, ...]
    expected: tuple[float, ...]


def log_rank_test(tables: Sequence[EventTable]) -> ChiSquareTest | Absent:
    """Whether the rates of the event among those still observed differ between two or more groups.

    Formula: at each time, expected = events of all * share of the group among those at risk, and
    variance[j, k] = events (n - events) / (n - 1) * (n_j / n) ((j = k) - n_k / n);
    chi-square = (O - E)' V^-1 (O - E) over all groups but the last, df = groups - 1.
    Units: none.
    Missing data: as in cumulative_incidence(); a death ends the observation as censoring does.
    Errors: absent when a group has n < 5, nobody had the event, or no event happened while groups were at risk
    together.
    Reference: Mantel, Cancer Chemother Rep 1966;50:163-70; R survival::survdiff.
    """
    if refused := _refused(tables):
        return refused
    at_risk = [[step.n_at_risk for step in here] for here in side_by_side(tables)]
    events = [[step.n_events for step in here] for here in side_by_side(tables)]
    pairs = list(zip(at_risk, events, strict=True))
    expected = [fsum(sum(hit) * n[group] / sum(n) for n, hit in pairs) for group in range(len(tables))]
    groups = range(len(tables) - 1)
    variance = [[fsum(_log_rank_variance(n, sum(hit), j, k) for n, hit in pairs) for k in groups] for j in groups]
    return _tested(_observed(tables), expected, variance)


def gray_test(tables: Sequence[EventTable]) -> ChiSquareTest | Absent:
    """Whether the cumulative incidences differ between two or more groups, with death as competing event.

    Formula: the risk set of a group is R = at risk (1 - F) / S with F its incidence and S its share without event or
    death, both just before the time; expected = events of all * R of the group / R of all;
    chi-square = (O - E)' V^-1 (O - E) over all groups but the last, df = groups - 1, with V as in
    the article for rho = 0, corrected for ties as in cmprsk.
    Units: none.
    Missing data: as in cumulative_incidence().
    Errors: absent when a group has n < 5, nobody had the event, the groups were never at risk together, or
    the pooled incidence reaches 1 while events follow.
    Reference: Gray, Ann Stat 1988;16:1141-54; R cmprsk::cuminc()$Tests.
    """
    if refused := _refused(tables):
        return refused
    moments = list(_gray_moments(tables))
    if any(moment.remaining < _SMALLEST_SHARE for moment in moments):
        return Absent(reason=Reason.NO_COMMON_TIME)
    expected = [fsum(moment.expected[group] for moment in moments) for group in range(len(tables))]
    return _tested(_observed(tables), expected, _gray_variance(moments, n_groups=len(tables)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _GrayMoment:
    """One time of Gray's test, in the terms of the article: h = at risk / S, pooled incidence F0."""

    steps: tuple[Step, ...]
    surviving: Vector
    surviving_after: Vector
    weights: Vector
    expected: Vector
    remaining: float
    remaining_after: float

    @property
    def n_events(self) -> int:
        return sum(step.n_events for step in self.steps)

    @property
    def weight(self) -> float:
        return sum(self.weights)

    def drift(self, group: int, other: int) -> float:
        """How the score of one group answers to an event in the other."""
        return self.weights[group] * ((group == other) - self.weights[other] / self.weight)


def _gray_moments(tables: Sequence[EventTable]) -> Iterator[_GrayMoment]:
    surviving, incidence, pooled = [1.0] * len(tables), [0.0] * len(tables), 0.0
    for steps in side_by_side(tables):
        n_events = sum(step.n_events for step in steps)
        weights = [step.n_at_risk / s if step.n_at_risk else 0.0 for step, s in zip(steps, surviving, strict=True)]
        risk_sets = [weight * (1 - f) for weight, f in zip(weights, incidence, strict=True)]
        rises = [s * step.n_events / (step.n_at_risk or 1) for step, s in zip(steps, surviving, strict=True)]
        after = [s * _share_staying(step) for step, s in zip(steps, surviving, strict=True)]
        rise = n_events / sum(weights)
        yield _GrayMoment(
            steps=steps,
            surviving=surviving,
            surviving_after=after,
            weights=weights,
            expected=[n_events * risk / sum(risk_sets) for risk in risk_sets],
            remaining=1 - pooled,
            remaining_after=1 - pooled - rise,
        )
        surviving, incidence = after, [f + up for f, up in zip(incidence, rises, strict=True)]
        pooled += rise


def _share_staying(step: Step) -> float:
    gone = step.n_events + step.n_deaths
    return (step.n_at_risk - gone) / step.n_at_risk if step.n_at_risk else 1.0


def _gray_variance(moments: Sequence[_GrayMoment], *, n_groups: int) -> list[Vector]:
    """The sum, over the times and the groups, of the variance of a step times the products of its effects.

    The effect of a step on a score runs through all later times: what the drifts add up to after it.
    """
    places = [(group, other) for group in range(n_groups - 1) for other in range(n_groups)]
    later = {place: fsum(_summed_drift(moment, *place) for moment in moments) for place in places}
    terms: list[tuple[float, Vector]] = []
    for moment in moments:
        for group, other in places:
            later[group, other] -= _summed_drift(moment, group, other)
        for k in range(n_groups):
            terms += _gray_terms(moment, k, [later[group, k] for group in range(n_groups - 1)])
    groups = range(n_groups - 1)
    return [[fsum(size * effect[i] * effect[j] for size, effect in terms) for j in groups] for i in groups]


def _summed_drift(moment: _GrayMoment, group: int, other: int) -> float:
    return moment.drift(group, other) * moment.n_events / (moment.weight * moment.remaining)


def _gray_terms(moment: _GrayMoment, k: int, later: Vector) -> Iterator[tuple[float, Vector]]:
    """The variance of the events, and of the deaths, of group k at one time, each with its effect on the scores."""
    step, surviving, after = moment.steps[k], moment.surviving[k], moment.surviving_after[k]
    if moment.n_events and step.n_at_risk:
        share = 1 - moment.remaining_after / after if after > 0 else 1.0
        size = surviving * moment.n_events / (moment.weight * step.n_at_risk)
        ties = _ties(moment.n_events, moment.weight * surviving)
        yield ties * size, [moment.drift(group, k) + share * value for group, value in enumerate(later)]
    if step.n_deaths and after > 0:
        share = moment.remaining_after / after
        size = surviving**2 * step.n_deaths / step.n_at_risk**2
        yield _ties(step.n_deaths, step.n_at_risk) * size, [share * value for value in later]


def _ties(n_together: int, n_at_risk: float) -> float:
    return 1 - (n_together - 1) / (n_at_risk - 1) if n_together > 1 else 1.0


def _refused(tables: Sequence[EventTable]) -> Absent | None:
    if len(tables) < 2:
        raise ValueError("a test needs two groups or more")
    if short := shortage(*(table.n for table in tables), needed=SMALLEST_TESTED_GROUP):
        return short
    return None if any(_observed(tables)) else Absent(reason=Reason.NO_EVENTS)


def _observed(tables: Sequence[EventTable]) -> tuple[int, ...]:
    return tuple(sum(step.n_events for step in table.steps) for table in tables)


def _log_rank_variance(at_risk: Sequence[int], n_events: int, j: int, k: int) -> float:
    n = sum(at_risk)
    if n == 1:
        return 0.0
    return n_events * (n - n_events) / (n - 1) * at_risk[j] / n * ((j == k) - at_risk[k] / n)


def _tested(observed: tuple[int, ...], expected: Vector, variance: list[Vector]) -> ChiSquareTest | Absent:
    import numpy as np
    from scipy import special

    df = len(variance)
    score = np.array([o - e for o, e in zip(observed[:-1], expected[:-1], strict=True)])
    if int(np.linalg.matrix_rank(np.array(variance))) < df:
        return Absent(reason=Reason.NO_COMMON_TIME)
    chi_square = max(0.0, float(score @ np.linalg.solve(np.array(variance), score)))
    return ChiSquareTest(
        chi_square=chi_square,
        df=df,
        p=float(special.chdtrc(df, chi_square)),
        observed=observed,
        expected=tuple(expected),
    )
