"""The marks of the cumulative distribution: how many of each group improved by at least so much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registry.figures.drawing import Cell
from registry.figures.subject import LARGEST_CHANGE, Group
from registry.statistics.responders import proportion
from registry.statistics.results import Absent, Proportion

# Not worse; the minimal important change of the protocol; and what others have called important.
GUIDES = (0, 15, 20, 30)

COLUMNS = (
    "group",
    "label",
    "improved_by_at_least",
    "k",
    "n",
    "share",
    "ci_low",
    "ci_high",
    "n_all",
    "share_missing_not_improved",
    "share_missing_improved",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The share with at least this improvement of those with both scores; of all it depends on the missing."""

    improvement: int
    share: Proportion
    n_all: int

    @property
    def lowest(self) -> float:
        """The share of all when nobody without both scores improved so much."""
        return self.share.k / self.n_all

    @property
    def highest(self) -> float:
        """The share of all when everybody without both scores did."""
        return (self.share.k + self.n_all - self.share.n) / self.n_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One group from the largest worsening to the largest improvement; without both scores there are no steps."""

    group: str
    label: str
    n: int
    n_all: int
    steps: tuple[Step, ...]

    def at(self, improvement: int) -> Step | None:
        """The step at an improvement."""
        return next((step for step in self.steps if step.improvement == improvement), None)


def curve(group: Group) -> Curve:
    """The curve of a group, from its counts of changes."""
    table = group.table
    return Curve(
        group=group.code, label=group.label, n=table.n_both, n_all=table.n_enrolled, steps=tuple(_steps(group))
    )


def _steps(group: Group) -> Iterator[Step]:
    counts, n = group.table.change_counts, group.table.n_both
    k = n
    for improvement in range(-LARGEST_CHANGE, LARGEST_CHANGE + 1):
        share = proportion(k, n)
        if not isinstance(share, Absent):
            yield Step(improvement=improvement, share=share, n_all=group.table.n_enrolled)
        k -= counts.get(-improvement, 0)


def rows(one: Curve) -> Iterator[tuple[Cell, ...]]:
    """The numbers behind the marks of a group."""
    for step in one.steps:
        share = step.share
        measured = (share.k, share.n, share.value, share.low, share.high)
        yield (one.group, one.label, step.improvement, *measured, step.n_all, step.lowest, step.highest)
