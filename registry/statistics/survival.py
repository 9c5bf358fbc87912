"""The share of patients to whom the event has happened by a time, with death as the other way to leave."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, expm1, log1p, sqrt

from registry.statistics.distributions import normal_quantile
from registry.statistics.event_table import EventTable, Step
from registry.statistics.results import CONFIDENCE_LEVEL, Absent, Estimate, Method, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidencePoint:
    """The cumulative incidence of one group at one time, from 0 to 1, and the patients behind it.

    At risk are those observed until just before the time; events, deaths and censored count up to and with it.
    """

    months: float
    n_at_risk: int
    n_events: int
    n_deaths: int
    n_censored: int
    incidence: float | Absent
    standard_error: float | Absent
    interval: Estimate | Absent


def cumulative_incidence(table: EventTable, *, at: Sequence[float]) -> tuple[IncidencePoint, ...]:
    """The share to whom the event has happened by each of these times, with death as competing event.

    Formula: Aalen-Johansen, F(t) = sum over times up to t of S(before) events / at risk, S the product of
    1 - (events + deaths) / at risk; squared standard error = sum of the squares of every patient's influence on F
    (infinitesimal jackknife; Greenwood's formula when nobody dies); interval on the scale log(-log(1 - F)):
    1 - (1 - F)^exp(+-z se / ((1 - F) |log(1 - F)|)).
    Units: shares from 0 to 1; months.
    Assumptions: whoever is censored has the same prospects as those still observed. Whoever is censored at a time
    was at risk at it.
    Missing data: patients whose time is unknown are not in the table.
    Errors: absent when n = 0 or the time lies beyond the last observation; the interval alone when nobody had the
    event yet, or everyone who was left had it.
    Reference: Aalen and Johansen, Scand J Stat 1978;5:141-50; Kalbfleisch and Prentice 2002, 1.4 and 8.2;
    R survival::survfit(Surv(t, factor(status))) for F and its error; 1 - F as survfit(conf.type = "log-log").
    """
    curve = list(_curve(table))
    return tuple(_point(table, curve, months) for months in at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reached:
    """The curve from one time on, and how many patients have left by then."""

    step: Step
    incidence: float
    squared_error: float
    n_events: int
    n_deaths: int
    n_censored: int
    n_left: int

    @property
    def is_complete(self) -> bool:
        """Whether the event has happened to everyone who was left, so that the incidence is 1."""
        return self.n_deaths == 0 and self.step.n_at_risk == self.step.n_events

    @property
    def standard_error(self) -> float:
        """The root of the squared error; where that is 0, rounding leaves a trace on either side of it."""
        return 0.0 if self.is_complete else sqrt(max(0.0, self.squared_error))


@dataclass(slots=True)
class _Influences:
    """How far each patient moves the curve, in running sums, so that no time goes through the patients again.

    Those still observed move it by `staying` each. Those who left move it by u each, and while it rises by d their u
    grows by pull * d; the sums over them are of u^2, u pull and pull^2.
    """

    staying: float = 0.0
    greenwood: float = 0.0
    squares: float = 0.0
    products: float = 0.0
    pulls: float = 0.0

    def pass_step(self, step: Step, *, surviving: float) -> None:
        """Take in one time, before which this share had neither event nor death."""
        n, gone = step.n_at_risk, step.n_events + step.n_deaths
        rise, leaving = surviving * step.n_events / n, self.greenwood - 1 / n
        self.squares += 2 * rise * self.products + rise * rise * self.pulls
        self.products += rise * self.pulls
        self.staying += leaving * rise
        self.greenwood += gone / (n * (n - gone)) if n > gone else 0.0
        self._leave(step.n_events, self.staying + surviving / n, leaving)
        self._leave(step.n_deaths, self.staying, leaving)
        self._leave(step.n_censored, self.staying, self.greenwood)

    def _leave(self, n: int, u: float, pull: float) -> None:
        self.squares += n * u * u
        self.products += n * u * pull
        self.pulls += n * pull * pull


def _curve(table: EventTable) -> Iterator[_Reached]:
    influences, incidence, surviving = _Influences(), 0.0, 1.0
    n_events = n_deaths = n_censored = 0
    for step in table.steps:
        gone = step.n_events + step.n_deaths
        incidence += surviving * step.n_events / step.n_at_risk
        influences.pass_step(step, surviving=surviving)
        surviving *= (step.n_at_risk - gone) / step.n_at_risk
        n_events, n_deaths = n_events + step.n_events, n_deaths + step.n_deaths
        n_censored += step.n_censored
        n_left = step.n_at_risk - gone - step.n_censored
        yield _Reached(
            step=step,
            incidence=incidence,
            squared_error=influences.squares + n_left * influences.staying**2,
            n_events=n_events,
            n_deaths=n_deaths,
            n_censored=n_censored,
            n_left=n_left,
        )


def _point(table: EventTable, curve: Sequence[_Reached], months: float) -> IncidencePoint:
    place = bisect_right(curve, months, key=lambda reached: reached.step.months)
    if place == 0:
        return _before_everything(table, months)
    reached = curve[place - 1]
    is_at_step = reached.step.months == months
    n_at_risk = reached.step.n_at_risk if is_at_step else reached.n_left
    known = n_at_risk > 0
    nobody = Absent(reason=Reason.NOBODY_AT_RISK)
    return IncidencePoint(
        months=months,
        n_at_risk=n_at_risk,
        n_events=reached.n_events,
        n_deaths=reached.n_deaths,
        n_censored=reached.n_censored,
        incidence=reached.incidence if known else nobody,
        standard_error=reached.standard_error if known else nobody,
        interval=_interval(reached, n=table.n) if known else nobody,
    )


def _before_everything(table: EventTable, months: float) -> IncidencePoint:
    """The curve before the first time, or of a group with nobody in it."""
    nothing = Absent(reason=Reason.NO_EVENTS if table.n else Reason.NO_ANSWERS)
    return IncidencePoint(
        months=months,
        n_at_risk=table.n,
        n_events=0,
        n_deaths=0,
        n_censored=0,
        incidence=0.0 if table.n else nothing,
        standard_error=0.0 if table.n else nothing,
        interval=nothing,
    )


def _interval(reached: _Reached, *, n: int) -> Estimate | Absent:
    if reached.n_events == 0:
        return Absent(reason=Reason.NO_EVENTS)
    share = reached.incidence
    # Nobody is left who has not had the event: 1 - F is 0, and has no logarithm.
    if reached.is_complete:
        return Absent(reason=Reason.NO_VARIATION)
    log_free = log1p(-share)
    z = normal_quantile((1 + CONFIDENCE_LEVEL) / 2)
    reach = z * reached.standard_error / ((1 - share) * -log_free)
    return Estimate(
        value=share,
        low=-expm1(log_free * exp(-reach)),
        high=-expm1(log_free * exp(reach)),
        level=CONFIDENCE_LEVEL,
        method=Method.AALEN_JOHANSEN,
        n=n,
    )
