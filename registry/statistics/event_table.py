"""When something happened to the patients of one group: the counts by time and outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import isfinite

Row = tuple[float, "Outcome", int]


class Outcome(StrEnum):
    """How the time of a patient ended."""

    EVENT = "event"
    DEATH = "death"
    CENSORED = "censored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One time of one group: how many were still observed just before it, and what happened at it."""

    months: float
    n_at_risk: int
    n_events: int
    n_deaths: int
    n_censored: int


# Without slots: the cached properties keep their value in the instance.
@dataclass(frozen=True, kw_only=True)
class EventTable:
    """How many patients of one group were observed for how long, and how their time ended."""

    cells: tuple[Row, ...]

    @classmethod
    def from_counts(cls, rows: Iterable[Row]) -> EventTable:
        """The table of rows (months, outcome, n) in any order; rows of the same time and outcome are added together.

        Units: months from the operation, whole or not.
        Errors: ValueError for a negative or infinite time, and for a negative n.
        """
        counts: Counter[tuple[float, Outcome]] = Counter()
        for months, outcome, n in rows:
            if not (isfinite(months) and months >= 0):
                raise ValueError(f"a time is finite and not negative: {months!r}")
            if n < 0:
                raise ValueError(f"a count cannot be negative: {n}")
            counts[months, Outcome(outcome)] += n
        return cls(cells=tuple((months, outcome, n) for (months, outcome), n in sorted(counts.items()) if n))

    @cached_property
    def n(self) -> int:
        """The number of patients."""
        return sum(n for _, _, n in self.cells)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The times in ascending order; whoever is censored at a time was still at risk at it."""
        return tuple(self._steps())

    def _steps(self) -> Iterator[Step]:
        at_risk = self.n
        for months in sorted({months for months, _, _ in self.cells}):
            here = self._at[months]
            yield Step(
                months=months,
                n_at_risk=at_risk,
                n_events=here[Outcome.EVENT],
                n_deaths=here[Outcome.DEATH],
                n_censored=here[Outcome.CENSORED],
            )
            at_risk -= here.total()

    @cached_property
    def _at(self) -> dict[float, Counter[Outcome]]:
        found: dict[float, Counter[Outcome]] = {}
        for months, outcome, n in self.cells:
            found.setdefault(months, Counter())[outcome] += n
        return found


def side_by_side(tables: Sequence[EventTable]) -> Iterator[tuple[Step, ...]]:
    """Each time at which an event or a death occurs in any of the groups, with the step of every group at it."""
    steps = [{step.months: step for step in table.steps} for table in tables]
    at_risk = [table.n for table in tables]
    for months in sorted({months for group in steps for months in group}):
        here = tuple(
            group.get(months) or Step(months=months, n_at_risk=n, n_events=0, n_deaths=0, n_censored=0)
            for group, n in zip(steps, at_risk, strict=True)
        )
        if any(step.n_events or step.n_deaths for step in here):
            yield here
        at_risk = [step.n_at_risk - step.n_events - step.n_deaths - step.n_censored for step in here]
